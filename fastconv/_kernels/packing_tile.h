/* The register tile that copies B to a panel in passing: C (rows x width) (+)= A (rows x kc) . B (kc x width).
 *
 *     B, rows `ldb` apart:  [    |    ] ...    The first tile of rows that meets these columns loads them anyway, so it
 *                           [    |    ] ...    stores them to the panel that the tiles after it read, whose rows are
 *     panel:  [    |    ][    |    ] ...       next to each other. Sums and their order are those of `tile.h`.
 */
#ifndef FASTCONV_PACKING_TILE_H
#define FASTCONV_PACKING_TILE_H

#include "tile.h"

#define EACH_TYPE "packing_tile.h"
#include "each_float.h"
#undef EACH_TYPE

/* One tile of 1 <= `rows` <= TILE_ROWS and tile_width(size) columns; `size` is a constant at every call. */
static inline void packing_tile(size_t size, ptrdiff_t rows, ptrdiff_t kc, const void *a, ptrdiff_t lda, const void *b,
                                ptrdiff_t ldb, void *panel, void *c, ptrdiff_t ldc, const tile_finish *finish)
{
    if (size == sizeof(float))
        packing_tile_f32(rows, kc, a, lda, b, ldb, panel, c, ldc, finish);
    else
        packing_tile_f64(rows, kc, a, lda, b, ldb, panel, c, ldc, finish);
}

#elif defined(ELEMENT)

#define PARAMETERS (ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda, const ELEMENT *b, ptrdiff_t ldb, ELEMENT *panel, \
                    ELEMENT *c, ptrdiff_t ldc, const tile_finish *finish)
#define NAME(rows) PASTE(packing_##rows, SUFFIX)
#define INSTANCE(rows) static NEVER_INLINE void NAME(rows) PARAMETERS { \
        PASTE(tile_run, SUFFIX)(PACKING, rows, TILE_VECTORS, TILE_VECTORS * LANES_OF(ELEMENT), kc, a, lda, 0, NULL, \
                                NULL, b, ldb, 0, NULL, panel, c, ldc, finish, 1, NULL); \
    }
INSTANCE(1) INSTANCE(2) INSTANCE(3) INSTANCE(4) INSTANCE(5) INSTANCE(6)
static void PASTE(packing_tile, SUFFIX)(
    ptrdiff_t rows, ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda, const ELEMENT *b, ptrdiff_t ldb, ELEMENT *panel,
    ELEMENT *c, ptrdiff_t ldc, const tile_finish *finish)
{
    static void (*const each[TILE_ROWS]) PARAMETERS = {NAME(1), NAME(2), NAME(3), NAME(4), NAME(5), NAME(6)};
    each[rows - 1](kc, a, lda, b, ldb, panel, c, ldc, finish);
}
#undef INSTANCE
#undef NAME
#undef PARAMETERS
#endif
