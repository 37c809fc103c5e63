/* Short copies without a call: to[i] = source[i * stride] for i < n, the last vector overlapping the one before it.
 *
 * A row of a feature map is a few vectors long, which memcpy's checks of size and alignment outlast. A row read with
 * stride 2 is split by its elements' parity, two loaded vectors by two shuffles:
 *
 *     [a0 b0 a1 b1] [a2 b2 a3 b3]   ->   [a0 a1 a2 a3] [b0 b1 b2 b3]
 *
 * Rows shorter than two vectors take vectors of half and of a quarter of the size.
 */
#ifndef FASTCONV_COPY_H
#define FASTCONV_COPY_H

#include <string.h>

#include "keep.h"
#include "simd.h"

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SPLIT_BY_SHUFFLES
#endif
#endif

/* Fewer bytes than a vector, by two pieces that may overlap; the constant sizes become single loads and stores. */
#define TWO_PIECES(bytes) do { \
        if ((bytes) < VECTOR_BYTES && n >= (bytes)) { \
            char head[bytes], tail[bytes]; \
            memcpy(head, from, bytes); \
            memcpy(tail, from + n - (bytes), bytes); \
            memcpy(to, head, bytes); \
            memcpy(to + n - (bytes), tail, bytes); \
            return; \
        } \
    } while (0)
static ALWAYS_INLINE void copy_few(char *restrict to, const char *restrict from, ptrdiff_t n)
{
    TWO_PIECES(32);
    TWO_PIECES(16);
    TWO_PIECES(8);
    if (n >= 4)
        memcpy(to, from, 4);
}
#undef TWO_PIECES

/* Zeros, n bytes of elements, few without a call. gcc makes a call, or a slow `rep stos`, of a loop. */
#define TWO_PIECES(bytes) do { \
        if (n >= (bytes)) { \
            memset(to, 0, bytes); \
            memset(to + n - (bytes), 0, bytes); \
            return; \
        } \
    } while (0)
static inline void clear_bytes(char *to, ptrdiff_t n)
{
    if (n > 128) {
        memset(to, 0, n);
        return;
    }
    TWO_PIECES(64);
    TWO_PIECES(32);
    TWO_PIECES(16);
    TWO_PIECES(8);
    if (n >= 4)
        memset(to, 0, 4);
}
#undef TWO_PIECES

enum { TAPS_TOGETHER = 16 }; /* of a row that are copied at once, at most */

#define EACH_TYPE "copy.h"
#include "each_float.h"
#undef EACH_TYPE

static inline void copy_elements(size_t size, void *restrict to, const void *restrict source, ptrdiff_t n,
                                 ptrdiff_t stride)
{
    if (size == sizeof(float))
        copy_f32(to, source, n, stride);
    else
        copy_f64(to, source, n, stride);
}

#define COPY_RUNS(type, vec) do { \
        type *t = (type *)to; \
        const type *s = (const type *)source; \
        for (ptrdiff_t r = 0; r < rows; r++, t += n, s += pitch) \
            for (ptrdiff_t i = 0; i < n; i += LANES_OF(type)) { \
                *(vec *)(t + i) = *(const vec *)(s + i); \
                KEEP_ORDER(); \
            } \
    } while (0)

/* to[r * n + i] = source[r * pitch + i] for r < rows, i < n, by whole vectors: up to a vector less one element beyond
 * the last of either is touched too. */
static inline void copy_runs(size_t size, void *to, const void *source, ptrdiff_t rows, ptrdiff_t n, ptrdiff_t pitch)
{
    if (size == sizeof(float))
        COPY_RUNS(float, vec_f32);
    else
        COPY_RUNS(double, vec_f64);
}

/* `rows` rows of n neighbouring elements, `step` apart at `to` and `source_step` at `source`. */
static inline void copy_rows(size_t size, void *restrict to, ptrdiff_t step, const void *restrict source,
                             ptrdiff_t source_step, ptrdiff_t rows, ptrdiff_t n)
{
    if (size == sizeof(float))
        copy_rows_f32(to, step, source, source_step, rows, n);
    else
        copy_rows_f64(to, step, source, source_step, rows, n);
}

/* The same rows `step` apart in tiles of `width` columns, which are whole vectors: column j is in tile j / width, and
 * tiles are `apart`. Rows are asked for two ahead: they are too short to be foreseen. */
