/* Winograd's products of four tiles, by weights that are transformed in registers as they are multiplied.
 *
 *     M[6 i + j][tile] (+)= sum over k of V[6 i + j][tile][k] * U[6 i + j][k],     U[6 i + .][k] = G_i g[k] G^T
 *
 * A line i of the points at a time: three columns of taps become six vectors of weights, and these 24 sums. An element
 * of U that serves four products takes longer to be written to L2 and read from there than to be computed where it is
 * used: with turning the taps 16 weights took 135 ns and take 80 (Emerald Rapids, 512 to 512 channels on 7x7).
 *
 * Sums are those of `winograd_tile.h`, in the same order. The file includes itself once per element type.
 */
#ifndef FASTCONV_WINOGRAD_FEW_H
#define FASTCONV_WINOGRAD_FEW_H

#include "keep.h"
#include "simd.h"
#include "winograd_points.h"

#define FEW_TILES (VECTOR_BYTES == 64 ? 4 : 0) /* 16 registers are too few */
#define FEW_TAPS 3
#define FEW_POINTS 6
#define FEW_AHEAD 3 /* lines of the next weights that each step asks for */

/* sum[j][i] of each point and tile: steps k in chains of `chain`, one after the other, whose totals are added in their
 * order. EACH_SUM and STEP, the products of one k, are the kernel's own. */
#define SUM_IN_CHAINS() \
    for (ptrdiff_t start = 0;;) { \
        const ptrdiff_t end = kc - start > chain ? start + chain : kc; \
        EACH_SUM sum[j][i] = (vec){0}; \
        EACH_SUM IN_REGISTER(sum[j][i]); \
        for (ptrdiff_t k = start; k < end; k++) \
            STEP \
        if (start > 0) \
            EACH_SUM sum[j][i] += total[j * FEW_TILES + i]; \
        if (end == kc) \
            break; \
        EACH_SUM total[j * FEW_TILES + i] = sum[j][i]; \
        start = end; \
    }

#if VECTOR_BYTES == 64
#define EACH_TYPE "winograd_few.h"
#include "each_float.h"
#undef EACH_TYPE
#endif

/* C (FEW_TILES rows, `ldc` apart, of a vector, for each point) (+)= A (dense in k, rows `lda` apart) . weights of
 * taps[k][3][3][lane], by F43 along both axes; `more` and `chain` as in `winograd_tile.h`. Weights that are read next
 * are asked for: for each k those `step` bytes further on, and lines that lie `apart`. */
static inline void winograd_few(size_t size, ptrdiff_t kc, const void *taps, const void *a, ptrdiff_t a_point,
                                ptrdiff_t lda, void *c, ptrdiff_t c_point, ptrdiff_t ldc, ptrdiff_t chain, int more,
                                const void *ahead, ptrdiff_t step, ptrdiff_t apart)
{
#if VECTOR_BYTES == 64
    if (size == sizeof(float))
        winograd_few_f32(kc, taps, a, a_point, lda, c, c_point, ldc, chain, more, ahead, step, apart);
    else
        winograd_few_f64(kc, taps, a, a_point, lda, c, c_point, ldc, chain, more, ahead, step, apart);
#endif
}

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define weight_points PASTE(weight_points, SUFFIX)
#define few_line PASTE(few_line, SUFFIX)
#define EACH_SUM EACH(j, FEW_POINTS) EACH(i, FEW_TILES)

#define STEP { \
        EACH(n, FEW_AHEAD) FETCH_TO_L2(ahead + n * apart); \
        ahead += step; \
        vec g[FEW_TAPS], u[FEW_POINTS], column[FEW_TAPS]; \
        EACH(j, FEW_TAPS) { \
            EACH(i, FEW_TAPS) g[i] = *(const vec *)(taps + (i * FEW_TAPS + j) * LANES); \
            weight_points(F43, g, u); \
            column[j] = u[line]; \
        } \
        taps += FEW_TAPS * FEW_TAPS * LANES; \
        weight_points(F43, column, u); \
        EACH(j, FEW_POINTS) EACH(i, FEW_TILES) { \
            MULTIPLY_ADD(sum[j][i], left[j][tile[i]], u[j]); \
            KEEP_ORDER(); \
        } \
        EACH(i, FEW_TILES) { \
            tile[i]++; \
            OPAQUE(tile[i]); \
        } \
    }

/* `line` is a constant in every caller */
static ALWAYS_INLINE void few_line(
    const ptrdiff_t line, ptrdiff_t kc, const ELEMENT *taps, const ELEMENT *a, ptrdiff_t a_point, ptrdiff_t lda,
    ELEMENT *c, ptrdiff_t c_point, ptrdiff_t ldc, ptrdiff_t chain, int more, const char *ahead, ptrdiff_t step,
    ptrdiff_t apart)
{
    const ELEMENT *left[FEW_POINTS];
    ptrdiff_t tile[FEW_TILES];
    vec sum[FEW_POINTS][FEW_TILES], memory[FEW_POINTS * FEW_TILES], *total = memory;
    OPAQUE(total);
    EACH(j, FEW_POINTS) {
        left[j] = a + j * a_point;
        OPAQUE(left[j]);
    }
    EACH(i, FEW_TILES) tile[i] = i * lda;
    SUM_IN_CHAINS()
    if (more)
        EACH_SUM sum[j][i] += *(const vec *)(c + j * c_point + i * ldc);
    EACH_SUM *(vec *)(c + j * c_point + i * ldc) = sum[j][i];
}

#define PARAMETERS (ptrdiff_t kc, const ELEMENT *taps, const ELEMENT *a, ptrdiff_t a_point, ptrdiff_t lda, ELEMENT *c, \
                    ptrdiff_t c_point, ptrdiff_t ldc, ptrdiff_t chain, int more, const char *ahead, ptrdiff_t step, \
                    ptrdiff_t apart)
#define NAME(line) PASTE(few_line_##line, SUFFIX)
#define INSTANCE(line) static NEVER_INLINE void NAME(line) PARAMETERS { \
        few_line(line, kc, taps, a, a_point, lda, c, c_point, ldc, chain, more, ahead, step, apart); \
    }
INSTANCE(0) INSTANCE(1) INSTANCE(2) INSTANCE(3) INSTANCE(4) INSTANCE(5)

static inline void PASTE(winograd_few, SUFFIX) PARAMETERS
{
    static void (*const each_line[FEW_POINTS]) PARAMETERS = {NAME(0), NAME(1), NAME(2), NAME(3), NAME(4), NAME(5)};
    for (ptrdiff_t i = 0; i < FEW_POINTS; i++)
        each_line[i](kc, taps, a + i * FEW_POINTS * a_point, a_point, lda, c + i * FEW_POINTS * c_point, c_point, ldc,
                     chain, more, ahead + i * FEW_AHEAD * apart, step, apart);
}
#undef INSTANCE
#undef NAME
#undef PARAMETERS
#undef STEP
#undef EACH_SUM
#undef few_line
#undef weight_points
#undef vec
#undef LANES
#endif
