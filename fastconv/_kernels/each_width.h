/* Includes the file that EACH_WIDTH names once per width of vector that there is, of LEAST_BYTES or more, which is
 *
 *     BYTES   the width                            HALF   half of it, if the file has been included for that
 */
#if LEAST_BYTES <= 16
#define BYTES 16
#include EACH_WIDTH
#undef BYTES
#endif
#if VECTOR_BYTES >= 32
#define BYTES 32
#if LEAST_BYTES <= 16
#define HALF 16
#endif
#include EACH_WIDTH
#undef BYTES
#undef HALF
#endif
#if VECTOR_BYTES >= 64
#define BYTES 64
#define HALF 32
#include EACH_WIDTH
#undef BYTES
#undef HALF
#endif
