/* The register tile of Winograd's products: C (rows x nv vectors) (+)= A (rows x kc) . B (kc x nv vectors).
 *
 * With 32 registers it has 12 x 2, 8 x 3 or 6 x 4 vectors, with 14, 11 and 10 loads for 24 products: of 64 bytes Zen 4
 * has one product a cycle and two loads, but Ice Lake two products and 1.2 loads.
 *
 * As that of `tile.h`, without borders, since the operands are padded to whole vectors, and with prefetching. Points
 * take turns, so that no operand stays in L1 or L2 between two visits, and the hardware foresees little in the twelve
 * short rows of A: the products ran at 75 to 90 of 113 GFLOP/s on a Zen 4 core with operands from L3, and reach 104 to
 * 108 where each step of k asks for its share of the operands that come next:
 *
 *     A of the next tile   [ | | | | | | ]  `rows` elements a step                  (asv_bench, Prepared; 2026-11-25)
 *     B of the next point  [  |  |  |  | ]  a row a step, shared by the tiles that use the present B
 *
 * The file includes itself once per element type.
 */
#ifndef FASTCONV_WINOGRAD_TILE_H
#define FASTCONV_WINOGRAD_TILE_H

#include "keep.h"
#include "simd.h"

#define WINOGRAD_SUMS (VECTOR_BYTES == 64 ? 24 : 12) /* vectors of them: AVX-512 has twice the registers */
#define WINOGRAD_ROWS (WINOGRAD_SUMS / 2)
#define WINOGRAD_VECTORS (VECTOR_BYTES == 64 ? 4 : 2)
#define WINOGRAD_STEPS (VECTOR_BYTES ? 4 : 1) /* of k in a turn; even */
#if VECTOR_BYTES
#define PREFETCH(p) __builtin_prefetch(p)
#else
#define PREFETCH(p) ((void)(p))
#endif

#define EACH_TYPE "winograd_tile.h"
#include "each_float.h"
#undef EACH_TYPE

/* rows of a tile of `nv` vectors at most */
static inline ptrdiff_t winograd_rows(ptrdiff_t nv)
{
    return WINOGRAD_SUMS / (nv > 2 ? nv : 2);
}

/* One tile of `rows` <= winograd_rows(nv) and `nv` vectors, of rows `ldb` apart in B and dense ones in C; starts from C
 * if `more`, else from zero. Sums of `chain` products are added up in turn. `next_a` and `next_b` will be read soon, of
 * the latter `step_b` bytes for each step of k. `size` is a constant at every call. */
static inline void winograd_tile(size_t size, ptrdiff_t rows, ptrdiff_t nv, ptrdiff_t kc, const void *a, ptrdiff_t lda,
                                 const void *b, ptrdiff_t ldb, void *c, ptrdiff_t chain, int more, const void *next_a,
                                 const void *next_b, ptrdiff_t step_b)
{
    if (size == sizeof(float))
        winograd_tile_f32[nv - 1][rows - 1](kc, a, lda, b, ldb, c, chain, more, next_a, next_b, step_b);
    else
        winograd_tile_f64[nv - 1][rows - 1](kc, a, lda, b, ldb, c, chain, more, next_a, next_b, step_b);
}

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define product PASTE(winograd_product, SUFFIX)
#define EACH_SUM UNROLL for (ptrdiff_t i = 0; i < rows; i++) UNROLL for (ptrdiff_t j = 0; j < nv; j++)

#define STEP(row, k) { \
        vec right[WINOGRAD_VECTORS]; \
        UNROLL for (ptrdiff_t j = 0; j < nv; j++) \
            right[j] = *(const vec *)((row) + j * LANES); \
        UNROLL for (ptrdiff_t i = 0; i < rows; i++) { \
            UNROLL for (ptrdiff_t j = 0; j < nv; j++) \
                MULTIPLY_ADD(sum[i][j], WINOGRAD_STEPS > 1 ? left[i][k] : a[i * lda + (k)], right[j]); \
            KEEP_ORDER(); \
        } \
    }

/* `rows` and `nv` are constants in every caller, so that sums, which have no address, stay in registers. A turn of
 * four steps asks for whole lines of the next A and B: fewer instructions, as in `tile.h`. */
