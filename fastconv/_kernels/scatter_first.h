/* Values to where indices say if these are in windows of 2 x 2 next to each other, channels-first: each of four
 * elements is the value where the index is its own, else zero, so that rows are written whole instead of being cleared
 * first.
 *
 *     windows        x0 x0 x1 x1 ..      each twice, as its index is
 *     elements        0  1  2  3 ..
 *     row 0          x where the index is the element's, else zero
 *     row 1          x where it is that of the element below
 *
 * No one is told the window: whether all indices are in those supposed is seen by how many are some element's, and if
 * they are not the plane has to go another way. For doubles only where four windows make a vector; two took as long as
 * one by one. The file includes itself once per element type.
 */
#ifndef FASTCONV_SCATTER_FIRST_H
#define FASTCONV_SCATTER_FIRST_H

#include <stdint.h>
#include <string.h>
#include "shuffle.h"

typedef struct {
    ptrdiff_t ih, iw, oh, ow; /* of the result, and of windows */
} Quads;

#define QUADS_LEAST 12 /* windows of a row: 10 took 0.97 to 1.1 times as long as one by one, 12 0.8 to 0.95 times */

/* Whether windows may be next to each other, with a row or column at most that is in none, or rows. */
static inline int quads_fit(const Quads *q)
{
    const ptrdiff_t beside = q->iw - 2 * q->ow;
    return q->ow >= QUADS_LEAST && beside >= 0 && beside <= 1 && q->ih >= 2 * q->oh && q->ih <= INT32_MAX / q->iw;
}

static inline int scatter_scattered(void *out, const void *x, const int64_t *index, const Quads *q, int add)
{
    return (void)out, (void)x, (void)index, (void)q, (void)add, 0;
}

#define scatter_first_f32 scatter_scattered
#define scatter_first_f64 scatter_scattered
#if VECTOR_BYTES >= 32 && defined(SHUFFLES)
#define TWICE(i) ((i) / 2)
#define FRONT_TWICE(i) ((i) / 2 * 2)
#define BACK_TWICE(i) ((i) / 2 * 2 + 1)
#define BESIDE(i) ((i) ^ 1)
#define ITSELF(i) (i)
#define EACH_TYPE "scatter_first.h"
#include "each_float.h"
#undef EACH_TYPE
#endif
#define scatter_first(out, x, index, q, add) _Generic((out), float *: scatter_first_f32, \
    double *: scatter_first_f64, default: scatter_scattered)(out, x, index, q, add)

#elif defined(ELEMENT) && VECTOR_BYTES >= 8 * ELEMENT_BYTES

#if ELEMENT_BYTES == 4
#define BYTES 32 /* most stores of 64 bytes would cross a line */
#undef scatter_first_f32
#else
#define BYTES 64
#undef scatter_first_f64
#endif
#define WINDOWS (COUNT / 2) /* of a vector */
#define vec NAMED(quads_vec)
#define half NAMED(quads_half)
#define mask NAMED(quads_mask)
#define half_mask NAMED(quads_half_mask)
typedef ELEMENT vec __attribute__((vector_size(BYTES), aligned(ELEMENT_BYTES), may_alias));
typedef ELEMENT half __attribute__((vector_size(BYTES / 2), aligned(ELEMENT_BYTES), may_alias));
typedef BITS mask __attribute__((vector_size(BYTES), aligned(ELEMENT_BYTES), may_alias));
typedef BITS half_mask __attribute__((vector_size(BYTES / 2), aligned(ELEMENT_BYTES), may_alias));

/* The indices of a vector's windows, each twice and as wide as an element; `far` is what the rest of them comes to. */
#define twice NAMED(quads_twice)
static ALWAYS_INLINE mask twice(const int64_t *index, mask *far)
{
#if ELEMENT_BYTES == 4
    const mask each = *(const mask *)index; /* of which little-endian halves are first */
    *far |= each;
    return SHUFFLE(each, each, FRONT_TWICE);
#else
    (void)far;
    const half_mask each = *(const half_mask *)index;
    return SHUFFLE(each, each, TWICE);
#endif
}

/* Whether there was one hit for each window, all of which are counted in `many` vectors, and no index was `far`. */
#define all_found NAMED(quads_all_found)
static ALWAYS_INLINE int all_found(mask hits, mask far, ptrdiff_t many)
{
    hits += SHUFFLE(hits, hits, BESIDE) - (BITS)many;
#if ELEMENT_BYTES == 4
    hits |= SHUFFLE(far, far, BACK_TWICE);
#endif
    int64_t words[BYTES / 8], any = 0;
    memcpy(words, &hits, sizeof words);
    UNROLL for (int i = 0; i < BYTES / 8; i++)
        any |= words[i];
    return any == 0;
}

/* The values x of the windows of one plane to `out`, if all indices are in them; else `out` is not to be used. What is
 * added to 0 is no -0.0. */
#define plane NAMED(quads_plane)
static ALWAYS_INLINE int plane(ELEMENT *out, const ELEMENT *x, const int64_t *index, const Quads *q, const int add)
{
    const ptrdiff_t iw = q->iw, ow = q->ow, in_row = (ow + WINDOWS - 1) / WINDOWS;
    const mask order = {LIST(ITSELF, 0)}, row = (BITS)iw - (mask){0};
    mask far = {0}, hits = {0};
    for (ptrdiff_t y = 0; y < q->oh; y++, x += ow, index += ow, out += 2 * iw) {
        mask place = order + (BITS)(2 * y * iw);
        for (ptrdiff_t j = 0; j < ow; j += WINDOWS, place += COUNT) {
            if (j + WINDOWS > ow) { /* the last ones overlap */
                place -= (BITS)(2 * (j - (ow - WINDOWS)));
                j = ow - WINDOWS;
            }
            const mask beyond = twice(index + j, &far) - place, here = beyond == 0, below = beyond == row;
            const half each = *(const half *)(x + j);
            vec v = SHUFFLE(each, each, TWICE);
            if (add)
                v += (vec){0};
            hits -= here | below;
            *(vec *)(out + 2 * j) = (vec)(here & (mask)v);
            *(vec *)(out + iw + 2 * j) = (vec)(below & (mask)v);
        }
        if (2 * ow < iw)
            out[2 * ow] = out[iw + 2 * ow] = 0;
        if ((y == 0 || y + 1 == q->oh) && !all_found(hits, far, (y + 1) * in_row))
            return 0;
    }
    memset(out, 0, (size_t)((q->ih - 2 * q->oh) * iw) * sizeof *out);
    return 1;
}

static NEVER_INLINE int NAMED(scatter_first)(ELEMENT *out, const ELEMENT *x, const int64_t *index, const Quads *q,
                                             int add)
{
    return add ? plane(out, x, index, q, 1) : plane(out, x, index, q, 0);
}
#undef BYTES
#undef WINDOWS
#undef vec
#undef half
#undef mask
#undef half_mask
#undef twice
#undef all_found
#undef plane
#endif
