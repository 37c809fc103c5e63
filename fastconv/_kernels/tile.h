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
 * instruction-set intrinsics; the file includes itself once per element type. 6 x 2 vectors is the shape that BLIS
 * uses on Haswell and Zen: Van Zee & van de Geijn 2015, doi:10.1145/2764454; https://github.com/flame/blis,
 * docs/KernelsHowTo.md. Compilers without the extension run the same text with "vectors" of one element.
 */
#ifndef FASTCONV_TILE_H
#define FASTCONV_TILE_H

#include <stddef.h>
#include <string.h>

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define TILE_ROWS 12
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#define TILE_ROWS 6
#else
#define VECTOR_BYTES 16
#define TILE_ROWS 6
#endif
#define TILE_VECTORS 2

#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)

/* What happens to C besides the product. Clamping keeps NaN: both comparisons are false for it. */
typedef struct {
    int accumulate;       /* start from C; else from the biases (or zero) */
    int clamp;            /* finish with min(max(c, lo), hi) */
    double lo, hi;
    const void *row_bias; /* one element a row of C, or NULL */
    const void *col_bias; /* one element a column of C, or NULL; not both */
} tile_finish;

#define ELEMENT float
#define INTEGER int
#define SUFFIX f32
#include "tile.h"
#undef ELEMENT
#undef INTEGER
#undef SUFFIX
#define ELEMENT double
#define INTEGER long long
#define SUFFIX f64
#include "tile.h"
#undef ELEMENT
#undef INTEGER
#undef SUFFIX

/* columns of the widest tile, and of one vector, for elements of `size` bytes */
static inline ptrdiff_t tile_width(size_t size) { return TILE_VECTORS * (VECTOR_BYTES / size); }

/* One tile of `rows` <= TILE_ROWS and `cols` <= tile_width(size); `size` is a constant at every call, so one branch remains. */
static inline void tile(size_t size, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t kc, const void *a, ptrdiff_t lda,
                        const void *b, ptrdiff_t ldb, void *c, ptrdiff_t ldc, const tile_finish *finish)
{
    if (size == sizeof(float))
        tile_f32(rows, cols, kc, a, lda, b, ldb, c, ldc, finish);
    else
        tile_f64(rows, cols, kc, a, lda, b, ldb, c, ldc, finish);
}

#elif defined(ELEMENT)

#define LANES ((ptrdiff_t)(VECTOR_BYTES / sizeof(ELEMENT)))
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define run PASTE(tile_run, SUFFIX)

typedef ELEMENT vec __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(ELEMENT)), may_alias));
typedef INTEGER mask __attribute__((vector_size(VECTOR_BYTES)));
#define SELECT(condition, yes, no) ((vec)(((condition) & (mask)(yes)) | (~(condition) & (mask)(no))))

/* `rows` and `nv` are constants in every caller, so that each loop below unrolls and acc never leaves the registers. */
static inline __attribute__((always_inline)) void run(
    const ptrdiff_t rows, const ptrdiff_t nv, ptrdiff_t cols, ptrdiff_t kc, const ELEMENT *restrict a, ptrdiff_t lda,
    const ELEMENT *restrict b, ptrdiff_t ldb, ELEMENT *restrict c, ptrdiff_t ldc, const tile_finish *finish)
{
    vec acc[TILE_ROWS][TILE_VECTORS];
    ELEMENT edge[TILE_ROWS * TILE_VECTORS * (VECTOR_BYTES / sizeof(ELEMENT))];
    const int whole = cols == nv * LANES;
    ELEMENT *target = c;
    ptrdiff_t ldt = ldc;
    if (!whole) {               /* a narrow tile works on a copy, so that nothing beside C is read or written */
        target = edge;
        ldt = nv * LANES;
        if (finish->accumulate)
            for (ptrdiff_t i = 0; i < rows; i++)
                for (ptrdiff_t j = 0; j < cols; j++)
                    edge[i * ldt + j] = c[i * ldc + j];
    }
    if (finish->accumulate) {
#pragma GCC unroll 12
        for (ptrdiff_t i = 0; i < rows; i++)
#pragma GCC unroll 2
            for (ptrdiff_t j = 0; j < nv; j++)
                acc[i][j] = *(const vec *)(target + i * ldt + j * LANES);
    } else if (finish->col_bias) {
        const ELEMENT *bias = finish->col_bias;
        if (!whole) {
            memcpy(edge, bias, (size_t)cols * sizeof(ELEMENT));
            bias = edge;
        }
#pragma GCC unroll 12
        for (ptrdiff_t i = 0; i < rows; i++)
#pragma GCC unroll 2
            for (ptrdiff_t j = 0; j < nv; j++)
                acc[i][j] = *(const vec *)(bias + j * LANES);
    } else {
        const ELEMENT *bias = finish->row_bias;
#pragma GCC unroll 12
        for (ptrdiff_t i = 0; i < rows; i++)
#pragma GCC unroll 2
            for (ptrdiff_t j = 0; j < nv; j++)
                acc[i][j] = (vec){0} + (bias ? bias[i] : (ELEMENT)0);
    }
#pragma GCC unroll 2
    for (ptrdiff_t k = 0; k < kc; k++) {
        vec right[TILE_VECTORS];
#pragma GCC unroll 2
        for (ptrdiff_t j = 0; j < nv; j++)
            right[j] = *(const vec *)(b + j * LANES);
        b += ldb;
#pragma GCC unroll 12
        for (ptrdiff_t i = 0; i < rows; i++) {
            const ELEMENT left = a[i * lda + k];
#pragma GCC unroll 2
            for (ptrdiff_t j = 0; j < nv; j++)
                acc[i][j] += left * right[j];
            __asm__ volatile("" ::: "memory");
        }
    }
    if (finish->clamp) {
        const vec lo = (vec){0} + (ELEMENT)finish->lo, hi = (vec){0} + (ELEMENT)finish->hi;
#pragma GCC unroll 12
        for (ptrdiff_t i = 0; i < rows; i++)
#pragma GCC unroll 2
            for (ptrdiff_t j = 0; j < nv; j++) {
                const vec v = SELECT(acc[i][j] < lo, lo, acc[i][j]);
                acc[i][j] = SELECT(v > hi, hi, v);
            }
    }
#pragma GCC unroll 12
    for (ptrdiff_t i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (ptrdiff_t j = 0; j < nv; j++)
            *(vec *)(target + i * ldt + j * LANES) = acc[i][j];
    if (!whole)
        for (ptrdiff_t i = 0; i < rows; i++)
            for (ptrdiff_t j = 0; j < cols; j++)
                c[i * ldc + j] = edge[i * ldt + j];
}

#define tile_of PASTE(tile, SUFFIX)
static __attribute__((noinline, unused)) void tile_of(
    ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda, const ELEMENT *b, ptrdiff_t ldb,
    ELEMENT *c, ptrdiff_t ldc, const tile_finish *finish)
{
#define ROWS(n) case n: \
        if (cols > LANES) run(n, 2, cols, kc, a, lda, b, ldb, c, ldc, finish); \
        else run(n, 1, cols, kc, a, lda, b, ldb, c, ldc, finish); \
        return;
    switch (rows) {
        ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6)
#if TILE_ROWS == 12
        ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12)
#endif
    }
#undef ROWS
}
#undef tile_of
#undef run
#undef SELECT
#undef mask
#undef vec
#undef LANES
#endif
