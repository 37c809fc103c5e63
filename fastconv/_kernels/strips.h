/* The common windows, 3 x 3 at stride 1 and 2 and 2 x 2 at stride 2, over a channels-first plane, without scratch.
 *
 *     stride 1, a b c d the row:      . a b c      stride 2, a b c d e f g h two vectors:      a c e g   their evens
 *     shifted once each way, the      a b c d                                                  b d f h   their odds
 *     neighbours coming in            b c d .                                                  c e g .   evens, shifted
 *
 * Row by row of outputs, the rows of windows are combined first, and what results along the row, from left to right
 * (`sweep.h`): a plane is read and written as two streams, and rows that windows share come from the first cache again.
 * At stride 1 a few vectors a row are walked down in strips instead (`walk.h`), and more of them combined along the row
 * first and kept (`flow.h`). What comes in beside a vector is the column next to it, or a blank where the image ends,
 * so that nothing outside the plane is read. The last vector of a row overlaps the one before.
 *
 * A maximum costs half as much if NaN need not pass through it. So the quick pass also adds up everything it loads, on
 * adders that have nothing else to do: the sum is NaN if any of it is, and then the careful pass repeats the rows. Both
 * take the elements in the same order, so they agree in the sign of a zero. What is loaded together is summed first: a
 * chain of single sums takes longer than the maxima.
 *
 * The file includes itself once per element type and width of vector. Without shuffles `strip_bytes` says 0.
 */
#ifndef FASTCONV_STRIPS_H
#define FASTCONV_STRIPS_H

#include <stddef.h>
#include <stdint.h>
#include "strip_shape.h"
#include "vectors.h"

/* At stride 1, up to STRIP_FEW vectors of outputs a row are walked in strips, STRIP_BLOCK bytes of input after another.
 * Means of 192 planes of 35x35 take 45 us instead of 69 so, 64 of 56x56 34 instead of 38, but 32 of 80x80 31 to 30. */
#define STRIP_FEW 4
#define STRIP_BLOCK 8192

/* Rows of more vectors, and of FLOW_BYTES at most, are kept where vectors are short, as loads that cross lines are then
 * cheaper than shuffles. Longer ones in pieces took 1.3 times as long from memory as by windows, 400 x 10000. */
#define FLOW_BYTES 8192

/* At stride 2 no prefetcher foresees the next rows of planes that come from afar: those of STRIP_FAR bytes or more are
 * asked for STRIP_AHEAD bytes ahead. 256 planes of 112x112 in float64 take 1.1 ms instead of 2.5. */
#define STRIP_FAR 32768
#define STRIP_AHEAD 8192

#ifdef SHUFFLES
#define WIDE(name) PASTE(NAMED(name), BYTES)

#define EACH_TYPE "strips.h"
#include "each_type.h"
#undef EACH_TYPE

#define pool_strips(s, x, out, y0, y1) BY_TYPE(strips, out)(s, x, out, y0, y1)
#else
#define pool_strips(s, x, out, y0, y1) ((void)0)
#endif

#elif !defined(ELEMENT) /* included once more */

#elif !defined(BYTES)

/* The rows under a row of outputs. */
typedef struct {
    const ELEMENT *in[3];
    ELEMENT *out, by; /* the divisor, but for the factor of the column */
    int far;          /* they come from afar */
} NAMED(rows_of);

#define LEAST_BYTES 16
#define EACH_WIDTH "strips.h"
#include "each_width.h"
#undef EACH_WIDTH
#undef LEAST_BYTES

/* Rows y0 to y1 of the output of the plane x. */
static void NAMED(strips)(const Strips *s, const ELEMENT *x, ELEMENT *out, ptrdiff_t y0, ptrdiff_t y1)
{
#if VECTOR_BYTES >= 64
    if (s->bytes == 64)
        PASTE(NAMED(strips), 64)(s, x, out, y0, y1);
#endif
#if VECTOR_BYTES >= 32
    if (s->bytes == 32)
        PASTE(NAMED(strips), 32)(s, x, out, y0, y1);
#endif
    if (s->bytes == 16)
        PASTE(NAMED(strips), 16)(s, x, out, y0, y1);
}

#else

#define vec WIDE(strip_vec)
#define mask WIDE(mask)
typedef ELEMENT vec __attribute__((vector_size(BYTES), aligned(ELEMENT_BYTES), may_alias));
typedef BITS mask __attribute__((vector_size(BYTES)));

#ifdef FLOATING
#define SEEN(seen, v) (*(seen) += (v))
#else
#define SEEN(seen, v) ((void)(seen))
#endif
#define SEE(v) SEEN(seen, v)
#define ITSELF(i) (i)
#define FROM_BEFORE(i) (COUNT - 1 + (i)) /* the last of a, then b but for its last */

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

