/* The transforms of minimal filtering along h alone, by six points, on rows of pixels: see `winograd_rows.pyx`.
 *
 * Rows have as many elements as a vector, or more; the last vector of a row moves back to end with it. The file
 * includes itself once per element type.
 */
#ifndef FASTCONV_WINOGRAD_ROWS_H
#define FASTCONV_WINOGRAD_ROWS_H

#include <string.h>

#include "winograd_points.h"

#define EACH_TYPE "winograd_rows.h"
#include "each_float.h"
#undef EACH_TYPE

#define BY_SIZE(name, ...) (size == sizeof(float) ? PASTE(name, f32)(__VA_ARGS__) : PASTE(name, f64)(__VA_ARGS__))

/* The rule of so many taps, three or four. */
static inline int rule_of_taps(ptrdiff_t taps) { return taps == 3 ? F43 : F34; }

/* Six rows of `cols` elements to the six points, `point` apart. */
static inline void rows_to_points(size_t size, ptrdiff_t cols, const void *const *rows, void *to, ptrdiff_t point)
{
    BY_SIZE(rows_to_points, cols, rows, to, point);
}

/* Taps of `n` <= lanes columns, rows of them `n` apart, to the six points: a whole vector of each is written. */
static inline void taps_to_points(size_t size, int rule, ptrdiff_t n, const void *w, void *to, ptrdiff_t point)
{
    BY_SIZE(taps_to_points, rule, n, w, to, point);
}

/* The first `lines` rows of outputs, `pitch` apart, from the points, plus a bias, clamped to [lo, hi] if `clamp`. */
static inline void points_to_rows(size_t size, int rule, ptrdiff_t cols, const void *points, ptrdiff_t point,
                                  double bias, int clamp, double lo, double hi, void *to, ptrdiff_t pitch,
                                  ptrdiff_t lines)
{
    BY_SIZE(points_to_rows, rule, cols, points, point, bias, clamp, lo, hi, to, pitch, lines);
}

#undef BY_SIZE

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define EACH_VECTOR_OF(cols) \
    for (ptrdiff_t i_ = 0, at = 0; i_ < (cols); i_ += LANES, at = i_ < (cols) - LANES ? i_ : (cols) - LANES)

static NEVER_INLINE void PASTE(rows_to_points, SUFFIX)(ptrdiff_t cols, const void *const *rows, ELEMENT *to,
                                                       ptrdiff_t point)
{
    EACH_VECTOR_OF(cols) {
        vec d[MOST_POINTS], t[MOST_POINTS];
        EACH(i, MOST_POINTS) d[i] = *(const vec *)((const ELEMENT *)rows[i] + at);
        PASTE(input_points, SUFFIX)(F43, d, t);
        EACH(i, MOST_POINTS) *(vec *)(to + i * point + at) = t[i];
    }
}

static inline void PASTE(taps_to_points, SUFFIX)(int rule, ptrdiff_t n, const ELEMENT *w, ELEMENT *to, ptrdiff_t point)
{
    vec g[MOST_TAPS], u[MOST_POINTS];
    for (ptrdiff_t i = 0; i < WINOGRAD[rule].taps; i++) {
        g[i] = (vec){0};
        memcpy(g + i, w + i * n, (size_t)n * sizeof(ELEMENT));
    }
#define CALL(rule) PASTE(weight_points, SUFFIX)(rule, g, u)
    switch (rule) {
        case F43: CALL(F43); break;
        default: CALL(F34); break;
    }
#undef CALL
    EACH(i, MOST_POINTS) *(vec *)(to + i * point) = u[i];
}

#define of_rule PASTE(points_to_rows_of, SUFFIX)
static ALWAYS_INLINE void of_rule(const int rule, ptrdiff_t cols, const ELEMENT *points, ptrdiff_t point, ELEMENT bias,
                                  int clamp, ELEMENT lowest, ELEMENT highest, ELEMENT *to, ptrdiff_t pitch,
                                  ptrdiff_t lines)
{
    const vec lo = (vec){0} + lowest, hi = (vec){0} + highest;
    EACH_VECTOR_OF(cols) {
        vec p[MOST_POINTS], y[MOST_OUTPUTS];
        EACH(i, MOST_POINTS) p[i] = *(const vec *)(points + i * point + at);
        PASTE(output_points, SUFFIX)(rule, p, y);
        EACH(i, WINOGRAD[rule].outputs) {
            y[i] += bias;
            if (clamp)
                CLAMP(vec, mask, y[i], lo, hi);
            if (i < lines)
                *(vec *)(to + i * pitch + at) = y[i];
        }
    }
}

static NEVER_INLINE void PASTE(points_to_rows, SUFFIX)(int rule, ptrdiff_t cols, const ELEMENT *points, ptrdiff_t point,
                                                       double bias, int clamp, double lo, double hi, ELEMENT *to,
                                                       ptrdiff_t pitch, ptrdiff_t lines)
{
#define CALL(rule) \
    of_rule(rule, cols, points, point, (ELEMENT)bias, clamp, (ELEMENT)lo, (ELEMENT)hi, to, pitch, lines)
    switch (rule) {
        case F43: CALL(F43); break;
        default: CALL(F34); break;
    }
#undef CALL
}
#undef of_rule
#undef EACH_VECTOR_OF
#undef LANES
#undef vec
#undef mask
#endif
