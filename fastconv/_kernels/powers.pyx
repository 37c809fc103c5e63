"""Powers of absolute values, element by element, as lp pooling of many takes them before and after it adds up."""

from fastconv._kernels.operand cimport first_of
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.shape cimport real
from fastconv._kernels.team cimport Piece, each_piece

cdef extern from "powers.h" nogil:
    void powers(size_t size, void *to, const void *source, Py_ssize_t n, double power)

cdef enum:
    PIECE = 4096            # elements


cdef struct Call:
    const void *x
    void *to
    Py_ssize_t size
    double exponent


cdef void one_piece(const Call *c, Py_ssize_t i, real *_scratch) noexcept nogil:
    powers(sizeof(real), <real *> c.to + i * PIECE, <const real *> c.x + i * PIECE, min(PIECE, c.size - i * PIECE),
           c.exponent)


def power(input, output, Py_ssize_t size, real exponent, int threads):
    """`output`, which may be `input`, becomes abs(input) ** exponent: both of one type and `size` contiguous elements
    in the same order, not empty."""
    cdef Call call = Call(first_of(input), first_of(output), size, exponent)
    with nogil:
        each_piece(<Piece> one_piece[real], &call, ceil_div(size, PIECE), threads)