static inline void copy_tiles(size_t size, void *restrict to, ptrdiff_t step, ptrdiff_t apart, ptrdiff_t width,
                              const void *restrict source, ptrdiff_t source_step, ptrdiff_t rows, ptrdiff_t n)
{
    if (size == sizeof(float))
        copy_tiles_f32(to, step, apart, width, source, source_step, rows, n);
    else
        copy_tiles_f64(to, step, apart, width, source, source_step, rows, n);
}

/* to[r * to_row + p * step + i] = source[r * source_row + p * stride + i] for r < rows, p < count, i < n: the taps of
 * the pixels of rows, n <= TAPS_TOGETHER. By one vector for each pixel but those that end less than it before the end
 * of a row, `room` elements from the first: up to TAPS_BEYOND elements (`pack.pxd`) beyond them, which are to be
 * written later, are overwritten. */
static inline void copy_taps(size_t size, void *restrict to, ptrdiff_t to_row, ptrdiff_t step,
                             const void *restrict source, ptrdiff_t source_row, ptrdiff_t stride, ptrdiff_t rows,
                             ptrdiff_t count, ptrdiff_t n, ptrdiff_t room)
{
    if (size == sizeof(float))
        copy_taps_f32(to, to_row, step, source, source_row, stride, rows, count, n, room);
    else
        copy_taps_f64(to, to_row, step, source, source_row, stride, rows, count, n, room);
}

/* The same rows split: element 2 * i goes to even[i], element 2 * i + 1 to odd[i]. */
static inline void split_rows(size_t size, void *restrict even, void *restrict odd, ptrdiff_t step,
                              const void *restrict source, ptrdiff_t source_step, ptrdiff_t rows, ptrdiff_t n)
{
    if (size == sizeof(float))
        split_rows_f32(even, odd, step, source, source_step, rows, n);
    else
        split_rows_f64(even, odd, step, source, source_step, rows, n);
}

#elif defined(ELEMENT)

#define vec PASTE(vec, SUFFIX)
#define LANES LANES_OF(ELEMENT)

/* With `odd` NULL, which is a constant in callers that want no odd elements, these are only passed over. Windows of
 * 2 * lanes elements, the last one moved back to end at the last whole pair. */
