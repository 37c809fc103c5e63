/* Products of pixels with pixels, channel by channel, for several taps at once:
 *
 *     sums[t * lds + lane] += sum over line < lines, k < kc of  g[line][k][lane] * x[line][k + tap t][lane]
 *
 * Lanes are channels: a pixel is a vector, and x starts `shift[t]` elements further on for tap t. One accumulator a
 * tap, so that a vector of g is loaded once for up to LANES_TAPS products and their latency is hidden. Products are
 * added up in a row: lines * kc is at most what the error bound allows. The file includes itself once per element type.
 */
#ifndef FASTCONV_LANES_H
#define FASTCONV_LANES_H

#include "simd.h"

#define LANES_TAPS 9 /* a 3x3 kernel; with a vector of g they fit 16 registers */

#define EACH_TYPE "lanes.h"
#include "each_float.h"
#undef EACH_TYPE

/* A vector of channels; `size` is a constant at every call, so one branch remains. Distances are in elements. */
static inline void lanes_dot(size_t size, ptrdiff_t taps, ptrdiff_t lines, ptrdiff_t kc, const void *g, ptrdiff_t ldg,
                             ptrdiff_t g_line, const void *x, ptrdiff_t ldx, ptrdiff_t x_line, const ptrdiff_t *shift,
                             void *sums, ptrdiff_t lds)
{
    if (size == sizeof(float))
        lanes_dot_f32(taps, lines, kc, g, ldg, g_line, x, ldx, x_line, shift, sums, lds);
    else
        lanes_dot_f64(taps, lines, kc, g, ldg, g_line, x, ldx, x_line, shift, sums, lds);
}

#elif defined(ELEMENT)

#define vec PASTE(vec, SUFFIX)
#define run PASTE(lanes_run, SUFFIX)

/* `taps` is a constant in every caller, so that the loops over taps unroll and acc stays in registers. */
static ALWAYS_INLINE void run(
    const ptrdiff_t taps, ptrdiff_t lines, ptrdiff_t kc, const ELEMENT *restrict g, ptrdiff_t ldg, ptrdiff_t g_line,
    const ELEMENT *restrict x, ptrdiff_t ldx, ptrdiff_t x_line, const ptrdiff_t *shift, ELEMENT *restrict sums,
    ptrdiff_t lds)
{
    vec acc[LANES_TAPS];
    ptrdiff_t from[LANES_TAPS];
    UNROLL for (ptrdiff_t t = 0; t < taps; t++) {
        acc[t] = (vec){0};
        from[t] = shift[t];
    }
    for (ptrdiff_t line = 0; line < lines; line++, g += g_line, x += x_line)
        for (ptrdiff_t k = 0; k < kc; k++) {
            const vec left = *(const vec *)(g + k * ldg);
            const ELEMENT *pixel = x + k * ldx;
            UNROLL for (ptrdiff_t t = 0; t < taps; t++)
                acc[t] += left * *(const vec *)(pixel + from[t]);
        }
    UNROLL for (ptrdiff_t t = 0; t < taps; t++)
        *(vec *)(sums + t * lds) += acc[t];
}

static NEVER_INLINE void PASTE(lanes_dot, SUFFIX)(
    ptrdiff_t taps, ptrdiff_t lines, ptrdiff_t kc, const ELEMENT *g, ptrdiff_t ldg, ptrdiff_t g_line, const ELEMENT *x,
    ptrdiff_t ldx, ptrdiff_t x_line, const ptrdiff_t *shift, ELEMENT *sums, ptrdiff_t lds)
{
#define TAPS(n) case n: run(n, lines, kc, g, ldg, g_line, x, ldx, x_line, shift, sums, lds); return;
    switch (taps) {
        TAPS(1) TAPS(2) TAPS(3) TAPS(4) TAPS(5) TAPS(6) TAPS(7) TAPS(8) TAPS(9)
    }
#undef TAPS
}
#undef run
#undef vec
#endif
