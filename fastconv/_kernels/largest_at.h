/* The largest of many windows side by side, and where in its window each was, of the first of equals.
 *
 *     lanes:  window j         window j + 1     ...      best[j]   the largest so far
 *             tap 0, 1, 2 ...  tap 0, 1, 2 ...           key[j]    which tap that was, as its distance in the plane
 *
 * Both stay in registers over all taps of as many windows as a vector holds; keys are as wide as the elements, and
 * become indices at the end. Padding is the lowest value and never larger than what the key starts at, the first tap
 * inside the image. NaN may get lost at first, is noticed by a sum, and the windows are taken again, as in `strips.h`.
 *
 * For elements of 4 and 8 bytes. The file includes itself once per element type.
 */
#ifndef FASTCONV_LARGEST_AT_H
#define FASTCONV_LARGEST_AT_H

#include <stdint.h>
#include <string.h>
#include "far.h"
#include "keep.h"
#include "shuffle.h"
#include "split.h"
#include "vectors.h"

typedef struct {
    const void *x;         /* tap 0 of window 0 */
    ptrdiff_t rows;        /* of taps: */
    const ptrdiff_t *from; /* the element that each starts at, */
    const int64_t *keys;   /* and its distance in the plane */
    ptrdiff_t taps, tap;   /* taps of a row, and the elements between them; */
    ptrdiff_t key;         /* their distance in the plane */
    ptrdiff_t next;        /* elements between windows, */
    const Split *split;    /* or how they are picked, if it is not NULL */
    ptrdiff_t pixel;       /* neighbours whose windows are at the same place: */
    int64_t index, step;   /* the place of tap 0 of window 0, and the distance between pixels of windows in the plane */
    /* along rows: */
    const void *places;    /* places of as many windows as a pixel and a vector have, from there, as wide as elements */
    ptrdiff_t before;      /* places of padding before tap 0 of window 0, in the plane */
    const void *blank;     /* the lowest element */
    /* of channels, all in the image: */
    ptrdiff_t fresh;       /* taps of a row that the window before lacks, of images beyond the L2 cache; else 0 */
} Windows;

#ifdef SHUFFLES
#define BYTES VECTOR_BYTES
#define AT_MOST 4  /* vectors of windows side by side */
#define AT_MANY 32 /* taps of windows that are not asked for: prefetchers foresee these */
#define EVERY_OTHER(i) ((i) < COUNT / 2 ? 2 * (i) : 2 * (i) + 1) /* of a and b that share an element */
#define EACH_TYPE "largest_at.h"
#include "each_type.h"
#undef EACH_TYPE
#undef BYTES
#define largest_lanes(size) ((size) < 4 ? 0 : VECTOR_BYTES / (ptrdiff_t)(size))
#define largest_at(best, index, w, n) \
    _Generic((best), float *: largest_at_f32, double *: largest_at_f64, int32_t *: largest_at_i32, \
             int64_t *: largest_at_i64, default: largest_at_none)(best, index, w, n)
#define largest_channels(best, index, w, count) \
    _Generic((best), float *: largest_channels_f32, double *: largest_channels_f64, int32_t *: largest_channels_i32, \
             int64_t *: largest_channels_i64, default: largest_at_none)(best, index, w, count)
#else
#define largest_lanes(size) ((ptrdiff_t)0)
#define largest_at(best, index, w, n) ((void)0)
#define largest_channels(best, index, w, count) ((void)0)
#endif
static inline void largest_at_none(void *best, int64_t *index, const Windows *w, ptrdiff_t n)
{
    (void)best, (void)index, (void)w, (void)n;
}

#elif ELEMENT_BYTES >= 4

#define vec NAMED(at_vec)
#define mask NAMED(at_mask)
#define wide NAMED(at_wide)
#define loaded NAMED(at_loaded)
typedef ELEMENT vec __attribute__((vector_size(BYTES), aligned(ELEMENT_BYTES), may_alias));
typedef BITS mask __attribute__((vector_size(BYTES)));
typedef BITS loaded __attribute__((vector_size(BYTES), aligned(ELEMENT_BYTES), may_alias));
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

