/* The sums of the lanes of many vectors by one tree: of `n` vectors v, a multiple of lanes, as many elements in order.
 *
 *     ELEMENTS    a0 + a1, a2 + a3, b0 + b1, b2 + b3 | ...      of vectors a b one is made, by two shuffles: of sums of
 *     UNITS       a0 + a1 | a2 + a3 | b0 + b1 | b2 + b3         neighbours within 16 bytes, then of 16 bytes as a whole
 *
 * Who uses it has included `shuffle.h`, defined its BYTES and asked whether SHUFFLES is defined; v becomes n / lanes
 * vectors.
 */
#ifndef FASTCONV_LANE_SUMS_H
#define FASTCONV_LANE_SUMS_H

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
#define SUM_LANES(v, n) do { \
        SUM_NEIGHBOURS(v, (n) / 2, ELEMENTS) \
        if (ELEMENT_BYTES == 4) \
            SUM_NEIGHBOURS(v, (n) / 4, ELEMENTS) \
        if (VECTOR_BYTES >= 32) \
            SUM_NEIGHBOURS(v, (n) / (32 / ELEMENT_BYTES), UNITS) \
        if (VECTOR_BYTES >= 64) \
            SUM_NEIGHBOURS(v, (n) / (64 / ELEMENT_BYTES), UNITS) \
    } while (0)

#endif
