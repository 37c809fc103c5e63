/* Products of rows of grad_output with the rows of input that 3x3 taps at stride 1 or 2 see, where these lie:
 *
 *     total[i][j] += sum over q < rows, o < cols of  g[q * cols + o] * row[q * stride + i][o * stride + j]
 *
 *     x row     taps i of g rows 0 1 2 3        One accumulator a tap. At stride 1 seven rows of g under three rows of
 *     r = 0     0                               taps load nine rows of x instead of 21, and each vector of them serves
 *     r = 1     1 0                             up to three products; at stride 2 they load 15.
 *     r = 2     2 1 0
 *     r = 3       2 1 0
 *
 * `row` are pointers as in `near_rows.h`. Lanes stay apart in `total`; chains are at most CHUNK products long. Vectors
 * run along rows; the last one of a row moves back to end with it, and lanes that were counted before are zero in both
 * factors, since 0 * inf is not 0; so are lanes beyond a row shorter than a vector. The file includes itself once per
 * element type.
 */
#ifndef FASTCONV_ROW_GRAD_H
#define FASTCONV_ROW_GRAD_H

#include <string.h>

#include "keep.h"
#include "shuffle.h"
#include "simd.h"

/* Of g at a time: they share 32 or 16 registers with nine sums, and most maps are a multiple of seven high. */
#define MOST_ROWS (VECTOR_BYTES == 64 ? 7 : 4)
#define UNROLL_ROWS _Pragma("GCC unroll 32")

typedef struct {
    ptrdiff_t stride;
    ptrdiff_t cols;     /* of output */
    int before, after;  /* whether the first tap of a row, and the last one, is beside the image */
} grad_shape;

#define EACH_TYPE "row_grad.h"
#include "each_float.h"
#undef EACH_TYPE

/* How many chains were added to total[9][lanes]; `size` is a constant at every call, so one branch remains. */
static inline ptrdiff_t add_rows(size_t size, const grad_shape *s, ptrdiff_t rows, const void *g,
                                 const void *const *table, void *total)
{
    return size == sizeof(float) ? add_rows_f32(s, rows, g, (const float *const *)table, total)
                                 : add_rows_f64(s, rows, g, (const double *const *)table, total);
}

/* sums[t] += the lanes of total[t], in pairs, which become zero. */
static inline void add_lanes(size_t size, void *total, long double *sums)
{
    if (size == sizeof(float))
        add_lanes_f32(total, sums);
    else
        add_lanes_f64(total, sums);
}

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define run PASTE(grad_run, SUFFIX)
#include "three_taps.h"
#define KEEP_LANES(v) SELECT(vec, mask, fresh, v, (vec){0})

/* `nr` rows of g from row y on and columns from `at` on; a macro over constants, so that no sum has an address. */
#define ADD_ROWS(nr, again) do { \
        const ELEMENT *from = g + y * cols + at; \
        vec left[MOST_ROWS]; \
        UNROLL for (ptrdiff_t q = 0; q < nr; q++) { \
            left[q] = AS_TAPS(*(const vec *)(from + q * cols), stride); \
            if (again) \
                left[q] = KEEP_LANES(left[q]); \
            LOADED_ONCE(left[q]); \
        } \
        UNROLL_ROWS for (ptrdiff_t r = 0; r < (nr - 1) * stride + 3; r++) { \
            const ELEMENT *row = table[y * stride + r] + at * stride; \
            vec v[3]; \
            THREE_TAPS(v, row, stride, first, end); \
            UNROLL for (ptrdiff_t j = 0; j < 3; j++) { \
                if (again) \
                    v[j] = KEEP_LANES(v[j]); \
                UNROLL for (ptrdiff_t q = 0; q < nr; q++) \
                    if (r >= q * stride && r < q * stride + 3) \
                        acc[(r - q * stride) * 3 + j] += left[q] * v[j]; \
            } \
            KEEP_ORDER(); \
        } \
    } while (0)

