"""The gradient of average pooling: each gradient, over its divisor, to every element of its window.

    dx[z, y, x] = sum of g[o] / divisor[o] over the outputs o whose windows touch (z, y, x)

gathered row by row, so that each element is written once: first down the rows of g whose windows touch row (z, y) of
the input, divided, into one row v; then along v, where element x takes from o = (x + pw - k) / sw for each tap k that
leaves no remainder. `step` is 1 with channels-first memory and the number of channels with channels-last.
"""

from cython cimport floating
from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc
from libc.string cimport memset
from fastconv._kernels.window cimport Place, PoolShape, counts_along, divisor_of, pool_shape


cdef struct Range:
    Py_ssize_t begin, end


cdef inline Range touching(
    Py_ssize_t i, Py_ssize_t out, Py_ssize_t k, Py_ssize_t s, Py_ssize_t p,
) noexcept nogil:
    """The outputs along one axis whose windows touch element i: o * s - p <= i < o * s - p + k."""
    cdef Range o
    o.begin = (i + p - k) // s + 1 if i + p >= k else 0
    o.end = min(out, (i + p) // s + 1)
    return o


cdef void down(
    const floating *g, floating *v, const floating *counts, const PoolShape *s, Py_ssize_t z, Py_ssize_t y,
    Py_ssize_t step,
) noexcept nogil:
    """v[o] = the sum over the rows of g whose windows touch row (z, y), each over its divisor."""
    cdef Range ds = touching(z, s.od, s.kd, s.sd, s.pd), hs = touching(y, s.oh, s.kh, s.sh, s.ph)
    cdef Py_ssize_t a, b, o, c
    cdef const floating *row
    cdef Place at
    cdef floating by
    cdef double rows
    memset(v, 0, s.ow * step * sizeof(floating))
    for a in range(ds.begin, ds.end):
        for b in range(hs.begin, hs.end):
            at.z, at.y = a * s.sd - s.pd, b * s.sh - s.ph
            rows = divisor_of(s, at)
            row = g + (a * s.oh + b) * s.ow * step
            if step == 1:
                by = <floating> rows
                for o in range(s.ow):
                    v[o] += row[o] / (by * counts[o])
            else:
                for o in range(s.ow):
                    by = <floating> (rows * counts[o])
                    for c in range(o * step, (o + 1) * step):
                        v[c] += row[c] / by


cdef void along(const floating *v, floating *dx, const PoolShape *s, Py_ssize_t step) noexcept nogil:
    """dx[x] = the sum over v[o] of the outputs o whose windows touch x."""
    cdef Py_ssize_t x, o, k, c, lo, hi
    cdef Range os
    memset(dx, 0, s.iw * step * sizeof(floating))
    if step > 1:
        for x in range(s.iw):
            os = touching(x, s.ow, s.kw, s.sw, s.pw)
            for o in range(os.begin, os.end):
                for c in range(step):
                    dx[x * step + c] += v[o * step + c]
        return
    for k in range(min(s.kw, s.iw + s.pw)):                # x = o * sw + k - pw, from 0 to iw - 1
        lo = (s.pw - k + s.sw - 1) // s.sw if s.pw > k else 0
        hi = min(s.ow, (s.iw + s.pw - k - 1) // s.sw + 1)
        if s.sw == 1:
            for o in range(lo, hi):
                dx[o + k - s.pw] += v[o]
        elif s.sw == 2:
            for o in range(lo, hi):
                dx[2 * o + k - s.pw] += v[o]
        else:
            for o in range(lo, hi):
                dx[o * s.sw + k - s.pw] += v[o]


cdef void row(
    const floating *g, floating *dx, floating *v, const floating *counts, const PoolShape *s, Py_ssize_t r,
    Py_ssize_t step,
) noexcept nogil:
    """Row `r` of the input, counted over (planes, id, ih)."""
    cdef Py_ssize_t plane = r // s.ih // s.id
    down(g + plane * s.od * s.oh * s.ow * step, v, counts, s, r // s.ih % s.id, r % s.ih, step)
    along(v, dx + r * s.iw * step, s, step)


def spread(const floating[:, :, ::1] g, floating[:, :, ::1] dx, tuple geometry, int threads):
    """Gradient g of the outputs into dx, of the inputs: (planes, outputs, step) into (planes, inputs, step).

    A plane is one channel of one image and step 1, or it is one image and step its channels, innermost in memory. None
    is empty, the geometry has dilation 1. Every element of dx is written.
    """
    cdef PoolShape s = pool_shape(geometry)
    cdef Py_ssize_t step = g.shape[2], size = (s.ow * step + 127) // 128 * 128, r
    cdef Py_ssize_t needed = (s.ow + size * threads) * <Py_ssize_t> sizeof(floating)
    cdef floating *counts = <floating *> malloc(needed)
    cdef floating *scratch = counts + s.ow
    if counts == NULL:
        raise MemoryError(f"grad.avg_pool needs {needed} bytes of scratch")
    with nogil:
        counts_along(counts, &s)
        for r in prange(g.shape[0] * s.id * s.ih, num_threads=threads, schedule="static"):
            row(&g[0, 0, 0], &dx[0, 0, 0], scratch + threadid() * size, counts, &s, r, step)
    free(counts)
