/* A few output pixels of a depthwise convolution, all their channels: vectors along channels, sums in registers.
 *
 *     out[p][c] = bias[c] + sum over rows i, taps j of weight[i][j][c] * pixel(i, p, j)[c]          p < px
 *
 *     pixel(i, p, j) = table[i * row_step + p * pixel_step + j * tap_step]      a pointer to the pixel's channels
 *
 * The table (XNNPACK calls it an indirection buffer: Dukhan 2019, arXiv:1907.02129) makes padding a pointer to zeros,
 * so that there is one way for the border and the interior and no padded copy. For kernels of 2, 3, 5, 7 and 9 taps a
 * row at stride 1, and but for 2 at stride 2, the weights of a row stay in registers and each pixel is loaded once for
 * all outputs that it reaches:
 *
 *     pixels      0 1 2 3 4 5       loaded in turn; pixel q is tap q - p * stride of output p
 *     output 0    w w w
 *     output 1      w w w
 *     output 2        w w w
 *
 * Either way an output's terms are added in the order of its taps. The file includes itself once per element
 * type.
 */
#ifndef FASTCONV_DEPTHWISE_LAST_H
#define FASTCONV_DEPTHWISE_LAST_H

#include "copy.h"
#include "keep.h"
#include "simd.h"

#define STRIP_PIXELS 12 /* 8 independent sums hide the latency of FMA, 4 cycles and two a cycle; 12 do it comfortably */
#define MOST_SHARED 9   /* taps of a row whose weights stay in registers beside sums: six of them in 16 registers */
#define BESIDE (VECTOR_BYTES == 64 ? 31 : 15) /* registers of sums and weights, beside a loaded pixel */

typedef struct {
    ptrdiff_t rows, row_step;             /* kernel rows, and the table entries of each */
    ptrdiff_t kw, tap_step, pixel_step;
    ptrdiff_t shared;                     /* the stride of the output pixels, or 0: neighbours share no loads */
    ptrdiff_t channels;                   /* of a pixel */
    ptrdiff_t out_step, spread;           /* from one output pixel to the next, from one channel to the next */
    int clamp;                            /* finish with min(max(v, lo), hi), which keeps NaN */
    double lo, hi;
    ptrdiff_t ahead, ahead_step;          /* rows to ask for meanwhile, if any, and bytes from one to the next, */
    const void *later;                    /* and the first of them; the next strip's output is asked for with them */
} depthwise_strip;

#define EACH_TYPE "depthwise_last.h"
#include "each_float.h"
#undef EACH_TYPE

/* Whether the weights of a row of taps stay in registers. */
static inline int strip_shares(ptrdiff_t kw) { return kw > 1 && kw <= MOST_SHARED; }

/* Output pixels at a time: sums, the weights of a row and one loaded pixel share the registers. */
static inline ptrdiff_t strip_pixels(const depthwise_strip *t)
{
    return t->shared && BESIDE - t->kw < STRIP_PIXELS ? BESIDE - t->kw : STRIP_PIXELS;
}

/* All `vectors` of channels of `px` <= strip_pixels(t) output pixels. `w` holds for each vector its biases and then its
 * weights, a vector a tap. Vector v starts at channel v * lanes, the last one early enough to end at the last channel;
 * of the channels of `out` only those below `valid` are written. Pixels of fewer channels than lanes must be readable
 * up to a whole vector. */
static inline void strip(size_t size, ptrdiff_t px, const depthwise_strip *t, const void *const *table, const void *w,
                         void *out, ptrdiff_t vectors, ptrdiff_t valid)
{
    if (size == sizeof(float))
        strip_f32(px, t, (const float *const *)table, w, out, vectors, valid, 2);
    else
        strip_f64(px, t, (const double *const *)table, w, out, vectors, valid, 2);
}

/* The same for pixels that are one apart where they share loads: who needs no others is not made to compile them. */
static inline void strip_of_near(size_t size, ptrdiff_t px, const depthwise_strip *t, const void *const *table,
                                 const void *w, void *out, ptrdiff_t vectors, ptrdiff_t valid)
{
    if (size == sizeof(float))
        strip_f32(px, t, (const float *const *)table, w, out, vectors, valid, 1);
    else
        strip_f64(px, t, (const double *const *)table, w, out, vectors, valid, 1);
}

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)

#define EACH_PIXEL _Pragma("GCC unroll 12") for (ptrdiff_t p = 0; p < px; p++)
/* What comes seldom stands in functions: each of a hundred instances would hold a copy otherwise, more than its hot
 * loop is long, which took most of the time to compile. */

