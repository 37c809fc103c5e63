/* The filter tile: a patch of one output plane, from staged rows that are padded and of unit stride.
 *
 *   out[q][x] = bias + sum over plane, j, i of  w[plane][i][j] * staged[plane][q * step + i * reach + column[j] + x]
 *
 *     staged rows        output rows q = 0 1 2       With reach = pitch a loaded row r serves every output row q for
 *     r = 0  ........    w0                          which i = r - q * sh is a tap of the kernel: at stride 1 three
 *     r = 1  ........    w1 w0                       rows of output under a 3x3 kernel read five rows instead of nine.
 *     r = 2  ........    w2 w1 w0                    With 16 registers columns of taps run in parts whose weights stay
 *     r = 3  ........       w2 w1                    in registers, 3 high unrolls as a whole; with 32, at AVX-512, so
 *     r = 4  ........          w2                    do 5 and 7, and higher ones unroll the triangle at the start and
 *                                                    the one at the end; between them every row serves all q.
 *
 * Each output adds its taps in the order (plane, j, i), whichever tile it falls in. Vectors run along x; the last one
 * of a row moves back to end with the row, and computes again what the one before it did. Where a row is shorter than a
 * vector, lanes beyond it are stored too and overwritten by the next row, but for those beyond the last row. Rows
 * beyond the last are computed from whatever is staged there and never stored. The file includes itself once per
 * element type.
 */
#ifndef FASTCONV_FILTER_H
#define FASTCONV_FILTER_H

#include "copy.h"
#include "keep.h"
#include "simd.h"

#define EACH_OUTPUT UNROLL for (ptrdiff_t q = 0; q < nr; q++) UNROLL for (ptrdiff_t x = 0; x < nv; x++)
#define FILTER_LANES (VECTOR_BYTES ? VECTOR_BYTES / sizeof(ELEMENT) : 1)

#if VECTOR_BYTES == 32
#define FILTER_ROWS 10   /* the tallest tile: its sums, five weights and a load fill 16 registers */
#else
#define FILTER_ROWS 8    /* without FMA products take a register too */
#endif
#define FILTER_LOWER 8   /* for as many rows and fewer, as of maps of 7 and 14 */
#define FILTER_VECTORS 8 /* the widest tile */
#define FILTER_HIGH (VECTOR_BYTES == 64 ? 7 : 5) /* taps of a column that unroll as a whole */
#define FILTER_PART 4    /* of a column that has more */
#define UNROLL_ROWS _Pragma("GCC unroll 32")

typedef struct {
    ptrdiff_t planes, plane;     /* input planes, and the distance of one to the next */
    ptrdiff_t kh, kw;            /* taps of one plane */
    ptrdiff_t pitch;             /* from one staged row to the next */
    ptrdiff_t step, reach;       /* from what one output row sees to the next, and from one tap i to the next */
    const ptrdiff_t *column;     /* of each tap j, where its first pixel stands in a staged row */
    ptrdiff_t out_pitch;         /* from one output row to the next */
    int clamp;
    double lo, hi;
} filter_shape;

/* Of output rows under which neighbouring taps read neighbouring rows, so that they share them; else 0. */
static inline ptrdiff_t shared_stride(const filter_shape *s)
{
    return s->reach != s->pitch ? 0 : (s->step == s->pitch) + 2 * (s->step == 2 * s->pitch);
}

/* Whether columns of taps run in parts of up to FILTER_HIGH; two taps are worth less than two vectors of each row. */
static inline int in_parts(const filter_shape *s)
{
    return VECTOR_BYTES < 64 && shared_stride(s) && s->kh > 2 && s->kh <= CHUNK;
}

#define EACH_TYPE "filter.h"
#include "each_half.h"
#include "each_float.h"
#undef EACH_TYPE

/* `rows` rows of `cols` output columns; where they are fewer than a vector has lanes, rows follow each other
 * densely. */
