/* Every window's share to all of its elements: the gradient of average pooling.
 *
 * An element x of a row is touched by the outputs q = (x + pw) / sw, q - 1, ... of each row of outputs that touches its
 * row: so many terms. A vector of elements takes each term from one vector of outputs, by lanes that a table made once
 * picks:
 *
 *     outputs    a b c d             first term    a a b b c c d d           kw = 3, sw = 2, pw = 0
 *                                    second        . . a . b . c .   +
 *
 * Channels-last so is each channel of a pixel, and elements are those of all channels side by side. A narrow plane is
 * one row of such vectors in whole. Where many terms meet, rows of outputs are added up first, each by its share, into
 * one row v with zeros at both ends. The file includes itself once per element type.
 */
#ifndef FASTCONV_SPREAD_H
#define FASTCONV_SPREAD_H

#include <string.h>
#include "simd.h"

#define SPREAD_ROWS 16 /* of v: so many are stored before the first is read, or a load waits for the store */

typedef struct {
    ptrdiff_t terms;              /* of each vector of a row of the input, of which the last one may overlap */
    ptrdiff_t joint;              /* 1: all terms of a vector come from one vector of outputs */
    const ptrdiff_t *base;        /* of each term: its first output */
    const void *const *picks;     /* of each vector: for each term the lane that each lane takes, or -1 */
    ptrdiff_t step, iw, oh, ow;   /* elements of a pixel, a row of the input and, ow, of the outputs */
    const ptrdiff_t *begin, *end; /* of each row of the input: the rows of outputs that touch it */
    ptrdiff_t plane;              /* 1: a row of the input is a plane in whole, and its outputs one row */
    ptrdiff_t direct;             /* 1: two rows of outputs at most touch a row, and are read where they lie */
    ptrdiff_t pairs;              /* 1: so they are, and windows are those of `spread_pairs.h` */
    ptrdiff_t pitch, before;      /* of v: from one row to the next; the zeros before it */
    ptrdiff_t stride, kw, pw;     /* pw in elements */
    ptrdiff_t equal;              /* 1: all shares are by[0] * along[0] */
    const void *by, *along;       /* what a share is of a row's outputs, and of a column's */
} spread_plan;

#include "spread_lanes.h"
#include "spread_pairs.h"

#define EACH_TYPE "spread.h"
#include "each_float.h"
#undef EACH_TYPE

#define spread_rows(to, ...) _Generic((to), float *: spread_rows_f32, double *: spread_rows_f64)(to, __VA_ARGS__)

#elif defined(ELEMENT)

#define vec PASTE(vec, SUFFIX)
#define bits PASTE(spread_bits, SUFFIX)
#define LANES LANES_OF(ELEMENT)
#define picked PASTE(spread_picked, SUFFIX)
#define loaded PASTE(spread_loaded, SUFFIX)
#define stored PASTE(spread_stored, SUFFIX)

/* `repeat` equal rows of the input at `to` from `rows` rows of outputs at x, which are multiplied by `by` and `along`
 * or, if these are NULL, all by `scale`. Arguments from `rows` on are constants. */
#define gather PASTE(spread_gather, SUFFIX)
static ALWAYS_INLINE void gather(ELEMENT *to, const ELEMENT *end, ptrdiff_t repeat, const spread_plan *p,
                                 const ELEMENT *x, const ELEMENT *x_end, const ELEMENT *by, const ELEMENT *along,
                                 const ELEMENT scale, const int rows, const int narrow, const int joint,
                                 const ptrdiff_t terms)
{
    const ptrdiff_t *base = p->base, iw = p->iw, ow = p->ow, last = iw < LANES ? 0 : iw - LANES;
    const void *const *picks = p->picks;
    for (ptrdiff_t i = 0; i < iw; i += LANES) {
        const bits *pick = *picks++;
        vec sum = (vec){0}, v = sum;
        for (ptrdiff_t t = 0; t < terms; t++, base++, pick++) {
            if (t == 0 || !joint) {
                v = loaded(x + *base, x_end, narrow);
                if (by)
                    v *= by[0];
                if (rows == 2) {
                    vec below = loaded(x + ow + *base, x_end, narrow);
                    if (by)
                        below *= by[1];
                    v += below;
                }
                if (by)
                    v *= *(const vec *)(along + *base);
            }
            sum += picked(v, *pick);
        }
        if (!by)
            sum *= scale;
        ELEMENT *row = to + (i < last ? i : last);
        for (ptrdiff_t r = 0; r < repeat; r++, row += iw)
            if (narrow && end - row < LANES)
                stored(row, end - row, sum);
            else
                *(vec *)row = sum;
    }
}

