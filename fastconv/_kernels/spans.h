/* The largest or the sum of each of many spans of rows, for as many spans at a time as a vector has lanes.
 *
 *     span:    each span to one vector, whose lanes still have to be combined     lanes[k] = a a a a
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

typedef struct {
    ptrdiff_t start, taps, after; /* a span: its first element, how many it has, and how many more lie behind */
} Along;

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
#define span(lanes, x, where, count, maximum) BY_TYPE(span, lanes)(lanes, x, where, count, maximum)
#define spans(to, lanes, count, by, maximum) BY_TYPE(spans, to)(to, lanes, count, by, maximum)
#else
#define span_lanes(size) ((ptrdiff_t)0)
#define span(lanes, x, where, count, maximum) ((void)0)
#define spans(to, lanes, count, by, maximum) ((void)0)
#endif

#elif defined(ELEMENT)

#define vec NAMED(fold_vec)
#define mask NAMED(fold_mask)

#ifdef FLOATING
/* The sum of `whole` * FOLDED vectors, by halves. */
static NEVER_INLINE void NAMED(span_long)(vec *all, const ELEMENT *x, ptrdiff_t whole)
{
    const Fold f = {1, 0, whole, FOLDED * COUNT, FOLDED * COUNT};
    const FoldRun once = {0, whole, 1, 0, {1, FOLD_PLAIN}};
    vec side[FOLDED];
    NAMED(fold_windows)((ELEMENT *)side, x, &f, &once, 1, FOLDED * COUNT, 0);
    *all = (side[0] + side[1]) + (side[2] + side[3]);
}
#endif

/* Where the condition holds the elements at x, elsewhere what changes nothing: of sums not even the sign of a zero. */
static ALWAYS_INLINE vec NAMED(span_part)(const ELEMENT *x, mask inside, ELEMENT some, int kind)
{
    const ELEMENT blank = kind == FOLD_SUM ? (ELEMENT)-(ELEMENT)0 : some;
    return SELECT(vec, mask, inside, *(const vec *)x, blank - (vec){0});
}

/* What may be NaN is added to `seen`. */
static ALWAYS_INLINE void NAMED(span_see)(vec *seen, vec v, int kind)
{
#ifdef FLOATING
    if (kind == FOLD_LARGEST)
        *seen += v;
#else
    (void)seen, (void)v, (void)kind;
#endif
}

static ALWAYS_INLINE vec NAMED(span_take)(vec all, vec v, int kind, vec *seen)
{
#ifdef FLOATING
    if (kind == FOLD_LARGEST)
        LOADED_ONCE(v);
#endif
    NAMED(span_see)(seen, v, kind);
    return NAMED(fold_both)(all, v, kind);
}

/* A vector of the n elements from x on, with `after` more behind and some before them: a vector or more in all. */
static ALWAYS_INLINE vec NAMED(span_of)(const ELEMENT *x, ptrdiff_t n, ptrdiff_t after, int kind, vec *seen)
{
#define SPAN_TAKE(to, i) to = NAMED(span_take)(to, *(const vec *)(x + (i) * COUNT), kind, seen + (i) % 2)
    const mask place = {LIST(ITSELF, 0)};
    const ELEMENT *end = x + n;
    if (n < COUNT) {
        const ptrdiff_t back = COUNT - n - after, before = back > 0 ? back : 0;
        const mask inside = (mask)(place >= (BITS)before) & (mask)(place < (BITS)(before + n));
        return NAMED(span_part)(x - before, inside, *x, kind);
    }
    vec all = *(const vec *)x;
#ifdef FLOATING
    if (kind == FOLD_SUM && n >= CHUNK * FOLDED * COUNT) {
        NAMED(span_long)(&all, x, n / (FOLDED * COUNT));
        x += n / (FOLDED * COUNT) * (FOLDED * COUNT);
    } else
#endif
    if (n >= 4 * COUNT) {
        vec b = *(const vec *)(x + COUNT), c = *(const vec *)(x + 2 * COUNT), d = *(const vec *)(x + 3 * COUNT);
        NAMED(span_see)(seen, (all + b) + (c + d), kind);
        for (x += 4 * COUNT; end - x >= 4 * COUNT; x += 4 * COUNT) {
            SPAN_TAKE(all, 0);
            SPAN_TAKE(b, 1);
            SPAN_TAKE(c, 2);
            SPAN_TAKE(d, 3);
        }
        all = NAMED(fold_both)(NAMED(fold_both)(all, b, kind), NAMED(fold_both)(c, d, kind), kind);
    } else {
        NAMED(span_see)(seen, all, kind);
        x += COUNT;
    }
    for (; end - x >= COUNT; x += COUNT)
        SPAN_TAKE(all, 0);
    if (x < end) {
        const mask inside = (mask)(place >= (BITS)(COUNT - (end - x)));
        all = NAMED(span_take)(all, NAMED(span_part)(end - COUNT, inside, *x, kind), kind, seen);
    }
    return all;
#undef SPAN_TAKE
}

