/* Winograd's transforms along one axis, on vectors whose lanes are channels.
 *
 *     out = A^T [ (G g) * (B^T d) ]        m outputs of an r-tap correlation from n = m + r - 1 products instead of m r
 *
 * `rule` names (m, r); the points at which the polynomials are evaluated, and the largest error on normal data with 256
 * channels in two dimensions, in eps of |x| conv |w|:
 *
 *     rule   m  r  n   points                                   error
 *     ONE    1  1  1   (nothing to transform)
 *     F32    3  2  4   0, +-1, infinity                         0.4      exact on small integers
 *     F42    4  2  5   +-1/2, +-5/4, infinity                   1.2      where many products are summed
 *     F23    2  3  4   the same                                 0.4      exact on small integers
 *     F43    4  3  6   0, +-sqrt(1/2), +-sqrt(2), infinity      2.6      with 0, +-1, +-2 it would be 13.6
 *     F25    2  5  6   as F43                                   1.0
 *     E23    2  3  4   0, +-sqrt(1/2), infinity                 0.6      with the weights of F43
 *     E32    3  2  4   +-1/2, 5/4, infinity                     1.2      with the weights of F42
 *     E22    2  2  3   +-1/2, infinity                          1.0      with the weights of F42
 *     E12    1  2  2   1/2, infinity                            1.0      with the weights of F42
 *     HEAD   3  2  4   as F32, before whose tile is padding     0.4      exact on small integers
 *     TAIL   3  2  4   the same, behind it                      0.4      exact on small integers
 *     TAIL2  2  2  4   the same of two outputs                  0.4      exact on small integers
 *     F34    3  4  6   as F43; also the gradient of three weights by tiles of four outputs
 *     F52    5  2  6   as F25: gradient of five weights by tiles of two outputs
 *
 * With a^2 = 1/2 and b^2 = 2 the six-point B^T is, and A^T and G follow from powers of the points over 1, -3/2 and 6,
 *
 *     1   0  -5/2   0   1   0          rows 2 and 3 are even +- odd parts in the root a, rows 4 and 5 in b, so that
 *     0 -2a   -2    a   1   0          each pair shares its sums
 *     0  2a   -2   -a   1   0
 *     0 -b/2 -1/2   b   1   0          Lavin & Gray 2015, arXiv:1509.09308; points other than integers: Barabasz et al.
 *     0  b/2 -1/2  -b   1   0          2020, doi:10.1145/3412380.
 *     0   1    0  -5/2  0   1
 *
 * A map's last tile of F43 that has one or two outputs takes E23: products at four of the six points, with the same G,
 * so its B^T has other factors. Along both axes of a 14x14 map that is 484 instead of 576 products. Those of F42 take
 * E32, E22 and E12; its factors are all in A^T, so that a single tap is the same at all points but infinity.
 *
 * Of two taps an output beside padding sees one, whose weight is that of a point, 0 or infinity. HEAD and TAIL take it
 * from there alone, and the other two outputs from what is left, of a tile d1 d2 d3 behind padding or d0 d1 d2 before it,
 *
 *     HEAD   y0 = g1 d1,   y1 = g0 (d1 - d3) + P - M,   y2 = P + M        P, M = (g0 +- g1) / 2 times d2 +- d3
 *     TAIL   y2 = g0 d2,   y1 = g1 (d2 - d0) + P - M,   y0 = P + M                                   d0 +- d1
 *
 * so that such an output is as exact as a direct sum, and a corner, which sees a quarter of the taps, too.
 *
 * The file includes itself once per element type.
 */
#ifndef FASTCONV_WINOGRAD_POINTS_H
#define FASTCONV_WINOGRAD_POINTS_H

#include "simd.h"

enum { ONE, F32, F42, F23, F43, F25, F34, F52, E23, E32, E22, E12, HEAD, TAIL, TAIL2, RULES };
static const struct { ptrdiff_t outputs, taps, points, width; } WINOGRAD[RULES] = { /* width: points of the weights */
    {1, 1, 1, 1}, {3, 2, 4, 4}, {4, 2, 5, 5}, {2, 3, 4, 4}, {4, 3, 6, 6}, {2, 5, 6, 6}, {3, 4, 6, 6}, {5, 2, 6, 6},
    {2, 3, 4, 6}, {3, 2, 4, 5}, {2, 2, 3, 5}, {1, 2, 2, 5}, {3, 2, 4, 4}, {3, 2, 4, 4}, {2, 2, 4, 4},
};
/* which of the weights' points the i-th one of a rule is: the first ones and infinity */
#define POINT(rule, i) ((i) + 1 == WINOGRAD[rule].points ? WINOGRAD[rule].width - 1 : (i))
enum { MOST_OUTPUTS = 5, MOST_TAPS = 5, MOST_POINTS = 6 };
#define ROOT_A 0.70710678118654752440
#define ROOT_B 1.41421356237309504880
#define NEAR_POINT 0.5 /* of F42, and */
#define FAR_POINT 1.25
#define EACH(i, n) UNROLL for (ptrdiff_t i = 0; i < (n); i++)

