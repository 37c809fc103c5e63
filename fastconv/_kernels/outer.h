/* Sums of outer products: C (rows x cols) += A^T (rows x kc) . B (kc x cols), all of them row-major.
 *
 *            cols = NV vectors                 As in `tile.h` the accumulators stay in vector registers for the whole
 *          +-------------------+               of kc, but a step of k reads `rows` neighbours of A: where the sum is
 *       kc |         B         | ldb           over pixels and channels lie together, neither operand is turned.
 *  rows    +-------------------+
 *  +---+   +-------------------+               Rows of B and C are read, and those of C written, up to the next whole
 *  | A | kc|         C         | rows          vector. Products are added up in a row: the depth is at most what
 *  +---+   +-------------------+               the error bound allows.
 *   lda             ldc
 *
 * The depth is `lines` times kc; a line of A starts `a_line`, of B `b_line` elements after the line before.
 *
 * A step loads rows + NV times for rows * NV products, fewest where these are nearly as many, and Ice Lake loads 1.2
 * vectors of 64 bytes in the time of two products: of as many sums as its registers hold, 12 rows by 2 vectors reach
 * 150, 8 by 3 161 and 6 by 4 170 of 177 GFLOP/s; 2026-11-30.
 *
 * Up to half a vector of columns, as of groups of few channels, takes half a vector: on a core that splits vectors of
 * 64 bytes in two that is half the work. The file includes itself once per element type and vector.
 */
#ifndef FASTCONV_OUTER_H
#define FASTCONV_OUTER_H

#include "keep.h"
#include "simd.h"

#if VECTOR_BYTES == 64
#define OUTER_SUMS 24 /* vectors of them, in 32 registers, */
#define OUTER_VECTORS 4
#else
#define OUTER_SUMS 12 /* and in 16 */
#define OUTER_VECTORS 2
#endif
#define OUTER_STEPS (VECTOR_BYTES == 32 ? 4 : 1) /* of k in a turn */
#define UNROLL_ROWS _Pragma("GCC unroll 24")
#define EACH_OUTER UNROLL_ROWS for (ptrdiff_t i = 0; i < rows; i++) UNROLL for (ptrdiff_t j = 0; j < nv; j++)

#if VECTOR_BYTES > 16
typedef float vec_half_f32 __attribute__((vector_size(VECTOR_BYTES / 2), aligned(4), may_alias));
typedef double vec_half_f64 __attribute__((vector_size(VECTOR_BYTES / 2), aligned(8), may_alias));
#else
typedef vec_f32 vec_half_f32;
typedef vec_f64 vec_half_f64;
#endif

#define ELEMENT float
#define SUFFIX f32
#include "outer.h"
#undef SUFFIX
#define SUFFIX half_f32
#include "outer.h"
#undef ELEMENT
#undef SUFFIX
#define ELEMENT double
#define SUFFIX f64
#include "outer.h"
#undef SUFFIX
#define SUFFIX half_f64
#include "outer.h"
#undef ELEMENT
#undef SUFFIX

/* columns of the widest tile, for elements of `size` bytes */
static inline ptrdiff_t outer_width(size_t size)
{
    return OUTER_VECTORS * lanes_of(size);
}

/* rows of a tile of so many columns */
static inline ptrdiff_t outer_rows(size_t size, ptrdiff_t cols)
{
    return OUTER_SUMS / ((cols + lanes_of(size) - 1) / lanes_of(size));
}

#define OUTER(name) (cols * size <= sizeof(PASTE(vec_half, name)) ? PASTE(outer_half, name) : PASTE(outer, name))

/* `cols` <= outer_width(size), `rows` <= outer_rows(size, cols); `size` is a constant at every call: one branch stays.
 */
static inline void outer(size_t size, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t lines, ptrdiff_t kc,
                         const void *a, ptrdiff_t lda, ptrdiff_t a_line, const void *b, ptrdiff_t ldb, ptrdiff_t b_line,
                         void *c, ptrdiff_t ldc)
{
    if (size == sizeof(float))
        OUTER(f32)(rows, cols, lines, kc, a, lda, a_line, b, ldb, b_line, c, ldc);
    else
        OUTER(f64)(rows, cols, lines, kc, a, lda, a_line, b, ldb, b_line, c, ldc);
}