static inline void filter_block(size_t size, const filter_shape *s, const void *staged, const void *w, double bias,
                                void *out, ptrdiff_t rows, ptrdiff_t cols)
{
    if (size == sizeof(float))
        filter_block_f32(s, staged, w, (float)bias, out, rows, cols);
    else
        filter_block_f64(s, staged, w, bias, out, rows, cols);
}

#elif defined(ELEMENT)

#define LANES ((ptrdiff_t)(sizeof(vec) / sizeof(ELEMENT)))
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define tile PASTE(filter_tile, SUFFIX)
#define store_few PASTE(filter_store_few, SUFFIX)

#include "filter_tile.h"

/* Accumulators, the loaded row and the weights of a column fit the registers, 32 at AVX-512 and 16 below: one more
 * makes gcc spill, which costs a factor of four. Eight independent sums hide the latency of FMA where two start each
 * cycle. */
#define filter_block_of PASTE(filter_block, SUFFIX)
#define strip PASTE(filter_strip, SUFFIX)
#define half_strip PASTE(filter_strip, HALF_SUFFIX)
#define ARGUMENTS const filter_shape *s, const ELEMENT *staged, const ELEMENT *w, const ELEMENT bias, ELEMENT *out, \
    const ptrdiff_t rows, const ptrdiff_t cols, ptrdiff_t x, const ptrdiff_t room
#define NAME(nr, nv, high, sh) PASTE(PASTE(PASTE(PASTE(PASTE(filter, nr), nv), high), sh), SUFFIX)
/* A function for each kind of tile: in one for all of them gcc 12 runs out of registers for rows. */
#define KIND(nr, nv, high, sh) static NEVER_INLINE ptrdiff_t NAME(nr, nv, high, sh)(ARGUMENTS) \
{ \
    do { \
        const ptrdiff_t width = cols - x < (nv) * LANES ? cols - x : (nv) * LANES; \
        const ptrdiff_t at = width < LANES && cols > LANES ? cols - LANES : x; \
        for (ptrdiff_t y = 0; y < rows; y += nr) \
            tile(nr, nv, high, sh, s, staged + y * s->step + at, w, bias, out + y * s->out_pitch + at, rows - y, \
                 (nv) > 1 ? width - LANES : 0, room - y * s->out_pitch - at); \
        x += width; \
    } while (cols - x >= (nv) * LANES); \
    return x; \
}
#if FILTER_ROWS > FILTER_LOWER
#define HEIGHTS(high, sh) KIND(4, 2, high, sh) KIND(FILTER_ROWS, 1, high, sh) KIND(FILTER_LOWER, 1, high, sh)
#else
#define HEIGHTS(high, sh) KIND(4, 2, high, sh) KIND(FILTER_ROWS, 1, high, sh)
#endif
KIND(1, 8, 0, 0)
KIND(1, 4, 0, 0)
KIND(1, 1, 0, 0)
#if VECTOR_BYTES == 64
#define WIDTHS(high, sh) KIND(8, 2, high, sh) KIND(8, 1, high, sh) KIND(7, 2, high, sh) KIND(7, 1, high, sh) \
    KIND(4, 2, high, sh) KIND(4, 1, high, sh)
WIDTHS(3, 1)
WIDTHS(3, 2)
WIDTHS(5, 1)
WIDTHS(5, 2)
WIDTHS(7, 1)
WIDTHS(7, 2)
KIND(8, 2, 0, 0)
KIND(4, 2, 0, 0)
KIND(5, 2, 0, 0)
#undef WIDTHS
#else
HEIGHTS(3, 1)
HEIGHTS(3, 2)
HEIGHTS(0, 1)
HEIGHTS(0, 2)
#endif
KIND(2, 4, 0, 0)
KIND(8, 1, 0, 0)
KIND(6, 2, 0, 0)
#undef HEIGHTS
#undef KIND
#define KIND(nr, nv, high, sh) return NAME(nr, nv, high, sh)(s, staged, w, bias, out, rows, cols, x, room);

