/* Winograd's transforms over lines and tiles: those of `winograd_points.h` along one axis, then along the other.
 *
 * Lanes are channels: a pixel, a tap or a product is a vector of them. The file includes itself once per element type.
 */
#ifndef FASTCONV_WINOGRAD_H
#define FASTCONV_WINOGRAD_H

#include "simd.h"
#include "winograd_points.h"

/* Asks for the lines of [p, p + bytes), to be read soon. */
static inline void fetch_ahead(const void *p, ptrdiff_t bytes)
{
#if defined(__GNUC__)
    for (ptrdiff_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const char *)p + i);
#endif
}

static inline ptrdiff_t lanes(size_t size) { return size == sizeof(float) ? LANES_OF(float) : LANES_OF(double); }

#define ELEMENT float
#define SUFFIX f32
#include "winograd.h"
#undef ELEMENT
#undef SUFFIX
#define ELEMENT double
#define SUFFIX f64
#include "winograd.h"
#undef ELEMENT
#undef SUFFIX

/* `size` is a constant at every call, so one branch of each remains. Distances are in elements. */
#define BY_SIZE(name, ...) (size == sizeof(float) ? PASTE(name, f32)(__VA_ARGS__) : PASTE(name, f64)(__VA_ARGS__))

/* to[i][col] = B^T of rows[0 .. n][col] for lo <= col < hi, zeros for the others; `step[i]` is from one column of row i
 * to the next, `to` dense, each of its rows `cols` vectors. */
static inline void winograd_down(size_t size, int rule, ptrdiff_t cols, ptrdiff_t lo, ptrdiff_t hi,
                                 const void *const *rows, const ptrdiff_t *step, void *to)
{
    BY_SIZE(winograd_down, rule, cols, lo, hi, (void *)rows, step, to);
}

/* to[i * n + j][tile] = B^T of `from[i][m * tile ..]`, i < lines */
static inline void winograd_across(size_t size, int rule, ptrdiff_t lines, ptrdiff_t tiles, const void *from,
                                   ptrdiff_t cols, void *to, ptrdiff_t point, ptrdiff_t tile)
{
    BY_SIZE(winograd_across, rule, lines, tiles, from, cols, to, point, tile);
}

/* to[i * nw + j] = G_h g G_w^T of the taps g, each `vectors` vectors that lie together */
static inline void winograd_weight(size_t size, int rule_h, int rule_w, ptrdiff_t vectors, const void *taps, void *to,
                                   ptrdiff_t point)
{
    BY_SIZE(winograd_weight, rule_h, rule_w, vectors, taps, to, point);
}

/* to[i][j] = A_h^T p A_w of the products p[i * nw + j], plus `bias`, clamped to [lo, hi] if `clamp` */
static inline void winograd_output(size_t size, int rule_h, int rule_w, ptrdiff_t vectors, const void *products,
                                   ptrdiff_t point, const void *bias, int clamp, double lo, double hi, void *to,
                                   ptrdiff_t row, ptrdiff_t pixel)
{
    BY_SIZE(winograd_output, rule_h, rule_w, vectors, products, point, bias, clamp, lo, hi, to, row, pixel);
}

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define input_points PASTE(input_points, SUFFIX)
#define weight_points PASTE(weight_points, SUFFIX)
#define output_points PASTE(output_points, SUFFIX)

#define down PASTE(down, SUFFIX)
static ALWAYS_INLINE void down(const int rule, ptrdiff_t cols, ptrdiff_t lo, ptrdiff_t hi, const ELEMENT *const *rows,
                               const ptrdiff_t *step, ELEMENT *to)
{
    const ptrdiff_t n = WINOGRAD[rule].points;
    for (ptrdiff_t col = 0; col < cols; col++) {
        vec d[MOST_POINTS], t[MOST_POINTS];
        if (col >= lo && col < hi) {
            EACH(i, n) d[i] = *(const vec *)(rows[i] + col * step[i]);
            input_points(rule, d, t);
        } else {
            EACH(i, n) t[i] = (vec){0};
        }
        EACH(i, n) *(vec *)(to + (i * cols + col) * LANES) = t[i];
    }
}

static NEVER_INLINE void PASTE(winograd_down, SUFFIX)(
    int rule, ptrdiff_t cols, ptrdiff_t lo, ptrdiff_t hi, const void *rows, const ptrdiff_t *step, ELEMENT *to)
{
    switch (rule) {
        case ONE: down(ONE, cols, lo, hi, rows, step, to); return;
        case F23: down(F23, cols, lo, hi, rows, step, to); return;
        default: down(F43, cols, lo, hi, rows, step, to); return;
    }
}

#define across PASTE(across, SUFFIX)
static ALWAYS_INLINE void across(const int rule, ptrdiff_t m, ptrdiff_t lines, ptrdiff_t tiles, const ELEMENT *from,
                                 ptrdiff_t cols, ELEMENT *to, ptrdiff_t point, ptrdiff_t tile)
{
    const ptrdiff_t n = WINOGRAD[rule].points;
    for (ptrdiff_t i = 0; i < lines; i++)
        for (ptrdiff_t x = 0; x < tiles; x++) {
            vec d[MOST_POINTS], t[MOST_POINTS];
            EACH(j, n) d[j] = *(const vec *)(from + (i * cols + m * x + j) * LANES);
            input_points(rule, d, t);
            EACH(j, n) *(vec *)(to + (i * n + j) * point + x * tile) = t[j];
        }
}

