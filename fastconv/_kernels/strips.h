/* The common windows, 3 x 3 at stride 1 and 2 and 2 x 2 at stride 2, over a channels-first plane, without scratch.
 *
 * A strip is as many columns of output as a vector holds. It is walked down: each row of input is loaded once, combined
 * along the row in registers, and kept for the next outputs whose windows share it.
 *
 *     stride 1, a b c d the row:      . a b c      stride 2, a b c d e f g h two vectors:      a c e g   their evens
 *     shifted once each way, the      a b c d                                                  b d f h   their odds
 *     neighbours coming in            b c d .                                                  c e g .   evens, shifted
 *
 * What comes in beside a strip is one element of the same row, or a blank where the image ends, so that no strip has a
 * case of its own and nothing outside the plane is read. The last strip overlaps the one before.
 *
 * A maximum costs half as much if NaN need not pass through it. So the quick pass also adds up everything it loads, on
 * adders that have nothing else to do: the sum is NaN if any of it is, and then the careful pass repeats the rows. Both
 * take the elements in the same order, so they agree in the sign of a zero.
 *
 * The file includes itself once per element type and width of vector. Without shuffles `strip_bytes` says 0.
 */
#ifndef FASTCONV_STRIPS_H
#define FASTCONV_STRIPS_H

#include <stddef.h>
#include <stdint.h>
#include "shuffle.h"
#include "vectors.h"

/* Bytes of input whose strips are walked one after the other. A small plane fits the first cache whole. A large one
 * comes from farther away, and faster the more its reading looks like a stream: over 25 MB, 3 x 3 at stride 1 takes 2.0
 * ms in blocks of 8 KiB and 1.0 ms in blocks of 1 KiB, although these load more rows twice (max-first, 64 @112). */
#define STRIP_PLANE 8192
#define STRIP_BLOCK 1024

enum { STRIP_SHIFTED, STRIP_EVEN_FIRST, STRIP_ODD_FIRST };             /* ways along a row */
enum { STRIP_LARGEST, STRIP_CAREFUL, STRIP_MEAN, STRIP_SCALED }; /* scaled: times 1 / divisor, which is exact */

typedef struct {
    ptrdiff_t ih, iw, ldx, oh, ow, ph, pw; /* ldx from row to row of the input; the output is dense */
    int kernel, stride, kind;
    ptrdiff_t bytes;    /* of a vector */
    const void *blank;  /* 2 * VECTOR_BYTES + 2 elements of padding */
    const void *down;   /* divisors, or their inverses for STRIP_SCALED: the factor of each row, */
    const void *across; /* and the factor of each column; unused for maxima */
} Strips;

/* The widest vectors for this geometry, whose other fields are filled in; 0 if it has another way to go. */
static ptrdiff_t strip_bytes(const Strips *s, ptrdiff_t size)
{
#ifdef SHUFFLES
    const ptrdiff_t beyond = (s->ow - 1) * s->stride + s->kernel - s->pw - s->iw; /* columns read after the image */
    const ptrdiff_t most = s->kernel == 3;
    if ((s->kernel == 3 ? s->stride > 2 : s->kernel != 2 || s->stride != 2) || s->pw > most || beyond > most)
        return 0;
    for (ptrdiff_t bytes = VECTOR_BYTES; bytes >= 16; bytes /= 2)
        if (s->ow * size >= bytes && s->iw * size >= s->stride * bytes)
            return bytes;
#endif
    return 0;
}

#ifdef SHUFFLES
#define WIDE(name) GLUE(NAMED(name), BYTES)

#define EACH_TYPE "strips.h"
#include "each_type.h"
#undef EACH_TYPE

#define pool_strips(s, x, out, y0, y1) BY_TYPE(strips, out)(s, x, out, y0, y1)
#else
#define pool_strips(s, x, out, y0, y1) ((void)0)
#endif

#elif !defined(BYTES)

#define BYTES 16
#include "strips.h"
#if VECTOR_BYTES >= 32
#undef BYTES
#define BYTES 32
#define HALF 16
#include "strips.h"
#endif
#if VECTOR_BYTES >= 64
#undef BYTES
#undef HALF
#define BYTES 64
#define HALF 32
#include "strips.h"
#endif
#undef BYTES
#undef HALF

