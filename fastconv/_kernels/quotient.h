/* What becomes of the sums of windows: divided by what many of them share, but not by divisions, which take 10 cycles
 * a vector or more, on Intel as many for 64 bytes as for two times 32.
 *
 *     x / by  =  x * high + x * low,     high + low = 1 / by to twice the digits, high the nearer to zero
 *
 * of which the second product is rounded, and then the sum once. For an integer below QUOTIENT_MOST that is the number
 * next to x / by, as of a division: the error before the last rounding is below 2^-21 of a last digit, and x / by,
 * never halfway between two numbers, at least 1 / (2 by) away from it [1]. High and low have one sign, so that infinity
 * stays what it is. Only quotients next to the smallest numbers, whose second products have fewer digits, may be the
 * other neighbour of x / by.
 *
 * [1] N. Brisebarre, J.-M. Muller, S. K. Raina, "Accelerating correctly rounded floating-point division when the
 *     divisor is known in advance", IEEE Trans. Computers 53 (2004) 1069-1072, doi:10.1109/TC.2004.37.
 */
#ifndef FASTCONV_QUOTIENT_H
#define FASTCONV_QUOTIENT_H

#include <stdint.h>
#include <string.h>
#include "simd.h"

#if VECTOR_BYTES >= 32 && defined(__FMA__)
#define QUOTIENT_MOST (1 << 19)
#else
#define QUOTIENT_MOST 0 /* a product and a sum would be rounded one by one */
#endif

enum { FOLD_PLAIN, FOLD_DIVIDED, FOLD_SCALED, FOLD_MULTIPLIED };

typedef struct {
    double by; /* what becomes of a sum: nothing, divided by this, or times this, which is exact */
    int kind;
} FoldEnd;

/* For sums over `by`. */
static inline FoldEnd fold_end(double by)
{
    uint64_t bits;
    memcpy(&bits, &by, sizeof bits);
    if (by == 1)
        return (FoldEnd){1, FOLD_PLAIN};
    return bits << 12 ? (FoldEnd){by, FOLD_DIVIDED} : (FoldEnd){1 / by, FOLD_SCALED}; /* a power of two */
}

/* The same for many sums: multiplied as above where that is right. */
typedef struct {
    double by;
    int kind;
    float high_f32, low_f32;
    double high_f64, low_f64;
} Quotient;

static inline Quotient quotient_of(FoldEnd end)
{
    Quotient q = {end.by, end.kind, 0, 0, 0, 0};
#if QUOTIENT_MOST
    if (end.kind == FOLD_DIVIDED && end.by < QUOTIENT_MOST && end.by > -QUOTIENT_MOST) {
        const double high = 1 / end.by, rest = __builtin_fma(-high, end.by, 1);
        const float most = (float)high;
        uint64_t bits;
        uint32_t digits;
        memcpy(&bits, &high, sizeof bits);
        memcpy(&digits, &most, sizeof digits);
        bits -= rest < 0;
        digits -= end.by < 0 ? most < high : most > high;
        memcpy(&q.high_f32, &digits, sizeof digits);
        memcpy(&q.high_f64, &bits, sizeof bits);
        q.low_f32 = (float)(high - q.high_f32);
        q.low_f64 = __builtin_fma(-q.high_f64, end.by, 1) * high;
        q.kind = FOLD_MULTIPLIED;
    }
#endif
    return q;
}

#define QUOTIENT(end, part) ((ELEMENT)(sizeof(ELEMENT) == 4 ? (end).part##_f32 : (end).part##_f64))

/* A vector of sums, of the type that each_type.h describes, as the quotient `end` says. */
#define FOLD_OVER(sums, end) do { \
        if (QUOTIENT_MOST && (end).kind == FOLD_MULTIPLIED) { \
            const __typeof__(sums) high_ = QUOTIENT(end, high) - (__typeof__(sums)){0}; \
            __typeof__(sums) quotient_ = (sums) * QUOTIENT(end, low); \
            MULTIPLY_ADD(quotient_, sums, high_); \
            (sums) = quotient_; \
        } else if ((end).kind == FOLD_SCALED) \
            (sums) *= (ELEMENT)(end).by; \
        else if ((end).kind != FOLD_PLAIN) \
            (sums) /= (ELEMENT)(end).by; \
    } while (0)

#endif
