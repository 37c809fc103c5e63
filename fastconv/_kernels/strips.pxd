"""The common windows over channels-first planes (`strips.h`): which geometries they are, and what their strips need."""

from libc.math cimport fabs, frexp

from fastconv._kernels.heap cimport give_back
from fastconv._kernels.scratch cimport borrow
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.window cimport PoolShape, Strides, count_of_all, counts_along, divisor_of, number, place


cdef extern from "strips.h" nogil:
    enum: STRIP_LARGEST
    enum: STRIP_MEAN
    enum: STRIP_SCALED
    enum: STRIP_BLOCK
    enum: VECTOR_BYTES
    ctypedef struct Strips:
        Py_ssize_t ih, iw, ldx, oh, ow, ph, pw, bytes, depths, apart, places
        int kernel, stride, kind, narrow, deep
        const void *blank
        const void *down
        const void *across
    Py_ssize_t strip_bytes(const Strips *s, Py_ssize_t size) noexcept
    Py_ssize_t narrow_strip_bytes(const Strips *s, Py_ssize_t size) noexcept
    void pool_strips(...) noexcept


cdef inline Strips strips_of(const PoolShape *s, const Strides *t, Py_ssize_t size) noexcept nogil:
    """The strips of a channels-first plane of elements of `size` bytes; `bytes` is 0 if they cannot pool it."""
    cdef Strips f
    f.ih, f.iw, f.oh, f.ow, f.ph, f.pw = s.ih, s.iw, s.oh, s.ow, s.ph, s.pw
    f.kernel, f.stride, f.ldx, f.bytes, f.kind = 0, <int> s.sw, t.h, 0, STRIP_LARGEST
    f.blank, f.down, f.across, f.narrow = NULL, NULL, NULL, 0
    f.deep, f.depths, f.apart, f.places = s.kd > 1, s.kd, s.dd * t.d, s.dd * s.ih * s.iw
    if s.adaptive or s.kw > 3 or s.sw > 2:
        return f
    if s.kh == s.kw and s.sh == s.sw and s.dh == 1 and s.dw == 1:
        f.kernel = <int> s.kw
        f.bytes = strip_bytes(&f, size)
    return f


cdef inline Strips strips_for(const PoolShape *s, const Strides *t, Py_ssize_t size) noexcept nogil:
    """The same but for several depths and 2 x 2 at stride 1, which only maxima with places have there, and for 3 x 3 at
    stride 2 where a row of outputs is one of the shortest vectors: turned or by `strided.h` that takes 0.45 to 0.8 of
    the time."""
    cdef Strips f = strips_of(s, t, size)
    cdef bint few = f.bytes == s.ow * size == 16 < VECTOR_BYTES and size >= 4
    cdef Py_ssize_t narrow = narrow_strip_bytes(&f, size)
    if s.kd > 1 or s.pd > 0 or f.kernel == 2 and f.stride == 1 or f.kernel == 3 and f.stride == 2 and few:
        f.bytes = 0
    elif f.bytes > 0 and narrow > f.bytes:
        f.bytes, f.narrow = narrow, 1
    return f


cdef inline Py_ssize_t elements_for(const Strips *f) noexcept nogil:
    """What `fill` needs."""
    return f.ow + f.oh + (1 + f.narrow) * f.iw + 1


cdef inline bint is_power_of_two(double x) noexcept nogil:
    cdef int exponent
    return fabs(frexp(x, &exponent)) == 0.5


cdef inline void fill(Strips *f, number *scratch, PoolShape *s, number blank) noexcept nogil:
    """Lay out the blank and the divisors in `scratch`, or their inverses if a row has one only and all are exact."""
    cdef number *across = scratch
    cdef number *down = across + f.ow
    cdef number *blanks = down + f.oh
    cdef Py_ssize_t count = count_of_all(s), j
    cdef bint scaled = count > 0
    for j in range((1 + f.narrow) * f.iw + 1):
        blanks[j] = blank
    f.blank, f.down, f.kind = blanks, down, STRIP_LARGEST
    if number is float or number is double:
        if not s.maximum:
            if count == 0:
                counts_along(across, s)
                f.across = across
            for j in range(f.oh):
                down[j] = <number> (divisor_of(s, place(s, 0, j)) * max(count, <Py_ssize_t> 1))
                scaled = scaled and is_power_of_two(down[j])
            for j in range(f.oh if scaled else 0):
                down[j] = 1 / down[j]
            f.kind = STRIP_SCALED if scaled else STRIP_MEAN


cdef inline const number *plane_of(const number *x, const Strides *t, Py_ssize_t plane) noexcept nogil:
    """Where plane `plane` of x starts, counted over (n, c)."""
    return x + plane // t.channels * t.n + plane % t.channels * t.c


cdef enum:
    PIECES = 16     # of work for each thread


cdef inline Py_ssize_t parts_of(Py_ssize_t slabs, Py_ssize_t oh, int threads) noexcept nogil:
    """Into how many parts the rows of outputs of each slab are split, so that all threads have work."""
    return min(oh, max(<Py_ssize_t> 1, PIECES * threads // slabs)) if threads > 1 else 1


cdef struct Planes:
    const Strips *f
    const PoolShape *s
    const Strides *t
    const void *x
    void *out
    Py_ssize_t parts        # of the rows of outputs of a depth of a plane;
    Py_ssize_t planes       # if there is one part of each,
    Py_ssize_t shares       # shares of them all


cdef inline void one_part(const Planes *c, Py_ssize_t r, number *_scratch) noexcept nogil:
    """Part `r` of all rows of outputs, `parts` of which make one depth of the outputs of a plane."""
    cdef const PoolShape *s = c.s
    cdef Py_ssize_t plane = r, first = 0, end = s.oh, z = 0
    cdef number *out
    if c.parts > 1:                     # a division takes as long as a row
        plane = r // c.parts
        first, end = r % c.parts * s.oh // c.parts, (r % c.parts + 1) * s.oh // c.parts
    out = <number *> c.out + plane * s.oh * s.ow
    if s.od > 1:
        plane, z = plane // s.od, plane % s.od
    pool_strips(c.f, plane_of(<const number *> c.x, c.t, plane) + z * s.sd * c.t.d, out, first, end)


cdef inline void one_share(const Planes *c, Py_ssize_t i, number *scratch) noexcept nogil:
    """Share i of all planes: a few rows are done sooner than a core hears that another has not begun them."""
    cdef Py_ssize_t r
    for r in range(c.planes * i // c.shares, c.planes * (i + 1) // c.shares):
        one_part(c, r, scratch)


cdef inline int in_strips(
    const number *x, number *out, Py_ssize_t n, const Strides *t, PoolShape *s, Strips *f, number blank, int threads,
) except -1:
    """The common windows, channels-first: see `strips.h`."""
    cdef Py_ssize_t planes = n * t.channels * s.od
    cdef Planes call = Planes(f, s, t, x, out, parts_of(planes, s.oh, threads), planes, min(planes, PIECES * threads))
    cdef number *shared = <number *> borrow("pooling", elements_for(f) * <Py_ssize_t> sizeof(number))
    with nogil:
        fill(f, shared, s, blank)
        if call.parts > 1:
            each_piece(<Piece> one_part[number], &call, planes * call.parts, threads)
        else:
            each_piece(<Piece> one_share[number], &call, call.shares, threads)
    give_back(shared)
    return 0
