"""The gradient of average pooling: each gradient, over its divisor, to every element of its window.

    dx[z, y, x] = sum of g[o] / divisor[o] over the outputs o whose windows touch (z, y, x)

gathered row by row, so that each element is written once: first down the rows of g whose windows touch row (z, y) of
the input, divided, into one row v; then along v. Rows that the same windows touch are copies of the first of them.
`step` is 1 with channels-first memory and the number of channels with channels-last. With step 1 the elements x of one
remainder r, x = q * sw + r - pw, lie side by side until they are known, as v does, so that both are vectors:

    r = 0     v[0]  v[1] + v[0]  v[2] + v[1]  ...      the taps r, r + sw, ... of the kernel reach q, q - 1, ...
    r = 1     v[0]  v[1]         v[2]         ...      (here kw = 3, sw = 2)
"""

from cython cimport floating
from cython.parallel cimport prange, threadid
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from fastconv._kernels.window cimport Place, PoolShape, counts_along, divisor_of, pool_shape

cdef enum:
    BAND = 16                          # rows that one thread does in turn, to find those that are alike


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
    const floating *g, floating *v, const floating *counts, const PoolShape *s, Range ds, Range hs, Py_ssize_t step,
) noexcept nogil:
    """v[o] = the sum over the rows `ds` x `hs` of g, each over its divisor."""
    cdef Py_ssize_t a, b, o, c
    cdef const floating *row
    cdef Place at
    cdef floating by
    cdef double rows
    cdef bint first = True
    if ds.begin >= ds.end or hs.begin >= hs.end:
        memset(v, 0, s.ow * step * sizeof(floating))
    for a in range(ds.begin, ds.end):
        for b in range(hs.begin, hs.end):
            at.z, at.y = a * s.sd - s.pd, b * s.sh - s.ph
            rows = divisor_of(s, at)
            row = g + (a * s.oh + b) * s.ow * step
            if step == 1:
                by = <floating> rows
                if first:
                    for o in range(s.ow):
                        v[o] = row[o] / (by * counts[o])
                else:
                    for o in range(s.ow):
                        v[o] += row[o] / (by * counts[o])
            else:
                for o in range(s.ow):
                    by = <floating> (rows * counts[o])
                    if first:
                        for c in range(o * step, (o + 1) * step):
                            v[c] = row[c] / by
                    else:
                        for c in range(o * step, (o + 1) * step):
                            v[c] += row[c] / by
            first = False


cdef void along_channels(const floating *v, floating *dx, const PoolShape *s, Py_ssize_t step) noexcept nogil:
    """dx[x] = the sum over v[o] of the outputs o whose windows touch x, `step` channels side by side."""
    cdef Py_ssize_t x, o, c
    cdef Range os
    for x in range(s.iw):
        os = touching(x, s.ow, s.kw, s.sw, s.pw)
        if os.end - os.begin == 2:
            for c in range(step):
                dx[x * step + c] = v[os.begin * step + c] + v[(os.begin + 1) * step + c]
            continue
        if os.begin < os.end:
            memcpy(dx + x * step, v + os.begin * step, step * sizeof(floating))
        else:
            memset(dx + x * step, 0, step * sizeof(floating))
        for o in range(os.begin + 1, os.end):
            for c in range(step):
                dx[x * step + c] += v[o * step + c]


cdef inline Py_ssize_t reach(const PoolShape *s) noexcept nogil:
    """How many outputs before q may touch an element of quotient q: so many zeros lie before v."""
    return (s.kw - 1) // s.sw


cdef inline Py_ssize_t quotients(const PoolShape *s) noexcept nogil:
    """The q of all elements are below."""
    return (s.iw - 1 + s.pw) // s.sw + 1


