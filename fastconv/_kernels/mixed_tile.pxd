"""The register tile beside a pixel whose lanes run along the depth, of `mixed_tile.h`."""

from fastconv._kernels.tile cimport tile_finish

cdef extern from "mixed_tile.h" nogil:
    enum: MIXED_VECTORS
    void mixed_tile(size_t size, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t kc, const void *a, Py_ssize_t lda,
                    const void *b, Py_ssize_t ldb, const void *patch, void *c, void *column, Py_ssize_t ldc,
                    const tile_finish *finish)
    void mixed_first_tile(size_t size, Py_ssize_t rows, Py_ssize_t kc, const void *a, Py_ssize_t lda, const void *b,
                          Py_ssize_t ldb, void *panel, const void *patch, void *c, void *column, Py_ssize_t ldc,
                          const tile_finish *finish)
