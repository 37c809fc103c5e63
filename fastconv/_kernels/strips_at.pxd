"""The common windows over channels-first planes with the places of their maxima (`strips_at.h`).

Where a vector holds a row of outputs and more, what it reads behind the row is of no account, and what it writes there
is written again by the next row. Only the last plane of a share is pooled aside, between what may be read and written.
"""

from libc.stdint cimport INT32_MAX, int64_t
from libc.string cimport memcpy, memset

from fastconv._kernels.heap cimport give_back
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.strips cimport Strips, parts_of, plane_of, strips_of
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.window cimport Place, PoolShape, Strides, number, place


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
    if s.kd == 1 and is_dense(s, t, n) and <double> s.ih * s.iw * size <= ASIDE:
        narrow = narrow_bytes(&f, size)
    if narrow > f.bytes:
        f.bytes, f.narrow = narrow, 1
    if f.bytes < 4 * size:
        f.bytes = 0
    return f


cdef struct PlanesAt:
    const Strips *f
    const PoolShape *s
    const Strides *t
    const void *x
    void *out
    int64_t *index
    Py_ssize_t planes       # of one depth of outputs each,
    Py_ssize_t parts        # of the rows of each,
    Py_ssize_t shares       # and of them all, if rows are narrow


cdef inline Strips strips_in(const PlanesAt *c, Py_ssize_t o, Py_ssize_t *z) noexcept nogil:
    """The strips of depth `o` of the outputs of a plane, with the depths that its windows have in the image, from z."""
    cdef PoolShape s = c.s[0]
    cdef Place at = place(&s, o, 0)
    cdef Strips f = c.f[0]
    z[0], f.depths = at.z + at.i0 * s.dd, at.i1 - at.i0
    return f


cdef inline void one_part(const PlanesAt *c, Py_ssize_t r, number *_scratch) noexcept nogil:
    """Part `r` of all rows of outputs, `parts` of which make one depth of the outputs of a plane."""
    cdef const PoolShape *s = c.s
    cdef Py_ssize_t plane = r, start = 0, end = s.oh, z = 0, first
    cdef Strips f
    if c.parts > 1:
        plane = r // c.parts
        start, end = r % c.parts * s.oh // c.parts, (r % c.parts + 1) * s.oh // c.parts
    first = plane * s.oh * s.ow
    if s.od > 1 or s.kd > 1:
        f = strips_in(c, plane % s.od, &z)
        pool_strips_at(
            &f, plane_of(<const number *> c.x, c.t, plane // s.od) + z * c.t.d, <number *> c.out + first,
            c.index + first, <int64_t> z * s.ih * s.iw, start, end,
        )
    else:
        pool_strips_at(
            c.f, plane_of(<const number *> c.x, c.t, plane), <number *> c.out + first, c.index + first, <int64_t> 0,
            start, end,
        )


cdef inline void one_aside(const PlanesAt *c, Py_ssize_t plane, number *scratch) noexcept nogil:
    """One depth of the outputs of a plane, by way of scratch."""
    cdef const PoolShape *s = c.s
    cdef Py_ssize_t z = plane % s.od * s.sd, size = s.oh * s.ow
    cdef int64_t *places = <int64_t *> scratch
    cdef number *result = <number *> (places + size + MOST_LANES)
    cdef number *source = result + size + MOST_LANES
    memcpy(source, plane_of(<const number *> c.x, c.t, plane // s.od) + z * c.t.d, s.ih * s.iw * sizeof(number))
    pool_strips_at(c.f, source, result, places, <int64_t> z * s.ih * s.iw, <Py_ssize_t> 0, s.oh)
    memcpy(<number *> c.out + plane * size, result, size * sizeof(number))
    memcpy(c.index + plane * size, places, size * sizeof(int64_t))


cdef inline void one_share(const PlanesAt *c, Py_ssize_t i, number *scratch) noexcept nogil:
    """Share i of all planes, the last one aside."""
    cdef Py_ssize_t first = c.planes * i // c.shares, last = c.planes * (i + 1) // c.shares - 1, r
    for r in range(first, last):
        one_part(c, r, scratch)
    if first <= last:
        one_aside(c, last, scratch)


cdef inline int in_strips_at(
    const number *x, number *out, int64_t *index, Py_ssize_t n, const Strides *t, const PoolShape *s, const Strips *f,
    int threads,
) except -1:
    """All planes."""
    cdef Py_ssize_t planes = n * t.channels * s.od, made = s.oh * s.ow + MOST_LANES, own
    cdef PlanesAt call = PlanesAt(f, s, t, x, out, index, planes, parts_of(planes, s.oh, threads), threads)
    cdef char *scratch
    if not f.narrow:
        with nogil:
            each_piece(<Piece> one_part[number], &call, planes * call.parts, threads)
        return 0
    call.parts = 1
    own = made * (8 + sizeof(number)) + (s.ih * s.iw + 3 * MOST_LANES) * sizeof(number)
    own = round_up(own, 2 * LINE)                          # threads write to pairs of cache lines of their own
    scratch = borrow("pooling", own * threads)
    memset(scratch, 0, own * threads)
    with nogil:
        each_piece(<Piece> one_share[number], &call, threads, threads, scratch, own)
    give_back(scratch)
    return 0
