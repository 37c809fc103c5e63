/* Rows of the input under windows of two or three columns, two columns apart, from what each window gives:
 *
 *     windows      0     1     2            padding 0:  first = v, of 3 columns with the v before;  second = v
 *     columns    0 1 2 3 4 5 6              padding 1:  first = v;  second = the v after, of 3 columns with v
 *
 * Columns alternate between those that one window touches and those that two may, so sums of v and of v shifted by one
 * are zipped. v is a row of outputs times its share, or the sum of two. Part of `spread.h`; the file includes itself
 * once per element type. Without shuffles `pairs_least` is out of reach.
 */
#ifndef FASTCONV_SPREAD_PAIRS_H
#define FASTCONV_SPREAD_PAIRS_H

#include "shuffle.h"

#ifdef SHUFFLES
#if VECTOR_BYTES >= 32 /* most stores of 64 bytes would cross a line */
#define BYTES 32
#else
#define BYTES 16
#endif
#define EACH_TYPE "spread_pairs.h"
#include "each_float.h"
#undef EACH_TYPE
#define pairs_least(size) ((ptrdiff_t)(BYTES / (size))) /* outputs of a row */
#else
#define pairs_least(size) PTRDIFF_MAX
#define spread_pairs_f32(...) ((void)0)
#define spread_pairs_f64(...) ((void)0)
#endif

#elif defined(ELEMENT)

#define vec PASTE(pairs_vec, SUFFIX)
typedef ELEMENT vec __attribute__((vector_size(BYTES), aligned(ELEMENT_BYTES), may_alias));

/* What the windows at g give, and those of the row below, `ow` further on, if there are two `rows`: times `scale`, or
 * by by[0], by[1] and *along. Arguments from `rows` on are constants. */
#define given PASTE(pairs_given, SUFFIX)
static ALWAYS_INLINE vec given(const ELEMENT *g, ptrdiff_t ow, const ELEMENT *by, const ELEMENT *along, ELEMENT scale,
                               const int rows, const int equal)
{
    vec v = *(const vec *)g;
    if (!equal)
        v *= by[0];
    if (rows == 2) {
        vec below = *(const vec *)(g + ow);
        if (!equal)
            below *= by[1];
        v += below;
    }
    return equal ? v * scale : v * *(const vec *)along;
}

/* From the windows at x, which are the first or the last ones of their row or not: columns 2 * x to 2 * x + COUNT, and
 * as many after them. */
#define pair PASTE(pairs_pair, SUFFIX)
static ALWAYS_INLINE void pair(vec *low, vec *high, const ELEMENT *g, ptrdiff_t ow, const ELEMENT *by,
                               const ELEMENT *along, ELEMENT scale, const int left, const int right, const int rows,
                               const int equal, const int kernel, const int odd)
{
    const ptrdiff_t to_it = odd ? 1 : -1;
    vec here = given(g, ow, by, along, scale, rows, equal), first = here, second = here, beside = {0};
    if (odd && right)
        beside = SHUFFLE(here, beside, LATER);
    else if (!odd && left)
        beside = SHUFFLE(here, beside, EARLIER);
    else
        beside = given(g + to_it, ow, by, along + to_it, scale, rows, equal);
    if (odd)
        second = beside;
    if (odd && kernel == 3)
        second += here;
    else if (kernel == 3)
        first += beside;
    *low = SHUFFLE(first, second, ZIP_LOW);
    *high = SHUFFLE(first, second, ZIP_HIGH);
}

#define ends PASTE(pairs_ends, SUFFIX)
static NEVER_INLINE void ends(ELEMENT *to, const ELEMENT *end, vec v)
{
    memcpy(to, &v, (size_t)(end - to) * ELEMENT_BYTES);
}

