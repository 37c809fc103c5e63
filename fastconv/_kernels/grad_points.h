/* Minimal filtering for gradients of weights, along one axis, on vectors whose lanes are channels.
 *
 *     taps = A^T sum over tiles of [ (G gout) * (B^T x) ]    a tile of grad_output and what its taps see of the input
 *
 *     rule           taps   tile   reads   points   sums
 *     GRAD_ONE          1      1       1        1      1
 *     GRAD_THREE        3      4       6        6      6     F34 of `winograd_points.h`
 *     GRAD_FOUR         4      3       6        6      6     F43
 *     GRAD_FIVE         5      2       6        6      6     F52: no fewer products than pieces of three, turned once
 *     GRAD_STRIDED      3      4       9        9      6     stride 2: 9 products instead of 12
 *
 * At stride 2 the outer taps meet the even elements of what a tile reads as two taps at stride 1 do, by products at the
 * points +-sqrt(1/2), +-sqrt(2) and infinity. The inner one meets odd elements, an ordinary sum: its products need no
 * transform and share a sum. Errors are no larger than those of F34 (simulated, two axes, 32 tiles of a rectified input
 * with positive slopes: 1.6 and 2.0 eps of the sum of magnitudes).
 *
 * The file includes itself once per element type.
 */
#ifndef FASTCONV_GRAD_POINTS_H
#define FASTCONV_GRAD_POINTS_H

#include "simd.h"
#include "winograd_points.h"

enum { GRAD_ONE, GRAD_THREE, GRAD_FOUR, GRAD_FIVE, GRAD_STRIDED, GRAD_RULES };
static const struct { ptrdiff_t taps, tile, reads, points, sums; int rule; } GRAD[GRAD_RULES] = {
    {1, 1, 1, 1, 1, ONE},  {3, 4, 6, 6, 6, F34}, {4, 3, 6, 6, 6, F43},
    {5, 2, 6, 6, 6, F52},  {3, 4, 9, 9, 6, ONE},
};
enum { GRAD_MOST = 9, GRAD_MOST_SUMS = 6, GRAD_MOST_TAPS = 5, GRAD_INNER = 5 };

static inline ptrdiff_t grad_taps(int rule) { return GRAD[rule].taps; }
static inline ptrdiff_t grad_tile(int rule) { return GRAD[rule].tile; }
static inline ptrdiff_t grad_reads(int rule) { return GRAD[rule].reads; }
static inline ptrdiff_t grad_points(int rule) { return GRAD[rule].points; }
static inline ptrdiff_t grad_sums(int rule) { return GRAD[rule].sums; }
/* Which sum the products of a point belong to. */
static inline ptrdiff_t grad_sum(ptrdiff_t point) { return point < GRAD_INNER ? point : GRAD_INNER; }

#define WITH_GRAD_RULE(rule, call) \
    switch (rule) { \
        case GRAD_ONE: call(GRAD_ONE); break; \
        case GRAD_THREE: call(GRAD_THREE); break; \
        case GRAD_FOUR: call(GRAD_FOUR); break; \
        case GRAD_FIVE: call(GRAD_FIVE); break; \
        default: call(GRAD_STRIDED); break; \
    }

#define EACH_TYPE "grad_points.h"
#include "each_float.h"
#undef EACH_TYPE

/* `size` is a constant at every call, so one branch of each remains. Distances are in elements; `slopes` says whether
 * grad_output is transformed, by G, or the input, by B^T. */
#define GRAD_BY_SIZE(name, ...) (size == sizeof(float) ? PASTE(name, f32)(__VA_ARGS__) : PASTE(name, f64)(__VA_ARGS__))

/* to[point][col] of what a tile has of rows[.][col] for lo <= col < hi, zeros for the others; `step[i]` is from one
 * column of row i to the next, `to` dense, each of its rows `cols` vectors. */
static inline void grad_down(size_t size, int slopes, int rule, ptrdiff_t cols, ptrdiff_t lo, ptrdiff_t hi,
                             const void *const *rows, const ptrdiff_t *step, void *to)
{
    GRAD_BY_SIZE(grad_down, slopes, rule, cols, lo, hi, (const void *)rows, step, to);
}

