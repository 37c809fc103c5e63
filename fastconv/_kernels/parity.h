/* Pixels of a row by parity, in the order that shuffles within lanes leave: `even` takes row[0], row[2] ... of a vector
 * of them, `odd` the others. Included once per element type, after ELEMENT, BITS, SUFFIX, vec and LANES are defined.
 *
 *     LANE_OF(o, sw)    where the pixel of output o stands        AS_TAPS     a vector of outputs in that order
 *     NEXT_EVEN         row[2], row[4] ... from `even`            IN_ORDER    and back
 */
#undef BYTES
#ifdef HALVES
#define BYTES 32
#else
#define BYTES VECTOR_BYTES
#endif
#undef BY_PARITY
#undef NEXT_EVEN
#undef LANE_OF
#undef AS_TAPS
#undef IN_ORDER
#ifdef SHUFFLES
#define BY_PARITY(even, odd, row) do { \
        vec a = *(const vec *)(row), b = *(const vec *)((row) + LANES); \
        LOADED_ONCE(a); /* else twice, for either result */ \
        LOADED_ONCE(b); \
        even = SHUFFLE(a, b, EVEN_IN_LANES); \
        odd = SHUFFLE(a, b, ODD_IN_LANES); \
    } while (0)
#define NEXT_EVEN(next, even, row) /* a broadcast would take a cycle */ \
    next = SHUFFLE(even, (vec){(row)[2 * LANES]}, LATER_IN_LANES)
#define LANE_OF(o, sw) ((sw) == 2 ? PLACE(o) : (o))
#define AS_TAPS(v, sw) ((sw) == 2 ? (vec)SHUFFLE(v, v, NUMBER) : (vec)(v))
#define IN_ORDER(v, sw) ((sw) == 2 ? (vec)SHUFFLE(v, v, PLACE) : (vec)(v))
#else
#define LANE_OF(o, sw) (o)
#define AS_TAPS(v, sw) (v)
#define IN_ORDER(v, sw) (v)
#undef EVERY_OTHER
#define EVERY_OTHER(v, row) do { \
        ELEMENT picked[sizeof(vec) / sizeof(ELEMENT)]; \
        for (ptrdiff_t lane = 0; lane < LANES; lane++) \
            picked[lane] = (row)[2 * lane]; \
        memcpy(&v, picked, sizeof v); \
    } while (0)
#define BY_PARITY(even, odd, row) do { \
        EVERY_OTHER(even, row); \
        EVERY_OTHER(odd, (row) + 1); \
    } while (0)
#define NEXT_EVEN(next, even, row) EVERY_OTHER(next, (row) + 2)
#endif
