"""Images with margins that are filled from themselves: every padding mode but zeros.

    to[n, c, z, y, x] = image[n, c, source(z), source(y), source(x)]

                image      a b c d
    reflect          c b | a b c d | c b
    symmetric        b a | a b c d | d c
    replicate        a a | a b c d | d d
    circular         c d | a b c d | a b

What lies between the margins of a row is copied at once; beside it elements channels-first, pixels channels-last.
"""

from libc.string cimport memcpy

from fastconv._kernels.operand cimport five, operand
from fastconv._kernels.pack cimport clip
from fastconv._kernels.team cimport Piece, each_piece

cdef enum:
    REFLECT
    SYMMETRIC
    REPLICATE
    CIRCULAR

MODES = {"reflect": REFLECT, "symmetric": SYMMETRIC, "replicate": REPLICATE, "circular": CIRCULAR}


cdef struct Axis:
    Py_ssize_t size, stride, before, padded     # stride in bytes, before the image, and with both margins


cdef struct Call:
    const char *x
    char *to
    Axis d, h, w
    Py_ssize_t channels, xn, xc     # that are planes of their own: one, channels-last
    Py_ssize_t unit                 # bytes of what is copied along a row
    int mode


cdef inline Py_ssize_t source(Py_ssize_t i, const Axis *a, int mode) noexcept nogil:
    """Bytes from the start of an axis to what is put at `i`; a margin is not wider than what it repeats."""
    cdef Py_ssize_t at = i - a.before, edge = mode == SYMMETRIC
    if 0 <= at < a.size:
        return at * a.stride
    if mode == REPLICATE:
        return clip(at, 0, a.size - 1) * a.stride
    if mode == CIRCULAR:
        return (at + a.size if at < 0 else at - a.size) * a.stride
    return (-at - edge if at < 0 else 2 * (a.size - 1) - at + edge) * a.stride


cdef inline void units(const Call *c, char *to, const char *row, Py_ssize_t first, Py_ssize_t end) noexcept nogil:
    """Places first to end of a row, one by one."""
    cdef Py_ssize_t i
    for i in range(first, end):
        if c.unit == sizeof(float):     # of a size that the compiler knows
            memcpy(to + i * sizeof(float), row + source(i, &c.w, c.mode), sizeof(float))
        else:
            memcpy(to + i * c.unit, row + source(i, &c.w, c.mode), c.unit)


cdef void one_plane(const Call *c, Py_ssize_t item, void *_scratch) noexcept nogil:
    cdef Py_ssize_t image = item // c.d.padded, z = item % c.d.padded, y
    cdef Py_ssize_t first = c.w.before, end = first + c.w.size, width = c.w.padded * c.unit
    cdef const char *plane = c.x + image // c.channels * c.xn + image % c.channels * c.xc + source(z, &c.d, c.mode)
    cdef const char *row
    cdef char *to = c.to + item * c.h.padded * width
    for y in range(c.h.padded):
        row = plane + source(y, &c.h, c.mode)
        units(c, to, row, 0, first)
        if c.w.stride == c.unit:
            memcpy(to + first * c.unit, row, c.w.size * c.unit)
        else:
            units(c, to, row, first, end)
        units(c, to, row, end, c.w.padded)
        to += width


cdef Axis axis_of(const operand *x, const operand *to, int axis, Py_ssize_t before):
    return Axis(x.shape[axis], x.strides[axis], before, to.shape[axis])


def fill(input, output, int rank, bint last, str mode, tuple before, int threads):
    """Write `output`, (n, c, *spatial) or (c, *spatial) of `rank` axes and dense in the order of `last`, from `input`,
    whose innermost axis in memory has unit stride, by a mode of `MODES`; both are not empty and apart.

    before : of the margins along each spatial axis (d, h, w), zeros first
    """
    cdef operand x = five(input, rank), to = five(output, rank)
    cdef Call call
    call.x, call.to, call.mode = <const char *> x.data, <char *> to.data, MODES[mode]
    call.d, call.h = axis_of(&x, &to, 2, before[0]), axis_of(&x, &to, 3, before[1])
    call.w = axis_of(&x, &to, 4, before[2])
    call.channels = 1 if last else x.shape[1]
    call.xn, call.xc = x.strides[0], x.strides[1]
    call.unit = input.itemsize * (x.shape[1] if last else 1)
    with nogil:
        each_piece(<Piece> one_plane, &call, x.shape[0] * call.channels * call.d.padded, threads)