#define EACH_END(call) \
    case E23: call(E23); break; \
    case E32: call(E32); break; \
    case E22: call(E22); break; \
    case E12: call(E12); break; \
    case HEAD: call(HEAD); break; \
    case TAIL: call(TAIL); break; \
    case TAIL2: call(TAIL2); break;
/* `call` for one of the rules, a constant there; the input's transform depends on the points alone */
#define WITH_INPUT_RULE(rule, call) \
    switch (rule) { \
        case ONE: call(ONE); break; \
        case F32: case F23: call(F23); break; \
        case F42: call(F42); break; \
        EACH_END(call) \
        default: call(F43); break; \
    }
#define WITH_RULE(rule, call) \
    switch (rule) { \
        case ONE: call(ONE); break; \
        case F32: call(F32); break; \
        case F42: call(F42); break; \
        case F23: call(F23); break; \
        case F43: call(F43); break; \
        case F25: call(F25); break; \
        default: call(F34); break; \
    }
#define WITH_OUTPUT_RULE(rule, call) \
    switch (rule) { \
        EACH_END(call) \
        default: WITH_RULE(rule, call) \
    }

static inline ptrdiff_t winograd_outputs(int rule) { return WINOGRAD[rule].outputs; }
static inline ptrdiff_t winograd_points(int rule) { return WINOGRAD[rule].points; }

#define EACH_TYPE "winograd_points.h"
#include "each_float.h"
#undef EACH_TYPE

#elif defined(ELEMENT)

#define vec PASTE(vec, SUFFIX)
#define A ((ELEMENT)ROOT_A)
#define B ((ELEMENT)ROOT_B)
#define C(x) ((ELEMENT)(x))
#define P C(NEAR_POINT)
#define Q C(FAR_POINT)

#define input_points PASTE(input_points, SUFFIX)
static ALWAYS_INLINE void input_points(const int rule, const vec *d, vec *t)
{
    if (rule == ONE) {
        t[0] = d[0];
    } else if (rule == F23) {
        t[0] = d[0] - d[2];
        t[1] = d[1] + d[2];
        t[2] = d[2] - d[1];
        t[3] = d[1] - d[3];
    } else if (rule == F42) {
        const vec odd_p = d[3] - Q * Q * d[1], even_p = P * (d[2] - Q * Q * d[0]);
        const vec odd_q = d[3] - P * P * d[1], even_q = Q * (d[2] - P * P * d[0]);
        t[0] = odd_p + even_p;
        t[1] = odd_p - even_p;
        t[2] = odd_q + even_q;
        t[3] = odd_q - even_q;
        t[4] = d[4] - (P * P + Q * Q) * d[2] + P * P * Q * Q * d[0];
    } else if (rule == E32) {
        const vec near = d[2] - Q * d[1], far = P * (d[1] - Q * d[0]), even = d[2] - P * P * d[0];
        t[0] = near + far;
        t[1] = near - far;
        t[2] = even;
        t[3] = d[3] - P * P * d[1] - Q * even;
    } else if (rule == E22) {
        t[0] = d[1] + P * d[0];
        t[1] = d[1] - P * d[0];
        t[2] = d[2] - P * P * d[0];
    } else if (rule == E12) {
        t[0] = d[0];
        t[1] = d[1] - P * d[0];
    } else if (rule == E23) {
        const vec even = C(-1.5) * d[2], odd = C(-1.5 * ROOT_A) * d[1];
        t[0] = d[0] - 2 * d[2];
        t[1] = even + odd;
        t[2] = even - odd;
        t[3] = d[3] - C(0.5) * d[1];
    } else if (rule == HEAD) {
        t[0] = d[1] - d[3];
        t[1] = d[2] + d[3];
        t[2] = d[2] - d[3];
        t[3] = d[1];
    } else if (rule == TAIL || rule == TAIL2) {
        const ptrdiff_t last = WINOGRAD[rule].outputs - 1;
        t[0] = d[last];
        t[1] = d[0] + d[1];
        t[2] = d[0] - d[1];
        t[3] = (vec){0};
        if (rule == TAIL)
            t[3] = d[2] - d[0];
    } else {
        const vec even_a = d[4] - 2 * d[2], odd_a = A * (d[3] - 2 * d[1]);
        const vec even_b = d[4] - C(0.5) * d[2], odd_b = B * (d[3] - C(0.5) * d[1]);
        t[0] = d[0] - C(2.5) * d[2] + d[4];
        t[1] = even_a + odd_a;
        t[2] = even_a - odd_a;
        t[3] = even_b + odd_b;
        t[4] = even_b - odd_b;
        t[5] = d[1] - C(2.5) * d[3] + d[5];
    }
}

