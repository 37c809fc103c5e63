/* The register tile: C (rows x cols) (+)= A (rows x kc) . B (kc x cols), all three row-major.
 *
 *            cols = NV vectors                 The accumulators stay in vector registers for the whole of kc:
 *          +-------------------+               one step of k loads NV vectors of B, broadcasts one scalar of
 *       kc |         B         | ldb           each row of A, and issues rows * NV fused multiply-adds.
 *          +-------------------+
 *   kc     +-------------------+               A is read with unit stride along k, so weights that lie
 *  +---+   |                   |               (oc, K) and patches that lie (pixel, K) need no packing.
 *  | A |   |         C         | rows          B is read a whole vector at a time: its rows must be readable
 *  +---+   +-------------------+               up to the next multiple of the vector; C is touched only
 *   lda             ldc                        where it exists.
 *
 * Written once for every vector width and both element types: GCC vector extensions (which Clang shares), no
 * instruction-set intrinsics. Here are the shapes and who picks among them, in `tile_run.h` the loop of them all; the
 * file includes itself once per element type. 6 x 2 vectors is the shape that BLIS uses on Haswell and Zen: Van Zee &
 * van de Geijn 2015, doi:10.1145/2764454; https://github.com/flame/blis, docs/KernelsHowTo.md. With 32 registers it is
 * 6 x 4, since Ice Lake loads 1.2 vectors of 64 bytes in the time of two multiply-adds. Compilers without the extension
 * run the same text with "vectors" of one element.
 */
#ifndef FASTCONV_TILE_H
#define FASTCONV_TILE_H

#include "tile_run.h"

#define EACH_TYPE "tile.h"
#include "each_float.h"
#undef EACH_TYPE

/* columns of the widest tile, for elements of `size` bytes */
static inline ptrdiff_t tile_width(size_t size)
{
    return TILE_VECTORS * lanes_of(size);
}

#define TILE(kind, size, rows, cols, ...) do { \
        if ((size) == sizeof(float)) \
            kind##_f32[(rows) - 1][((cols) - 1) / LANES_OF(float)](cols, __VA_ARGS__); \
        else \
            kind##_f64[(rows) - 1][((cols) - 1) / LANES_OF(double)](cols, __VA_ARGS__); \
    } while (0)

/* One tile of 1 <= `rows` <= TILE_ROWS and `cols` <= tile_width(size); `size` is a constant at every call. */
static inline void tile(size_t size, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t kc, const void *a, ptrdiff_t lda,
                        const void *b, ptrdiff_t ldb, void *c, ptrdiff_t ldc, const tile_finish *finish)
{
#if TILE_STEPS > 1
    if (ldb == tile_width(size) && (cols == ldb || 2 * cols <= ldb)) {
        if (finish->next_rows > 0)
            TILE(tile_packed_next, size, rows, cols, kc, a, lda, b, ldb, c, ldc, finish);
        else
            TILE(tile_packed, size, rows, cols, kc, a, lda, b, ldb, c, ldc, finish);
        return;
    }
#endif
    if (finish->next_rows > 0)
        TILE(tile_next, size, rows, cols, kc, a, lda, b, ldb, c, ldc, finish);
    else
        TILE(tile, size, rows, cols, kc, a, lda, b, ldb, c, ldc, finish);
}

/* The same with the rows of B anywhere: row k is at b + at[k]. */
static inline void tile_at(size_t size, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t kc, const void *a, ptrdiff_t lda,
                           const void *b, const ptrdiff_t *at, void *c, ptrdiff_t ldc, const tile_finish *finish)
{
    TILE(tile_at, size, rows, cols, kc, a, lda, b, at, c, ldc, finish);
}

/* Whether the last vector that `tile_taps` computes of so many columns is half of one, which takes half the time on
 * cores whose products of 64 bytes are two short ones, and no more on others. */
static inline int tile_halves(size_t size, ptrdiff_t cols)
{
    return VECTOR_BYTES == 64 && (cols - 1) * 2 / lanes_of(size) % 2 == 0;
}

/* The same with A as taps see an image: its element (i, k) is at a + pixel[i] + tap[k]. */
static inline void tile_taps(size_t size, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t kc, const void *a,
                             const ptrdiff_t *pixel, const ptrdiff_t *tap, const void *b, ptrdiff_t ldb, void *c,
                             ptrdiff_t ldc, const tile_finish *finish)
{
#if VECTOR_BYTES == 64
    if (tile_halves(size, cols)) {
        TILE(tile_halved, size, rows, cols, kc, a, pixel, tap, b, ldb, c, ldc, finish);
        return;
    }
#endif
    TILE(tile_taps, size, rows, cols, kc, a, pixel, tap, b, ldb, c, ldc, finish);
}

