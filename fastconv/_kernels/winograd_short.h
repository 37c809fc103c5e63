/* Winograd convolution whose sums at the points are short: lanes are tiles, neighbours along a row.
 *
 *     V[i][half][k][3][vector]      points of a vector or two of tiles, k = (part, channel); along w there are six, of
 *     U[i][half][k][3][output]      which each pass sums three: a half of line i of the points, for several outputs
 *     Y[i][output][vector][m]       its part of the transform back along w, from the sums' registers
 *
 * Sums of few terms are soon done, so that the points of all outputs were written to memory and read again for as long
 * as it took to multiply. Here a pass adds its three or four results to those of the other half, which stay in L1, and
 * the transform back along h ends in rows of outputs, woven from the m of each tile. A vector of tiles serves as many
 * outputs as there are, so these need not fill vectors. The file includes itself once per element type.
 */
#ifndef FASTCONV_WINOGRAD_SHORT_H
#define FASTCONV_WINOGRAD_SHORT_H

#include "keep.h"
#include "simd.h"
#include "weave.h"
#include "winograd_points.h"

#define SHORT_OUTPUTS (VECTOR_BYTES == 64 ? 4 : 2) /* of a pass, by */
#define SHORT_VECTORS 2                            /* of tiles, and */
#define SHORT_HALF 3                               /* points: as many sums as registers leave room for */

/* A chain of products of a pass: so many k; of the last point along w, infinity, those in the middle alone. */
typedef struct {
    ptrdiff_t before, whole, after;
} ShortChain;

#define EACH_TYPE "winograd_short.h"
#include "each_float.h"
#undef EACH_TYPE

#define BY_SIZE(name, ...) (size == sizeof(float) ? PASTE(name, f32)(__VA_ARGS__) : PASTE(name, f64)(__VA_ARGS__))

/* One k of V, of `vectors` of tiles whose pixel (i, j) is at x[rows[i] + cols[j]]; halves lie `half` apart. */
static inline void short_input(size_t size, int rule_h, ptrdiff_t vectors, const void *x, const ptrdiff_t *rows,
                               const ptrdiff_t *cols, void *v, ptrdiff_t half)
{
    BY_SIZE(short_input, rule_h, vectors, x, rows, cols, v, half);
}

/* Y of a line of points from its V and U, whose halves lie so far apart. */
static inline void short_products(size_t size, int rule_w, ptrdiff_t vectors, const ShortChain *chain,
                                  ptrdiff_t chains, const void *v, ptrdiff_t v_half, const void *u, ptrdiff_t u_half,
                                  void *y)
{
    BY_SIZE(short_products, rule_w, vectors, chain, chains, v, v_half, u, u_half, y);
}

/* Rows of outputs from Y, of all tiles side by side: row i of output o at to + o * output + i * row, plus bias[o],
 * clamped to [lo, hi] if `clamp`. */
static inline void short_output(size_t size, int rule_h, int rule_w, ptrdiff_t vectors, ptrdiff_t outputs,
                                const void *y, const void *bias, int clamp, double lo, double hi, void *to,
                                ptrdiff_t output, ptrdiff_t row)
{
    BY_SIZE(short_output, rule_h, rule_w, vectors, outputs, y, bias, clamp, lo, hi, to, output, row);
}

/* to[k][point][output] of the `half` from rows k of weights, `width` apart, whose points are `point` apart */
static inline void short_weights(size_t size, ptrdiff_t depth, const void *u, ptrdiff_t point, ptrdiff_t width, void *to)
{
    BY_SIZE(short_weights, depth, u, point, width, to);
}

#undef BY_SIZE

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define input_points PASTE(input_points, SUFFIX)
#define output_points PASTE(output_points, SUFFIX)
#define weave_store PASTE(weave_store, SUFFIX)

#define points_of PASTE(short_points_of, SUFFIX)
static ALWAYS_INLINE void points_of(const int rule, ptrdiff_t vectors, const ELEMENT *x, const ptrdiff_t *rows,
                                    const ptrdiff_t *cols, ELEMENT *v, ptrdiff_t half)
{
    const ptrdiff_t n = WINOGRAD[rule].points, step = vectors * LANES;
    for (ptrdiff_t tile = 0; tile < vectors; tile++, x += LANES, v += LANES) {
        vec columns[MOST_POINTS][MOST_POINTS];
        for (ptrdiff_t j = 0; j < MOST_POINTS; j++) {
            vec d[MOST_POINTS], t[MOST_POINTS];
            EACH(i, n) d[i] = *(const vec *)(x + rows[i] + cols[j]);
            input_points(rule, d, t);
            EACH(i, n) columns[i][j] = t[i];
        }
        for (ptrdiff_t i = 0; i < n; i++) {
            vec t[MOST_POINTS];
            input_points(F43, columns[i], t);
            EACH(j, MOST_POINTS)
                *(vec *)(v + (2 * i + j / SHORT_HALF) * half + j % SHORT_HALF * step) = t[j];
        }
    }
}