#define weight_points PASTE(weight_points, SUFFIX)
static ALWAYS_INLINE void weight_points(const int rule, const vec *g, vec *u)
{
    if (rule == ONE) {
        u[0] = g[0];
    } else if (rule == F32) {
        u[0] = g[0];
        u[1] = C(0.5) * (g[0] + g[1]);
        u[2] = C(0.5) * (g[0] - g[1]);
        u[3] = g[1];
    } else if (rule == F42) {
        u[0] = g[0] + P * g[1];
        u[1] = g[0] - P * g[1];
        u[2] = g[0] + Q * g[1];
        u[3] = g[0] - Q * g[1];
        u[4] = g[1];
    } else if (rule == F23) {
        const vec even = g[0] + g[2];
        u[0] = g[0];
        u[1] = C(0.5) * (even + g[1]);
        u[2] = C(0.5) * (even - g[1]);
        u[3] = g[2];
    } else {
        const ptrdiff_t r = WINOGRAD[rule].taps;
        vec even_a = C(-2. / 3) * g[0], odd_a = C(-2. / 3 * ROOT_A) * g[1];
        vec even_b = C(1. / 6) * g[0], odd_b = C(1. / 6 * ROOT_B) * g[1];
        if (r > 2) {
            even_a -= C(1. / 3) * g[2];
            even_b += C(1. / 3) * g[2];
        }
        if (r > 3) {
            odd_a -= C(1. / 3 * ROOT_A) * g[3];
            odd_b += C(1. / 3 * ROOT_B) * g[3];
        }
        if (r > 4) {
            even_a -= C(1. / 6) * g[4];
            even_b += C(2. / 3) * g[4];
        }
        u[0] = g[0];
        u[1] = even_a + odd_a;
        u[2] = even_a - odd_a;
        u[3] = even_b + odd_b;
        u[4] = even_b - odd_b;
        u[5] = g[r - 1];
    }
}

#define output_points PASTE(output_points, SUFFIX)
static ALWAYS_INLINE void output_points(const int rule, const vec *p, vec *y)
{
    if (rule == ONE) {
        y[0] = p[0];
    } else if (rule == F32) {
        y[0] = p[0] + (p[1] + p[2]);
        y[1] = p[1] - p[2];
        y[2] = (p[1] + p[2]) - p[3];
    } else if (rule == F23) {
        y[0] = p[0] + (p[1] + p[2]);
        y[1] = (p[1] - p[2]) - p[3];
    } else if (rule == F42) {
        const ELEMENT scale = C(0.5 / (FAR_POINT * FAR_POINT - NEAR_POINT * NEAR_POINT));
        const vec even_p = scale * (p[0] + p[1]), odd_p = scale * (p[0] - p[1]);
        const vec even_q = scale * (p[2] + p[3]), odd_q = scale * (p[2] - p[3]);
        y[0] = 1 / Q * odd_q - 1 / P * odd_p;
        y[1] = even_q - even_p;
        y[2] = Q * odd_q - P * odd_p;
        y[3] = Q * Q * even_q - P * P * even_p + p[4];
    } else if (rule == E32) {
        const vec a = C(0.5 / NEAR_POINT / (NEAR_POINT - FAR_POINT)) * p[0];
        const vec b = C(0.5 / NEAR_POINT / (NEAR_POINT + FAR_POINT)) * p[1];
        const vec c = C(1 / (FAR_POINT * FAR_POINT - NEAR_POINT * NEAR_POINT)) * p[2];
        y[0] = (a + b) + c;
        y[1] = P * (a - b) + Q * c;
        y[2] = P * P * (a + b) + Q * Q * c + p[3];
    } else if (rule == E22) {
        y[0] = C(0.5 / NEAR_POINT) * (p[0] - p[1]);
        y[1] = C(0.5) * (p[0] + p[1]) + p[2];
    } else if (rule == E12) {
        y[0] = p[0] + p[1];
    } else if (rule == E23) {
        y[0] = p[0] + (p[1] + p[2]);
        y[1] = A * (p[1] - p[2]) + p[3];
    } else if (rule == HEAD) {
        y[0] = p[3];
        y[1] = p[0] + (p[1] - p[2]);
        y[2] = p[1] + p[2];
    } else if (rule == TAIL || rule == TAIL2) {
        y[0] = p[1] + p[2];
        if (rule == TAIL)
            y[1] = p[3] + (p[1] - p[2]);
        y[WINOGRAD[rule].outputs - 1] = p[0];
    } else {
        const vec even_a = p[1] + p[2], odd_a = A * (p[1] - p[2]), even_b = p[3] + p[4], odd_b = B * (p[3] - p[4]);
        const ptrdiff_t m = WINOGRAD[rule].outputs;
        y[0] = p[0] + (even_a + even_b);
        y[1] = odd_a + odd_b;
        if (m > 2)
            y[2] = C(0.5) * even_a + 2 * even_b;
        if (m > 3)
            y[3] = C(0.5) * odd_a + 2 * odd_b;
        if (m > 4)
            y[4] = C(0.25) * even_a + 4 * even_b;
        y[m - 1] += p[5];
    }
}

#undef output_points
#undef weight_points
#undef input_points
#undef A
#undef B
#undef C
#undef P
#undef Q
#undef vec
#endif
