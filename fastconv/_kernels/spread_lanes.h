/* Vectors by lanes that a table names, and ends of arrays that are no vectors. Part of `spread.h`; the file includes
 * itself once per element type.
 */
#ifndef FASTCONV_SPREAD_LANES_H
#define FASTCONV_SPREAD_LANES_H

#include <string.h>
#include "simd.h"

#define EACH_TYPE "spread_lanes.h"
#include "each_float.h"
#undef EACH_TYPE

#elif defined(ELEMENT)

#define vec PASTE(vec, SUFFIX)
#define bits PASTE(spread_bits, SUFFIX)
#define LANES LANES_OF(ELEMENT)
#define picked PASTE(spread_picked, SUFFIX)
#if VECTOR_BYTES
typedef BITS bits __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(BITS)), may_alias));
#else
typedef BITS bits;
#endif

/* The lanes of v that `lanes` names, zero where that is negative. */
static ALWAYS_INLINE vec picked(vec v, const bits lanes)
{
#if VECTOR_BYTES >= 64 && !defined(__clang__) /* of two vectors in one instruction; -1 is the last lane of the second */
    return __builtin_shuffle(v, (vec){0}, lanes);
#elif VECTOR_BYTES && !defined(__clang__)
    return (vec)((bits)__builtin_shuffle(v, lanes) & (lanes >= 0));
#elif VECTOR_BYTES
    vec result;
    for (int i = 0; i < LANES; i++)
        result[i] = lanes[i] < 0 ? 0 : v[lanes[i]];
    return result;
#else
    return lanes < 0 ? 0 : v;
#endif
}

#define few PASTE(spread_few, SUFFIX)
static NEVER_INLINE vec few(const ELEMENT *from, const ELEMENT *end)
{
    ELEMENT lane[LANES] = {0};
    memcpy(lane, from, (size_t)(end - from) * sizeof(ELEMENT));
    return *(const vec *)lane;
}

/* A vector at `from`, of an array that ends at `end`; `narrow`, a constant: it may end before the vector does. */
#define loaded PASTE(spread_loaded, SUFFIX)
static ALWAYS_INLINE vec loaded(const ELEMENT *from, const ELEMENT *end, const int narrow)
{
    return narrow && end - from < LANES ? few(from, end) : *(const vec *)from;
}
#define stored PASTE(spread_stored, SUFFIX)
static NEVER_INLINE void stored(ELEMENT *to, ptrdiff_t n, vec v) { memcpy(to, &v, (size_t)n * sizeof(ELEMENT)); }

#undef picked
#undef few
#undef loaded
#undef stored
#undef LANES
#undef bits
#undef vec
#endif
