/* Rows woven into one, as phases of outputs are, for each line of a plane:
 *
 *     to[line * ldt + i * ways + k] = rows[k][line * pitch[k] + i],  i < n, k < ways     a a a   b b b  ->  a b a b a b
 *
 * One, two, three, four, six, eight and nine rows go by whole vectors: two are zipped by two shuffles, four and eight
 * are zipped pairs of woven halves, three take a shuffle of two rows and one with the third, six are three zipped pairs,
 * nine three times three. `to` overlaps none of the rows; nothing beyond the n elements of each is touched. The file
 * includes itself once per element type.
 */
#ifndef FASTCONV_WEAVE_H
#define FASTCONV_WEAVE_H

#include <string.h>

#include "shuffle.h"
#include "simd.h"

#define WEAVE_MOST 9 /* rows */
/* the COUNT elements that end with all but the last few of a second vector */
#define BUT_1(i) ((i) + COUNT - 1)
#define BUT_2(i) ((i) + COUNT - 2 % COUNT)
#define BUT_3(i) ((i) + COUNT - 3 % COUNT)

#define EACH_TYPE "weave.h"
#include "each_float.h"
#undef EACH_TYPE

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

#ifdef SHUFFLES
#if VECTOR_BYTES > 16 /* rows too short for a vector */
#define BYTES 16
#include "weave_rows.h"
#undef BYTES
#endif
#if VECTOR_BYTES > 32
#define BYTES 32
#include "weave_rows.h"
#undef BYTES
#endif
#define BYTES VECTOR_BYTES
#include "weave_rows.h"
#endif

/* The first `n` elements of a vector of each row, woven, to `to`; a[] is used up. Where `n` is a constant, nothing is
 * called. */
#define weave_some PASTE(weave_some, SUFFIX)
static ALWAYS_INLINE void weave_some(const int ways, vec *a, ELEMENT *to, const ptrdiff_t n)
{
    const ptrdiff_t lanes = LANES_OF(ELEMENT);
#ifdef SHUFFLES
    vec v[WEAVE_MOST];
    PASTE(PASTE(weave_vectors, SUFFIX), VECTOR_BYTES)(ways, a, v);
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

static NEVER_INLINE void PASTE(weave, SUFFIX)(ptrdiff_t ways, const ELEMENT *const *rows, const ptrdiff_t *pitch,
                                              ptrdiff_t n, ELEMENT *restrict to, ptrdiff_t ldt, ptrdiff_t lines)
{
#ifdef SHUFFLES
#define ROWS(bytes) PASTE(PASTE(weave_rows, SUFFIX), bytes)(ways, rows, pitch, n, to, ldt, lines)
    if (ROWS(VECTOR_BYTES))
        return;
#if VECTOR_BYTES > 32
    if (ROWS(32))
        return;
#endif
#if VECTOR_BYTES > 16
    if (ROWS(16))
        return;
#endif
#undef ROWS
#endif
    for (ptrdiff_t line = 0; line < lines; line++, to += ldt)
        for (ptrdiff_t k = 0; k < ways; k++)
            for (ptrdiff_t i = 0; i < n; i++)
                to[i * ways + k] = rows[k][line * pitch[k] + i];
}
#undef weave_some
#undef BYTES
#undef vec
#endif
