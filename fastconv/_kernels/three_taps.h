/* The pixels that three neighbouring taps see along a row, a vector of outputs at a time, read where the row lies.
 *
 *     stride 1    v[j] = row[j], row[j + 1], ...          three loads
 *     stride 2    [e0 o0 e1 o1] [e2 o2 e3 o3] e4   ->   v[0] = e0 e1 e2 e3    v[1] = o0 o1 o2 o3    v[2] = e1 e2 e3 e4
 *
 * so that no row is ever split in memory: stores and loads of staged halves took as long as the sums. What lies beside
 * the image is read, and becomes zero by the masks of the first tap and the last. Included once per element type, after
 * ELEMENT, BITS, SUFFIX, vec, mask and LANES are defined.
 */
/* All lanes but one. */
static inline mask PASTE(all_but, SUFFIX)(ptrdiff_t lane)
{
    BITS lanes[sizeof(vec) / sizeof(ELEMENT)];
    mask result;
    for (ptrdiff_t i = 0; i < LANES; i++)
        lanes[i] = i == lane ? 0 : -1;
    memcpy(&result, lanes, sizeof result);
    return result;
}

#include "parity.h"
#undef THREE_TAPS
/* `sw`, 1 or 2, is a constant. */
#define THREE_TAPS(v, row, sw, first, last) do { \
        if ((sw) == 2) { \
            BY_PARITY(v[0], v[1], row); \
            NEXT_EVEN(v[2], v[0], row); \
        } else \
            UNROLL for (ptrdiff_t j = 0; j < 3; j++) \
                v[j] = *(const vec *)((row) + j); \
        v[0] = SELECT(vec, mask, first, v[0], (vec){0}); \
        v[2] = SELECT(vec, mask, last, v[2], (vec){0}); \
        UNROLL for (ptrdiff_t j = 0; j < 3; j++) \
            LOADED_ONCE(v[j]); \
    } while (0)