/* to[i * points + j][tile] of what a tile reads of `from[i]`, every `apart`th column, i < `lines`. So many tiles begin
 * at neighbouring columns, the first of these `tiles` at column 0 being their `first`, and `advance` columns after the
 * last of them the next ones do. */
static inline void grad_across(size_t size, int slopes, int rule, ptrdiff_t lines, ptrdiff_t tiles, const void *from,
                               ptrdiff_t cols, ptrdiff_t apart, ptrdiff_t first, ptrdiff_t advance, void *to,
                               ptrdiff_t point, ptrdiff_t tile)
{
    GRAD_BY_SIZE(grad_across, slopes, rule, lines, tiles, from, cols, apart, first, advance, to, point, tile);
}

/* to[i][j] = A^T of the sums, `sum` apart, for one vector of channels */
static inline void grad_back(size_t size, int rule_h, int rule_w, const void *sums, ptrdiff_t sum, void *to,
                             ptrdiff_t row, ptrdiff_t tap)
{
    GRAD_BY_SIZE(grad_back, rule_h, rule_w, sums, sum, to, row, tap);
}

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define A ((ELEMENT)ROOT_A)
#define B ((ELEMENT)ROOT_B)
#define C(x) ((ELEMENT)(x))

#define input_points PASTE(input_points, SUFFIX)
#define weight_points PASTE(weight_points, SUFFIX)
#define output_points PASTE(output_points, SUFFIX)
#define points_of PASTE(grad_points_of, SUFFIX)
static ALWAYS_INLINE void points_of(const int slopes, const int rule, const vec *d, vec *t)
{
    if (rule != GRAD_STRIDED && slopes) {
        weight_points(GRAD[rule].rule, d, t);
    } else if (rule != GRAD_STRIDED) {
        input_points(GRAD[rule].rule, d, t);
    } else if (slopes) {
        const vec even_a = C(-1. / 3) * d[1] - C(1. / 6) * d[3], odd_a = C(-1. / 3 * ROOT_B) * (d[0] + C(0.5) * d[2]);
        const vec even_b = C(1. / 3) * d[1] + C(2. / 3) * d[3], odd_b = C(1. / 3 * ROOT_A) * (d[0] + 2 * d[2]);
        t[0] = even_a + odd_a;
        t[1] = even_a - odd_a;
        t[2] = even_b + odd_b;
        t[3] = even_b - odd_b;
        t[4] = d[3];
        EACH(i, 4) t[GRAD_INNER + i] = d[i];
    } else {
        const vec even_a = d[6] - 2 * d[2], odd_a = A * (d[4] - 2 * d[0]);
        const vec even_b = d[6] - C(0.5) * d[2], odd_b = B * (d[4] - C(0.5) * d[0]);
        t[0] = even_a + odd_a;
        t[1] = even_a - odd_a;
        t[2] = even_b + odd_b;
        t[3] = even_b - odd_b;
        t[4] = d[0] - C(2.5) * d[4] + d[8];
        EACH(i, 4) t[GRAD_INNER + i] = d[2 * i + 1];
    }
}

#define taps_of PASTE(grad_taps_of, SUFFIX)
static ALWAYS_INLINE void taps_of(const int rule, const vec *p, vec *y)
{
    if (rule != GRAD_STRIDED) {
        output_points(GRAD[rule].rule, p, y);
    } else {
        y[0] = (p[0] + p[1]) + (p[2] + p[3]);
        y[1] = p[GRAD_INNER];
        y[2] = A * (p[0] - p[1]) + B * (p[2] - p[3]) + p[4];
    }
}

#define down PASTE(grad_down_by, SUFFIX)
static ALWAYS_INLINE void down(const int slopes, const int rule, ptrdiff_t cols, ptrdiff_t lo, ptrdiff_t hi,
                               const ELEMENT *const *rows, const ptrdiff_t *step, ELEMENT *to)
{
    const ptrdiff_t reads = slopes ? GRAD[rule].tile : GRAD[rule].reads, n = GRAD[rule].points;
    for (ptrdiff_t col = 0; col < cols; col++) {
        vec d[GRAD_MOST], t[GRAD_MOST];
        if (col >= lo && col < hi) {
            EACH(i, reads) d[i] = *(const vec *)(rows[i] + col * step[i]);
            points_of(slopes, rule, d, t);
        } else {
            EACH(i, n) t[i] = (vec){0};
        }
        EACH(i, n) *(vec *)(to + (i * cols + col) * LANES) = t[i];
    }
}

