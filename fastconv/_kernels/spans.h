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

#define ITSELF(i) (i)

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

/* FOLDED vectors side by side over whole * FOLDED of them, whose halves are added up where they are many. */
static ALWAYS_INLINE void NAMED(span_sides)(vec *side, const ELEMENT *x, ptrdiff_t whole, int kind)
{
    if (whole > CHUNK) {
        const Fold f = {1, 0, whole, FOLDED * COUNT};
        const FoldRun once = {0, whole, 1, 0, 1, FOLD_PLAIN};
        NAMED(fold_windows)((ELEMENT *)side, x, &f, &once, 1, FOLDED * COUNT, kind != FOLD_SUM);
        return;
    }
    UNROLL for (int i = 0; i < FOLDED; i++)
        side[i] = *(const vec *)(x + i * COUNT);
    while (--whole) {
        x += FOLDED * COUNT;
        UNROLL for (int i = 0; i < FOLDED; i++)
            side[i] = NAMED(fold_both)(side[i], *(const vec *)(x + i * COUNT), kind);
    }
}

/* A vector of the elements x[0], ..., x[n - 1], of which there are `after` more behind and some before: a vector or more
 * in all. */
static ALWAYS_INLINE vec NAMED(span_of)(const ELEMENT *x, ptrdiff_t n, ptrdiff_t after, int kind)
{
    const ELEMENT *end = x + n;
    vec all;
    if (n >= FOLDED * COUNT) {
        vec side[FOLDED];
        const ptrdiff_t whole = n / (FOLDED * COUNT);
        NAMED(span_sides)(side, x, whole, kind);
        x += whole * FOLDED * COUNT;
        all = NAMED(fold_both)(NAMED(fold_both)(side[0], side[1], kind), NAMED(fold_both)(side[2], side[3], kind), kind);
    } else if (n >= COUNT) {
        all = *(const vec *)x;
        x += COUNT;
    }
    for (; end - x >= COUNT; x += COUNT)
        all = NAMED(fold_both)(all, *(const vec *)x, kind);
    if (x < end) {
        const ptrdiff_t back = COUNT - (end - x) - after, before = back > 0 ? back : 0;
        const ELEMENT blank = kind == FOLD_SUM ? (ELEMENT)-(ELEMENT)0 : *x; /* or a zero would lose its sign */
        const mask place = {LIST(ITSELF, 0)};
        const mask inside = (mask)(place >= (BITS)before) & (mask)(place < (BITS)(before + (end - x)));
        const vec rest = SELECT(vec, mask, inside, *(const vec *)(x - before), blank - (vec){0});
        all = n < COUNT ? rest : NAMED(fold_both)(all, rest, kind);
    }
    return all;
}

/* A vector of the elements row[from], ..., row[from + n - 1]; the row has `width` elements, a vector at least. */
static void NAMED(span)(ELEMENT *lanes, const ELEMENT *row, ptrdiff_t width, ptrdiff_t from, ptrdiff_t n, int maximum)
{
    if (maximum)
        *(vec *)lanes = NAMED(span_of)(row + from, n, width - from - n, FOLD_CAREFUL);
    else
        *(vec *)lanes = NAMED(span_of)(row + from, n, width - from - n, FOLD_SUM);
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
