/* abs(x) ** power of doubles: whole powers in vectors, as products of unevaluated sums of two doubles, which err by 2^-95
 * of the value at most (of less than 2^-968, where low parts are subnormal, by a tenth of a unit in the last place), so
 * that what is rounded at the end is nearly the power itself. Whole roots begin as 2 ** (log2 x / root) of
 * `float_powers.h`, whose error of 2^-33 one step of Newton's method squares: what such a product of them lacks of x is
 * exact enough that the root errs by 0.51 units in the last place at most. Others by the C library. */
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

/* x[k] ** power is product[k] + rest[k]. */
static ALWAYS_INLINE void whole_sums(vec_f64 *product, vec_f64 *rest, vec_f64 *x, unsigned power)
{
    const vec_f64 none = {0};
    vec_f64 low[SIDE_BY_SIDE];
    EACH {
        low[k] = rest[k] = none;
        product[k] = 1 - none;
    }
    for (;; power >>= 1) {
        if (power & 1)
            EACH multiply_sum(&product[k], &rest[k], x[k], low[k]);
        if (power <= 1)
            break;
        EACH multiply_sum(&x[k], &low[k], x[k], low[k]);
    }
}

static ALWAYS_INLINE void whole_power_of_doubles(vec_f64 *x, unsigned power)
{
    const vec_f64 infinite = INFINITY - (vec_f64){0};
    vec_f64 product[SIDE_BY_SIDE], rest[SIDE_BY_SIDE];
    whole_sums(product, rest, x, power);
    EACH x[k] = SELECT(vec_f64, mask_f64, product[k] < infinite, product[k] + rest[k], product[k]);
}

/* Which root `power` is, as the double next to 1 / root, if that is to be by vectors, else 0. */
static inline unsigned root_of(double power)
{
    const unsigned root = power > 0.5 / MOST_WHOLE && power < 0.5 ? (unsigned)(1 / power + 0.5) : 0;
    return root && root <= MOST_WHOLE && 1.0 / root == power ? root : 0;
}

/* Numbers near the ends of their range go through it times a whole power of 2^root, so that no part of a product leaves
 * it; 0, infinity and NaN stay. */
static ALWAYS_INLINE void whole_root_of_doubles(vec_f64 *x, unsigned root)
{
    const int inward = (200 + (int)root - 1) / (int)root;
    const vec_f64 none = {0}, infinite = none + INFINITY, least = none + 0x1p-900, most = none + 0x1p900;
    const vec_f64 up = none + ldexp(1, inward * (int)root), down = 1 / up, back = none + ldexp(1, inward);
    vec_f64 given[SIDE_BY_SIDE], y[SIDE_BY_SIDE], factor[SIDE_BY_SIDE], product[SIDE_BY_SIDE], rest[SIDE_BY_SIDE];
    EACH {
        given[k] = x[k];
        x[k] *= SELECT(vec_f64, mask_f64, given[k] < least, up, 1 - none);
        x[k] *= SELECT(vec_f64, mask_f64, given[k] > most, down, 1 - none);
        y[k] = x[k];
    }
    any_power(y, 1.0 / root);
    EACH factor[k] = y[k];
    whole_sums(product, rest, factor, root);
    EACH {
        y[k] -= y[k] * ((product[k] - x[k] + rest[k]) / (x[k] * root));
        y[k] *= SELECT(vec_f64, mask_f64, given[k] < least, 1 / back, 1 - none);
        y[k] *= SELECT(vec_f64, mask_f64, given[k] > most, back, 1 - none);
        y[k] = SELECT(vec_f64, mask_f64, given[k] > none, y[k], given[k]);
        x[k] = SELECT(vec_f64, mask_f64, given[k] < infinite, y[k], given[k]);
    }
}

static void double_powers(double *to, const double *source, ptrdiff_t n, double power)
{
    const unsigned whole = whole_of(power), root = root_of(power);
    for (ptrdiff_t i = 0; !whole && !root && i < n; i++)
        to[i] = pow(fabs(source[i]), power);
    for (ptrdiff_t i = 0; (whole || root) && i < n; i += TOGETHER) {
        double left[TOGETHER];
        const int ends = n - i < TOGETHER;
        const double *from = whole_block(left, source + i, n - i, sizeof(double));
        double *into = ends ? left : to + i;
        vec_f64 x[SIDE_BY_SIDE];
        EACH x[k] = (vec_f64)((bits_f64)*(const vec_f64 *)(from + k * LANES) & ~(1ULL << 63));
        if (whole)
            whole_power_of_doubles(x, whole);
        else
            whole_root_of_doubles(x, root);
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
