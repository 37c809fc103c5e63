/* Products of a band of grad_output with the staged rows under it, all taps of a depthwise kernel at once:
 *
 *     total[i][j] += sum over q < rows, o < cols of  g[q * g_pitch + o] * x[q * step + i * pitch + column[j] + o]
 *
 *     x row     taps i of g rows 0 1 2 3        One accumulator a tap. At stride 1 four rows of g under three rows of
 *     r = 0     0                               taps load six rows of x instead of twelve, and each vector of them
 *     r = 1     1 0                             serves up to three products; at stride 2 they load nine.
 *     r = 2     2 1 0
 *     r = 3       2 1 0
 *
 * Lanes stay apart in `total`; chains are at most CHUNK products long. Vectors run along rows; the last one of a row
 * moves back to end with it, and lanes that were counted before are zero in both factors, since 0 * inf is not 0. Where
 * a row is shorter than a vector, rows of g and x must be readable that far. The file includes itself once per element
 * type.
 */
#ifndef FASTCONV_ROW_GRAD_H
#define FASTCONV_ROW_GRAD_H

#include <string.h>

#include "keep.h"
#include "simd.h"

#define BAND_ROWS 4 /* of g at a time: with nine sums and a vector of x they fit 16 registers */
#define MOST_TAPS (VECTOR_BYTES == 64 ? 25 : 9)
#define UNROLL_TAPS _Pragma("GCC unroll 32")

typedef struct {
    ptrdiff_t kh, kw, sh;
    ptrdiff_t pitch;         /* from one staged row to the next */
    const ptrdiff_t *column; /* of each tap j, where its first pixel stands in a staged row */
    ptrdiff_t cols;
} band_shape;

#define ELEMENT float
#define INTEGER int
#define SUFFIX f32
#include "row_grad.h"
#undef ELEMENT
#undef INTEGER
#undef SUFFIX
#define ELEMENT double
#define INTEGER long long
#define SUFFIX f64
#include "row_grad.h"
#undef ELEMENT
#undef INTEGER
#undef SUFFIX

/* elements of `size` bytes in a vector */
static inline ptrdiff_t band_lanes(size_t size) { return size == sizeof(float) ? LANES_OF(float) : LANES_OF(double); }

/* How many chains were added to total[kh * kw][lanes]; `size` is a constant at every call, so one branch remains. */
static inline ptrdiff_t add_band(size_t size, const band_shape *s, ptrdiff_t rows, const void *g, ptrdiff_t g_pitch,
                                 const void *x, void *total)
{
    return size == sizeof(float) ? add_band_f32(s, rows, g, g_pitch, x, total)
                                 : add_band_f64(s, rows, g, g_pitch, x, total);
}

/* sums[t] += the lanes of total[t], in pairs, which become zero. */
static inline void add_lanes(size_t size, ptrdiff_t taps, void *total, long double *sums)
{
    if (size == sizeof(float))
        add_lanes_f32(taps, total, sums);
    else
        add_lanes_f64(taps, total, sums);
}

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define run PASTE(band_run, SUFFIX)
#define KEEP_LANES(v) SELECT(vec, mask, wanted, v, zero)

/* `nr` rows of g from row y on and columns from `at` on; a macro over constants, so that no accumulator has an address. */
#define ADD_ROWS(nr, masked) do { \
        const ELEMENT *row = x + y * sh * pitch + at, *from = g + y * g_pitch + at; \
        vec left[BAND_ROWS]; \
        UNROLL for (ptrdiff_t q = 0; q < nr; q++) { \
            left[q] = *(const vec *)(from + q * g_pitch); \
            if (masked) \
                left[q] = KEEP_LANES(left[q]); \
            LOADED_ONCE(left[q]); \
        } \
        UNROLL_TAPS for (ptrdiff_t r = 0; r < (nr - 1) * sh + kh; r++) { \
            UNROLL for (ptrdiff_t j = 0; j < kw; j++) { \
                vec v = *(const vec *)(row + column[j]); \
                if (masked) \
                    v = KEEP_LANES(v); \
                LOADED_ONCE(v); \
                UNROLL for (ptrdiff_t q = 0; q < nr; q++) \
                    if (r >= q * sh && r < q * sh + kh) \
                        acc[(r - q * sh) * kw + j] += left[q] * v; \
            } \
            KEEP_ORDER(); \
            row += pitch; \
        } \
    } while (0)

