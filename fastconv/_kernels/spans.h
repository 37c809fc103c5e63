/* The largest or the sum of each of many spans of rows, for as many spans at a time as a vector has lanes.
 *
 *     span:    one span to one vector, whose lanes still have to be combined      lanes[k] = a a a a
 *     spans:   of all these vectors, two at a time, halves are combined until one is left:
 *
 *         a0 a1 a2 a3      a0 b0 a1 b1  lower halves      a a b b  \    a0 b0 c0 d0
 *         b0 b1 b2 b3  ->  a2 b2 a3 b3  upper halves  ->            ->              ->  a b c d
 *                                                         c c d d  /    a1 b1 c1 d1
 *
 * within pieces of 16 bytes first, then whole pieces, so that each shuffle is one instruction. Every span goes through
 * the same tree, whichever others are beside it. A span that ends within a vector, or is shorter, is loaded with its
 * neighbours, which give way to what changes nothing.
 *
 * Without shuffles `span_lanes` says 0. The file includes itself once per element type.
 */
#ifndef FASTCONV_SPANS_H
#define FASTCONV_SPANS_H

#include "fold.h"
#include "shuffle.h"

#ifdef SHUFFLES
#define BYTES VECTOR_BYTES
#define PIECE (16 / ELEMENT_BYTES)
/* Halves of the pieces of a and b, parts of u elements in turn; and of groups of 2 * h whole pieces. */
#define WITHIN(i, u) ((i) / (u) % 2 * COUNT + (i) / PIECE * PIECE + (i) % PIECE / (2 * (u)) * (u) + (i) % (u))
#define ACROSS(i, h) ((i) / ((h) * PIECE) * (2 * (h) * PIECE) + (i) % ((h) * PIECE))
#define LOWER_1(i) WITHIN(i, 1)
#define LOWER_2(i) WITHIN(i, 2)
#define LOWER_4(i) WITHIN(i, 4)
#define LOWER_8(i) WITHIN(i, 8)
#define UPPER_1(i) (WITHIN(i, 1) + PIECE / 2)
#define UPPER_2(i) (WITHIN(i, 2) + PIECE / 2)
#define UPPER_4(i) (WITHIN(i, 4) + PIECE / 2)
#define UPPER_8(i) (WITHIN(i, 8) + PIECE / 2)
#define FIRST_1(i) ACROSS(i, 1)
#define FIRST_2(i) ACROSS(i, 2)
#define SECOND_1(i) (ACROSS(i, 1) + PIECE)
#define SECOND_2(i) (ACROSS(i, 2) + 2 * PIECE)

#define EACH_TYPE "spans.h"
#include "each_type.h"
#undef EACH_TYPE
#undef BYTES

#define span_lanes(size) (VECTOR_BYTES / (ptrdiff_t)(size))
#define span(lanes, row, width, from, n, maximum) BY_TYPE(span, lanes)(lanes, row, width, from, n, maximum)
#define spans(to, lanes, count, by, maximum) BY_TYPE(spans, to)(to, lanes, count, by, maximum)
#else
#define span_lanes(size) ((ptrdiff_t)0)
#define span(lanes, row, width, from, n, maximum) ((void)0)
#define spans(to, lanes, count, by, maximum) ((void)0)
#endif

#elif defined(ELEMENT)

#define vec NAMED(fold_vec)
#define mask NAMED(fold_mask)

/* A vector of the elements row[from], ..., row[from + n - 1]; the row has `width` elements, a vector at least. */
static void NAMED(span)(ELEMENT *lanes, const ELEMENT *row, ptrdiff_t width, ptrdiff_t from, ptrdiff_t n, int maximum)
{
    const int kind = maximum ? FOLD_CAREFUL : FOLD_SUM;
    const ptrdiff_t end = from + n, whole = n / (FOLDED * COUNT);
    ptrdiff_t at = from;
    vec all = {0};
    if (whole) {
        const Fold f = {1, 0, whole, FOLDED * COUNT};
        const FoldRun once = {1, 0, 1, FOLD_PLAIN};
        vec side[FOLDED];
        NAMED(fold_windows)((ELEMENT *)side, row + at, &f, &once, FOLDED * COUNT, maximum);
        at += whole * FOLDED * COUNT;
        all = side[0];
        UNROLL for (int i = 1; i < FOLDED; i++)
            all = NAMED(fold_both)(all, side[i], kind);
    } else if (n >= COUNT) {
        all = *(const vec *)(row + at);
        at += COUNT;
    }
    for (; end - at >= COUNT; at += COUNT)
        all = NAMED(fold_both)(all, *(const vec *)(row + at), kind);
    if (at < end) {
        const ptrdiff_t o = at < width - COUNT ? at : width - COUNT;
        mask place;
        UNROLL for (int i = 0; i < COUNT; i++)
            place[i] = (BITS)i;
        const mask inside = (mask)(place >= (BITS)(at - o)) & (mask)(place < (BITS)(end - o));
        const ELEMENT blank = maximum ? row[at] : (ELEMENT)-(ELEMENT)0; /* or a zero would lose its sign */
        const vec none = blank - (vec){0};
        const vec rest = SELECT(vec, mask, inside, *(const vec *)(row + o), none);
        all = n < COUNT ? rest : NAMED(fold_both)(all, rest, kind);
    }
    *(vec *)lanes = all;
}

#define LEVEL(lower, upper) \
    for (ptrdiff_t i = 0; 2 * i < left; i++) \
        v[i] = NAMED(fold_both)(SHUFFLE(v[2 * i], v[2 * i + 1], lower), SHUFFLE(v[2 * i], v[2 * i + 1], upper), kind); \
    left = (left + 1) / 2;

/* to[k], k < count <= COUNT, of the vectors of `count` spans, which are lost; divided by by[k] unless that is NULL. */
static ALWAYS_INLINE void NAMED(spans_of)(ELEMENT *to, ELEMENT *lanes, ptrdiff_t count, const ELEMENT *by, int kind)
{
    vec *v = (vec *)lanes;
    ptrdiff_t left = count;
    LEVEL(LOWER_1, UPPER_1)
#if ELEMENT_BYTES <= 4
    LEVEL(LOWER_2, UPPER_2)
#endif
#if ELEMENT_BYTES <= 2
    LEVEL(LOWER_4, UPPER_4)
#endif
#if ELEMENT_BYTES == 1
    LEVEL(LOWER_8, UPPER_8)
#endif
#if VECTOR_BYTES == 64
    LEVEL(FIRST_2, SECOND_2)
#endif
#if VECTOR_BYTES >= 32
    LEVEL(FIRST_1, SECOND_1)
#endif
#ifdef FLOATING
    if (by)
        v[0] /= *(const vec *)by;
#endif
    memcpy(to, v, count * sizeof *to);
}
#undef LEVEL

static void NAMED(spans)(ELEMENT *to, ELEMENT *lanes, ptrdiff_t count, const ELEMENT *by, int maximum)
{
    if (maximum)
        NAMED(spans_of)(to, lanes, count, by, FOLD_CAREFUL);
    else
        NAMED(spans_of)(to, lanes, count, by, FOLD_SUM);
}
#undef vec
#undef mask
#endif
