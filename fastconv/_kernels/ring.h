/* A few output pixels of groups of few channels, channels last: vectors along input channels, sums in registers.
 *
 * Channels that stand side by side, `size` of them, are a ring, and lane k of a ring meets at product r the weight of
 * its output k + r, counted round the ring. No pixel is shuffled for that, as if each channel had `size` kernels of its
 * own; at last the sums travel round the ring to the outputs they belong to, two rings of four in this drawing:
 *
 *     pixel        a0 a1 a2 a3 | b0 b1 b2 b3        is loaded once for `size` products
 *     sums 0 to    a0 a1 a2 a3 | b0 b1 b2 b3
 *     sums 1 to    a1 a2 a3 a0 | b1 b2 b3 b0        out = sums 0 + turned(sums 1 + turned(sums 2 + turned(sums 3)))
 *
 * A group of more inputs than a ring has several, `parts`, whose sums are added up; of more outputs, it is passed
 * several times. Pixels are found through a table, as in `depthwise_last.h`. Each output adds up its products in one
 * order. The file includes itself once per element type.
 */
#ifndef FASTCONV_RING_H
#define FASTCONV_RING_H

#include "depthwise_last.h"
#include "shuffle.h"

#include <string.h>

#define RING_MOST 8                                 /* channels of a ring */
#define RING_PIXELS(size) (BESIDE / ((size) + 1) < 1 ? 1 : BESIDE / ((size) + 1)) /* sums, and pixels that are loaded */
#define RING_SUMS (BESIDE > RING_MOST ? BESIDE : RING_MOST)

#define RING_WIDTH 16                               /* channels at a time where there are no vectors */

typedef struct {
    ptrdiff_t size, parts;   /* channels of a ring, rings of a group's inputs, */
    ptrdiff_t apart;         /* and outputs of a group */
} ring_shape;

#define EACH_TYPE "ring.h"
#include "each_float.h"
#undef EACH_TYPE

/* Channels of a vector, no fewer than a group has, */
static inline ptrdiff_t ring_width(size_t size) { return VECTOR_BYTES ? lanes_of(size) : RING_WIDTH; }

/* and those of them that are whole groups. */
static inline ptrdiff_t ring_lanes(size_t size, const ring_shape *ring)
{
    const ptrdiff_t group = ring->size * ring->parts;
    return ring_width(size) / group * group;
}

/* Output pixels at a time. */
static inline ptrdiff_t ring_pixels(ptrdiff_t size) { return RING_PIXELS(size); }

/* As `strip`, of vectors of `ring_lanes`, by weights that are for each vector its biases, and for each tap `size`
 * vectors. Pixels must be readable for a whole vector from each of its first lanes on. */
static inline void ring_strip(size_t size, ptrdiff_t px, const ring_shape *ring, const depthwise_strip *t,
                              const void *const *table, const void *w, void *out, ptrdiff_t vectors, ptrdiff_t valid)
{
    if (size == sizeof(float))
        ring_strip_f32(px, ring, t, (const float *const *)table, w, out, vectors, valid);
    else
        ring_strip_f64(px, ring, t, (const double *const *)table, w, out, vectors, valid);
}

#elif defined(ELEMENT)

