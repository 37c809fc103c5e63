/* The largest of many windows side by side, and where in its window each was, of the first of equals.
 *
 *     lanes:  window j         window j + 1     ...      best[j]   the largest so far
 *             tap 0, 1, 2 ...  tap 0, 1, 2 ...           key[j]    which tap that was, as its distance in the plane
 *
 * Both stay in registers over all taps of as many windows as a vector holds; keys are as wide as the elements, and become
 * indices at the end. Padding is the lowest value and never larger than what the key starts at, the first tap inside the
 * image. NaN may get lost at first, is noticed by a sum, and the windows are taken again, as in `strips.h`.
 *
 * For elements of 4 and 8 bytes. The file includes itself once per element type.
 */
#ifndef FASTCONV_LARGEST_AT_H
#define FASTCONV_LARGEST_AT_H

#include <stdint.h>
#include <string.h>
#include "keep.h"
#include "shuffle.h"
#include "vectors.h"

typedef struct {
    const void *x;        /* tap 0 of window 0 */
    ptrdiff_t rows, row;  /* rows of taps, and the elements between them; */
    const int64_t *keys;  /* the distance of each row in the plane */
    ptrdiff_t taps, tap;  /* taps of a row, and the elements between them; */
    ptrdiff_t key;        /* their distance in the plane */
    ptrdiff_t next;       /* elements between windows */
    ptrdiff_t before;     /* places of padding before tap 0 of window 0, in the plane */
    int64_t index, step;  /* the place of tap 0 of window 0, and the distance between windows in the plane */
    const void *blank;    /* the lowest element */
} Windows;

#ifdef SHUFFLES
#define BYTES VECTOR_BYTES
#define EVERY_OTHER(i) ((i) < COUNT / 2 ? 2 * (i) : 2 * (i) + 1) /* of a and b that share an element */
#define EACH_TYPE "largest_at.h"
#include "each_type.h"
#undef EACH_TYPE
#undef BYTES
#define largest_lanes(size) ((size) < 4 ? 0 : VECTOR_BYTES / (ptrdiff_t)(size))
#define largest_at(best, index, w, n) \
    _Generic((best), float *: largest_at_f32, double *: largest_at_f64, int32_t *: largest_at_i32, \
             int64_t *: largest_at_i64, default: largest_at_none)(best, index, w, n)
#else
#define largest_lanes(size) ((ptrdiff_t)0)
#define largest_at(best, index, w, n) ((void)0)
#endif
static inline void largest_at_none(void *best, int64_t *index, const Windows *w, ptrdiff_t n)
{
    (void)best, (void)index, (void)w, (void)n;
}

#elif ELEMENT_BYTES >= 4

#define vec NAMED(at_vec)
#define mask NAMED(at_mask)
#define wide NAMED(at_wide)
typedef ELEMENT vec __attribute__((vector_size(BYTES), aligned(ELEMENT_BYTES), may_alias));
typedef BITS mask __attribute__((vector_size(BYTES)));
typedef int64_t wide __attribute__((vector_size(COUNT * 8), aligned(8), may_alias));

/* Tap x of windows `next` elements apart. */
static ALWAYS_INLINE vec NAMED(at_load)(const ELEMENT *x, ptrdiff_t next)
{
    if (next == 1)
        return *(const vec *)x;
    if (next == 2) { /* nothing is read beyond the last one */
        const vec a = *(const vec *)x, b = *(const vec *)(x + COUNT - 1);
        return SHUFFLE(a, b, EVERY_OTHER);
    }
    vec v;
    for (int i = 0; i < COUNT; i++)
        v[i] = x[i * next];
    return v;
}

/* COUNT windows from window j on, `at` their distances. */
static ALWAYS_INLINE void NAMED(at_some)(ELEMENT *best, int64_t *index, const Windows *w, ptrdiff_t j, ptrdiff_t next,
                                         wide at, int careful, vec *seen)
{
    const ELEMENT *x = (const ELEMENT *)w->x + j * next;
    vec all = *(const ELEMENT *)w->blank - (vec){0};
    mask key = (BITS)w->keys[0] - (mask){0};
    for (int i = 0; i < COUNT && (j + i) * w->step < w->before; i++)
        key[i] += (BITS)((w->before - (j + i) * w->step + w->key - 1) / w->key * w->key);
    for (ptrdiff_t r = 0; r < w->rows; r++)
        for (ptrdiff_t k = 0; k < w->taps; k++) {
            vec v = NAMED(at_load)(x + r * w->row + k * w->tap, next), larger;
            const BITS now = (BITS)(w->keys[r] + k * w->key);
#ifdef FLOATING
            if (careful) {
                const mask better = ~(mask)(v <= all) & (mask)(all == all);
                all = SELECT(vec, mask, better, v, all);
                key = (better & now) | (~better & key);
                continue;
            }
            LOADED_ONCE(v);
            *seen += v;
#endif
            vec before = all; /* another vector to the compiler: the maximum is not to wait for the comparison */
            LOADED_ONCE(before);
            _Pragma("GCC unroll 1") for (int i = 0; i < COUNT; i++)
                key[i] = v[i] > before[i] ? now : key[i];
            LARGER_LANES(larger, v, all);
            all = larger;
        }
    *(vec *)best = all;
    *(wide *)index = at + __builtin_convertvector(key, wide) + (w->index + j * w->step);
}

/* All n windows. Says whether a NaN may have been lost. */
static ALWAYS_INLINE int NAMED(at_all)(ELEMENT *best, int64_t *index, const Windows *w, ptrdiff_t n, int careful)
{
    ELEMENT few[COUNT];
    int64_t places[COUNT];
    vec seen = {0};
    wide at;
    for (int i = 0; i < COUNT; i++)
        at[i] = i * w->step;
    for (ptrdiff_t j = 0; j < n; j += COUNT) {
        if (j && j + COUNT > n)
            j = n - COUNT;
        ELEMENT *to = n < COUNT ? few : best + j;
        int64_t *place = n < COUNT ? places : index + j;
        if (w->next == 1)
            NAMED(at_some)(to, place, w, j, 1, at, careful, &seen);
        else if (w->next == 2)
            NAMED(at_some)(to, place, w, j, 2, at, careful, &seen);
        else
            NAMED(at_some)(to, place, w, j, w->next, at, careful, &seen);
    }
    if (n < COUNT) {
        memcpy(best, few, n * sizeof *best);
        memcpy(index, places, n * sizeof *index);
    }
    int64_t any = 0;
#ifdef FLOATING
    const mask nan = (mask)(seen != seen);
    int64_t words[BYTES / 8];
    memcpy(words, &nan, sizeof words);
    UNROLL for (int i = 0; i < BYTES / 8; i++)
        any |= words[i];
#endif
    return any != 0;
}

static NEVER_INLINE void NAMED(largest_at)(ELEMENT *best, int64_t *index, const Windows *w, ptrdiff_t n)
{
    if (NAMED(at_all)(best, index, w, n, 0))
        NAMED(at_all)(best, index, w, n, 1);
}
#undef vec
#undef mask
#undef wide
#endif
