/* Winograd's transforms of weights: those of `winograd_points.h` along one axis, then along the other.
 *
 * Lanes are output channels. The file includes itself once per element type.
 */
#ifndef FASTCONV_WINOGRAD_WEIGHTS_H
#define FASTCONV_WINOGRAD_WEIGHTS_H

#include "simd.h"
#include "winograd_points.h"

#define EACH_TYPE "winograd_weights.h"
#include "each_float.h"
#undef EACH_TYPE

/* to[i * nw + j] = G_h g G_w^T of the taps g, each `vectors` vectors that lie together: taps[i * row + j * col] where
 * i < high and j < wide, zeros where the rule has more; of so many channels, `channel` apart, to rows `width` apart */
static inline void winograd_weight(size_t size, int rule_h, int rule_w, ptrdiff_t channels, ptrdiff_t vectors,
                                   const void *taps, ptrdiff_t channel, ptrdiff_t row, ptrdiff_t col, ptrdiff_t high,
                                   ptrdiff_t wide, void *to, ptrdiff_t width, ptrdiff_t point)
{
    if (size == sizeof(float))
        winograd_weight_f32(rule_h, rule_w, channels, vectors, taps, channel, row, col, high, wide, to, width, point);
    else
        winograd_weight_f64(rule_h, rule_w, channels, vectors, taps, channel, row, col, high, wide, to, width, point);
}

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define weight_points PASTE(weight_points, SUFFIX)

/* columns[i][j] = G of the taps g[.][j] of column j < `cols` */
#define weight_down PASTE(weight_down, SUFFIX)
static ALWAYS_INLINE void weight_down(const int rule, const ptrdiff_t cols, const ELEMENT *taps, ptrdiff_t row,
                                      ptrdiff_t col, ptrdiff_t high, ptrdiff_t wide, vec *columns)
{
    const ptrdiff_t r = WINOGRAD[rule].taps, n = WINOGRAD[rule].points;
    EACH(j, cols) {
        vec g[MOST_POINTS], u[MOST_POINTS];
        EACH(i, r) g[i] = i < high && j < wide ? *(const vec *)(taps + i * row + j * col) : (vec){0};
        weight_points(rule, g, u);
        EACH(i, n) columns[i * cols + j] = u[i];
    }
}

/* to[i * line + j] = G of line i < `lines` of `columns` */
#define weight_across PASTE(weight_across, SUFFIX)
static ALWAYS_INLINE void weight_across(const int rule, const ptrdiff_t lines, const vec *columns, ELEMENT *to,
                                        ptrdiff_t line, ptrdiff_t point)
{
    const ptrdiff_t r = WINOGRAD[rule].taps, n = WINOGRAD[rule].points;
    EACH(i, lines) {
        vec u[MOST_POINTS];
        weight_points(rule, columns + i * r, u);
        EACH(j, n) *(vec *)(to + (i * line + j) * point) = u[j];
    }
}

/* The commonest on their own: all is constant, so columns stay in registers. Points lie pages apart, of which Ice Lake
 * remembers 16 for stores: all channels go to two lines of points after the other, those that share their sums. An even
 * number of points has zero, which infinity goes with, else infinity is the last line alone. */
#define weight_pair PASTE(weight_pair, SUFFIX)
static ALWAYS_INLINE void weight_pair(const int rule, const ptrdiff_t pair, const ELEMENT *taps, ptrdiff_t row,
                                      ptrdiff_t col, ptrdiff_t high, ptrdiff_t wide, ELEMENT *to, ptrdiff_t point)
{
    const ptrdiff_t r = WINOGRAD[rule].taps, n = WINOGRAD[rule].points;
    const ptrdiff_t zero = n % 2 == 0, first = pair && zero ? 2 * pair - 1 : 2 * pair;
    const ptrdiff_t second = pair || !zero ? first + 1 : n - 1, lines = second < n ? 2 : 1;
    vec columns[2 * MOST_TAPS];
    EACH(j, r) {
        vec u[MOST_POINTS];
        weight_down(rule, 1, taps + j * col, row, col, high, wide - j, u);
        columns[j] = u[first];
        if (lines > 1)
            columns[r + j] = u[second];
    }
    weight_across(rule, lines, columns, to + first * n * point, (second - first) * n, point);
}

