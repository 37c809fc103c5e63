/* Shuffles of two vectors a b of BYTES bytes, whose elements have ELEMENT_BYTES, both to be defined where they are
 * used.
 *
 *     SHUFFLE(a, b, EVEN)      a0 a2 ... b0 b2 ...        SHUFFLE(a, b, LATER)     a1 a2 ... b0
 *     SHUFFLE(a, b, ODD)       a1 a3 ... b1 b3 ...        SHUFFLE(a, b, EARLIER)   b0 a0 a1 ...
 *     SHUFFLE(a, b, ZIP_LOW)   a0 b0 a1 b1 ...            SHUFFLE(a, b, ZIP_HIGH)  the same of the upper halves
 *
 * Only where SHUFFLES is defined: GCC from 12 on, and Clang.
 */
#ifndef FASTCONV_SHUFFLE_H
#define FASTCONV_SHUFFLE_H

#include "simd.h"
#include "vectors.h"

#if VECTOR_BYTES && defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SHUFFLES
#endif
#endif

#define COUNT (BYTES / ELEMENT_BYTES)
#define LIST2(of, i) of(i), of(i + 1)
#define LIST4(of, i) LIST2(of, i), LIST2(of, i + 2)
#define LIST8(of, i) LIST4(of, i), LIST4(of, i + 4)
#define LIST16(of, i) LIST8(of, i), LIST8(of, i + 8)
#define LIST32(of, i) LIST16(of, i), LIST16(of, i + 16)
#define LIST64(of, i) LIST32(of, i), LIST32(of, i + 32)
#define LIST_1_16 LIST16 /* by the size of an element and of a vector */
#define LIST_1_32 LIST32
#define LIST_1_64 LIST64
#define LIST_2_16 LIST8
#define LIST_2_32 LIST16
#define LIST_2_64 LIST32
#define LIST_4_16 LIST4
#define LIST_4_32 LIST8
#define LIST_4_64 LIST16
#define LIST_8_16 LIST2
#define LIST_8_32 LIST4
#define LIST_8_64 LIST8
#define LIST PASTE(PASTE(LIST, ELEMENT_BYTES), BYTES)
#define SHUFFLE(a, b, of) __builtin_shufflevector(a, b, LIST(of, 0))
#define EVEN(i) (2 * (i))
#define ODD(i) (2 * (i) + 1)
#define LATER(i) ((i) + 1)
#define EARLIER(i) ((i) ? (i) - 1 : COUNT)
#define ZIP_LOW(i) ((i) / 2 + (i) % 2 * COUNT)
#define ZIP_HIGH(i) (ZIP_LOW(i) + COUNT / 2)

/* Within lanes of 16 bytes, on which shuffles are cheapest, even and odd elements come out in another order: */
#define IN_LANE (16 / ELEMENT_BYTES)
#define NUMBER(i) ((i) / IN_LANE * (IN_LANE / 2) + (i) % (IN_LANE / 2) + (i) / (IN_LANE / 2) % 2 * (COUNT / 2))
#define PLACE(n) ((n) % (COUNT / 2) / (IN_LANE / 2) * IN_LANE + (n) % (IN_LANE / 2) + (n) / (COUNT / 2) * (IN_LANE / 2))
#define EVEN_IN_LANES(i) ((i) / IN_LANE * IN_LANE + (i) % (IN_LANE / 2) * 2 + (i) / (IN_LANE / 2) % 2 * COUNT)
#define ODD_IN_LANES(i) (EVEN_IN_LANES(i) + 1)
#define LATER_IN_LANES(i) (NUMBER(i) + 1 == COUNT ? COUNT : PLACE(NUMBER(i) + 1))

/* Evens and odds of a b in order. Of two lanes, whose halves are exchanged first, that is two shuffles each; gcc 12 by
 * itself makes three, of which two are twice as dear. */
#define FIRST_HALVES(i) ((i) < COUNT / 2 ? (i) : COUNT / 2 + (i))
#define LAST_HALVES(i) (FIRST_HALVES(i) + COUNT / 2)
#define EVENS_AND_ODDS(vec, evens, odds, a, b) do { \
        if (BYTES == 32 && ELEMENT_BYTES >= 4) { \
            const vec front = SHUFFLE(a, b, FIRST_HALVES), back = SHUFFLE(a, b, LAST_HALVES); \
            (evens) = SHUFFLE(front, back, EVEN_IN_LANES), (odds) = SHUFFLE(front, back, ODD_IN_LANES); \
        } else { \
            (evens) = SHUFFLE(a, b, EVEN), (odds) = SHUFFLE(a, b, ODD); \
        } \
    } while (0)

#endif
