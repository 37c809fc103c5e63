/* A few output channels of some pixels, channels last: lanes along the channels of a tap, which lie side by side.
 *
 *     pixel 0    [ c0 .. c15 ][ c16 .. c31 ] ...          times weights as they are read; pixels and outputs together
 *     pixel 1    [ c0 .. c15 ][ c16 .. c31 ] ...          make as many sums as a vector has lanes, so that one tree
 *     ...                                                 adds up the lanes of all and its result is one vector.
 *
 * What pixels see is cut into runs of neighbouring elements, the last vector of which may end in lanes that are no part
 * of it: these are zeros of the weights, and set to zero where they were read, as they may be infinite. The file
 * includes itself once per element type.
 */
#ifndef FASTCONV_FEW_LAST_H
#define FASTCONV_FEW_LAST_H

#include <string.h>

#include "keep.h"
#include "lane_sums.h"
#include "simd.h"

#define FEW_COLS 4 /* output channels of a tile; of more, tiles read the pixels again, which are in L1 then */
#define FEW_ROWS_OF(cols, lanes) ((lanes) > (cols) ? (lanes) / (cols) : 1)
#define FEW_SUMS(lanes) ((lanes) > FEW_COLS ? (lanes) : FEW_COLS) /* of a tile, and no vector of them in part */

typedef struct {
    const ptrdiff_t *at;    /* of each run, where it begins, as seen from a pixel's first element, */
    const ptrdiff_t *whole; /* its whole vectors, */
    const ptrdiff_t *rest;  /* and elements of one more, the same of all runs that have any */
    char inside[VECTOR_BYTES ? VECTOR_BYTES : 8]; /* bits of the lanes that these fill */
    ptrdiff_t ahead;        /* elements from a tile to what is asked for meanwhile, or 0 */
} few_runs;

typedef struct {
    void *const *out;       /* of each pixel, where its sums go, */
    ptrdiff_t pixels;       /* of so many, */
    int dense;              /* whether these lie side by side; */
    int begins, clamp;      /* start from the biases, else from what is there; finish with min(max(v, lo), hi) */
    const void *bias;       /* of each sum of a tile */
    double lo, hi;
} few_finish;

#define EACH_TYPE "few_last.h"
#include "each_float.h"
#undef EACH_TYPE

/* Pixels of a tile of so many output channels. */
static inline ptrdiff_t few_rows(size_t size, ptrdiff_t cols)
{
    return FEW_ROWS_OF(cols, size == sizeof(float) ? LANES_OF(float) : LANES_OF(double));
}

/* The sums of `few_rows` pixels over the runs [r0, r1), with the first of which w begins. `size` is a constant at every
 * call. */
static inline void few_tile(size_t size, ptrdiff_t cols, const void *const *pixels, const few_runs *runs, ptrdiff_t r0,
                            ptrdiff_t r1, const void *w, const few_finish *finish)
{
    if (size == sizeof(float))
        few_tile_f32(cols, (const float *const *)pixels, runs, r0, r1, w, finish);
    else
        few_tile_f64(cols, (const double *const *)pixels, runs, r0, r1, w, finish);
}

#elif defined(ELEMENT)

#define BYTES VECTOR_BYTES
#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define run PASTE(few_run, SUFFIX)
#define EACH_SUM UNROLL for (ptrdiff_t i = 0; i < rows; i++) UNROLL for (ptrdiff_t j = 0; j < cols; j++)
#define STEP(seen) { \
        vec right[FEW_COLS]; \
        UNROLL for (ptrdiff_t j = 0; j < cols; j++) \
            right[j] = *(const vec *)(w + j * LANES); \
        UNROLL for (ptrdiff_t i = 0; i < rows; i++) { \
            vec left = *(const vec *)(pixels[i] + at); \
            if (ahead) FETCH(pixels[i] + at + ahead); \
            seen \
            UNROLL for (ptrdiff_t j = 0; j < cols; j++) \
                MULTIPLY_ADD(acc[i * cols + j], left, right[j]); \
        } \
        at += LANES, w += cols * LANES; \
    }

/* Writes what begins with `sums`, of `rows` pixels. */
static ALWAYS_INLINE void PASTE(few_write, SUFFIX)(const ptrdiff_t rows, const ptrdiff_t cols, ELEMENT *sums,
                                                   const few_finish *f)
{
    const ptrdiff_t n = (rows * cols + LANES - 1) / LANES * LANES;
    const vec lo = (vec){0} + (ELEMENT)f->lo, hi = (vec){0} + (ELEMENT)f->hi;
    ELEMENT before[FEW_SUMS(LANES)];
    const ELEMENT *start = f->bias;
    if (!f->begins) {
        for (ptrdiff_t i = 0; i < f->pixels; i++)
            memcpy(before + i * cols, f->out[i], (size_t)cols * sizeof(ELEMENT));
        start = before;
    }
    for (ptrdiff_t m = 0; m < n; m += LANES) {
        vec v = *(vec *)(sums + m) + *(const vec *)(start + m);
        if (f->clamp)
            CLAMP(vec, mask, v, lo, hi);
        *(vec *)(sums + m) = v;
    }
    if (f->dense && n == rows * cols && f->pixels == rows)
        memcpy(f->out[0], sums, (size_t)n * sizeof(ELEMENT));
    else
        for (ptrdiff_t i = 0; i < f->pixels; i++)
            memcpy(f->out[i], sums + i * cols, (size_t)cols * sizeof(ELEMENT));
}

/* `cols` is a constant in every caller, and with it `rows`, so that each loop unrolls. */
static ALWAYS_INLINE void run(const ptrdiff_t cols, const ELEMENT *const *pixels, const few_runs *runs, ptrdiff_t r0,
                              ptrdiff_t r1, const ELEMENT *w, const few_finish *finish)
{
    const ptrdiff_t rows = FEW_ROWS_OF(cols, LANES), ahead = runs->ahead;
    vec acc[FEW_SUMS(LANES)];
    ELEMENT sums[FEW_SUMS(LANES)];
    mask inside;
    memcpy(&inside, runs->inside, sizeof inside);
    EACH_SUM acc[i * cols + j] = (vec){0};
    for (ptrdiff_t r = r0; r < r1; r++) {
        ptrdiff_t at = runs->at[r];
        for (ptrdiff_t v = runs->whole[r]; v > 0; v--)
            STEP()
        if (runs->rest[r])
            STEP(left = SELECT(vec, mask, inside, left, (vec){0});)
    }
    const ptrdiff_t n = (rows * cols + LANES - 1) / LANES * LANES;
    UNROLL for (ptrdiff_t i = rows * cols; i < n; i++)
        acc[i] = acc[i - 1];
    SUM_LANES(acc, n, sums);
    PASTE(few_write, SUFFIX)(rows, cols, sums, finish);
}

#define COLS(c) case c: run(c, pixels, runs, r0, r1, w, finish); return;
static NEVER_INLINE void PASTE(few_tile, SUFFIX)(ptrdiff_t cols, const ELEMENT *const *pixels, const few_runs *runs,
                                                 ptrdiff_t r0, ptrdiff_t r1, const ELEMENT *w,
                                                 const few_finish *finish)
{
    switch (cols) {
        COLS(1) COLS(2) COLS(3) COLS(4)
    }
}
#undef COLS
#undef STEP
#undef EACH_SUM
#undef run
#undef mask
#undef vec
#undef LANES
#undef BYTES
#endif