cdef void along(const floating *v, floating *side, floating *dx, const PoolShape *s) noexcept nogil:
    """The same of one channel; v lies between zeros, `side` takes two rows of quotients() * sw elements."""
    cdef Py_ssize_t n = quotients(s), r, q, t
    cdef floating *one
    cdef floating *mixed = side + n * s.sw
    for r in range(s.sw):
        one = side + r * n
        if r >= s.kw:
            memset(one, 0, n * sizeof(floating))
        elif r + s.sw >= s.kw:
            memcpy(one, v, n * sizeof(floating))
        else:
            for q in range(n):
                one[q] = v[q] + v[q - 1]
            for t in range(2, (s.kw - r + s.sw - 1) // s.sw):
                for q in range(n):
                    one[q] += v[q - t]
    if s.sw == 1:
        mixed = side
    elif s.sw == 2:
        for q in range(n):
            mixed[2 * q] = side[q]
            mixed[2 * q + 1] = side[n + q]
    else:
        for r in range(s.sw):
            for q in range(n):
                mixed[q * s.sw + r] = side[r * n + q]
    memcpy(dx, mixed + s.pw, s.iw * sizeof(floating))


cdef void band(
    const floating *g, floating *dx, floating *scratch, const floating *counts, const PoolShape *s, Py_ssize_t r,
    Py_ssize_t step,
) noexcept nogil:
    """Band `r` of the input's rows, counted over (planes, id, bands)."""
    cdef Py_ssize_t bands = (s.ih + BAND - 1) // BAND, z = r // bands % s.id, y, begin = r % bands * BAND
    cdef Py_ssize_t plane = r // bands // s.id
    cdef Range ds = touching(z, s.od, s.kd, s.sd, s.pd), hs, before
    cdef floating *v = scratch if step > 1 else scratch + reach(s)
    g += plane * s.od * s.oh * s.ow * step
    dx += (plane * s.id + z) * s.ih * s.iw * step
    before.begin = before.end = -1
    for y in range(begin, min(s.ih, begin + BAND)):
        hs = touching(y, s.oh, s.kh, s.sh, s.ph)
        if hs.begin == before.begin and hs.end == before.end:
            memcpy(dx + y * s.iw * step, dx + (y - 1) * s.iw * step, s.iw * step * sizeof(floating))
            continue
        before = hs
        down(g, v, counts, s, ds, hs, step)
        if step > 1:
            along_channels(v, dx + y * s.iw * step, s, step)
        else:
            along(v, v + max(s.ow, quotients(s)), dx + y * s.iw, s)


def spread(const floating[:, :, ::1] g, floating[:, :, ::1] dx, tuple geometry, int threads):
    """Gradient g of the outputs into dx, of the inputs: (planes, outputs, step) into (planes, inputs, step).

    A plane is one channel of one image and step 1, or it is one image and step its channels, innermost in memory. None
    is empty, the geometry has dilation 1. Every element of dx is written.
    """
    cdef PoolShape s = pool_shape(geometry)
    cdef Py_ssize_t step = g.shape[2], size = s.ow * step, r, needed
    cdef Py_ssize_t bands = (s.ih + BAND - 1) // BAND
    cdef floating *counts
    cdef floating *scratch
    if step == 1:
        s.sw = min(s.sw, s.iw + s.pw)  # no second window touches the row then either
        size = reach(&s) + max(s.ow, quotients(&s)) + 2 * quotients(&s) * s.sw
    size = (size + 127) // 128 * 128
    needed = (s.ow + size * threads) * <Py_ssize_t> sizeof(floating)
    counts = <floating *> calloc(needed, 1)
    if counts == NULL:
        raise MemoryError(f"grad.avg_pool needs {needed} bytes of scratch")
    scratch = counts + s.ow
    with nogil:
        counts_along(counts, &s)
        for r in prange(g.shape[0] * s.id * bands, num_threads=threads, schedule="static"):
            band(&g[0, 0, 0], &dx[0, 0, 0], scratch + threadid() * size, counts, &s, r, step)
    free(counts)
