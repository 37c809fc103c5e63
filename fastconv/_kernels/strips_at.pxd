"""The common windows over channels-first planes with the places of their maxima (`strips_at.h`).

Where a vector holds a row of outputs and more, what it reads behind the row is of no account, and what it writes there
is written again by the next row. Only a thread's last plane is pooled aside, between what may be read and written.
"""

from cython.parallel cimport parallel, threadid
from libc.stdint cimport INT32_MAX, int64_t
from libc.string cimport memcpy, memset

from fastconv._kernels.heap cimport give_back
from fastconv._kernels.queue cimport Queue, claim, share_out
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.strips cimport Strips, parts_of, plane_of, strips_of
from fastconv._kernels.window cimport PoolShape, Strides, number


cdef extern from "strips_at.h" nogil:
    Py_ssize_t narrow_bytes(const Strips *s, Py_ssize_t size) noexcept
    void pool_strips_at(...) noexcept

cdef enum:
    ASIDE = 1 << 16                    # bytes of a plane of narrow rows
    MOST_LANES = 16                    # of a vector of 4 bytes or more


cdef inline bint is_dense(const PoolShape *s, const Strides *t, Py_ssize_t n) noexcept nogil:
    """Whether planes and rows follow each other without gaps, in memory as in counting."""
    return (
        t.h == s.iw and (s.id == 1 or t.d == s.ih * s.iw) and (t.channels == 1 or t.c == s.id * s.ih * s.iw)
        and (n == 1 or t.n == t.channels * s.id * s.ih * s.iw)
    )


cdef inline Strips strips_at_for(const PoolShape *s, const Strides *t, Py_ssize_t n, Py_ssize_t size) noexcept nogil:
    """As `strips_of`. Indices are as wide as elements, and two of them at a time are not worth it."""
    cdef Strips f = strips_of(s, t, size)
    cdef Py_ssize_t narrow = 0
    if size < 4 or size == 4 and <double> s.id * s.ih * s.iw > INT32_MAX:
        f.bytes = 0
        return f
    if is_dense(s, t, n) and <double> s.ih * s.iw * size <= ASIDE:
        narrow = narrow_bytes(&f, size)
    if narrow > f.bytes:
        f.bytes, f.narrow = narrow, 1
    if f.bytes < 4 * size:
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


cdef inline void one_aside(
    const number *x, number *out, int64_t *index, Py_ssize_t plane, const Strides *t, const PoolShape *s,
    const Strips *f, void *scratch,
) noexcept nogil:
    """One depth of the outputs of a plane, by way of scratch."""
    cdef Py_ssize_t z = plane % s.od * s.sd, size = s.oh * s.ow
    cdef int64_t *places = <int64_t *> scratch
    cdef number *result = <number *> (places + size + MOST_LANES)
    cdef number *source = result + size + MOST_LANES
    memcpy(source, plane_of(x, t, plane // s.od) + z * t.d, s.ih * s.iw * sizeof(number))
    pool_strips_at(f, source, result, places, <int64_t> z * s.ih * s.iw, <Py_ssize_t> 0, s.oh)
    memcpy(out + plane * size, result, size * sizeof(number))
    memcpy(index + plane * size, places, size * sizeof(int64_t))


cdef inline int in_narrow_strips_at(
    const number *x, number *out, int64_t *index, Py_ssize_t n, const Strides *t, const PoolShape *s, const Strips *f,
    int threads,
) except -1:
    """All planes, each thread's last one aside."""
    cdef Queue queue
    cdef Py_ssize_t planes = n * t.channels * s.od, made = s.oh * s.ow + MOST_LANES, i, r
    cdef Py_ssize_t own = made * (8 + sizeof(number)) + (s.ih * s.iw + 3 * MOST_LANES) * sizeof(number)
    cdef char *scratch
    own = round_up(own, 2 * LINE)                          # threads write to pairs of cache lines of their own
    scratch = borrow("pooling", own * threads)
    memset(scratch, 0, own * threads)
    with nogil:
        if threads == 1:
            for r in range(planes - 1):
                one_part(x, out, index, r, 1, t, s, f)
            one_aside(x, out, index, planes - 1, t, s, f, scratch)
        else:
            share_out(&queue, threads, threads)
            with parallel(num_threads=queue.threads):
                while (i := claim(&queue, threadid())) >= 0:
                    for r in range(planes * i // threads, planes * (i + 1) // threads - 1):
                        one_part(x, out, index, r, 1, t, s, f)
                    if planes * i // threads < planes * (i + 1) // threads:
                        one_aside(x, out, index, planes * (i + 1) // threads - 1, t, s, f, scratch + i * own)
    give_back(scratch)
    return 0


cdef inline int in_strips_at(
    const number *x, number *out, int64_t *index, Py_ssize_t n, const Strides *t, const PoolShape *s, const Strips *f,
    int threads,
) except -1:
    """All planes."""
    cdef Queue queue
    cdef Py_ssize_t planes = n * t.channels * s.od, r
    cdef Py_ssize_t parts = parts_of(planes, s.oh, threads)
    if f.narrow:
        return in_narrow_strips_at(x, out, index, n, t, s, f, threads)
    with nogil:
        if threads == 1:
            for r in range(planes):
                one_part(x, out, index, r, 1, t, s, f)
        else:
            share_out(&queue, planes * parts, threads)
            with parallel(num_threads=queue.threads):
                while (r := claim(&queue, threadid())) >= 0:
                    one_part(x, out, index, r, parts, t, s, f)
    return 0
