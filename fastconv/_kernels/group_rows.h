/* Rows of output pixels of one group of a grouped convolution, kernels three columns wide, lanes along output channels.
 *
 *   staged pixels     p0       p1       p2       p3       p4          Each pixel's channel is broadcast once and meets
 *   taps            w0 w1 w2 w0 w1 w2 w0 w1 w2 w0 w1 w2 ...           the three taps of a row, which stay in registers:
 *   outputs              o0       o1       o2       o3                4 pixels take 6 broadcasts for 12 products.
 *
 *   out[y][x][lane] = bias[lane] + sum over slab, a, i, c, j of
 *                     w[slab + c][a][i][j][lane] * staged[slab][a][y * sh + i][x * sw + j][c]
 *
 * Pixels of a slab are GROUP_PIXEL channels apart, whatever the group has, so that distances along a row are constants
 * of the text and need no registers.
 *
 * Where vectors have 64 bytes, two groups of eight outputs of float share one. Their channels are woven, so that what
 * one of each brings is still a single broadcast, of 8 bytes; sums are put in order as they are stored:
 *
 *     staged pixel of groups a b     a0 b0 a1 b1 a2 b2 ...         a0 b0 a0 b0 a0 b0 ...   meets the weights of
 *     lanes of weights and sums      outputs 0 0 1 1 2 2 ...       channel 0, next a1 b1 a1 b1 ... those of channel 1
 *
 * Where up to half of a vector of 64 bytes is left of a group, that is half of one. Each output adds up its products in
 * one order, whichever tile it falls in. The file includes itself once per element type.
 */
#ifndef FASTCONV_GROUP_ROWS_H
#define FASTCONV_GROUP_ROWS_H

#include <string.h>

#include "keep.h"
#include "shuffle.h"
#include "simd.h"

#define GROUP_PIXEL 8
#define GROUP_FEWEST 8 /* outputs of a group that shares a vector */
#define GROUP_TAPS 3   /* columns of the kernel */
#define GROUP_LINES 3  /* the most lines of a tile */
#if VECTOR_BYTES == 64
#define GROUP_SUMS 14  /* of a tile: with the taps and a pixel they fit the registers, 32 at AVX-512 and 16 below */
#else
#define GROUP_SUMS 10
#endif

typedef struct {
    ptrdiff_t channels, slab;        /* of a group; from one slab of these in the stage to the next */
    ptrdiff_t kd, kh, depth, reach;  /* taps, and the distances of those along depth and rows */
    ptrdiff_t step;                  /* from what one line of output sees to the next */
    ptrdiff_t out_line, out_pixel;   /* from one line and one pixel of output to the next */
    int clamp;
    double lo, hi;
} group_shape;

#ifdef SHUFFLES
typedef long long group_pair __attribute__((aligned(4), may_alias));
/* A lane of either half in turn, and back. */
#define GROUP_WOVEN(i) ((i) % 2 * (COUNT / 2) + (i) / 2)
#define GROUP_UNWOVEN(i) ((i) % (COUNT / 2) * 2 + (i) / (COUNT / 2))
#endif

#define EACH_TYPE "group_rows.h"
#include "each_half.h"
#include "each_float.h"
#undef EACH_TYPE

/* Of `groups` groups of n output channels, how many share a vector: 1 or 2. */
static inline ptrdiff_t group_share(size_t size, ptrdiff_t groups, ptrdiff_t n)
{
#ifdef SHUFFLES
    const ptrdiff_t share = lanes_of(size) / (n < GROUP_FEWEST ? GROUP_FEWEST : n);
    if (share > 1 && share * n == lanes_of(size) && groups % share == 0)
        return share;
#endif
    return 1;
}

/* elements of `size` bytes that are computed side by side where n output channels are left: a vector, or half of one */
static inline ptrdiff_t group_lanes(size_t size, ptrdiff_t n)
{
    return VECTOR_BYTES == 64 && 2 * n <= lanes_of(size) ? lanes_of(size) / 2 : lanes_of(size);
}

/* elements of a pixel of a slab */
static inline ptrdiff_t group_pixel(size_t size, ptrdiff_t share) { return share > 1 ? lanes_of(size) : GROUP_PIXEL; }

/* Vectors of two groups, one after the other, `step` apart at `source`, become woven ones at `to`, which may be where
 * they are: pixels, or weights of a tap of a channel. */
static inline void group_weave(size_t size, void *to, const void *source, ptrdiff_t step, ptrdiff_t n)
{
    if (size == sizeof(float))
        group_weave_f32(to, source, step, n);
}

/* lines x cols outputs of stride sw = 1 or 2; lines * cols <= GROUP_SUMS, lines <= GROUP_LINES. `w` are the weights of
 * `lanes` channels, (K, lanes), woven where groups share vectors, `bias` as many elements; all lanes are written. */
