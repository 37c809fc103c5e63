/* Includes the file that EACH_TYPE names once for float and once for double with HALVES defined and types of half a
 * vector (SUFFIX is h32, h64), where half a vector may take half the time: on cores that take two short products a
 * cycle for one of 64 bytes, what is left of a row goes to half a vector if it fits. To be included before
 * `each_float.h`.
 */
#include <stdint.h>

#if VECTOR_BYTES == 64
#define HALVES
typedef float vec_h32 __attribute__((vector_size(32), aligned(4), may_alias));
typedef double vec_h64 __attribute__((vector_size(32), aligned(8), may_alias));
typedef int mask_h32 __attribute__((vector_size(32)));
typedef long long mask_h64 __attribute__((vector_size(32)));
#define ELEMENT float
#define BITS int32_t
#define ELEMENT_BYTES 4
#define SUFFIX h32
#include EACH_TYPE
#undef ELEMENT
#undef BITS
#undef ELEMENT_BYTES
#undef SUFFIX
#define ELEMENT double
#define BITS int64_t
#define ELEMENT_BYTES 8
#define SUFFIX h64
#include EACH_TYPE
#undef ELEMENT
#undef BITS
#undef ELEMENT_BYTES
#undef SUFFIX
#undef HALVES
#endif
