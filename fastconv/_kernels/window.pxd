"""What the pooling kernels share: element types, the geometry as a C struct, and where windows lie."""

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t

ctypedef fused number:
    float
    double
    int8_t
    uint8_t
    int16_t
    uint16_t
    int32_t
    int64_t


cdef struct PoolShape:
    Py_ssize_t id, ih, iw              # input extents
    Py_ssize_t od, oh, ow              # output extents
    Py_ssize_t kd, kh, kw              # window
    Py_ssize_t sd, sh, sw              # stride
    Py_ssize_t dd, dh, dw              # dilation
    Py_ssize_t pd, ph, pw              # padding before
    Py_ssize_t qd, qh, qw              # padding after
    Py_ssize_t maximum                 # 1 the largest, 0 the sum or mean
    Py_ssize_t count_pad               # 1 padding counts towards the number of elements of a mean
    Py_ssize_t divisor                 # of the mean; 0: the number of elements
    Py_ssize_t adaptive                # 1 windows follow from the extents; kd kh kw bound them from above


cdef inline PoolShape pool_shape(tuple g) except *:
    """The struct's fields are the items of a `PoolGeometry`, in its order."""
    cdef PoolShape s
    cdef Py_ssize_t *field = <Py_ssize_t *> &s
    cdef Py_ssize_t i
    for i in range(<Py_ssize_t> (sizeof(PoolShape) // sizeof(Py_ssize_t))):
        field[i] = g[i]
    return s


cdef struct Strides:
    Py_ssize_t n, c, d, h, w           # of the input, in elements
    Py_ssize_t channels


cdef inline Strides strides_of(const Py_ssize_t *shape, const Py_ssize_t *strides, Py_ssize_t item) noexcept nogil:
    """Of an array (n, c, d, h, w) of elements of `item` bytes."""
    cdef Strides t
    t.n, t.c, t.d = strides[0] // item, strides[1] // item, strides[2] // item
    t.h, t.w = strides[3] // item, strides[4] // item
    t.channels = shape[1]
    return t


cdef inline Py_ssize_t taps_below(Py_ssize_t bound, Py_ssize_t start, Py_ssize_t k, Py_ssize_t d) noexcept nogil:
    """How many of the taps start, start + d, ..., start + (k - 1) * d lie below `bound`."""
    if bound <= start:
        return 0
    return min(bound - start if d == 1 else (bound - start - 1) // d + 1, k)  # a division costs more than a branch


cdef inline Py_ssize_t adapted_start(Py_ssize_t o, Py_ssize_t i, Py_ssize_t out) noexcept nogil:
    """floor(o * i / out), the first element of window `o` of adaptive pooling; o * i could overflow."""
    if i == out:                       # divisions take longer than a short row
        return o
    return o * (i // out) + o * (i % out) // out


cdef inline Py_ssize_t adapted_size(Py_ssize_t o, Py_ssize_t i, Py_ssize_t out) noexcept nogil:
    """ceil((o + 1) * i / out) - floor(o * i / out)."""
    if i == out:
        return 1
    return (o + 1) * (i // out) + ((o + 1) * (i % out) + out - 1) // out - adapted_start(o, i, out)


cdef struct Place:
    Py_ssize_t z, y                    # where the windows of one row of outputs start
    Py_ssize_t i0, i1, j0, j1          # their taps inside the image along d and h: the first, and one past the last


cdef inline Place place(PoolShape *s, Py_ssize_t o_d, Py_ssize_t o_h) noexcept nogil:
    """The place of the windows of output row (o_d, o_h). Adaptive ones set the extents kd and kh of `s`."""
    cdef Place at
    if s.adaptive:
        s.kd, s.kh = adapted_size(o_d, s.id, s.od), adapted_size(o_h, s.ih, s.oh)
        at.z, at.y = adapted_start(o_d, s.id, s.od), adapted_start(o_h, s.ih, s.oh)
    else:
        at.z, at.y = o_d * s.sd - s.pd, o_h * s.sh - s.ph
    at.i0, at.i1 = taps_below(0, at.z, s.kd, s.dd), taps_below(s.id, at.z, s.kd, s.dd)
    at.j0, at.j1 = taps_below(0, at.y, s.kh, s.dh), taps_below(s.ih, at.y, s.kh, s.dh)
    return at


cdef inline Py_ssize_t start_along(const PoolShape *s, Py_ssize_t o) noexcept nogil:
    """The first element, along the row, of the window of output `o`."""
    return adapted_start(o, s.iw, s.ow) if s.adaptive else o * s.sw - s.pw


cdef inline Py_ssize_t taps_along(const PoolShape *s, Py_ssize_t o) noexcept nogil:
    """How many taps that window has along the row."""
    return adapted_size(o, s.iw, s.ow) if s.adaptive else s.kw


cdef inline Py_ssize_t alike_from(const PoolShape *s, Py_ssize_t o, Py_ssize_t taps) noexcept nogil:
    """How many windows, from output `o` of a row on, are alike inside the image; that of `o` has so many taps there."""
    if s.adaptive or taps < s.kw:
        return 1
    return min((s.iw - 1 - (s.kw - 1) * s.dw + s.pw) // s.sw, s.ow - 1) - o + 1


cdef inline Py_ssize_t counted(
    Py_ssize_t start, Py_ssize_t size, Py_ssize_t k, Py_ssize_t d, Py_ssize_t p, Py_ssize_t q, bint pad,
) noexcept nogil:
    """Along one axis, the elements of the window at `start` that a mean counts: of the image, or of the padding too."""
    if pad:
        return taps_below(size + q, start, k, d) - taps_below(-p, start, k, d)
    return taps_below(size, start, k, d) - taps_below(0, start, k, d)


cdef inline double divisor_of(const PoolShape *s, Place at) noexcept nogil:
    """The divisor of the means of one row of outputs, but for the count along the row."""
    if s.divisor:
        return <double> s.divisor
    return <double> (counted(at.z, s.id, s.kd, s.dd, s.pd, s.qd, s.count_pad)
                     * counted(at.y, s.ih, s.kh, s.dh, s.ph, s.qh, s.count_pad))


cdef inline Py_ssize_t count_of_all(const PoolShape *s) noexcept nogil:
    """The divisor's factor along the row, if it is the same for all outputs, else 0."""
    cdef Py_ssize_t end = (s.ow - 1) * s.sw + (s.kw - 1) * s.dw + 1 - s.pw
    if s.divisor:
        return 1
    if s.adaptive or end > s.iw + (s.qw if s.count_pad else 0) or s.pw > 0 and not s.count_pad:
        return 0
    return s.kw


cdef inline void counts_along(number *counts, const PoolShape *s) noexcept nogil:
    """The divisor's factor along the row, for each output."""
    cdef Py_ssize_t all = count_of_all(s), o
    for o in range(s.ow):
        counts[o] = <number> all
    for o in range(0 if all else s.ow):
        counts[o] = <number> counted(start_along(s, o), s.iw, taps_along(s, o), s.dw, s.pw, s.qw, s.count_pad)
