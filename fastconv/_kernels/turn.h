/* Transposing a block: to[j * ldt + i] = from[i * ldf + j], i < rows, j < cols, in squares of four held in registers.
 *
 *     a b c d        a e . .      Four rows are loaded, interleaved twice and stored as four columns: two shuffles for
 *     e f g h   ->   b f . .      each row instead of sixteen single stores. What is left at the edges goes one by one.
 *     . . . .        c g . .
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

#define TURN_PASTE_(a, b) a##_##b
#define TURN_PASTE(a, b) TURN_PASTE_(a, b)

#define ELEMENT float
#define SUFFIX f32
#include "turn.h"
#undef ELEMENT
#undef SUFFIX
#define ELEMENT double
#define SUFFIX f64
#include "turn.h"
#undef ELEMENT
#undef SUFFIX

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

#define FUNCTION TURN_PASTE(turn, SUFFIX)
#ifdef TURN_SQUARES
#define vec4 TURN_PASTE(vec4, SUFFIX)
typedef ELEMENT vec4 __attribute__((vector_size(4 * sizeof(ELEMENT)), aligned(sizeof(ELEMENT)), may_alias));
#endif

static void FUNCTION(ptrdiff_t rows, ptrdiff_t cols, const ELEMENT *from, ptrdiff_t ldf, ELEMENT *to, ptrdiff_t ldt)
{
    ptrdiff_t i = 0;
#ifdef TURN_SQUARES
    for (; i + 4 <= rows; i += 4) {
        ptrdiff_t j = 0;
        for (; j + 4 <= cols; j += 4) {
            const ELEMENT *p = from + i * ldf + j;
            ELEMENT *q = to + j * ldt + i;
            const vec4 a = *(const vec4 *)p, b = *(const vec4 *)(p + ldf);
            const vec4 c = *(const vec4 *)(p + 2 * ldf), d = *(const vec4 *)(p + 3 * ldf);
            const vec4 ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            const vec4 cd0 = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd1 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
            *(vec4 *)q = __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5);
            *(vec4 *)(q + ldt) = __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7);
            *(vec4 *)(q + 2 * ldt) = __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5);
            *(vec4 *)(q + 3 * ldt) = __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7);
        }
        for (; j < cols; j++)
            for (ptrdiff_t r = i; r < i + 4; r++)
                to[j * ldt + r] = from[r * ldf + j];
    }
#endif
    for (; i < rows; i++)
        for (ptrdiff_t j = 0; j < cols; j++)
            to[j * ldt + i] = from[i * ldf + j];
}
#undef FUNCTION
#undef vec4
#endif
