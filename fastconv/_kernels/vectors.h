/* The larger of two elements or of the lanes of two vectors, for every type of pooling, and what other headers name
 * their functions by. Choices are made on the bits, so that each is one blend.
 *
 * Where the place of the largest is wanted, `keep_largest` takes one row at a time, element by element. Plain C, no
 * instruction sets; the file includes itself once per element type.
 */
#ifndef FASTCONV_VECTORS_H
#define FASTCONV_VECTORS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "simd.h"

#if defined(_MSC_VER)
#define RESTRICT __restrict
#else
#define RESTRICT restrict
#endif

/* The larger of each lane of a and b, of b where they do not compare: the vector `larger`. gcc 12 makes one instruction
 * of such a loop over lanes if it meets it as a loop, two of a choice by mask, and one for each lane once it is
 * unrolled. */
#if VECTOR_BYTES
#define LARGER_LANES(larger, a, b) \
    _Pragma("GCC unroll 1") for (size_t lane = 0; lane < sizeof(larger) / sizeof(larger)[0]; lane++) \
        (larger)[lane] = (a)[lane] > (b)[lane] ? (a)[lane] : (b)[lane]
#else
#define LARGER_LANES(larger, a, b) ((larger) = (a) > (b) ? (a) : (b))
#endif

#define NAMED(name) PASTE(name, SUFFIX)

#define EACH_TYPE "vectors.h"
#include "each_type.h"
#undef EACH_TYPE

/* The functions by the type of `to`. */
#define BY_TYPE(name, to) _Generic((to), float *: name##_f32, double *: name##_f64, int8_t *: name##_i8, \
    uint8_t *: name##_u8, int16_t *: name##_i16, uint16_t *: name##_u16, int32_t *: name##_i32, int64_t *: name##_i64)
#define keep_largest(best, at, v, key, n) BY_TYPE(keep, best)(best, at, v, key, n)

#elif defined(ELEMENT)

/* The larger of two; where either is NaN, a NaN. */
static inline ELEMENT NAMED(larger)(ELEMENT a, ELEMENT v)
{
    ELEMENT result = a > v ? a : v; /* v if either is NaN */
#ifdef FLOATING
    BITS bits, first;
    memcpy(&bits, &result, sizeof bits);
    memcpy(&first, &a, sizeof first);
    const BITS nan = -(BITS)(a != a); /* a mask and no choice: remainders of rows must not branch on data */
    bits = (first & nan) | (bits & ~nan);
    memcpy(&result, &bits, sizeof bits);
#endif
    return result;
}

/* best[j] and its place at[j], after v[j] at place `key`: an equal value does not replace it, a NaN does once. */
#define KEEP(j, value) { \
        ELEMENT old = best[j], new = value; \
        const BITS better = -(BITS)(!(new <= old) & (old == old)); \
        BITS from, to; \
        memcpy(&from, &new, sizeof from); \
        memcpy(&to, &old, sizeof to); \
        to = (from & better) | (to & ~better); \
        memcpy(&best[j], &to, sizeof to); \
        at[j] = better ? key : at[j]; \
    }
static void NAMED(keep)(ELEMENT *RESTRICT best, int64_t *RESTRICT at, const ELEMENT *v, int64_t key, ptrdiff_t n)
{
    for (ptrdiff_t j = 0; j < n; j++) KEEP(j, v[j])
}
#undef KEEP
#endif
