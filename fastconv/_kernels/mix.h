/* Rows added up, each by a scale: to[i] = the sum over k < count of x[k * step + i] * by[k], and of to[i] with `more`,
 * i < n. Four vectors of sums go down the rows side by side. The file includes itself once per element type.
 */
#ifndef FASTCONV_MIX_H
#define FASTCONV_MIX_H

#include "simd.h"

#define EACH_TYPE "mix.h"
#include "each_float.h"
#undef EACH_TYPE

#define mix_rows(to, x, step, by, count, n, more) \
    _Generic((to), float *: mix_rows_f32, double *: mix_rows_f64)(to, x, step, by, count, n, more)

#elif defined(ELEMENT)

#define vec PASTE(vec, SUFFIX)
#define LANES LANES_OF(ELEMENT)

static NEVER_INLINE void PASTE(mix_rows, SUFFIX)(ELEMENT *restrict to, const ELEMENT *restrict x, ptrdiff_t step,
                                                 const ELEMENT *restrict by, ptrdiff_t count, ptrdiff_t n, int more)
{
#define MIX(width) \
    for (; i + width * LANES <= n; i += width * LANES) { \
        vec sum[width]; \
        UNROLL for (int j = 0; j < width; j++) \
            sum[j] = more ? *(const vec *)(to + i + j * LANES) : (vec){0}; \
        for (ptrdiff_t k = 0; k < count; k++) \
            UNROLL for (int j = 0; j < width; j++) \
                sum[j] += *(const vec *)(x + k * step + i + j * LANES) * by[k]; \
        UNROLL for (int j = 0; j < width; j++) \
            *(vec *)(to + i + j * LANES) = sum[j]; \
    }
    ptrdiff_t i = 0;
    MIX(4)
    MIX(1)
    for (; i < n; i++) {
        ELEMENT sum = more ? to[i] : 0;
        for (ptrdiff_t k = 0; k < count; k++)
            sum += x[k * step + i] * by[k];
        to[i] = sum;
    }
#undef MIX
}
#undef LANES
#undef vec
#endif
