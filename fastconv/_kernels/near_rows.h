/* Bands of output rows under 3x3 kernels at stride 1 or 2, from rows of input where they lie.
 *
 *   out[q][o] = bias + sum over i, j of  w[i][j] * row[q * stride + i][o * stride + j]
 *
 *     input rows     output rows q = 0 1 2        All sums of up to eight rows of output and all weights stay in
 *     r = 0          i = 0                        registers; each row of input is loaded once and serves every q that
 *     r = 1              1 0                      sees it.
 *     r = 2              2 1 0
 *
 * `row` are pointers, so that a row of padding is a pointer to zeros; they point at the column of tap 0 of output 0,
 * and what is beside the image there is passed over (`three_taps.h`). Each output adds its taps in the order (i, j),
 * whatever the band. Vectors run along o; the last one of a row moves back to end with the row, and computes again what
 * the one before it did. Where a row is shorter than a vector, lanes beyond it are stored too and overwritten by the
 * next row, but for those of a band's last row. All bands of a part of a plane are one call, which spreads weights and
 * lays masks once. The file includes itself once per element type.
 */
#ifndef FASTCONV_NEAR_ROWS_H
#define FASTCONV_NEAR_ROWS_H

#include <string.h>

#include "copy.h"
#include "keep.h"
#include "shuffle.h"
#include "simd.h"

#define ASIDE 1024  /* bytes of each row of sums that are kept aside */
#define NEAR_ROWS 8 /* of output in a band: sums, weights, a row's taps, masks and shuffles fit 32 registers */
#define UNROLL_ROWS _Pragma("GCC unroll 32")

/* The first `rows` of nr sums, SUM(q), to rows of n elements at `to`, fewer than a vector has: each is stored whole and
 * what is beyond it overwritten by the next, but for the last one where no `more` rows follow. */
#define STORE_SHORT(to, n, rows, more) do { \
        const ptrdiff_t whole = (more) ? (rows) : (rows) - 1; \
        ELEMENT end[LANES_OF(ELEMENT)]; \
        UNROLL for (ptrdiff_t q = 0; q < nr; q++) \
            if (q < whole) \
                *(vec *)((to) + q * (n)) = SUM(q); \
            else if (q == whole) \
                *(vec *)end = SUM(q); \
        if (whole < (rows)) \
            copy_few((char *)((to) + whole * (n)), (const char *)end, (n) * (ptrdiff_t)sizeof(ELEMENT)); \
    } while (0)

typedef struct {
    ptrdiff_t stride;
    ptrdiff_t cols;     /* of output */
    ptrdiff_t tall;     /* rows of output in a band, NEAR_ROWS or fewer; the last one may have fewer yet */
    int aside;          /* store rows of output a part at a time; cols is a multiple of ASIDE */
    ptrdiff_t ahead;    /* from a row to the one NEAR_ROWS of output further on, which is asked for; or 0 */
    int claims;         /* ask for what is written as far ahead, too */
    int before, after;  /* whether the first tap of a row, and the last one, is beside the image */
    int clamp;          /* finish with min(max(v, lo), hi), which keeps NaN */
    double lo, hi;
} near_shape;

#define EACH_TYPE "near_rows.h"
#include "each_half.h"
#include "each_float.h"
#undef EACH_TYPE

/* Any number of rows of output; table holds the rows of input under them and under NEAR_ROWS - 1 more. */
static inline void near_bands(size_t size, const near_shape *s, ptrdiff_t rows, const void *const *table,
                              const void *w, double bias, void *out)
{
    if (size == sizeof(float))
        near_bands_f32(s, rows, (const float *const *)table, w, (float)bias, out);
    else
        near_bands_f64(s, rows, (const double *const *)table, w, bias, out);
}

#elif defined(ELEMENT)

#define LANES ((ptrdiff_t)(sizeof(vec) / sizeof(ELEMENT)))
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define run PASTE(near_run, SUFFIX)
#define columns PASTE(near_columns, SUFFIX)
#define half_columns PASTE(near_columns, HALF_SUFFIX)
#include "three_taps.h"

