/* Transposing a block: to[j * ldt + i] = from[i * ldf + j], i < rows, j < cols, in squares held in registers.
 *
 *     a b c d        a e . .      Four rows are loaded, interleaved twice and stored as four columns: two shuffles for
 *     e f g h   ->   b f . .      each row instead of sixteen single stores. Where a vector holds eight elements and
 *     . . . .        c g . .      there are as many rows, squares of eight, also of two shuffles.
 *
 * `from` and `to` do not overlap. The file includes itself once per element type.
 */
#ifndef FASTCONV_TURN_H
#define FASTCONV_TURN_H

#include <stddef.h>

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define TURN_SQUARES
#endif
#endif

#define TURN_UNROLL _Pragma("GCC unroll 8")
#define TURN_PASTE_(a, b) a##_##b
#define TURN_PASTE(a, b) TURN_PASTE_(a, b)

#define EACH_TYPE "turn.h"
#include "each_float.h"
#undef EACH_TYPE

/* `size` is a constant at every call, so one branch remains. */
static inline void turn_block(size_t size, ptrdiff_t rows, ptrdiff_t cols, const void *from, ptrdiff_t ldf, void *to,
                              ptrdiff_t ldt)
{
    if (size == sizeof(float))
        turn_f32(rows, cols, from, ldf, to, ldt);
    else
        turn_f64(rows, cols, from, ldf, to, ldt);
}

#elif defined(ELEMENT)

#if ELEMENT_BYTES == 4 && defined(TURN_SQUARES) && defined(__AVX__)
#define TURN_EIGHTS
#endif

#ifdef TURN_SQUARES
#define vec4 TURN_PASTE(vec4, SUFFIX)
typedef ELEMENT vec4 __attribute__((vector_size(4 * sizeof(ELEMENT)), aligned(sizeof(ELEMENT)), may_alias));

#define turn_four TURN_PASTE(turn_four, SUFFIX)
static inline void turn_four(const ELEMENT *from, ptrdiff_t ldf, ELEMENT *to, ptrdiff_t ldt)
{
    const vec4 a = *(const vec4 *)from, b = *(const vec4 *)(from + ldf);
    const vec4 c = *(const vec4 *)(from + 2 * ldf), d = *(const vec4 *)(from + 3 * ldf);
    const vec4 ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const vec4 cd0 = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd1 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(vec4 *)to = __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5);
    *(vec4 *)(to + ldt) = __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7);
    *(vec4 *)(to + 2 * ldt) = __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5);
    *(vec4 *)(to + 3 * ldt) = __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7);
}
#endif

#ifdef TURN_EIGHTS
typedef ELEMENT turn_vec8 __attribute__((vector_size(8 * sizeof(ELEMENT)), aligned(sizeof(ELEMENT)), may_alias));
#define PAIRS(a, b, half) __builtin_shufflevector(a, b, 0 + half, 8 + half, 1 + half, 9 + half, 4 + half, 12 + half, \
                                                  5 + half, 13 + half)
#define QUADS(a, b, half) __builtin_shufflevector(a, b, 0 + half, 1 + half, 8 + half, 9 + half, 4 + half, 5 + half, \
                                                  12 + half, 13 + half)
/* Halves loaded to where they belong, which is no shuffle; gcc 12 makes one of two halves in registers. */
#if defined(__x86_64__)
#define TURN_HALVES(v, low, high) \
    __asm__("vmovups %1, %x0\n\tvinsertf128 $1, %2, %0, %0" \
            : "=x"(v) : "m"(*(const vec4 *)(low)), "m"(*(const vec4 *)(high)))
#else
#define TURN_HALVES(v, low, high) \
    (v) = __builtin_shufflevector(*(const vec4 *)(low), *(const vec4 *)(high), 0, 1, 2, 3, 4, 5, 6, 7)
#endif

/* Four columns at a time, of four rows and beside these of the four after them. */
static inline void turn_eight(const ELEMENT *from, ptrdiff_t ldf, ELEMENT *to, ptrdiff_t ldt)
{
    TURN_UNROLL for (int j = 0; j < 8; j += 4, from += 4, to += 4 * ldt) {
        turn_vec8 a[4], b[4];
        TURN_UNROLL for (int i = 0; i < 4; i++)
            TURN_HALVES(a[i], from + i * ldf, from + (i + 4) * ldf);
        TURN_UNROLL for (int i = 0; i < 4; i += 2) { /* columns 0 1, then 2 3, of two rows */
            b[i] = PAIRS(a[i], a[i + 1], 0);
            b[i + 1] = PAIRS(a[i], a[i + 1], 2);
        }
        *(turn_vec8 *)to = QUADS(b[0], b[2], 0);
        *(turn_vec8 *)(to + ldt) = QUADS(b[0], b[2], 2);
        *(turn_vec8 *)(to + 2 * ldt) = QUADS(b[1], b[3], 0);
        *(turn_vec8 *)(to + 3 * ldt) = QUADS(b[1], b[3], 2);
    }
}
#undef PAIRS
#undef QUADS
#undef TURN_HALVES
#endif

/* Squares of n that cover at least n rows and columns; those at the far edges overlap their neighbours. Of the two
 * operands the one whose rows lie farther apart is walked along its rows: a cache line of it is then used up at once,
 * also where its rows are pages apart and fall into one set of the cache. So many bytes of each row at a time: what the
 * other operand has of them stays in L1 until its lines are used up, too. */
#define TURN_BYTES 512
#define TURN_ALL(n, square) \
    const int down = ldf < ldt; \
    const ptrdiff_t outer = down ? cols : rows, inner = down ? rows : cols, some = TURN_BYTES / sizeof(ELEMENT); \
    for (ptrdiff_t q0 = 0; q0 < inner; q0 += some) \
        for (ptrdiff_t p = 0; p < outer; p += n) \
            for (ptrdiff_t q = q0; q < q0 + some && q < inner; q += n) { \
                const ptrdiff_t o = p + n <= outer ? p : outer - n, e = q + n <= inner ? q : inner - n; \
                const ptrdiff_t i = down ? e : o, j = down ? o : e; \
                square(from + i * ldf + j, ldf, to + j * ldt + i, ldt); \
            }

static void TURN_PASTE(turn, SUFFIX)(
    ptrdiff_t rows, ptrdiff_t cols, const ELEMENT *from, ptrdiff_t ldf, ELEMENT *to, ptrdiff_t ldt)
{
#ifdef TURN_EIGHTS
    if (rows >= 8 && cols >= 8) {
        TURN_ALL(8, turn_eight)
        return;
    }
#endif
#ifdef TURN_SQUARES
    if (rows >= 4 && cols >= 4) {
        TURN_ALL(4, turn_four)
        return;
    }
#endif
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < cols; j++)
            to[j * ldt + i] = from[i * ldf + j];
}
#undef TURN_ALL
#undef TURN_BYTES
#undef TURN_EIGHTS
#undef turn_four
#undef vec4
#endif
