"""The register tile of `tile.h`."""

from fastconv._kernels.pack cimport even
from fastconv._kernels.simd cimport lanes_of

cdef extern from "tile.h" nogil:
    enum: TILE_ROWS, CHUNK
    ctypedef struct tile_finish:
        int accumulate, clamp
        Py_ssize_t chain
        double lo, hi
        const void *row_bias
        const void *col_bias
        const void *next
        Py_ssize_t next_step, next_rows, every
    void fetch_ahead(const void *p, Py_ssize_t bytes)
    void fetch_to_l2(const void *p, Py_ssize_t bytes)
    Py_ssize_t tile_width(size_t size)
    bint tile_halves(size_t size, Py_ssize_t cols)
    void tile(size_t size, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t kc, const void *a, Py_ssize_t lda,
              const void *b, Py_ssize_t ldb, void *c, Py_ssize_t ldc, const tile_finish *finish)
    void tile_at(size_t size, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t kc, const void *a, Py_ssize_t lda,
                 const void *b, const Py_ssize_t *at, void *c, Py_ssize_t ldc, const tile_finish *finish)
    void tile_taps(size_t size, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t kc, const void *a,
                   const Py_ssize_t *pixel, const Py_ssize_t *tap, const void *b, Py_ssize_t ldb, void *c,
                   Py_ssize_t ldc, const tile_finish *finish)
    void tile_some(size_t size, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t kc, const void *a,
                   const Py_ssize_t *pixel, const Py_ssize_t *tap, const void *b, const Py_ssize_t *at, void *c,
                   Py_ssize_t ldc, const tile_finish *finish)

cdef extern from "first_tile.h" nogil:
    void first_tile(size_t size, Py_ssize_t rows, Py_ssize_t kc, const void *a, Py_ssize_t lda, const void *b,
                    Py_ssize_t ldb, void *panel, void *c, Py_ssize_t ldc, const tile_finish *finish)
    void asking_tile(size_t size, Py_ssize_t rows, Py_ssize_t kc, const void *a, Py_ssize_t lda, const void *b,
                     Py_ssize_t ldb, const void *next, void *c, Py_ssize_t ldc, const tile_finish *finish)


cdef inline Py_ssize_t even_width(Py_ssize_t columns, Py_ssize_t size) noexcept nogil:
    """Of the tiles of so many columns: whole vectors, two at least, as even as that allows."""
    cdef Py_ssize_t lanes = lanes_of(size)
    return max(even(max(columns, 1), tile_width(size), lanes), 2 * lanes)