/* Columns `from` to `end` of `left` rows. The first three are constants in every caller. */
static ALWAYS_INLINE void run(const ptrdiff_t nr, const ptrdiff_t stride, const int asks, const near_shape *s,
                              ptrdiff_t left, const ELEMENT *const *table, const ELEMENT *w, const ELEMENT bias,
                              ELEMENT *out, const ptrdiff_t pitch, const ptrdiff_t from, const ptrdiff_t end)
{
    const mask all = PASTE(all_but, SUFFIX)(-1);
    const mask first = PASTE(all_but, SUFFIX)(s->before ? 0 : -1);
    const ptrdiff_t cols = s->cols, last = cols < LANES ? 0 : cols - LANES, ahead = s->ahead, tall = s->tall;
    const mask final = PASTE(all_but, SUFFIX)(s->after ? LANE_OF(cols - last - 1, stride) : -1);
    vec k[9];
    UNROLL for (ptrdiff_t t = 0; t < 9; t++)
        k[t] = w[t] - (vec){0};
    for (; left > 0; left -= tall, table += tall * stride, out += tall * pitch) {
        const ptrdiff_t rows = left < tall ? left : tall;
        for (ptrdiff_t o = from; o < end; o += LANES) {
            const ptrdiff_t at = o < last ? o : last;
            const mask before = at == 0 ? first : all, after = at == last ? final : all;
            vec acc[NEAR_ROWS];
            UNROLL for (ptrdiff_t q = 0; q < nr; q++)
                acc[q] = bias - (vec){0};
            UNROLL_ROWS for (ptrdiff_t r = 0; r < (nr - 1) * stride + 3; r++) {
                const ELEMENT *row = table[r] + at * stride;
                vec v[3];
                if (asks && r > 0)
                    fetch_ahead(row + ahead, stride * LANES * (ptrdiff_t)sizeof(ELEMENT));
                THREE_TAPS(v, row, stride, before, after);
                UNROLL for (ptrdiff_t j = 0; j < 3; j++)
                    UNROLL for (ptrdiff_t q = 0; q < nr; q++)
                        if (r >= q * stride && r < q * stride + 3)
                            acc[q] += k[(r - q * stride) * 3 + j] * v[j];
                KEEP_ORDER();
            }
            if (s->clamp) {
                const vec lo = (vec){0} + (ELEMENT)s->lo, hi = (vec){0} + (ELEMENT)s->hi;
                UNROLL for (ptrdiff_t q = 0; q < nr; q++)
                    CLAMP(vec, mask, acc[q], lo, hi);
            }
            UNROLL for (ptrdiff_t q = 0; q < nr; q++)
                acc[q] = IN_ORDER(acc[q], stride);
            if (cols < LANES) {
#define SUM(q) acc[q]
                STORE_SHORT(out, cols, rows, left > rows);
#undef SUM
                break;
            }
            UNROLL for (ptrdiff_t q = 0; q < nr; q++)
                if (q < rows) {
                    if (asks && s->claims)
                        CLAIM_TO_L2(out + (q + NEAR_ROWS) * pitch + at);
                    *(vec *)(out + q * pitch + at) = acc[q];
                }
        }
    }
}

#define BAND(nr, stride, asks) \
    static NEVER_INLINE void PASTE(PASTE(PASTE(PASTE(near, nr), stride), asks), SUFFIX)( \
        const near_shape *s, ptrdiff_t rows, const ELEMENT *const *table, const ELEMENT *w, ELEMENT bias, \
        ELEMENT *out, ptrdiff_t pitch, ptrdiff_t from, ptrdiff_t end) \
    { \
        run(nr, stride, asks, s, rows, table, w, bias, out, pitch, from, end); \
    }
#define BANDS(nr) BAND(nr, 1, 0) BAND(nr, 1, 1) BAND(nr, 2, 0) BAND(nr, 2, 1)
BANDS(8)
BANDS(7)
BANDS(4)
#undef BANDS
#undef BAND

static inline void columns(const near_shape *s, ptrdiff_t rows, const ELEMENT *const *table, const ELEMENT *w,
                           ELEMENT bias, ELEMENT *out, ptrdiff_t pitch, ptrdiff_t from, ptrdiff_t end)
{
#define NAME(nr, stride, asks) PASTE(PASTE(PASTE(PASTE(near, nr), stride), asks), SUFFIX)
#define NAMES(nr) {{NAME(nr, 1, 0), NAME(nr, 1, 1)}, {NAME(nr, 2, 0), NAME(nr, 2, 1)}}
    static void (*const each[3][2][2])(const near_shape *, ptrdiff_t, const ELEMENT *const *, const ELEMENT *, ELEMENT,
                                       ELEMENT *, ptrdiff_t, ptrdiff_t, ptrdiff_t) = {
        NAMES(8), NAMES(7), NAMES(4),
    };
    each[s->tall > 7 ? 0 : s->tall > 4 ? 1 : 2][s->stride - 1][s->ahead > 0](s, rows, table, w, bias, out, pitch, from,
                                                                             end);
#undef NAMES
#undef NAME
}

#ifndef HALVES
#define HALF_LANES (VECTOR_BYTES == 64 ? LANES / 2 : 0) /* of half a vector, where there is one */
static inline void PASTE(near_bands, SUFFIX)(const near_shape *s, ptrdiff_t rows, const ELEMENT *const *table,
                                             const ELEMENT *w, ELEMENT bias, ELEMENT *out)
{
    const ptrdiff_t cols = s->cols, rest = cols > LANES && cols % LANES <= HALF_LANES ? cols % LANES : 0;
    if (s->aside) {
        enum { PART = ASIDE / sizeof(ELEMENT), PITCH = PART + 64 / sizeof(ELEMENT) };
        ELEMENT sums[NEAR_ROWS * PITCH];
        for (ptrdiff_t q = 0; q < rows; q += s->tall) {
            const ptrdiff_t some = rows - q < s->tall ? rows - q : s->tall;
            for (ptrdiff_t o = 0; o < cols; o += PART) {
                columns(s, some, table + q * s->stride, w, bias, sums - o, PITCH, o, o + PART);
                PASTE(copy_rows, SUFFIX)(out + q * cols + o, cols, sums, PITCH, some, PART);
            }
        }
        return;
    }
    columns(s, rows, table, w, bias, out, cols, 0, cols - rest);
#if VECTOR_BYTES == 64
    if (rest > 0)
        half_columns(s, rows, table, w, bias, out, cols, cols - rest, cols);
#endif
}
#endif
#undef HALF_LANES
#undef half_columns
#undef columns
#undef run
#undef mask
#undef vec
#undef LANES
#endif