static inline void group_tile(size_t size, ptrdiff_t lanes, ptrdiff_t share, ptrdiff_t lines, ptrdiff_t cols,
                              ptrdiff_t sw, const group_shape *s, const void *staged, const void *w, const void *bias,
                              void *out)
{
#define TILES(suffix) group_tiles_##suffix[share - 1][sw - 1][lines - 1][cols - 1](s, staged, w, bias, out)
#if VECTOR_BYTES == 64
    if (lanes < lanes_of(size)) {
        if (size == sizeof(float))
            TILES(h32);
        else
            TILES(h64);
        return;
    }
#endif
    if (size == sizeof(float))
        TILES(f32);
    else
        TILES(f64);
#undef TILES
}

/* n channels of pixels, `step` apart in `source`, in memory of channels last, go to slabs, `slab` apart. */
static inline void group_copy(size_t size, void *to, ptrdiff_t slab, const void *source, ptrdiff_t step,
                              ptrdiff_t pixels, ptrdiff_t n)
{
    if (size == sizeof(float))
        group_copy_f32(to, slab, source, step, pixels, n);
    else
        group_copy_f64(to, slab, source, step, pixels, n);
}

#elif defined(ELEMENT)

#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define run PASTE(group_run, SUFFIX)
#define LANES ((ptrdiff_t)(sizeof(vec) / sizeof(ELEMENT)))
#if defined(SHUFFLES) && !defined(HALVES) && VECTOR_BYTES / ELEMENT_BYTES == 2 * GROUP_FEWEST
#define PAIRS
#endif
#define EACH_SUM UNROLL for (ptrdiff_t l = 0; l < lines; l++) UNROLL for (ptrdiff_t q = 0; q < cols; q++)
#define TOTAL (*(vec *)(total + (l * cols + q) * LANES))

#ifdef PAIRS
#define BYTES VECTOR_BYTES
/* what one channel of `share` groups brings, which is at p */
#define SPREAD(share, p) ((share) == 1 ? (vec)(*(p) - (vec){0}) : (vec)(*(const group_pair *)(p) - (mask_f64){0}))
#define UNWOVEN(v) SHUFFLE(v, v, GROUP_UNWOVEN)
static NEVER_INLINE void PASTE(group_weave, SUFFIX)(ELEMENT *to, const ELEMENT *source, ptrdiff_t step, ptrdiff_t n)
{
    for (; n > 0; n--, source += step, to += LANES) {
        const vec v = *(const vec *)source;
        *(vec *)to = SHUFFLE(v, v, GROUP_WOVEN);
    }
}
#else
#define SPREAD(share, p) (*(p) - (vec){0})
#define UNWOVEN(v) (v)
#if ELEMENT_BYTES == 4 && !defined(HALVES)
static inline void PASTE(group_weave, SUFFIX)(ELEMENT *to, const ELEMENT *source, ptrdiff_t step, ptrdiff_t n)
{
    (void)to, (void)source, (void)step, (void)n; /* no groups share vectors */
}
#endif
#endif

/* The first four are constants in every caller, so that acc, which never has an address, is in registers. */
static ALWAYS_INLINE void run(const ptrdiff_t share, const ptrdiff_t lines, const ptrdiff_t cols, const ptrdiff_t sw,
                              const group_shape *s, const ELEMENT *staged, const ELEMENT *w, const ELEMENT *bias,
                              ELEMENT *out)
{
    const ptrdiff_t apart = share > 1 ? LANES : GROUP_PIXEL, deep = apart / share;
    vec acc[GROUP_LINES][GROUP_SUMS];
    ELEMENT memory[GROUP_SUMS * (VECTOR_BYTES ? VECTOR_BYTES / sizeof(ELEMENT) : 1)], *total = memory;
    const ptrdiff_t step = s->step, taps = s->kd * s->kh * GROUP_TAPS * LANES;
    ptrdiff_t chain = 0, chains = 0;
    OPAQUE(total);
    EACH_SUM {
        acc[l][q] = (vec){0};
        fetch_ahead(out + l * s->out_line + q * s->out_pixel, 1);
    }
    for (ptrdiff_t c0 = 0; c0 < s->channels; c0 += deep, staged += s->slab, w += deep * taps) {
        const ptrdiff_t some = s->channels - c0 < deep ? s->channels - c0 : deep;
        for (ptrdiff_t i = 0; i < s->kd * s->kh; i++) {
            if (chain + some * GROUP_TAPS > CHUNK) {
                if (chains++)
                    EACH_SUM TOTAL += acc[l][q];
                else
                    EACH_SUM TOTAL = acc[l][q];
                EACH_SUM acc[l][q] = (vec){0};
                chain = 0;
            }
            chain += some * GROUP_TAPS;
            const ELEMENT *seen = staged + i / s->kh * s->depth + i % s->kh * s->reach, *end = seen + some * share;
            const ELEMENT *tap = w + i * GROUP_TAPS * LANES;
            for (; seen < end; seen += share, tap += taps) {
                vec k[GROUP_TAPS];
                UNROLL for (ptrdiff_t j = 0; j < GROUP_TAPS; j++) {
                    k[j] = *(const vec *)(tap + j * LANES);
                    LOADED_ONCE(k[j]);
                }
                UNROLL for (ptrdiff_t l = 0; l < lines; l++)
                    _Pragma("GCC unroll 32") for (ptrdiff_t x = 0; x < (cols - 1) * sw + GROUP_TAPS; x++) {
                        const vec pixel = SPREAD(share, seen + l * step + x * apart);
                        UNROLL for (ptrdiff_t j = 0; j < GROUP_TAPS; j++) {
                            const ptrdiff_t q = (x - j) / sw;
                            if (x >= j && (x - j) % sw == 0 && q < cols)
                                acc[l][q] += pixel * k[j];
                        }
                        KEEP_ORDER();
                    }
            }
        }
    }
    if (chains)
        EACH_SUM acc[l][q] += TOTAL;
    if (share > 1)
        EACH_SUM acc[l][q] = UNWOVEN(acc[l][q]);
    EACH_SUM acc[l][q] += *(const vec *)bias;
    if (s->clamp) {
        const vec lo = (vec){0} + (ELEMENT)s->lo, hi = (vec){0} + (ELEMENT)s->hi;
        EACH_SUM CLAMP(vec, mask, acc[l][q], lo, hi);
    }
    EACH_SUM *(vec *)(out + l * s->out_line + q * s->out_pixel) = acc[l][q];
}

