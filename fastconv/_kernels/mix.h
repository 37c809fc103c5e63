/* Rows added up, each by a scale: to[i] = the sum over k < count of x[k * step + i] * by[k], and of to[i] with `more`,
 * i < n, a vector or more. Four vectors of sums go down the rows side by side; what is left of n is a vector that
 * overlaps the one before it, so it is summed before that is stored. The file includes itself once per element type.
 */
#ifndef FASTCONV_MIX_H
#define FASTCONV_MIX_H

#include "simd.h"

#define EACH_TYPE "mix.h"
#include "each_float.h"
#undef EACH_TYPE

#define mix_rows(to, x, step, by, count, n, more) \
    _Generic((to), float *: mix_rows_f32, double *: mix_rows_f64)(to, x, step, by, count, n, more)
#define mix_pixels(to, x, by, begin, end, pixels, n) \
    _Generic((to), float *: mix_pixels_f32, double *: mix_pixels_f64)(to, x, by, begin, end, pixels, n)

#elif defined(ELEMENT)

#define vec PASTE(vec, SUFFIX)
#define LANES LANES_OF(ELEMENT)

static NEVER_INLINE void PASTE(mix_rows, SUFFIX)(ELEMENT *restrict to, const ELEMENT *restrict x, ptrdiff_t step,
                                                 const ELEMENT *restrict by, ptrdiff_t count, ptrdiff_t n, int more)
{
#define SUMS(width, at) \
    vec sum[width]; \
    UNROLL for (int j = 0; j < width; j++) \
        sum[j] = more ? *(const vec *)(to + (at) + j * LANES) : (vec){0}; \
    for (ptrdiff_t k = 0; k < count; k++) \
        UNROLL for (int j = 0; j < width; j++) \
            sum[j] += *(const vec *)(x + k * step + (at) + j * LANES) * by[k];
#define MIX(width) \
    for (; i + width * LANES <= n; i += width * LANES) { \
        SUMS(width, i) \
        UNROLL for (int j = 0; j < width; j++) \
            *(vec *)(to + i + j * LANES) = sum[j]; \
    }
    ptrdiff_t i = 0;
    vec rest = {0};
    if (n % LANES) {
        SUMS(1, n - LANES)
        rest = sum[0];
    }
    MIX(4)
    MIX(1)
    if (i < n)
        *(vec *)(to + n - LANES) = rest;
#undef MIX
#undef SUMS
}

/* One pixel of n channels from `count` next to each other, a constant. */
#define mixed PASTE(mix_pixel, SUFFIX)
static ALWAYS_INLINE void mixed(ELEMENT *restrict to, const ELEMENT *restrict x, const ELEMENT *restrict by,
                                const ptrdiff_t count, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        const ptrdiff_t at = i + LANES <= n ? i : n - LANES;
        vec sum = {0};
        for (ptrdiff_t k = 0; k < count; k++)
            sum += *(const vec *)(x + k * n + at) * by[k];
        *(vec *)(to + at) = sum;
    }
}

/* Pixels of n channels, a vector or more: each the sum of those from begin[.] to end[.] at x, times scales at `by`. */
static NEVER_INLINE void PASTE(mix_pixels, SUFFIX)(ELEMENT *restrict to, const ELEMENT *restrict x,
                                                   const ELEMENT *restrict by, const ptrdiff_t *begin,
                                                   const ptrdiff_t *end, ptrdiff_t pixels, ptrdiff_t n)
{
    for (ptrdiff_t p = 0; p < pixels; p++, to += n) {
        const ptrdiff_t o = begin[p], count = end[p] - o;
        if (count == 1)
            mixed(to, x + o * n, by + o, 1, n);
        else if (count == 2)
            mixed(to, x + o * n, by + o, 2, n);
        else if (count == 3)
            mixed(to, x + o * n, by + o, 3, n);
        else
            PASTE(mix_rows, SUFFIX)(to, x + o * n, n, by + o, count, n, 0);
    }
}
#undef mixed
#undef LANES
#undef vec
#endif