/* How many rows of the input from y on, below `last`, the same windows touch. */
#define alike PASTE(spread_alike, SUFFIX)
static ALWAYS_INLINE ptrdiff_t alike(const spread_plan *p, ptrdiff_t y, ptrdiff_t last)
{
    ptrdiff_t z = y + 1;
    while (z < last && p->begin[z] == p->begin[y] && p->end[z] == p->end[y])
        z++;
    return z - y;
}

/* Rows y to z of the input, from rows of outputs, of which `by` has the shares unless it is NULL and they are all
 * `scale`; or from v, if that is given, which has a row for all that are alike. Arguments from `narrow` on are
 * constants. */
#define each_row PASTE(spread_each_row, SUFFIX)
static ALWAYS_INLINE void each_row(ELEMENT *to, const ELEMENT *end, const spread_plan *p, const ELEMENT *x,
                                   const ELEMENT *x_end, const ELEMENT *by, const ELEMENT scale, const ELEMENT *v,
                                   ptrdiff_t y, ptrdiff_t z, const int narrow, const int joint, const ptrdiff_t terms)
{
    for (ptrdiff_t n; y < z; y += n, to += n * p->iw) {
        const ELEMENT *from = v, *scales = by;
        ptrdiff_t rows = 1;
        n = p->plane ? 1 : alike(p, y, z);
        if (p->plane)
            from = x + y * p->ow;
        else if (v)
            v += p->pitch;
        else {
            rows = p->end[y] - p->begin[y];
            from = x + p->begin[y] * p->ow;
            scales = by ? by + p->begin[y] : NULL;
        }
        if (rows == 1)
            gather(to, end, n, p, from, x_end, scales, p->along, scale, 1, narrow, joint, terms);
        else if (rows == 2)
            gather(to, end, n, p, from, x_end, scales, p->along, scale, 2, narrow, joint, terms);
        else
            memset(to, 0, (size_t)(n * p->iw) * sizeof(ELEMENT));
    }
}

#define every_row PASTE(spread_every_row, SUFFIX)
static ALWAYS_INLINE void every_row(ELEMENT *to, const ELEMENT *end, const spread_plan *p, const ELEMENT *x,
                                    const ELEMENT *x_end, const ELEMENT *by, ELEMENT scale, const ELEMENT *v,
                                    ptrdiff_t y, ptrdiff_t z, const int narrow)
{
#define EACH_ROW(shares, joint, terms) each_row(to, end, p, x, x_end, shares, scale, v, y, z, narrow, joint, terms)
    if (by && p->joint)
        EACH_ROW(by, 1, p->terms);
    else if (by)
        EACH_ROW(by, 0, p->terms);
    else if (p->terms == 1)
        EACH_ROW(NULL, 1, 1);
    else if (p->joint && p->terms == 2)
        EACH_ROW(NULL, 1, 2);
    else if (p->joint && p->terms == 4)
        EACH_ROW(NULL, 1, 4);
    else if (p->joint)
        EACH_ROW(NULL, 1, p->terms);
    else
        EACH_ROW(NULL, 0, p->terms);
#undef EACH_ROW
}

/* v[o] = the sum over the depths a and rows b of g[a][b][o], each by its share. */
#define down PASTE(spread_down, SUFFIX)
static ALWAYS_INLINE void down(ELEMENT *v, const spread_plan *p, const ELEMENT *g, const ELEMENT *end, ptrdiff_t a0,
                               ptrdiff_t a1, ptrdiff_t b0, const ptrdiff_t rows, const int narrow)
{
    const ELEMENT *by = p->by, *along = p->along;
    const ptrdiff_t oh = p->oh, ow = p->ow;
    for (ptrdiff_t o = 0; o < ow; o += LANES) {
        const ptrdiff_t from = narrow || o + LANES <= ow ? o : ow - LANES;
        vec sum = (vec){0};
        for (ptrdiff_t a = a0; a < a1; a++) {
            const ELEMENT *row = g + (a * oh + b0) * ow + from, *scale = by + a * oh + b0;
            for (ptrdiff_t b = 0; b < rows; b++)
                sum += loaded(row + b * ow, end, narrow) * scale[b];
        }
        sum *= *(const vec *)(along + from);
        if (narrow && ow - from < LANES) /* what lies beyond the row may be anything, and v ends in zeros */
            stored(v + from, ow - from, sum);
        else
            *(vec *)(v + from) = sum;
    }
}

