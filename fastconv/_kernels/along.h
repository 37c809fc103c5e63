/* The step along a row of windows, over the row v that their rows have come to, with its padding.
 *
 *     to[j] = (+) over k of  v[taps[k] + at[j]],     0 <= j < n, with `by` as `end` says, or over across[j] * by
 *
 * where at[j] is j, or whole pixels are picked at a stride (`split.h`). Several rows are taken at a time, which wait
 * for each other's instructions as little as for the stores that made v.
 *
 * `v` and `across` are scratch: what lies up to a vector behind their ends is read, but of no account. The file
 * includes itself once per element type.
 */
#ifndef FASTCONV_ALONG_H
#define FASTCONV_ALONG_H

#include "fold.h"
#include "split.h"

typedef struct {
    const ptrdiff_t *taps; /* of a window, from its first element of v */
    ptrdiff_t count;       /* of them */
    ptrdiff_t n, ldv, ldt; /* elements of a row of results; from row to row of v and of results */
    const Split *split;
    const FoldEnd *ends;   /* of each row of results */
} Steps;

/* The parts of vector i of a period that its first `units` come from: of the end of a row they may be fewer. */
static inline int parts_for(const Split *s, ptrdiff_t i, ptrdiff_t units)
{
    int parts = s->parts[i + 1] - s->parts[i];
    if (units < SPLIT_LANES)
        while (s->lanes[s->parts[i] + parts - 1][units - 1] < SPLIT_LANES) /* the last one comes from one before */
            parts--;
    return parts;
}

#define EACH_TYPE "along.h"
#include "each_type.h"
#undef EACH_TYPE

/* A `careful` maximum of numbers among which there may be NaN. */
#define along(to, v, rows, s, across, maximum, careful) BY_TYPE(along, to)(to, v, rows, s, across, maximum, careful)

#elif defined(ELEMENT)

#define vec NAMED(fold_vec)
#define LANES (VECTOR_BYTES ? VECTOR_BYTES / ELEMENT_BYTES : 1)

static ALWAYS_INLINE vec NAMED(along_end)(vec all, FoldEnd end, const ELEMENT *across, int kind)
{
    const ELEMENT by = (ELEMENT)end.by;
    if (kind == FOLD_SUM && across)
        all /= *(const vec *)across * by;
    else if (kind == FOLD_SUM && end.kind == FOLD_DIVIDED)
        all /= by;
    else if (kind == FOLD_SUM && end.kind == FOLD_SCALED)
        all *= by;
    return all;
}

/* all[i], of `width` vectors side by side, the last of them at `last`, over v[taps[k]]. */
static ALWAYS_INLINE void NAMED(along_some)(const ELEMENT *v, const ptrdiff_t *taps, ptrdiff_t count, int width,
                                            ptrdiff_t last, int kind, vec *all)
{
    const ptrdiff_t side = LANES;
    UNROLL for (int i = 0; i < width; i++)
        all[i] = *(const vec *)(v + taps[0] + SIDE(i));
    for (ptrdiff_t k = 1; k < count; k++)
        UNROLL for (int i = 0; i < width; i++)
            all[i] = NAMED(fold_both)(all[i], *(const vec *)(v + taps[k] + SIDE(i)), kind);
}

/* One vector of a long sum, which is the sum of its halves. */
static NEVER_INLINE vec NAMED(along_halves)(const ELEMENT *v, const ptrdiff_t *taps, ptrdiff_t count)
{
    vec all;
    if (count > CHUNK)
        return NAMED(along_halves)(v, taps, count / 2) + NAMED(along_halves)(v, taps + count / 2, count - count / 2);
    NAMED(along_some)(v, taps, count, 1, 0, FOLD_SUM, &all);
    return all;
}

#define PART(vectors) do { \
        const int width = vectors; \
        const ptrdiff_t side = LANES, left = n - LANES - j, most = (width - 1) * LANES; \
        const ptrdiff_t last = left < most ? left : most; \
        if (kind != FOLD_SUM || s->count <= CHUNK) \
            NAMED(along_some)(v + j, s->taps, s->count, width, last, kind, all); \
        else \
            UNROLL for (int i = 0; i < width; i++) \
                all[i] = NAMED(along_halves)(v + j + SIDE(i), s->taps, s->count); \
        UNROLL for (int i = 0; i < width; i++) \
            *(vec *)(to + j + SIDE(i)) = NAMED(along_end)(all[i], end, across ? across + j + SIDE(i) : NULL, kind); \
    } while (0)

/* One row whose windows lie side by side, of a vector or more. */
static ALWAYS_INLINE void NAMED(along_row)(ELEMENT *to, const ELEMENT *v, const Steps *s, ptrdiff_t n, FoldEnd end,
                                           const ELEMENT *across, int kind)
{
    vec all[FOLDED];
    ptrdiff_t j = 0;
    for (; n - j > 3 * LANES; j += 4 * LANES)
        PART(4);
    if (n - j > 2 * LANES)
        PART(3);
    else if (n - j > LANES)
        PART(2);
    else if (n - j > 0)
        PART(1);
}
#undef PART