static NEVER_INLINE void PASTE(short_input, SUFFIX)(int rule_h, ptrdiff_t vectors, const ELEMENT *x,
                                                    const ptrdiff_t *rows, const ptrdiff_t *cols, ELEMENT *v,
                                                    ptrdiff_t half)
{
    switch (WINOGRAD[rule_h].points) {
        case 1: points_of(ONE, vectors, x, rows, cols, v, half); break;
        case 4: points_of(F23, vectors, x, rows, cols, v, half); break;
        default: points_of(F43, vectors, x, rows, cols, v, half); break;
    }
}

/* What the three points of a half give of the m outputs along w: A^T of `winograd_points.h` */
#define half_outputs PASTE(half_outputs, SUFFIX)
static ALWAYS_INLINE void half_outputs(const ptrdiff_t m, const int half, const vec *p, vec *y)
{
    const vec *pair = half ? p : p + 1;
    const ELEMENT root = (ELEMENT)(half ? ROOT_B : ROOT_A), square = (ELEMENT)(half ? 2 : 0.5);
    y[0] = pair[0] + pair[1];
    y[1] = root * (pair[0] - pair[1]);
    if (m > 2)
        y[2] = square * y[0];
    if (m > 3)
        y[3] = square * y[1];
    if (half)
        y[m - 1] += p[2];
    else
        y[0] += p[0];
}

#define EACH_SUM EACH(j, SHORT_HALF) EACH(o, SHORT_OUTPUTS) EACH(x, vectors)
#define STEP(points) { \
        EACH(j, points) { \
            vec left[SHORT_VECTORS]; \
            EACH(x, vectors) { \
                left[x] = *(const vec *)(v + (j * vectors + x) * LANES); \
                LOADED_ONCE(left[x]); \
            } \
            EACH(o, SHORT_OUTPUTS) { \
                EACH(x, vectors) MULTIPLY_ADD(sum[j][o][x], u[j * SHORT_OUTPUTS + o], left[x]); \
            } \
            KEEP_ORDER(); \
        } \
        v += SHORT_HALF * vectors * LANES; \
        u += SHORT_HALF * SHORT_OUTPUTS; \
        OPAQUE(v); \
        OPAQUE(u); \
    }

/* Y of a half of a line, added to what is there but for the first chain of the first; m, `half` and `vectors` are
 * constants in every caller. */
#define pass PASTE(short_pass, SUFFIX)
static ALWAYS_INLINE void pass(const ptrdiff_t m, const int half, const ptrdiff_t vectors, const ShortChain *chain,
                               ptrdiff_t chains, const ELEMENT *v, const ELEMENT *u, vec *y)
{
    for (ptrdiff_t c = 0; c < chains; c++) {
        vec sum[SHORT_HALF][SHORT_OUTPUTS][SHORT_VECTORS];
        EACH_SUM sum[j][o][x] = (vec){0};
        EACH_SUM IN_REGISTER(sum[j][o][x]);
        if (half) {
            for (ptrdiff_t k = chain[c].before; k > 0; k--)
                STEP(SHORT_HALF - 1)
            for (ptrdiff_t k = chain[c].whole; k > 0; k--)
                STEP(SHORT_HALF)
            for (ptrdiff_t k = chain[c].after; k > 0; k--)
                STEP(SHORT_HALF - 1)
        } else {
            for (ptrdiff_t k = chain[c].before + chain[c].whole + chain[c].after; k > 0; k--)
                STEP(SHORT_HALF)
        }
        EACH(o, SHORT_OUTPUTS) EACH(x, vectors) {
            vec p[SHORT_HALF], part[MOST_OUTPUTS], *to = y + (o * vectors + x) * m;
            EACH(j, SHORT_HALF) p[j] = sum[j][o][x];
            half_outputs(m, half, p, part);
            EACH(i, m) LOADED_ONCE(part[i]); /* its rounding is not left out where one is added, whichever instance */
            if (half || c > 0)
                EACH(i, m) part[i] += to[i];
            EACH(i, m) to[i] = part[i];
        }
    }
}

#define PARAMETERS (const ShortChain *chain, ptrdiff_t chains, const ELEMENT *v, ptrdiff_t v_half, const ELEMENT *u, \
                    ptrdiff_t u_half, vec *y)
#define NAME(m, vectors) PASTE(short_line_##m##vectors, SUFFIX)
#define INSTANCE(m, vectors) static NEVER_INLINE void NAME(m, vectors) PARAMETERS { \
        pass(m, 0, vectors, chain, chains, v, u, y); \
        pass(m, 1, vectors, chain, chains, v + v_half, u + u_half, y); \
    }
