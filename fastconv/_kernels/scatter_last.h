/* Values added where indices say, channels side by side: the gradient of max pooling with channels last in memory.
 *
 *     index    57 58 57 65 ...   of one window's channels.      tap  0  at 57:  x . x . ...
 *     x         x  x  x  x       Counted from its place they         1     58:  . x . . ...  +
 *     place    57                are few: taps of the pooling        8     65:  . . . x ...
 *
 * so to each tap a vector is added of what belongs there, and zeros, instead of one element after the other. Which taps
 * there are is learned on the way, at first from a window in the middle: what is at none of those known so far is added
 * by itself and makes its tap known, and when there are more than TAPS, all goes one by one. So a wrong guess of where
 * windows lie costs time and no more. Each element's sum has the order of the windows either way.
 *
 * The result is cleared no earlier than needed, so that it is in cache. The file includes itself once per element type.
 */
#ifndef FASTCONV_SCATTER_LAST_H
#define FASTCONV_SCATTER_LAST_H

#include <stdint.h>
#include <string.h>
#include "keep.h"
#include "shuffle.h"

#define SCATTER_NOT 2
#define TAPS 4 /* those of 2 x 2; nine are no faster than single sums */

typedef struct {
    ptrdiff_t outputs[3], place[3]; /* windows along d, h, w; from one to the next, in pixels of the result */
    ptrdiff_t size;                 /* pixels of the result, */
    ptrdiff_t clear;                /* of which so many are zeros and sums so far */
    ptrdiff_t step, width;          /* elements from pixel to pixel; channels */
    ptrdiff_t count, taps[TAPS];    /* known so far */
    ptrdiff_t farthest;             /* of them */
    int many;                       /* 1: there are more */
} Scatter;

#if VECTOR_BYTES >= 32 && defined(SHUFFLES)
#define BYTES 32 /* most of 64 would cross a line */
#define EACH_TYPE "scatter_last.h"
#include "each_float.h"
#undef EACH_TYPE
#undef BYTES
#define scatter_lanes(size) ((size) < 4 ? 0 : (ptrdiff_t)(32 / (size)))
#define scatter_last(out, x, index, s) \
    _Generic((out), float *: scatter_last_f32, double *: scatter_last_f64, default: scatter_none)(out, x, index, s)
#else
#define scatter_lanes(size) ((ptrdiff_t)0)
#define scatter_last(out, x, index, s) 0
#endif
static inline int scatter_none(void *out, const void *x, const int64_t *index, Scatter *s)
{
    return (void)out, (void)x, (void)index, (void)s, 0;
}

#elif defined(ELEMENT)

#define vec NAMED(scatter_vec)
#define mask NAMED(scatter_mask)
#define wide NAMED(scatter_wide)
typedef ELEMENT vec __attribute__((vector_size(BYTES), aligned(ELEMENT_BYTES), may_alias));
typedef BITS mask __attribute__((vector_size(BYTES), aligned(ELEMENT_BYTES), may_alias));
typedef int64_t wide __attribute__((vector_size(BYTES), aligned(8), may_alias));

/* Zeros up to pixel `end`. */
#define clear_to NAMED(scatter_clear_to)
static ALWAYS_INLINE void clear_to(ELEMENT *out, Scatter *s, ptrdiff_t end)
{
    if (end > s->size)
        end = s->size;
    if (s->width == s->step && s->clear < end)
        memset(out + s->clear * s->step, 0, (size_t)((end - s->clear) * s->step) * ELEMENT_BYTES);
    for (ptrdiff_t i = s->clear; s->width < s->step && i < end; i++)
        memset(out + i * s->step, 0, (size_t)s->width * ELEMENT_BYTES);
    if (s->clear < end)
        s->clear = end;
}

#define known NAMED(scatter_known)
static ALWAYS_INLINE int known(const Scatter *s, ptrdiff_t count, ptrdiff_t tap)
{
    for (ptrdiff_t i = 0; i < count; i++)
        if (s->taps[i] == tap)
            return 1;
    return 0;
}

#define learn NAMED(scatter_learn)
static void learn(Scatter *s, ptrdiff_t tap)
{
    if (s->many || known(s, s->count, tap))
        return;
    s->many = s->count == TAPS;
    if (s->many)
        return;
    if (s->count == 0 || tap > s->farthest)
        s->farthest = tap;
    s->taps[s->count++] = tap;
}

/* The indices of channels as wide as elements; `high` is what they all come to. */
#define narrow NAMED(scatter_narrow)
static ALWAYS_INLINE mask narrow(const int64_t *index, wide *high)
{
#if ELEMENT_BYTES == 4
    const wide a = *(const wide *)index, b = *(const wide *)(index + COUNT / 2);
    *high |= a | b;
    return __builtin_shufflevector((mask)a, (mask)b, LIST(EVEN, 0)); /* of little-endian halves */
#else
    return *(const mask *)index;
#endif
}

/* The whole vectors of one window's channels, each to all `count` taps: pixels `at` of the result. False if an index is
 * at none of them. */
