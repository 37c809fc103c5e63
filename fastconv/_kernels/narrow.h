/* A product of few columns, lanes along its depth: C (rows x cols) (+)= A (rows x kc) . B (cols x kc), cols <= NARROW.
 *
 *        k ->          k ->           A 7 x 7 map has 49 pixels: three vectors of 16 and one pixel, for which the register
 *     +---------+   +---------+ c     tile of `tile.h` would compute a whole vector. Here a vector holds products of
 *   r |    A    | . |    B    |       sixteen k of one row and one column; its lanes are added up at the end.
 *     +---------+   +---------+
 *
 * Both operands have unit stride along k and are read where they exist only. A lane adds up kc / lanes products, a chain
 * of at most CHUNK for kc <= CHUNK * lanes. The file includes itself once per element type.
 */
#ifndef FASTCONV_NARROW_H
#define FASTCONV_NARROW_H

#include "tile.h"

#define NARROW 4 /* columns at most */
#define NARROW_SUMS 12 /* accumulators: with a vector of each operand they fit 16 registers */

#define ELEMENT float
#define SUFFIX f32
#include "narrow.h"
#undef ELEMENT
#undef SUFFIX
#define ELEMENT double
#define SUFFIX f64
#include "narrow.h"
#undef ELEMENT
#undef SUFFIX

/* How many of the last columns of `cols` are better computed this way than as a vector that is mostly empty. */
static inline ptrdiff_t narrow_columns(size_t size, ptrdiff_t cols)
{
    const ptrdiff_t lanes = tile_width(size) / TILE_VECTORS, rest = cols % lanes;
    return rest * 4 <= lanes ? rest : 0;
}

/* `size` is a constant at every call, so one branch remains. `finish` is as of `tile`, with biases of rows. */
static inline void narrow(size_t size, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t kc, const void *a, ptrdiff_t lda,
                          const void *b, ptrdiff_t ldb, void *c, ptrdiff_t ldc, const tile_finish *finish)
{
    if (size == sizeof(float))
        narrow_f32(rows, cols, kc, a, lda, b, ldb, c, ldc, finish);
    else
        narrow_f64(rows, cols, kc, a, lda, b, ldb, c, ldc, finish);
}

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define run PASTE(narrow_run, SUFFIX)
#define EACH_SUM UNROLL for (ptrdiff_t r = 0; r < rows; r++) UNROLL for (ptrdiff_t j = 0; j < cols; j++)

/* `rows` and `cols` are constants in every caller, so that acc stays in registers. */
static ALWAYS_INLINE void run(const ptrdiff_t rows, const ptrdiff_t cols, ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda,
                              const ELEMENT *b, ptrdiff_t ldb, ELEMENT *c, ptrdiff_t ldc, const tile_finish *finish,
                              const ELEMENT *bias)
{
    vec acc[NARROW_SUMS];
    ELEMENT sums[NARROW_SUMS][LANES_OF(ELEMENT)];
    ptrdiff_t k = 0;
    EACH_SUM acc[r * cols + j] = (vec){0};
    for (; k + LANES <= kc; k += LANES)
        UNROLL for (ptrdiff_t r = 0; r < rows; r++) {
            const vec left = *(const vec *)(a + r * lda + k);
            UNROLL for (ptrdiff_t j = 0; j < cols; j++)
                acc[r * cols + j] += left * *(const vec *)(b + j * ldb + k);
        }
    EACH_SUM *(vec *)sums[r * cols + j] = acc[r * cols + j];
    for (ptrdiff_t i = 0; k < kc; k++, i++) /* fewer than LANES: each in a lane of its own */
        EACH_SUM sums[r * cols + j][i] += a[r * lda + k] * b[j * ldb + k];
    UNROLL for (ptrdiff_t half = LANES / 2; half > 0; half /= 2)
        EACH_SUM UNROLL for (ptrdiff_t i = 0; i < half; i++)
            sums[r * cols + j][i] += sums[r * cols + j][i + half];
    EACH_SUM {
        ELEMENT value = sums[r * cols + j][0];
        if (finish->accumulate)
            value += c[r * ldc + j];
        else if (bias)
            value += bias[r];
        if (finish->clamp) {
            value = value < (ELEMENT)finish->lo ? (ELEMENT)finish->lo : value;
            value = value > (ELEMENT)finish->hi ? (ELEMENT)finish->hi : value;
        }
        c[r * ldc + j] = value;
    }
}

#define narrow_of PASTE(narrow, SUFFIX)
static NEVER_INLINE void narrow_of(ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t kc, const ELEMENT *a, ptrdiff_t lda,
                                   const ELEMENT *b, ptrdiff_t ldb, ELEMENT *c, ptrdiff_t ldc,
                                   const tile_finish *finish)
{
    const ELEMENT *bias = finish->row_bias;
#define STEP(n, cols) { \
        run(n, cols, kc, a, lda, b, ldb, c, ldc, finish, bias); \
        rows -= n, a += n * lda, c += n * ldc, bias += bias ? n : 0; \
    }
#define COLUMNS(cols, most) case cols: \
        while (rows >= most) STEP(most, cols) \
        while (rows > 0) STEP(1, cols) \
        return;
    switch (cols) {
        COLUMNS(1, 8) COLUMNS(2, 6) COLUMNS(3, 4) COLUMNS(4, 3)
    }
#undef COLUMNS
#undef STEP
}
#undef narrow_of
#undef EACH_SUM
#undef run
#undef vec
#undef LANES
#endif
