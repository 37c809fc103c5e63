"""Max pooling with the place of each maximum: the flat index within its spatial plane, of the first of equals.

The taps of a window are taken in the order of their indices, each for as many outputs as a vector holds: neighbours in
a row (channels-first) or channels (channels-last), see `largest_at.h`. With channels-first memory and padding the rows
of input under a row of outputs are first copied between blanks:

    x  ---------------            ..---------------..      kd * kh rows, a blank at each place of the padding;
       ---------------     ->     ..---------------..      what lies beyond the image above or below is left out

Adaptive windows, elements of one or two bytes, windows too large to be staged and few channels go tap by tap.

Every output is computed whole by one thread.
"""

from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY
from libc.stdint cimport INT32_MAX, int64_t, uint8_t, uint16_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from fastconv._kernels.window cimport (
    Place, PoolShape, Strides, number, place, pool_shape, start_along, strides_of, taps_along, taps_below,
)


cdef extern from "vectors.h" nogil:
    void keep_largest(...) noexcept


cdef extern from "largest_at.h" nogil:
    ctypedef struct Windows:
        const void *x
        Py_ssize_t rows, row
        const int64_t *keys
        Py_ssize_t taps, tap, key, next, before
        int64_t index, step
        const void *blank
    Py_ssize_t largest_lanes(Py_ssize_t size) noexcept
    void largest_at(...) noexcept


cdef enum:
    STAGED = 1 << 18                   # bytes of padded rows that a thread keeps at most


cdef struct Work:
    # how one thread's scratch is divided
    Py_ssize_t pitch                   # elements from one padded row to the next; 0: outputs are computed one by one
    Py_ssize_t rows                    # of a window; so many distances, and so many padded rows where there are any
    Py_ssize_t size                    # bytes


cdef void outputs(
    number *best, int64_t *index, const number *x, const Strides *t, const PoolShape *s, Place at, Py_ssize_t u,
    Py_ssize_t kw, Py_ssize_t step, Py_ssize_t n,
) noexcept nogil:
    """best[j] and index[j] of the windows at (at.z, at.y, u) of x[.. + j * step]; index[j] as if j were 0."""
    cdef Py_ssize_t k0 = taps_below(0, u, kw, s.dw), k1 = taps_below(s.iw, u, kw, s.dw)
    cdef Py_ssize_t i, j, k, m, row, column
    cdef const number *v
    cdef bint more = False
    for i in range(at.i0, at.i1):
        for j in range(at.j0, at.j1):
            row = (at.z + i * s.dd) * s.ih + at.y + j * s.dh
            for k in range(k0, k1):
                column = u + k * s.dw
                v = x + (at.z + i * s.dd) * t.d + (at.y + j * s.dh) * t.h + column * t.w
                if more:
                    keep_largest(best, index, v, step, <int64_t> (row * s.iw + column), n)
                else:
                    for m in range(n):
                        best[m] = v[m * step]
                        index[m] = row * s.iw + column
                more = True


cdef inline number lowest(const number *x) noexcept nogil:
    """The value that no other one of the type is below."""
    if number is float or number is double:
        return <number> -INFINITY
    elif number is uint8_t or number is uint16_t:
        return 0
    else:
        return <number> (-(<int64_t> 1 << (8 * sizeof(number) - 1)))


cdef void row_first(
    const number *x, number *out, int64_t *index, Py_ssize_t r, const Strides *t, PoolShape s, const Work *w,
    char *scratch, const number *blank,
) noexcept nogil:
    """Row `r` of the output, counted over (n, c, od, oh)."""
    cdef Py_ssize_t plane = r // s.oh, channel = plane // s.od, i, j
    cdef Place at = place(&s, plane % s.od, r % s.oh)
    cdef int64_t *keys = <int64_t *> scratch
    cdef number *staged = <number *> (keys + w.rows)
    cdef const number *row
    cdef Windows f
    x += channel // t.channels * t.n + channel % t.channels * t.c
    out += r * s.ow
    index += r * s.ow
    if w.pitch == 0:
        for j in range(s.ow):
            outputs(out + j, index + j, x, t, &s, at, start_along(&s, j), taps_along(&s, j), 1, 1)
        return
    f.x, f.row, f.keys, f.rows, f.blank = staged, w.pitch, keys, 0, blank
    f.taps, f.tap, f.key, f.next, f.step, f.before = s.kw, s.dw, s.dw, s.sw, s.sw, s.pw
    f.index = (at.z * s.ih + at.y) * s.iw - s.pw
    for i in range(at.i0, at.i1):
        for j in range(at.j0, at.j1):
            row = x + (at.z + i * s.dd) * t.d + (at.y + j * s.dh) * t.h
            memcpy(staged + f.rows * w.pitch + s.pw, row, s.iw * sizeof(number))
            keys[f.rows] = (i * s.dd * s.ih + j * s.dh) * s.iw
            f.rows += 1
    largest_at(out, index, &f, s.ow)