#elif defined(ELEMENT)

#define vec PASTE(vec, SUFFIX)
#define LANES (ptrdiff_t)(sizeof(vec) / sizeof(ELEMENT))
#define run PASTE(outer_run, SUFFIX)

#define STEP() { \
        vec right[OUTER_VECTORS]; \
        UNROLL for (ptrdiff_t j = 0; j < nv; j++) \
            right[j] = *(const vec *)(b + j * LANES); \
        UNROLL_ROWS for (ptrdiff_t i = 0; i < rows; i++) { \
            UNROLL for (ptrdiff_t j = 0; j < nv; j++) \
                MULTIPLY_ADD(acc[i][j], a[i], right[j]); \
            KEEP_ORDER(); \
        } \
        a += lda; \
        b += ldb; \
        if (OUTER_STEPS > 1) { \
            OPAQUE(a); \
            OPAQUE(b); \
        } \
    }

/* `rows` and `nv` are constants in every caller, so that each loop over them unrolls. */
static ALWAYS_INLINE void run(
    const ptrdiff_t rows, const ptrdiff_t nv, ptrdiff_t lines, ptrdiff_t kc, const ELEMENT *restrict a, ptrdiff_t lda,
    ptrdiff_t a_line, const ELEMENT *restrict b, ptrdiff_t ldb, ptrdiff_t b_line, ELEMENT *restrict c, ptrdiff_t ldc)
{
    vec acc[OUTER_SUMS][OUTER_VECTORS];
    EACH_OUTER acc[i][j] = (vec){0};
    EACH_OUTER IN_REGISTER(acc[i][j]);
    for (ptrdiff_t line = 0; line < lines; line++, a += a_line - kc * lda, b += b_line - kc * ldb) {
        ptrdiff_t k = kc;
        for (; k >= OUTER_STEPS; k -= OUTER_STEPS) {
            UNROLL for (ptrdiff_t s = 0; s < OUTER_STEPS; s++)
                STEP()
            if (OUTER_STEPS > 1)
                EACH_OUTER IN_REGISTER(acc[i][j]);
        }
        for (; k % OUTER_STEPS; k--)
            STEP()
    }
    EACH_OUTER *(vec *)(c + i * ldc + j * LANES) += acc[i][j];
}

#define outer_of PASTE(outer, SUFFIX)
static NEVER_INLINE void outer_of(
    ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t lines, ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda, ptrdiff_t a_line,
    const ELEMENT *b, ptrdiff_t ldb, ptrdiff_t b_line, ELEMENT *c, ptrdiff_t ldc)
{
    const ptrdiff_t most = sizeof(vec) < VECTOR_BYTES ? 1 : OUTER_VECTORS;
#define SHAPE(n, nv) case (n) * OUTER_VECTORS + (nv) - 1: \
        if ((n) * (nv) <= OUTER_SUMS && (nv) <= most) \
            run(n, nv, lines, kc, a, lda, a_line, b, ldb, b_line, c, ldc); \
        return;
#if OUTER_VECTORS > 2
#define ROWS(n) SHAPE(n, 1) SHAPE(n, 2) SHAPE(n, 3) SHAPE(n, 4)
#else
#define ROWS(n) SHAPE(n, 1) SHAPE(n, 2)
#endif
    switch (rows * OUTER_VECTORS + (cols - 1) / LANES) {
        ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12)
        ROWS(13) ROWS(14) ROWS(15) ROWS(16) ROWS(17) ROWS(18) ROWS(19) ROWS(20) ROWS(21) ROWS(22) ROWS(23) ROWS(24)
    }
#undef ROWS
#undef SHAPE
}
#undef outer_of
#undef STEP
#undef run
#undef vec
#undef LANES
#endif