#define NAME(share, sw, lines, cols) PASTE(group_##share##_##sw##_##lines##_##cols, SUFFIX)
#define INSTANCE(share, sw, lines, cols) \
    static NEVER_INLINE void NAME(share, sw, lines, cols)(const group_shape *s, const ELEMENT *staged, \
                                                          const ELEMENT *w, const ELEMENT *bias, ELEMENT *out) \
    { \
        run(share, lines, cols, sw, s, staged, w, bias, out); \
    }
#define NAMED_TILE(share, sw, lines, cols) NAME(share, sw, lines, cols),
#if GROUP_SUMS == 14
#define EACH_3(X, share, sw, n) X(share, sw, n, 1) X(share, sw, n, 2) X(share, sw, n, 3) X(share, sw, n, 4)
#define EACH_2(X, share, sw, n) EACH_3(X, share, sw, n) X(share, sw, n, 5) X(share, sw, n, 6) X(share, sw, n, 7)
#define EACH_1(X, share, sw, n) EACH_2(X, share, sw, n) X(share, sw, n, 8) X(share, sw, n, 9) X(share, sw, n, 10) \
    X(share, sw, n, 11) X(share, sw, n, 12) X(share, sw, n, 13) X(share, sw, n, 14)
#else
#define EACH_3(X, share, sw, n) X(share, sw, n, 1) X(share, sw, n, 2) X(share, sw, n, 3)
#define EACH_2(X, share, sw, n) EACH_3(X, share, sw, n) X(share, sw, n, 4) X(share, sw, n, 5)
#define EACH_1(X, share, sw, n) EACH_2(X, share, sw, n) X(share, sw, n, 6) X(share, sw, n, 7) X(share, sw, n, 8) \
    X(share, sw, n, 9) X(share, sw, n, 10)
#endif
#define EACH(X, share, sw) EACH_1(X, share, sw, 1) EACH_2(X, share, sw, 2) EACH_3(X, share, sw, 3)
#define TABLE(share) \
    {{EACH_1(NAMED_TILE, share, 1, 1)}, {EACH_2(NAMED_TILE, share, 1, 2)}, {EACH_3(NAMED_TILE, share, 1, 3)}}, \
    {{EACH_1(NAMED_TILE, share, 2, 1)}, {EACH_2(NAMED_TILE, share, 2, 2)}, {EACH_3(NAMED_TILE, share, 2, 3)}}
EACH(INSTANCE, 1, 1) EACH(INSTANCE, 1, 2)
#ifdef PAIRS
EACH(INSTANCE, 2, 1) EACH(INSTANCE, 2, 2)
#endif
static void (*const PASTE(group_tiles, SUFFIX)[2][2][GROUP_LINES][GROUP_SUMS])(
    const group_shape *s, const ELEMENT *staged, const ELEMENT *w, const ELEMENT *bias, ELEMENT *out) = {
    {TABLE(1)},
#ifdef PAIRS
    {TABLE(2)},
#endif
};

#ifndef HALVES
static inline void PASTE(group_copy, SUFFIX)(ELEMENT *restrict to, ptrdiff_t slab, const ELEMENT *restrict source,
                                             ptrdiff_t step, ptrdiff_t pixels, ptrdiff_t n)
{
    for (; pixels > 0; pixels--, source += step, to += GROUP_PIXEL) {
        ptrdiff_t c = 0;
        ELEMENT *into = to;
        for (; c + GROUP_PIXEL <= n; c += GROUP_PIXEL, into += slab)
            memcpy(into, source + c, GROUP_PIXEL * sizeof(ELEMENT));
        for (; c < n; c++)
            *into++ = source[c];
    }
}
#endif
#undef TABLE
#undef EACH
#undef EACH_1
#undef EACH_2
#undef EACH_3
#undef NAMED_TILE
#undef INSTANCE
#undef NAME
#undef TOTAL
#undef EACH_SUM
#undef BYTES
#undef SPREAD
#undef UNWOVEN
#undef PAIRS
#undef LANES
#undef run
#undef mask
#undef vec
#endif