static NEVER_INLINE void PASTE(grad_down, SUFFIX)(
    int slopes, int rule, ptrdiff_t cols, ptrdiff_t lo, ptrdiff_t hi, const void *rows, const ptrdiff_t *step,
    ELEMENT *to)
{
#define CALL(rule) \
    if (slopes) \
        down(1, rule, cols, lo, hi, rows, step, to); \
    else \
        down(0, rule, cols, lo, hi, rows, step, to)
    WITH_GRAD_RULE(rule, CALL)
#undef CALL
}

#define across PASTE(grad_across_by, SUFFIX)
static ALWAYS_INLINE void across(
    const int slopes, const int rule, ptrdiff_t lines, ptrdiff_t tiles, const ELEMENT *from, ptrdiff_t cols,
    ptrdiff_t apart, ptrdiff_t first, ptrdiff_t advance, ELEMENT *to, ptrdiff_t point, ptrdiff_t tile)
{
    const ptrdiff_t reads = slopes ? GRAD[rule].tile : GRAD[rule].reads, n = GRAD[rule].points;
    for (ptrdiff_t i = 0; i < lines; i++, from += cols * LANES, to += n * point) {
        const ELEMENT *at = from;
        for (ptrdiff_t x = 0, neighbour = first; x < tiles; x++) {
            vec d[GRAD_MOST], t[GRAD_MOST];
            EACH(j, reads) d[j] = *(const vec *)(at + j * apart * LANES);
            points_of(slopes, rule, d, t);
            EACH(j, n) *(vec *)(to + j * point + x * tile) = t[j];
            neighbour = neighbour + 1 < apart ? neighbour + 1 : 0;
            at += (neighbour ? 1 : advance) * LANES;
        }
    }
}

static NEVER_INLINE void PASTE(grad_across, SUFFIX)(
    int slopes, int rule, ptrdiff_t lines, ptrdiff_t tiles, const ELEMENT *from, ptrdiff_t cols, ptrdiff_t apart,
    ptrdiff_t first, ptrdiff_t advance, ELEMENT *to, ptrdiff_t point, ptrdiff_t tile)
{
#define CALL(rule) \
    if (slopes) \
        across(1, rule, lines, tiles, from, cols, apart, first, advance, to, point, tile); \
    else \
        across(0, rule, lines, tiles, from, cols, apart, first, advance, to, point, tile)
    WITH_GRAD_RULE(rule, CALL)
#undef CALL
}

#define back PASTE(grad_back_by, SUFFIX)
static ALWAYS_INLINE void back(const int rule, ptrdiff_t lines, const ELEMENT *from, ptrdiff_t line, ptrdiff_t step,
                               ELEMENT *to, ptrdiff_t to_line, ptrdiff_t to_step)
{
    for (ptrdiff_t j = 0; j < lines; j++) {
        vec p[GRAD_MOST_SUMS], y[GRAD_MOST_TAPS];
        EACH(i, GRAD[rule].sums) p[i] = *(const vec *)(from + j * line + i * step);
        taps_of(rule, p, y);
        EACH(i, GRAD[rule].taps) *(vec *)(to + j * to_line + i * to_step) = y[i];
    }
}

static NEVER_INLINE void PASTE(grad_back, SUFFIX)(
    int rule_h, int rule_w, const ELEMENT *sums, ptrdiff_t sum, ELEMENT *to, ptrdiff_t row, ptrdiff_t tap)
{
    ELEMENT columns[GRAD_MOST_TAPS * GRAD_MOST_SUMS * LANES];
    const ptrdiff_t across = GRAD[rule_w].sums, taps = GRAD[rule_h].taps;
#define CALL(rule) back(rule, across, sums, sum, across * sum, columns, LANES, across * LANES)
    WITH_GRAD_RULE(rule_h, CALL)
#undef CALL
#define CALL(rule) back(rule, taps, columns, across * LANES, LANES, to, row, tap)
    WITH_GRAD_RULE(rule_w, CALL)
#undef CALL
}

#undef back
#undef across
#undef down
#undef taps_of
#undef points_of
#undef output_points
#undef weight_points
#undef input_points
#undef C
#undef B
#undef A
#undef vec
#undef LANES
#endif
