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
 * (r - 1) roots of every row of the first part, real before imaginary. A pass takes as long as its loads and stores,
 * whatever it computes, so that few passes of many rows are fast. The file includes itself once per element type.
 */
#ifndef FASTCONV_FOURIER_H
#define FASTCONV_FOURIER_H

#include "simd.h"

#define FOURIER_PASSES 40 /* of 3 at least each: more than any length that fits memory takes */
#define FOURIER_RADIX 12  /* the most rows that a pass combines */
#define FOURIER_ROW(radix, q) \
    ((radix) == 6 ? 5 * (q) % 6 : (radix) == 8 ? 2 * ((q) % 4) + (q) / 4 : (radix) == 12 ? 7 * (q) % 12 : (q))

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

/* Transforms of some rows of a vector of columns, in place, with i or -i; all but `re` and `im` are constants in every
 * caller. */
static ALWAYS_INLINE void PASTE(fourier_two, SUFFIX)(vec *re, vec *im, int a, int b)
{
    const vec r = re[a] - re[b], i = im[a] - im[b];
    re[a] += re[b], im[a] += im[b];
    re[b] = r, im[b] = i;
}

static ALWAYS_INLINE void PASTE(fourier_three, SUFFIX)(const int back, vec *re, vec *im, int a, int b, int c)
{
    const ELEMENT half = (ELEMENT)0.5, sine = (back ? -1 : 1) * (ELEMENT)0.86602540378443864676;
    const vec r = re[b] + re[c], i = im[b] + im[c], dr = im[b] - im[c], di = re[c] - re[b];
    const vec mr = re[a] - half * r, mi = im[a] - half * i;
    re[a] += r, im[a] += i;
    re[b] = mr + sine * dr, im[b] = mi + sine * di;
    re[c] = mr - sine * dr, im[c] = mi - sine * di;
}

static ALWAYS_INLINE void PASTE(fourier_four, SUFFIX)(const int back, vec *re, vec *im, int a, int b, int c, int d)
{
    const vec ar = re[a] + re[c], ai = im[a] + im[c], br = re[a] - re[c], bi = im[a] - im[c];
    const vec cr = re[b] + re[d], ci = im[b] + im[d];
    const vec dr = back ? im[d] - im[b] : im[b] - im[d], di = back ? re[b] - re[d] : re[d] - re[b];
    re[a] = ar + cr, im[a] = ai + ci;
    re[b] = br + dr, im[b] = bi + di;
    re[c] = ar - cr, im[c] = ai - ci;
    re[d] = br - dr, im[d] = bi - di;
}

#define TWO(a, b) PASTE(fourier_two, SUFFIX)(re, im, a, b)
#define THREE(a, b, c) PASTE(fourier_three, SUFFIX)(back, re, im, a, b, c)
#define FOUR(a, b, c, d) PASTE(fourier_four, SUFFIX)(back, re, im, a, b, c, d)

/* Multiply row `q` of eight by e^(-+ 2 pi i k / 8). */
static ALWAYS_INLINE void PASTE(fourier_eighths, SUFFIX)(const int back, vec *re, vec *im, int q, const int k)
{
    const ELEMENT root = (ELEMENT)0.70710678118654752440, sign = back ? -1 : 1;
    const vec r = re[q], i = im[q];
    re[q] = k == 2 ? sign * i : k == 1 ? root * (r + sign * i) : root * (sign * i - r);
    im[q] = k == 2 ? -sign * r : k == 1 ? root * (i - sign * r) : -root * (sign * r + i);
}

/* Transforms of `radix` rows, that of frequency q in row FOURIER_ROW(radix, q). Six and twelve rows, whose factors have
 * no common one, need no roots in between (Good 1958): row 3 a + 2 b, or 3 a + 4 b, is element b of three and a of the
 * others. */
static ALWAYS_INLINE void dft(const ptrdiff_t radix, const int back, vec *re, vec *im)
{
    if (radix == 2)
        TWO(0, 1);
    else if (radix == 3)
        THREE(0, 1, 2);
    else if (radix == 4)
        FOUR(0, 1, 2, 3);
    else if (radix == 6) {
        THREE(0, 2, 4), THREE(3, 5, 1);
        TWO(0, 3), TWO(2, 5), TWO(4, 1);
    } else if (radix == 8) {
        FOUR(0, 2, 4, 6), FOUR(1, 3, 5, 7);
        UNROLL for (int k = 1; k < 4; k++)
            PASTE(fourier_eighths, SUFFIX)(back, re, im, 2 * k + 1, k);
        TWO(0, 1), TWO(2, 3), TWO(4, 5), TWO(6, 7);
    } else {
        THREE(0, 4, 8), THREE(3, 7, 11), THREE(6, 10, 2), THREE(9, 1, 5);
        FOUR(0, 3, 6, 9), FOUR(4, 7, 10, 1), FOUR(8, 11, 2, 5);
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
            vec xr[FOURIER_RADIX], xi[FOURIER_RADIX];
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
                vec yr = xr[FOURIER_ROW(radix, q)], yi = xi[FOURIER_ROW(radix, q)];
                if (!back && !last && q > 0) {
                    const ELEMENT c = roots[2 * q - 2], s = roots[2 * q - 1];
                    const vec turned = c * yr - s * yi;
                    yi = c * yi + s * yr;
                    yr = turned;
                }
                AT(r, q) = yr;
                AT(i, q) = yi;
            }
        }
}

#define RADIX(r, back) case r: \
        if (len == r) pass(r, back, 1, n, len, roots, re, im, ld); \
        else pass(r, back, 0, n, len, roots, re, im, ld); \
        break;
#define PASS(back) switch (radix) { \
        RADIX(2, back) RADIX(3, back) RADIX(4, back) RADIX(6, back) RADIX(8, back) RADIX(12, back) \
    }

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
#undef FOUR
#undef THREE
#undef TWO
#undef vec
#endif
