/* abs(x) ** power of doubles: whole powers in vectors, as products of unevaluated sums of two doubles, which err by 2^-95
 * of the value at most (of less than 2^-968, where low parts are subnormal, by a tenth of a unit in the last place), so
 * that what is rounded at the end is nearly the power itself; others by the C library. */
#ifndef FASTCONV_DOUBLE_POWERS_H
#define FASTCONV_DOUBLE_POWERS_H

#include <math.h>

#include "float_powers.h"

#if VECTOR_BYTES >= 32 && defined(__FMA__)
/* (high + low) *= (by_high + by_low); what rounding takes from the product is itself a double. */
static ALWAYS_INLINE void multiply_sum(vec_f64 *high, vec_f64 *low, vec_f64 by_high, vec_f64 by_low)
{
    const vec_f64 product = *high * by_high;
    vec_f64 rest = -product;
    MULTIPLY_ADD(rest, *high, by_high);
    MULTIPLY_ADD(rest, *high, by_low);
    MULTIPLY_ADD(rest, *low, by_high);
    *high = product;
    *low = rest;
}

static ALWAYS_INLINE void whole_power_of_doubles(vec_f64 *x, unsigned power)
{
    const vec_f64 none = {0}, infinite = none + INFINITY;
    vec_f64 low[SIDE_BY_SIDE], product[SIDE_BY_SIDE], product_low[SIDE_BY_SIDE];
    EACH {
        low[k] = product_low[k] = none;
        product[k] = 1 - none;
    }
    for (;; power >>= 1) {
        if (power & 1)
            EACH multiply_sum(&product[k], &product_low[k], x[k], low[k]);
        if (power <= 1)
            break;
        EACH multiply_sum(&x[k], &low[k], x[k], low[k]);
    }
    EACH x[k] = SELECT(vec_f64, mask_f64, product[k] < infinite, product[k] + product_low[k], product[k]);
}

static void double_powers(double *to, const double *source, ptrdiff_t n, double power)
{
    const unsigned whole = whole_of(power);
    for (ptrdiff_t i = 0; !whole && i < n; i++)
        to[i] = pow(fabs(source[i]), power);
    for (ptrdiff_t i = 0; whole && i < n; i += TOGETHER) {
        double left[TOGETHER];
        const int ends = n - i < TOGETHER;
        const double *from = whole_block(left, source + i, n - i, sizeof(double));
        double *into = ends ? left : to + i;
        vec_f64 x[SIDE_BY_SIDE];
        EACH x[k] = (vec_f64)((bits_f64)*(const vec_f64 *)(from + k * LANES) & ~(1ULL << 63));
        whole_power_of_doubles(x, whole);
        EACH *(vec_f64 *)(into + k * LANES) = x[k];
        if (ends)
            memcpy(to + i, left, (size_t)(n - i) * sizeof(double));
    }
}
#else
static inline void double_powers(double *to, const double *source, ptrdiff_t n, double power)
{
    for (ptrdiff_t i = 0; i < n; i++)
        to[i] = pow(fabs(source[i]), power);
}
#endif

#endif
