/* A row of a transposed convolution from the products of its taps: each output adds up those that fall on it.
 *
 *     out[s * m + f] = bias + sum over line, tap of phase f of  line[at[tap] + m]
 *
 *     products of taps 0 to 3, stride 2      a0 a1 a2 ..   b0 b1 b2 ..   c0 c1 c2 ..   d0 d1 d2 ..
 *     phases                                 a0 a1+c0 a2+c1 ..           b0 b1+d0 b2+d1 ..
 *     out                                    a0 b0 a1+c0 b1+d0 a2+c1 b2+d1 ..
 *
 * A line is what one row of pixels gives with one row of taps, with zeros where a tap has no pixel. The sums of a
 * vector of each phase are woven in registers (`weave.h`). The file includes itself once per element type.
 */
#ifndef FASTCONV_OVERLAP_H
#define FASTCONV_OVERLAP_H

#include "simd.h"
#include "weave.h"

typedef struct {
    ptrdiff_t s;           /* phases */
    const ptrdiff_t *ends; /* of each phase, the end of its taps in `at` */
    const ptrdiff_t *at;   /* of each tap: where its product of output 0 of its phase lies in a line */
} overlap_shape;

typedef struct {
    ptrdiff_t input, tap; /* what meets in an output along w */
} overlap_pair;

#define EACH_TYPE "overlap.h"
#include "each_float.h"
#undef EACH_TYPE

/* `n` outputs; lines are readable up to a vector beyond what is needed. */
static inline void overlap_row(size_t size, const overlap_shape *g, ptrdiff_t lines, const void *const *line,
                               double bias, void *out, ptrdiff_t n)
{
    if (size == sizeof(float))
        overlap_row_f32(g, lines, (const float *const *)line, (float)bias, out, n);
    else
        overlap_row_f64(g, lines, (const double *const *)line, bias, out, n);
}

/* Outputs that lie side by side along w, `channels` of each in whole vectors, to sums[output][channel]: `counts` says
 * how many `pairs` meet in each, of at most `taps`; in a line products are `pixel` apart, those of its taps `tap`. */
static inline void overlap_channels(size_t size, ptrdiff_t lines, const void *const *line, const overlap_pair *pairs,
                                    ptrdiff_t taps, const ptrdiff_t *counts, ptrdiff_t pixel, ptrdiff_t tap,
                                    const void *bias, void *sums, ptrdiff_t channels, ptrdiff_t n)
{
    if (size == sizeof(float))
        overlap_channels_f32(lines, (const float *const *)line, pairs, taps, counts, pixel, tap, bias, sums, channels,
                             n);
    else
        overlap_channels_f64(lines, (const double *const *)line, pairs, taps, counts, pixel, tap, bias, sums, channels,
                             n);
}

#elif defined(ELEMENT)

#define vec PASTE(vec, SUFFIX)
#define LANES LANES_OF(ELEMENT)
#define sum_phase PASTE(sum_phase, SUFFIX)
/* A vector of outputs from m on that the taps [first, end) make up. */
static ALWAYS_INLINE vec sum_phase(const overlap_shape *g, ptrdiff_t first, ptrdiff_t end, ptrdiff_t lines,
                                   const ELEMENT *const *line, ELEMENT bias, ptrdiff_t m)
{
    vec sum = bias - (vec){0};
    for (ptrdiff_t i = 0; i < lines; i++)
        for (ptrdiff_t tap = first; tap < end; tap++)
            sum += *(const vec *)(line[i] + g->at[tap] + m);
    return sum;
}

#define WOVEN(ways) \
    for (; n > 0; n -= ways * LANES, out += ways * LANES, m += LANES) { \
        vec a[ways]; \
        UNROLL for (ptrdiff_t f = 0; f < ways; f++) \
            a[f] = sum_phase(g, f ? g->ends[f - 1] : 0, g->ends[f], lines, line, bias, m); \
        PASTE(weave_some, SUFFIX)(ways, a, out, n); \
    }

static NEVER_INLINE void PASTE(overlap_row, SUFFIX)(const overlap_shape *g, ptrdiff_t lines, const ELEMENT *const *line,
                                                    ELEMENT bias, ELEMENT *out, ptrdiff_t n)
{
    ptrdiff_t m = 0;
    if (g->s == 1)
        WOVEN(1)
    else if (g->s == 2)
        WOVEN(2)
    else if (g->s == 3)
        WOVEN(3)
    else if (g->s == 4)
        WOVEN(4)
    else if (g->s == 8)
        WOVEN(8)
    else
        for (ptrdiff_t f = 0, first = 0; f < g->s; first = g->ends[f++])
            for (ptrdiff_t x = f; x < n; x += g->s * LANES) {
                ELEMENT lane[LANES];
                *(vec *)lane = sum_phase(g, first, g->ends[f], lines, line, bias, x / g->s);
                for (ptrdiff_t i = 0; i < LANES && x + i * g->s < n; i++)
                    out[x + i * g->s] = lane[i];
            }
}

static NEVER_INLINE void PASTE(overlap_channels, SUFFIX)(
    ptrdiff_t lines, const ELEMENT *const *line, const overlap_pair *pairs, ptrdiff_t taps, const ptrdiff_t *counts,
    ptrdiff_t pixel, ptrdiff_t tap, const ELEMENT *bias, ELEMENT *sums, ptrdiff_t channels, ptrdiff_t n)
{
    for (ptrdiff_t x = 0; x < n; x++, pairs += taps, sums += channels)
        for (ptrdiff_t o = 0; o < channels; o += LANES) {
            vec sum = *(const vec *)(bias + o);
            for (ptrdiff_t i = 0; i < lines; i++)
                for (ptrdiff_t j = 0; j < counts[x]; j++)
                    sum += *(const vec *)(line[i] + pairs[j].input * pixel + pairs[j].tap * tap + o);
            *(vec *)(sums + o) = sum;
        }
}
#undef WOVEN
#undef sum_phase
#undef LANES
#undef vec
#endif
