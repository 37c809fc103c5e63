/* Bands of output rows under kernels up to 7 high at stride 1, as `near_taps.h` sums them, by vectors of 64 bytes, of
 * which there are 32 registers.
 *
 *   acc[q] += w[i][j] * v[q + i]
 *
 *     v      0  1  2  3  4  5      What a column of taps sees of a band stays in registers beside the sums, one row
 *     i = 0  q0 q1 q2 q3           further for each tap. So each sum is added to once in as many products as there are
 *     i = 1     q0 q1 q2 q3        sums. Row by row it would be with each product of a row, sooner than the one before
 *     i = 2        q0 q1 q2 q3     is done, and neither would there be more than half as many rows to share a load.
 *
 * Where half a vector would end a row, one ends two rows: its lower half is of the upper rows of a band and its upper
 * half of the lower ones, as in `near_pairs.h`. To be included by `near_taps.h`; the file includes itself once per
 * element type.
 */
#ifndef FASTCONV_TALL_TAPS_H
#define FASTCONV_TALL_TAPS_H

#define EACH_TYPE "tall_taps.h"
#include "each_float.h"
#undef EACH_TYPE

#elif defined(ELEMENT)

#define LANES ((ptrdiff_t)(sizeof(vec) / sizeof(ELEMENT)))
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define run PASTE(tall_run, SUFFIX)

/* Row r from a column on, of which lanes may lie `beside` the image. */
#define LOAD_ROW(v, r, beside) do { \
        if (paired) { \
            LOAD_HALF(v, row[r] + column); \
            LOAD_UPPER(v, row[(r) + nr] + column); \
            if (beside) \
                KEEP_PART(v, inside); \
        } else if (beside) \
            LOAD_PART(v, row[r] + column, inside); \
        else \
            v = *(const vec *)(row[r] + column); \
    } while (0)

/* acc += what a column of taps adds. A macro over constants: only then do the accumulators, which must never have an
 * address, unroll into registers. */
#define ADD_COLUMN(beside) do { \
        vec v[TALL]; \
        const ELEMENT *tap = w + j; \
        KEEP_ORDER(); /* else gcc 12 keeps pointers for both kinds of columns in registers of vectors */ \
        UNROLL for (ptrdiff_t r = 0; r < nr - 1; r++) \
            LOAD_ROW(v[r], r, beside); \
        UNROLL for (ptrdiff_t i = 0; i < kh; i++) { \
            LOAD_ROW(v[(nr - 1 + i) % nr], nr - 1 + i, beside); \
            const vec weight = *tap - (vec){0}; \
            tap += kw; \
            OPAQUE(tap); \
            UNROLL for (ptrdiff_t q = 0; q < nr; q++) \
                MULTIPLY_ADD(acc[q], weight, v[(q + i) % nr]); \
            KEEP_ORDER(); \
        } \
    } while (0)

/* The vector of columns from `at` on of `nr` rows, or if `paired` the half of twice as many, of which the first `rows`
 * are stored. What the next band will see is asked for if there are `more`. `nr` and what follows are constants. */