/* A vector of each of `count` spans of x. Says whether a NaN may have been lost. */
static ALWAYS_INLINE int NAMED(span_each)(ELEMENT *lanes, const ELEMENT *x, const Along *where, ptrdiff_t count,
                                          int kind)
{
    vec *v = (vec *)lanes, seen[2] = {{0}};
    for (const Along *end = where + count; where < end; where++)
        *v++ = NAMED(span_of)(x + where->start, where->taps, where->after, kind, seen);
#ifdef FLOATING
    if (kind == FOLD_LARGEST)
        return NAMED(fold_lost)(seen[0] + seen[1]);
#endif
    return 0;
}

static void NAMED(span)(ELEMENT *lanes, const ELEMENT *x, const Along *where, ptrdiff_t count, int maximum)
{
    if (FRACTIONS && !maximum)
        NAMED(span_each)(lanes, x, where, count, FOLD_SUM);
    else if (NAMED(span_each)(lanes, x, where, count, FOLD_LARGEST))
        NAMED(span_each)(lanes, x, where, count, FOLD_CAREFUL);
}

#define LEVEL(so_far, lower, upper) \
    UNROLL for (int i = 0; i < COUNT / (so_far); i++) \
        v[i] = NAMED(fold_both)(SHUFFLE(v[2 * i], v[2 * i + 1], lower), SHUFFLE(v[2 * i], v[2 * i + 1], upper), kind);

/* to[k], k < count <= COUNT, of the vectors of `count` spans; divided by by[k] unless that is NULL. All vectors go
 * through the tree, whatever those beyond the last one hold: so it has no cases. */
static ALWAYS_INLINE void NAMED(spans_of)(ELEMENT *to, const ELEMENT *lanes, ptrdiff_t count, const ELEMENT *by,
                                          int kind)
{
    vec v[COUNT];
    UNROLL for (int i = 0; i < COUNT; i++)
        v[i] = *(const vec *)(lanes + i * COUNT);
    LEVEL(2, LOWER_1, UPPER_1)
#if ELEMENT_BYTES <= 4
    LEVEL(4, LOWER_2, UPPER_2)
#endif
#if ELEMENT_BYTES <= 2
    LEVEL(8, LOWER_4, UPPER_4)
#endif
#if ELEMENT_BYTES == 1
    LEVEL(16, LOWER_8, UPPER_8)
#endif
#if VECTOR_BYTES == 64
    LEVEL(2 * PIECE, FIRST_2, SECOND_2)
#endif
#if VECTOR_BYTES >= 32
    LEVEL(COUNT, FIRST_1, SECOND_1)
#endif
#ifdef FLOATING
    if (by)
        v[0] /= *(const vec *)by;
#endif
    if (count == COUNT)
        *(vec *)to = v[0];
    else
        memcpy(to, v, count * sizeof *to);
}
#undef LEVEL

static void NAMED(spans)(ELEMENT *to, const ELEMENT *lanes, ptrdiff_t count, const ELEMENT *by, int maximum)
{
    if (FRACTIONS && !maximum)
        NAMED(spans_of)(to, lanes, count, by, FOLD_SUM);
    else
        NAMED(spans_of)(to, lanes, count, by, FOLD_CAREFUL);
}
#undef vec
#undef mask
#endif
