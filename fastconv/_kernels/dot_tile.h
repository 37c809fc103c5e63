/* The register tile with lanes along the depth: sums[i][j] = a[i] . b[j], i < rows, j < cols, over kc products.
 *
 *               k ->  lanes    lanes    lanes   rest            A row of weights, (oc, K), and the patch of a pixel are
 *     a[i]         [        |        |        |     ]           read a vector at a time where they lie, so no lane is
 *     b[j]         [        |        |        |     ]           idle whatever rows and cols are. One accumulator a sum;
 *                  [  acc   ]  -> its sum over lanes            in the end their lanes are added up by a tree.
 *
 * Nothing is read beyond the last whole vector of a row: what is left lies in `a_rest` and `b_rest`, a vector with
 * zeros for each row. The file includes itself once per element type.
 */
#ifndef FASTCONV_DOT_TILE_H
#define FASTCONV_DOT_TILE_H

#include <string.h>

#include "keep.h"
#include "lane_sums.h"
#include "simd.h"
#include "tile.h"

#define DOT_ROWS (VECTOR_BYTES == 64 ? 4 : 2) /* 24 accumulators and five more of 32 registers, or 12 and three of 16 */
#define DOT_COLS 6
#define DOT_SLOTS 8
#define DOT_PARTS (8 / DOT_ROWS) /* of a row, one of which each tile asks for */

#define EACH_TYPE "dot_tile.h"
#include "each_float.h"
#undef EACH_TYPE

/* One tile; `size` is a constant at every call. Of each row of sums DOT_SLOTS elements are written, the first `cols` of
 * them with sums. `ahead` is one of DOT_PARTS parts of a row that is read soon, which the tile asks for evenly over its
 * steps, since rows are too short for the processor to foresee where the next ones begin. */
static inline void dot_tile(size_t size, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t kc, const void *a, ptrdiff_t lda,
                            const void *a_rest, const void *b, ptrdiff_t ldb, const void *b_rest, const void *ahead,
                            void *sums, ptrdiff_t lds)
{
    if (size == sizeof(float))
        dot_tile_f32(rows, cols, kc, a, lda, a_rest, b, ldb, b_rest, ahead, sums, lds);
    else
        dot_tile_f64(rows, cols, kc, a, lda, a_rest, b, ldb, b_rest, ahead, sums, lds);
}

/* C (rows x cols) (+)= sums, finished as by the tile of `tile.h`; sums of a row are `step` apart. */
static inline void dot_finish(size_t size, ptrdiff_t rows, ptrdiff_t cols, const void *sums, ptrdiff_t lds,
                              ptrdiff_t step, void *c, ptrdiff_t ldc, const tile_finish *finish)
{
    if (size == sizeof(float))
        dot_finish_f32(rows, cols, sums, lds, step, c, ldc, finish);
    else
        dot_finish_f64(rows, cols, sums, lds, step, c, ldc, finish);
}

#elif defined(ELEMENT)

#define BYTES VECTOR_BYTES
#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define run PASTE(dot_run_tile, SUFFIX)
#define each_cols PASTE(dot_each_cols, SUFFIX)
#define EACH_SUM UNROLL for (ptrdiff_t i = 0; i < rows; i++) UNROLL for (ptrdiff_t j = 0; j < cols; j++)

#define STEP() { \
        vec left[DOT_ROWS]; \
        UNROLL for (ptrdiff_t i = 0; i < rows; i++) { \
            left[i] = *(const vec *)(a_row[i] + k); \
            LOADED_ONCE(left[i]); \
        } \
        UNROLL for (ptrdiff_t j = 0; j < cols; j++) { \
            vec right = *(const vec *)(b_row[j] + k); \
            LOADED_ONCE(right); \
            UNROLL for (ptrdiff_t i = 0; i < rows; i++) \
                MULTIPLY_ADD(acc[i][j], left[i], right); \
            KEEP_ORDER(); \
        } \
    }

