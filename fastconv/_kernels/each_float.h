/* Includes the file that EACH_TYPE names once for float and once for double, which are described by
 *
 *     ELEMENT   the type                          SUFFIX         what names of its functions end in
 *     BITS      a signed integer as wide          ELEMENT_BYTES  its size, for the preprocessor
 *     HALF_SUFFIX   and those of half a vector, by `each_half.h`
 *     FLOATING  defined here, not for the other types of `each_type.h`
 */
#include <stdint.h>

#define FLOATING
#define ELEMENT float
#define BITS int32_t
#define ELEMENT_BYTES 4
#define SUFFIX f32
#define HALF_SUFFIX h32
#include EACH_TYPE
#undef ELEMENT
#undef BITS
#undef ELEMENT_BYTES
#undef SUFFIX
#undef HALF_SUFFIX
#define ELEMENT double
#define BITS int64_t
#define ELEMENT_BYTES 8
#define SUFFIX f64
#define HALF_SUFFIX h64
#include EACH_TYPE
#undef ELEMENT
#undef BITS
#undef ELEMENT_BYTES
#undef SUFFIX
#undef HALF_SUFFIX
#undef FLOATING
