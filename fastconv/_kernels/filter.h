/* The filter tile: a patch of one output plane, from staged rows that are padded and of unit stride.
 *
 *   out[q][x] = bias + sum over plane, j, i of  w[plane][i][j] * staged[plane][q * step + i * reach + column[j] + x]
 *
 *     staged rows        output rows q = 0 1 2       With reach = pitch a loaded row r serves every output row q for
 *     r = 0  ........    w0                          which i = r - q * sh is a tap of the kernel: at stride 1 three
 *     r = 1  ........    w1 w0                       rows of output under a 3x3 kernel read five rows instead of nine.
 *     r = 2  ........    w2 w1 w0                    Kernels 3, 5 and 7 high unroll as a whole. Higher ones unroll the
 *     r = 3  ........       w2 w1                    triangle at the start and the one at the end; between them every
 *     r = 4  ........          w2                    row serves all q.
 *
 * Each output adds its taps in the order (plane, j, i), whichever tile it falls in. Vectors run along x; the last one of
 * a row moves back to end with the row, and computes again what the one before it did. Where a row is shorter than a
 * vector, lanes beyond it are stored too and overwritten by the next row, but for those beyond the last row. Rows beyond
 * the last are computed from whatever is staged there and never stored. The file includes itself once per element type.
 */
#ifndef FASTCONV_FILTER_H
#define FASTCONV_FILTER_H

#include "copy.h"
#include "keep.h"
#include "simd.h"

#define EACH_OUTPUT UNROLL for (ptrdiff_t q = 0; q < nr; q++) UNROLL for (ptrdiff_t x = 0; x < nv; x++)
#define FILTER_LANES (VECTOR_BYTES ? VECTOR_BYTES / sizeof(ELEMENT) : 1)

#define FILTER_ROWS 8    /* the tallest tile */
#define FILTER_VECTORS 8 /* the widest tile */
#define FILTER_HIGH 7    /* the highest kernel that unrolls as a whole */
#define UNROLL_ROWS _Pragma("GCC unroll 32")

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

/* Of output rows under which neighbouring taps read neighbouring rows, so that they share them; else 0. */
static inline ptrdiff_t shared_stride(const filter_shape *s)
{
    return s->reach != s->pitch ? 0 : (s->step == s->pitch) + 2 * (s->step == 2 * s->pitch);
}

#define EACH_TYPE "filter.h"
#include "each_half.h"
#include "each_float.h"
#undef EACH_TYPE

/* `rows` rows of `cols` output columns; where they are fewer than a vector has lanes, rows follow each other densely. */
static inline void filter_block(size_t size, const filter_shape *s, const void *staged, const void *w, double bias,
                                void *out, ptrdiff_t rows, ptrdiff_t cols)
{
    if (size == sizeof(float))
        filter_block_f32(s, staged, w, (float)bias, out, rows, cols);
    else
        filter_block_f64(s, staged, w, bias, out, rows, cols);
}

#elif defined(ELEMENT)

#define LANES ((ptrdiff_t)(sizeof(vec) / sizeof(ELEMENT)))
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define tile PASTE(filter_tile, SUFFIX)
#define store_few PASTE(filter_store_few, SUFFIX)

/* The first column of vector x of a tile. */
#define COLUMN(x) ((x) < nv - 1 ? (x) * LANES : last)

/* acc[q] += w[-q * kw] * row for q0 <= q < q1. A macro over constant bounds: only then do the accumulators, which must
 * never have an address, unroll into registers. */
#define ADD_ROW(q0, q1) do { \
        vec v[FILTER_VECTORS]; \
        UNROLL for (ptrdiff_t x = 0; x < nv; x++) { \
            v[x] = *(const vec *)(row + COLUMN(x)); \
            LOADED_ONCE(v[x]); \
        } \
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