/* `rows` and `cols` are constants in every caller, so that each loop unrolls and acc stays in registers. */
static ALWAYS_INLINE void run(
    const ptrdiff_t rows, const ptrdiff_t cols, ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda, const ELEMENT *a_rest,
    const ELEMENT *b, ptrdiff_t ldb, const ELEMENT *b_rest, const ELEMENT *ahead, ELEMENT *sums, ptrdiff_t lds)
{
    vec acc[DOT_ROWS][DOT_COLS];
    ptrdiff_t whole = kc / LANES * LANES;
    EACH_SUM acc[i][j] = (vec){0};
    EACH_SUM IN_REGISTER(acc[i][j]);
    for (;;) {
        const ELEMENT *a_row[DOT_ROWS], *b_row[DOT_COLS];
        ptrdiff_t k = 0;
        UNROLL for (ptrdiff_t i = 0; i < rows; i++) {
            a_row[i] = a + i * lda;
            if (VECTOR_BYTES == 32) OPAQUE(a_row[i]);
        }
        UNROLL for (ptrdiff_t j = 0; j < cols; j++) {
            b_row[j] = b + j * ldb;
            if (VECTOR_BYTES == 32) OPAQUE(b_row[j]);
        }
#if VECTOR_BYTES >= 32 /* two steps a turn */
        for (const ptrdiff_t pairs = whole - whole % (2 * LANES); k < pairs; k += LANES) {
            FETCH((const char *)ahead + k * (ELEMENT_BYTES / DOT_PARTS));
            STEP()
            k += LANES;
            OPAQUE(k);
            STEP()
            EACH_SUM IN_REGISTER(acc[i][j]);
        }
#endif
        for (; k < whole; k += LANES) {
            FETCH((const char *)ahead + k * (ELEMENT_BYTES / DOT_PARTS));
            STEP()
        }
        if (whole == kc)
            break;
        a = a_rest;
        b = b_rest;
        lda = ldb = whole = kc = LANES;
    }
    ELEMENT total[(DOT_ROWS + 1) * DOT_SLOTS];
    vec v[(DOT_ROWS + 1) * DOT_SLOTS];
    const ptrdiff_t n = (rows * DOT_SLOTS + LANES - 1) / LANES * LANES, last = (cols - 1) / 2 * 2;
    UNROLL for (ptrdiff_t i = 0; i < n / DOT_SLOTS; i++) /* what is beyond costs nothing where it is a pair again */
        UNROLL for (ptrdiff_t j = 0; j < DOT_SLOTS; j++)
            v[i * DOT_SLOTS + j] =
                acc[i < rows ? i : rows - 1][j < cols ? j : j % 2 && last + 1 < cols ? last + 1 : last];
    SUM_LANES(v, n, total);
    UNROLL for (ptrdiff_t i = 0; i < rows; i++)
        memcpy(sums + i * lds, total + i * DOT_SLOTS, DOT_SLOTS * sizeof(ELEMENT));
}

#define COLS(c) case c: run(rows, c, kc, a, lda, a_rest, b, ldb, b_rest, ahead, sums, lds); return;
static ALWAYS_INLINE void each_cols(
    const ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda, const ELEMENT *a_rest,
    const ELEMENT *b, ptrdiff_t ldb, const ELEMENT *b_rest, const ELEMENT *ahead, ELEMENT *sums, ptrdiff_t lds)
{
    switch (cols) {
        COLS(1) COLS(2) COLS(3) COLS(4) COLS(5) COLS(6)
    }
}
static NEVER_INLINE void PASTE(dot_tile, SUFFIX)(
    ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda, const ELEMENT *a_rest,
    const ELEMENT *b, ptrdiff_t ldb, const ELEMENT *b_rest, const ELEMENT *ahead, ELEMENT *sums, ptrdiff_t lds)
{
    if (rows == DOT_ROWS) {
        each_cols(DOT_ROWS, cols, kc, a, lda, a_rest, b, ldb, b_rest, ahead, sums, lds);
        return;
    }
    for (; rows > 0; rows--, a += lda, a_rest += LANES, sums += lds)
        each_cols(1, cols, kc, a, lda, a_rest, b, ldb, b_rest, ahead, sums, lds);
}

static NEVER_INLINE void PASTE(dot_finish, SUFFIX)(
    ptrdiff_t rows, ptrdiff_t cols, const ELEMENT *sums, ptrdiff_t lds, ptrdiff_t step, ELEMENT *c, ptrdiff_t ldc,
    const tile_finish *finish)
{
    const ELEMENT *row_bias = finish->row_bias, *col_bias = finish->col_bias;
    const ELEMENT lo = (ELEMENT)finish->lo, hi = (ELEMENT)finish->hi;
    for (ptrdiff_t i = 0; i < rows; i++, sums += lds, c += ldc) {
        const ELEMENT *more = finish->accumulate ? c : col_bias;
        const ELEMENT same = row_bias && !finish->accumulate ? row_bias[i] : 0;
        for (ptrdiff_t j = 0; j < cols; j++) {
            ELEMENT v = sums[j * step] + (more ? more[j] : same);
            if (finish->clamp) {
                v = v < lo ? lo : v;
                v = v > hi ? hi : v;
            }
            c[j] = v;
        }
    }
}
#undef each_cols
#undef COLS
#undef STEP
#undef EACH_SUM
#undef run
#undef vec
#undef LANES
#undef BYTES
#endif
