"""Sums of outer products, of `outer.h`."""

cdef extern from "outer.h" nogil:
    Py_ssize_t outer_width(size_t size)
    Py_ssize_t outer_rows(size_t size, Py_ssize_t cols)
    void outer(size_t size, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t lines, Py_ssize_t kc, const void *a,
               Py_ssize_t lda, Py_ssize_t a_line, const void *b, Py_ssize_t ldb, Py_ssize_t b_line, void *c,
               Py_ssize_t ldc)
