/* to[i] = abs(source[i]) ** power for i < n, where `to` may be `source`; squares, absolute values, roots of two and
   reciprocals in vectors, all else by `float_powers.h` and `double_powers.h`. */
#ifndef FASTCONV_POWERS_H
#define FASTCONV_POWERS_H

#include <math.h>
#include <stddef.h>

#include "double_powers.h"
#include "float_powers.h"

#if defined(__GNUC__) && !defined(__clang__)
#define EACH_APART _Pragma("GCC ivdep") for (ptrdiff_t i = 0; i < n; i++)
#else
#define EACH_APART for (ptrdiff_t i = 0; i < n; i++)
#endif

#define POWERS(name, type, abs, sqrt, others) \
    static inline void name(type *to, const type *source, ptrdiff_t n, double power) \
    { \
        if (power == 2) \
            EACH_APART to[i] = source[i] * source[i]; \
        else if (power == 1) \
            EACH_APART to[i] = abs(source[i]); \
        else if (power == 0.5) \
            EACH_APART to[i] = sqrt(abs(source[i])); \
        else if (power == -1) \
            EACH_APART to[i] = 1 / abs(source[i]); \
        else \
            others(to, source, n, power); \
    }
POWERS(powers_f32, float, fabsf, sqrtf, float_powers)
POWERS(powers_f64, double, fabs, sqrt, double_powers)

static inline void powers(size_t size, void *to, const void *source, ptrdiff_t n, double power)
{
    if (size == sizeof(float))
        powers_f32(to, source, n, power);
    else
        powers_f64(to, source, n, power);
}

#endif
