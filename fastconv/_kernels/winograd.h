/* Winograd's transforms over lines and tiles: those of `winograd_points.h` along one axis, then along the other.
 *
 * Lanes are channels: a pixel, a tap or a product is a vector of them. The file includes itself once per element type.
 */
#ifndef FASTCONV_WINOGRAD_H
#define FASTCONV_WINOGRAD_H

#include "simd.h"
#include "winograd_points.h"

#define MOST_VECTORS 2 /* of output channels whose weights or outputs are transformed together */

/* Asks for the lines of [p, p + bytes), to be read from L2 soon. */
static inline void fetch_near(const void *p, ptrdiff_t bytes)
{
#if VECTOR_BYTES
    for (ptrdiff_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const char *)p + i, 0, 2);
#endif
}

/* Asks for the lines of [p, p + bytes), to be written soon. */
static inline void fetch_to_write(const void *p, ptrdiff_t bytes)
{
#if VECTOR_BYTES
    for (ptrdiff_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const char *)p + i, 1);
#endif
}

#define EACH_TYPE "winograd.h"
#include "each_float.h"
#undef EACH_TYPE

/* `size` is a constant at every call, so one branch of each remains. Distances are in elements. */
#define BY_SIZE(name, ...) (size == sizeof(float) ? PASTE(name, f32)(__VA_ARGS__) : PASTE(name, f64)(__VA_ARGS__))

/* to[i][col] = B^T of rows[0 .. n][col] for lo <= col < hi, zeros for the others; `step[i]` is from one column of row i
 * to the next, `to` dense, each of its rows `cols` vectors. */
static inline void winograd_down(size_t size, int rule, ptrdiff_t cols, ptrdiff_t lo, ptrdiff_t hi,
                                 const void *const *rows, const ptrdiff_t *step, void *to)
{
    BY_SIZE(winograd_down, rule, cols, lo, hi, (void *)rows, step, to);
}

/* to[i * nw + j][tile] = B^T of the columns of `from[i]` that the tile sees, i < `lines` of the points of `rule_h`:
 * those of one tile lie every * near apart, those of `every` neighbouring tiles `near` */
static inline void winograd_across(size_t size, int rule_h, int rule_w, ptrdiff_t lines, ptrdiff_t tiles,
                                   ptrdiff_t every, ptrdiff_t near, const void *from, ptrdiff_t cols, void *to,
                                   ptrdiff_t point, ptrdiff_t tile)
{
    BY_SIZE(winograd_across, rule_h, rule_w, lines, tiles, every, near, from, cols, to, point, tile);
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
#define CALL(rule) down(rule, cols, lo, hi, rows, step, to)
    WITH_INPUT_RULE(rule, CALL)
#undef CALL
}

#define across PASTE(across, SUFFIX)
static ALWAYS_INLINE void across(int rule_h, const int rule, ptrdiff_t m, ptrdiff_t lines, ptrdiff_t tiles,
                                 ptrdiff_t every, ptrdiff_t near, const ELEMENT *from, ptrdiff_t cols, ELEMENT *to,
                                 ptrdiff_t point, ptrdiff_t tile)
{
    const ptrdiff_t n = WINOGRAD[rule].points, width = WINOGRAD[rule].width;
    const ptrdiff_t apart = every * near * LANES;
    for (ptrdiff_t i = 0; i < lines; i++) {
        const ELEMENT *first = from + i * cols * LANES;
        for (ptrdiff_t x = 0, one = 0; x < tiles; x++) {
            vec d[MOST_POINTS], t[MOST_POINTS];
            EACH(j, n) d[j] = *(const vec *)(first + j * apart);
            input_points(rule, d, t);
            EACH(j, n) *(vec *)(to + (POINT(rule_h, i) * width + POINT(rule, j)) * point + x * tile) = t[j];
            first += near * LANES;
            if (++one == every) {
                first += (m - 1) * apart;
                one = 0;
            }
        }
    }
}

