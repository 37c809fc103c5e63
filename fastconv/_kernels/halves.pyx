"""Between float16 and float32, element by element (`halves.h`)."""

from libc.stdint cimport uint16_t

from fastconv._kernels.operand cimport five
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.team cimport Piece, each_piece

cdef extern from "halves.h" nogil:
    void halves_widen(float *to, const uint16_t *x, Py_ssize_t n)
    void halves_narrow(uint16_t *to, const float *x, Py_ssize_t n)

cdef enum:
    PIECE = 4096            # elements


cdef struct Call:
    const void *x
    void *to
    Py_ssize_t size
    bint widen


cdef void one_piece(const Call *c, Py_ssize_t i, void *_scratch) noexcept nogil:
    cdef Py_ssize_t first = i * PIECE, n = min(PIECE, c.size - first)
    if c.widen:
        halves_widen(<float *> c.to + first, <const uint16_t *> c.x + first, n)
    else:
        halves_narrow(<uint16_t *> c.to + first, <const float *> c.x + first, n)


def convert(input, output, int rank, Py_ssize_t size, bint widen, int threads):
    """`output` becomes `input`, both of `rank` spatial axes and of `size` elements without gaps, in the same order,
    apart and not empty: float32 from float16 if `widen`, else float16 from float32."""
    cdef Call call = Call(five(input, rank).data, five(output, rank).data, size, widen)
    with nogil:
        each_piece(<Piece> one_piece, &call, ceil_div(size, PIECE), threads)
