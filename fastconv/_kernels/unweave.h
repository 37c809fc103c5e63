/* A row sorted by what is left of its columns, the inverse of `weave.h`:
 *
 *     to[k * step + i] = row[i * ways + k],  i < n, k < ways         a b a b a b  ->  a a a   b b b
 *
 * By whole vectors: up to one less an element beyond the n of each row of `to`, and `ways` times as many beyond those
 * of `row`, are touched. Numbers of ways with no other factors than 2 and 3 go by shuffles, evens and odds first, the
 * rest one by one. The file includes itself once per element type.
 */
#ifndef FASTCONV_UNWEAVE_H
#define FASTCONV_UNWEAVE_H

#include "shuffle.h"
#include "simd.h"

#define UNWEAVE_MOST 16
/* every third element of three vectors a b c from number r on: of a b, then with those of c */
#define PICK_THIRD(r, i) (3 * (i) + (r) < 2 * COUNT ? 3 * (i) + (r) : 0)
#define AND_LAST(r, i) (3 * (i) + (r) < 2 * COUNT ? (i) : 3 * (i) + (r) - COUNT)
#define EACH_THIRD_0(i) PICK_THIRD(0, i)
#define EACH_THIRD_1(i) PICK_THIRD(1, i)
#define EACH_THIRD_2(i) PICK_THIRD(2, i)
#define AND_LAST_0(i) AND_LAST(0, i)
#define AND_LAST_1(i) AND_LAST(1, i)
#define AND_LAST_2(i) AND_LAST(2, i)

#define EACH_TYPE "unweave.h"
#include "each_float.h"
#undef EACH_TYPE

static inline void unweave(size_t size, ptrdiff_t ways, const void *row, ptrdiff_t n, void *to, ptrdiff_t step)
{
    if (size == sizeof(float))
        unweave_f32(ways, row, n, to, step);
    else
        unweave_f64(ways, row, n, to, step);
}

#elif defined(ELEMENT)

#define vec PASTE(vec, SUFFIX)
#define LANES LANES_OF(ELEMENT)

#ifdef SHUFFLES
#define BYTES VECTOR_BYTES
#define NAME(ways) PASTE(unweave_##ways, SUFFIX)
static ALWAYS_INLINE void NAME(1)(const vec *a, vec *to) { to[0] = a[0]; }
static ALWAYS_INLINE void NAME(3)(const vec *a, vec *to)
{
    to[0] = SHUFFLE(SHUFFLE(a[0], a[1], EACH_THIRD_0), a[2], AND_LAST_0);
    to[1] = SHUFFLE(SHUFFLE(a[0], a[1], EACH_THIRD_1), a[2], AND_LAST_1);
    to[2] = SHUFFLE(SHUFFLE(a[0], a[1], EACH_THIRD_2), a[2], AND_LAST_2);
}

#define TWICE(ways, half) static ALWAYS_INLINE void NAME(ways)(const vec *a, vec *to) { \
        vec evens[half], odds[half], of_evens[half], of_odds[half]; \
        UNROLL for (int k = 0; k < (half); k++) \
            EVENS_AND_ODDS(vec, evens[k], odds[k], a[2 * k], a[2 * k + 1]); \
        NAME(half)(evens, of_evens); \
        NAME(half)(odds, of_odds); \
        UNROLL for (int k = 0; k < (half); k++) \
            to[2 * k] = of_evens[k], to[2 * k + 1] = of_odds[k]; \
    }
TWICE(2, 1) TWICE(4, 2) TWICE(8, 4) TWICE(16, 8) TWICE(6, 3) TWICE(12, 6)
static ALWAYS_INLINE void NAME(9)(const vec *a, vec *to)
{
    vec thirds[3][3], part[3];
    UNROLL for (int k = 0; k < 3; k++) {
        NAME(3)(a + 3 * k, part);
        UNROLL for (int r = 0; r < 3; r++)
            thirds[r][k] = part[r];
    }
    UNROLL for (int r = 0; r < 3; r++) {
        NAME(3)(thirds[r], part);
        UNROLL for (int k = 0; k < 3; k++)
            to[3 * k + r] = part[k];
    }
}
#define BY_VECTORS(ways) case ways: \
        for (ptrdiff_t i = 0; i < n; i += LANES, row += (ways) * LANES) { \
            vec a[ways], sorted[ways]; \
            UNROLL for (int k = 0; k < (ways); k++) \
                a[k] = *(const vec *)(row + k * LANES); \
            NAME(ways)(a, sorted); \
            UNROLL for (int k = 0; k < (ways); k++) \
                *(vec *)(to + k * step + i) = sorted[k]; \
        } \
        return;
#else
#define BY_VECTORS(ways)
#endif

static NEVER_INLINE void PASTE(unweave, SUFFIX)(ptrdiff_t ways, const ELEMENT *row, ptrdiff_t n, ELEMENT *to,
                                                ptrdiff_t step)
{
    switch (ways) {
        BY_VECTORS(2) BY_VECTORS(3) BY_VECTORS(4) BY_VECTORS(6) BY_VECTORS(8) BY_VECTORS(9) BY_VECTORS(12)
        BY_VECTORS(16)
        default: break;
    }
    for (ptrdiff_t k = 0; k < ways; k++)
        for (ptrdiff_t i = 0; i < n; i++)
            to[k * step + i] = row[i * ways + k];
}
#undef BY_VECTORS
#undef TWICE
#undef NAME
#undef BYTES
#undef vec
#undef LANES
#endif
