"""Max pooling with the place of each maximum: the flat index within its spatial plane, of the first of equals.

The taps of a window are taken in the order of their indices, each for a whole row of outputs at a time (channels-first)
or for all channels of one output (channels-last): compare, and blend both the value and the index. With channels-first
memory an output is computed alone where its window reaches over a side of the image, or is adaptive.

Every output is computed whole by one thread.
"""

from cython.parallel cimport prange
from libc.stdint cimport int64_t
from fastconv._kernels.window cimport (
    Place, PoolShape, Strides, number, place, pool_shape, start_along, strides_of, taps_along, taps_below,
)


cdef extern from "vectors.h" nogil:
    void keep_largest(...) noexcept


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


cdef void row_first(
    const number *x, number *out, int64_t *index, Py_ssize_t r, const Strides *t, PoolShape s,
) noexcept nogil:
    """Row `r` of the output, counted over (n, c, od, oh)."""
    cdef Py_ssize_t plane = r // s.oh, channel = plane // s.od, lo = 0, hi = 0, j
    cdef Place at = place(&s, plane % s.od, r % s.oh)
    x += channel // t.channels * t.n + channel % t.channels * t.c
    out += r * s.ow
    index += r * s.ow
    if not s.adaptive:                 # outputs lo to hi have windows that lie between the two sides of the image
        lo = taps_below(0, -s.pw, s.ow, s.sw)
        hi = max(lo, taps_below(s.iw - (s.kw - 1) * s.dw, -s.pw, s.ow, s.sw))
    for j in range(s.ow):
        if j < lo or j >= hi:
            outputs(out + j, index + j, x, t, &s, at, start_along(&s, j), taps_along(&s, j), 1, 1)
    if lo < hi:
        outputs(out + lo, index + lo, x, t, &s, at, start_along(&s, lo), s.kw, s.sw, hi - lo)
        for j in range(lo, hi):
            index[j] += (j - lo) * s.sw


cdef void row_last(
    const number *x, number *out, int64_t *index, Py_ssize_t r, const Strides *t, PoolShape s,
) noexcept nogil:
    """Row `r` of the output, counted over (n, od, oh)."""
    cdef Py_ssize_t slab = r // s.oh, first = r * s.ow * t.channels, j
    cdef Place at = place(&s, slab % s.od, r % s.oh)
    x += slab // s.od * t.n
    for j in range(s.ow):
        outputs(out + first, index + first, x, t, &s, at, start_along(&s, j), taps_along(&s, j), 1, t.channels)
        first += t.channels


def first(
    const number[:, :, :, :, :] x, number[:, :, :, :, :] out, int64_t[:, :, :, :, :] index, tuple geometry, int threads,
):
    """Maxima of x into `out` and their places into `index`, all (n, c, d, h, w), channels-first.

    x has unit stride along w, `out` and `index` are C-contiguous, none is empty, none overlaps another. Every element
    of `out` and `index` is written.
    """
    cdef PoolShape s = pool_shape(geometry)
    cdef Strides t = strides_of(x.shape, x.strides, sizeof(number))
    cdef Py_ssize_t r
    for r in prange(x.shape[0] * t.channels * s.od * s.oh, nogil=True, num_threads=threads, schedule="static"):
        row_first(&x[0, 0, 0, 0, 0], &out[0, 0, 0, 0, 0], &index[0, 0, 0, 0, 0], r, &t, s)


def last(
    const number[:, :, :, :, :] x, number[:, :, :, :, :] out, int64_t[:, :, :, :, :] index, tuple geometry, int threads,
):
    """Maxima of x into `out` and their places into `index`, all (n, c, d, h, w), channels-last.

    x has unit stride along c, `out` and `index` are contiguous in the order (n, d, h, w, c); otherwise as `first`.
    """
    cdef PoolShape s = pool_shape(geometry)
    cdef Strides t = strides_of(x.shape, x.strides, sizeof(number))
    cdef Py_ssize_t r
    for r in prange(x.shape[0] * s.od * s.oh, nogil=True, num_threads=threads, schedule="static"):
        row_last(&x[0, 0, 0, 0, 0], &out[0, 0, 0, 0, 0], &index[0, 0, 0, 0, 0], r, &t, s)
