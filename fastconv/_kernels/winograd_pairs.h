/* Winograd's products of four tiles as `winograd_few.h` has them, of 3x3 taps at stride 2.
 *
 *     M[5 i + j][tile] (+)= sum over k of V[5 i + j][tile][k] * U[5 i + j][k],     U[5 i + .][k] = G_i g[k] G^T
 *
 * for one line i of the points and one part of the kernel, of pairs of taps or single ones along h and w:
 *
 *     L . L      L pairs, which are summed at the points, at infinity the second tap alone
 *     . S .      S single taps, the same at all points but infinity, which they lack
 *     L . L
 *
 * Where the last tiles have three outputs along w, half of the tiles lack point 3; along h, so do those of line 3.
 * Sums are those of `winograd_tile.h`, in the same order. The file includes itself once per element type.
 */
#ifndef FASTCONV_WINOGRAD_PAIRS_H
#define FASTCONV_WINOGRAD_PAIRS_H

#include "keep.h"
#include "simd.h"
#include "winograd_few.h"
#include "winograd_points.h"

#define PAIR_TAPS 9
#define PAIR_POINTS 5
#define PAIR_ROW 6 /* taps from one of a pair to the other, along h */
#define PAIR_COL 2

#if VECTOR_BYTES == 64
#define EACH_TYPE "winograd_pairs.h"
#include "each_float.h"
#undef EACH_TYPE
#endif

/* The factor of the second tap of a pair along h on a line of points but infinity */
static inline double winograd_pair_factor(ptrdiff_t line)
{
    return (line % 2 ? -1 : 1) * (line < 2 ? NEAR_POINT : FAR_POINT);
}

/* C[j] (+)= A[j] . weights of taps[k][9][lane] at the points j of a line, each of `tiles` rows, 4 or 2, or, where half
 * of them lack it, of half as many. By pairs along h the second tap is multiplied by `factor`. `more` and `chain` are
 * as in `winograd_tile.h`, the former also of infinity alone. Each k asks for a line that is read next, `step` bytes
 * on. */
static inline void winograd_pairs(size_t size, int pair_h, int pair_w, ptrdiff_t tiles, int lacks, double factor,
                                  ptrdiff_t kc, const void *taps, const void *const *a, ptrdiff_t lda, void *const *c,
                                  ptrdiff_t ldc, ptrdiff_t chain, int more, int more_infinite, const void *ahead,
                                  ptrdiff_t step)
{
#if VECTOR_BYTES == 64
    const int which = pair_h << 3 | pair_w << 2 | (tiles == FEW_TILES) << 1 | lacks;
    if (size == sizeof(float))
        winograd_pairs_f32[which](factor, kc, taps, a, lda, c, ldc, chain, more, more_infinite, ahead,
                                  step);
    else
        winograd_pairs_f64[which](factor, kc, taps, a, lda, c, ldc, chain, more, more_infinite, ahead,
                                  step);
#endif
}

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define weight_points PASTE(weight_points, SUFFIX)
#define pair_line PASTE(pair_line, SUFFIX)
#define INFINITE (PAIR_POINTS - 1) /* which point that is */
#define EACH_SUM \
    EACH(j, PAIR_POINTS) EACH(i, FEW_TILES) if ((pair_w || j < INFINITE) && i < tiles / (lacks && j == 3 ? 2 : 1))

#define STEP { \
        FETCH_TO_L2(ahead); \
        ahead += step; \
        vec g[2], u[PAIR_POINTS]; \
        EACH(j, pair_w + 1) { \
            g[j] = *(const vec *)(taps + j * PAIR_COL * LANES); \
            if (pair_h) \
                g[j] += second * *(const vec *)(taps + (PAIR_ROW + j * PAIR_COL) * LANES); \
        } \
        taps += PAIR_TAPS * LANES; \
        if (pair_w) \
            weight_points(F42, g, u); \
        else \
            EACH(j, INFINITE) u[j] = g[0]; \
        EACH_SUM { \
            MULTIPLY_ADD(sum[j][i], left[j][tile[i]], u[j]); \
            KEEP_ORDER(); \
        } \
        EACH(i, tiles) { \
            tile[i]++; \
            OPAQUE(tile[i]); \
        } \
    }

/* `pair_h`, `pair_w`, `tiles` and `lacks` are constants in every caller */
static ALWAYS_INLINE void pair_line(
    const int pair_h, const int pair_w, const ptrdiff_t tiles, const int lacks, double factor, ptrdiff_t kc,
    const ELEMENT *taps, const void *const *a, ptrdiff_t lda, void *const *c, ptrdiff_t ldc, ptrdiff_t chain, int more,
    int more_infinite, const char *ahead, ptrdiff_t step)
{
    const vec second = (vec){0} + (ELEMENT)factor;
    const ELEMENT *left[PAIR_POINTS];
    ptrdiff_t tile[FEW_TILES];
    vec sum[PAIR_POINTS][FEW_TILES], memory[PAIR_POINTS * FEW_TILES], *total = memory;
    OPAQUE(total);
    EACH(j, PAIR_POINTS) {
        left[j] = a[j];
        OPAQUE(left[j]);
    }
    EACH(i, tiles) tile[i] = i * lda;
    SUM_IN_CHAINS()
    EACH_SUM {
        if (j < INFINITE ? more : more_infinite)
            sum[j][i] += *((const vec *)((ELEMENT *)c[j] + i * ldc));
    }
    EACH_SUM *(vec *)((ELEMENT *)c[j] + i * ldc) = sum[j][i];
}

#define PARAMETERS (double factor, ptrdiff_t kc, const ELEMENT *taps, const void *const *a, ptrdiff_t lda, \
                    void *const *c, ptrdiff_t ldc, ptrdiff_t chain, int more, int more_infinite, \
                    const char *ahead, ptrdiff_t step)
#define NAME(h, w, all, lacks) PASTE(pair_line_##h##w##all##lacks, SUFFIX)
#define INSTANCE(h, w, all, lacks) static NEVER_INLINE void NAME(h, w, all, lacks) PARAMETERS { \
        pair_line(h, w, all ? FEW_TILES : FEW_TILES / 2, lacks, factor, kc, taps, a, lda, c, ldc, chain, more, \
                  more_infinite, ahead, step); \
    }
#define NAMES(h, w, all, lacks) NAME(h, w, all, lacks),
#define FOUR(X, h, w) X(h, w, 0, 0) X(h, w, 0, 1) X(h, w, 1, 0) X(h, w, 1, 1)
#define ALL(X) FOUR(X, 0, 0) FOUR(X, 0, 1) FOUR(X, 1, 0) FOUR(X, 1, 1)
ALL(INSTANCE)
static void (*const PASTE(winograd_pairs, SUFFIX)[]) PARAMETERS = {ALL(NAMES)};
#undef ALL
#undef FOUR
#undef NAMES
#undef INSTANCE
#undef NAME
#undef PARAMETERS
#undef STEP
#undef EACH_SUM
#undef INFINITE
#undef pair_line
#undef weight_points
#undef vec
#undef LANES
#endif
