/* A few rows times a matrix that is read once, where it lies: C (rows x cols) = A (rows x kc) . B (kc x cols).
 *
 *       B   k     ----------->  . . .        Rows of B, which lie pages apart, are passed along for a block of columns,
 *           k+1   ----------->  . . .        a few side by side, as a core foresees them. The block's sums stay in L1
 *           k+2   ----------->  . . .        meanwhile and are read and written once for those rows. The register tile
 *           k+3   ----------->  . . .        goes down two vectors of B, which then have to be copied to a panel: with
 *                                            one row of A that takes several times as long as the products.
 *
 * A sum adds up its products in the order that `tile.h` has. Rows of C are written up to the next whole vector, B is
 * read where it exists. The file includes itself once per element type.
 */
#ifndef FASTCONV_STREAM_H
#define FASTCONV_STREAM_H

#include "keep.h"
#include "simd.h"

enum {
    STREAM_STEPS = 4,     /* rows of B side by side, of which CHUNK is a multiple: 8 took 1.1, 16 1.5 times as long */
    STREAM_ROWS = 4,      /* of A that share what is loaded */
    STREAM_BYTES = 16384, /* of a block's sums, */
    STREAM_RUN = 4096     /* and of a row of it at most */
};

#define EACH_TYPE "stream.h"
#include "each_float.h"
#undef EACH_TYPE

/* Any number of rows up to STREAM_BYTES / 64; `size` is a constant at every call. */
static inline void stream(size_t size, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t kc, const void *a, ptrdiff_t lda,
                          const void *b, ptrdiff_t ldb, void *c, ptrdiff_t ldc)
{
    if (size == sizeof(float))
        stream_f32(rows, cols, kc, a, lda, b, ldb, c, ldc);
    else
        stream_f64(rows, cols, kc, a, lda, b, ldb, c, ldc);
}

#elif defined(ELEMENT)

#define vec PASTE(vec, SUFFIX)
#define LANES LANES_OF(ELEMENT)

#define some_rows PASTE(stream_rows, SUFFIX)
/* c[i][j] (+)= the products of `steps` rows of B with i < rows; all but `cols` and the distances are constants. */
static ALWAYS_INLINE void some_rows(const ptrdiff_t rows, const ptrdiff_t steps, const int more, ptrdiff_t cols,
                                    const ELEMENT *a, ptrdiff_t lda, const ELEMENT *b, ptrdiff_t ldb, ELEMENT *c,
                                    ptrdiff_t ldc)
{
    ELEMENT all[STREAM_ROWS * STREAM_STEPS], *left = all; /* at one address, which leaves registers for others */
    UNROLL for (ptrdiff_t i = 0; i < rows; i++)
        UNROLL for (ptrdiff_t s = 0; s < steps; s++)
            left[i * steps + s] = a[i * lda + s];
    OPAQUE(left);
    for (ptrdiff_t j = 0; j < cols; j += LANES) {
        vec right[STREAM_STEPS];
        UNROLL for (ptrdiff_t s = 0; s < steps; s++)
            right[s] = *(const vec *)(b + s * ldb + j);
        UNROLL for (ptrdiff_t i = 0; i < rows; i++) {
            vec sum = more ? *(const vec *)(c + i * ldc + j) : (vec){0};
            UNROLL for (ptrdiff_t s = 0; s < steps; s++)
                MULTIPLY_ADD(sum, left[i * steps + s], right[s]);
            *(vec *)(c + i * ldc + j) = sum;
        }
    }
}

#define all_rows PASTE(stream_all, SUFFIX)
static ALWAYS_INLINE void all_rows(const ptrdiff_t steps, const int more, ptrdiff_t rows, ptrdiff_t cols,
                                   const ELEMENT *a, ptrdiff_t lda, const ELEMENT *b, ptrdiff_t ldb, ELEMENT *c,
                                   ptrdiff_t ldc)
{
    for (; rows >= STREAM_ROWS; rows -= STREAM_ROWS, a += STREAM_ROWS * lda, c += STREAM_ROWS * ldc)
        some_rows(STREAM_ROWS, steps, more, cols, a, lda, b, ldb, c, ldc);
    if (rows == 3)
        some_rows(3, steps, more, cols, a, lda, b, ldb, c, ldc);
    else if (rows == 2)
        some_rows(2, steps, more, cols, a, lda, b, ldb, c, ldc);
    else if (rows == 1)
        some_rows(1, steps, more, cols, a, lda, b, ldb, c, ldc);
}

#define chain PASTE(stream_chain, SUFFIX)
/* c = at most CHUNK products of each sum, added up one after the other; `cols` in whole vectors. */
static NEVER_INLINE void chain(ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda,
                               const ELEMENT *b, ptrdiff_t ldb, ELEMENT *c, ptrdiff_t ldc)
{
    ptrdiff_t k = kc < STREAM_STEPS ? 1 : STREAM_STEPS;
    if (k == 1)
        all_rows(1, 0, rows, cols, a, lda, b, ldb, c, ldc);
    else
        all_rows(STREAM_STEPS, 0, rows, cols, a, lda, b, ldb, c, ldc);
    for (; k + STREAM_STEPS <= kc; k += STREAM_STEPS)
        all_rows(STREAM_STEPS, 1, rows, cols, a + k, lda, b + k * ldb, ldb, c, ldc);
    for (; k < kc; k++)
        all_rows(1, 1, rows, cols, a + k, lda, b + k * ldb, ldb, c, ldc);
}

#define columns PASTE(stream_columns, SUFFIX)
/* All products of a block of columns; fewer than a vector are read from a copy with zeros after them. */
static ALWAYS_INLINE void columns(ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda,
                                  const ELEMENT *b, ptrdiff_t ldb, ELEMENT *c, ptrdiff_t ldc)
{
    ELEMENT sums[STREAM_BYTES / sizeof(ELEMENT)], end[CHUNK * LANES];
    const ptrdiff_t n = (cols + LANES - 1) / LANES * LANES;
    for (ptrdiff_t k = 0; k < kc; k += CHUNK, b += CHUNK * ldb) {
        const ptrdiff_t depth = kc - k < CHUNK ? kc - k : CHUNK;
        ELEMENT *to = k ? sums : c;
        for (ptrdiff_t i = 0; i < depth && cols < LANES; i++)
            for (ptrdiff_t j = 0; j < LANES; j++)
                end[i * LANES + j] = j < cols ? b[i * ldb + j] : 0;
        chain(rows, n, depth, a + k, lda, cols < LANES ? end : b, cols < LANES ? LANES : ldb, to, k ? n : ldc);
        for (ptrdiff_t i = 0; i < rows && k; i++)
            for (ptrdiff_t j = 0; j < n; j += LANES)
                *(vec *)(c + i * ldc + j) += *(const vec *)(sums + i * n + j);
    }
}

static NEVER_INLINE void PASTE(stream, SUFFIX)(ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t kc, const ELEMENT *a,
                                               ptrdiff_t lda, const ELEMENT *b, ptrdiff_t ldb, ELEMENT *c,
                                               ptrdiff_t ldc)
{
    const ptrdiff_t room = STREAM_BYTES / rows, most = (room < STREAM_RUN ? room : STREAM_RUN) / sizeof(ELEMENT);
    for (ptrdiff_t n; cols > 0; cols -= n, b += n, c += n) {
        n = cols < LANES ? cols : (cols < most ? cols : most) / LANES * LANES;
        columns(rows, n, kc, a, lda, b, ldb, c, ldc);
    }
}
#undef columns
#undef chain
#undef all_rows
#undef some_rows
#undef LANES
#undef vec
#endif