/* The row of iw elements at `to` from ow windows, a vector or more; what follows it may be overwritten up to `end`. */
#define row PASTE(pairs_row, SUFFIX)
static ALWAYS_INLINE void row(ELEMENT *to, const ELEMENT *end, ptrdiff_t iw, ptrdiff_t ow, const ELEMENT *g,
                              const ELEMENT *by, const ELEMENT *along, ELEMENT scale, const int rows, const int equal,
                              const int kernel, const int odd)
{
#define PAIR(x, left, right) \
    pair(&low, &high, g + (x), ow, by, along + (x), scale, left, right, rows, equal, kernel, odd)
#define BOTH(x) (*(vec *)(to + 2 * (x)) = low, *(vec *)(to + 2 * (x) + COUNT) = high)
    const ptrdiff_t last = ow - COUNT;
    vec low, high;
    if (last > 0) {
        PAIR(0, 1, 0);
        BOTH(0);
    }
    for (ptrdiff_t x = COUNT; x < last; x += COUNT) {
        PAIR(x, 0, 0);
        BOTH(x);
    }
    if (last > 0)
        PAIR(last, 0, 1);
    else
        PAIR(last, 1, 1);
    if (ow % COUNT == 0 || ow % COUNT > COUNT / 2) /* else they are those of the vector before */
        *(vec *)(to + 2 * last) = low;
    if (end - to - 2 * last < 2 * COUNT)
        ends(to + 2 * last + COUNT, end, high);
    else
        *(vec *)(to + 2 * last + COUNT) = high;
    for (ptrdiff_t c = 2 * ow; c < iw; c++)
        to[c] = c == 2 * ow && kernel == 3 && !odd
                    ? given(g + last, ow, by, along + last, scale, rows, equal)[COUNT - 1]
                    : 0;
#undef PAIR
#undef BOTH
}

/* Rows y to z of the input at `to`; arguments from `equal` on are constants. */
#define every PASTE(pairs_every, SUFFIX)
static ALWAYS_INLINE void every(ELEMENT *to, const ELEMENT *end, const spread_plan *p, const ELEMENT *g,
                                const ELEMENT *by, ELEMENT scale, ptrdiff_t y, ptrdiff_t z, const int equal,
                                const int kernel, const int odd)
{
    const ptrdiff_t iw = p->iw, ow = p->ow, *begin = p->begin, *past = p->end;
    const ELEMENT *along = p->along;
    for (; y < z; y++, to += iw) {
        const ptrdiff_t b = begin[y];
        if (past[y] - b == 2)
            row(to, end, iw, ow, g + b * ow, by + b, along, scale, 2, equal, kernel, odd);
        else if (past[y] - b == 1)
            row(to, end, iw, ow, g + b * ow, by + b, along, scale, 1, equal, kernel, odd);
        else
            memset(to, 0, (size_t)iw * ELEMENT_BYTES);
    }
}

/* Rows y to z of the input at `to`, from the rows of outputs at g, whose shares are by[]. */
static NEVER_INLINE void PASTE(spread_pairs, SUFFIX)(ELEMENT *to, const ELEMENT *end, const spread_plan *p,
                                                     const ELEMENT *g, const ELEMENT *by, ptrdiff_t y, ptrdiff_t z)
{
    const ELEMENT scale = by[0] * *(const ELEMENT *)p->along;
#define EVERY(equal, kernel, odd) every(to, end, p, g, by, scale, y, z, equal, kernel, odd)
    if (p->kw == 2 && p->pw)
        p->equal ? EVERY(1, 2, 1) : EVERY(0, 2, 1);
    else if (p->kw == 2)
        p->equal ? EVERY(1, 2, 0) : EVERY(0, 2, 0);
    else if (p->pw)
        p->equal ? EVERY(1, 3, 1) : EVERY(0, 3, 1);
    else
        p->equal ? EVERY(1, 3, 0) : EVERY(0, 3, 0);
#undef EVERY
}
#undef vec
#undef given
#undef pair
#undef ends
#undef row
#undef every
#endif