/* The sums of CHUNK chains, to those before them if there are any. */
static NEVER_INLINE void PASTE(strip_grand, SUFFIX)(ptrdiff_t px, int more, const ELEMENT *total, ELEMENT *grand)
{
    for (ptrdiff_t p = 0; p < px * LANES; p += LANES) {
        const vec sum = *(const vec *)(total + p);
        if (more)
            *(vec *)(grand + p) += sum;
        else
            *(vec *)(grand + p) = sum;
    }
}

/* Some lanes of the results, to where they are not next to each other. */
static NEVER_INLINE void PASTE(strip_scatter, SUFFIX)(ptrdiff_t px, ptrdiff_t lanes, const ELEMENT *from, ELEMENT *out,
                                                      ptrdiff_t out_step, ptrdiff_t spread)
{
    for (ptrdiff_t p = 0; p < px; p++)
        for (ptrdiff_t lane = 0; lane < lanes; lane++)
            out[p * out_step + lane * spread] = from[p * LANES + lane];
}

/* Chains of at most CHUNK products go to `total`, and as many of those to `grand`. */
#define AT(sums) (*(vec *)((sums) + p * LANES))
#define END_CHAIN() do { \
        if (chains % CHUNK == 0 && chains > 0) \
            PASTE(strip_grand, SUFFIX)(px, chains > CHUNK, total, grand); \
        if (chains % CHUNK > 0) \
            EACH_PIXEL AT(total) += acc[p]; \
        else \
            EACH_PIXEL AT(total) = acc[p]; \
        EACH_PIXEL acc[p] = (vec){0}; \
        chains++; \
    } while (0)

/* `px`, `kw` and `sw` are constants in every caller, so that the loops unroll; kw = 0 reads the taps from the task. */
static ALWAYS_INLINE void PASTE(strip_run, SUFFIX)(
    const ptrdiff_t px, const ptrdiff_t kw, const ptrdiff_t sw, const depthwise_strip *t, const ELEMENT *const *table,
    const ELEMENT *w, ELEMENT *out, ptrdiff_t vectors, ptrdiff_t valid)
{
    const ptrdiff_t rows = t->rows, row_step = t->row_step, taps = t->kw, tap_step = t->tap_step;
    const ptrdiff_t pixel_step = t->pixel_step, out_step = t->out_step, spread = t->spread;
    const ptrdiff_t last = t->channels > LANES ? t->channels - LANES : 0;
    /* of a chain; there are no taps where a stride leaves gaps between transposed kernels */
    const ptrdiff_t wide = taps < 1 ? 1 : taps < CHUNK ? taps : CHUNK, high = CHUNK / (kw ? kw : wide);
    const vec *weight = (const vec *)w;
    const ptrdiff_t ahead = VECTOR_BYTES == 32 ? t->ahead : 0, read = px * (kw ? sw : 1) * (ptrdiff_t)sizeof(vec);
    ELEMENT sums[2][STRIP_PIXELS * LANES], *total = sums[0], *grand = sums[1];
    OPAQUE(total);
    OPAQUE(grand);
    for (ptrdiff_t v = 0; v < vectors; v++) {
        const ptrdiff_t c = v * LANES < last ? v * LANES : last;
        const ELEMENT *const *row = table;
        ptrdiff_t chains = 0;
        vec acc[STRIP_PIXELS];
        EACH_PIXEL acc[p] = *weight;
        weight++;
        if (ahead) { /* a share with each vector: asked for all at once, lines hold up the loads after them */
            const char *line = (const char *)t->later + v * read;
            const char *next = (const char *)(out + px * out_step + v * px * LANES);
            for (ptrdiff_t y = 0; y < ahead; y++, line += t->ahead_step)
                UNROLL for (ptrdiff_t i = 0; i < read; i += 64)
                    FETCH_TO_L2(line + i);
            UNROLL for (ptrdiff_t i = 0; i < px * (ptrdiff_t)sizeof(vec); i += 64)
                FETCH_TO_L2(next + i);
        }
        for (ptrdiff_t i = 0, end = high; i < rows; i++, row += row_step) {
            if (i == end) {
                END_CHAIN();
                end += high;
            }
            if (kw) {
                vec k[MOST_SHARED];
                UNROLL for (ptrdiff_t j = 0; j < kw; j++)
                    k[j] = weight[j];
                weight += kw;
#pragma GCC unroll 32
                for (ptrdiff_t q = 0; q < (px - 1) * sw + kw; q++) {
                    const vec x = *(const vec *)(row[q] + c);
                    UNROLL for (ptrdiff_t j = 0; j < kw; j++)
                        if (q >= j && (q - j) % sw == 0 && (q - j) / sw < px)
                            acc[(q - j) / sw] += x * k[j];
                }
            } else {
                const ELEMENT *const *tap = row;
                for (ptrdiff_t j = 0; j < taps; j++, tap += tap_step) {
                    if (j > 0 && j % CHUNK == 0)
                        END_CHAIN();
                    const vec k = *weight++;
                    EACH_PIXEL acc[p] += *(const vec *)(tap[p * pixel_step] + c) * k;
                }
            }
        }
        if (chains > 0)
            EACH_PIXEL acc[p] += AT(total);
        if (chains > CHUNK)
            EACH_PIXEL acc[p] += AT(grand);
        if (t->clamp) {
            const vec lo = (vec){0} + (ELEMENT)t->lo, hi = (vec){0} + (ELEMENT)t->hi;
            EACH_PIXEL CLAMP(vec, mask, acc[p], lo, hi);
        }
        if (spread == 1 && c + LANES <= valid) {
            EACH_PIXEL *(vec *)(out + p * out_step + c) = acc[p];
        } else {
            const ptrdiff_t lanes = valid - c < LANES ? valid - c : LANES;
            ELEMENT edge[STRIP_PIXELS * LANES];
            EACH_PIXEL AT(edge) = acc[p];
            if (spread == 1)
                PASTE(copy_rows, SUFFIX)(out, out_step, edge, LANES, px, lanes);
            else
                PASTE(strip_scatter, SUFFIX)(px, lanes, edge, out + c * spread, out_step, spread);
        }
    }
}
#undef END_CHAIN
#undef AT
#undef EACH_PIXEL

