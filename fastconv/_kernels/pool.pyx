"""Pooling of every window to one value: its largest element, its sum, or its mean.

A window is taken apart (largest and sum both allow it): first down its rows, a whole row of the image at a time, then
along the one row that results.

    x  ---------------   \\                          v, padded with what changes nothing
       ---------------    > down:  --------------- -> ..---------------..
       ---------------   /                             |0 1 2|              along: out[0]
                                                           |0 1 2|                 out[1], ...

Both steps combine rows (`rows.pxd`): the step along reads v at shifted starts, which for a stride above one are first
gathered next to each other. With channels-last memory a "row" holds all channels of all its pixels, the shift is a
pixel, and where windows hardly overlap the elements of a window are combined directly.

Every output is computed whole by one thread, in an order that depends on the geometry alone.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc
from fastconv._kernels.rows cimport Cascade, GROUP, begin, depth_for, finish, over, push, shifted
from fastconv._kernels.window cimport (
    Place, PoolShape, Strides, counts_along, divisor_of, number, place, pool_shape, start_along, strides_of, taps_along,
    taps_below,
)


cdef struct Work:
    # how one thread's scratch is divided, in elements, and how deep its sums cascade
    Py_ssize_t width, block            # v: the pixels of a row with its padding; how many rows there are of it
    Py_ssize_t pixel                   # elements of a pixel in v
    Py_ssize_t gathered, slot          # where the slots of the step along begin; the size of one
    Py_ssize_t whole, rest             # dilation along the row in strides, and what remains
    Py_ssize_t spare, size             # where the spare rows of the cascades begin; all there is
    int down, along
    bint apart                         # windows are taken apart


cdef enum:
    BLOCK = 4                          # rows of outputs at a time
    NARROW = 16                        # channels below which a row of pixels is divided at once
    SHORT = 8                          # strides for which slots are whole vectors, whatever that adds to v


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


cdef inline void every(number *to, const number *v, Py_ssize_t step, Py_ssize_t n) noexcept nogil:
    """to[j] = v[j * step]; a constant step lets the compiler shuffle vectors."""
    cdef Py_ssize_t j
    if step == 2:
        for j in range(n):
            to[j] = v[2 * j]
    else:
        for j in range(n):
            to[j] = v[step * j]


cdef void gather(number *v, const PoolShape *s, const Work *w) noexcept nogil:
    """What the step along reads at a stride, next to each other: a slot for each residue of the columns modulo sw.

    Fewer taps than residues have a slot each.
    """
    cdef Py_ssize_t k
    for k in range(min(s.kw, s.sw)):
        every(v + w.gathered + k * w.slot, v + (k * s.dw if s.kw <= s.sw else k), s.sw, w.slot)


cdef void strided(
    number *to, const number *slots, number *spare, const PoolShape *s, const Work *w, number by, const number *counts,
) noexcept nogil:
    """to[j] over v[j * sw], v[j * sw + dw], ..., v[j * sw + (kw - 1) * dw], 0 <= j < ow; divided as `finish` does."""
    cdef const number *rows[GROUP]
    cdef Cascade c
    cdef Py_ssize_t k, slot = 0, start = 0
    cdef int count = 0
    begin(&c, w.along)
    for k in range(s.kw):
        if count == GROUP:
            push(to, spare, s.ow, &c, rows, count, s.maximum)
            count = 0
        rows[count] = slots + (k * w.slot if s.kw <= s.sw else slot * w.slot + start)
        count += 1
        slot, start = slot + w.rest, start + w.whole       # k * dw modulo sw, and over sw
        if slot >= s.sw:
            slot, start = slot - s.sw, start + 1
    finish(to, spare, s.ow, &c, rows, count, s.maximum, by, counts)


cdef void rows_first(
    const number *x, number *to, const Strides *t, const PoolShape *s, Py_ssize_t o_d, Py_ssize_t o_h, int block,
    const Work *w, number *v, const number *counts,
) noexcept nogil:
    """`block` rows of outputs of the plane x from (o_d, o_h) on: all of them down, then all of them along.

    What has just been stored is not read at once, at other addresses, which would stall.
    """
    cdef number by[BLOCK]
    cdef Place at
    cdef PoolShape own = s[0]
    cdef int b
    for b in range(block):
        at = place(&own, o_d, o_h + b)
        by[b] = 0 if s.maximum else <number> divisor_of(s, at)
        window(v + b * w.width + s.pw, x, t, s, &at, 0, 1, s.iw, v + w.spare, w.down, 0)
    if s.sw > 1:
        gather(v, s, w)
    for b in range(block):
        if s.sw > 1:
            strided(to + b * s.ow, v + w.gathered + b * (w.width // s.sw), v + w.spare, s, w, by[b], counts)
        else:
            shifted(
                to + b * s.ow, <const number *> v + b * w.width, s.kw, s.dw, s.ow, v + w.spare, w.along, s.maximum,
                by[b], counts,
            )


cdef void row_adaptive(
    const number *x, number *to, const Strides *t, const PoolShape *s, Place at, const Work *w, number *v,
    const number *counts,
) noexcept nogil:
    """One row of outputs of the plane x, whose windows are at `at`, each with bounds of its own."""
    cdef const number *row = v
    cdef Py_ssize_t j
    if s.kd == 1 and s.kh == 1:
        row = x + at.z * t.d + at.y * t.h
    else:
        window(v, x, t, s, &at, 0, 1, s.iw, v + w.spare, w.down, 0)
    for j in range(s.ow):
        to[j] = over(row + start_along(s, j), taps_along(s, j), s.maximum)
        if number is float or number is double:
            if not s.maximum:
                to[j] = to[j] / (<number> divisor_of(s, at) * counts[j])


cdef void row_last(
    const number *x, number *to, const Strides *t, const PoolShape *s, Place at, const Work *w, number *v,
    const number *counts,
) noexcept nogil:
    """One row of outputs of the image x, whose windows are at `at`."""
    cdef number *spare = v + w.spare
    cdef number by = 0
    cdef double rows = 0 if s.maximum else divisor_of(s, at)
    cdef Py_ssize_t c = t.channels, j
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
            window(to + j * c, x, t, s, &at, start_along(s, j), taps_along(s, j), c, spare, w.down, by)


cdef void some_rows(
    const number *x, number *out, Py_ssize_t r, Py_ssize_t parts, const Strides *t, PoolShape s, const Work *w,
    number *v, const number *counts, bint last,
) noexcept nogil:
    """Part `r` of all rows of outputs: `parts` of them make one depth of a plane, or of an image with `last`."""
    cdef Py_ssize_t slab = r // parts, part = r % parts, plane = slab // s.od
    cdef Py_ssize_t o = part * s.oh // parts, end = (part + 1) * s.oh // parts
    cdef Py_ssize_t pixels = s.ow * (t.channels if last else 1)
    x += plane * t.n if last else plane // t.channels * t.n + plane % t.channels * t.c
    out += slab * s.oh * pixels
    while o < end:
        if last:
            row_last(x, out + o * pixels, t, &s, place(&s, slab % s.od, o), w, v, counts)
        elif s.adaptive:
            row_adaptive(x, out + o * pixels, t, &s, place(&s, slab % s.od, o), w, v, counts)
        else:
            rows_first(x, out + o * pixels, t, &s, slab % s.od, o, <int> min(end - o, w.block), w, v, counts)
        o += w.block


cdef Work divide(const PoolShape *s, Py_ssize_t channels, bint last) noexcept nogil:
    """The scratch of one thread."""
    cdef Work w
    cdef Py_ssize_t height = s.kd * s.kh
    w.pixel = channels if last else 1
    w.apart = not s.adaptive and s.iw * (height + 1) + s.ow * s.kw < s.ow * height * s.kw if last else True
    w.slot, w.block = 0, 1
    w.whole, w.rest = s.dw // s.sw, s.dw % s.sw
    w.along = depth_for(s.kw, s.maximum)
    if not w.apart:
        w.width, w.spare = 0, 0
        w.down = depth_for(height * s.kw, s.maximum)
        w.size = (w.down - 1) * channels
    else:
        w.width = max((s.ow - 1) * s.sw + (s.kw - 1) * s.dw + 1, s.pw + s.iw)
        w.gathered = w.width * w.pixel
        if not last and not s.adaptive:
            if s.sw <= SHORT:
                w.block = min(<Py_ssize_t> BLOCK, s.oh)
                w.width = (w.width + 16 * s.sw - 1) // (16 * s.sw) * 16 * s.sw
                w.gathered = w.block * w.width + (s.kw - 1) * s.dw
                w.slot = w.block * w.width // s.sw
            elif s.kw <= s.sw:
                w.slot = s.ow
            else:
                w.slot = s.ow + (s.kw - 1) * s.dw // s.sw
                w.gathered = max(w.width, w.slot * s.sw)
        w.down = depth_for(height, s.maximum)
        w.spare = w.gathered + (min(s.kw, s.sw) * w.slot if s.sw > 1 else 0)
        w.size = w.spare + (max(w.down, w.along) - 1) * max(s.iw, s.ow) * w.pixel
    w.size = (w.size + 127) // 128 * 128                   # threads write to cache lines of their own
    return w


cdef void pad(number *v, const PoolShape *s, const Work *w, number blank) noexcept nogil:
    """The padding of v, which stays: before, and after each row up to the next and to the end of all."""
    cdef Py_ssize_t first = s.pw * w.pixel, row = s.iw * w.pixel, j
    for j in range(w.gathered):
        if j % (w.width * w.pixel) < first or j % (w.width * w.pixel) >= first + row:
            v[j] = blank


cdef int run(
    const number *x, number *out, const Py_ssize_t *shape, const Py_ssize_t *strides, tuple geometry, number blank,
    int threads, bint last,
) except -1:
    cdef PoolShape s = pool_shape(geometry)
    cdef Strides t = strides_of(shape, strides, sizeof(number))
    cdef Work w = divide(&s, t.channels, last)
    cdef Py_ssize_t slabs = shape[0] * s.od * (1 if last else t.channels), r
    cdef Py_ssize_t parts = min(s.oh, max(<Py_ssize_t> 1, 16 * threads // slabs)) if threads > 1 else 1
    cdef Py_ssize_t size = (s.ow + w.size * threads) * <Py_ssize_t> sizeof(number)
    cdef number *counts = <number *> malloc(size)
    cdef number *scratch = counts + s.ow
    if counts == NULL:
        raise MemoryError(f"pooling needs {size} bytes of scratch")
    with nogil:
        if not s.maximum:
            counts_along(counts, &s)
        for r in range(threads if w.apart else 0):
            pad(scratch + r * w.size, &s, &w, blank)
        for r in prange(slabs * parts, num_threads=threads, schedule="static"):
            some_rows(x, out, r, parts, &t, s, &w, scratch + threadid() * w.size, counts, last)
    free(counts)
    return 0


def first(
    const number[:, :, :, :, :] x, number[:, :, :, :, :] out, tuple geometry, number blank, int threads,
):
    """Pool x into `out`, both (n, c, d, h, w), channels-first.

    x has unit stride along w, `out` is C-contiguous, neither is empty and they do not overlap; `blank` is what changes
    nothing, the lowest value or zero. Every element of `out` is written.
    """
    run(&x[0, 0, 0, 0, 0], &out[0, 0, 0, 0, 0], x.shape, x.strides, geometry, blank, threads, False)


def last(
    const number[:, :, :, :, :] x, number[:, :, :, :, :] out, tuple geometry, number blank, int threads,
):
    """Pool x into `out`, both (n, c, d, h, w), channels-last.

    x has unit stride along c, `out` is contiguous in the order (n, d, h, w, c); otherwise as `first`.
    """
    run(&x[0, 0, 0, 0, 0], &out[0, 0, 0, 0, 0], x.shape, x.strides, geometry, blank, threads, True)
