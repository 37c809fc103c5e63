/* Elements gathered by a table, the same for many planes or rows: copies of elements of x or zeros, or sums of several.
 *
 *     to[g * across + i] = sum over x and t of x[at[g][t][i]],     0 <= i < size, at[..] < plane
 *
 * where a negative `at` stands for zero. A vector of results is put together from few vectors of x, each of which gives
 * some of its lanes by one shuffle:
 *
 *     x         a b c d | e f g h | ...
 *     zeros     . . . .
 *     part 0    b d . .      lanes of what was there before and of x + 0: 5, 7, 2, 3
 *     part 1    b d f h      lanes of that and of x + 4: 0, 1, 5, 7
 *
 * or, for sums, with zeros in place of what was there before, and added to it: from each of several x, in order of t.
 *
 * Without vectors, or shuffles whose lanes are no constants, `pick_fits` says 0. The file includes itself once per
 * element type.
 */
#ifndef FASTCONV_PICK_H
#define FASTCONV_PICK_H

#include "copy.h"
#include "simd.h"

#if VECTOR_BYTES >= 32 && !defined(__clang__)
#define PICKS
#endif
#define PICK_TABLE 16384 /* bytes of lanes: half of an L1 cache */
#define PICK_PARTS (VECTOR_BYTES ? PICK_TABLE / VECTOR_BYTES : 1)

typedef struct {
    ptrdiff_t groups, size, across; /* of results */
    ptrdiff_t taps, plane;          /* of x */
} PickShape;

typedef struct {
    ptrdiff_t vectors;
    ptrdiff_t to[PICK_PARTS], parts[PICK_PARTS]; /* of each vector of results: its place and how many it has, */
    ptrdiff_t first[PICK_PARTS];                 /* and which is the first */
    ptrdiff_t base[PICK_PARTS];                  /* of each part: its first element of x */
    char lanes[PICK_TABLE] __attribute__((aligned(64)));
} Picks;

#define EACH_TYPE "pick.h"
#include "each_float.h"
#undef EACH_TYPE

#define pick_fits(s, inside, x) _Generic((x), const float *: pick_fits_f32, const double *: pick_fits_f64)(s, inside)
#define pick_table(p, s, at, x) _Generic((x), const float *: pick_table_f32, const double *: pick_table_f64)(p, s, at)
#define pick(to, x, p) _Generic((to), float *: pick_f32, double *: pick_f64)(to, x, p)
#define pick_rows(to, width, end, x, pitch, n, p, v) \
    _Generic((to), float *: pick_rows_f32, double *: pick_rows_f64)(to, width, end, x, pitch, n, p, v)
#define add_rows(to, pitch, stride, x, step, rows, n) \
    _Generic((to), float *: add_rows_f32, double *: add_rows_f64)(to, pitch, stride, x, step, rows, n)
#define pick_sums(to, x, n, p) _Generic((to), float *: pick_sums_f32, double *: pick_sums_f64)(to, x, n, p)

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#ifdef PICKS
#define vec PASTE(vec, SUFFIX)
#define bits PASTE(pick_bits, SUFFIX)
typedef BITS bits __attribute__((vector_size(VECTOR_BYTES)));

/* The parts of one vector of results from a tap, after the first `parts`; returns how many there are then, or more
 * than there may be. */
static ptrdiff_t PASTE(pick_parts, SUFFIX)(Picks *p, ptrdiff_t parts, const ptrdiff_t *at, ptrdiff_t plane)
{
    BITS *lanes = (BITS *)p->lanes;
    for (ptrdiff_t past = 0;; parts++) {
        ptrdiff_t next = plane;
        for (int i = 0; i < LANES; i++)
            next = at[i] >= past && at[i] < next ? at[i] : next;
        if (next == plane || parts == PICK_PARTS)
            return next == plane ? parts : PICK_PARTS + 1;
        const ptrdiff_t base = next < plane - LANES ? next : plane - LANES;
        past = base + LANES;
        p->base[parts] = base;
        for (int i = 0; i < LANES; i++)
            lanes[parts * LANES + i] = (BITS)(at[i] >= next && at[i] < past ? LANES + at[i] - base : i);
    }
}
#endif

/* Whether there may be a table of this shape, `inside` of whose elements are not zeros: to be known before any is
 * made. */
static int PASTE(pick_fits, SUFFIX)(const PickShape *s, ptrdiff_t inside)
{
#ifdef PICKS
    return s->size >= LANES && s->plane >= LANES && inside <= PICK_PARTS * LANES &&
           s->groups * ((s->size + LANES - 1) / LANES) <= PICK_PARTS;
#else
    (void)s, (void)inside;
    return 0;
#endif
}

