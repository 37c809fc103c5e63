/* The largest or the sum of the elements of windows, side by side: the same place of each of many rows.
 *
 *     to[p * ldt + j] = (+) over r, k of  x[from + p * next + r * row + k * tap + j],     0 <= p < count, 0 <= j < n
 *
 * so that a window is `rows` x `taps` rows of n elements: pixels of as many channels, or rows of an image one below the
 * other. FOLDED vectors go over a whole window side by side in registers, MOST_FOLDED if it has MANY elements. A sum of
 * more than CHUNK elements is the sum of its halves, so that rounding errors grow with the logarithm of the count [1].
 * Maxima let NaN get lost, notice that by a sum, and start again, as in `strips.h`. Images that do not stay in the L2
 * cache are read in another order or asked for, see `fold_far.h`.
 *
 * [1] N. J. Higham, "The accuracy of floating point summation", SIAM J. Sci. Comput. 14 (1993) 783-799,
 *     doi:10.1137/0914050.
 *
 * The file includes itself once per element type.
 */
#ifndef FASTCONV_FOLD_H
#define FASTCONV_FOLD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "far.h"
#include "keep.h"
#include "quotient.h"
#include "vectors.h"

#define FRACTIONS ((ELEMENT)0.5 > 0) /* integers have neither means nor NaN, so that no code is made for these */
enum { FOLDED = 4, MOST_FOLDED = 8, MANY = 32 };
enum { FOLD_LARGEST, FOLD_CAREFUL, FOLD_SUM };

typedef struct {
    ptrdiff_t rows, row; /* rows of a window, and the elements from one to the next; */
    ptrdiff_t taps, tap; /* its elements in a row, and those from one to the next */
    ptrdiff_t ldt;       /* from what one window comes to, to the next */
    ptrdiff_t fresh;     /* taps of a row, of images from beyond the L2 cache, that the window before lacks; else 0 */
} Fold;

typedef struct {
    ptrdiff_t from, taps;  /* where its first window starts, and the elements of each window in a row */
    ptrdiff_t count, next; /* windows, and the elements from one to the next */
    FoldEnd end;
} FoldRun;

/* Where vector i of `width` starts: they lie side by side, the last one may overlap the one before, to end where the
 * rows do; or they are the same one of windows `side` elements apart. */
#define SIDE(i) ((i) + 1 < width ? (i) * side : last)

/* The two halves of a window. */
static ALWAYS_INLINE ptrdiff_t halves(const Fold *f, Fold *first, Fold *second)
{
    *first = *second = *f;
    if (f->rows > 1) {
        first->rows = f->rows / 2;
        second->rows = f->rows - first->rows;
        return first->rows * f->row;
    }
    first->taps = f->taps / 2;
    second->taps = f->taps - first->taps;
    return first->taps * f->tap;
}

#define EACH_TYPE "fold.h"
#include "each_type.h"
#undef EACH_TYPE

#define fold_windows(to, x, f, runs, many, n, maximum) BY_TYPE(fold_windows, to)(to, x, f, runs, many, n, maximum)
#define fold_row(to, x, n, maximum) BY_TYPE(fold_row, to)(to, x, n, maximum)

#elif defined(ELEMENT)

#define vec NAMED(fold_vec)
#define mask NAMED(fold_mask)
#define LANES (VECTOR_BYTES ? VECTOR_BYTES / ELEMENT_BYTES : 1)
#if VECTOR_BYTES
typedef ELEMENT vec __attribute__((vector_size(VECTOR_BYTES), aligned(ELEMENT_BYTES), may_alias));
typedef BITS mask __attribute__((vector_size(VECTOR_BYTES)));
#else
typedef ELEMENT vec;
typedef BITS mask;
#endif

static ALWAYS_INLINE vec NAMED(fold_both)(vec a, vec b, int kind)
{
#ifdef FLOATING
    if (kind == FOLD_SUM)
        return a + b;
    if (kind == FOLD_CAREFUL)
        return SELECT(vec, mask, (mask)(a > b) | (mask)(a != a), a, b);
#endif
    vec larger;
    LARGER_LANES(larger, a, b);
    return larger;
}

static ALWAYS_INLINE ELEMENT NAMED(fold_two)(ELEMENT a, ELEMENT b, int maximum)
{
    return maximum ? NAMED(larger)(a, b) : (ELEMENT)(a + b);
}

