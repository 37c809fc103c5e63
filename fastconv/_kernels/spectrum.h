/* What a convolution does with spectra besides transforming them; real and imaginary parts lie apart, see `fourier.h`.
 * The file includes itself once per element type. */
#ifndef FASTCONV_SPECTRUM_H
#define FASTCONV_SPECTRUM_H

#include "simd.h"

#define SPECTRUM_PAIRS 4 /* that share a load of weights; with them they fit 16 registers */

#define EACH_TYPE "spectrum.h"
#include "each_float.h"
#undef EACH_TYPE

/* to[r][i] = sum over channels c of x[i][c][r] * w[i][c], of `n` vectors i and up to SPECTRUM_PAIRS pairs r; an element
 * of x, w and to is a vector of real parts before one of imaginary parts. `to` of the next pair lies `apart` elements
 * further on. `size` is a constant at every call, here and below. */
static inline void spectrum_product(size_t size, ptrdiff_t pairs, ptrdiff_t channels, ptrdiff_t n, const void *x,
                                    const void *w, void *to, ptrdiff_t apart)
{
    if (size == sizeof(float))
        spectrum_product_f32(pairs, channels, n, x, w, to, apart);
    else
        spectrum_product_f64(pairs, channels, n, x, w, to, apart);
}

/* Copy `n` elements, a vector of real parts before one of imaginary parts, to places `step` vectors apart; their
 * conjugates if `conjugate`. */
static inline void spectrum_spread(size_t size, ptrdiff_t n, const void *x, void *to, ptrdiff_t step, int conjugate)
{
    if (size == sizeof(float))
        spectrum_spread_f32(n, x, to, step, conjugate);
    else
        spectrum_spread_f64(n, x, to, step, conjugate);
}

/* x *= roots, or their conjugates if `back`: n elements each, real and imaginary parts `apart` in `roots`. */
static inline void spectrum_twist(size_t size, ptrdiff_t n, void *re, void *im, const void *roots, ptrdiff_t apart,
                                  int back)
{
    if (size == sizeof(float))
        spectrum_twist_f32(n, re, im, roots, apart, back);
    else
        spectrum_twist_f64(n, re, im, roots, apart, back);
}

/* The sum of x[0], x[step], ... of n elements. */
static inline double row_sum(size_t size, ptrdiff_t n, const void *x, ptrdiff_t step)
{
    return size == sizeof(float) ? row_sum_f32(n, x, step) : row_sum_f64(n, x, step);
}

#elif defined(ELEMENT)

#define vec PASTE(vec, SUFFIX)
#define V(p) (*(vec *)(p))
#define CV(p) (*(const vec *)(p))

/* `pairs` is a constant in every caller, so that sums stay in registers. They are added up in chains: the lowest
 * frequencies of positive data have one sign. */
static ALWAYS_INLINE void PASTE(product_of, SUFFIX)(const ptrdiff_t pairs, ptrdiff_t channels, ptrdiff_t n,
                                                    const ELEMENT *x, const ELEMENT *w, ELEMENT *to, ptrdiff_t apart)
{
    const ptrdiff_t lanes = LANES_OF(ELEMENT);
    for (ptrdiff_t i = 0; i < n; i++, to += 2 * lanes)
        for (ptrdiff_t done = 0; done < channels; done += CHUNK) {
            const ptrdiff_t chain = channels - done < CHUNK ? channels - done : CHUNK;
            vec re[SPECTRUM_PAIRS], im[SPECTRUM_PAIRS];
            UNROLL for (ptrdiff_t r = 0; r < pairs; r++)
                re[r] = im[r] = (vec){0};
            for (ptrdiff_t c = 0; c < chain; c++, w += 2 * lanes)
                UNROLL for (ptrdiff_t r = 0; r < pairs; r++, x += 2 * lanes) {
                    re[r] += CV(x) * CV(w);
                    im[r] += CV(x) * CV(w + lanes);
                    re[r] -= CV(x + lanes) * CV(w + lanes);
                    im[r] += CV(x + lanes) * CV(w);
                }
            UNROLL for (ptrdiff_t r = 0; r < pairs; r++) {
                ELEMENT *sum = to + r * apart;
                if (done) {
                    re[r] += V(sum);
                    im[r] += V(sum + lanes);
                }
                V(sum) = re[r];
                V(sum + lanes) = im[r];
            }
        }
}

static NEVER_INLINE void PASTE(spectrum_product, SUFFIX)(ptrdiff_t pairs, ptrdiff_t channels, ptrdiff_t n,
                                                         const ELEMENT *x, const ELEMENT *w, ELEMENT *to,
                                                         ptrdiff_t apart)
{
#define PAIRS(r) case r: PASTE(product_of, SUFFIX)(r, channels, n, x, w, to, apart); return;
    switch (pairs) {
        PAIRS(1) PAIRS(2) PAIRS(3) PAIRS(4)
    }
#undef PAIRS
}

static NEVER_INLINE void PASTE(spectrum_spread, SUFFIX)(ptrdiff_t n, const ELEMENT *x, ELEMENT *to, ptrdiff_t step,
                                                        int conjugate)
{
    const ptrdiff_t lanes = LANES_OF(ELEMENT);
    const ELEMENT sign = conjugate ? -1 : 1;
    for (ptrdiff_t i = 0; i < n; i++, x += 2 * lanes, to += step * lanes) {
        V(to) = CV(x);
        V(to + lanes) = sign * CV(x + lanes);
    }
}

static NEVER_INLINE void PASTE(spectrum_twist, SUFFIX)(ptrdiff_t n, ELEMENT *re, ELEMENT *im, const ELEMENT *roots,
                                                       ptrdiff_t apart, int back)
{
    const ELEMENT sign = back ? -1 : 1;
    for (ptrdiff_t i = 0; i < n; i += LANES_OF(ELEMENT)) {
        const vec r = CV(re + i), m = CV(im + i), c = CV(roots + i), s = sign * CV(roots + apart + i);
        V(re + i) = c * r - s * m;
        V(im + i) = c * m + s * r;
    }
}

static double PASTE(row_sum, SUFFIX)(ptrdiff_t n, const ELEMENT *x, ptrdiff_t step)
{
    double total = 0;
    if (step == 1) {
        const ptrdiff_t lanes = LANES_OF(ELEMENT);
        ELEMENT part[LANES_OF(ELEMENT)];
        vec sum = (vec){0};
        for (; n >= lanes; n -= lanes, x += lanes)
            sum += CV(x);
        V(part) = sum;
        for (ptrdiff_t i = 0; i < lanes; i++)
            total += part[i];
    }
    for (ptrdiff_t i = 0; i < n; i++)
        total += x[i * step];
    return total;
}
#undef CV
#undef V
#undef vec
#endif