/* The first n < LANES elements of a vector. */
static ALWAYS_INLINE void NAMED(along_few)(ELEMENT *to, vec all, ptrdiff_t n)
{
    ELEMENT few[LANES], *from = few;
    *(vec *)few = all;
    UNROLL for (int bit = LANES / 2; bit > 0; bit /= 2)
        if (n & bit) {
            memcpy(to, from, bit * sizeof *to);
            to += bit, from += bit;
        }
}

#ifdef SPLITS
static ALWAYS_INLINE vec NAMED(along_picked)(const ELEMENT *v, const ptrdiff_t *taps, ptrdiff_t count,
                                             const ptrdiff_t *base, const mask_f32 *lanes, int parts, int kind)
{
    vec all = (vec)split_pick(v + taps[0], base, lanes, parts);
    for (ptrdiff_t k = 1; k < count; k++)
        all = NAMED(fold_both)(all, (vec)split_pick(v + taps[k], base, lanes, parts), kind);
    return all;
}

static NEVER_INLINE vec NAMED(along_picked_halves)(const ELEMENT *v, const ptrdiff_t *taps, ptrdiff_t count,
                                                   const ptrdiff_t *base, const mask_f32 *lanes, int parts)
{
    if (count <= CHUNK)
        return NAMED(along_picked)(v, taps, count, base, lanes, parts, FOLD_SUM);
    return NAMED(along_picked_halves)(v, taps, count / 2, base, lanes, parts) +
           NAMED(along_picked_halves)(v, taps + count / 2, count - count / 2, base, lanes, parts);
}

/* One vector of each row, or the first `n` elements, that `parts` from number p on are picked for. */
static ALWAYS_INLINE void NAMED(along_vector)(ELEMENT *to, const ELEMENT *v, ptrdiff_t rows, const Steps *s,
                                              ptrdiff_t n, int p, int parts, const ELEMENT *across, int kind)
{
    const Split *split = s->split;
    const ptrdiff_t *taps = s->taps, count = s->count, *base = split->base + p;
    mask_f32 lanes[SPLIT_FAR + 1];
    UNROLL for (int i = 0; i < parts; i++)
        memcpy(lanes + i, split->lanes[p + i], sizeof *lanes);
    for (ptrdiff_t r = 0; r < rows; r++, v += s->ldv, to += s->ldt) {
        const vec all = kind == FOLD_SUM && count > CHUNK
                            ? NAMED(along_picked_halves)(v, taps, count, base, lanes, parts)
                            : NAMED(along_picked)(v, taps, count, base, lanes, parts, kind);
        const vec ended = NAMED(along_end)(all, s->ends[r], across, kind);
        if (n >= LANES)
            *(vec *)to = ended;
        else
            NAMED(along_few)(to, ended, n);
    }
}

static ALWAYS_INLINE void NAMED(along_vectors)(ELEMENT *to, const ELEMENT *v, ptrdiff_t rows, const Steps *s,
                                               const ELEMENT *across, int kind)
{
    const Split *split = s->split;
    for (ptrdiff_t j = 0; j < s->n; v += split->advance * 4 / ELEMENT_BYTES)
        for (ptrdiff_t i = 0; i < split->vectors && j < s->n; i++, j += LANES) {
            const int p = split->parts[i], parts = parts_for(split, i, (s->n - j) * ELEMENT_BYTES / 4);
            const ELEMENT *factors = across ? across + j : NULL;
#define VECTOR(parts) NAMED(along_vector)(to + j, v, rows, s, s->n - j, p, parts, factors, kind)
            if (parts == 1)
                VECTOR(1);
            else if (parts == 2)
                VECTOR(2);
            else if (parts == 3)
                VECTOR(3);
            else if (parts == 4)
                VECTOR(4);
            else
                VECTOR(parts);
#undef VECTOR
        }
}
#endif

static ALWAYS_INLINE void NAMED(along_rows)(ELEMENT *to, const ELEMENT *v, ptrdiff_t rows, const Steps *s,
                                            const ELEMENT *across, int kind)
{
#ifdef SPLITS
    if (s->split->vectors) {
        NAMED(along_vectors)(to, v, rows, s, across, kind);
        return;
    }
#endif
    for (ptrdiff_t r = 0; r < rows; r++, to += s->ldt, v += s->ldv) {
        vec few;
        if (s->n >= LANES) {
            NAMED(along_row)(to, v, s, s->n, s->ends[r], across, kind);
            continue;
        }
        NAMED(along_row)((ELEMENT *)&few, v, s, LANES, s->ends[r], across, kind);
        NAMED(along_few)(to, few, s->n);
    }
}

/* In whoever calls it once, as integers do, gcc 12 made loops of it that take 1.3 times as long. */
static NEVER_INLINE void NAMED(along)(ELEMENT *to, const ELEMENT *v, ptrdiff_t rows, const Steps *s,
                                      const ELEMENT *across, int maximum, int careful)
{
    if (FRACTIONS && !maximum)
        NAMED(along_rows)(to, v, rows, s, across, FOLD_SUM);
    else if (FRACTIONS && careful)
        NAMED(along_rows)(to, v, rows, s, NULL, FOLD_CAREFUL);
    else
        NAMED(along_rows)(to, v, rows, s, NULL, FOLD_LARGEST);
}
#undef vec
#undef LANES
#endif