/* Half a vector takes what is left of more than 4 rows, one of them wide: other tiles of it are never made. */
#ifdef HALVES
#define WHOLE 0
#else
#define WHOLE 1
#endif
/* `rows` rows of the tiles from column x on that are of one kind; returns where the next kind begins. */
static ptrdiff_t strip(ARGUMENTS)
{
    const ptrdiff_t shared = shared_stride(s);
    ptrdiff_t vectors = (cols - x + LANES - 1) / LANES;
#if VECTOR_BYTES == 64 && !defined(HALVES)
    const ptrdiff_t rest = (cols - x) % LANES;
    if (rows > 4 && cols >= LANES && rest > 0 && rest <= LANES / 2 && vectors <= 2 && --vectors == 0)
        return half_strip(s, staged, w, bias, out, rows, cols, x, room);
#endif
    if (WHOLE && rows == 1) {
        if (vectors >= 8) KIND(1, 8, 0, 0)
        if (vectors >= 4) KIND(1, 4, 0, 0)
        KIND(1, 1, 0, 0)
    }
#define SHARED(high, sh) if (s->kh == high && shared == sh) HEIGHTS(high, sh)
#if VECTOR_BYTES == 64
#define WIDTHS(nr, kh, sh) { if (WHOLE && vectors > 1) KIND(nr, 2, kh, sh) else KIND(nr, 1, kh, sh) }
#define HEIGHTS(kh, sh) { \
        if (rows > 7) WIDTHS(8, kh, sh) \
        if (!WHOLE || rows > 4) WIDTHS(7, kh, sh) \
        WIDTHS(4, kh, sh) \
    }
    SHARED(3, 1)
    SHARED(3, 2)
    SHARED(5, 1)
    SHARED(5, 2)
    SHARED(7, 1)
    SHARED(7, 2)
    if (WHOLE && vectors > 1 && shared == 1 && s->kh > 7) KIND(8, 2, 0, 0)
#else
#define HEIGHTS(kh, sh) { \
        if (vectors > 1 && rows <= 4) KIND(4, 2, kh, sh) \
        if (rows <= FILTER_LOWER) KIND(FILTER_LOWER, 1, kh, sh) \
        KIND(FILTER_ROWS, 1, kh, sh) \
    }
    SHARED(3, 1)
    SHARED(3, 2)
    if (in_parts(s)) {
        if (shared == 1)
            HEIGHTS(0, 1)
        else
            HEIGHTS(0, 2)
    }
#endif
    if (!WHOLE || vectors == 1) KIND(8, 1, 0, 0)
    if (vectors >= 4 && shared == 1 && s->kh == 2) KIND(2, 4, 0, 0)
#if VECTOR_BYTES == 64
    if (shared == 1 && s->kh == 4) KIND(4, 2, 0, 0)
    if (shared == 1 && s->kh == 5) KIND(5, 2, 0, 0)
#endif
    KIND(6, 2, 0, 0)
#undef SHARED
#undef HEIGHTS
#undef WIDTHS
#undef WHOLE
}
#undef KIND
#undef NAME
#undef ARGUMENTS

#ifndef HALVES
static void filter_block_of(const filter_shape *s, const ELEMENT *staged, const ELEMENT *w, const ELEMENT bias,
                            ELEMENT *out, const ptrdiff_t rows, const ptrdiff_t cols)
{
    const int unrolled = in_parts(s) || (shared_stride(s) && (s->kh == 3 || s->kh == 5 || s->kh == 7));
    const ptrdiff_t bands = unrolled ? (rows + FILTER_ROWS - 1) / FILTER_ROWS : 1;
    for (ptrdiff_t band = 0; band < bands; band++) {
        const ptrdiff_t top = band * rows / bands, end = (band + 1) * rows / bands;
        for (ptrdiff_t x = 0; x < cols;)
            x = strip(s, staged + top * s->step, w, bias, out + top * s->out_pitch, end - top, cols, x,
                      (rows - top - 1) * s->out_pitch + cols);
    }
}
#endif
#undef filter_block_of
#undef half_strip
#undef strip
#undef tile
#undef store_few
#undef mask
#undef vec
#undef LANES
#endif
