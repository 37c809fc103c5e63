/* Values to where indices say if these are in windows of 2 x 2 next to each other, channels-first: each of four elements
 * is the value where the index is its own, else zero, so that rows are written whole instead of being cleared first.
 *
 *     windows        x0 x1 x2 ..           u  the index counted from the first element of its window
 *     row 0          x where u is 0 and where u is 1, zipped
 *     row 1          x where u is a row, and a row and 1, zipped
 *
 * No one is told the window: whether all indices are in those supposed is seen by the largest of u modulo a row, and if
 * they are not the plane has to go another way. For floats: doubles, of twice the vectors, took as long as one by one or
 * 1.4 times; so did windows of 3 x 3 two apart, whose elements are sums of up to four (Zen 3, AVX2, 2026-11-29).
 */
#ifndef FASTCONV_SCATTER_FIRST_H
#define FASTCONV_SCATTER_FIRST_H

#include <stdint.h>
#include <string.h>
#include "shuffle.h"

typedef struct {
    ptrdiff_t ih, iw, oh, ow; /* of the result, and of windows */
} Quads;

#if VECTOR_BYTES == 32 && defined(SHUFFLES)
#define BYTES 32
#define ELEMENT_BYTES 4
#define QUADS_LEAST 12 /* windows of a row: 9 took 1.15 times as long as one by one, 12 0.8 times */
#define ZIP_FRONT(i) ((i) / IN_LANE * IN_LANE + (i) % IN_LANE / 2 + (i) % 2 * COUNT) /* what NUMBER orders */
#define ZIP_BACK(i) (ZIP_FRONT(i) + IN_LANE / 2)
#define TWICE_NUMBER(i) (2 * NUMBER(i))

typedef float quads_vec __attribute__((vector_size(BYTES), aligned(4), may_alias));
typedef int32_t quads_mask __attribute__((vector_size(BYTES)));
typedef uint32_t quads_places __attribute__((vector_size(BYTES)));

/* Whether windows may be next to each other, with a row or column at most that is in none, or rows. */
static int quads_fit(const Quads *q)
{
    const ptrdiff_t beside = q->iw - 2 * q->ow;
    return q->ow >= QUADS_LEAST && beside >= 0 && beside <= 1 && q->ih >= 2 * q->oh && q->ih <= INT32_MAX / q->iw;
}

/* A vector of one row of each of two elements of windows, by turns. */
static ALWAYS_INLINE void quads_put(float *to, quads_mask left, quads_mask right, quads_vec v)
{
    const quads_vec a = (quads_vec)(left & (quads_mask)v), b = (quads_vec)(right & (quads_mask)v);
    *(quads_vec *)to = SHUFFLE(a, b, ZIP_FRONT);
    *(quads_vec *)(to + COUNT) = SHUFFLE(a, b, ZIP_BACK);
}

/* The values x of the windows of one plane to `out`, if all indices are in them; else `out` is not to be used. What is
 * added to 0 is no -0.0. */
static ALWAYS_INLINE int quads_plane(float *out, const float *x, const int64_t *index, const Quads *q, const int add)
{
    const ptrdiff_t iw = q->iw, ow = q->ow;
    const quads_places order = {LIST(TWICE_NUMBER, 0)}, row = (uint32_t)iw - (quads_places){0};
    quads_places far = {0}, worst = {0};
    for (ptrdiff_t y = 0; y < q->oh; y++, x += ow, index += ow, out += 2 * iw) {
        quads_places place = order + (uint32_t)(2 * y * iw);
        for (ptrdiff_t j = 0; j < ow; j += COUNT, place += 2 * COUNT) {
            if (j + COUNT > ow) { /* the last ones overlap */
                place -= 2 * (uint32_t)(j - (ow - COUNT));
                j = ow - COUNT;
            }
            /* little-endian halves of indices; as floats, whose shuffles are one instruction each */
            const quads_vec a = *(const quads_vec *)(index + j), b = *(const quads_vec *)(index + j + COUNT / 2);
            const quads_places u = (quads_places)SHUFFLE(a, b, EVEN_IN_LANES) - place, below = u - row;
            quads_places column, most;
            SMALLER_LANES(column, u, below);
            LARGER_LANES(most, worst, column);
            worst = most;
            far |= (quads_places)SHUFFLE(a, b, ODD_IN_LANES);
            quads_vec v = *(const quads_vec *)(x + j);
            v = SHUFFLE(v, v, NUMBER);
            if (add)
                v += (quads_vec){0};
            quads_put(out + 2 * j, (quads_mask)(u == 0), (quads_mask)(u == 1), v);
            quads_put(out + iw + 2 * j, (quads_mask)(u == row), (quads_mask)(u == row + 1), v);
        }
        if (2 * ow < iw)
            out[2 * ow] = out[iw + 2 * ow] = 0;
        int wrong = 0;
        for (int i = 0; i < COUNT && (y == 0 || y + 1 == q->oh); i++)
            wrong |= (worst[i] > 1) | (far[i] != 0);
        if (wrong)
            return 0;
    }
    memset(out, 0, (size_t)((q->ih - 2 * q->oh) * iw) * sizeof *out);
    return 1;
}

static NEVER_INLINE int scatter_first(float *out, const float *x, const int64_t *index, const Quads *q, int add)
{
    return add ? quads_plane(out, x, index, q, 1) : quads_plane(out, x, index, q, 0);
}
#undef BYTES
#undef ELEMENT_BYTES
#else
#define quads_fit(q) 0
#define scatter_first(out, x, index, q, add) 0
#endif

#endif
