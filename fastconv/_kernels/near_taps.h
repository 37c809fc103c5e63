/* Bands of output rows under kernels up to 7 high, from rows of input where they lie: one column of taps after
 * another.
 *
 *   out[q][o] = bias + sum over j, i of  w[i][j] * row[q * stride + i][o * stride + j * dilation]
 *
 * As `near_rows.h` does for 3x3, each row is loaded once a column of taps and serves every q that sees it; the weights
 * of all columns would not fit the registers. At stride 2 two columns of taps are split from two vectors by shuffles
 * within lanes, and sums put in order as they are stored. At stride 1 `tall_taps.h` has another order for vectors of 64
 * bytes.
 *
 *     column    pad = 2            Lanes beside the image are read, from a neighbour in memory, and become zero by a
 *     -2 -1 |0 1 2 3 ...           mask; vectors without such lanes have none, since a load with a mask takes longer
 *                                  where it crosses a line.
 *
 * Rows are pointers to column 0 - pad. Each output adds its taps in the same order whatever the band. The last vector
 * of a row moves back to end with the row. Rows shorter than a vector are stored densely. All bands of a part of a
 * plane are one call. To be included after `near_rows.h`; the file includes itself once per element type.
 */
#ifndef FASTCONV_NEAR_TAPS_H
#define FASTCONV_NEAR_TAPS_H

#include "near_rows.h"

#define MOST_HIGH 7
#define TALL 14                   /* rows of output in a band of `tall_taps.h`: sums, rows and weights fit 32 registers */
#define MOST_ROWS (8 * NEAR_ROWS) /* of output in a call */

typedef struct {
    ptrdiff_t kh, kw, stride, dilation;
    ptrdiff_t pad, width;       /* columns before the image, and of the image */
    ptrdiff_t cols, out_pitch;  /* of output, and from one row to the next */
    ptrdiff_t reach;            /* entries of the table from one row of taps to the next */
    int wide;                   /* whether a band and the next one are more than a core's L1 holds */
    int clamp;
    double lo, hi;
} taps_shape;

#if VECTOR_BYTES == 64
#include "tall_taps.h"
#endif

#define EACH_TYPE "near_taps.h"
#include "each_half.h"
#include "each_float.h"
#undef EACH_TYPE

/* 0 < `rows` <= MOST_ROWS of output; table holds the rows of input under them and under NEAR_ROWS - 1 more. */
static inline void taps_bands(size_t size, const taps_shape *s, ptrdiff_t rows, const void *const *table,
                              const void *w, double bias, void *out)
{
    const void *apart[MOST_ROWS + NEAR_ROWS + MOST_HIGH];
    if (s->reach > 1) {
        for (ptrdiff_t r = 0; r < rows + NEAR_ROWS + s->kh - 2; r++)
            apart[r] = table[r * s->reach];
        table = apart;
    }
    if (size == sizeof(float))
        taps_bands_f32(s, rows, (const float *const *)table, w, (float)bias, out);
    else
        taps_bands_f64(s, rows, (const double *const *)table, w, bias, out);
}

#elif defined(ELEMENT)

#define LANES ((ptrdiff_t)(sizeof(vec) / sizeof(ELEMENT)))
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define run PASTE(taps_run, SUFFIX)
#define band PASTE(taps_columns, SUFFIX)
#define half_band PASTE(taps_columns, HALF_SUFFIX)
#include "parity.h"

/* The columns of a vector's lanes at column 0. */
static inline mask PASTE(taps_lanes, SUFFIX)(ptrdiff_t stride)
{
    BITS lanes[sizeof(vec) / sizeof(ELEMENT)];
    mask result;
    for (ptrdiff_t o = 0; o < LANES; o++)
        lanes[LANE_OF(o, stride)] = (BITS)(o * stride);
    memcpy(&result, lanes, sizeof result);
    return result;
}

/* Whether masks cost nothing: at AVX-512 the shuffles that split columns of a stride take them along. */
#define MASKED_SHUFFLES(stride) (VECTOR_BYTES == 64 && (stride) == 2)

