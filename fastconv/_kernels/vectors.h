/* Element by element over a handful of rows: their largest, or their sum.
 *
 *     to[j] = rows[0][j] (+) rows[1][j] (+) ... (+) rows[count - 1][j],     0 <= j < n, 1 <= count <= GROUP
 *
 * and with `more`, to[j] (+) that; a mean also divides, by `by`, and by counts[j] where there are any. Both directions
 * of a pooling window come down to this: down the rows of the window, and along one row by reading it at shifted starts.
 * There is one loop for each count, so that the value stays in a register over all rows while the compiler vectorises
 * over j; `to` overlaps none of the rows. Where the place of the largest is wanted, `keep_largest` takes one row at a
 * time. Choices are made on the bits, so that each is one blend.
 * Plain C, no instruction sets; the file includes itself once per element type.
 */
#ifndef FASTCONV_VECTORS_H
#define FASTCONV_VECTORS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "simd.h"

#define GROUP 9 /* the taps of a 3 x 3 window; that many pointers still fit the sixteen registers of x86-64 */

#if defined(_MSC_VER)
#define RESTRICT __restrict
#else
#define RESTRICT restrict
#endif

/* The larger of each lane of a and b, of b where they do not compare: the vector `larger`. gcc 12 makes one instruction of
 * such a loop over lanes if it meets it as a loop, two of a choice by mask, and one for each lane once it is unrolled. */
#if VECTOR_BYTES
#define LARGER_LANES(larger, a, b) \
    _Pragma("GCC unroll 1") for (size_t lane = 0; lane < sizeof(larger) / sizeof(larger)[0]; lane++) \
        (larger)[lane] = (a)[lane] > (b)[lane] ? (a)[lane] : (b)[lane]
#else
#define LARGER_LANES(larger, a, b) ((larger) = (a) > (b) ? (a) : (b))
#endif

#define GLUE_(a, b) a##_##b
#define GLUE(a, b) GLUE_(a, b)
#define NAMED(name) GLUE(name, SUFFIX)

#define EACH_TYPE "vectors.h"
#include "each_type.h"
#undef EACH_TYPE

/* The functions by the type of `to`. */
#define BY_TYPE(name, to) _Generic((to), float *: name##_f32, double *: name##_f64, int8_t *: name##_i8, \
    uint8_t *: name##_u8, int16_t *: name##_i16, uint16_t *: name##_u16, int32_t *: name##_i32, int64_t *: name##_i64)
#define BY_FLOAT(name, to) _Generic((to), double *: name##_f64, default: name##_f32)
#define largest_of(to, rows, count, n, more) BY_TYPE(largest, to)(to, rows, count, n, more)
#define sum_of(to, rows, count, n, more) BY_FLOAT(sum, to)(to, rows, count, n, more)
#define mean_of(to, rows, count, n, by, counts) BY_FLOAT(mean, to)(to, rows, count, n, by, counts)
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

#define V1 r0[j]
#define V2 OP(V1, r1[j])
#define V3 OP(V2, r2[j])
#define V4 OP(V3, r3[j])
#define V5 OP(V4, r4[j])
#define V6 OP(V5, r5[j])
#define V7 OP(V6, r6[j])
#define V8 OP(V7, r7[j])
#define V9 OP(V8, r8[j])
#define MEAN(count, value) case count: \
    if (counts) for (ptrdiff_t j = 0; j < n; j++) to[j] = (value) / (by * counts[j]); \
    else for (ptrdiff_t j = 0; j < n; j++) to[j] = (value) / by; \
    return;
#define CASE(count, value) case count: \
    if (more) for (ptrdiff_t j = 0; j < n; j++) to[j] = OP(to[j], value); \
    else for (ptrdiff_t j = 0; j < n; j++) to[j] = value; \
    return;
#define LAST(k) rows[count > k ? k : 0]
#define ROWS const ELEMENT *r0 = rows[0], *r1 = LAST(1), *r2 = LAST(2), *r3 = LAST(3), *r4 = LAST(4), \
                           *r5 = LAST(5), *r6 = LAST(6), *r7 = LAST(7), *r8 = LAST(8);
#define CASES(DO) DO(1, V1) DO(2, V2) DO(3, V3) DO(4, V4) DO(5, V5) DO(6, V6) DO(7, V7) DO(8, V8) DO(9, V9)

#define OP(a, v) NAMED(larger)(a, v)
static void NAMED(largest)(ELEMENT *RESTRICT to, const ELEMENT *const *rows, int count, ptrdiff_t n, int more)
{
    ROWS
    switch (count) { CASES(CASE) }
}
#undef OP
#ifdef FLOATING
#define OP(a, v) ((a) + (v))
static void NAMED(sum)(ELEMENT *RESTRICT to, const ELEMENT *const *rows, int count, ptrdiff_t n, int more)
{
    ROWS
    switch (count) { CASES(CASE) }
}

static void NAMED(mean)(ELEMENT *RESTRICT to, const ELEMENT *const *rows, int count, ptrdiff_t n, ELEMENT by,
                        const ELEMENT *counts)
{
    ROWS
    switch (count) { CASES(MEAN) }
}
#undef OP
#endif

#undef V1
#undef V2
#undef V3
#undef V4
#undef V5
#undef V6
#undef V7
#undef V8
#undef V9
#undef CASE
#undef CASES
#undef MEAN
#undef ROWS
#undef LAST
#endif
