"""The common windows over channels-first planes with the places of their maxima (`strips_at.h`)."""

from cython.parallel cimport prange
from libc.stdint cimport INT32_MAX, int64_t

from fastconv._kernels.strips cimport Strips, parts_of, plane_of, strips_for
from fastconv._kernels.window cimport PoolShape, Strides, number


cdef extern from "strips_at.h" nogil:
    void pool_strips_at(...) noexcept


cdef inline Strips strips_at_for(const PoolShape *s, const Strides *t, Py_ssize_t size) noexcept nogil:
    """As `strips_for`. Indices are as wide as elements, and two of them at a time are not worth it."""
    cdef Strips f = strips_for(s, t, size)
    if size < 4 or f.bytes < 4 * size or size == 4 and <double> s.id * s.ih * s.iw > INT32_MAX:
        f.bytes = 0
    return f


cdef inline void one_part(
    const number *x, number *out, int64_t *index, Py_ssize_t r, Py_ssize_t parts, const Strides *t, const PoolShape *s,
    const Strips *f,
) noexcept nogil:
    """Part `r` of all rows of outputs, `parts` of which make one depth of the outputs of a plane."""
    cdef Py_ssize_t plane = r // parts, part = r % parts, z = plane % s.od * s.sd, first = plane * s.oh * s.ow
    x = plane_of(x, t, plane // s.od) + z * t.d
    pool_strips_at(
        f, x, out + first, index + first, <int64_t> z * s.ih * s.iw, part * s.oh // parts, (part + 1) * s.oh // parts,
    )


cdef inline int in_strips_at(
    const number *x, number *out, int64_t *index, Py_ssize_t n, const Strides *t, const PoolShape *s, const Strips *f,
    int threads,
) except -1:
    """All planes."""
    cdef Py_ssize_t planes = n * t.channels * s.od, r
    cdef Py_ssize_t parts = parts_of(planes, s.oh, threads)
    with nogil:
        if threads == 1:
            for r in range(planes):
                one_part(x, out, index, r, 1, t, s, f)
        else:
            for r in prange(planes * parts, num_threads=threads, schedule="static"):
                one_part(x, out, index, r, parts, t, s, f)
    return 0
