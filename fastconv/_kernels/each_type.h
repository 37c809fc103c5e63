/* Includes the file that EACH_TYPE names once per element type of pooling, described as by `each_float.h`. */
#include "each_float.h"

#define ELEMENT int8_t
#define BITS int8_t
#define ELEMENT_BYTES 1
#define SUFFIX i8
#include EACH_TYPE
#undef ELEMENT
#undef SUFFIX
#define ELEMENT uint8_t
#define SUFFIX u8
#include EACH_TYPE
#undef ELEMENT
#undef BITS
#undef ELEMENT_BYTES
#undef SUFFIX
#define ELEMENT int16_t
#define BITS int16_t
#define ELEMENT_BYTES 2
#define SUFFIX i16
#include EACH_TYPE
#undef ELEMENT
#undef SUFFIX
#define ELEMENT uint16_t
#define SUFFIX u16
#include EACH_TYPE
#undef ELEMENT
#undef BITS
#undef ELEMENT_BYTES
#undef SUFFIX
#define ELEMENT int32_t
#define BITS int32_t
#define ELEMENT_BYTES 4
#define SUFFIX i32
#include EACH_TYPE
#undef ELEMENT
#undef BITS
#undef ELEMENT_BYTES
#undef SUFFIX
#define ELEMENT int64_t
#define BITS int64_t
#define ELEMENT_BYTES 8
#define SUFFIX i64
#include EACH_TYPE
#undef ELEMENT
#undef BITS
#undef ELEMENT_BYTES
#undef SUFFIX
