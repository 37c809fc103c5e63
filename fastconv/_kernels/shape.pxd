"""The geometry of one image's convolution as a C struct, filled from the tuple that `fastconv._geometry` makes."""

cdef fused real:
    float
    double

cdef enum:
    LAYOUT = 22     # index in a `ConvGeometry` of what says that channels are last
    # Products of a sum that repay sorting pixels, and lanes along the depth; shorter ones are added up in one order on
    # any map, pieces of one included:
    LONG_SUM = 160


cdef struct ConvShape:
    Py_ssize_t ic, oc, groups          # channels; `groups` independent convolutions of ic/groups -> oc/groups
    Py_ssize_t id, ih, iw              # input extents
    Py_ssize_t od, oh, ow              # output extents
    Py_ssize_t kd, kh, kw              # kernel
    Py_ssize_t sd, sh, sw              # stride
    Py_ssize_t dd, dh, dw              # dilation
    Py_ssize_t pd, ph, pw              # zeros before; those after follow from the output extents


cdef inline int read_shape(ConvShape *s, tuple g) except -1:
    """The struct's fields are the first 21 items of a `ConvGeometry`, in its order."""
    cdef Py_ssize_t *field = <Py_ssize_t *> s
    cdef Py_ssize_t i
    for i in range(<Py_ssize_t> (sizeof(ConvShape) // sizeof(Py_ssize_t))):
        field[i] = g[i]
    return 0


cdef inline bint sees_padding(
    Py_ssize_t size, Py_ssize_t outputs, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation, Py_ssize_t before,
) noexcept nogil:
    """Whether an output of an axis sees an element before or after the image."""
    return before > 0 or (outputs - 1) * stride + (taps - 1) * dilation - before >= size


cdef inline bint sees_no_padding(const ConvShape *s) noexcept nogil:
    """Whether all that outputs see lies in the image."""
    return not (sees_padding(s.id, s.od, s.kd, s.sd, s.dd, s.pd) or sees_padding(s.ih, s.oh, s.kh, s.sh, s.dh, s.ph)
                or sees_padding(s.iw, s.ow, s.kw, s.sw, s.dw, s.pw))


cdef inline void read_strides(
    Py_ssize_t *to, const Py_ssize_t *shape, const Py_ssize_t *strides, Py_ssize_t size, bint last,
) noexcept nogil:
    """The five strides (n, c, d, h, w) of an array from bytes to elements of `size`; `last` where channels are.

    An axis of one element, which may have any stride, gets the one of memory without gaps, so that axes are one run of
    elements where stride == size * stride of the next inner one, without a question about ones.
    """
    cdef Py_ssize_t packed = 1, i, axis
    for i in range(5):                              # from the innermost on: w h d c n, or c w h d n
        axis = (5 - i if i else 1) if last and i < 4 else 4 - i
        to[axis] = strides[axis] // size if shape[axis] > 1 else packed
        packed = to[axis] * shape[axis]


cdef inline const real *at(const real *p, Py_ssize_t offset) noexcept nogil:
    """p + offset, or NULL for an operand that is not there."""
    if p == NULL:
        return NULL
    return p + offset