#define EACH_SQUARE SQUARE(F43, 3, 3) SQUARE(F32, 2, 2) SQUARE(F32, 2, 1) SQUARE(F32, 1, 2) SQUARE(F42, 2, 2)
#define SQUARE(rule, high, wide) \
    static NEVER_INLINE void PASTE(weight_##rule##high##wide, SUFFIX)( \
        ptrdiff_t channels, ptrdiff_t vectors, const ELEMENT *taps, ptrdiff_t channel, ptrdiff_t row, ptrdiff_t col, \
        ELEMENT *to, ptrdiff_t width, ptrdiff_t point) \
    { \
        EACH(pair, (WINOGRAD[rule].points + 1) / 2) \
            for (ptrdiff_t c = 0; c < channels; c++) \
                for (ptrdiff_t v = 0; v < vectors * LANES; v += LANES) \
                    weight_pair(rule, pair, taps + c * channel + v, row, col, high, wide, to + c * width + v, point); \
    }
EACH_SQUARE
#undef SQUARE

/* Taps along one axis alone, `apart`, of F42 or ONE */
#define weight_line PASTE(weight_line, SUFFIX)
static ALWAYS_INLINE void weight_line(const int rule, ptrdiff_t channels, ptrdiff_t vectors, const ELEMENT *taps,
                                      ptrdiff_t channel, ptrdiff_t apart, ELEMENT *to, ptrdiff_t width, ptrdiff_t point)
{
    const ptrdiff_t r = WINOGRAD[rule].taps, n = WINOGRAD[rule].points;
    for (ptrdiff_t c = 0; c < channels; c++)
        for (ptrdiff_t v = 0; v < vectors * LANES; v += LANES) {
            vec g[MOST_TAPS], u[MOST_POINTS];
            EACH(i, r) g[i] = *(const vec *)(taps + c * channel + i * apart + v);
            weight_points(rule, g, u);
            EACH(i, n) *(vec *)(to + i * point + c * width + v) = u[i];
        }
}

static NEVER_INLINE void PASTE(winograd_weight, SUFFIX)(
    int rule_h, int rule_w, ptrdiff_t channels, ptrdiff_t vectors, const ELEMENT *taps, ptrdiff_t channel,
    ptrdiff_t row, ptrdiff_t col, ptrdiff_t high, ptrdiff_t wide, ELEMENT *to, ptrdiff_t width, ptrdiff_t point)
{
#define SQUARE(rule, h, w) \
    if (rule_h == rule && rule_w == rule && high == h && wide == w) { \
        PASTE(weight_##rule##h##w, SUFFIX)(channels, vectors, taps, channel, row, col, to, width, point); \
        return; \
    }
    EACH_SQUARE
#undef SQUARE
    if (rule_h + rule_w == ONE + ONE) {
        weight_line(ONE, channels, vectors, taps, channel, row, to, width, point);
        return;
    }
    if (rule_h + rule_w == ONE + F42 && high * wide == WINOGRAD[F42].taps) {
        weight_line(F42, channels, vectors, taps, channel, rule_h == F42 ? row : col, to, width, point);
        return;
    }
    const ptrdiff_t cols = WINOGRAD[rule_w].taps, lines = WINOGRAD[rule_h].points, n = WINOGRAD[rule_w].points;
    for (ptrdiff_t c = 0; c < channels; c++)
        for (ptrdiff_t v = 0; v < vectors * LANES; v += LANES) {
            vec columns[MOST_POINTS * MOST_TAPS];
#define CALL(rule) weight_down(rule, cols, taps + c * channel + v, row, col, high, wide, columns)
            WITH_RULE(rule_h, CALL)
#undef CALL
#define CALL(rule) weight_across(rule, lines, columns, to + c * width + v, n, point)
            WITH_RULE(rule_w, CALL)
#undef CALL
        }
}

#undef weight_line
#undef EACH_SQUARE
#undef weight_pair
#undef weight_across
#undef weight_down
#undef weight_points
#undef vec
#undef LANES
#endif
