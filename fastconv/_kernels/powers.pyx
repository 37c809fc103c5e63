"""Powers of absolute values, element by element, as lp pooling takes them before and after it adds up."""

from fastconv._kernels.operand cimport five
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.team cimport Piece, each_piece

cdef extern from "powers.h" nogil:
    void powers(size_t size, void *to, const void *source, Py_ssize_t n, double power)

cdef enum:
    PIECE = 4096            # elements


cdef struct Call:
    const char *x
    char *to
    Py_ssize_t n
    size_t size
    double exponent


cdef void one_piece(const Call *c, Py_ssize_t i, void *_scratch) noexcept nogil:
    cdef size_t before = i * PIECE * c.size
    powers(c.size, c.to + before, c.x + before, min(PIECE, c.n - i * PIECE), c.exponent)


def power(input, output, int rank, Py_ssize_t n, size_t size, double exponent, int threads):
    """`output`, which may be `input`, becomes abs(input) ** exponent: both of `rank` spatial axes and of `n` floating
    elements of `size` bytes, without gaps and in the same order, not empty."""
    cdef Call call = Call(<const char *> five(input, rank).data, <char *> five(output, rank).data, n, size, exponent)
    with nogil:
        each_piece(<Piece> one_piece, &call, ceil_div(n, PIECE), threads)