static NEVER_INLINE void PASTE(winograd_across, SUFFIX)(
    int rule_h, int rule_w, ptrdiff_t lines, ptrdiff_t tiles, ptrdiff_t every, ptrdiff_t near, const ELEMENT *from,
    ptrdiff_t cols, ELEMENT *to, ptrdiff_t point, ptrdiff_t tile)
{
    const ptrdiff_t m = WINOGRAD[rule_w].outputs;
#define CALL(rule) across(rule_h, rule, m, lines, tiles, every, near, from, cols, to, point, tile)
    WITH_INPUT_RULE(rule_w, CALL)
#undef CALL
}

/* columns[i][j] = A^T of the products p[. * nw + j] */
#define output_down PASTE(output_down, SUFFIX)
static ALWAYS_INLINE void output_down(const int rule, int rule_w, ptrdiff_t vectors, const ELEMENT *products,
                                      ptrdiff_t point, vec *columns)
{
    const ptrdiff_t m = WINOGRAD[rule].outputs, n = WINOGRAD[rule].points, cols = WINOGRAD[rule_w].points;
    const ptrdiff_t line = WINOGRAD[rule_w].width * point, step = cols * vectors;
    for (ptrdiff_t j = 0; j < cols; j++)
        for (ptrdiff_t v = 0; v < vectors; v++, columns++) {
            const ELEMENT *first = products + POINT(rule_w, j) * point + v * LANES;
            vec p[MOST_POINTS], y[MOST_POINTS];
            EACH(i, n) p[i] = *(const vec *)(first + POINT(rule, i) * line);
            output_points(rule, p, y);
            EACH(i, m) columns[i * step] = y[i];
        }
}

/* to[i][j] = A^T of line i < `lines` of `columns`, plus `bias`, clamped */
#define output_across PASTE(output_across, SUFFIX)
static ALWAYS_INLINE void output_across(const int rule, ptrdiff_t lines, ptrdiff_t vectors, const vec *columns,
                                        const ELEMENT *bias, int clamp, ELEMENT lowest, ELEMENT highest, ELEMENT *to,
                                        ptrdiff_t row, ptrdiff_t pixel)
{
    const ptrdiff_t m = WINOGRAD[rule].outputs, n = WINOGRAD[rule].points;
    const vec lo = (vec){0} + lowest, hi = (vec){0} + highest;
    for (ptrdiff_t i = 0; i < lines; i++, columns += n * vectors, to += row)
        for (ptrdiff_t v = 0; v < vectors; v++) {
            const vec b = *(const vec *)(bias + v * LANES);
            vec p[MOST_POINTS], y[MOST_POINTS];
            EACH(j, n) p[j] = columns[j * vectors + v];
            output_points(rule, p, y);
            EACH(j, m) {
                vec c = y[j] + b;
                if (clamp)
                    CLAMP(vec, mask, c, lo, hi);
                *(vec *)(to + j * pixel + v * LANES) = c;
            }
        }
}

static NEVER_INLINE void PASTE(winograd_output, SUFFIX)(
    int rule_h, int rule_w, ptrdiff_t vectors, const ELEMENT *products, ptrdiff_t point, const ELEMENT *bias, int clamp,
    double lo, double hi, ELEMENT *to, ptrdiff_t row, ptrdiff_t pixel)
{
    vec columns[MOST_OUTPUTS * MOST_POINTS * MOST_VECTORS];
    const ptrdiff_t lines = WINOGRAD[rule_h].outputs;
#define CALL(rule) output_down(rule, rule_w, vectors, products, point, columns)
    WITH_OUTPUT_RULE(rule_h, CALL)
#undef CALL
#define CALL(rule) \
    output_across(rule, lines, vectors, columns, bias, clamp, (ELEMENT)lo, (ELEMENT)hi, to, row, pixel)
    WITH_OUTPUT_RULE(rule_w, CALL)
#undef CALL
}

#undef output_across
#undef output_down
#undef across
#undef down
#undef input_points
#undef mask
#undef vec
#undef LANES
#endif