#if !VECTOR_BYTES
/* The sums one by one. */
static void PASTE(ring_strip, SUFFIX)(
    ptrdiff_t px, const ring_shape *ring, const depthwise_strip *t, const ELEMENT *const *table, const ELEMENT *w,
    ELEMENT *out, ptrdiff_t vectors, ptrdiff_t valid)
{
    const ptrdiff_t c = ring->size, group = c * ring->parts, step = RING_WIDTH / group * group, taps = t->rows * t->kw;
    for (ptrdiff_t v = 0; v < vectors; v++, w += (taps * c + 1) * RING_WIDTH)
        for (ptrdiff_t p = 0; p < px; p++) {
            const ptrdiff_t last = t->channels > step ? t->channels - step : 0, at = v * step < last ? v * step : last;
            for (ptrdiff_t lane = 0; lane < step && at + lane < valid; lane++) {
                const ptrdiff_t o = lane % group;
                if (o >= c)
                    continue;
                ELEMENT sum = w[lane];
                for (ptrdiff_t k = 0; k < group; k++) {
                    const ptrdiff_t from = lane - o + k, r = (o + c - k % c) % c;
                    ELEMENT chain = 0;
                    for (ptrdiff_t tap = 0; tap < taps; tap++) {
                        const ptrdiff_t entry = tap / t->kw * t->row_step + tap % t->kw * t->tap_step;
                        if (tap % CHUNK == 0)
                            sum += chain, chain = 0;
                        chain += table[entry + p * t->pixel_step][at + from] * w[(1 + tap * c + r) * RING_WIDTH + from];
                    }
                    sum += chain;
                }
                if (t->clamp)
                    CLAMP(ELEMENT, , sum, (ELEMENT)t->lo, (ELEMENT)t->hi);
                out[p * t->out_step + (at + lane) / group * ring->apart + o] = sum;
            }
        }
}
#else
#define BYTES VECTOR_BYTES
#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define run PASTE(ring_run, SUFFIX)
#define turned PASTE(ring_turned, SUFFIX)
#define EACH_PIXEL _Pragma("GCC unroll 16") for (ptrdiff_t p = 0; p < px; p++)
#define EACH_SUM EACH_PIXEL UNROLL for (ptrdiff_t r = 0; r < c; r++)

/* Each lane of rings of c to the next one. */
static ALWAYS_INLINE vec turned(const ptrdiff_t c, vec v)
{
#ifdef SHUFFLES
#define BEFORE(c, i) ((i) / (c) < COUNT / (c) ? (i) / (c) * (c) + ((i) % (c) + (c) - 1) % (c) : (i))
#define BEFORE_2(i) BEFORE(2, i)
#define BEFORE_3(i) BEFORE(3, i)
#define BEFORE_4(i) BEFORE(4, i)
#define BEFORE_5(i) BEFORE(5, i)
#define BEFORE_6(i) BEFORE(6, i)
#define BEFORE_7(i) BEFORE(7, i)
#define BEFORE_8(i) BEFORE(8, i)
    switch (c) {
        case 2: return SHUFFLE(v, v, BEFORE_2);
        case 3: return SHUFFLE(v, v, BEFORE_3);
        case 4: return SHUFFLE(v, v, BEFORE_4);
        case 5: return SHUFFLE(v, v, BEFORE_5);
        case 6: return SHUFFLE(v, v, BEFORE_6);
        case 7: return SHUFFLE(v, v, BEFORE_7);
        case 8: return SHUFFLE(v, v, BEFORE_8);
        default: return v;
    }
#else
    ELEMENT from[LANES_OF(ELEMENT)], to[LANES_OF(ELEMENT)];
    memcpy(from, &v, sizeof v);
    memcpy(to, &v, sizeof v);
    for (ptrdiff_t i = 0; i < LANES / c * c; i++)
        to[i] = from[i / c * c + (i % c + c - 1) % c];
    memcpy(&v, to, sizeof v);
    return v;
#endif
}