/* Rows y0 to y1 of the output of the plane x. */
static void NAMED(strips)(const Strips *s, const ELEMENT *x, ELEMENT *out, ptrdiff_t y0, ptrdiff_t y1)
{
#if VECTOR_BYTES >= 64
    if (s->bytes == 64)
        GLUE(NAMED(strips), 64)(s, x, out, y0, y1);
#endif
#if VECTOR_BYTES >= 32
    if (s->bytes == 32)
        GLUE(NAMED(strips), 32)(s, x, out, y0, y1);
#endif
    if (s->bytes == 16)
        GLUE(NAMED(strips), 16)(s, x, out, y0, y1);
}

#else

#define vec WIDE(strip_vec)
#define mask WIDE(mask)
typedef ELEMENT vec __attribute__((vector_size(BYTES), aligned(ELEMENT_BYTES), may_alias));
typedef BITS mask __attribute__((vector_size(BYTES)));

#ifdef FLOATING
#define SEE(v) (*seen += (v))
#else
#define SEE(v) (void)seen
#endif

#define both WIDE(both)
static ALWAYS_INLINE vec both(vec a, vec b, int kind)
{
#ifdef FLOATING
    if (kind == STRIP_MEAN || kind == STRIP_SCALED)
        return a + b;
    if (kind == STRIP_CAREFUL)
        return SELECT(vec, mask, (mask)(a > b) | (mask)(a != a), a, b);
#endif
    vec larger;
    LARGER_LANES(larger, a, b);
    return larger;
}

/* The windows of one row of input, each combined along the row, as x, what comes in before and what comes in after. */
#define along WIDE(along)
static ALWAYS_INLINE vec along(const ELEMENT *x, const ELEMENT *before, const ELEMENT *after, int way, int kind,
                               vec *seen)
{
    const vec a = *(const vec *)x, first = {*before}, last = {*after};
    SEE(a);
    SEE(last);
    if (way == STRIP_SHIFTED) {
        SEE(first);
        return both(both(SHUFFLE(a, first, EARLIER), a, kind), SHUFFLE(a, last, LATER), kind);
    }
    const vec b = *(const vec *)(x + COUNT), even = SHUFFLE(a, b, EVEN), odd = SHUFFLE(a, b, ODD);
    SEE(b);
    if (way == STRIP_ODD_FIRST)
        return both(both(SHUFFLE(odd, first, EARLIER), even, kind), odd, kind);
    return both(both(even, odd, kind), SHUFFLE(even, last, LATER), kind);
}

/* Rows y0 to y1 of the output, down the strip of columns j on, which sees columns `from` on of the input. */
#define walk WIDE(walk)
static ALWAYS_INLINE void walk(const Strips *s, const ELEMENT *x, ptrdiff_t from, ELEMENT *out, ptrdiff_t j,
                               ptrdiff_t y0, ptrdiff_t y1, int way, int kernel, int stride, int kind, vec *seen)
{
    const int kept = kernel - stride;
    const ptrdiff_t ldx = s->ldx, ow = s->ow, ph = s->ph, ih = s->ih;
    const ELEMENT *blank = s->blank, *down = s->down;
    const int first = from == 0, last = from + stride * COUNT >= s->iw;
    vec v[3], across = {0};
    if (kind == STRIP_MEAN || kind == STRIP_SCALED)
        across = *(const vec *)((const ELEMENT *)s->across + j);
    x += from;
    out += j;
#define TAKE(i) do { \
        const ptrdiff_t r = y * stride - ph + (i); \
        const ELEMENT *row = (size_t)r < (size_t)ih ? x + r * ldx : blank + 1; \
        v[i] = along(row, first ? blank : row - 1, last ? blank : row + stride * COUNT, way, kind, seen); \
    } while (0)
    ptrdiff_t y = y0;
    UNROLL for (int i = 0; i < kept; i++)
        TAKE(i);
    for (; y < y1; y++) {
        vec all;
        if (kernel == 2) { /* no row is shared: down first, which halves the shuffles */
            const ptrdiff_t r = y * 2 - ph;
            const ELEMENT *upper = (size_t)r < (size_t)ih ? x + r * ldx : blank;
            const ELEMENT *lower = (size_t)(r + 1) < (size_t)ih ? x + (r + 1) * ldx : blank;
            const vec a = *(const vec *)upper, b = *(const vec *)(upper + COUNT);
            const vec c = *(const vec *)lower, d = *(const vec *)(lower + COUNT);
            SEE(a + c);
            SEE(b + d);
            const vec left = both(a, c, kind), right = both(b, d, kind);
            all = both(SHUFFLE(left, right, EVEN), SHUFFLE(left, right, ODD), kind);
        } else {
            UNROLL for (int i = kept; i < kernel; i++)
                TAKE(i);
            all = both(both(v[0], v[1], kind), v[2], kind);
        }
        if (kind == STRIP_MEAN)
            all /= across * down[y];
        if (kind == STRIP_SCALED)
            all *= across * down[y];
        *(vec *)(out + y * ow) = all;
        UNROLL for (int i = 0; i < kept; i++)
            v[i] = v[i + stride];
    }