static NEVER_INLINE void PASTE(winograd_across, SUFFIX)(
    int rule, ptrdiff_t lines, ptrdiff_t tiles, const ELEMENT *from, ptrdiff_t cols, ELEMENT *to, ptrdiff_t point,
    ptrdiff_t tile)
{
    const ptrdiff_t m = WINOGRAD[rule].outputs;
    switch (rule) {
        case ONE: across(ONE, m, lines, tiles, from, cols, to, point, tile); return;
        case F23: across(F23, m, lines, tiles, from, cols, to, point, tile); return;
        default: across(F43, m, lines, tiles, from, cols, to, point, tile); return; /* F25 has the same points */
    }
}

/* Along both axes, for constant rules: first each column of taps or products, then each row. */
#define weight PASTE(weight, SUFFIX)
static ALWAYS_INLINE void weight(const int rule_h, const int rule_w, ptrdiff_t vectors, const ELEMENT *taps,
                                 ELEMENT *to, ptrdiff_t point)
{
    const ptrdiff_t rh = WINOGRAD[rule_h].taps, rw = WINOGRAD[rule_w].taps, step = vectors * LANES;
    const ptrdiff_t nh = WINOGRAD[rule_h].points, nw = WINOGRAD[rule_w].points;
    for (ptrdiff_t v = 0; v < vectors; v++) {
        vec columns[MOST_POINTS][MOST_POINTS], g[MOST_POINTS], u[MOST_POINTS];
        EACH(j, rw) {
            EACH(i, rh) g[i] = *(const vec *)(taps + (i * rw + j) * step + v * LANES);
            weight_points(rule_h, g, u);
            EACH(i, nh) columns[i][j] = u[i];
        }
        EACH(i, nh) {
            weight_points(rule_w, columns[i], u);
            EACH(j, nw) *(vec *)(to + (i * nw + j) * point + v * LANES) = u[j];
        }
    }
}

#define output PASTE(output, SUFFIX)
static ALWAYS_INLINE void output(const int rule_h, const int rule_w, ptrdiff_t vectors, const ELEMENT *products,
                                 ptrdiff_t point, const ELEMENT *bias, int clamp, ELEMENT lowest, ELEMENT highest,
                                 ELEMENT *to, ptrdiff_t row, ptrdiff_t pixel)
{
    const ptrdiff_t mh = WINOGRAD[rule_h].outputs, mw = WINOGRAD[rule_w].outputs;
    const ptrdiff_t nh = WINOGRAD[rule_h].points, nw = WINOGRAD[rule_w].points;
    const vec lo = (vec){0} + lowest, hi = (vec){0} + highest;
    for (ptrdiff_t v = 0; v < vectors; v++) {
        vec columns[MOST_POINTS][MOST_POINTS], p[MOST_POINTS], y[MOST_POINTS];
        const vec b = *(const vec *)(bias + v * LANES);
        EACH(j, nw) {
            EACH(i, nh) p[i] = *(const vec *)(products + (i * nw + j) * point + v * LANES);
            output_points(rule_h, p, y);
            EACH(i, mh) columns[i][j] = y[i];
        }
        EACH(i, mh) {
            output_points(rule_w, columns[i], y);
            EACH(j, mw) {
                vec c = y[j] + b;
                if (clamp) { /* keeps NaN: both comparisons are false for it */
                    c = SELECT(vec, mask, c < lo, lo, c);
                    c = SELECT(vec, mask, c > hi, hi, c);
                }
                *(vec *)(to + i * row + j * pixel + v * LANES) = c;
            }
        }
    }
}

/* The rules of a kernel are those of its axes: the same for both, or none for one. */
#define BOTH(h, w) (h) * RULES + (w)
#define EACH_PAIR(call) \
    switch (BOTH(rule_h, rule_w)) { \
        case BOTH(ONE, F23): call(ONE, F23); return; \
        case BOTH(ONE, F43): call(ONE, F43); return; \
        case BOTH(ONE, F25): call(ONE, F25); return; \
        case BOTH(F23, ONE): call(F23, ONE); return; \
        case BOTH(F43, ONE): call(F43, ONE); return; \
        case BOTH(F25, ONE): call(F25, ONE); return; \
        case BOTH(F23, F23): call(F23, F23); return; \
        case BOTH(F25, F25): call(F25, F25); return; \
        default: call(F43, F43); return; \
    }

static NEVER_INLINE void PASTE(winograd_weight, SUFFIX)(
    int rule_h, int rule_w, ptrdiff_t vectors, const ELEMENT *taps, ELEMENT *to, ptrdiff_t point)
{
#define CALL(h, w) weight(h, w, vectors, taps, to, point)
    EACH_PAIR(CALL)
#undef CALL
}

static NEVER_INLINE void PASTE(winograd_output, SUFFIX)(
    int rule_h, int rule_w, ptrdiff_t vectors, const ELEMENT *products, ptrdiff_t point, const ELEMENT *bias, int clamp,
    double lo, double hi, ELEMENT *to, ptrdiff_t row, ptrdiff_t pixel)
{
#define CALL(h, w) output(h, w, vectors, products, point, bias, clamp, (ELEMENT)lo, (ELEMENT)hi, to, row, pixel)
    EACH_PAIR(CALL)
#undef CALL
}

#undef BOTH
#undef EACH_PAIR
#undef output
#undef weight
#undef across
#undef down
#undef output_points
#undef weight_points
#undef input_points
#undef mask
#undef vec
#undef LANES
#endif