static ALWAYS_INLINE void product(
    const ptrdiff_t rows, const ptrdiff_t nv, ptrdiff_t kc, const ELEMENT *restrict a, ptrdiff_t lda,
    const ELEMENT *restrict b, ptrdiff_t ldb, ELEMENT *restrict c, ptrdiff_t chain, int more, const char *next_a,
    const char *next_b, ptrdiff_t step_b)
{
    const ptrdiff_t width = nv * LANES;
    const ELEMENT *left[WINOGRAD_ROWS];
    UNROLL for (ptrdiff_t i = 0; i < rows; i++) {
        left[i] = a + i * lda;
        if (WINOGRAD_STEPS > 1)
            OPAQUE(left[i]);
    }
    vec sum[WINOGRAD_ROWS][WINOGRAD_VECTORS], memory[WINOGRAD_ROWS * WINOGRAD_VECTORS], *total = memory;
    OPAQUE(total); /* as in `tile.h`; with 32 registers 7 rows had totals in some, and loaded vectors on the stack */
    for (ptrdiff_t start = 0;;) {
        const ptrdiff_t end = kc - start > chain ? start + chain : kc;
        EACH_SUM sum[i][j] = (vec){0};
        EACH_SUM IN_REGISTER(sum[i][j]);
        ptrdiff_t k = start;
#if WINOGRAD_STEPS > 1
        for (const ptrdiff_t whole = end - (end - start) % WINOGRAD_STEPS; k < whole; k += WINOGRAD_STEPS) {
            OPAQUE(k);
            OPAQUE(b);
            const ptrdiff_t bytes_a = WINOGRAD_STEPS * rows * (ptrdiff_t)sizeof(ELEMENT);
            UNROLL for (ptrdiff_t s = 0; s < WINOGRAD_STEPS; s++) {
                if (s * 64 < bytes_a)
                    PREFETCH(next_a + s * 64);
                if (s % 2 == 0) {
                    OPAQUE(next_b);
                    UNROLL for (ptrdiff_t line = 0; line < 2 * WINOGRAD_VECTORS * VECTOR_BYTES; line += 64)
                        if (line == 0 || line < 2 * step_b)
                            PREFETCH(next_b + line);
                    next_b += 2 * step_b;
                }
                STEP(b, k + s)
                b += ldb;
            }
            next_a += bytes_a;
            EACH_SUM IN_REGISTER(sum[i][j]);
        }
#endif
        for (; k < end; k++, b += ldb) {
            PREFETCH(next_a);
            UNROLL for (ptrdiff_t line = 0; line < WINOGRAD_VECTORS * VECTOR_BYTES; line += 64)
                if (line == 0 || line < step_b)
                    PREFETCH(next_b + line);
            next_a += rows * (ptrdiff_t)sizeof(ELEMENT);
            next_b += step_b;
            STEP(b, k)
        }
        if (start > 0)
            EACH_SUM sum[i][j] += total[i * nv + j];
        if (end == kc)
            break;
        EACH_SUM total[i * nv + j] = sum[i][j];
        start = end;
    }
    if (more)
        EACH_SUM sum[i][j] += *(const vec *)(c + i * width + j * LANES);
    EACH_SUM *(vec *)(c + i * width + j * LANES) = sum[i][j];
}

#define PARAMETERS (ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda, const ELEMENT *b, ptrdiff_t ldb, ELEMENT *c, \
                    ptrdiff_t chain, int more, const char *next_a, const char *next_b, ptrdiff_t step_b)
#define NAME(nv, rows) PASTE(winograd_##rows##_by_##nv, SUFFIX)
#define INSTANCE(nv, rows) static NEVER_INLINE void NAME(nv, rows) PARAMETERS { \
        product(rows, nv, kc, a, lda, b, ldb, c, chain, more, next_a, next_b, step_b); \
    }
#define NAMES(nv, rows) NAME(nv, rows),
#define SIX(X, nv) X(nv, 1) X(nv, 2) X(nv, 3) X(nv, 4) X(nv, 5) X(nv, 6)
#define EIGHT(X, nv) SIX(X, nv) X(nv, 7) X(nv, 8)
#define TWELVE(X, nv) EIGHT(X, nv) X(nv, 9) X(nv, 10) X(nv, 11) X(nv, 12)
#if VECTOR_BYTES == 64
TWELVE(INSTANCE, 1) TWELVE(INSTANCE, 2) EIGHT(INSTANCE, 3) SIX(INSTANCE, 4)
static void (*const PASTE(winograd_tile, SUFFIX)[WINOGRAD_VECTORS][WINOGRAD_ROWS]) PARAMETERS = {
    {TWELVE(NAMES, 1)}, {TWELVE(NAMES, 2)}, {EIGHT(NAMES, 3)}, {SIX(NAMES, 4)}};
#else
SIX(INSTANCE, 1) SIX(INSTANCE, 2)
static void (*const PASTE(winograd_tile, SUFFIX)[WINOGRAD_VECTORS][WINOGRAD_ROWS]) PARAMETERS = {
    {SIX(NAMES, 1)}, {SIX(NAMES, 2)}};
#endif
#undef TWELVE
#undef EIGHT
#undef SIX
#undef NAMES
#undef INSTANCE
#undef NAME
#undef PARAMETERS
#undef EACH_SUM
#undef STEP
#undef product
#undef vec
#undef LANES
#endif