/* How far beyond tap 0 the first tap inside the image is, for the windows from window `first` on. */
static NEVER_INLINE mask NAMED(at_inside)(const Windows *w, ptrdiff_t first)
{
    BITS key[COUNT] = {0};
    mask all;
    for (int i = 0; i < COUNT; i++) {
        const ptrdiff_t outside = w->before - (first + i) / w->pixel * w->step;
        if (outside <= 0)
            break;
        key[i] = (BITS)((outside + w->key - 1) / w->key * w->key);
    }
    memcpy(&all, key, sizeof all);
    return all;
}

/* The distances of the windows from window j on, but for j times the step. */
static ALWAYS_INLINE mask NAMED(at_places)(const Windows *w, ptrdiff_t j)
{
    const ptrdiff_t pixels = w->pixel == 1 ? j : j / w->pixel;
    return *(const loaded *)((const BITS *)w->places + (j - pixels * w->pixel)) + (BITS)((pixels - j) * w->step);
}

/* `all` and `key` after tap v of key `now`, by way of variables that are in no array; a function of their addresses has
 * gcc 12 keep them in memory, and so has one that takes several of them from arrays in a loop. */
#ifdef FLOATING
#define AT_SEE(sum, v) LOADED_ONCE(v); sum += v;
#define TAKE(all, key, v, now, seen) do { \
        vec largest = all; \
        mask its = key; \
        if (careful) { \
            const mask better = ~(mask)(v <= largest) & (mask)(largest == largest); \
            largest = SELECT(vec, mask, better, v, largest); \
            its = (better & now) | (~better & its); \
        } else { \
            AT_SEE(seen, v) \
            TAKE_LARGER(largest, its, v, now) \
        } \
        all = largest, key = its; \
    } while (0)
#else
#define AT_SEE(sum, v)
#define TAKE(all, key, v, now, seen) do { \
        vec largest = all; \
        mask its = key; \
        TAKE_LARGER(largest, its, v, now) \
        all = largest, key = its; \
    } while (0)
#endif
#define TAKE_LARGER(all, key, v, now) \
    vec before = all, larger; /* another vector to the compiler: the maximum is not to wait for the comparison */ \
    LOADED_ONCE(before); \
    _Pragma("GCC unroll 1") for (int i = 0; i < COUNT; i++) \
        key[i] = v[i] > before[i] ? now[i] : key[i]; \
    LARGER_LANES(larger, v, all); \
    all = larger;

/* `many` vectors of windows from window j on, `at` the distances of COUNT windows. A key is made once for all of
 * them. What may be NaN is added to a sum of each vector's own: a single one would be waited for, add after add. */
static ALWAYS_INLINE void NAMED(at_some)(ELEMENT *best, int64_t *index, const Windows *w, ptrdiff_t j, ptrdiff_t next,
                                         mask at, int many, int careful, vec *seen)
{
    const mask step = (BITS)w->key - (mask){0};
    vec all[AT_MOST];
    mask key[AT_MOST];
    UNROLL for (int m = 0; m < many; m++) {
        const ptrdiff_t first = j + m * COUNT;
        all[m] = *(const ELEMENT *)w->blank - (vec){0};
        key[m] = (BITS)w->keys[0] - (mask){0};
        if (first * w->step < w->before * w->pixel)
            key[m] += NAMED(at_inside)(w, first);
    }
    for (ptrdiff_t r = 0; r < w->rows; r++) {
        const ELEMENT *x = (const ELEMENT *)w->x + j * next + w->from[r];
        mask now = (BITS)w->keys[r] - (mask){0};
        for (ptrdiff_t k = w->taps; k > 0; k--, x += w->tap, now += step)
            UNROLL for (int m = 0; m < many; m++) {
                vec v = NAMED(at_load)(x + m * COUNT * next, next);
                TAKE(all[m], key[m], v, now, seen[m]);
            }
    }
    UNROLL for (int m = 0; m < many; m++) {
        const mask place = key[m] + at + (BITS)(w->index + (j + m * COUNT) * w->step);
        *(vec *)(best + m * COUNT) = all[m];
        *(wide *)(index + m * COUNT) = __builtin_convertvector(place, wide);
    }
}

