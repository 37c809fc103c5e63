/* Fourier transforms of columns, as many side by side as a vector has lanes, in place.
 *
 *     forward    X[k] = sum over j of x[j] e^(-2 pi i j k / n)         natural order -> order of digits turned round
 *     backward   x[j] = sum over k of X[k] e^(+2 pi i j k / n)         and back; not divided by n
 *
 * Real and imaginary parts lie in arrays of their own, so that a product needs no shuffle:
 *
 *     re  . . . . . . . . | . . . .      one vector of columns at a time goes through all passes while it is in L1
 *         . . . . . . . . | . . . .      n rows, `ld` apart; ld is an odd number of cache lines, or rows that a pass
 *         \ a vector /                   combines would fall into the same set of L1
 *
 * A forward pass of radix r over sub-transforms of `len` combines rows len / r apart and multiplies by roots of unity
 * (Gentleman & Sande 1966, decimation in frequency); the backward passes undo them in turn (Cooley & Tukey 1965). Since
 * spectra are multiplied with spectra of the same order, digits are never turned back. `roots` holds, pass by pass, the
 * (r - 1) roots of every row of the first part, real before imaginary. The file includes itself once per element type.
 */
#ifndef FASTCONV_FOURIER_H
#define FASTCONV_FOURIER_H

#include "simd.h"

#define FOURIER_PASSES 40 /* of 3 at least each: more than any length that fits memory takes */

typedef struct {
    ptrdiff_t n, passes, radix[FOURIER_PASSES]; /* of the first forward pass first */
    const void *roots;
    ptrdiff_t count; /* elements of `roots` */
} fourier;

#define EACH_TYPE "fourier.h"
#include "each_float.h"
#undef EACH_TYPE

/* Columns [0, columns), rounded up to whole vectors; `size` is a constant at every call. */
static inline void fourier_forward(size_t size, const fourier *t, void *re, void *im, ptrdiff_t ld, ptrdiff_t columns)
{
    if (size == sizeof(float))
        fourier_columns_f32(t, re, im, ld, columns, 0);
    else
        fourier_columns_f64(t, re, im, ld, columns, 0);
}

static inline void fourier_backward(size_t size, const fourier *t, void *re, void *im, ptrdiff_t ld, ptrdiff_t columns)
{
    if (size == sizeof(float))
        fourier_columns_f32(t, re, im, ld, columns, 1);
    else
        fourier_columns_f64(t, re, im, ld, columns, 1);
}

#elif defined(ELEMENT)

#define vec PASTE(vec, SUFFIX)
#define dft PASTE(fourier_dft, SUFFIX)
#define pass PASTE(fourier_pass, SUFFIX)
#define AT(p, q) (*(vec *)((p) + (q) * step))

/* Transforms of 2, 3 or 4 rows, with i or -i; `radix` and `back` are constants in every caller. */
static ALWAYS_INLINE void dft(const ptrdiff_t radix, const int back, vec *re, vec *im)
{
    const ELEMENT sign = back ? -1 : 1;
    if (radix == 2) {
        const vec r = re[0] - re[1], i = im[0] - im[1];
        re[0] += re[1], im[0] += im[1];
        re[1] = r, im[1] = i;
    } else if (radix == 3) {
        const ELEMENT half = (ELEMENT)0.5, sine = sign * (ELEMENT)0.86602540378443864676;
        const vec r = re[1] + re[2], i = im[1] + im[2];
        const vec sr = sine * (im[1] - im[2]), si = sine * (re[2] - re[1]);
        const vec mr = re[0] - half * r, mi = im[0] - half * i;
        re[0] += r, im[0] += i;
        re[1] = mr + sr, im[1] = mi + si;
        re[2] = mr - sr, im[2] = mi - si;
    } else {
        const vec ar = re[0] + re[2], ai = im[0] + im[2], br = re[0] - re[2], bi = im[0] - im[2];
        const vec cr = re[1] + re[3], ci = im[1] + im[3];
        const vec dr = back ? im[3] - im[1] : im[1] - im[3], di = back ? re[1] - re[3] : re[3] - re[1];
        re[0] = ar + cr, im[0] = ai + ci;
        re[1] = br + dr, im[1] = bi + di;
        re[2] = ar - cr, im[2] = ai - ci;
        re[3] = br - dr, im[3] = bi - di;
    }
}

/* One pass over a vector of columns; `last` says that rows are neighbours and all roots 1. */
static ALWAYS_INLINE void pass(const ptrdiff_t radix, const int back, const int last, ptrdiff_t n, ptrdiff_t len,
                               const ELEMENT *roots, ELEMENT *re, ELEMENT *im, ptrdiff_t ld)
{
    const ptrdiff_t part = len / radix, step = part * ld;
    for (ptrdiff_t j = 0; j < part; j++, roots += 2 * (radix - 1))
        for (ptrdiff_t first = j; first < n; first += len) {
            ELEMENT *r = re + first * ld, *i = im + first * ld;
            vec xr[4], xi[4];
            UNROLL for (ptrdiff_t q = 0; q < radix; q++) {
                xr[q] = AT(r, q);
                xi[q] = AT(i, q);
                if (back && !last && q > 0) {
                    const ELEMENT c = roots[2 * q - 2], s = roots[2 * q - 1];
                    const vec turned = c * xr[q] + s * xi[q];
                    xi[q] = c * xi[q] - s * xr[q];
                    xr[q] = turned;
                }
            }
            dft(radix, back, xr, xi);
            UNROLL for (ptrdiff_t q = 0; q < radix; q++) {
                if (!back && !last && q > 0) {
                    const ELEMENT c = roots[2 * q - 2], s = roots[2 * q - 1];
                    const vec turned = c * xr[q] - s * xi[q];
                    xi[q] = c * xi[q] + s * xr[q];
                    xr[q] = turned;
                }
                AT(r, q) = xr[q];
                AT(i, q) = xi[q];
            }
        }
}

#define RADIX(r, back) case r: \
        if (len == r) pass(r, back, 1, n, len, roots, re, im, ld); \
        else pass(r, back, 0, n, len, roots, re, im, ld); \
        break;
#define PASS(back) switch (radix) { RADIX(2, back) RADIX(3, back) RADIX(4, back) }

static NEVER_INLINE void PASTE(fourier_columns, SUFFIX)(const fourier *t, ELEMENT *re, ELEMENT *im, ptrdiff_t ld,
                                                        ptrdiff_t columns, int back)
{
    const ptrdiff_t n = t->n;
    for (ptrdiff_t column = 0; column < columns; column += LANES_OF(ELEMENT), re += LANES_OF(ELEMENT),
                   im += LANES_OF(ELEMENT)) {
        const ELEMENT *roots = t->roots;
        if (!back)
            for (ptrdiff_t p = 0, len = n; p < t->passes; p++) {
                const ptrdiff_t radix = t->radix[p];
                PASS(0)
                roots += 2 * (radix - 1) * (len / radix);
                len /= radix;
            }
        else {
            roots += t->count;
            for (ptrdiff_t p = t->passes - 1, len = 1; p >= 0; p--) {
                const ptrdiff_t radix = t->radix[p];
                roots -= 2 * (radix - 1) * len;
                len *= radix;
                PASS(1)
            }
        }
    }
}
#undef PASS
#undef RADIX
#undef AT
#undef pass
#undef dft
#undef vec
#endif
