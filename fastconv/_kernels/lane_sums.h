/* The sums of the lanes of many vectors by one tree: of `n` vectors v, a multiple of lanes, as many elements in order.
 *
 *     ELEMENTS    a0 + a1, a2 + a3, b0 + b1, b2 + b3 | ...      of vectors a b one is made, by two shuffles: of sums of
 *     UNITS       a0 + a1 | a2 + a3 | b0 + b1 | b2 + b3         neighbours within 16 bytes, then of 16 bytes as a whole
 *
 * Who uses it has defined `vec`, and for `shuffle.h` BYTES. Without shuffles lanes are added up one after the other.
 */
#ifndef FASTCONV_LANE_SUMS_H
#define FASTCONV_LANE_SUMS_H

#include <string.h>

#include "shuffle.h"

#define SUM_UNIT (16 / ELEMENT_BYTES)
#define EVEN_ELEMENTS(i) \
    ((i) / SUM_UNIT * SUM_UNIT + (i) % (SUM_UNIT / 2) * 2 + ((i) % SUM_UNIT < SUM_UNIT / 2 ? 0 : COUNT))
#define ODD_ELEMENTS(i) (EVEN_ELEMENTS(i) + 1)
#define EVEN_UNITS(i) ((i) / SUM_UNIT * 2 * SUM_UNIT + (i) % SUM_UNIT)
#define ODD_UNITS(i) (EVEN_UNITS(i) + SUM_UNIT)
#define SUM_NEIGHBOURS(v, n, neighbours) \
    UNROLL for (ptrdiff_t m = 0; m < (n); m++) \
        (v)[m] = SHUFFLE((v)[2 * m], (v)[2 * m + 1], EVEN_##neighbours) + \
                 SHUFFLE((v)[2 * m], (v)[2 * m + 1], ODD_##neighbours);
#ifdef SHUFFLES
#define SUM_LANES(v, n, sums) do { /* v is overwritten */ \
        SUM_NEIGHBOURS(v, (n) / 2, ELEMENTS) \
        if (ELEMENT_BYTES == 4) \
            SUM_NEIGHBOURS(v, (n) / 4, ELEMENTS) \
        if (VECTOR_BYTES >= 32) \
            SUM_NEIGHBOURS(v, (n) / (32 / ELEMENT_BYTES), UNITS) \
        if (VECTOR_BYTES >= 64) \
            SUM_NEIGHBOURS(v, (n) / (64 / ELEMENT_BYTES), UNITS) \
        UNROLL for (ptrdiff_t m = 0; m < (n) / LANES; m++) \
            *(vec *)((sums) + m * LANES) = (v)[m]; \
    } while (0)
#else
#define SUM_LANES(v, n, sums) do { \
        for (ptrdiff_t i = 0; i < (n); i++) { \
            ELEMENT each[LANES_OF(ELEMENT)]; \
            memcpy(each, &(v)[i], sizeof each); \
            (sums)[i] = each[0]; \
            for (ptrdiff_t m = 1; m < LANES; m++) \
                (sums)[i] += each[m]; \
        } \
    } while (0)
#endif

#endif
