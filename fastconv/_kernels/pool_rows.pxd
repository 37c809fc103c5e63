"""Rows of outputs of any pooling, from what a window has in a row up to its place in the result.

A window is taken apart (largest and sum both allow it): first down its rows, a whole row of the image at a time, then
along the one row that results.

    x  ---------------   \\                          v, padded with what changes nothing
       ---------------    > down:  --------------- -> ..---------------..
       ---------------   /                             |0 1 2|              along: out[0]
                                                           |0 1 2|                 out[1], ...

Both steps combine rows (`rows.pxd`): the step along reads v at shifted starts, which for a stride above one are first
gathered next to each other. With channels-last memory a "row" holds all channels of all its pixels, the shift is a
pixel, and where windows hardly overlap the elements of a window are combined directly.
"""

from fastconv._kernels.rows cimport (
    Along, Cascade, FOLD_DIVIDED, FOLD_PLAIN, FOLD_SCALED, Fold, FoldRun, GROUP, begin, depth_for, every, finish,
    fold_row, fold_windows, push, shifted, span, span_lanes, spans,
)
from fastconv._kernels.strips cimport is_power_of_two, plane_of
from fastconv._kernels.window cimport Place, PoolShape, Strides, divisor_of, number, place, taps_below


cdef struct Work:
    # how one thread's scratch is divided, in elements, and how deep its sums cascade
    Py_ssize_t width                   # v: the pixels of a row with its padding, up to whole strides
    Py_ssize_t pixel                   # elements of a pixel in v
    Py_ssize_t slot                    # a gathered row of the step along; 0 for none
    Py_ssize_t whole, rest             # dilation along the row in strides, and what remains
    Py_ssize_t spare, spans            # where the spare rows of the cascades begin, and the vectors of spans
    Py_ssize_t size                    # elements of it all
    Py_ssize_t lanes                   # outputs that are made of spans at a time; 0 for none
    const Along *where                 # where windows lie along the row, each
    int down, along
    bint apart                         # windows are taken apart


cdef enum:
    NARROW = 16                        # channels below which a whole row of pixels is combined before it is divided
    RUNS = 16                          # of windows that are folded in one call
    SHORT = 8                          # strides whose slots are whole vectors, whatever that adds to v


cdef inline void window(
    number *to, const number *x, const Strides *t, const PoolShape *s, const Place *at, Py_ssize_t u, Py_ssize_t kw,
    Py_ssize_t n, number *spare, int depth, number by,
) noexcept nogil:
    """to[j] over the elements x[.. + j] of the window at (at.z, at.y, u), kw wide, over `by` if any; 0 <= j < n."""
    cdef const number *rows[GROUP]
    cdef Cascade c
    cdef const number *row
    cdef Py_ssize_t i, j, k, step = s.dw * t.w
    cdef Py_ssize_t k0 = taps_below(0, u, kw, s.dw), k1 = taps_below(s.iw, u, kw, s.dw)
    cdef int count = 0
    begin(&c, depth)
    for i in range(at.i0, at.i1):
        for j in range(at.j0, at.j1):
            row = x + (at.z + i * s.dd) * t.d + (at.y + j * s.dh) * t.h + u * t.w
            for k in range(k0, k1):
                if count == GROUP:
                    push(to, spare, n, &c, rows, count, s.maximum)
                    count = 0
                rows[count] = row + k * step
                count += 1
    finish(to, spare, n, &c, rows, count, s.maximum, by, NULL)


cdef inline void strided(
    number *to, number *v, const PoolShape *s, const Work *w, number by, const number *counts,
) noexcept nogil:
    """to[j] over v[j * sw], v[j * sw + dw], ..., v[j * sw + (kw - 1) * dw], 0 <= j < ow; divided as `finish` does.

    The elements of each residue modulo sw are gathered into one row, or those of each tap if that is fewer.
    """
    cdef const number *rows[GROUP]
    cdef Cascade c
    cdef number *gathered = v + w.width
    cdef Py_ssize_t k, slot = 0, start = 0
    cdef int count = 0
    for k in range(min(s.kw, s.sw)):
        every(gathered + k * w.slot, v + (k * s.dw if s.kw <= s.sw else k), s.sw, w.slot)
    begin(&c, w.along)
    for k in range(s.kw):
        if count == GROUP:
            push(to, v + w.spare, s.ow, &c, rows, count, s.maximum)
            count = 0
        rows[count] = gathered + (k * w.slot if s.kw <= s.sw else slot * w.slot + start)
        count += 1
        slot, start = slot + w.rest, start + w.whole       # k * dw modulo sw, and over sw
        if slot >= s.sw:
            slot, start = slot - s.sw, start + 1
    finish(to, v + w.spare, s.ow, &c, rows, count, s.maximum, by, counts)


cdef inline const number *corner(
    const number *x, const Strides *t, const PoolShape *s, const Place *at,
) noexcept nogil:
    """The first row that is in the windows at `at`."""
    return x + (at.z + at.i0 * s.dd) * t.d + (at.y + at.j0 * s.dh) * t.h