#ifdef FLOATING
static ALWAYS_INLINE int NAMED(fold_lost)(vec seen)
{
    const mask nan = (mask)(seen != seen);
    BITS lanes[LANES], any = 0;
    memcpy(lanes, &nan, sizeof lanes);
    UNROLL for (int i = 0; i < LANES; i++)
        any |= lanes[i];
    return any != 0;
}
#endif

/* all[i], of `width` vectors side by side, over a window. What may be NaN is added to seen[i % FOLDED]. */
static ALWAYS_INLINE void NAMED(fold_some)(const ELEMENT *x, const Fold *f, int width, ptrdiff_t side, ptrdiff_t last,
                                           int kind, vec *all, vec *seen)
{
    vec v[MOST_FOLDED];
    UNROLL for (int i = 0; i < width; i++)
        v[i] = *(const vec *)(x + SIDE(i));
    for (ptrdiff_t r = 0; r < f->rows; r++)
        for (ptrdiff_t k = r == 0; k < f->taps; k++)
            UNROLL for (int i = 0; i < width; i++) {
                vec next = *(const vec *)(x + r * f->row + k * f->tap + SIDE(i));
#ifdef FLOATING
                if (kind == FOLD_LARGEST) {
                    LOADED_ONCE(next);
                    seen[i % FOLDED] += next;
                }
#endif
                v[i] = NAMED(fold_both)(v[i], next, kind);
            }
    UNROLL for (int i = 0; i < width; i++) {
        all[i] = v[i];
#ifdef FLOATING
        if (kind == FOLD_LARGEST)
            seen[i % FOLDED] += *(const vec *)(x + SIDE(i));
#endif
    }
}

static NEVER_INLINE void NAMED(fold_halves)(const ELEMENT *x, const Fold *f, int width, ptrdiff_t side, ptrdiff_t last,
                                            vec *all)
{
    if (f->rows * f->taps > CHUNK) {
        vec rest[MOST_FOLDED];
        Fold first, second;
        const ptrdiff_t middle = halves(f, &first, &second);
        NAMED(fold_halves)(x, &first, width, side, last, all);
        NAMED(fold_halves)(x + middle, &second, width, side, last, rest);
        for (int i = 0; i < width; i++)
            all[i] += rest[i];
        return;
    }
#define SOME(vectors) case vectors: NAMED(fold_some)(x, f, vectors, side, last, FOLD_SUM, all, NULL); return;
    switch (width) {
        SOME(1) SOME(2) SOME(3) SOME(4) SOME(MOST_FOLDED)
    }
#undef SOME
}

static ALWAYS_INLINE void NAMED(fold_part)(const ELEMENT *x, const Fold *f, int width, ptrdiff_t side, ptrdiff_t last,
                                           int kind, vec *all, vec *seen)
{
    if (kind == FOLD_SUM && f->rows * f->taps > CHUNK) {
        vec sums[MOST_FOLDED]; /* not `all`: what others may point to does not stay in registers */
        NAMED(fold_halves)(x, f, width, side, last, sums);
        UNROLL for (int i = 0; i < width; i++)
            all[i] = sums[i];
    } else
        NAMED(fold_some)(x, f, width, side, last, kind, all, seen);
}

/* The same for one element of each row. */
static ELEMENT NAMED(fold_one)(const ELEMENT *x, const Fold *f, int maximum)
{
    if (!maximum && f->rows * f->taps > CHUNK) {
        Fold first, second;
        const ptrdiff_t middle = halves(f, &first, &second);
        return NAMED(fold_one)(x, &first, 0) + NAMED(fold_one)(x + middle, &second, 0);
    }
    ELEMENT all = x[0];
    for (ptrdiff_t r = 0; r < f->rows; r++)
        for (ptrdiff_t k = r == 0; k < f->taps; k++)
            all = NAMED(fold_two)(all, x[r * f->row + k * f->tap], maximum);
    return all;
}

#include "fold_short.h"
#include "fold_beside.h"
#include "fold_far.h"