#if defined(SPLIT_BY_SHUFFLES) && VECTOR_BYTES
#define EVENS_16 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODDS_16 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define EVENS_8 0, 2, 4, 6, 8, 10, 12, 14
#define ODDS_8 1, 3, 5, 7, 9, 11, 13, 15
#define EVENS_4 0, 2, 4, 6
#define ODDS_4 1, 3, 5, 7
#define EVENS_2 0, 2
#define ODDS_2 1, 3
#define SPLIT(lanes) \
    if (VECTOR_BYTES >= (lanes) * sizeof(ELEMENT) && n >= 2 * (lanes)) { \
        typedef ELEMENT part \
            __attribute__((vector_size((lanes) * sizeof(ELEMENT)), aligned(sizeof(ELEMENT)), may_alias)); \
        for (ptrdiff_t i = 0; i < pairs; i += (lanes)) { \
            const ptrdiff_t k = i < pairs - (lanes) ? i : pairs - (lanes); \
            part a = *(const part *)(source + 2 * k), b = *(const part *)(source + 2 * k + (lanes)); \
            LOADED_ONCE(a); /* else twice, for either result */ \
            LOADED_ONCE(b); \
            *(part *)(even + k) = __builtin_shufflevector(a, b, EVENS_##lanes); \
            if (odd) \
                *(part *)(odd + k) = __builtin_shufflevector(a, b, ODDS_##lanes); \
        } \
    } else
#else
#define SPLIT(lanes)
#endif
static ALWAYS_INLINE void PASTE(split, SUFFIX)(ELEMENT *restrict even, ELEMENT *restrict odd,
                                               const ELEMENT *restrict source, ptrdiff_t n)
{
    const ptrdiff_t pairs = n / 2;
    SPLIT(16)
    SPLIT(8)
    SPLIT(4)
    SPLIT(2)
    for (ptrdiff_t i = 0; i < pairs; i++) {
        even[i] = source[2 * i];
        if (odd)
            odd[i] = source[2 * i + 1];
    }
    if (n % 2)
        even[pairs] = source[n - 1];
}
#undef SPLIT

static ALWAYS_INLINE void PASTE(copy, SUFFIX)(ELEMENT *restrict to, const ELEMENT *restrict source, ptrdiff_t n,
                                              ptrdiff_t stride)
{
    if (stride == 1 && n >= LANES) {
        for (ptrdiff_t i = 0; i < n - LANES; i += LANES) {
            *(vec *)(to + i) = *(const vec *)(source + i);
            KEEP_ORDER(); /* or gcc sees through it and calls memmove */
        }
        *(vec *)(to + n - LANES) = *(const vec *)(source + n - LANES);
    } else if (stride == 1) {
        copy_few((char *)to, (const char *)source, n * (ptrdiff_t)sizeof(ELEMENT));
    } else if (stride == 2 && n > 0) {
        PASTE(split, SUFFIX)(to, NULL, source, 2 * n - 1); /* nothing beyond the last element taken is read */
    } else {
        for (ptrdiff_t i = 0; i < n; i++)
            to[i] = source[i * stride];
    }
}

static NEVER_INLINE void PASTE(copy_rows, SUFFIX)(ELEMENT *restrict to, ptrdiff_t step, const ELEMENT *restrict source,
                                                  ptrdiff_t source_step, ptrdiff_t rows, ptrdiff_t n)
{
#define TWO_PIECES(piece) \
    if (n >= (piece) && n < LANES) { \
        for (; rows > 0; rows--, to += step, source += source_step) { \
            ELEMENT head[piece], tail[piece]; \
            memcpy(head, source, sizeof head); \
            memcpy(tail, source + n - (piece), sizeof tail); \
            memcpy(to, head, sizeof head); \
            memcpy(to + n - (piece), tail, sizeof tail); \
        } \
        return; \
    }
    TWO_PIECES(8) TWO_PIECES(4) TWO_PIECES(2) TWO_PIECES(1) /* which of them is the same for all rows */
#undef TWO_PIECES
    for (; rows > 0; rows--, to += step, source += source_step)
        PASTE(copy, SUFFIX)(to, source, n, 1);
}
static NEVER_INLINE void PASTE(copy_tiles, SUFFIX)(ELEMENT *restrict to, ptrdiff_t step, ptrdiff_t apart,
                                                   ptrdiff_t width, const ELEMENT *restrict source,
                                                   ptrdiff_t source_step, ptrdiff_t rows, ptrdiff_t n)
{
    for (; rows > 0; rows--, to += step, source += source_step) {
        ELEMENT *tile = to;
        ptrdiff_t j = 0;
        for (; j + width <= n; j += width, tile += apart) {
            fetch_ahead(source + 2 * source_step + j, sizeof(vec));
            for (ptrdiff_t i = 0; i < width; i += LANES) {
                *(vec *)(tile + i) = *(const vec *)(source + j + i);
                KEEP_ORDER();
            }
        }
        PASTE(copy, SUFFIX)(tile, source + j, n - j, 1);
    }
}
#define TAPS(width) \
    if (n <= (width)) { \
        const ptrdiff_t whole = room < (width) ? 0 : (room - (width)) / stride + 1; \
        const ptrdiff_t vectors = whole < count ? whole : count; \
        for (; rows > 0; rows--, to += to_row, source += source_row) { \
            for (ptrdiff_t p = 0; p < vectors; p++) \
                memcpy(to + p * step, source + p * stride, (width) * sizeof(ELEMENT)); \
            for (ptrdiff_t p = vectors; p < count; p++) \
                PASTE(copy, SUFFIX)(to + p * step, source + p * stride, n, 1); \
        } \
    }
static NEVER_INLINE void PASTE(copy_taps, SUFFIX)(ELEMENT *restrict to, ptrdiff_t to_row, ptrdiff_t step,
                                                  const ELEMENT *restrict source, ptrdiff_t source_row,
                                                  ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t count, ptrdiff_t n,
                                                  ptrdiff_t room)
{
    TAPS(2)
    else TAPS(4)
    else TAPS(8)
    else TAPS(TAPS_TOGETHER)
}
#undef TAPS
static NEVER_INLINE void PASTE(split_rows, SUFFIX)(ELEMENT *restrict even, ELEMENT *restrict odd, ptrdiff_t step,
                                                   const ELEMENT *restrict source, ptrdiff_t source_step,
                                                   ptrdiff_t rows, ptrdiff_t n)
{
    for (; rows > 0; rows--, even += step, odd += step, source += source_step)
        PASTE(split, SUFFIX)(even, odd, source, n);
}
#undef LANES
#undef vec
#endif