/* Whether a NaN was among what has been seen. */
static ALWAYS_INLINE int NAMED(at_lost)(const vec *seen)
{
    int64_t any = 0;
#ifdef FLOATING
    const vec sum = (seen[0] + seen[1]) + (seen[2] + seen[3]);
    const mask nan = (mask)(sum != sum);
    int64_t words[BYTES / 8];
    memcpy(words, &nan, sizeof words);
    UNROLL for (int i = 0; i < BYTES / 8; i++)
        any |= words[i];
#endif
    return any != 0;
}

/* All n windows, `next` elements apart. Says whether a NaN may have been lost. */
static ALWAYS_INLINE int NAMED(at_apart)(ELEMENT *best, int64_t *index, const Windows *w, ptrdiff_t n, int careful)
{
    ELEMENT few[COUNT];
    int64_t places[COUNT];
    vec seen[AT_MOST] = {{0}};
    mask at; /* loaded from the places, it would have gcc 12 keep the largest of several vectors in memory */
    for (int i = 0; i < COUNT; i++)
        at[i] = (BITS)(i * w->step);
    const int many = w->next == 1 && !careful && w->pixel == 1;
    ptrdiff_t j = 0;
    for (; many && j + AT_MOST * COUNT <= n; j += AT_MOST * COUNT)
        NAMED(at_some)(best + j, index + j, w, j, 1, at, AT_MOST, careful, seen);
    for (; many && j + 2 * COUNT <= n; j += 2 * COUNT)
        NAMED(at_some)(best + j, index + j, w, j, 1, at, 2, careful, seen);
    for (; j < n; j += COUNT) {
        if (j && j + COUNT > n)
            j = n - COUNT;
        ELEMENT *to = n < COUNT ? few : best + j;
        int64_t *place = n < COUNT ? places : index + j;
        if (w->pixel > 1)
            at = NAMED(at_places)(w, j);
        if (w->next == 1)
            NAMED(at_some)(to, place, w, j, 1, at, 1, careful, seen);
        else if (w->next == 2)
            NAMED(at_some)(to, place, w, j, 2, at, 1, careful, seen);
        else
            NAMED(at_some)(to, place, w, j, w->next, at, 1, careful, seen);
    }
    if (n < COUNT) {
        memcpy(best, few, (size_t)n * sizeof *best);
        memcpy(index, places, (size_t)n * sizeof *index);
    }
    return NAMED(at_lost)(seen);
}

#include "largest_far.h"
#include "largest_channels.h"
#ifdef SPLITS
#include "largest_split.h"
#endif

/* In one function with the other, the largest of several vectors would stay in memory. */
static NEVER_INLINE void NAMED(largest_apart)(ELEMENT *best, int64_t *index, const Windows *w, ptrdiff_t n)
{
    if (NAMED(at_apart)(best, index, w, n, 0))
        NAMED(at_apart)(best, index, w, n, 1);
}

static inline void NAMED(largest_at)(ELEMENT *best, int64_t *index, const Windows *w, ptrdiff_t n)
{
#ifdef SPLITS
    if (w->split) {
        NAMED(largest_split)(best, index, w, n);
        return;
    }
#endif
    NAMED(largest_apart)(best, index, w, n);
}
#undef vec
#undef mask
#undef wide
#undef loaded
#undef AT_SEE
#undef TAKE
#undef TAKE_LARGER
#endif