cdef void row_last(
    const number *x, number *out, int64_t *index, Py_ssize_t r, const Strides *t, PoolShape s, const Work *w,
    char *scratch, const number *blank,
) noexcept nogil:
    """Row `r` of the output, counted over (n, od, oh)."""
    cdef Py_ssize_t slab = r // s.oh, first = r * s.ow * t.channels, i, j, u, kw, k0, k1
    cdef Place at = place(&s, slab % s.od, r % s.oh)
    cdef int64_t *keys = <int64_t *> scratch
    cdef Windows f
    x += slab // s.od * t.n
    f.keys, f.rows, f.blank, f.row = keys, at.j1 - at.j0, blank, s.dh * t.h
    f.tap, f.key, f.next, f.step, f.before = s.dw * t.w, s.dw, 1, 0, 0
    f.index = (at.z * s.ih + at.y) * s.iw
    for i in range(f.rows if w.pitch else 0):
        keys[i] = (at.j0 + i) * s.dh * s.iw
    for j in range(s.ow):
        u, kw = start_along(&s, j), taps_along(&s, j)
        if w.pitch:
            k0, k1 = taps_below(0, u, kw, s.dw), taps_below(s.iw, u, kw, s.dw)
            f.x = x + at.z * t.d + (at.y + at.j0 * s.dh) * t.h + (u + k0 * s.dw) * t.w
            f.taps = k1 - k0
            f.index = (at.z * s.ih + at.y) * s.iw + u + k0 * s.dw
            largest_at(out + first, index + first, &f, t.channels)
        else:
            outputs(out + first, index + first, x, t, &s, at, u, kw, 1, t.channels)
        first += t.channels


cdef Work divide(const PoolShape *s, Py_ssize_t channels, Py_ssize_t size, bint last) noexcept nogil:
    """The scratch of one thread, for elements of `size` bytes."""
    cdef Work w
    cdef Py_ssize_t lanes = largest_lanes(size)
    cdef double rows = <double> s.kd * s.kh                # nothing bounds the windows of ceil_mode
    cdef double deepest = (<double> s.kd * s.dd * s.ih + <double> s.kh * s.dh) * s.iw + <double> s.kw * s.dw
    w.rows, w.pitch, w.size = 0, 0, 0
    if lanes == 0 or size == 4 and deepest > INT32_MAX:    # keys are as wide as elements
        return w
    if last:
        w.pitch = 1 if s.kd == 1 and channels >= lanes else 0
    elif not s.adaptive:
        w.pitch = max((max(s.ow, lanes) - 1) * s.sw + (s.kw - 1) * s.dw + 1, s.pw + s.iw)
    if rows * (w.pitch * size + 8) > STAGED:
        w.pitch = 0
    if w.pitch:
        w.rows = s.kd * s.kh
        w.size = w.rows * (w.pitch * size + 8)
    w.size = (w.size + 127) // 128 * 128                   # threads write to cache lines of their own
    return w


cdef int run(
    const number *x, number *out, int64_t *index, const Py_ssize_t *shape, const Py_ssize_t *strides, tuple geometry,
    int threads, bint last,
) except -1:
    cdef PoolShape s = pool_shape(geometry)
    cdef Strides t = strides_of(shape, strides, sizeof(number))
    cdef Work w = divide(&s, t.channels, sizeof(number), last)
    cdef Py_ssize_t size = w.size * threads + <Py_ssize_t> sizeof(number), r, j
    cdef char *scratch = <char *> malloc(size)
    cdef number *staged
    cdef number *blank = <number *> (scratch + w.size * threads)
    if scratch == NULL:
        raise MemoryError(f"pooling needs {size} bytes of scratch")
    blank[0] = lowest(x)
    with nogil:
        for r in range(0 if last else threads):
            staged = <number *> (scratch + r * w.size + w.rows * 8)
            for j in range(w.rows * w.pitch):
                staged[j] = blank[0]
        if last:
            for r in prange(shape[0] * s.od * s.oh, num_threads=threads, schedule="static"):
                row_last(x, out, index, r, &t, s, &w, scratch + threadid() * w.size, blank)
        else:
            for r in prange(shape[0] * t.channels * s.od * s.oh, num_threads=threads, schedule="static"):
                row_first(x, out, index, r, &t, s, &w, scratch + threadid() * w.size, blank)
    free(scratch)
    return 0


def first(
    const number[:, :, :, :, :] x, number[:, :, :, :, :] out, int64_t[:, :, :, :, :] index, tuple geometry, int threads,
):
    """Maxima of x into `out` and their places into `index`, all (n, c, d, h, w), channels-first.

    x has unit stride along w, `out` and `index` are C-contiguous, none is empty, none overlaps another. Every element
    of `out` and `index` is written.
    """
    run(
        &x[0, 0, 0, 0, 0], &out[0, 0, 0, 0, 0], &index[0, 0, 0, 0, 0], x.shape, x.strides, geometry, threads, False,
    )


def last(
    const number[:, :, :, :, :] x, number[:, :, :, :, :] out, int64_t[:, :, :, :, :] index, tuple geometry, int threads,
):
    """Maxima of x into `out` and their places into `index`, all (n, c, d, h, w), channels-last.

    x has unit stride along c, `out` and `index` are contiguous in the order (n, d, h, w, c); otherwise as `first`.
    """
    run(
        &x[0, 0, 0, 0, 0], &out[0, 0, 0, 0, 0], &index[0, 0, 0, 0, 0], x.shape, x.strides, geometry, threads, True,
    )