static NEVER_INLINE void store_few(ELEMENT *to, vec v, ptrdiff_t n)
{
    ELEMENT edge[FILTER_LANES];
    *(vec *)edge = v;
    if (n > 0)
        copy_few((char *)to, (const char *)edge, n * (ptrdiff_t)sizeof(ELEMENT));
}

/* `sh`, a constant as nr and nv are, is the stride of output rows that share loaded rows under a kernel of constant
 * height; 0 leaves everything to the shape. `last` is the last vector's column, `room` what may be written from `out`. */
static ALWAYS_INLINE void tile(const ptrdiff_t nr, const ptrdiff_t nv, const ptrdiff_t kh, const ptrdiff_t sh,
                               const filter_shape *s, const ELEMENT *staged, const ELEMENT *w, const ELEMENT bias,
                               ELEMENT *out, const ptrdiff_t rows, const ptrdiff_t last, const ptrdiff_t room)
{
    vec acc[FILTER_ROWS][FILTER_VECTORS];
    const ptrdiff_t pitch = s->pitch, kw = s->kw, out_pitch = s->out_pitch;
    EACH_OUTPUT acc[q][x] = (vec){0};
    ELEMENT sums[2][FILTER_ROWS * FILTER_VECTORS * FILTER_LANES], *total = sums[0], *grand = sums[1];
    IN_MEMORY(total);
    IN_MEMORY(grand);
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
                if (sh > 0) {
                    vec k[FILTER_HIGH];
                    UNROLL for (ptrdiff_t i = 0; i < kh; i++)
                        k[i] = tap[i * kw] - (vec){0};
                    UNROLL_ROWS for (ptrdiff_t r = 0; r < (nr - 1) * sh + kh; r++) {
                        vec v[FILTER_VECTORS];
                        UNROLL for (ptrdiff_t x = 0; x < nv; x++) {
                            v[x] = *(const vec *)(row + COLUMN(x));
                            LOADED_ONCE(v[x]);
                        }
                        UNROLL for (ptrdiff_t q = 0; q < nr; q++) {
                            if (r < q * sh || r >= q * sh + kh)
                                continue;
                            UNROLL for (ptrdiff_t x = 0; x < nv; x++)
                                acc[q][x] += k[r - q * sh] * v[x];
                        }
                        KEEP_ORDER();
                        row += pitch;
                    }
                } else if (nr > 1 && taps >= nr && s->step == pitch && s->reach == pitch) {
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
                        EACH_OUTPUT acc[q][x] += weight * *(const vec *)(row + q * step + COLUMN(x));
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
        ELEMENT *to = out + q * out_pitch;
        if (nv == 1 && room - q * out_pitch < LANES) {
            store_few(to, acc[q][0], room - q * out_pitch);
            continue;
        }
        UNROLL for (ptrdiff_t x = 0; x < nv; x++)
            *(vec *)(to + COLUMN(x)) = acc[q][x];
    }
}

/* Accumulators, the loaded row and the weights of a column fit the registers, 32 at AVX-512 and 16 below: one more makes
 * gcc spill, which costs a factor of four. Eight independent sums hide the latency of FMA where two start each cycle. */
#define filter_block_of PASTE(filter_block, SUFFIX)
#define strip PASTE(filter_strip, SUFFIX)
#define half_strip PASTE(filter_strip, HALF_SUFFIX)
#define KIND(nr, nv, kh, sh) { \
        do { \
            const ptrdiff_t width = cols - x < (nv) * LANES ? cols - x : (nv) * LANES; \
            const ptrdiff_t at = width < LANES && cols > LANES ? cols - LANES : x; \
            for (ptrdiff_t y = 0; y < rows; y += nr) \
                tile(nr, nv, kh, sh, s, staged + y * s->step + at, w, bias, out + y * s->out_pitch + at, rows - y, \
                     (nv) > 1 ? width - LANES : 0, room - y * s->out_pitch - at); \
            x += width; \
        } while (cols - x >= (nv) * LANES); \
        return x; \
    }

