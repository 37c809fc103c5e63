/* Planes of a transposed convolution of one channel at strides of 2, down their columns: kernels of up to four taps an
 * axis, of which no more than two meet in an output.
 *
 *     row r of input meets     tap 0    1    2    3     A vector of inputs serves both phases of all rows of output
 *     in rows of output      2r - p   +1   +2   +3     that its row reaches. Their sums stay in registers, as weights
 *                           \___  ___/                 do where there are 32; two rows are whole after each of input.
 *                               whole
 *
 * Along the row it is as in `gather.h`. Terms are added in the order (row, q) wherever an output lies, after the bias.
 * The file includes itself once per element type.
 */
#ifndef FASTCONV_GATHER_DOWN_H
#define FASTCONV_GATHER_DOWN_H

#include "gather.h"
#include "keep.h"
#include "simd.h"
#include "weave.h"

#define DOWN_TAPS 4 /* along an axis at most */

typedef struct {
    ptrdiff_t kh;          /* rows of taps */
    ptrdiff_t rows, pitch; /* of input, and from one to the next */
    ptrdiff_t y, y0, y1;   /* rows of output: the first one that the first of input meets, and those to be written */
    ptrdiff_t width, n;    /* from one to the next, and elements of each to be written */
} gather_band;

#define BYTES VECTOR_BYTES
#define EACH_TYPE "gather_down.h"
#include "each_float.h"
#undef EACH_TYPE
#undef BYTES

/* Whether planes of these strides and taps, `dh` rows apart, go down their columns. */
static inline int gathers_down(ptrdiff_t sh, ptrdiff_t sw, ptrdiff_t kh, ptrdiff_t kw, ptrdiff_t dh)
{
    return sh == 2 && sw == 2 && dh == 1 && kh <= DOWN_TAPS && kw >= 2 && kw <= DOWN_TAPS;
}

/* Rows [y0, y1) of a plane or of a part of its columns, to `out`. Rows of x are readable up to a vector beyond what is
 * needed. */
static inline void gather_down(size_t size, const gather_shape *g, const gather_band *b, const void *x, const void *w,
                               double bias, void *out)
{
    if (size == sizeof(float))
        gather_down_f32(g, b, x, w, (float)bias, out);
    else
        gather_down_f64(g, b, x, w, bias, out);
}

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define store PASTE(weave_some, SUFFIX)
#define column PASTE(gather_column, SUFFIX)
#define columns PASTE(gather_columns, SUFFIX)

/* Both phases above a vector of inputs of each row, `left` outputs of a row or its two vectors. Before `end` whole
 * vectors are written, if they end in rows that are written later. kw and first are constants in every caller. */
static ALWAYS_INLINE void column(const ptrdiff_t kw, const ptrdiff_t first, const gather_band *b, const ELEMENT *x,
                                 const ELEMENT *w, const ELEMENT bias, ELEMENT *out, const ptrdiff_t left,
                                 const ELEMENT *end)
{
    const ptrdiff_t steps = (first + 1) / 2 + 1, kh = b->kh, pitch = b->pitch, width = b->width, y1 = b->y1 - b->y0;
    const vec start = bias - (vec){0};
    vec weights[DOWN_TAPS][DOWN_TAPS], acc[DOWN_TAPS][2], a[DOWN_TAPS];
    UNROLL for (ptrdiff_t i = 0; i < DOWN_TAPS; i++) {
        acc[i][0] = acc[i][1] = start;
        UNROLL for (ptrdiff_t j = 0; j < kw; j++)
            weights[i][j] = (i < kh ? w[i * kw + j] : 0) - (vec){0};
    }
    for (ptrdiff_t y = b->y - b->y0, rows = b->rows; y < y1; y += 2, rows--, x += pitch) {
        if (rows > 0) {
            UNROLL for (ptrdiff_t q = 0; q < steps; q++) {
                a[q] = *(const vec *)(x + q);
                LOADED_ONCE(a[q]);
            }
            UNROLL for (ptrdiff_t i = 0; i < DOWN_TAPS; i++)
                if (i < kh)
                    UNROLL for (ptrdiff_t q = 0; q < steps; q++)
                        UNROLL for (ptrdiff_t f = 0; f < 2; f++)
                            if (first - 2 * q + f >= 0 && first - 2 * q + f < kw)
                                acc[i][f] += weights[i][first - 2 * q + f] * a[q];
        }
        UNROLL for (ptrdiff_t i = 0; i < 2; i++) {
            ELEMENT *to = out + (y + i) * width;
            if (y + i < 0 || y + i >= y1)
                continue;
            if (left >= 2 * LANES || end - to >= 2 * LANES)
                store(2, acc[i], to, 2 * LANES);
            else if (left == 2 * LANES - 1)
                store(2, acc[i], to, 2 * LANES - 1);
            else
                store(2, acc[i], to, left);
        }
        UNROLL for (ptrdiff_t f = 0; f < 2; f++) {
            acc[0][f] = acc[2][f], acc[1][f] = acc[3][f];
            acc[2][f] = acc[3][f] = start;
        }
    }
}

/* All columns, the last vector of inputs ending with the row; whole rows without a vector are written one over the
 * other. */
static ALWAYS_INLINE void columns(const ptrdiff_t kw, const ptrdiff_t first, const gather_band *b, const ELEMENT *x,
                                  const ELEMENT *w, const ELEMENT bias, ELEMENT *out)
{
    const ptrdiff_t inputs = (b->n + 1) / 2, last = inputs > LANES ? inputs - LANES : 0;
    const int dense = inputs < LANES && b->n == b->width;
    const ELEMENT *end = dense ? out + (b->y1 - b->y0) * b->width : out;
    for (ptrdiff_t u = 0; u < inputs; u += LANES) {
        const ptrdiff_t at = u < last ? u : last;
        column(kw, first, b, x + at, w, bias, out + 2 * at, b->n - 2 * at, end);
    }
}

static NEVER_INLINE void PASTE(gather_down, SUFFIX)(const gather_shape *g, const gather_band *b, const ELEMENT *x,
                                                    const ELEMENT *w, const ELEMENT bias, ELEMENT *out)
{
    switch (g->kw * DOWN_TAPS + g->first) {
#define TAPS(kw, first) case (kw) * DOWN_TAPS + (first): \
        columns(kw, first, b, x, w, bias, out); \
        break;
        TAPS(2, 0) TAPS(2, 1) TAPS(3, 1) TAPS(3, 2) TAPS(4, 2) TAPS(4, 3)
#undef TAPS
    }
}
#undef LANES
#undef vec
#undef store
#undef column
#undef columns
#endif
