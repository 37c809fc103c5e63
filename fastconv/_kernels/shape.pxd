"""The geometry of one image's convolution as a C struct, filled from the tuple that `fastconv._geometry` makes."""

cdef fused real:
    float
    double

cdef enum:
    LAYOUT = 22     # index in a `ConvGeometry` of what says that channels are last


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


cdef inline const real *at(const real *p, Py_ssize_t offset) noexcept nogil:
    """p + offset, or NULL for an operand that is not there."""
    if p == NULL:
        return NULL
    return p + offset