/* `rows` rows of the tiles from column x on that are of one kind; returns where the next kind begins. */
static NEVER_INLINE ptrdiff_t strip(const filter_shape *s, const ELEMENT *staged, const ELEMENT *w, const ELEMENT bias,
                                    ELEMENT *out, const ptrdiff_t rows, const ptrdiff_t cols,
                                    ptrdiff_t x, const ptrdiff_t room)
{
    const ptrdiff_t shared = shared_stride(s);
    ptrdiff_t vectors = (cols - x + LANES - 1) / LANES;
#if VECTOR_BYTES == 64 && !defined(HALVES)
    const ptrdiff_t rest = (cols - x) % LANES;
    if (rows > 4 && cols >= LANES && rest > 0 && rest <= LANES / 2 && vectors <= 2 && --vectors == 0)
        return half_strip(s, staged, w, bias, out, rows, cols, x, room);
#endif
    if (rows == 1) {
        if (vectors >= 8) KIND(1, 8, s->kh, 0)
        if (vectors >= 4) KIND(1, 4, s->kh, 0)
        KIND(1, 1, s->kh, 0)
    }
#define SHARED(high, sh) if (s->kh == high && shared == sh) HEIGHTS(high, sh)
#if VECTOR_BYTES == 64
#define WIDTHS(nr, kh, sh) { if (vectors > 1) KIND(nr, 2, kh, sh) else KIND(nr, 1, kh, sh) }
#define HEIGHTS(kh, sh) { \
        if (rows > 7) WIDTHS(8, kh, sh) \
        if (rows > 4) WIDTHS(7, kh, sh) \
        WIDTHS(4, kh, sh) \
    }
    SHARED(3, 1)
    SHARED(3, 2)
    SHARED(5, 1)
    SHARED(5, 2)
    SHARED(7, 1)
    SHARED(7, 2)
    if (vectors > 1 && shared == 1 && s->kh > 7) KIND(8, 2, s->kh, 0)
#else
#define HEIGHTS(kh, sh) { if (vectors > 1) KIND(4, 2, kh, sh) else KIND(8, 1, kh, sh) }
    SHARED(3, 1)
    SHARED(3, 2)
#endif
    if (vectors == 1) KIND(8, 1, s->kh, 0)
    if (vectors >= 4 && shared == 1 && s->kh == 2) KIND(2, 4, s->kh, 0)
    if (shared == 1 && s->kh == 4) KIND(4, 2, s->kh, 0)
    if (shared == 1 && s->kh == 5) KIND(5, 2, s->kh, 0)
    KIND(6, 2, s->kh, 0)
#undef SHARED
#undef HEIGHTS
#undef WIDTHS
}
#undef KIND

#ifndef HALVES
static void filter_block_of(const filter_shape *s, const ELEMENT *staged, const ELEMENT *w, const ELEMENT bias,
                            ELEMENT *out, const ptrdiff_t rows, const ptrdiff_t cols)
{
    const int unrolled = shared_stride(s) && (s->kh == 3 || (VECTOR_BYTES == 64 && (s->kh == 5 || s->kh == 7)));
    const ptrdiff_t bands = unrolled ? (rows + FILTER_ROWS - 1) / FILTER_ROWS : 1;
    for (ptrdiff_t band = 0; band < bands; band++) {
        const ptrdiff_t top = band * rows / bands, end = (band + 1) * rows / bands;
        for (ptrdiff_t x = 0; x < cols;)
            x = strip(s, staged + top * s->step, w, bias, out + top * s->out_pitch, end - top, cols, x,
                      (rows - top - 1) * s->out_pitch + cols);
    }
}
#endif
#undef filter_block_of
#undef half_strip
#undef strip
#undef tile
#undef store_few
#undef ADD_UP
#undef PART_acc
#undef PART_total
#undef AT
#undef ADD_ROW
#undef COLUMN
#undef mask
#undef vec
#undef LANES
#endif
