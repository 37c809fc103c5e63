"""Row-major matrix products over SciPy's BLAS.

The only place that knows BLAS's column order, its 32-bit integers, its missing const and its names by type. A row-major
matrix is its transpose in column order, and (A B)^T = B^T A^T: so the operands change places.
"""

from scipy.linalg.cython_blas cimport dgemm, sgemm

from fastconv._kernels.shape cimport real


cdef inline void gemm(
    bint b_transposed, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const real *a, Py_ssize_t lda,
    const real *b, Py_ssize_t ldb, real *c, Py_ssize_t ldc,
) noexcept nogil:
    """C (m x n) += A (m x k) . B (k x n), or with B given as its transpose (n x k); sizes fit 32 bits."""
    cdef char keep = b"N", turn = b"T"
    cdef char *of_b = &turn if b_transposed else &keep
    cdef int rows = <int> m, cols = <int> n, depth = <int> k, step_a = <int> lda, step_b = <int> ldb, step_c = <int> ldc
    cdef real one = 1
    if real is float:
        sgemm(of_b, &keep, &cols, &rows, &depth, &one, <float *> b, &step_b, <float *> a, &step_a, &one, c, &step_c)
    else:
        dgemm(of_b, &keep, &cols, &rows, &depth, &one, <double *> b, &step_b, <double *> a, &step_a, &one, c, &step_c)