/* acc += what `n` columns of taps from j on add, of the `stride` that one load brings; `beside`: lanes may lie beside
 * the image. A macro over constants: only then do the accumulators, which must never have an address, unroll into
 * registers. */
#define ADD_TAPS(n, beside) do { \
        vec k[2][MOST_HIGH]; \
        mask inside[2]; \
        UNROLL for (ptrdiff_t t = 0; t < (n); t++) { \
            UNROLL for (ptrdiff_t i = 0; i < kh; i++) \
                k[t][i] = w[i * kw + j + t] - (vec){0}; \
            if (beside) { \
                const mask column = lanes + (BITS)(at * stride + j * dilation + t - s->pad); \
                inside[t] = (column >= 0) & (column < (BITS)s->width); \
            } \
        } \
        UNROLL_ROWS for (ptrdiff_t r = 0; r < (nr - 1) * stride + kh; r++) { \
            const ELEMENT *from = row[r] + j * dilation + at * stride; \
            vec v[2]; \
            if (stride == 2) \
                BY_PARITY(v[0], v[1], from); \
            else \
                v[0] = *(const vec *)from; \
            UNROLL for (ptrdiff_t t = 0; t < (n); t++) { \
                if (beside) \
                    v[t] = SELECT(vec, mask, inside[t], v[t], (vec){0}); \
                LOADED_ONCE(v[t]); \
            } \
            UNROLL for (ptrdiff_t t = 0; t < (n); t++) \
                UNROLL for (ptrdiff_t q = 0; q < nr; q++) \
                    if (r >= q * stride && r < q * stride + kh) \
                        acc[q] += k[t][r - q * stride] * v[t]; \
            KEEP_ORDER(); \
        } \
    } while (0)

/* The vector of columns from `at` on. What the next band will see is asked for if there are `more`. `nr` and what
 * follows are constants. */
static ALWAYS_INLINE void run(const taps_shape *s, const ELEMENT *const *row, const ELEMENT *w, ELEMENT *out,
                              const ELEMENT bias, const ptrdiff_t rows, const ptrdiff_t at, const int more,
                              const ptrdiff_t nr, const ptrdiff_t kh, const ptrdiff_t stride)
{
    const ptrdiff_t kw = s->kw, dilation = stride == 2 ? 1 : s->dilation;
    const ptrdiff_t first = at * stride, end = (at + LANES - 1) * stride;
    const mask lanes = PASTE(taps_lanes, SUFFIX)(stride);
    vec acc[NEAR_ROWS];
    UNROLL for (ptrdiff_t q = 0; q < nr; q++)
        acc[q] = bias - (vec){0};
    if (more)
        UNROLL_ROWS for (ptrdiff_t r = (nr - 1) * stride + kh; r < (2 * nr - 1) * stride + kh; r++)
            fetch_ahead(row[r] + at * stride, stride * LANES * (ptrdiff_t)sizeof(ELEMENT));
    ptrdiff_t j = 0;
    for (; j + stride <= kw; j += stride) {
        const ptrdiff_t column = j * dilation - s->pad;
        if (!MASKED_SHUFFLES(stride) && column + first >= 0 && column + end + stride <= s->width)
            ADD_TAPS(stride, 0);
        else
            ADD_TAPS(stride, 1);
    }
    if (j < kw)
        ADD_TAPS(1, 1);
    if (s->clamp) {
        const vec lo = (vec){0} + (ELEMENT)s->lo, hi = (vec){0} + (ELEMENT)s->hi;
        UNROLL for (ptrdiff_t q = 0; q < nr; q++)
            CLAMP(vec, mask, acc[q], lo, hi);
    }
    UNROLL for (ptrdiff_t q = 0; q < nr; q++)
        acc[q] = IN_ORDER(acc[q], stride);
    if (s->cols < LANES) {
#define SUM(q) acc[q]
        STORE_SHORT(out, s->cols, rows, 0);
#undef SUM
        return;
    }
    UNROLL for (ptrdiff_t q = 0; q < nr; q++)
        if (q < rows)
            *(vec *)(out + q * s->out_pitch + at) = acc[q];
}
#undef ADD_TAPS
#undef MASKED_SHUFFLES