#define PIXELS(n, kw, sw) case n: \
        if (n + kw <= BESIDE) \
            PASTE(strip_run, SUFFIX)(n, kw, sw, t, table, w, out, vectors, valid); \
        return;
#define VARIANT(kw, sw) static NEVER_INLINE void PASTE(PASTE(PASTE(strip, kw), sw), SUFFIX)( \
    ptrdiff_t px, const depthwise_strip *t, const ELEMENT *const *table, const ELEMENT *w, ELEMENT *out, \
    ptrdiff_t vectors, ptrdiff_t valid) \
{ \
    switch (px) { \
        PIXELS(1, kw, sw) PIXELS(2, kw, sw) PIXELS(3, kw, sw) PIXELS(4, kw, sw) \
        PIXELS(5, kw, sw) PIXELS(6, kw, sw) PIXELS(7, kw, sw) PIXELS(8, kw, sw) \
        PIXELS(9, kw, sw) PIXELS(10, kw, sw) PIXELS(11, kw, sw) PIXELS(12, kw, sw) \
    } \
}
VARIANT(0, 0)
VARIANT(2, 1)
VARIANT(3, 1)
VARIANT(3, 2)
VARIANT(4, 1)
VARIANT(4, 2)
VARIANT(5, 1)
VARIANT(5, 2)
VARIANT(6, 1)
VARIANT(6, 2)
VARIANT(7, 1)
VARIANT(7, 2)
VARIANT(8, 1)
VARIANT(8, 2)
VARIANT(9, 1)
VARIANT(9, 2)
#undef VARIANT
#undef PIXELS

static ALWAYS_INLINE void PASTE(strip, SUFFIX)(ptrdiff_t px, const depthwise_strip *t, const ELEMENT *const *table,
                                               const ELEMENT *w, ELEMENT *out, ptrdiff_t vectors, ptrdiff_t valid,
                                               const ptrdiff_t strides)
{
#define SHARED(k, s) case k * 4 + s: \
        if (s <= strides) \
            PASTE(PASTE(PASTE(strip, k), s), SUFFIX)(px, t, table, w, out, vectors, valid); \
        return;
    switch (t->shared ? t->kw * 4 + t->shared : 0) {
        SHARED(2, 1) SHARED(3, 1) SHARED(3, 2) SHARED(4, 1) SHARED(4, 2) SHARED(5, 1) SHARED(5, 2) SHARED(6, 1)
        SHARED(6, 2) SHARED(7, 1) SHARED(7, 2) SHARED(8, 1) SHARED(8, 2) SHARED(9, 1) SHARED(9, 2) SHARED(0, 0)
    }
#undef SHARED
}

#undef mask
#undef vec
#undef LANES
#endif