/* `c`, the ring's size, and `px` are constants in every caller, so that acc stays in registers. */
static ALWAYS_INLINE void run(const ptrdiff_t c, const ptrdiff_t px, const ring_shape *ring, const depthwise_strip *t,
                              const ELEMENT *const *table, const ELEMENT *w, ELEMENT *out, ptrdiff_t vectors,
                              ptrdiff_t valid)
{
    const ptrdiff_t group = c * ring->parts, step = LANES / group * group, taps = t->kw, tap_step = t->tap_step;
    const ptrdiff_t last = t->channels > step ? t->channels - step : 0, pixel_step = t->pixel_step;
    const int whole = group == c && ring->apart == c;
    const vec *weight = (const vec *)w;
    ELEMENT memory[RING_SUMS * LANES_OF(ELEMENT)], *total = memory;
    ELEMENT edges[2 * RING_PIXELS(1) * LANES_OF(ELEMENT)], *edge = edges;
    OPAQUE(total);
    OPAQUE(edge);
    for (ptrdiff_t v = 0; v < vectors; v++) {
        const ptrdiff_t at = v * step < last ? v * step : last, some = valid - at < step ? valid - at : step;
        if (some <= 0)
            return;
        const ELEMENT *const *row = table;
        ptrdiff_t chain = 0, chains = 0;
        vec acc[RING_PIXELS(1)][RING_MOST];
        EACH_SUM acc[p][r] = r ? (vec){0} : *weight;
        weight++;
        for (ptrdiff_t i = 0; i < t->rows; i++, row += t->row_step) {
            const ELEMENT *const *tap = row;
            for (ptrdiff_t j = 0; j < taps; j++, tap += tap_step) {
                if (chain++ == CHUNK) {
                    if (chains++)
                        EACH_SUM *(vec *)(total + (p * c + r) * LANES) += acc[p][r];
                    else
                        EACH_SUM *(vec *)(total + (p * c + r) * LANES) = acc[p][r];
                    EACH_SUM acc[p][r] = (vec){0};
                    chain = 1;
                }
                vec x[RING_PIXELS(1)];
                EACH_PIXEL {
                    x[p] = *(const vec *)(tap[p * pixel_step] + at);
                    LOADED_ONCE(x[p]);
                }
                UNROLL for (ptrdiff_t r = 0; r < c; r++) {
                    vec k = weight[r];
                    LOADED_ONCE(k);
                    EACH_PIXEL MULTIPLY_ADD(acc[p][r], x[p], k);
                }
                weight += c;
            }
        }
        if (chains)
            EACH_SUM acc[p][r] += *(vec *)(total + (p * c + r) * LANES);
        EACH_PIXEL {
            vec sum = acc[p][c - 1];
            UNROLL for (ptrdiff_t r = c - 2; r >= 0; r--)
                sum = acc[p][r] + turned(c, sum);
            acc[p][0] = sum;
            if (group > c)
                *(vec *)(edge + 2 * p * LANES) = sum;
        }
        EACH_PIXEL {
            ELEMENT *to = out + p * t->out_step + at / group * ring->apart, *from = edge + 2 * p * LANES;
            vec sum = acc[p][0];
            for (ptrdiff_t part = c; part < group; part += c)
                sum += *(const vec *)(from + part);
            if (t->clamp)
                CLAMP(vec, mask, sum, (vec){0} + (ELEMENT)t->lo, (vec){0} + (ELEMENT)t->hi);
            if (whole && at + LANES <= valid) { /* what comes after these groups is written with the next ones */
                *(vec *)to = sum;
                continue;
            }
            *(vec *)from = sum;
            for (ptrdiff_t i = 0; i < some; i += group, to += ring->apart)
                memcpy(to, from + i, (size_t)c * sizeof(ELEMENT));
        }
    }
}

#define PIXELS(c, n) case n: if (n <= RING_PIXELS(c)) run(c, n <= RING_PIXELS(c) ? n : 1, ring, t, table, w, out, \
                                                          vectors, valid); return;
#define RINGS(c) static NEVER_INLINE void PASTE(PASTE(ring_of, c), SUFFIX)( \
    ptrdiff_t px, const ring_shape *ring, const depthwise_strip *t, const ELEMENT *const *table, const ELEMENT *w, \
    ELEMENT *out, ptrdiff_t vectors, ptrdiff_t valid) \
{ \
    switch (px) { \
        PIXELS(c, 1) PIXELS(c, 2) PIXELS(c, 3) PIXELS(c, 4) PIXELS(c, 5) PIXELS(c, 6) PIXELS(c, 7) PIXELS(c, 8) \
        PIXELS(c, 9) PIXELS(c, 10) PIXELS(c, 11) PIXELS(c, 12) PIXELS(c, 13) PIXELS(c, 14) PIXELS(c, 15) \
    } \
}
RINGS(1)
RINGS(2)
RINGS(3)
RINGS(4)
RINGS(5)
RINGS(6)
RINGS(7)
RINGS(8)

static void PASTE(ring_strip, SUFFIX)(
    ptrdiff_t px, const ring_shape *ring, const depthwise_strip *t, const ELEMENT *const *table, const ELEMENT *w,
    ELEMENT *out, ptrdiff_t vectors, ptrdiff_t valid)
{
#define OF(c) case c: PASTE(PASTE(ring_of, c), SUFFIX)(px, ring, t, table, w, out, vectors, valid); return;
    switch (ring->size) {
        OF(1) OF(2) OF(3) OF(4) OF(5) OF(6) OF(7) OF(8)
    }
#undef OF
}
#undef RINGS
#undef PIXELS
#undef EACH_SUM
#undef EACH_PIXEL
#undef turned
#undef run
#undef mask
#undef vec
#undef LANES
#undef BYTES
#endif
#endif