#define ARGUMENTS const taps_shape *s, ptrdiff_t bands, ptrdiff_t rows, const ELEMENT *const *row, const ELEMENT *w, \
    ELEMENT *out, ELEMENT bias, ptrdiff_t from, ptrdiff_t end
/* Columns `from` to `end` of bands of `rows` rows. */
#define BAND(nr, kh, stride) \
static NEVER_INLINE void PASTE(PASTE(PASTE(PASTE(taps, nr), kh), stride), SUFFIX)(ARGUMENTS) \
{ \
    const ptrdiff_t last = end < LANES ? 0 : end - LANES; \
    for (; bands > 0; bands--, row += rows * stride, out += rows * s->out_pitch) \
        for (ptrdiff_t o = from; o < end; o += LANES) \
            run(s, row, w, out, bias, rows, o < last ? o : last, bands > 1, nr, kh, stride); \
}
#if VECTOR_BYTES == 64
#define BANDS(nr, kh) BAND(nr, kh, 2)
#else
#define BANDS(nr, kh) BAND(nr, kh, 1) BAND(nr, kh, 2)
#endif
#define HEIGHTS(kh) BANDS(8, kh) BANDS(7, kh) BANDS(4, kh)
HEIGHTS(1)
HEIGHTS(2)
HEIGHTS(3)
HEIGHTS(4)
HEIGHTS(5)
HEIGHTS(6)
HEIGHTS(7)
#undef HEIGHTS
#undef BANDS
#undef BAND

static inline void band(ARGUMENTS)
{
#define RUN(nr, kh, stride) PASTE(PASTE(PASTE(PASTE(taps, nr), kh), stride), SUFFIX)( \
        s, bands, rows, row, w, out, bias, from, end)
#if VECTOR_BYTES == 64
#define STRIDES(nr, kh) RUN(nr, kh, 2)
#else
#define STRIDES(nr, kh) (s->stride == 1 ? RUN(nr, kh, 1) : RUN(nr, kh, 2))
#endif
#define HEIGHTS(kh) (rows > 7 ? STRIDES(8, kh) : rows > 4 ? STRIDES(7, kh) : STRIDES(4, kh))
    if (s->kh == 1)
        HEIGHTS(1);
    else if (s->kh == 2)
        HEIGHTS(2);
    else if (s->kh == 3)
        HEIGHTS(3);
    else if (s->kh == 4)
        HEIGHTS(4);
    else if (s->kh == 5)
        HEIGHTS(5);
    else if (s->kh == 6)
        HEIGHTS(6);
    else
        HEIGHTS(7);
#undef HEIGHTS
#undef STRIDES
#undef RUN
}
#undef ARGUMENTS

#ifndef HALVES
static inline void PASTE(taps_bands, SUFFIX)(const taps_shape *s, ptrdiff_t rows, const ELEMENT *const *row,
                                             const ELEMENT *w, ELEMENT bias, ELEMENT *out)
{
#if VECTOR_BYTES == 64
    if (s->stride == 1) {
        PASTE(tall_bands, SUFFIX)(s, rows, row, w, bias, out);
        return;
    }
#endif
    const ptrdiff_t bands = (rows + NEAR_ROWS - 1) / NEAR_ROWS, tall = (rows + bands - 1) / bands;
    const ptrdiff_t rest = VECTOR_BYTES == 64 && s->cols > LANES && s->cols % LANES <= LANES / 2 ? s->cols % LANES : 0;
    ptrdiff_t some = bands * tall - rows; /* bands of a row less, before those of `tall` */
    for (ptrdiff_t high = tall - 1; high <= tall; high++, some = bands - some) {
        band(s, some, high, row, w, out, bias, 0, s->cols - rest);
#if VECTOR_BYTES == 64
        if (rest > 0)
            half_band(s, some, high, row, w, out, bias, s->cols - rest, s->cols);
#endif
        row += some * high * s->stride;
        out += some * high * s->out_pitch;
    }
}
#endif
#undef half_band
#undef band
#undef run
#undef mask
#undef vec
#undef LANES
#endif
