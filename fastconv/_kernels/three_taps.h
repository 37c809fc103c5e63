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

#undef BYTES
#ifdef HALVES
#define BYTES 32
#else
#define BYTES VECTOR_BYTES
#endif
#undef BY_PARITY
#undef THREE_TAPS
#undef LANE_OF
#undef AS_TAPS
#undef IN_ORDER
#ifdef SHUFFLES
#define BY_PARITY(v, row) do { \
        vec a = *(const vec *)(row), b = *(const vec *)((row) + LANES); \
        LOADED_ONCE(a); /* else twice, for either result */ \
        LOADED_ONCE(b); \
        v[0] = SHUFFLE(a, b, EVEN_IN_LANES); \
        v[1] = SHUFFLE(a, b, ODD_IN_LANES); \
        v[2] = SHUFFLE(v[0], (vec){(row)[2 * LANES]}, LATER_IN_LANES); /* a broadcast would take a cycle */ \
    } while (0)
#define LANE_OF(o, sw) ((sw) == 2 ? PLACE(o) : (o))
#define AS_TAPS(v, sw) ((sw) == 2 ? (vec)SHUFFLE(v, v, NUMBER) : (vec)(v))
#define IN_ORDER(v, sw) ((sw) == 2 ? (vec)SHUFFLE(v, v, PLACE) : (vec)(v))
#else
#define LANE_OF(o, sw) (o)
#define AS_TAPS(v, sw) (v)
#define IN_ORDER(v, sw) (v)
#define BY_PARITY(v, row) do { \
        for (ptrdiff_t j = 0; j < 3; j++) { \
            ELEMENT picked[sizeof(vec) / sizeof(ELEMENT)]; \
            for (ptrdiff_t lane = 0; lane < LANES; lane++) \
                picked[lane] = (row)[2 * lane + j]; \
            memcpy(&v[j], picked, sizeof v[j]); \
        } \
    } while (0)
#endif

/* `sw`, 1 or 2, is a constant. */
#define THREE_TAPS(v, row, sw, first, last) do { \
        if ((sw) == 2) \
            BY_PARITY(v, row); \
        else \
            UNROLL for (ptrdiff_t j = 0; j < 3; j++) \
                v[j] = *(const vec *)((row) + j); \
        v[0] = SELECT(vec, mask, first, v[0], (vec){0}); \
        v[2] = SELECT(vec, mask, last, v[2], (vec){0}); \
        UNROLL for (ptrdiff_t j = 0; j < 3; j++) \
            LOADED_ONCE(v[j]); \
    } while (0)