INSTANCE(2, 1) INSTANCE(2, 2) INSTANCE(3, 1) INSTANCE(3, 2) INSTANCE(4, 1) INSTANCE(4, 2)
static void (*const PASTE(short_lines, SUFFIX)[][SHORT_VECTORS]) PARAMETERS = {
    {NAME(2, 1), NAME(2, 2)}, {NAME(3, 1), NAME(3, 2)}, {NAME(4, 1), NAME(4, 2)}};
#undef INSTANCE
#undef NAME
#undef PARAMETERS

static inline void PASTE(short_products, SUFFIX)(int rule_w, ptrdiff_t vectors, const ShortChain *chain,
                                                 ptrdiff_t chains, const ELEMENT *v, ptrdiff_t v_half,
                                                 const ELEMENT *u, ptrdiff_t u_half, ELEMENT *y)
{
    PASTE(short_lines, SUFFIX)[WINOGRAD[rule_w].outputs - 2][vectors - 1](chain, chains, v, v_half, u, u_half,
                                                                          (vec *)y);
}

#define rows_of PASTE(short_rows_of, SUFFIX)
static ALWAYS_INLINE void rows_of(const int rule, const ptrdiff_t cols, ptrdiff_t vectors, ptrdiff_t outputs,
                                  const vec *y, const ELEMENT *bias, int clamp, ELEMENT lowest, ELEMENT highest,
                                  ELEMENT *to, ptrdiff_t output, ptrdiff_t row)
{
    const ptrdiff_t n = WINOGRAD[rule].points, m = WINOGRAD[rule].outputs, line = SHORT_OUTPUTS * vectors * cols;
    const vec lo = (vec){0} + lowest, hi = (vec){0} + highest;
    for (ptrdiff_t o = 0; o < outputs; o++, to += output)
        for (ptrdiff_t x = 0; x < vectors; x++, y += cols) {
            const vec b = (vec){0} + bias[o];
            vec out[MOST_OUTPUTS][MOST_OUTPUTS];
            EACH(j, cols) {
                vec p[MOST_POINTS], part[MOST_OUTPUTS];
                EACH(i, n) p[i] = y[i * line + j];
                output_points(rule, p, part);
                EACH(i, m) {
                    part[i] += b;
                    if (clamp)
                        CLAMP(vec, mask, part[i], lo, hi);
                    out[i][j] = part[i];
                }
            }
            EACH(i, m) weave_store(cols, out[i], to + i * row + x * cols * LANES);
        }
}

#define short_rows PASTE(short_rows, SUFFIX)
static ALWAYS_INLINE void short_rows(int rule_h, const ptrdiff_t cols, ptrdiff_t vectors, ptrdiff_t outputs,
                                     const vec *y, const ELEMENT *bias, int clamp, ELEMENT lo, ELEMENT hi, ELEMENT *to,
                                     ptrdiff_t output, ptrdiff_t row)
{
#define CALL(rule) rows_of(rule, cols, vectors, outputs, y, bias, clamp, lo, hi, to, output, row)
    switch (rule_h) {
        case ONE: CALL(ONE); break;
        case F32: CALL(F32); break;
        case F23: CALL(F23); break;
        case F43: CALL(F43); break;
        case F25: CALL(F25); break;
        default: CALL(F34); break;
    }
#undef CALL
}

static NEVER_INLINE void PASTE(short_output, SUFFIX)(
    int rule_h, int rule_w, ptrdiff_t vectors, ptrdiff_t outputs, const ELEMENT *y, const ELEMENT *bias, int clamp,
    double lo, double hi, ELEMENT *to, ptrdiff_t output, ptrdiff_t row)
{
#define CALL(cols) \
    short_rows(rule_h, cols, vectors, outputs, (const vec *)y, bias, clamp, (ELEMENT)lo, (ELEMENT)hi, to, output, row)
    switch (WINOGRAD[rule_w].outputs) {
        case 2: CALL(2); break;
        case 3: CALL(3); break;
        default: CALL(4); break;
    }
#undef CALL
}

static inline void PASTE(short_weights, SUFFIX)(ptrdiff_t depth, const ELEMENT *u, ptrdiff_t point, ptrdiff_t width,
                                                ELEMENT *to)
{
    for (ptrdiff_t k = 0; k < depth; k++, u += width)
        EACH(j, SHORT_HALF) {
            memcpy(to, u + j * point, SHORT_OUTPUTS * sizeof(ELEMENT));
            to += SHORT_OUTPUTS;
        }
}

#undef short_rows
#undef rows_of
#undef pass
#undef STEP
#undef EACH_SUM
#undef half_outputs
#undef points_of
#undef weave_store
#undef output_points
#undef input_points
#undef mask
#undef vec
#undef LANES
#endif