#define together NAMED(scatter_together)
static ALWAYS_INLINE int together(ELEMENT *out, const ELEMENT *x, const int64_t *index, const Scatter *s,
                                  const ptrdiff_t *at, const int count)
{
    const ptrdiff_t width = s->width;
    ELEMENT *to[TAPS];
    mask place[TAPS];
    wide high = {0};
    mask left = {0};
    UNROLL for (int i = 0; i < count; i++) {
        to[i] = out + at[i] * s->step;
        place[i] = (BITS)at[i] - (mask){0};
    }
    for (ptrdiff_t c = 0; c + COUNT <= width; c += COUNT) {
        const mask key = narrow(index + c, &high);
        const vec v = *(const vec *)(x + c);
        mask found = {0};
        UNROLL for (int i = 0; i < count; i++) {
            mask here = key == place[i];
            LOADED_ONCE(here); /* once as a vector, for both uses */
            *(vec *)(to[i] + c) += (vec)(here & (mask)v);
            found |= here;
        }
        left |= ~found;
    }
    const wide any = (wide)left | high >> 31;
    int64_t words[BYTES / 8], all = 0;
    memcpy(words, &any, sizeof words);
    UNROLL for (int i = 0; i < BYTES / 8; i++)
        all |= words[i];
    return all == 0;
}

/* One window's channels one by one; those at taps if `count`, which were so many, are left out. False if an index lies
 * outside. */
#define one_by_one NAMED(scatter_one_by_one)
static NEVER_INLINE int one_by_one(ELEMENT *out, const ELEMENT *x, const int64_t *index, Scatter *s, ptrdiff_t place,
                                   ptrdiff_t end, ptrdiff_t count)
{
    for (ptrdiff_t c = 0; c < end; c++) {
        const size_t at = (size_t)index[c];
        if (at >= (size_t)s->size)
            return 0;
        if (known(s, count, (ptrdiff_t)at - place))
            continue;
        clear_to(out, s, (ptrdiff_t)at + 1);
        out[(ptrdiff_t)at * s->step + c] += x[c];
        learn(s, (ptrdiff_t)at - place);
    }
    return 1;
}

/* The window at `place`. */
#define window NAMED(scatter_window)
static ALWAYS_INLINE int window(ELEMENT *out, const ELEMENT *x, const int64_t *index, Scatter *s, ptrdiff_t place)
{
    const ptrdiff_t whole = s->width / COUNT * COUNT, count = s->count;
    ptrdiff_t at[TAPS];
    int n = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        at[n] = place + s->taps[i];
        n += (size_t)at[n] < (size_t)s->size;
    }
    if (n == TAPS ? !together(out, x, index, s, at, TAPS) : !together(out, x, index, s, at, n))
        if (!one_by_one(out, x, index, s, place, whole, count))
            return 0;
    for (ptrdiff_t c = whole; c < s->width; c++) {
        const size_t pixel = (size_t)index[c];
        if (pixel >= (size_t)s->size)
            return 0;
        if ((ptrdiff_t)pixel >= s->clear)
            clear_to(out, s, (ptrdiff_t)pixel + 1);
        out[(ptrdiff_t)pixel * s->step + c] += x[c];
    }
    return 1;
}

/* All windows' x to `out`, all of which is written. False if an index lies outside, and nothing is written there;
 * SCATTER_NOT, before anything is written, if a window in the middle has too many taps: those at edges have fewer. */
static NEVER_INLINE int NAMED(scatter_last)(ELEMENT *out, const ELEMENT *x, const int64_t *index, Scatter *s)
{
    const ptrdiff_t *const n = s->outputs, step = s->step;
    const ptrdiff_t whole = s->width / COUNT * COUNT, z0 = n[0] / 2, y0 = n[1] / 2, o0 = n[2] / 2;
    const ptrdiff_t middle = z0 * s->place[0] + y0 * s->place[1] + o0 * s->place[2];
    const int64_t *const seen = index + ((z0 * n[1] + y0) * n[2] + o0) * step;
    ptrdiff_t left = n[0] * n[1] * n[2];
    for (ptrdiff_t c = 0; c < whole && !s->many; c++)
        if ((size_t)seen[c] < (size_t)s->size)
            learn(s, seen[c] - middle);
    if (s->many)
        return SCATTER_NOT;
    for (ptrdiff_t z = 0; z < n[0]; z++)
        for (ptrdiff_t y = 0; y < n[1]; y++) {
            const ptrdiff_t row = z * s->place[0] + y * s->place[1], end = row + (n[2] - 1) * s->place[2];
            clear_to(out, s, end + s->farthest + 1);
            for (ptrdiff_t o = 0; o < n[2] && !s->many; o++, left--, x += step, index += step) {
                const ptrdiff_t farthest = s->farthest;
                if (!window(out, x, index, s, row + o * s->place[2]))
                    return 0;
                if (s->farthest > farthest)
                    clear_to(out, s, end + s->farthest + 1);
            }
        }
    clear_to(out, s, s->size);
    for (; left > 0; left--, x += step, index += step)
        for (ptrdiff_t c = 0; c < s->width; c++) {
            const size_t at = (size_t)index[c];
            if (at >= (size_t)s->size)
                return 0;
            out[(ptrdiff_t)at * step + c] += x[c];
        }
    return 1;
}
#undef vec
#undef mask
#undef wide
#undef clear_to
#undef known
#undef learn
#undef one_by_one
#undef narrow
#undef together
#undef window
#endif
