"""Maxima and their places tap by tap: for one output, or for neighbours that are pooled alike; see `pool_at.pyx`."""

from libc.stdint cimport int64_t

from fastconv._kernels.window cimport Place, PoolShape, Strides, number, start_along, taps_along, taps_below

cdef extern from "vectors.h" nogil:
    void keep_largest(...) noexcept

cdef enum:
    TOGETHER = 32
    FEW = 8                            # fewer channels are taken one by one where windows go tap by tap,
    FEW_SHORT = 4                      # of elements of one or two bytes


cdef inline void outputs(
    number *best, int64_t *index, const number *x, const Strides *t, const PoolShape *s, Place at, Py_ssize_t u,
    Py_ssize_t kw, Py_ssize_t n,
) noexcept nogil:
    """best[j] and index[j] of the windows at (at.z, at.y, u) of x[.. + j], 0 <= j < n; index[j] as if j were 0."""
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
                    keep_largest(best, index, v, <int64_t> (row * s.iw + column), n)
                else:
                    for m in range(n):
                        best[m] = v[m]
                        index[m] = row * s.iw + column
                more = True


cdef inline bint any_beyond(const number *v, number largest) noexcept nogil:
    """Whether one of TOGETHER taps is larger, or either is NaN."""
    cdef int any = 0, i
    for i in range(TOGETHER):
        any |= not v[i] <= largest
    return any


cdef inline void one_output(
    number *best, int64_t *index, const number *x, const Strides *t, const PoolShape *s, const Place *at, Py_ssize_t u,
    Py_ssize_t kw,
) noexcept nogil:
    """The same for one output, in registers; long rows are passed over by TOGETHER taps of which none is larger."""
    cdef Py_ssize_t k0 = taps_below(0, u, kw, s.dw), k1 = taps_below(s.iw, u, kw, s.dw), i, j, k, end, row
    cdef Py_ssize_t most = ((at.z + at.i0 * s.dd) * s.ih + at.y + at.j0 * s.dh) * s.iw + u + k0 * s.dw
    cdef const number *v = x + (at.z + at.i0 * s.dd) * t.d + (at.y + at.j0 * s.dh) * t.h + u * t.w
    cdef number largest = v[k0 * s.dw * t.w]
    cdef bint better, near = s.dw * t.w == 1 and k1 - k0 >= TOGETHER
    for i in range(at.i0, at.i1):
        for j in range(at.j0, at.j1):
            row = (at.z + i * s.dd) * s.ih + at.y + j * s.dh
            v = x + (at.z + i * s.dd) * t.d + (at.y + j * s.dh) * t.h + u * t.w
            end = k0
            while end < k1:
                k, end = end, min(end + TOGETHER, k1) if near else k1
                if near and end - k == TOGETHER and not any_beyond(v + k, largest):
                    continue
                for k in range(k, end):
                    better = v[k * s.dw * t.w] > largest
                    if number is float or number is double:
                        better = not v[k * s.dw * t.w] <= largest and largest == largest
                    if better:
                        largest = v[k * s.dw * t.w]
                        most = row * s.iw + u + k * s.dw
    best[0], index[0] = largest, most


cdef inline void row_by_taps(
    const number *x, number *out, int64_t *index, Place at, const Strides *t, const PoolShape *s, Py_ssize_t channels,
) noexcept nogil:
    """One row of outputs of the plane x, or of the image of so many channels, whose windows are at `at`."""
    cdef bint each = channels < (FEW if sizeof(number) >= 4 else FEW_SHORT)
    cdef Py_ssize_t j, c, start, taps
    for j in range(s.ow):
        start, taps = start_along(s, j), taps_along(s, j)
        for c in range(channels if each else 0):
            one_output(out + c, index + c, x + c, t, s, &at, start, taps)
        if not each:
            outputs(out, index, x, t, s, at, start, taps, channels)
        out += channels
        index += channels