/* Whether a NaN was among what has been seen. */
#define lost WIDE(lost)
static ALWAYS_INLINE int lost(vec seen)
{
#ifdef FLOATING
    BITS nan = 0;
    UNROLL for (int i = 0; i < COUNT; i++)
        nan |= ((mask)(seen != seen))[i];
    return nan != 0;
#else
    return (void)seen, 0;
#endif
}

#define rows_of NAMED(rows_of)

/* Outputs j on of a row. */
#define put WIDE(put)
static ALWAYS_INLINE void put(const Strips *s, const rows_of *r, ptrdiff_t j, vec all, int kind)
{
    if (kind == STRIP_MEAN && s->across)
        all /= *(const vec *)((const ELEMENT *)s->across + j) * r->by;
    else if (kind == STRIP_MEAN)
        all /= r->by;
    if (kind == STRIP_SCALED)
        all *= r->by;
    *(vec *)(r->out + j) = all;
}

/* Row y of the output: where it goes, and what divides it. */
#define row_at WIDE(row_at)
static ALWAYS_INLINE rows_of row_at(const Strips *s, ELEMENT *out, ptrdiff_t y, int kind)
{
    const int divided = kind == STRIP_MEAN || kind == STRIP_SCALED;
    const int far = s->ih * s->ldx * ELEMENT_BYTES >= STRIP_FAR;
    return (rows_of){{0}, out + y * s->ow, divided ? ((const ELEMENT *)s->down)[y] : 0, far};
}

#ifdef HALF
/* A function of vectors of half the width, and what it has seen. */
#define NARROWER(function, ...) do { \
        PASTE(NAMED(strip_vec), HALF) less = {0}; \
        PASTE(NAMED(function), HALF)(__VA_ARGS__, &less); \
        SEE(__builtin_shufflevector(less, less, LIST(ITSELF, 0))); \
    } while (0)
#endif

#define BOTH(a, b) both(a, b, kind)
#include "sweep.h"
#include "walk.h"
#include "flow.h"

/* Rows y0 to y1 of the output. Says whether a NaN may have been lost. */
#define rows WIDE(rows)
static ALWAYS_INLINE int rows(const Strips *given, const ELEMENT *x, ELEMENT *out, ptrdiff_t y0, ptrdiff_t y1,
                              int kernel, int stride, int kind)
{
    const Strips copy = *given, *const s = &copy; /* which no store can change */
    const ptrdiff_t height = 1 + STRIP_BLOCK / (s->iw * ELEMENT_BYTES);
    const int strips = stride == 1 && s->ow <= STRIP_FEW * COUNT;
    const int flows = VECTOR_BYTES < 64 && stride == 1 && !strips && s->ow * ELEMENT_BYTES <= FLOW_BYTES;
    vec seen = {0};
    if (flows)
        flow(s, x, out, y0, y1, kind, &seen);
    for (ptrdiff_t y = y0; strips && y < y1; y += height)
        columns(s, x, out, 0, y, y1 - y < height ? y1 : y + height, kind, &seen);
    for (ptrdiff_t y = strips || flows ? y1 : y0; y < y1; y++) {
        rows_of r = row_at(s, out, y, kind);
        UNROLL for (int i = 0; i < kernel; i++) {
            const ptrdiff_t at = y * stride - s->ph + i;
            r.in[i] = (size_t)at < (size_t)s->ih ? x + at * s->ldx : s->blank;
        }
        for (int i = 0; y == y0 && i < kernel - stride; i++) /* no earlier windows have seen these */
            for (ptrdiff_t c = 0; c < s->iw; c += COUNT)
                SEEN(&seen, *(const vec *)(r.in[i] + (c + COUNT <= s->iw ? c : s->iw - COUNT)));
        if (stride == 1)
            shifted(s, &r, kind, &seen);
#ifdef HALF
        else if (s->narrow)
            at_once(s, &r, y + 1 == y1 || y * stride - s->ph + kernel >= s->ih, kernel, kind, &seen);
#endif
        else
            halved(s, &r, kernel, kind, &seen);
    }
    return lost(seen);
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
#undef SEEN
#undef FROM_BEFORE
#undef ITSELF
#undef vec
#undef mask
#undef both
#undef BOTH
#undef lost
#undef rows_of
#undef row_at
#undef below
#undef beside
#undef put
#undef shifted
#undef halved
#undef at_once
#undef halved_from
#undef NARROWER
#undef walk
#undef columns
#undef along_row
#undef flow
#undef rows
#endif
