"""Pooling of every window to one value: its largest element, its sum, or its mean.

A window is taken apart (largest and sum both allow it): first down its rows, a whole row of the image at a time, then
along the one row that results.

    x  ---------------   \\                          v, padded with what changes nothing
       ---------------    > down:  --------------- -> ..---------------..
       ---------------   /                             |0 1 2|              along: out[0]
                                                           |0 1 2|                 out[1], ...

The common windows are walked in strips instead (`strips.h`), and whole planes are folded (`fold.h`).

Both steps combine rows (`rows.pxd`): the step along reads v at shifted starts, which for a stride above one are first
gathered next to each other. With channels-last memory a "row" holds all channels of all its pixels, the shift is a
pixel, and where windows hardly overlap the elements of a window are combined directly.

Every output is computed whole by one thread, in an order that depends on the geometry alone.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc

from fastconv._kernels.operand cimport five, operand
from fastconv._kernels.rows cimport Cascade, GROUP, begin, depth_for, every, finish, fold_row, fold_rows, push, shifted
from fastconv._kernels.strips cimport Strips, in_strips, parts_of, plane_of, strips_for
from fastconv._kernels.window cimport (
    Place, PoolShape, Strides, counts_along, divisor_of, number, place, pool_shape, start_along, strides_of, taps_along,
    taps_below,
)


cdef struct Work:
    # how one thread's scratch is divided, in elements, and how deep its sums cascade
    Py_ssize_t width                   # v: the pixels of a row with its padding, up to whole strides
    Py_ssize_t pixel                   # elements of a pixel in v
    Py_ssize_t slot                    # a gathered row of the step along; 0 for none
    Py_ssize_t whole, rest             # dilation along the row in strides, and what remains
    Py_ssize_t spare, size             # where the spare rows of the cascades begin; all there is
    int down, along
    bint apart                         # windows are taken apart


cdef enum:
    NARROW = 16                        # channels below which a whole row of pixels is combined before it is divided
    SHORT = 8                          # strides whose slots are whole vectors, whatever that adds to v


cdef void window(
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


cdef void strided(
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


cdef void row_first(
    const number *x, number *to, const Strides *t, const PoolShape *s, Place at, const Work *w, number *v,
    const number *counts,
) noexcept nogil:
    """One row of outputs of the plane x, whose windows are at `at`."""
    cdef const number *row = v
    cdef number by = 0
    cdef Py_ssize_t j
    if not s.maximum:
        by = <number> divisor_of(s, at)
    if s.adaptive and s.kd == 1 and s.kh == 1:
        row = x + at.z * t.d + at.y * t.h
    else:
        window(v + s.pw, x, t, s, &at, 0, 1, s.iw, v + w.spare, w.down, 0)
    if s.adaptive:
        for j in range(s.ow):
            fold_row(to + j, row + start_along(s, j), taps_along(s, j), s.maximum)
            if number is float or number is double:
                if not s.maximum:
                    to[j] = to[j] / (by * counts[j])
    elif s.sw == 1:
        shifted(to, row, s.kw, s.dw, s.ow, v + w.spare, w.along, s.maximum, by, counts)
    else:
        strided(to, v, s, w, by, counts)


cdef void row_last(
    const number *x, number *to, const Strides *t, const PoolShape *s, Place at, const Work *w, number *v,
    const number *counts,
) noexcept nogil:
    """One row of outputs of the image x, whose windows are at `at`."""
    cdef number *spare = v + w.spare
    cdef number by = 0
    cdef double rows = 0 if s.maximum else divisor_of(s, at)
    cdef Py_ssize_t c = t.channels, j, k
    cdef const number *row
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
        if s.adaptive and s.kd == 1 and s.kh == 1:
            row = x + at.z * t.d + at.y * t.h + start_along(s, j) * t.w
            fold_rows(to + j * c, row, t.w, taps_along(s, j), c, s.maximum)
            if number is float or number is double:
                for k in range(0 if s.maximum else c):
                    to[j * c + k] = to[j * c + k] / by
        elif w.apart:
            shifted(
                to + j * c, <const number *> v + j * s.sw * c, s.kw, s.dw * c, c, spare, w.along, s.maximum, by, NULL,
            )
        else:
            window(to + j * c, x, t, s, &at, start_along(s, j), taps_along(s, j), c, spare, w.down, by)


cdef void some_rows(
    const number *x, number *out, Py_ssize_t r, Py_ssize_t parts, const Strides *t, PoolShape s, const Work *w,
    number *v, const number *counts, bint last,
) noexcept nogil:
    """Part `r` of all rows of outputs: `parts` of them make one depth of a plane, or of an image with `last`."""
    cdef Py_ssize_t slab = r // parts, part = r % parts, plane = slab // s.od, o
    cdef Py_ssize_t pixels = s.ow * (t.channels if last else 1)
    x = x + plane * t.n if last else plane_of(x, t, plane)
    out += slab * s.oh * pixels
    for o in range(part * s.oh // parts, (part + 1) * s.oh // parts):
        if last:
            row_last(x, out + o * pixels, t, &s, place(&s, slab % s.od, o), w, v, counts)
        else:
            row_first(x, out + o * pixels, t, &s, place(&s, slab % s.od, o), w, v, counts)


cdef Work divide(const PoolShape *s, Py_ssize_t channels, bint last) noexcept nogil:
    """The scratch of one thread."""
    cdef Work w
    cdef Py_ssize_t height = s.kd * s.kh
    w.pixel = channels if last else 1
    w.apart = not s.adaptive and s.iw * (height + 1) + s.ow * s.kw < s.ow * height * s.kw if last else True
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
    w.size = (w.size + 127) // 128 * 128                   # threads write to cache lines of their own
    return w


cdef void whole_planes(
    const number *x, number *out, Py_ssize_t planes, const Strides *t, const PoolShape *s, int threads,
) noexcept:
    """One value for each plane of one row, channels-first."""
    cdef Py_ssize_t plane
    for plane in prange(planes, nogil=True, num_threads=threads, schedule="static"):
        fold_row(out + plane, plane_of(x, t, plane), s.iw, s.maximum)
        if number is float or number is double:
            if not s.maximum:
                out[plane] = out[plane] / <number> s.iw


cdef int run(
    const number *x, number *out, const Py_ssize_t *shape, const Py_ssize_t *strides, tuple geometry, number blank,
    int threads, bint last,
) except -1:
    cdef PoolShape s = pool_shape(geometry)
    cdef Strides t = strides_of(shape, strides, sizeof(number))
    cdef Work w = divide(&s, t.channels, last)
    cdef Py_ssize_t slabs = shape[0] * s.od * (1 if last else t.channels), r, j
    cdef Py_ssize_t parts = parts_of(slabs, s.oh, threads)
    cdef Py_ssize_t size = (s.ow + w.size * threads) * <Py_ssize_t> sizeof(number)
    cdef number *counts = <number *> malloc(size)
    cdef number *scratch = counts + s.ow
    if counts == NULL:
        raise MemoryError(f"pooling needs {size} bytes of scratch")
    with nogil:
        if not s.maximum:
            counts_along(counts, &s)
        for r in range(threads):
            for j in range(s.pw * w.pixel if w.width else 0):
                scratch[r * w.size + j] = blank
            for j in range((s.pw + s.iw) * w.pixel, w.width * w.pixel):
                scratch[r * w.size + j] = blank
        for r in prange(slabs * parts, num_threads=threads, schedule="static"):
            some_rows(x, out, r, parts, &t, s, &w, scratch + threadid() * w.size, counts, last)
    free(counts)
    return 0


cdef inline bint is_whole_plane(const PoolShape *s) noexcept nogil:
    return s.adaptive and s.id * s.ih == 1 and s.od * s.oh * s.ow == 1


def has_own_way(tuple geometry, number like):
    """Whether `first` does better than walking general windows, for elements of the type of `like`."""
    cdef PoolShape s = pool_shape(geometry)
    cdef Strides t
    t.h = s.iw
    return strips_for(&s, &t, sizeof(number)).bytes > 0 or is_whole_plane(&s)


def first(tuple geometry, input, output, int rank, number blank, int threads):
    """Pool `input` into `output`, both (n, c, *spatial) or (c, *spatial) of `rank` spatial axes, channels-first.

    The input has unit stride along w, the output is C-contiguous, neither is empty and they do not overlap; both are of
    the type of `blank`, what changes nothing: the lowest value or zero. Every element of the output is written.
    """
    cdef operand x = five(input, rank), out = five(output, rank)
    cdef PoolShape s = pool_shape(geometry)
    cdef Strides t = strides_of(x.shape, x.strides, sizeof(number))
    cdef Strips f = strips_for(&s, &t, sizeof(number))
    cdef const number *xs = <const number *> x.data
    cdef number *to = <number *> out.data
    if f.bytes:
        in_strips(xs, to, x.shape[0], &t, &s, &f, blank, threads)
    elif is_whole_plane(&s):
        whole_planes(xs, to, x.shape[0] * t.channels, &t, &s, threads)
    else:
        run(xs, to, x.shape, x.strides, geometry, blank, threads, False)


def last(tuple geometry, input, output, int rank, number blank, int threads):
    """Pool `input` into `output`, channels-last.

    The input has unit stride along c, the output is contiguous with its channels last; otherwise as `first`.
    """
    cdef operand x = five(input, rank), out = five(output, rank)
    run(<const number *> x.data, <number *> out.data, x.shape, x.strides, geometry, blank, threads, True)
