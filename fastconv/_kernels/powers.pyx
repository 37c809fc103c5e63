"""Powers of absolute values, element by element, as lp pooling of many takes them before and after it adds up."""

from cython.parallel cimport parallel, threadid

from fastconv._kernels.operand cimport first_of
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.queue cimport Queue, claim, share_out
from fastconv._kernels.shape cimport real

cdef extern from "powers.h" nogil:
    void powers(size_t size, void *to, const void *source, Py_ssize_t n, double power)

cdef enum:
    PIECE = 4096            # elements


def power(input, output, Py_ssize_t size, real exponent, int threads):
    """`output`, which may be `input`, becomes abs(input) ** exponent: both of one type and `size` contiguous elements
    in the same order, not empty."""
    cdef Queue queue
    cdef const real *source = <const real *> first_of(input)
    cdef real *to = <real *> first_of(output)
    cdef Py_ssize_t i
    share_out(&queue, ceil_div(size, PIECE), threads)
    with nogil, parallel(num_threads=queue.threads):
        while (i := claim(&queue, threadid())) >= 0:
            powers(sizeof(real), to + i * PIECE, source + i * PIECE, min(PIECE, size - i * PIECE), exponent)
