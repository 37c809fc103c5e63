/* Rows woven into one, as phases of outputs are, for each line of a plane:
 *
 *     to[line * ldt + i * ways + k] = rows[k][line * pitch[k] + i],  i < n, k < ways     a a a   b b b  ->  a b a b a b
 *
 * One, two, three, four and eight rows go by whole vectors: two are zipped by two shuffles, four and eight are zipped
 * pairs of woven halves, three take a shuffle of two rows and one with the third. `to` overlaps none of the rows;
 * nothing beyond the n elements of each is touched. The file includes itself once per element type.
 */
#ifndef FASTCONV_WEAVE_H
#define FASTCONV_WEAVE_H

#include <string.h>

#include "shuffle.h"
#include "simd.h"

#define WEAVE_MOST 8 /* rows */
#define BYTES VECTOR_BYTES
/* position p of the woven row is element p / 3 of row p % 3 */
#define TWO_OF_THREE(p) ((p) % 3 < 2 ? (p) / 3 + (p) % 3 * COUNT : 0)
#define AND_THIRD(i, p) ((p) % 3 < 2 ? (i) : COUNT + (p) / 3)
#define TWO_0(i) TWO_OF_THREE(i)
#define TWO_1(i) TWO_OF_THREE((i) + COUNT)
#define TWO_2(i) TWO_OF_THREE((i) + 2 * COUNT)
#define THIRD_0(i) AND_THIRD(i, i)
#define THIRD_1(i) AND_THIRD(i, (i) + COUNT)
#define THIRD_2(i) AND_THIRD(i, (i) + 2 * COUNT)

/* the COUNT elements that end with all but the last few of a second vector */
#define BUT_1(i) ((i) + COUNT - 1)
#define BUT_2(i) ((i) + COUNT - 2 % COUNT)
#define BUT_3(i) ((i) + COUNT - 3 % COUNT)

#define EACH_TYPE "weave.h"
#include "each_float.h"
#undef EACH_TYPE
#undef BYTES

static inline void weave(size_t size, ptrdiff_t ways, const void *const *rows, const ptrdiff_t *pitch, ptrdiff_t n,
                         void *to, ptrdiff_t ldt, ptrdiff_t lines)
{
    if (size == sizeof(float))
        weave_f32(ways, (const float *const *)rows, pitch, n, to, ldt, lines);
    else
        weave_f64(ways, (const double *const *)rows, pitch, n, to, ldt, lines);
}

#elif defined(ELEMENT)

#define vec PASTE(vec, SUFFIX)

/* A vector of each row woven in v[0] ... v[ways - 1]; `ways` is a constant in every call. */
#ifdef SHUFFLES
#define weave_vectors PASTE(weave_vectors, SUFFIX)
static ALWAYS_INLINE void weave_vectors(const int ways, vec *a, vec *v)
{
    v[0] = a[0];
    if (ways == 3) {
        v[0] = SHUFFLE(SHUFFLE(a[0], a[1], TWO_0), a[2], THIRD_0);
        v[1] = SHUFFLE(SHUFFLE(a[0], a[1], TWO_1), a[2], THIRD_1);
        v[2] = SHUFFLE(SHUFFLE(a[0], a[1], TWO_2), a[2], THIRD_2);
        return;
    }
    /* row k with row k + ways / 2, and so on: each pass doubles the number of rows that are woven */
    UNROLL for (int half = ways / 2, pass = 1; pass < ways; pass *= 2) {
        UNROLL for (int k = 0; k < half; k++) {
            v[2 * k] = SHUFFLE(a[k], a[k + half], ZIP_LOW);
            v[2 * k + 1] = SHUFFLE(a[k], a[k + half], ZIP_HIGH);
        }
        UNROLL for (int k = 0; k < ways; k++)
            a[k] = v[k];
    }
}

#endif

/* The first `n` elements of a vector of each row, woven, to `to`; a[] is used up. Where `n` is a constant, nothing is
 * called. */
#define weave_some PASTE(weave_some, SUFFIX)
static ALWAYS_INLINE void weave_some(const int ways, vec *a, ELEMENT *to, const ptrdiff_t n)
{
    const ptrdiff_t lanes = LANES_OF(ELEMENT);
#ifdef SHUFFLES
    vec v[WEAVE_MOST];
    weave_vectors(ways, a, v);
    UNROLL for (int k = 0; k < ways; k++) {
        const ptrdiff_t rest = n - k * lanes;
        if (rest >= lanes)
            *(vec *)(to + k * lanes) = v[k];
        else if (k > 0 && rest > 0 && rest == lanes - 1)
            *(vec *)(to + n - lanes) = SHUFFLE(v[k - 1], v[k], BUT_1);
        else if (k > 0 && rest > 0 && rest == lanes - 2)
            *(vec *)(to + n - lanes) = SHUFFLE(v[k - 1], v[k], BUT_2);
        else if (k > 0 && rest > 0 && rest == lanes - 3)
            *(vec *)(to + n - lanes) = SHUFFLE(v[k - 1], v[k], BUT_3);
        else if (rest > 0)
            memcpy(to + k * lanes, v + k, (size_t)rest * sizeof(ELEMENT));
    }
#else
    for (int k = 0; k < ways; k++) {
        ELEMENT lane[LANES_OF(ELEMENT)];
        *(vec *)lane = a[k];
        for (ptrdiff_t i = 0; i < lanes && i * ways + k < n; i++)
            to[i * ways + k] = lane[i];
    }
#endif
}

static ALWAYS_INLINE void PASTE(weave_store, SUFFIX)(const int ways, vec *a, ELEMENT *to)
{
    weave_some(ways, a, to, ways * LANES_OF(ELEMENT));
}

#ifdef SHUFFLES
#define WAYS(count) \
    if (ways == count && n >= COUNT) { \
        const ELEMENT *row[count]; \
        UNROLL for (int k = 0; k < count; k++) \
            row[k] = rows[k]; \
        for (; lines > 0; lines--, to += ldt) { \
            for (ptrdiff_t i = 0; i < n; i += COUNT) { \
                const ptrdiff_t at = i < n - COUNT ? i : n - COUNT; \
                vec a[count]; \
                UNROLL for (int k = 0; k < count; k++) \
                    a[k] = *(const vec *)(row[k] + at); \
                PASTE(weave_store, SUFFIX)(count, a, to + at * count); \
            } \
            UNROLL for (int k = 0; k < count; k++) \
                row[k] += pitch[k]; \
        } \
        return; \
    }
#else
#define WAYS(count)
#endif

static NEVER_INLINE void PASTE(weave, SUFFIX)(ptrdiff_t ways, const ELEMENT *const *rows, const ptrdiff_t *pitch,
                                              ptrdiff_t n, ELEMENT *restrict to, ptrdiff_t ldt, ptrdiff_t lines)
{
    WAYS(1)
    WAYS(2)
    WAYS(3)
    WAYS(4)
    WAYS(8)
    for (ptrdiff_t line = 0; line < lines; line++, to += ldt)
        for (ptrdiff_t k = 0; k < ways; k++)
            for (ptrdiff_t i = 0; i < n; i++)
                to[i * ways + k] = rows[k][line * pitch[k] + i];
}
#undef WAYS
#undef weave_vectors
#undef weave_some
#undef vec
#endif