cdef inline const number *row_below(
    const number *x, const Strides *t, const PoolShape *s, const Place *at, const Work *w, number *v,
) noexcept nogil:
    """The row that the rows of the windows at `at` come to, with its padding."""
    cdef Fold f
    cdef FoldRun once
    if s.adaptive and s.kd == 1 and s.kh == 1:
        return x + at.z * t.d + at.y * t.h
    if at.i1 - at.i0 == 1:
        f.rows, f.row, f.taps, f.tap = 1, 0, at.j1 - at.j0, s.dh * t.h
        once.from_, once.taps, once.count, once.next, once.by, once.end = 0, f.taps, 1, 0, 1, FOLD_PLAIN
        fold_windows(v + s.pw, corner(x, t, s, at), &f, &once, 1, s.iw, s.maximum)
    else:
        window(v + s.pw, x, t, s, at, 0, 1, s.iw, v + w.spare, w.down, 0)
    return v


cdef inline void rows_of_spans(
    const number *x, number *to, Py_ssize_t z, Py_ssize_t o0, Py_ssize_t o1, const Strides *t, PoolShape *s,
    const Work *w, number *v, const number *counts,
) noexcept nogil:
    """Rows o0 to o1 of depth `z` of the outputs of adaptive windows, channels-first."""
    cdef number *lanes = v + w.spans
    cdef number *by = lanes + w.lanes * w.lanes
    cdef number down = 0
    cdef const number *row
    cdef Place at
    cdef Py_ssize_t o, j, i, n, k = 0
    for o in range(o0, o1):
        at = place(s, z, o)
        row = row_below(x, t, s, &at, w, v)
        if not s.maximum:
            down = <number> divisor_of(s, at)
        j = 0
        while j < s.ow:
            n = min(w.lanes - k, s.ow - j)
            span(lanes + k * w.lanes, row, w.where + j, n, s.maximum)
            for i in range(n):
                by[k + i] = 1 if s.maximum else down * counts[j + i]
            j, k = j + n, k + n
            if k == w.lanes or j == s.ow and o + 1 == o1:
                spans(to, lanes, k, NULL if s.maximum else by, s.maximum)
                to += k
                k = 0


cdef inline void row_first(
    const number *x, number *to, const Strides *t, const PoolShape *s, Place at, const Work *w, number *v,
    const number *counts,
) noexcept nogil:
    """One row of outputs of the plane x, whose windows are at `at`."""
    cdef const number *row
    cdef number by = 0
    cdef Py_ssize_t j
    if not s.maximum:
        by = <number> divisor_of(s, at)
    row = row_below(x, t, s, &at, w, v)
    if s.adaptive:
        for j in range(s.ow):
            fold_row(to + j, row + w.where[j].start, w.where[j].taps, s.maximum)
            if number is float or number is double:
                if not s.maximum:
                    to[j] = to[j] / (by * counts[j])
    elif s.sw == 1:
        shifted(to, row, s.kw, s.dw, s.ow, v + w.spare, w.along, s.maximum, by, counts)
    else:
        strided(to, v, s, w, by, counts)


