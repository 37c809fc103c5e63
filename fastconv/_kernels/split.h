/* Vectors of whole pixels at a stride, put together by shuffles. Which lanes of a row v such a vector holds repeats
 * after a few vectors, so that a table of one period serves rows of any length, and all taps of windows:
 *
 *     v         aA bB cC dD|eE fF gG hH|  pixels of two elements, at a stride of 3; a part is some lanes of a vector
 *     part 0    aA dD .. ..               lanes of v + 0
 *     part 1    aA dD gG ..               lanes of that and of v + 8
 *
 * Elements have no meaning in it: it is of units of 4 bytes, so one serves all types of as many or more bytes. The file
 * includes itself once per float type, for rows that are copied.
 */
#ifndef FASTCONV_SPLIT_H
#define FASTCONV_SPLIT_H

#include <stdint.h>
#include <string.h>
#include "simd.h"

#if VECTOR_BYTES >= 32 && !defined(__clang__)
#define SPLITS
#endif
#define SPLIT_LANES (VECTOR_BYTES ? VECTOR_BYTES / 4 : 1)
#define SPLIT_FAR 8                                       /* strides of more take as many instructions as lanes */
#define SPLIT_PARTS ((SPLIT_FAR + 1) * (SPLIT_LANES - 1) + 1) /* of pixels shorter than a vector */

typedef struct {
    ptrdiff_t vectors;              /* of a period; without any, pixels lie next to each other */
    ptrdiff_t advance;              /* the units of v that it covers */
    int parts[SPLIT_LANES + 1];     /* the first part of each vector, and where the last one ends */
    ptrdiff_t base[SPLIT_PARTS];    /* the first unit of v that a part reads */
    int32_t lanes[SPLIT_PARTS][SPLIT_LANES];
} Split;

/* Whether there are tables for pixels of so many bytes at this stride. */
static int can_split(ptrdiff_t pixel, ptrdiff_t stride)
{
#ifdef SPLITS
    return stride > 1 && stride <= SPLIT_FAR && pixel % 4 == 0 && pixel < VECTOR_BYTES;
#else
    (void)pixel, (void)stride;
    return 0;
#endif
}

/* The parts of a vector whose lanes are units at[..], which ascend, from number `parts` on; returns where they end. */
static int split_parts(Split *s, int parts, const ptrdiff_t *at)
{
    for (int i = 0, next; i < SPLIT_LANES; i = next, parts++) {
        for (next = i; next < SPLIT_LANES && at[next] < at[i] + SPLIT_LANES; next++)
            ;
        s->base[parts] = at[i];
        for (int lane = 0; lane < SPLIT_LANES; lane++)
            s->lanes[parts][lane] = (int32_t)(lane < i || lane >= next ? lane : SPLIT_LANES + at[lane] - at[i]);
    }
    return parts;
}

static void split_table(Split *s, ptrdiff_t pixel, ptrdiff_t stride)
{
    const ptrdiff_t units = pixel / 4;
    int parts = 0;
    s->vectors = 0;
    do {
        ptrdiff_t at[SPLIT_LANES];
        for (ptrdiff_t i = 0, e = s->vectors * SPLIT_LANES; i < SPLIT_LANES; i++, e++)
            at[i] = e / units * stride * units + e % units;
        s->parts[s->vectors++] = parts;
        parts = split_parts(s, parts, at);
    } while (s->vectors * SPLIT_LANES % units);
    s->parts[s->vectors] = parts;
    s->advance = s->vectors * SPLIT_LANES * stride;
}

#ifdef SPLITS
/* The vector whose `parts` start at base and lanes, of the row v. */
static ALWAYS_INLINE vec_f32 split_pick(const void *v, const ptrdiff_t *base, const mask_f32 *lanes, int parts)
{
    vec_f32 all = {0};
    UNROLL for (int p = 0; p < parts; p++)
        all = __builtin_shuffle(all, *(const vec_f32 *)((const float *)v + base[p]), lanes[p]);
    return all;
}
#endif

#define EACH_TYPE "split.h"
#include "each_float.h"
#undef EACH_TYPE

/* to[r * step + i] = source[r * source_step + i * stride] for r < rows, i < n. Of the source there are `left` elements
 * to be read; less than a vector beyond the last element of each row at `to` is written, too. */
static inline void pick_rows(size_t size, void *restrict to, ptrdiff_t step, const void *restrict source,
                             ptrdiff_t source_step, ptrdiff_t rows, ptrdiff_t n, ptrdiff_t stride, ptrdiff_t left,
                             const Split *split)
{
    if (size == sizeof(float))
        pick_rows_f32(to, step, source, source_step, rows, n, stride, left, split);
    else
        pick_rows_f64(to, step, source, source_step, rows, n, stride, left, split);
}

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#ifdef SPLITS
static ALWAYS_INLINE void PASTE(pick_parts, SUFFIX)(ELEMENT *restrict to, ptrdiff_t step,
                                                    const ELEMENT *restrict source, ptrdiff_t source_step,
                                                    ptrdiff_t rows, ptrdiff_t n, ptrdiff_t stride, const Split *split,
                                                    int parts)
{
    mask_f32 lanes[SPLIT_FAR + 1];
    UNROLL for (int p = 0; p < parts; p++)
        memcpy(lanes + p, split->lanes[p], sizeof *lanes);
    for (; rows > 0; rows--, to += step, source += source_step)
        for (ptrdiff_t i = 0; i < n; i += LANES)
            *(vec *)(to + i) = (vec)split_pick(source + i * stride, split->base, lanes, parts);
}
#endif

static NEVER_INLINE void PASTE(pick_rows, SUFFIX)(ELEMENT *restrict to, ptrdiff_t step, const ELEMENT *restrict source,
                                                  ptrdiff_t source_step, ptrdiff_t rows, ptrdiff_t n, ptrdiff_t stride,
                                                  ptrdiff_t left, const Split *split)
{
#ifdef SPLITS
    if (split->vectors && n > 1) {
        const ptrdiff_t units = sizeof(ELEMENT) / 4;
        int parts = split->parts[1];
        while (split->base[parts - 1] >= n * stride * units)
            parts--;
        const ptrdiff_t read = (n - 1) / LANES * LANES * stride + split->base[parts - 1] / units + LANES;
        ptrdiff_t safe = read > left ? 0 : source_step > 0 ? (left - read) / source_step + 1 : 1;
        safe = safe < rows ? safe : rows;
#define PARTS(number) PASTE(pick_parts, SUFFIX)(to, step, source, source_step, safe, n, stride, split, number)
        switch (parts) {
        case 1: PARTS(1); break;
        case 2: PARTS(2); break;
        case 3: PARTS(3); break;
        case 4: PARTS(4); break;
        case 5: PARTS(5); break;
        default: PARTS(parts);
        }
#undef PARTS
        rows -= safe, to += safe * step, source += safe * source_step;
    }
#else
    (void)left, (void)split;
#endif
    for (; rows > 0; rows--, to += step, source += source_step)
        for (ptrdiff_t i = 0; i < n; i++)
            to[i] = source[i * stride];
}
#undef LANES
#undef vec
#endif