/* Fill in the table of a shape that fits; 0 if it has too many parts. */
static int PASTE(pick_table, SUFFIX)(Picks *p, const PickShape *s, const ptrdiff_t *at)
{
#ifdef PICKS
    ptrdiff_t parts = 0;
    p->vectors = 0;
    for (ptrdiff_t g = 0; g < s->groups; g++)
        for (ptrdiff_t o = 0; o < s->size; o += LANES, p->vectors++) {
            const ptrdiff_t first = o < s->size - LANES ? o : s->size - LANES, before = parts;
            for (ptrdiff_t t = 0; t < s->taps && parts <= PICK_PARTS; t++)
                parts = PASTE(pick_parts, SUFFIX)(p, parts, at + (g * s->taps + t) * s->size + first, s->plane);
            if (parts > PICK_PARTS)
                return 0;
            p->to[p->vectors] = g * s->across + first;
            p->parts[p->vectors] = parts - before;
            p->first[p->vectors] = before;
        }
    return 1;
#else
    (void)p, (void)s, (void)at;
    return 0;
#endif
}

/* Copies from one x, where there is one tap. */
static void PASTE(pick, SUFFIX)(ELEMENT *to, const ELEMENT *x, const Picks *p)
{
#ifdef PICKS
    const bits *lanes = (const bits *)p->lanes;
    const ptrdiff_t *base = p->base;
    for (ptrdiff_t v = 0; v < p->vectors; v++) {
        vec all = {0};
        for (ptrdiff_t n = p->parts[v]; n > 0; n--)
            all = __builtin_shuffle(all, *(const vec *)(x + *base++), *lanes++);
        *(vec *)(to + p->to[v]) = all;
    }
#else
    (void)to, (void)x, (void)p;
#endif
}

/* n rows of `width` results, fewer than a vector has, by its vector v; rows of x are `pitch` apart. What a store puts
 * beside a row is for later ones to overwrite, but nothing is written from `end` on. */
static void PASTE(pick_rows, SUFFIX)(ELEMENT *to, ptrdiff_t width, const ELEMENT *end, const ELEMENT *x,
                                     ptrdiff_t pitch, ptrdiff_t n, const Picks *p, ptrdiff_t v)
{
#ifdef PICKS
    const ptrdiff_t first = p->first[v], parts = p->parts[v];
    const bits *lanes = (const bits *)p->lanes + first;
    for (; n > 0; n--, to += width, x += pitch) {
        vec all = {0};
        for (ptrdiff_t i = 0; i < parts; i++)
            all = __builtin_shuffle(all, *(const vec *)(x + p->base[first + i]), lanes[i]);
        if (end - to >= LANES)
            *(vec *)to = all;
        else
            copy_few((char *)to, (const char *)&all, width * ELEMENT_BYTES);
    }
#else
    (void)to, (void)width, (void)end, (void)x, (void)pitch, (void)n, (void)p, (void)v;
#endif
}

/* Sums over x[0], ..., x[n - 1]. */
static void PASTE(pick_sums, SUFFIX)(ELEMENT *to, const ELEMENT *const *x, ptrdiff_t n, const Picks *p)
{
#ifdef PICKS
    const bits *lanes = (const bits *)p->lanes;
    const ptrdiff_t *base = p->base;
    for (ptrdiff_t v = 0; v < p->vectors; v++) {
        const ptrdiff_t parts = p->parts[v];
        vec all = {0};
        for (ptrdiff_t k = 0; k < n; k++)
            for (ptrdiff_t i = 0; i < parts; i++)
                all += __builtin_shuffle((vec){0}, *(const vec *)(x[k] + base[i]), lanes[i]);
        *(vec *)(to + p->to[v]) = all;
        base += parts;
        lanes += parts;
    }
#else
    (void)to, (void)x, (void)n, (void)p;
#endif
}

/* to[r * pitch + i * stride] += x[r * step + i] for r < rows, i < n: no table. */
static NEVER_INLINE void PASTE(add_rows, SUFFIX)(ELEMENT *restrict to, ptrdiff_t pitch, ptrdiff_t stride,
                                                 const ELEMENT *restrict x, ptrdiff_t step, ptrdiff_t rows, ptrdiff_t n)
{
    if (stride == 1)
        for (; rows > 0; rows--, to += pitch, x += step)
            for (ptrdiff_t i = 0; i < n; i++)
                to[i] += x[i];
    else
        for (; rows > 0; rows--, to += pitch, x += step)
            for (ptrdiff_t i = 0; i < n; i++)
                to[i * stride] += x[i];
}
#undef LANES
#undef vec
#undef bits
#endif
