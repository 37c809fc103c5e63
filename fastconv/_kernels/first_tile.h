/* Register tiles that are the first to meet some columns of an image: C (rows x width) (+)= A (rows x kc) . B (kc x
 * width), whose rows are `ldb` apart, each on another page.
 *
 *     B:  [    |    ] ...    The tiles after these read the same columns. Where they lie well enough, those that come
 *         [    |    ] ...    next are asked for, of which a core foresees none; else the first tile copies them in
 *                            passing to `panel`, where rows are next to each other. Sums and their order are those of
 *                            `tile.h`.
 */
#ifndef FASTCONV_FIRST_TILE_H
#define FASTCONV_FIRST_TILE_H

#include "tile.h"

#define EACH_TYPE "first_tile.h"
#include "each_float.h"
#undef EACH_TYPE

#define FIRST_TILE(how, ...) do { \
        if (size == sizeof(float)) first_tile_f32(how, __VA_ARGS__); else first_tile_f64(how, __VA_ARGS__); \
    } while (0)

/* One tile of 1 <= `rows` <= TILE_ROWS and tile_width(size) columns, which it copies to `panel`; `size` is a constant
 * at every call. */
static inline void first_tile(size_t size, ptrdiff_t rows, ptrdiff_t kc, const void *a, ptrdiff_t lda, const void *b,
                              ptrdiff_t ldb, void *panel, void *c, ptrdiff_t ldc, const tile_finish *finish)
{
    FIRST_TILE(PACKING, rows, kc, a, lda, b, ldb, panel, c, ldc, finish);
}

/* The same without a copy: every finish->every steps it asks for a row of as many columns, from `next` on. */
static inline void asking_tile(size_t size, ptrdiff_t rows, ptrdiff_t kc, const void *a, ptrdiff_t lda, const void *b,
                               ptrdiff_t ldb, const void *next, void *c, ptrdiff_t ldc, const tile_finish *finish)
{
    FIRST_TILE(ASKING, rows, kc, a, lda, b, ldb, (void *)next, c, ldc, finish);
}

#elif defined(ELEMENT)

#define PARAMETERS (ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda, const ELEMENT *b, ptrdiff_t ldb, ELEMENT *panel, \
                    ELEMENT *c, ptrdiff_t ldc, const tile_finish *finish)
#define NAME(kind, rows) PASTE(kind##_##rows, SUFFIX)
#define INSTANCE(kind, rows) static NEVER_INLINE void NAME(kind, rows) PARAMETERS { \
        PASTE(tile_run, SUFFIX)(kind + NEXT_ROWS, rows, TILE_VECTORS, TILE_VECTORS * LANES_OF(ELEMENT), kc, a, lda, 0, \
                                NULL, NULL, b, ldb, 0, NULL, panel, c, ldc, finish, 1, NULL, NULL, NULL); \
    }
#define INSTANCES(rows) INSTANCE(PACKING, rows) INSTANCE(ASKING, rows)
#define NAMES(rows) {NAME(PACKING, rows), NAME(ASKING, rows)}
INSTANCES(1) INSTANCES(2) INSTANCES(3) INSTANCES(4) INSTANCES(5) INSTANCES(6)
static void PASTE(first_tile, SUFFIX)(
    const int how, ptrdiff_t rows, ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda, const ELEMENT *b, ptrdiff_t ldb,
    ELEMENT *panel, ELEMENT *c, ptrdiff_t ldc, const tile_finish *finish)
{
    static void (*const each[TILE_ROWS][2]) PARAMETERS = {NAMES(1), NAMES(2), NAMES(3), NAMES(4), NAMES(5), NAMES(6)};
    each[rows - 1][how == ASKING](kc, a, lda, b, ldb, panel, c, ldc, finish);
}
#undef NAMES
#undef INSTANCES
#undef INSTANCE
#undef NAME
#undef PARAMETERS
#endif