/* `repeat` equal rows at `to` where the stride is 1: sums of v at shifted starts. */
#define shifted PASTE(spread_shifted, SUFFIX)
static ALWAYS_INLINE void shifted(ELEMENT *to, const ELEMENT *end, ptrdiff_t repeat, const spread_plan *p,
                                  const ELEMENT *v, const ptrdiff_t terms, const int narrow)
{
    const ptrdiff_t iw = p->iw, step = p->step, last = iw < LANES ? 0 : iw - LANES;
    for (ptrdiff_t i = 0; i < iw; i += LANES) {
        const ptrdiff_t at = i < last ? i : last;
        const ELEMENT *from = v + at + p->pw;
        vec sum = *(const vec *)from;
        for (ptrdiff_t t = 1; t < terms; t++)
            sum += *(const vec *)(from - t * step);
        ELEMENT *row = to + at;
        for (ptrdiff_t r = 0; r < repeat; r++, row += iw)
            if (narrow && end - row < LANES)
                stored(row, end - row, sum);
            else
                *(vec *)row = sum;
    }
}

#define some_rows PASTE(spread_some_rows, SUFFIX)
static ALWAYS_INLINE ptrdiff_t some_rows(ELEMENT *to, const ELEMENT *end, const spread_plan *p, const ELEMENT *g,
                                         const ELEMENT *g_end, ptrdiff_t a0, ptrdiff_t a1, ptrdiff_t y, ptrdiff_t last,
                                         ELEMENT *v, const int narrow)
{
    const ELEMENT *by = p->by, *all = p->along;
    ptrdiff_t z = y, n;
    if (p->pairs) {
        PASTE(spread_pairs, SUFFIX)(to, end, p, g + a0 * p->oh * p->ow, by + a0 * p->oh, y, last);
        return last;
    }
    if (p->direct) {
        const ptrdiff_t from = a0 * p->oh;
        every_row(to, end, p, g + from * p->ow, g_end, p->equal ? NULL : by + from, by[0] * all[0], NULL, y, last,
                  narrow);
        return last;
    }
    for (ptrdiff_t rows = 0; z < last && rows < SPREAD_ROWS; z += alike(p, z, last), rows++) {
        const ptrdiff_t b = p->begin[z], count = p->end[z] - b;
        if (count == 3)
            down(v + rows * p->pitch, p, g, g_end, a0, a1, b, 3, narrow);
        else
            down(v + rows * p->pitch, p, g, g_end, a0, a1, b, count, narrow);
    }
    if (p->stride > 1)
        every_row(to, end, p, g, v + SPREAD_ROWS * p->pitch, NULL, 1, v, y, z, narrow);
    for (ptrdiff_t r = y; r < z && p->stride == 1; r += n, to += n * p->iw, v += p->pitch) {
        n = alike(p, r, z);
        if (p->kw == 3)
            shifted(to, end, n, p, v, 3, narrow);
        else
            shifted(to, end, n, p, v, p->kw, narrow);
    }
    return z;
}

/* Rows of the input from y on, as many as suits and below `last`, written to `to`; gives the row after them. Nothing is
 * written from `end` on. Windows of the depths a0 to a1 of the plane g, in an array that ends at g_end, touch them. */
static NEVER_INLINE ptrdiff_t PASTE(spread_rows, SUFFIX)(
    ELEMENT *to, const ELEMENT *end, const spread_plan *p, const ELEMENT *g, const ELEMENT *g_end, ptrdiff_t a0,
    ptrdiff_t a1, ptrdiff_t y, ptrdiff_t last, ELEMENT *v)
{
    if (a0 == a1) {
        memset(to, 0, (size_t)((last - y) * p->iw) * sizeof(ELEMENT));
        return last;
    }
    if (p->iw < LANES || p->ow < LANES)
        return some_rows(to, end, p, g, g_end, a0, a1, y, last, v, 1);
    return some_rows(to, end, p, g, g_end, a0, a1, y, last, v, 0);
}

#undef picked
#undef loaded
#undef stored
#undef gather
#undef each_row
#undef every_row
#undef down
#undef shifted
#undef alike
#undef some_rows
#undef LANES
#undef bits
#undef vec
#endif
