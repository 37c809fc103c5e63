/* Small planes under 3x3 kernels, whose rows of output are at most half a vector long: two of them to a vector.
 *
 *     input rows     output rows q = 0 1 2 3     4 5 6 7
 *     r = 0          i = 0                       0           What `near_rows.h` does for rows 0 to 3 the lower halves
 *     r = 1              1 0                     1 0         of vectors do, and the upper ones the same for rows 4 to
 *     r = 2              2 1 0                   2 1 0       7, from rows of input as far below.
 *
 * A plane takes forty cycles, to which whatever is done once a plane adds: so planes at equal distances are one call,
 * and rows are pointers for the first of them. Outputs have the bits that `near_rows.h` gives them. To be included
 * after it; the file includes itself once per element type.
 */
#ifndef FASTCONV_NEAR_PAIRS_H
#define FASTCONV_NEAR_PAIRS_H

#include "near_rows.h"

#define PAIRED 4 /* rows of output in each half */

typedef struct {
    near_shape row;         /* of which `tall`, `aside`, `ahead` and `claims` are of no use */
    ptrdiff_t rows;         /* of output, up to 2 * PAIRED */
    ptrdiff_t first, end;   /* entries of the table that are rows of the image */
    ptrdiff_t apart;        /* from one plane to the next */
} pairs_shape;

#if VECTOR_BYTES == 64 && defined(SHUFFLES)
#define PAIRS

#define EACH_TYPE "near_pairs.h"
#include "each_float.h"
#undef EACH_TYPE
#endif

/* The columns that rows of output may have to be summed so; 0 where no vector has halves. */
static inline ptrdiff_t most_paired(size_t size, ptrdiff_t stride)
{
#ifdef PAIRS
    return lanes_of(size) / 2 - (stride == 2);
#else
    return (void)size, (void)stride, 0;
#endif
}

/* `planes` of them; the table has all rows of input under the first one's 2 * PAIRED rows of output, and for each plane
 * follow nine weights, a bias unless there is none, and the rows of output. */
static inline void near_pairs(size_t size, const pairs_shape *s, ptrdiff_t planes, const void *const *table,
                              const void *w, const void *bias, void *out)
{
#ifdef PAIRS
    if (size == sizeof(float))
        near_pairs_f32(s, planes, (const float *const *)table, w, bias, out);
    else
        near_pairs_f64(s, planes, (const double *const *)table, w, bias, out);
#else
    (void)size, (void)s, (void)planes, (void)table, (void)w, (void)bias, (void)out;
#endif
}

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define run PASTE(pairs_run, SUFFIX)
#undef BYTES
#define BYTES VECTOR_BYTES
/* What the taps of a row see of half a vector of outputs in each of two rows. At stride 2 the third tap sees what the
 * first one of the next output does, which the last lane of a half, of no output, has not. */
#define BOTH_HALVES(v, one, other) do { \
        LOAD_HALF(v, one); \
        LOAD_UPPER(v, other); \
    } while (0)
#define THREE_OF_BOTH(v, one, other, sw) do { \
        if ((sw) == 2) { \
            vec low = *(const vec *)(one), high = *(const vec *)(other); \
            LOADED_ONCE(low); /* else twice, for either result */ \
            LOADED_ONCE(high); \
            v[0] = SHUFFLE(low, high, EVEN); \
            v[1] = SHUFFLE(low, high, ODD); \
            v[2] = SHUFFLE(v[0], v[0], LATER); \
        } else { \
            UNROLL for (ptrdiff_t j = 0; j < 3; j++) \
                BOTH_HALVES(v[j], (one) + j, (other) + j); \
        } \
    } while (0)

/* All lanes of either half but one, or none if it is negative. */
static inline mask PASTE(but_either, SUFFIX)(ptrdiff_t lane)
{
    mask lanes;
    UNROLL for (ptrdiff_t i = 0; i < LANES; i++)
        lanes[i] = (BITS)(i % (LANES / 2));
    return lanes != (BITS)lane;
}

static ALWAYS_INLINE void run(const ptrdiff_t stride, const pairs_shape *s, ptrdiff_t planes,
                              const ELEMENT *const *table, const ELEMENT *w, const ELEMENT *bias, ELEMENT *out)
{
    enum { TABLE = 2 * (2 * PAIRED - 1) + 3 };
    const ptrdiff_t cols = s->row.cols, rows = s->rows, count = (2 * PAIRED - 1) * stride + 3;
    const mask before = PASTE(but_either, SUFFIX)(s->row.before ? 0 : -1);
    const mask after = PASTE(but_either, SUFFIX)(s->row.after ? cols - 1 : -1);
    const uint16_t stored = (uint16_t)((1 << cols) - 1);
    const vec lo = (vec){0} + (ELEMENT)s->row.lo, hi = (vec){0} + (ELEMENT)s->row.hi;
    ptrdiff_t moves[TABLE];
    for (ptrdiff_t r = 0; r < count; r++)
        moves[r] = r >= s->first && r < s->end ? -1 : 0;
    for (ptrdiff_t p = 0; p < planes; p++, w += 9, out += rows * cols) {
        const ptrdiff_t move = p * s->apart;
        vec k[9], acc[PAIRED];
        UNROLL for (ptrdiff_t t = 0; t < 9; t++)
            k[t] = w[t] - (vec){0};
        UNROLL for (ptrdiff_t q = 0; q < PAIRED; q++)
            acc[q] = (bias ? bias[p] : 0) - (vec){0};
        UNROLL for (ptrdiff_t r = 0; r < (PAIRED - 1) * stride + 3; r++) {
            const ptrdiff_t below = r + PAIRED * stride;
            const ELEMENT *one = table[r] + (move & moves[r]), *other = table[below] + (move & moves[below]);
            vec v[3];
            THREE_OF_BOTH(v, one, other, stride);
            v[0] = SELECT(vec, mask, before, v[0], (vec){0});
            v[2] = SELECT(vec, mask, after, v[2], (vec){0});
            UNROLL for (ptrdiff_t j = 0; j < 3; j++) {
                LOADED_ONCE(v[j]);
                UNROLL for (ptrdiff_t q = 0; q < PAIRED; q++)
                    if (r >= q * stride && r < q * stride + 3)
                        acc[q] += k[(r - q * stride) * 3 + j] * v[j];
            }
            KEEP_ORDER();
        }
        UNROLL for (ptrdiff_t q = 0; q < PAIRED; q++) {
            if (s->row.clamp)
                CLAMP(vec, mask, acc[q], lo, hi);
            if (q < rows)
                STORE_PART(acc[q], out + q * cols, stored);
            if (q + PAIRED < rows)
                STORE_PART(acc[q], out + (q + PAIRED) * cols - LANES / 2, (uint16_t)(stored << LANES / 2));
        }
    }
}

static NEVER_INLINE void PASTE(near_pairs, SUFFIX)(const pairs_shape *s, ptrdiff_t planes, const ELEMENT *const *table,
                                                   const ELEMENT *w, const ELEMENT *bias, ELEMENT *out)
{
    if (s->row.stride == 1)
        run(1, s, planes, table, w, bias, out);
    else
        run(2, s, planes, table, w, bias, out);
}

#undef THREE_OF_BOTH
#undef BOTH_HALVES
#undef BYTES
#undef run
#undef mask
#undef vec
#undef LANES
#endif
