/* Short copies without a call: to[i] = source[i * stride] for i < n, the last vector overlapping the one before it.
 *
 * A row of a feature map is a few vectors long, which memcpy's checks of size and alignment outlast.
 */
#ifndef FASTCONV_COPY_H
#define FASTCONV_COPY_H

#include "simd.h"

#define COPY(type, vec) do { \
        type *t = (type *)to; \
        const type *s = (const type *)source; \
        if (stride == 1 && n >= LANES_OF(type)) { \
            for (ptrdiff_t i = 0; i < n - LANES_OF(type); i += LANES_OF(type)) { \
                *(vec *)(t + i) = *(const vec *)(s + i); \
                KEEP_ORDER(); /* or gcc sees through it and calls memmove */ \
            } \
            *(vec *)(t + n - LANES_OF(type)) = *(const vec *)(s + n - LANES_OF(type)); \
        } else if (stride == 2) { \
            for (ptrdiff_t i = 0; i < n; i++) /* constant, so that it becomes shuffles */ \
                t[i] = s[2 * i]; \
        } else { \
            for (ptrdiff_t i = 0; i < n; i++) \
                t[i] = s[i * stride]; \
        } \
    } while (0)

static inline void copy_elements(size_t size, void *restrict to, const void *restrict source, ptrdiff_t n,
                                 ptrdiff_t stride)
{
    if (size == sizeof(float))
        COPY(float, vec_f32);
    else
        COPY(double, vec_f64);
}

static inline ptrdiff_t copy_lanes(size_t size) { return size == sizeof(float) ? LANES_OF(float) : LANES_OF(double); }

#define COPY_ROWS(type, vec) do { \
        type *t = (type *)to; \
        const type *s = (const type *)source; \
        for (ptrdiff_t r = 0; r < rows; r++, t += n, s += pitch) \
            for (ptrdiff_t i = 0; i < n; i += LANES_OF(type)) { \
                *(vec *)(t + i) = *(const vec *)(s + i); \
                KEEP_ORDER(); \
            } \
    } while (0)

/* to[r * n + i] = source[r * pitch + i] for r < rows, i < n, by whole vectors: up to a vector less one element beyond the
 * last of either is touched too. */
static inline void copy_rows(size_t size, void *to, const void *source, ptrdiff_t rows, ptrdiff_t n, ptrdiff_t pitch)
{
    if (size == sizeof(float))
        COPY_ROWS(float, vec_f32);
    else
        COPY_ROWS(double, vec_f64);
}

#endif
