"""The register tile with lanes along the depth, of `dot_tile.h`."""

from fastconv._kernels.tile cimport tile_finish

cdef extern from "dot_tile.h" nogil:
    enum: DOT_ROWS, DOT_COLS, DOT_SLOTS, DOT_PARTS
    void dot_tile(size_t size, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t kc, const void *a, Py_ssize_t lda,
                  const void *a_rest, const void *b, Py_ssize_t ldb, const void *b_rest, const void *ahead, void *sums,
                  Py_ssize_t lds)
    void dot_finish(size_t size, Py_ssize_t rows, Py_ssize_t cols, const void *sums, Py_ssize_t lds, Py_ssize_t step,
                    void *c, Py_ssize_t ldc, const tile_finish *finish)