#undef TAKE
}

/* Rows y0 to y1, columns j on, strip by strip; what is left goes to vectors of half the width if it fits them. */
#define columns WIDE(strip_columns)
static ALWAYS_INLINE void columns(const Strips *s, const ELEMENT *x, ELEMENT *out, ptrdiff_t j, ptrdiff_t y0,
                                  ptrdiff_t y1, int kernel, int stride, int kind, vec *seen)
{
    while (j < s->ow) {
#if BYTES > 16
        if (2 * (s->ow - j) <= COUNT) {
            vec more = {0};
            GLUE(NAMED(strip_vec), HALF) less = {0};
            GLUE(NAMED(strip_columns), HALF)(s, x, out, j, y0, y1, kernel, stride, kind, &less);
            memcpy(&more, &less, sizeof less);
            SEE(more);
            return;
        }
#endif
        if (j + COUNT > s->ow)
            j = s->ow - COUNT;
        const ptrdiff_t from = j * stride - s->pw;
        if (stride == 1) /* seen from the middle of its windows */
            walk(s, x, from + 1, out, j, y0, y1, STRIP_SHIFTED, kernel, stride, kind, seen);
        else if (kernel == 2 || from >= 0)
            walk(s, x, from, out, j, y0, y1, STRIP_EVEN_FIRST, kernel, stride, kind, seen);
        else
            walk(s, x, 0, out, j, y0, y1, STRIP_ODD_FIRST, kernel, stride, kind, seen);
        j += COUNT;
    }
}

/* Rows y0 to y1 of the output, a block of them at a time. Says whether a NaN may have been lost. */
#define rows WIDE(rows)
static ALWAYS_INLINE int rows(const Strips *s, const ELEMENT *x, ELEMENT *out, ptrdiff_t y0, ptrdiff_t y1, int kernel,
                              int stride, int kind)
{
    const ptrdiff_t row = s->iw * ELEMENT_BYTES;
    const ptrdiff_t height = 1 + (s->ih * row <= STRIP_PLANE ? STRIP_PLANE : STRIP_BLOCK) / (row * stride);
    vec seen = {0};
    for (ptrdiff_t y = y0; y < y1; y += height)
        columns(s, x, out, 0, y, y1 - y < height ? y1 : y + height, kernel, stride, kind, &seen);
#ifdef FLOATING
    BITS nan = 0;
    UNROLL for (int i = 0; i < COUNT; i++)
        nan |= ((mask)(seen != seen))[i];
    return nan != 0;
#else
    return 0;
#endif
}

#define KIND(kernel, stride, kind) rows(s, x, out, y0, y1, kernel, stride, kind)
static NEVER_INLINE void WIDE(strips)(const Strips *s, const ELEMENT *x, ELEMENT *out, ptrdiff_t y0, ptrdiff_t y1)
{
#ifdef FLOATING
#define KINDS(kernel, stride) \
    if (s->kind == STRIP_MEAN) KIND(kernel, stride, STRIP_MEAN); \
    else if (s->kind == STRIP_SCALED) KIND(kernel, stride, STRIP_SCALED); \
    else if (KIND(kernel, stride, STRIP_LARGEST)) KIND(kernel, stride, STRIP_CAREFUL);
#else
#define KINDS(kernel, stride) KIND(kernel, stride, STRIP_LARGEST);
#endif
    if (s->kernel == 2) {
        KINDS(2, 2)
    } else if (s->stride == 2) {
        KINDS(3, 2)
    } else {
        KINDS(3, 1)
    }
}
#undef KINDS
#undef KIND
#undef SEE
#undef vec
#undef mask
#undef both
#undef along
#undef walk
#undef rows
#undef columns
#endif