/* The same with rows of B anywhere. */
static inline void tile_some(size_t size, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t kc, const void *a,
                             const ptrdiff_t *pixel, const ptrdiff_t *tap, const void *b, const ptrdiff_t *at, void *c,
                             ptrdiff_t ldc, const tile_finish *finish)
{
    TILE(tile_some, size, rows, cols, kc, a, pixel, tap, b, at, c, ldc, finish);
}

#elif defined(ELEMENT)

#define NAME(kind, rows, nv) PASTE(kind##_##rows##_by_##nv, SUFFIX)
#define INSTANCE(kind, rows, nv, parameters, how, ...) \
    static NEVER_INLINE void NAME(kind, rows, nv) parameters { \
        PASTE(tile_run, SUFFIX)(how, rows, nv, cols, kc, __VA_ARGS__, c, ldc, finish, 1, NULL, NULL, NULL); \
    }
#if TILE_VECTORS > 2
#define WIDER(...) __VA_ARGS__
#else
#define WIDER(...)
#endif
#define INSTANCES(kind, rows, ...) INSTANCE(kind, rows, 1, __VA_ARGS__) INSTANCE(kind, rows, 2, __VA_ARGS__) \
    WIDER(INSTANCE(kind, rows, 3, __VA_ARGS__) INSTANCE(kind, rows, 4, __VA_ARGS__))
#define NAMES(kind, rows) {NAME(kind, rows, 1), NAME(kind, rows, 2), \
    WIDER(NAME(kind, rows, 3), NAME(kind, rows, 4))}
#define EACH_TILE(kind, parameters, ...) \
    INSTANCES(kind, 1, parameters, __VA_ARGS__) INSTANCES(kind, 2, parameters, __VA_ARGS__) \
    INSTANCES(kind, 3, parameters, __VA_ARGS__) INSTANCES(kind, 4, parameters, __VA_ARGS__) \
    INSTANCES(kind, 5, parameters, __VA_ARGS__) INSTANCES(kind, 6, parameters, __VA_ARGS__) \
    static void (*const PASTE(kind, SUFFIX)[TILE_ROWS][TILE_VECTORS]) parameters = { \
        NAMES(kind, 1), NAMES(kind, 2), NAMES(kind, 3), NAMES(kind, 4), NAMES(kind, 5), NAMES(kind, 6)};
#define PARAMETERS (ptrdiff_t cols, ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda, const ELEMENT *b, ptrdiff_t ldb, \
                    ELEMENT *c, ptrdiff_t ldc, const tile_finish *finish)
EACH_TILE(tile, PARAMETERS, 0, a, lda, 0, NULL, NULL, b, ldb, 0, NULL, NULL)
EACH_TILE(tile_next, PARAMETERS, NEXT_ROWS, a, lda, 0, NULL, NULL, b, ldb, 0, NULL, NULL)
#if TILE_STEPS > 1
EACH_TILE(tile_packed, PARAMETERS, PACKED, a, lda, 0, NULL, NULL, b, ldb, 0, NULL, NULL)
EACH_TILE(tile_packed_next, PARAMETERS, PACKED + NEXT_ROWS, a, lda, 0, NULL, NULL, b, ldb, 0, NULL, NULL)
#endif
#undef PARAMETERS
EACH_TILE(tile_at,
    (ptrdiff_t cols, ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda, const ELEMENT *b, const ptrdiff_t *at, ELEMENT *c,
     ptrdiff_t ldc, const tile_finish *finish),
    0, a, lda, 0, NULL, NULL, b, 0, 1, at, NULL)
#define PARAMETERS (ptrdiff_t cols, ptrdiff_t kc, const ELEMENT *a, const ptrdiff_t *pixel, const ptrdiff_t *tap, \
                    const ELEMENT *b, ptrdiff_t ldb, ELEMENT *c, ptrdiff_t ldc, const tile_finish *finish)
EACH_TILE(tile_taps, PARAMETERS, TILE_STEPS > 1 ? PACKED : 0, a, 0, 1, pixel, tap, b, ldb, 0, NULL, NULL)
#if VECTOR_BYTES == 64
EACH_TILE(tile_halved, PARAMETERS, HALVED, a, 0, 1, pixel, tap, b, ldb, 0, NULL, NULL)
#endif
#undef PARAMETERS
EACH_TILE(tile_some,
    (ptrdiff_t cols, ptrdiff_t kc, const ELEMENT *a, const ptrdiff_t *pixel, const ptrdiff_t *tap, const ELEMENT *b,
     const ptrdiff_t *at, ELEMENT *c, ptrdiff_t ldc, const tile_finish *finish),
    0, a, 0, 1, pixel, tap, b, 0, 1, at, NULL)
#undef EACH_TILE
#undef NAMES
#undef INSTANCES
#undef WIDER
#undef INSTANCE
#undef NAME
#endif
