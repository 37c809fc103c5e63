/* abs(x) ** power of floats by vectors of doubles, within 0.501 units in the last place: whole powers by products, others
 * as 2 ** (power * log2 x), where 0, infinities, NaN, subnormal numbers and overflow come out as from `pow`.
 *
 * x = m * 2^e with m between sqrt(1/2) and sqrt(2): moving sqrt(1/2) to 1 in the bits of x leaves e in the exponent. Then
 * log2 m = s * LOG2(s * s) for s = (m - 1) / (m + 1), since log m is 2 artanh s, whose series has odd terms alone, and
 * 2^y = 2^n * EXP2(y - n) for the whole number n next to y. Both polynomials pass through the function at zeros of
 * Chebyshev's polynomials over all arguments that there are (tests/test_float_powers.py derives them), which errs by
 * 2^-45 and 2^-34 of the value. Up to 150, what does not overflow, the former moves y by 2^-37.8 at most. */
#ifndef FASTCONV_FLOAT_POWERS_H
#define FASTCONV_FLOAT_POWERS_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "simd.h"

#if VECTOR_BYTES >= 32
#define SIDE_BY_SIDE 4 /* vectors: one alone waits for itself, 1.1 (AVX-512) to 1.3 times as long */
#define EACH UNROLL for (int k = 0; k < SIDE_BY_SIDE; k++)
#define LANES LANES_OF(double)
#define TOGETHER (SIDE_BY_SIDE * LANES)
#define MOST_WHOLE 64 /* a power for which products are faster, and err by 2^-47 at most */
#define ROUND 0x1.8p52 /* plus a number is rounded to a whole one, in the last bits */
#define OVERFLOWS 1000 /* an exponent that floats do not have, and doubles do */

typedef float narrow_f32 __attribute__((vector_size(VECTOR_BYTES / 2), aligned(4), may_alias));
typedef uint64_t bits_f64 __attribute__((vector_size(VECTOR_BYTES)));

static const double LOG2[] = {
    2.885390081777851, 0.9617966941122649, 0.5770779426603044, 0.41220922406110433, 0.31990680380701336,
    0.28288502340748245,
};
static const double EXP2[] = {
    0.9999999999595618, 0.6931471805568324, 0.24022651213498092, 0.055504109063258665, 0.009618025613318034,
    0.0013333478473685416, 0.00015469729214118296, 1.5303700711365693e-05,
};
#define TERMS(c) ((int)(sizeof(c) / sizeof(c)[0]))

static ALWAYS_INLINE void polynomial(vec_f64 *to, const double *c, int terms, const vec_f64 *x)
{
    EACH to[k] = c[terms - 1] - (vec_f64){0};
    UNROLL for (int i = terms - 2; i >= 0; i--)
        EACH to[k] = to[k] * x[k] + c[i];
}

static ALWAYS_INLINE void any_power(vec_f64 *x, double power)
{
    const vec_f64 none = {0}, infinite = none + INFINITY, most = none + OVERFLOWS, least = none - OVERFLOWS;
    const bits_f64 middle = (bits_f64){0} + 0x3fe6a09e667f3bcd /* sqrt(1/2) */, one = (bits_f64){0} + (1023ULL << 52);
    vec_f64 s[SIDE_BY_SIDE], square[SIDE_BY_SIDE], y[SIDE_BY_SIDE], n[SIDE_BY_SIDE], value[SIDE_BY_SIDE];
    EACH {
        bits_f64 moved = (bits_f64)x[k] + (one - middle);
        y[k] = (vec_f64)(moved >> 52 | (1023ULL + 52) << 52) - (0x1p52 + 1023);
        s[k] = (vec_f64)((moved & ((1ULL << 52) - 1)) + middle);
    }
    EACH s[k] = (s[k] - 1) / (s[k] + 1);
    EACH square[k] = s[k] * s[k];
    polynomial(value, LOG2, TERMS(LOG2), square);
    EACH y[k] = y[k] + s[k] * value[k];
    EACH y[k] = SELECT(vec_f64, mask_f64, x[k] < infinite, y[k], x[k]);
    EACH y[k] = SELECT(vec_f64, mask_f64, x[k] == none, -infinite, y[k]);
    EACH y[k] = y[k] * power;
    EACH CLAMP(vec_f64, mask_f64, y[k], least, most);
    EACH n[k] = y[k] + ROUND;
    EACH y[k] = y[k] - (n[k] - ROUND);
    polynomial(value, EXP2, TERMS(EXP2), y);
    EACH x[k] = (vec_f64)((bits_f64)value[k] + ((bits_f64)n[k] << 52));
}

static ALWAYS_INLINE void whole_power(vec_f64 *x, unsigned power)
{
    vec_f64 product[SIDE_BY_SIDE];
    EACH product[k] = 1 - (vec_f64){0};
    for (;; power >>= 1) {
        if (power & 1)
            EACH product[k] = product[k] * x[k];
        if (power <= 1)
            break;
        EACH x[k] = x[k] * x[k];
    }
    EACH x[k] = product[k];
}

/* `power` where that is to be by products, else 0. */
static inline unsigned whole_of(double power)
{
    return power > 0 && power <= MOST_WHOLE && power == (int)power ? (unsigned)power : 0;
}

/* Where to read TOGETHER elements of which `n` are left: their copy before zeros at the end, so that all take the same
 * way and no bit depends on the place of an element. */
static inline const void *whole_block(void *copy, const void *source, ptrdiff_t n, size_t size)
{
    if (n >= TOGETHER)
        return source;
    memset(copy, 0, TOGETHER * size);
    return memcpy(copy, source, (size_t)n * size);
}

/* The instructions are written out because gcc 12 converts half a vector at a time. */
static void float_powers(float *to, const float *source, ptrdiff_t n, double power)
{
    power = fmin(fmax(power, -DBL_MAX), DBL_MAX); /* an infinite one of 1, whose logarithm is 0, is 1 */
    const unsigned whole = whole_of(power);
    for (ptrdiff_t i = 0; i < n; i += TOGETHER) {
        float left[TOGETHER];
        const int ends = n - i < TOGETHER;
        const float *from = whole_block(left, source + i, n - i, sizeof(float));
        float *into = ends ? left : to + i;
        vec_f64 x[SIDE_BY_SIDE];
        EACH __asm__("vcvtps2pd %1, %0" : "=v"(x[k]) : "m"(*(const narrow_f32 *)(from + k * LANES)));
        EACH x[k] = (vec_f64)((bits_f64)x[k] & ~(1ULL << 63));
        if (whole)
            whole_power(x, whole);
        else
            any_power(x, power);
        EACH {
            narrow_f32 narrow;
            __asm__("vcvtpd2ps %1, %0" : "=v"(narrow) : "v"(x[k]));
            *(narrow_f32 *)(into + k * LANES) = narrow;
        }
        if (ends)
            memcpy(to + i, left, (size_t)(n - i) * sizeof(float));
    }
}
#else
static inline void float_powers(float *to, const float *source, ptrdiff_t n, double power)
{
    for (ptrdiff_t i = 0; i < n; i++)
        to[i] = powf(fabsf(source[i]), (float)power);
}
#endif

#endif