#define ADD_BANDS(nr) \
    for (; y + nr <= rows; y += nr) \
        for (ptrdiff_t o = 0; o < cols; o += LANES) { \
            const ptrdiff_t at = o < last ? o : last; \
            const mask first = at == 0 ? inner : all, end = at == last ? outer : all; \
            if (chain + nr > CHUNK) { \
                UNROLL for (ptrdiff_t t = 0; t < 9; t++) { \
                    *(vec *)(total + t * LANES) += acc[t]; \
                    acc[t] = (vec){0}; \
                } \
                chain = 0; \
                chains++; \
            } \
            chain += nr; \
            if (o > last || few) \
                ADD_ROWS(nr, 1); \
            else \
                ADD_ROWS(nr, 0); \
        }

/* Each lane's number, with which masks are compared: the load of one that was stored by elements would wait for these,
 * at the start of every plane. */
static ALWAYS_INLINE mask PASTE(numbers, SUFFIX)(void)
{
    BITS each[LANES_OF(ELEMENT)];
    mask lanes;
    UNROLL for (ptrdiff_t i = 0; i < LANES; i++)
        each[i] = (BITS)i;
    memcpy(&lanes, each, sizeof lanes);
    return lanes;
}

/* `stride` is a constant in every caller. */
static ALWAYS_INLINE ptrdiff_t run(const ptrdiff_t stride, const grad_shape *s, const ptrdiff_t rows,
                                   const ELEMENT *restrict g, const ELEMENT *const *table, ELEMENT *restrict total)
{
    const ptrdiff_t cols = s->cols, few = cols < LANES, last = few ? 0 : cols - LANES;
    const mask number = PASTE(numbers, SUFFIX)(), all = number != (BITS)-1;
    const mask inner = number != (BITS)(s->before ? 0 : -1);
    const mask outer = number != (BITS)(s->after ? LANE_OF(cols - last - 1, stride) : -1);
    const mask counted = few ? number < (BITS)cols : number >= (BITS)(LANES - cols % LANES);
    const mask fresh = (mask)AS_TAPS((vec)counted, stride);
    ptrdiff_t y = 0, chain = 0, chains = 1;
    vec acc[9];
    UNROLL for (ptrdiff_t t = 0; t < 9; t++)
        acc[t] = (vec){0};
    if (MOST_ROWS > 4)
        ADD_BANDS(MOST_ROWS)
    ADD_BANDS(4)
    ADD_BANDS(1)
    UNROLL for (ptrdiff_t t = 0; t < 9; t++)
        *(vec *)(total + t * LANES) += acc[t];
    return chains;
}

#define STRIDE(n) static NEVER_INLINE ptrdiff_t PASTE(PASTE(grad, n), SUFFIX)( \
    const grad_shape *s, ptrdiff_t rows, const ELEMENT *g, const ELEMENT *const *table, ELEMENT *total) \
{ \
    return run(n, s, rows, g, table, total); \
}
STRIDE(1)
STRIDE(2)
#undef STRIDE

static inline ptrdiff_t PASTE(add_rows, SUFFIX)(const grad_shape *s, ptrdiff_t rows, const ELEMENT *g,
                                                const ELEMENT *const *table, ELEMENT *total)
{
    return s->stride == 1 ? PASTE(grad_1, SUFFIX)(s, rows, g, table, total)
                          : PASTE(grad_2, SUFFIX)(s, rows, g, table, total);
}

static NEVER_INLINE void PASTE(add_lanes, SUFFIX)(ELEMENT *restrict total, long double *restrict sums)
{
    for (ptrdiff_t t = 0; t < 9; t++, total += LANES) {
        UNROLL for (ptrdiff_t half = LANES / 2; half > 0; half /= 2)
            UNROLL for (ptrdiff_t i = 0; i < half; i++)
                total[i] += total[i + half];
        sums[t] += total[0];
        *(vec *)total = (vec){0};
    }
}
#undef ADD_BANDS
#undef ADD_ROWS
#undef KEEP_LANES
#undef run
#undef mask
#undef vec
#undef LANES
#endif
