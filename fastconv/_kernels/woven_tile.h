/* The register tile with rows that are phases: every `ways` of them are woven while they are in registers.
 *
 *     rows of A     phases a b of line 0, a b of line 1, ...       to[0]    a0 b0 a1 b1 ..       to[1]    a8 b8 a9 b9 ..
 *                                                                  to[2]    a0 b0 a1 b1 ..       to[3]    a8 b8 a9 b9 ..
 *
 * What each vector of columns gives in a line goes to a place of its own, `to[line * vectors + vector]`. The sums and
 * their order are those of `tile.h`.
 */
#ifndef FASTCONV_WOVEN_TILE_H
#define FASTCONV_WOVEN_TILE_H

#include "tile.h"
#include "weave.h"

#define MOST_WAYS 4 /* that leave a tile enough rows */

#define vec_woven_f32 vec_f32
#define vec_woven_f64 vec_f64
#define mask_woven_f32 mask_f32
#define mask_woven_f64 mask_f64

#define ELEMENT float
#define SUFFIX woven_f32
#define WOVEN weave_store_f32
#include "tile_run.h"
#include "woven_tile.h"
#undef ELEMENT
#undef SUFFIX
#undef WOVEN
#define ELEMENT double
#define SUFFIX woven_f64
#define WOVEN weave_store_f64
#include "tile_run.h"
#include "woven_tile.h"
#undef ELEMENT
#undef SUFFIX
#undef WOVEN

/* Lines of a tile of so many ways. */
static inline ptrdiff_t tile_lines(ptrdiff_t ways) { return TILE_ROWS / ways; }

/* One tile of `lines` <= tile_lines(ways), ways of 2 to MOST_WAYS; `size` is a constant at every call. */
static inline void woven_tile(size_t size, ptrdiff_t ways, ptrdiff_t lines, ptrdiff_t vectors, ptrdiff_t kc,
                              const void *a, ptrdiff_t lda, const void *b, ptrdiff_t ldb, void *const *to,
                              const tile_finish *finish)
{
    if (size == sizeof(float))
        woven_tile_woven_f32(ways, lines, vectors, kc, a, lda, b, ldb, (float *const *)to, finish);
    else
        woven_tile_woven_f64(ways, lines, vectors, kc, a, lda, b, ldb, (double *const *)to, finish);
}

#elif defined(ELEMENT)

#define VECTORS(ways, n, nv) case (ways * 8 + n) * 8 + nv: \
        PASTE(tile_run, SUFFIX)(TILE_STEPS > 1, ways * n, nv, nv * LANES_OF(ELEMENT), kc, a, lda, 0, NULL, NULL, b, ldb, \
                                0, NULL, NULL, NULL, 0, finish, ways, to, NULL, NULL); \
        return;
#if TILE_VECTORS > 2
#define LINES(ways, n) VECTORS(ways, n, 1) VECTORS(ways, n, 2) VECTORS(ways, n, 3) VECTORS(ways, n, 4)
#else
#define LINES(ways, n) VECTORS(ways, n, 1) VECTORS(ways, n, 2)
#endif
static NEVER_INLINE void PASTE(woven_tile, SUFFIX)(
    ptrdiff_t ways, ptrdiff_t lines, ptrdiff_t vectors, ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda, const ELEMENT *b,
    ptrdiff_t ldb, ELEMENT *const *to, const tile_finish *finish)
{
    switch ((ways * 8 + lines) * 8 + vectors) {
        LINES(2, 1) LINES(2, 2) LINES(2, 3)
        LINES(3, 1) LINES(3, 2)
        LINES(4, 1)
    }
}
#undef LINES
#undef VECTORS
#endif