cdef inline FoldRun run_from(
    const Strides *t, const PoolShape *s, Py_ssize_t j, const Along *where, double by,
) noexcept nogil:
    """The windows of output `j` of a row and of those after it that are alike inside the image; sums are over `by`."""
    cdef FoldRun run
    cdef Py_ssize_t u = where.start, k0 = taps_below(0, u, where.taps, s.dw), k1 = taps_below(s.iw, u, where.taps, s.dw)
    run.from_, run.taps, run.count, run.next = (u + k0 * s.dw) * t.w, k1 - k0, 1, s.sw * t.w
    if run.taps == s.kw and not s.adaptive:
        run.count = min((s.iw - 1 - (s.kw - 1) * s.dw + s.pw) // s.sw, s.ow - 1) - j + 1
    run.by, run.end = 1, FOLD_PLAIN
    if not s.maximum and by != 1:
        run.by, run.end = by, FOLD_DIVIDED
        if is_power_of_two(by):
            run.by, run.end = 1 / by, FOLD_SCALED
    return run


cdef inline void folded_row(
    const number *x, number *to, const Strides *t, const PoolShape *s, const Place *at, const Work *w, double rows,
    const number *counts,
) noexcept nogil:
    """One row of outputs, channels-last, whose windows at `at` have one depth: inside the image many at a time."""
    cdef Fold f
    cdef FoldRun runs[RUNS]
    cdef Py_ssize_t j = 0, made = 0
    cdef int many = 0
    x = corner(x, t, s, at)
    f.rows, f.row, f.tap = at.j1 - at.j0, s.dh * t.h, s.dw * t.w
    while j < s.ow:
        runs[many] = run_from(t, s, j, w.where + j, 1 if s.maximum else rows * counts[j])
        j += runs[many].count
        many += 1
        if many == RUNS or j == s.ow:
            fold_windows(to + made * t.channels, x, &f, <const FoldRun *> runs, many, t.channels, s.maximum)
            made, many = j, 0


cdef inline void row_last(
    const number *x, number *to, const Strides *t, const PoolShape *s, Place at, const Work *w, number *v,
    const number *counts,
) noexcept nogil:
    """One row of outputs of the image x, whose windows are at `at`."""
    cdef number *spare = v + w.spare
    cdef number by = 0
    cdef double rows = 0 if s.maximum else divisor_of(s, at)
    cdef Py_ssize_t c = t.channels, j
    if not w.apart and at.i1 - at.i0 == 1:
        folded_row(x, to, t, s, &at, w, rows, counts)
        return
    if w.apart:
        if t.w == c:
            window(v + s.pw * c, x, t, s, &at, 0, 1, s.iw * c, spare, w.down, 0)
        else:
            for j in range(s.iw):
                window(v + (s.pw + j) * c, x, t, s, &at, j, 1, c, spare, w.down, 0)
    if w.apart and s.sw == 1 and (s.maximum or c < NARROW):
        shifted(to, <const number *> v, s.kw, s.dw * c, s.ow * c, spare, w.along, s.maximum, 0, NULL)
        if number is float or number is double:
            for j in range(0 if s.maximum else s.ow * c):
                to[j] = to[j] / <number> (rows * counts[j // c])
        return
    for j in range(s.ow):
        if not s.maximum:
            by = <number> (rows * counts[j])
        if w.apart:
            shifted(
                to + j * c, <const number *> v + j * s.sw * c, s.kw, s.dw * c, c, spare, w.along, s.maximum, by, NULL,
            )
        else:
            window(to + j * c, x, t, s, &at, w.where[j].start, w.where[j].taps, c, spare, w.down, by)


cdef inline void some_rows(
    const number *x, number *out, Py_ssize_t r, Py_ssize_t parts, const Strides *t, PoolShape s, const Work *w,
    number *v, const number *counts, bint last,
) noexcept nogil:
    """Part `r` of all rows of outputs: `parts` of them make one depth of a plane, or of an image with `last`."""
    cdef Py_ssize_t slab = r // parts, part = r % parts, plane = slab // s.od, o
    cdef Py_ssize_t pixels = s.ow * (t.channels if last else 1)
    x = x + plane * t.n if last else plane_of(x, t, plane)
    out += slab * s.oh * pixels
    if w.lanes:
        o = part * s.oh // parts
        rows_of_spans(x, out + o * pixels, slab % s.od, o, (part + 1) * s.oh // parts, t, &s, w, v, counts)
        return
    for o in range(part * s.oh // parts, (part + 1) * s.oh // parts):
        if last:
            row_last(x, out + o * pixels, t, &s, place(&s, slab % s.od, o), w, v, counts)
        else:
            row_first(x, out + o * pixels, t, &s, place(&s, slab % s.od, o), w, v, counts)


cdef inline Work divide(const PoolShape *s, Py_ssize_t channels, Py_ssize_t size, bint last) noexcept nogil:
    """The scratch of one thread, for elements of `size` bytes."""
    cdef Work w
    cdef Py_ssize_t height = s.kd * s.kh, step
    w.where = NULL
    w.pixel = channels if last else 1
    w.apart = True
    if last:                                               # in the registers of one window a step costs half
        step = 2 if s.kd == 1 and channels >= NARROW else 1
        w.apart = not s.adaptive and step * (s.iw * (height + 1) + s.ow * s.kw) < s.ow * height * s.kw
    w.slot = 0
    w.whole, w.rest = s.dw // s.sw, s.dw % s.sw
    w.along = depth_for(s.kw, s.maximum)
    if not w.apart:
        w.width, w.spare = 0, 0
        w.down = depth_for(height * s.kw, s.maximum)
        w.size = (w.down - 1) * channels
    else:
        w.width = max((s.ow - 1) * s.sw + (s.kw - 1) * s.dw + 1, s.pw + s.iw)
        if s.sw > 1 and not last and not s.adaptive:
            w.slot = s.ow if s.kw <= s.sw else s.ow + (s.kw - 1) * s.dw // s.sw
            if s.sw <= SHORT:                              # whole vectors: gathering them needs no scalar remainder
                w.slot = (w.slot + 15) // 16 * 16
            if s.sw <= SHORT or s.kw > s.sw:
                w.width = max(w.width, w.slot * s.sw + (s.kw - 1) * s.dw)
        w.down = depth_for(height, s.maximum)
        w.spare = w.width * w.pixel + min(s.kw, s.sw) * w.slot
        w.size = w.spare + (max(w.down, w.along) - 1) * max(s.iw, s.ow) * w.pixel
    w.lanes = span_lanes(size) if s.adaptive and not last else 0
    if s.iw < w.lanes:
        w.lanes = 0
    w.spans = w.size
    w.size += w.lanes * (w.lanes + 1)
    w.size = (w.size + 127) // 128 * 128                   # threads write to cache lines of their own
    return w
