"""Few rows times a matrix that is read once, of `stream.h`."""

cdef extern from "stream.h" nogil:
    void stream(size_t size, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t kc, const void *a, Py_ssize_t lda,
                const void *b, Py_ssize_t ldb, void *c, Py_ssize_t ldc)
