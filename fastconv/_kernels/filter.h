/* The filter tile: a patch of one output plane, from staged rows that are padded and of unit stride.
 *
 *   out[q][x] = bias + sum over plane, j, i of  w[plane][i][j] * staged[plane][q * step + i * reach + column[j] + x]
 *
 *     staged rows        output rows q = 0 1 2       With step = reach = pitch a loaded row r serves every output row q
 *     r = 0  ........    w0                          for which i = r - q is a tap of the kernel: three rows of output
 *     r = 1  ........    w1 w0                       under a 3x3 kernel read five rows instead of nine. The triangle
 *     r = 2  ........    w2 w1 w0                    at the start and the one at the end unroll; between them every
 *     r = 3  ........       w2 w1                    row serves all q.
 *     r = 4  ........          w2
 *
 * Each output adds its taps in the order (plane, j, i), whichever tile it falls in. Vectors run along x; lanes beyond
 * the last column and rows beyond the last are computed from whatever is staged there and never stored. The file
 * includes itself once per element type.
 */
#ifndef FASTCONV_FILTER_H
#define FASTCONV_FILTER_H

#include <string.h>

#include "simd.h"


#define EACH_OUTPUT UNROLL for (ptrdiff_t q = 0; q < nr; q++) UNROLL for (ptrdiff_t x = 0; x < nv; x++)
#define FILTER_LANES (VECTOR_BYTES ? VECTOR_BYTES / sizeof(ELEMENT) : 1)

#define FILTER_ROWS 8    /* the tallest tile */
#define FILTER_VECTORS 8 /* the widest tile */

typedef struct {
    ptrdiff_t planes, plane;     /* input planes, and the distance of one to the next */
    ptrdiff_t kh, kw;            /* taps of one plane */
    ptrdiff_t pitch;             /* from one staged row to the next */
    ptrdiff_t step, reach;       /* from what one output row sees to the next, and from one tap i to the next */
    const ptrdiff_t *column;     /* of each tap j, where its first pixel stands in a staged row */
    ptrdiff_t out_pitch;         /* from one output row to the next */
    int clamp;
    double lo, hi;
} filter_shape;

#define ELEMENT float
#define SUFFIX f32
#include "filter.h"
#undef ELEMENT
#undef SUFFIX
#define ELEMENT double
#define SUFFIX f64
#include "filter.h"
#undef ELEMENT
#undef SUFFIX

/* A strip of tiles down `rows` rows of output, as wide as one tile but not wider than `cols`: returns how wide. */
static inline ptrdiff_t filter_strip(size_t size, const filter_shape *s, const void *staged, const void *w, double bias,
                                     void *out, ptrdiff_t rows, ptrdiff_t cols)
{
    if (size == sizeof(float))
        return filter_strip_f32(s, staged, w, (float)bias, out, rows, cols);
    return filter_strip_f64(s, staged, w, bias, out, rows, cols);
}

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define tile PASTE(filter_tile, SUFFIX)
#define run PASTE(filter_run, SUFFIX)

/* acc[q] += w[-q * kw] * row for q0 <= q < q1. A macro over constant bounds: only then do the accumulators, which must
 * never have an address, unroll into registers. */
#define ADD_ROW(q0, q1) do { \
        vec v[FILTER_VECTORS]; \
        UNROLL for (ptrdiff_t x = 0; x < nv; x++) \
            v[x] = *(const vec *)(row + x * LANES); \
        UNROLL for (ptrdiff_t q = 0; q < nr; q++) { \
            if (q < (q0) || q >= (q1)) \
                continue; \
            const ELEMENT weight = tap[-q * kw]; \
            UNROLL for (ptrdiff_t x = 0; x < nv; x++) \
                acc[q][x] += weight * v[x]; \
        } \
        KEEP_ORDER(); \
        row += pitch; \
        tap += kw; \
    } while (0)

/* Chains of at most CHUNK products go to `total`, and as many of those to `grand`: sum = sum + part, or = part. */
#define AT(sums) (*(vec *)((sums) + (q * nv + x) * LANES))
#define PART_acc acc[q][x]
#define PART_total AT(total)
#define ADD_UP(sum, part, more) do { \
        if (more) \
            EACH_OUTPUT AT(sum) += PART_##part; \
        else \
            EACH_OUTPUT AT(sum) = PART_##part; \
    } while (0)

