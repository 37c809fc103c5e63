/* Products of one band of rows with several shifted copies of another:
 *
 *     sums[t] += sum over r < rows, i < n of  g[r * g_row + i] * x[r * x_row + shift[t] + i]        t < taps
 *
 * One accumulator a tap, so that a vector of g is loaded once for up to DOT_TAPS products and their latency is hidden;
 * lanes are added up at the end. Lanes beyond n count as zero in both, whatever is there: rows of both must be readable
 * up to the next whole vector. The file includes itself once per element type.
 */
#ifndef FASTCONV_DOT_H
#define FASTCONV_DOT_H

#include <string.h>

#include "simd.h"

#define DOT_TAPS 9 /* a 3x3 kernel; with a vector of g and one of x they fit 16 registers */

#define EACH_TYPE "dot.h"
#include "each_float.h"
#undef EACH_TYPE

/* `size` is a constant at every call, so one branch remains. */
static inline void dots(size_t size, ptrdiff_t taps, ptrdiff_t rows, ptrdiff_t n, const void *g, ptrdiff_t g_row,
                        const void *x, ptrdiff_t x_row, const ptrdiff_t *shift, long double *sums)
{
    if (size == sizeof(float))
        dots_f32(taps, rows, n, g, g_row, x, x_row, shift, sums);
    else
        dots_f64(taps, rows, n, g, g_row, x, x_row, shift, sums);
}

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define run PASTE(dot_run, SUFFIX)
#define dots_of PASTE(dots, SUFFIX)

/* `taps` is a constant in every caller, so that the loops over taps unroll and acc never leaves the registers. */
static ALWAYS_INLINE void run(const ptrdiff_t taps, ptrdiff_t rows, ptrdiff_t n, const ELEMENT *g, ptrdiff_t g_row,
                              const ELEMENT *x, ptrdiff_t x_row, const ptrdiff_t *shift, long double *sums)
{
    vec acc[DOT_TAPS];
    const vec zero = {0};
    const ptrdiff_t whole = n / LANES * LANES;
    BITS inside[LANES_OF(ELEMENT)];
    mask tail;
    for (ptrdiff_t i = 0; i < LANES; i++)
        inside[i] = whole + i < n ? -1 : 0;
    memcpy(&tail, inside, sizeof tail);
#pragma GCC unroll 9
    for (ptrdiff_t t = 0; t < taps; t++)
        acc[t] = zero;
    for (ptrdiff_t r = 0; r < rows; r++) {
        const ELEMENT *gr = g + r * g_row, *xr = x + r * x_row;
        for (ptrdiff_t i = 0; i < whole; i += LANES) {
            const vec left = *(const vec *)(gr + i);
#pragma GCC unroll 9
            for (ptrdiff_t t = 0; t < taps; t++)
                acc[t] += left * *(const vec *)(xr + shift[t] + i);
        }
        if (whole < n) {
            const vec left = SELECT(vec, mask, tail, *(const vec *)(gr + whole), zero);
#pragma GCC unroll 9
            for (ptrdiff_t t = 0; t < taps; t++)
                acc[t] += left * SELECT(vec, mask, tail, *(const vec *)(xr + shift[t] + whole), zero);
        }
    }
#pragma GCC unroll 9
    for (ptrdiff_t t = 0; t < taps; t++) {
        double lanes[LANES_OF(ELEMENT)];
#pragma GCC unroll 16
        for (ptrdiff_t i = 0; i < LANES; i++)
            lanes[i] = acc[t][i];
#pragma GCC unroll 5
        for (ptrdiff_t n = LANES / 2; n; n /= 2)
#pragma GCC unroll 8
            for (ptrdiff_t i = 0; i < n; i++)
                lanes[i] += lanes[i + n];
        sums[t] += lanes[0];
    }
}

static NEVER_INLINE void dots_of(ptrdiff_t taps, ptrdiff_t rows, ptrdiff_t n, const ELEMENT *g, ptrdiff_t g_row,
                                 const ELEMENT *x, ptrdiff_t x_row, const ptrdiff_t *shift, long double *sums)
{
#define TAPS(count) case count: run(count, rows, n, g, g_row, x, x_row, shift, sums); return;
    switch (taps) {
        TAPS(1) TAPS(2) TAPS(3) TAPS(4) TAPS(5) TAPS(6) TAPS(7) TAPS(8) TAPS(9)
    }
#undef TAPS
}
#undef dots_of
#undef run
#undef mask
#undef vec
#undef LANES
#endif