static ALWAYS_INLINE void run(const taps_shape *s, const ELEMENT *const *row, const ELEMENT *w, ELEMENT *out,
                              ELEMENT bias, const ptrdiff_t rows, const ptrdiff_t at, const int more,
                              const ptrdiff_t nr, const int paired, const ptrdiff_t kh)
{
    const ptrdiff_t kw = s->kw, lanes = paired ? LANES / 2 : LANES, high = paired ? 2 * nr : nr;
    vec acc[TALL];
    LOADED_ONCE(bias); /* else its vector keeps a register to itself */
    UNROLL for (ptrdiff_t q = 0; q < nr; q++)
        acc[q] = bias - (vec){0};
    if (more) {
        UNROLL_ROWS for (ptrdiff_t r = high - 1 + kh; r < 2 * high - 1 + kh; r++) {
            if (s->wide)
                fetch_to_l2(row[r] + at, lanes * (ptrdiff_t)sizeof(ELEMENT));
            else
                fetch_ahead(row[r] + at, lanes * (ptrdiff_t)sizeof(ELEMENT));
        }
    }
    for (ptrdiff_t j = 0; j < kw; j++) {
        const ptrdiff_t column = at + j * s->dilation, before = s->pad - column, after = lanes - before - s->width;
        if (before <= 0 && after <= 0) {
            const uint16_t inside = 0;
            ADD_COLUMN(0);
        } else {
            const unsigned all = (1u << lanes) - 1;
            const unsigned half = (before > 0 ? all << before : all) & (after > 0 ? all >> after : all);
            const uint16_t inside = (uint16_t)(paired ? half | half << lanes : half);
            ADD_COLUMN(1);
        }
    }
    if (s->clamp) {
        const vec lo = (vec){0} + (ELEMENT)s->lo, hi = (vec){0} + (ELEMENT)s->hi;
        UNROLL for (ptrdiff_t q = 0; q < nr; q++)
            CLAMP(vec, mask, acc[q], lo, hi);
    }
    const uint16_t own = (uint16_t)((1u << (s->cols < LANES ? s->cols : LANES)) - 1);
    const uint16_t upper = (uint16_t)((1u << LANES) - (1u << LANES / 2));
    UNROLL for (ptrdiff_t q = 0; q < nr; q++) {
        ELEMENT *to = out + q * s->out_pitch + at;
        if (q >= rows)
            break;
        if (paired) {
            STORE_HALF(acc[q], to);
            if (q + nr < rows)
                STORE_PART(acc[q], to + nr * s->out_pitch - LANES / 2, upper);
        } else if (s->cols < LANES)
            STORE_PART(acc[q], to, own);
        else
            *(vec *)to = acc[q];
    }
}
#undef ADD_COLUMN
#undef LOAD_ROW

#define ARGUMENTS const taps_shape *s, ptrdiff_t bands, ptrdiff_t left, const ELEMENT *const *row, const ELEMENT *w, \
    ELEMENT *out, ELEMENT bias
/* Bands of nr rows, the last one of fewer where as many are not left. */
#define BAND(nr, kh) \
static NEVER_INLINE void PASTE(PASTE(PASTE(tall, nr), kh), SUFFIX)(ARGUMENTS) \
{ \
    const ptrdiff_t cols = s->cols, rest = cols > LANES && cols % LANES <= LANES / 2 ? cols % LANES : 0; \
    const ptrdiff_t last = cols < LANES ? 0 : cols - LANES; \
    for (; bands > 0; bands--, left -= nr, row += nr, out += nr * s->out_pitch) { \
        for (ptrdiff_t o = 0; o < cols - rest; o += LANES) \
            run(s, row, w, out, bias, left, o < last ? o : last, left > nr, nr, 0, kh); \
        if (rest > 0) \
            run(s, row, w, out, bias, left < nr ? left : nr, cols - LANES / 2, left > nr, (nr) / 2, 1, kh); \
    } \
}
#define BANDS(kh) BAND(14, kh) BAND(12, kh) BAND(10, kh) BAND(8, kh) BAND(6, kh) BAND(4, kh) BAND(2, kh)
BANDS(1)
BANDS(2)
BANDS(3)
BANDS(4)
BANDS(5)
BANDS(6)
BANDS(7)
#undef BANDS
#undef BAND

/* Any number of rows of output, by bands of nearly equal and even heights. */
static inline void PASTE(tall_bands, SUFFIX)(const taps_shape *s, ptrdiff_t rows, const ELEMENT *const *row,
                                             const ELEMENT *w, ELEMENT bias, ELEMENT *out)
{
#define NAME(nr, kh) PASTE(PASTE(PASTE(tall, nr), kh), SUFFIX)
#define NAMES(nr) {NAME(nr, 1), NAME(nr, 2), NAME(nr, 3), NAME(nr, 4), NAME(nr, 5), NAME(nr, 6), NAME(nr, 7)}
    static void (*const each[][MOST_HIGH])(ARGUMENTS) = {
        NAMES(2), NAMES(4), NAMES(6), NAMES(8), NAMES(10), NAMES(12), NAMES(14),
    };
    const ptrdiff_t pairs = (rows + 1) / 2, bands = (2 * pairs + TALL - 1) / TALL, low = pairs / bands;
    const ptrdiff_t some = bands - pairs % bands; /* bands of 2 * low rows, before those of two more */
    each[low - 1][s->kh - 1](s, some, rows, row, w, out, bias);
    if (some < bands) {
        const ptrdiff_t top = some * 2 * low;
        each[low][s->kh - 1](s, bands - some, rows - top, row + top, w, out + top * s->out_pitch, bias);
    }
#undef NAMES
#undef NAME
}
#undef ARGUMENTS
#undef run
#undef mask
#undef vec
#undef LANES
#endif
