/* Between float16, as its bits, and float32: to[i] = x[i] for i < n, apart from each other.
 *
 *     float16   s eeeee mmmmmmmmmm           exponents are 112 apart, mantissas 13 bits
 *     float32   s eeeeeeee mmmmmmmmmm0000000000000
 *
 * Rounded to the nearest, of two to the even one, numbers from 65520 on to infinity. A NaN keeps what fits of its bits.
 * What is smaller than 2^-14 goes by an addition, whose sum has the unit in the last place that float16 has there, so
 * that there are no numbers on the way whose arithmetic is slow or switched off.
 */
#ifndef FASTCONV_HALVES_H
#define FASTCONV_HALVES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HALF_SHIFT 13
#define HALF_APART (112 << 23)    /* from exponent to exponent */
#define HALF_LEAST (113 << 23)    /* 2^-14 */
#define HALF_BEYOND (143 << 23)   /* 2^16 */
#define HALF_INFINITE (255 << 23)
#define HALF_UNIT (126 << 23)     /* 2^-1, whose unit is 2^-24 */

static inline int32_t float_sum(int32_t a, int32_t b, float sign)
{
    float x, y;
    int32_t bits;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    x += sign * y;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline void halves_widen(float *to, const uint16_t *x, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const int32_t magnitude = (x[i] & 0x7fff) << HALF_SHIFT, normal = magnitude + HALF_APART;
        const int32_t small = float_sum(magnitude + HALF_LEAST, HALF_LEAST, -1);
        const int32_t result = magnitude < 1 << 23 ? small : normal < HALF_BEYOND ? normal : normal + HALF_APART;
        const uint32_t all = (uint32_t)result | (uint32_t)(x[i] & 0x8000) << 16;
        memcpy(to + i, &all, sizeof all);
    }
}

static inline void halves_narrow(uint16_t *to, const float *x, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        int32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        const int32_t magnitude = bits & 0x7fffffff, even = magnitude >> HALF_SHIFT & 1;
        const int32_t normal = (magnitude - HALF_APART + ((1 << (HALF_SHIFT - 1)) - 1) + even) >> HALF_SHIFT;
        const int32_t small = float_sum(magnitude, HALF_UNIT, 1) - HALF_UNIT;
        const int32_t nan = 0x7e00 | (magnitude >> HALF_SHIFT & 0x3ff);
        const int32_t large = magnitude > HALF_INFINITE ? nan : 0x7c00;
        const int32_t result = magnitude < HALF_LEAST ? small : magnitude < HALF_BEYOND ? normal : large;
        to[i] = (uint16_t)(result | ((uint32_t)bits >> 16 & 0x8000));
    }
}

#endif
