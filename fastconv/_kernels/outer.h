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
 * Up to half a vector of columns, as of groups of few channels, takes half a vector: on a core that splits vectors of
 * 64 bytes in two that is half the work. The file includes itself once per element type and vector.
 */
#ifndef FASTCONV_OUTER_H
#define FASTCONV_OUTER_H

#include "keep.h"
#include "simd.h"

#define OUTER_ROWS (VECTOR_BYTES == 64 ? 12 : 6) /* AVX-512 has twice the registers */
#define OUTER_VECTORS 2
#define OUTER_STEPS (VECTOR_BYTES == 32 ? 4 : 1) /* in a turn */
#define EACH_SUM UNROLL for (ptrdiff_t i = 0; i < rows; i++) UNROLL for (ptrdiff_t j = 0; j < nv; j++)

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

#define OUTER(name) (cols * size <= sizeof(PASTE(vec_half, name)) ? PASTE(outer_half, name) : PASTE(outer, name))

/* columns of the widest tile, for elements of `size` bytes */
static inline ptrdiff_t outer_width(size_t size)
{
    return OUTER_VECTORS * lanes_of(size);
}

/* `rows` <= OUTER_ROWS; of `cols` at most outer_width(size) count. `size` is a constant at every call: one branch
 * stays. */
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
        UNROLL for (ptrdiff_t i = 0; i < rows; i++) { \
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
    vec acc[OUTER_ROWS][OUTER_VECTORS];
    EACH_SUM acc[i][j] = (vec){0};
    EACH_SUM IN_REGISTER(acc[i][j]);
    for (ptrdiff_t line = 0; line < lines; line++, a += a_line - kc * lda, b += b_line - kc * ldb) {
        ptrdiff_t k = kc;
        for (; k >= OUTER_STEPS; k -= OUTER_STEPS) {
            UNROLL for (ptrdiff_t s = 0; s < OUTER_STEPS; s++)
                STEP()
            if (OUTER_STEPS > 1)
                EACH_SUM IN_REGISTER(acc[i][j]);
        }
        for (; k % OUTER_STEPS; k--)
            STEP()
    }
    EACH_SUM *(vec *)(c + i * ldc + j * LANES) += acc[i][j];
}

#define outer_of PASTE(outer, SUFFIX)
static NEVER_INLINE void outer_of(
    ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t lines, ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda, ptrdiff_t a_line,
    const ELEMENT *b, ptrdiff_t ldb, ptrdiff_t b_line, ELEMENT *c, ptrdiff_t ldc)
{
#define ROWS(n) case n: \
        if (cols > LANES) run(n, 2, lines, kc, a, lda, a_line, b, ldb, b_line, c, ldc); \
        else run(n, 1, lines, kc, a, lda, a_line, b, ldb, b_line, c, ldc); \
        return;
    switch (rows) {
        ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6)
#if VECTOR_BYTES == 64
        ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12)
#endif
    }
#undef ROWS
}
#undef outer_of
#undef STEP
#undef run
#undef vec
#undef LANES
#endif