#define ADD_STRIP(nr) do { \
        if (chain + nr > CHUNK) { \
            UNROLL_TAPS for (ptrdiff_t t = 0; t < kh * kw; t++) { \
                *(vec *)(total + t * LANES) += acc[t]; \
                acc[t] = zero; \
            } \
            chain = 0; \
            chains++; \
        } \
        chain += nr; \
        if (at == last && rest) \
            ADD_ROWS(nr, 1); \
        else \
            ADD_ROWS(nr, 0); \
    } while (0)

/* kh, kw and sh are constants in every caller. */
static ALWAYS_INLINE ptrdiff_t run(const ptrdiff_t kh, const ptrdiff_t kw, const ptrdiff_t sh, const band_shape *s,
                                   const ptrdiff_t rows, const ELEMENT *restrict g, const ptrdiff_t g_pitch,
                                   const ELEMENT *restrict x, ELEMENT *restrict total)
{
    vec acc[MOST_TAPS];
    const vec zero = {0};
    const ptrdiff_t pitch = s->pitch, cols = s->cols, rest = cols % LANES;
    const ptrdiff_t last = cols < LANES ? 0 : cols - LANES;
    ptrdiff_t column[5], chain = 0, chains = 1;
    INTEGER inside[LANES_OF(ELEMENT)];
    mask wanted;
    for (ptrdiff_t i = 0; i < LANES; i++)
        inside[i] = (cols < LANES ? i < cols : i >= LANES - rest) ? -1 : 0;
    memcpy(&wanted, inside, sizeof wanted);
    UNROLL for (ptrdiff_t j = 0; j < kw; j++)
        column[j] = s->column[j];
    UNROLL_TAPS for (ptrdiff_t t = 0; t < kh * kw; t++)
        acc[t] = zero;
    for (ptrdiff_t o = 0; o < cols; o += LANES) {
        const ptrdiff_t at = o < last ? o : last;
        ptrdiff_t y = 0;
        for (; y + BAND_ROWS <= rows; y += BAND_ROWS)
            ADD_STRIP(BAND_ROWS);
        for (; y < rows; y++)
            ADD_STRIP(1);
    }
    UNROLL_TAPS for (ptrdiff_t t = 0; t < kh * kw; t++)
        *(vec *)(total + t * LANES) += acc[t];
    return chains;
}

#define VARIANT(k, sh) static NEVER_INLINE ptrdiff_t PASTE(PASTE(PASTE(band, k), sh), SUFFIX)( \
    const band_shape *s, ptrdiff_t rows, const ELEMENT *g, ptrdiff_t g_pitch, const ELEMENT *x, ELEMENT *total) \
{ \
    return run(k, k, sh, s, rows, g, g_pitch, x, total); \
}
VARIANT(3, 1)
VARIANT(3, 2)
#undef VARIANT

static inline ptrdiff_t PASTE(add_band, SUFFIX)(const band_shape *s, ptrdiff_t rows, const ELEMENT *g,
                                                ptrdiff_t g_pitch, const ELEMENT *x, ELEMENT *total)
{
    return s->sh == 1 ? PASTE(band_3_1, SUFFIX)(s, rows, g, g_pitch, x, total)
                      : PASTE(band_3_2, SUFFIX)(s, rows, g, g_pitch, x, total);
}

static NEVER_INLINE void PASTE(add_lanes, SUFFIX)(ptrdiff_t taps, ELEMENT *restrict total, long double *restrict sums)
{
    for (ptrdiff_t t = 0; t < taps; t++, total += LANES) {
        UNROLL for (ptrdiff_t half = LANES / 2; half > 0; half /= 2)
            UNROLL for (ptrdiff_t i = 0; i < half; i++)
                total[i] += total[i + half];
        sums[t] += total[0];
        *(vec *)total = (vec){0};
    }
}
#undef ADD_STRIP
#undef ADD_ROWS
#undef KEEP_LANES
#undef run
#undef mask
#undef vec
#undef LANES
#endif