static ALWAYS_INLINE void tile(const ptrdiff_t nr, const ptrdiff_t nv, const ptrdiff_t kh, const ptrdiff_t kw,
                               const filter_shape *s, const ELEMENT *staged, const ELEMENT *w, const ELEMENT bias,
                               ELEMENT *out, const ptrdiff_t rows, const ptrdiff_t cols)
{
    vec acc[FILTER_ROWS][FILTER_VECTORS];
    const ptrdiff_t pitch = s->pitch;
    EACH_OUTPUT acc[q][x] = (vec){0};
    ELEMENT total[FILTER_ROWS * FILTER_VECTORS * FILTER_LANES], grand[FILTER_ROWS * FILTER_VECTORS * FILTER_LANES];
    ptrdiff_t chain = 0, chains = 0;
    for (ptrdiff_t plane = 0; plane < s->planes; plane++, staged += s->plane, w += kh * kw)
        for (ptrdiff_t i0 = 0; i0 < kh; i0 += CHUNK)
            for (ptrdiff_t j = 0; j < kw; j++) {
                const ptrdiff_t taps = kh - i0 < CHUNK ? kh - i0 : CHUNK;
                if (chain + taps > CHUNK) {
                    if (chains % CHUNK == 0 && chains > 0)
                        ADD_UP(grand, total, chains > CHUNK);
                    ADD_UP(total, acc, chains % CHUNK > 0);
                    EACH_OUTPUT acc[q][x] = (vec){0};
                    chain = 0;
                    chains++;
                }
                chain += taps;
                const ELEMENT *row = staged + s->column[j] + i0 * s->reach, *tap = w + i0 * kw + j;
                if (nr > 1 && taps >= nr && s->step == pitch && s->reach == pitch) {
                    UNROLL for (ptrdiff_t r = 1; r < nr; r++)
                        ADD_ROW(0, r);
                    for (ptrdiff_t r = nr; r <= taps; r++)
                        ADD_ROW(0, nr);
                    UNROLL for (ptrdiff_t first = 1; first < nr; first++)
                        ADD_ROW(first, nr);
                } else {
                    const ptrdiff_t step = s->step, reach = s->reach;
                    for (ptrdiff_t i = 0; i < taps; i++, row += reach, tap += kw) {
                        const ELEMENT weight = *tap;
                        EACH_OUTPUT acc[q][x] += weight * *(const vec *)(row + q * step + x * LANES);
                        KEEP_ORDER();
                    }
                }
            }
    if (chains > 0)
        EACH_OUTPUT acc[q][x] += AT(total);
    if (chains > CHUNK)
        EACH_OUTPUT acc[q][x] += AT(grand);
    EACH_OUTPUT acc[q][x] += bias;
    if (s->clamp) {
        const vec lo = (vec){0} + (ELEMENT)s->lo, hi = (vec){0} + (ELEMENT)s->hi;
        EACH_OUTPUT {
            const vec v = SELECT(vec, mask, acc[q][x] < lo, lo, acc[q][x]);
            acc[q][x] = SELECT(vec, mask, v > hi, hi, v);
        }
    }
    UNROLL for (ptrdiff_t q = 0; q < nr; q++) {
        if (q >= rows)
            return;
        ELEMENT *to = out + q * s->out_pitch;
        UNROLL for (ptrdiff_t x = 0; x < nv; x++) {
            const ptrdiff_t left = cols - x * LANES;
            if (left >= LANES) {
                *(vec *)(to + x * LANES) = acc[q][x];
            } else if (left > 0) {
                ELEMENT edge[FILTER_LANES];
                *(vec *)edge = acc[q][x];
                memcpy(to + x * LANES, edge, (size_t)left * sizeof(ELEMENT));
            }
        }
    }
}

/* Tiles of nr rows and nv vectors, one below the other; nr, nv, and where a caller names them kh and kw, are constants. */
static ALWAYS_INLINE void run(const ptrdiff_t nr, const ptrdiff_t nv, const ptrdiff_t kh, const ptrdiff_t kw,
                              const filter_shape *s, const ELEMENT *staged, const ELEMENT *w, const ELEMENT bias,
                              ELEMENT *out, ptrdiff_t rows, const ptrdiff_t cols)
{
    for (; rows > 0; rows -= nr, staged += nr * s->step, out += nr * s->out_pitch)
        tile(nr, nv, kh, kw, s, staged, w, bias, out, rows, cols);
}

/* Eight to twelve accumulators each, and never more than fifteen registers with the loaded row and the weight: a
 * sixteenth makes gcc spill, which costs a factor of four. A tile as tall as the kernel shares best. */
#define filter_strip_of PASTE(filter_strip, SUFFIX)
static NEVER_INLINE ptrdiff_t filter_strip_of(const filter_shape *s, const ELEMENT *staged, const ELEMENT *w, ELEMENT bias,
                                              ELEMENT *out, ptrdiff_t rows, ptrdiff_t cols)
{
    const ptrdiff_t vectors = (cols + LANES - 1) / LANES;
    const ptrdiff_t shared = s->step == s->pitch && s->reach == s->pitch ? s->kh : 0; /* taps that may share a row */
#define KIND(nr, nv, kh, kw) { \
        if (cols > (nv) * LANES) \
            cols = (nv) * LANES; \
        run(nr, nv, kh, kw, s, staged, w, bias, out, rows, cols); \
        return cols; \
    }
    if (rows == 1) {
        if (vectors >= 8) KIND(1, 8, s->kh, s->kw)
        if (vectors >= 4) KIND(1, 4, s->kh, s->kw)
        KIND(1, 1, s->kh, s->kw)
    }
    if (s->kh == 3 && s->kw == 3) { /* by far the most common kernel */
        if (vectors == 1) KIND(8, 1, 3, 3)
        if (vectors >= 3 && shared) KIND(3, 3, 3, 3)
        KIND(6, 2, 3, 3)
    }
    if (vectors == 1) KIND(8, 1, s->kh, s->kw)
    if (vectors >= 4 && shared == 2) KIND(2, 4, s->kh, s->kw)
    if (vectors >= 3 && shared == 3) KIND(3, 3, s->kh, s->kw)
    if (shared == 4) KIND(4, 2, s->kh, s->kw)
    if (shared == 5) KIND(5, 2, s->kh, s->kw)
    KIND(6, 2, s->kh, s->kw)
#undef KIND
}
#undef filter_strip_of
#undef run
#undef tile
#undef ADD_UP
#undef PART_acc
#undef PART_total
#undef AT
#undef ADD_ROW
#undef mask
#undef vec
#undef LANES
#endif