#define PART(vectors) do { \
        const int width = vectors; \
        const ptrdiff_t side = LANES, end = n - LANES - j, most = (width - 1) * LANES, last = end < most ? end : most; \
        if (asks) \
            NAMED(fold_ask)(x + j, f, width); \
        NAMED(fold_part)(x + j, f, width, LANES, last, kind, all, seen); \
        UNROLL for (int i = 0; i < width; i++) { \
            if (kind == FOLD_SUM) \
                FOLD_OVER(all[i], over); \
            *(vec *)(to + j + SIDE(i)) = all[i]; \
        } \
    } while (0)

/* All windows of a run. */
static ALWAYS_INLINE void NAMED(fold_run)(ELEMENT *to, const ELEMENT *x, const Fold *f, const FoldRun *run, ptrdiff_t n,
                                          int kind, vec *seen)
{
    const Quotient over = quotient_of(run->end);
    const ELEMENT by = (ELEMENT)over.by;
    const int narrow = n < LANES && f->tap == n && f->taps >= LANES;
    const int asks = f->fresh && f->rows * f->taps < MANY;
    vec all[MOST_FOLDED];
    if (n < LANES && !narrow && NAMED(fold_short)(to, x, f, run, n, kind != FOLD_SUM))
        return;
    if (n == LANES && run->count >= FOLDED) {
        seen[0] += NAMED(fold_beside)(to, x, f, run, kind);
        return;
    }
    if (NAMED(fold_is_far)(f, n, kind)) {
        seen[0] += NAMED(fold_far)(to, x, f, run, n, kind);
        return;
    }
    for (ptrdiff_t p = 0; p < run->count; p++, x += run->next, to += f->ldt) {
        ptrdiff_t j = 0;
        for (; f->rows * f->taps >= MANY && n - j >= MOST_FOLDED * LANES; j += MOST_FOLDED * LANES)
            PART(MOST_FOLDED);
        for (; n >= LANES && n - j > 3 * LANES; j += 4 * LANES)
            PART(4);
        if (n >= LANES && n - j > 2 * LANES)
            PART(3);
        else if (n >= LANES && n - j > LANES)
            PART(2);
        else if (n >= LANES && n - j > 0)
            PART(1);
        if (narrow)
            NAMED(fold_narrow)(to, x, f, n, kind != FOLD_SUM);
        for (; n < LANES && j < n; j++) {
            const ELEMENT one = narrow ? to[j] : NAMED(fold_one)(x + j, f, kind != FOLD_SUM);
            to[j] = over.kind == FOLD_PLAIN ? one : over.kind == FOLD_SCALED ? one * by : one / by;
        }
    }
}
#undef PART

/* `many` runs of windows, one after the other in `to`. Says whether a NaN may have been lost. */
static ALWAYS_INLINE int NAMED(fold_runs)(ELEMENT *to, const ELEMENT *x, const Fold *f, const FoldRun *runs, int many,
                                          ptrdiff_t n, int kind)
{
    vec seen[FOLDED] = {{0}};
    for (int i = 0; i < many; i++) {
        const Fold one = {f->rows, f->row, runs[i].taps, f->tap, f->ldt, f->fresh};
        NAMED(fold_run)(to, x + runs[i].from, &one, runs + i, n, kind, seen);
        to += runs[i].count * f->ldt;
    }
#ifdef FLOATING
    if (kind == FOLD_LARGEST)
        return NAMED(fold_lost)((seen[0] + seen[1]) + (seen[2] + seen[3]));
#endif
    return 0;
}

/* The same; what may have been lost is there. Says whether there may be NaN, if these are maxima. */
static int NAMED(fold_windows)(ELEMENT *to, const ELEMENT *x, const Fold *f, const FoldRun *runs, int many, ptrdiff_t n,
                               int maximum)
{
    if (FRACTIONS && !maximum)
        return NAMED(fold_runs)(to, x, f, runs, many, n, FOLD_SUM);
    if (!NAMED(fold_runs)(to, x, f, runs, many, n, FOLD_LARGEST))
        return n < LANES; /* single elements never lose one */
    NAMED(fold_runs)(to, x, f, runs, many, n, FOLD_CAREFUL);
    return 1;
}

/* The largest or the sum of one short row. */
static void NAMED(fold_row)(ELEMENT *to, const ELEMENT *x, ptrdiff_t n, int maximum)
{
    const Fold f = {1, 0, n, 1, 1};
    *to = NAMED(fold_one)(x, &f, maximum);
}
#undef vec
#undef mask
#undef LANES
#endif
