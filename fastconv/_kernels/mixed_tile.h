/* The register tile beside a pixel whose lanes run along the depth: C (rows x cols) (+)= A . B, and of each row of A
 * its product with a patch.
 *
 *              [  lanes  |  lanes  |  lanes  ]         a step of k: vectors of B, and an element of each row of A
 *     a[i]     [   acc       acc       acc   ]  along  every LANES steps: a vector of the patch, and of each row of A
 *
 * A vector with one pixel would cost as much as one with sixteen; this costs a product of vectors for each LANES steps,
 * whose operands the tile has in cache. Sums and their order are those of `tile.h` and `dot_tile.h`. Where vectors have
 * less than 64 bytes, and registers are 16, there is none.
 */
#ifndef FASTCONV_MIXED_TILE_H
#define FASTCONV_MIXED_TILE_H

#include "dot_tile.h"
#include "lane_sums.h"
#include "tile.h"

#define MIXED_VECTORS (VECTOR_BYTES == 64 ? 3 : 0) /* beside which there is room for sums of a pixel */
#define MIXED_SLOTS 8                              /* a power of two, of TILE_ROWS sums */

#define EACH_TYPE "mixed_tile.h"
#include "each_float.h"
#undef EACH_TYPE

/* One tile of 1 <= `rows` <= TILE_ROWS and `cols` <= MIXED_VECTORS vectors, and a pixel, whose column of C is `column`;
 * `size` is a constant at every call. */
static inline void mixed_tile(size_t size, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t kc, const void *a, ptrdiff_t lda,
                              const void *b, ptrdiff_t ldb, const void *patch, void *c, void *column, ptrdiff_t ldc,
                              const tile_finish *finish)
{
#if VECTOR_BYTES == 64
    TILE(mixed_tile, size, rows, cols, kc, a, lda, b, ldb, patch, c, column, ldc, finish);
#endif
}

/* The same of MIXED_VECTORS whole vectors, which it copies to `panel` as `first_tile` does. */
static inline void mixed_first_tile(size_t size, ptrdiff_t rows, ptrdiff_t kc, const void *a, ptrdiff_t lda,
                                    const void *b, ptrdiff_t ldb, void *panel, const void *patch, void *c, void *column,
                                    ptrdiff_t ldc, const tile_finish *finish)
{
#if VECTOR_BYTES == 64
    TILE(mixed_first, size, rows, 1, kc, a, lda, b, ldb, panel, patch, c, column, ldc, finish);
#endif
}

#elif defined(ELEMENT) && VECTOR_BYTES == 64

#define BYTES VECTOR_BYTES
#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define finish_column PASTE(mixed_finish, SUFFIX)
#define PARAMETERS(...) (ptrdiff_t cols, ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda, const ELEMENT *b, \
                         ptrdiff_t ldb, __VA_ARGS__ const ELEMENT *patch, ELEMENT *c, ELEMENT *column, ptrdiff_t ldc, \
                         const tile_finish *finish)

/* column[i * ldc] (+)= the sum of the lanes of lanes[i]. */
static ALWAYS_INLINE void finish_column(
    const ptrdiff_t rows, const vec *lanes, ELEMENT *column, ptrdiff_t ldc, const tile_finish *finish)
{
    const ptrdiff_t n = LANES > MIXED_SLOTS ? LANES : MIXED_SLOTS, last = (rows - 1) / 2 * 2;
    ELEMENT sums[LANES_OF(float)];
    vec v[LANES_OF(float)];
    UNROLL for (ptrdiff_t i = 0; i < n; i++) /* what is beyond costs nothing where it is a pair again */
        v[i] = lanes[i < rows ? i : i % 2 && last + 1 < rows ? last + 1 : last];
    SUM_LANES(v, n, sums);
    PASTE(dot_finish, SUFFIX)(rows, 1, sums, 1, 1, column, ldc, finish);
}

#define RUN(how, rows, nv, width, panel) \
        vec lanes[TILE_ROWS]; \
        PASTE(tile_run, SUFFIX)(how + NEXT_ROWS + BESIDE, rows, nv, width, kc, a, lda, 0, NULL, NULL, b, ldb, 0, NULL, \
                                panel, c, ldc, finish, 1, NULL, patch, lanes); \
        finish_column(rows, lanes, column, ldc, finish);
#define NAME(kind, rows, nv) PASTE(kind##_##rows##_by_##nv, SUFFIX)
#define INSTANCE(rows, nv) static NEVER_INLINE void NAME(mixed_tile, rows, nv) PARAMETERS() { \
        RUN(0, rows, nv, cols, NULL) \
    }
#define INSTANCES(rows) INSTANCE(rows, 1) INSTANCE(rows, 2) INSTANCE(rows, 3) \
    static NEVER_INLINE void NAME(mixed_first, rows, 3) PARAMETERS(ELEMENT *panel,) { \
        RUN(PACKING, rows, MIXED_VECTORS, MIXED_VECTORS * LANES, panel) \
    }
#define EACH_ROWS(names) {names(1), names(2), names(3), names(4), names(5), names(6)}
#define NAMES(rows) {NAME(mixed_tile, rows, 1), NAME(mixed_tile, rows, 2), NAME(mixed_tile, rows, 3)}
#define FIRST_NAMES(rows) {NAME(mixed_first, rows, 3)}
INSTANCES(1) INSTANCES(2) INSTANCES(3) INSTANCES(4) INSTANCES(5) INSTANCES(6)
static void (*const PASTE(mixed_tile, SUFFIX)[TILE_ROWS][MIXED_VECTORS]) PARAMETERS() = EACH_ROWS(NAMES);
static void (*const PASTE(mixed_first, SUFFIX)[TILE_ROWS][1]) PARAMETERS(ELEMENT *panel,) = EACH_ROWS(FIRST_NAMES);
#undef FIRST_NAMES
#undef NAMES
#undef EACH_ROWS
#undef INSTANCES
#undef INSTANCE
#undef NAME
#undef RUN
#undef PARAMETERS
#undef finish_column
#undef vec
#undef LANES
#undef BYTES
#endif
