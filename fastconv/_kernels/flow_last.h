/* 3 x 3 windows at stride 1 with channels last, two rows of outputs at a time: each column of the four rows that these
 * see is combined once for both, and goes along the row in registers until the windows of three columns have had it.
 * Where registers hold the columns of one row of outputs only, that is a row of outputs at a time.
 *
 *     a  row y         upper:  a (b c)       out[y][j]     = older upper, old upper, new upper
 *     b                lower:    (b c) d     out[y + 1][j] = older lower, old lower, new lower
 *     c
 *     d
 *
 * So an output takes two loads. Rows are paired from the first one of the plane on, whoever computes them, so that all
 * sums have one order. The file includes itself once per element type.
 */
#ifndef FASTCONV_FLOW_LAST_H
#define FASTCONV_FLOW_LAST_H

#include "fold.h"

enum { FLOW_ROWS = VECTOR_BYTES >= 64 ? 2 : 1 }; /* of outputs at a time */
#define FLOW_VECTORS 4 /* of a pixel at a time: by two, with AVX2 a line of each, images from memory took 1.3 times as
    long and more */

typedef struct {
    ptrdiff_t pixel, iw, ow, pw; /* elements of a pixel; columns of the image and of outputs, and of padding before */
    ptrdiff_t first, end;        /* columns of outputs to be made */
    ptrdiff_t step[4];           /* from pixel to pixel of each row: `pixel`, or 0 of padding */
    Quotient ends[2][3];         /* what becomes of sums: at the left edge, inside and at the right edge of each row */
} FlowRows;

#define EACH_TYPE "flow_last.h"
#include "each_type.h"
#undef EACH_TYPE

#define flow_rows(f, upper, lower, a, b, c, d, blanks, kind) \
    BY_TYPE(flow_rows, upper)(f, upper, lower, a, b, c, d, blanks, kind)

#elif defined(ELEMENT)

#define vec NAMED(fold_vec)
#define LANES (VECTOR_BYTES ? VECTOR_BYTES / ELEMENT_BYTES : 1)
#define both(a, b) NAMED(fold_both)(a, b, kind)

/* `width` vectors of each pixel of the rows x; the last of them starts at `last`, which may be before the first. */
static ALWAYS_INLINE vec NAMED(flow_part)(const FlowRows *f, ELEMENT *const *to, const ELEMENT *const *x,
                                          const ELEMENT *blanks, ptrdiff_t last, int width, int kind)
{
    const ptrdiff_t side = LANES, pixel = f->pixel, ow = f->ow;
    vec older[FLOW_ROWS][FLOW_VECTORS], old[FLOW_ROWS][FLOW_VECTORS], seen = {0};
    ptrdiff_t j = f->first, c = j - f->pw - 2;
#define NEXT_COLUMN(use) do { \
        const int inside = (size_t)(c + 2) < (size_t)f->iw; \
        const ELEMENT *at[4]; \
        UNROLL for (int r = 0; r < FLOW_ROWS + 2; r++) \
            at[r] = inside ? x[r] + (c + 2) * f->step[r] : blanks; \
        UNROLL for (int i = 0; i < width; i++) { \
            const vec above = *(const vec *)(at[0] + SIDE(i)), below = *(const vec *)(at[FLOW_ROWS + 1] + SIDE(i)); \
            const vec middle = *(const vec *)(at[1] + SIDE(i)), next = *(const vec *)(at[2] + SIDE(i)); \
            const vec inner = both(middle, next), upper = both(above, inner), lower = both(inner, below); \
            if (FRACTIONS && kind == FOLD_LARGEST && FLOW_ROWS == 1) \
                seen += above + (middle + next); \
            if (FRACTIONS && kind == FOLD_LARGEST && FLOW_ROWS == 2) \
                seen += (above + middle) + (next + below); \
            UNROLL for (int row = 0; row < FLOW_ROWS; row++) { \
                const vec made = row ? lower : upper; \
                use \
                older[row][i] = old[row][i], old[row][i] = made; \
            } \
        } \
        c++; \
    } while (0)
    UNROLL for (int row = 0; row < FLOW_ROWS; row++)
        UNROLL for (int i = 0; i < width; i++)
            old[row][i] = (vec){0};
    NEXT_COLUMN();
    NEXT_COLUMN();
    while (j < f->end) {
        const int where = j == 0 ? 0 : j < ow - 1 ? 1 : 2;
        const ptrdiff_t until = j == 0 ? 1 : j < ow - 1 && f->end > ow - 1 ? ow - 1 : f->end;
        const Quotient ends[2] = {f->ends[0][where], f->ends[FLOW_ROWS - 1][where]};
        for (; j < until; j++)
            NEXT_COLUMN({
                vec all = both(both(older[row][i], old[row][i]), made);
                if (kind == FOLD_SUM)
                    FOLD_OVER(all, ends[row]);
                if (to[row])
                    *(vec *)(to[row] + j * pixel + SIDE(i)) = all;
            });
    }
#undef NEXT_COLUMN
    return seen;
}

static ALWAYS_INLINE int NAMED(flow_all)(const FlowRows *f, ELEMENT *upper, ELEMENT *lower, const ELEMENT *const *x,
                                         const ELEMENT *blanks, int kind)
{
    vec seen = {0};
    for (ptrdiff_t at = 0; at < f->pixel; at += FLOW_VECTORS * LANES) {
        ELEMENT *const to[2] = {upper ? upper + at : NULL, lower ? lower + at : NULL};
        const ELEMENT *const from[4] = {x[0] + at, x[1] + at, x[2] + at, x[3] + at};
        const ptrdiff_t left = f->pixel - LANES - at; /* where the last vector starts, one that may overlap another */
#define PART(width) seen += NAMED(flow_part)(f, to, from, blanks + at, \
                                             left < (width - 1) * LANES ? left : (width - 1) * LANES, width, kind)
        if (left > 2 * LANES)
            PART(4);
        else if (left > LANES)
            PART(3);
        else if (left > 0)
            PART(2);
        else
            PART(1);
#undef PART
    }
#ifdef FLOATING
    if (kind == FOLD_LARGEST)
        return NAMED(fold_lost)(seen);
#endif
    return 0;
}

/* Two rows of outputs, or one of them if the other is NULL, from the rows a to d; where FLOW_ROWS is 1 always the upper
 * one alone, from a to c. `blanks` is a pixel of padding, as are the rows whose step is 0. Says whether a NaN may have
 * been lost. */
static NEVER_INLINE int NAMED(flow_rows)(const FlowRows *f, ELEMENT *upper, ELEMENT *lower, const ELEMENT *a,
                                         const ELEMENT *b, const ELEMENT *c, const ELEMENT *d, const ELEMENT *blanks,
                                         int kind)
{
    const FlowRows copy = *f; /* which no store can change */
    const ELEMENT *const x[4] = {a, b, c, d};
    if (FRACTIONS && kind == FOLD_SUM)
        return NAMED(flow_all)(&copy, upper, lower, x, blanks, FOLD_SUM);
    if (FRACTIONS && kind == FOLD_CAREFUL)
        return NAMED(flow_all)(&copy, upper, lower, x, blanks, FOLD_CAREFUL);
    return NAMED(flow_all)(&copy, upper, lower, x, blanks, FOLD_LARGEST);
}
#undef vec
#undef both
#undef LANES
#endif
