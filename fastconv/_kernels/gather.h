/* Rows of a transposed convolution of few channels: each vector of input serves all `s` phases of output above it.
 *
 *     out[s * u + f] = bias + sum over line, q of  w[line][first - s * q + f] * x[line][u + q],      0 <= f < s
 *
 *     x        x0 x1 x2 x3 ...            A line is a row of input and the row of taps that meets it. Step q multiplies
 *     phase 0  a0 a1 a2 a3 ...            the inputs from q on with s neighbouring taps, one a phase; at both ends of
 *     phase 1  b0 b1 b2 b3 ...            the row of taps some phases have none. The sums stay in registers and are
 *     out      a0 b0 a1 b1 a2 b2 ...      woven there (`weave.h`): the output is written once and in its order.
 *
 * Terms are added in the order (line, q) wherever an output lies. The file includes itself once per element type.
 */
#ifndef FASTCONV_GATHER_H
#define FASTCONV_GATHER_H

#include "keep.h"
#include "simd.h"
#include "weave.h"

#define GATHER_WAYS 4    /* phases at most */
#define GATHER_VECTORS 4 /* of a phase */

typedef struct {
    ptrdiff_t s, kw;        /* phases, and taps of a row */
    ptrdiff_t steps, first; /* of q, and the tap of phase 0 at q = 0 */
    ptrdiff_t pitch, ldo;   /* from one row to the next: of x, of out */
} gather_shape;

#define BYTES VECTOR_BYTES
#define LATER_BY_TWO(i) ((i) + 2)
#define EACH_TYPE "gather.h"
#include "each_float.h"
#undef EACH_TYPE
#undef BYTES

/* `n` outputs from `out` on, and as many in each of the next `rows` - 1 rows, which lines of x a row further on make
 * up. Lines are readable up to a vector beyond what is needed. */
static inline void gather_rows(size_t size, const gather_shape *g, ptrdiff_t rows, ptrdiff_t lines,
                               const void *const *x, const void *const *w, double bias, void *out, ptrdiff_t n)
{
    if (size == sizeof(float))
        gather_rows_f32(g, rows, lines, (const float *const *)x, (const float *const *)w, (float)bias, out, n);
    else
        gather_rows_f64(g, rows, lines, (const double *const *)x, (const double *const *)w, bias, out, n);
}

#elif defined(ELEMENT)

#define LANES LANES_OF(ELEMENT)
#define vec PASTE(vec, SUFFIX)
#define run PASTE(gather_run, SUFFIX)
#define store PASTE(weave_some, SUFFIX)
#define COLUMN(v) ((v) < nv - 1 ? (v) * LANES : last)

/* acc[v][f] += taps[f] * a[v] for low <= f < high, and on to the taps of the next step. */
#define ADD_UP(a, low, high) do { \
        UNROLL for (ptrdiff_t f = 0; f < s; f++) \
            if (f >= (low) && f < (high)) { \
                const ELEMENT weight = taps[f]; \
                UNROLL for (ptrdiff_t v = 0; v < nv; v++) \
                    acc[v][f] += weight * a[v]; \
            } \
        taps -= s; \
    } while (0)

/* The same with the vectors that a step begins with. */
#define STEP(low, high) do { \
        vec a[GATHER_VECTORS]; \
        UNROLL for (ptrdiff_t v = 0; v < nv; v++) { \
            a[v] = *(const vec *)(from + COLUMN(v)); \
            LOADED_ONCE(a[v]); \
        } \
        ADD_UP(a, low, high); \
        from++; \
    } while (0)

/* Windows u to u + (nv - 1) * LANES and from u + last on, to `out`, of which n elements are written. s, nv, head and
 * tail are constants in every caller, so that the sums unroll into registers: head is how many phases the first step
 * has, tail the first phase of the last step; shifts, as many as there are steps if that is a constant too, or 0. */
static ALWAYS_INLINE void run(const ptrdiff_t s, const ptrdiff_t nv, const ptrdiff_t head, const ptrdiff_t tail,
                              const ptrdiff_t shifts, const gather_shape *g, const ptrdiff_t lines,
                              const ELEMENT *const *x, const ELEMENT *const *w, const ELEMENT bias, ELEMENT *out,
                              const ptrdiff_t u, const ptrdiff_t last, const ptrdiff_t n)
{
    const ptrdiff_t whole = (shifts > 1 ? shifts : g->steps) - (head < s) - (tail > 0), first = g->first;
    vec acc[GATHER_VECTORS][GATHER_WAYS];
    UNROLL for (ptrdiff_t v = 0; v < nv; v++)
        UNROLL for (ptrdiff_t f = 0; f < s; f++)
            acc[v][f] = (vec){0};
    for (ptrdiff_t line = 0; line < lines; line++) {
        const ELEMENT *from = x[line] + u, *taps = w[line] + first;
#if defined(SHUFFLES) && VECTOR_BYTES == 64
        if (shifts > 1) { /* vectors of 64 bytes cross a line wherever they begin: rather shifted than loaded again */
            vec here[GATHER_VECTORS], next[GATHER_VECTORS], a[GATHER_VECTORS];
            UNROLL for (ptrdiff_t v = 0; v < nv; v++)
                here[v] = *(const vec *)(from + COLUMN(v));
            UNROLL for (ptrdiff_t v = 0; v < nv; v++)
                next[v] = v + 2 < nv ? here[v + 1] : *(const vec *)(from + COLUMN(v) + LANES);
            ADD_UP(here, 0, head);
            UNROLL for (ptrdiff_t v = 0; v < nv; v++)
                a[v] = SHUFFLE(here[v], next[v], LATER);
            ADD_UP(a, shifts == 2 ? tail : 0, s);
            if (shifts == 3) {
                UNROLL for (ptrdiff_t v = 0; v < nv; v++)
                    a[v] = SHUFFLE(here[v], next[v], LATER_BY_TWO);
                ADD_UP(a, tail, s);
            }
            continue;
        }
#endif
        if (whole < 0) { /* one step, which begins after the first phase and ends before the last */
            STEP(tail, head);
            continue;
        }
        if (head < s)
            STEP(0, head);
        for (ptrdiff_t q = 0; q < whole; q++)
            STEP(0, s);
        if (tail > 0)
            STEP(tail, s);
    }
    UNROLL for (ptrdiff_t v = 0; v < nv; v++) {
        const ptrdiff_t most = n - s * COLUMN(v), some = s * LANES;
        UNROLL for (ptrdiff_t f = 0; f < s; f++)
            acc[v][f] += bias;
        if (v < nv - 1 || most >= some) {
            store((int)s, acc[v], out + s * COLUMN(v), some);
        } else if (most > some - s) { /* phases that have one output less than others */
            UNROLL for (ptrdiff_t f = 1; f < s; f++)
                if (most == some - f)
                    store((int)s, acc[v], out + s * COLUMN(v), some - f);
        } else {
            store((int)s, acc[v], out + s * COLUMN(v), most);
        }
    }
}

#define RUN(ways, count, head, tail, shifts) \
    for (ptrdiff_t r = 0; r < rows; r++) \
        run(ways, count, head, tail, shifts, g, lines, x, w, bias, out + r * g->ldo, u + r * g->pitch, \
            (count) > 1 ? width - LANES : 0, n)
#define BLOCK(ways, count) \
    case count: \
        RUN(ways, count, head, tail, 0); \
        break;
#define BLOCK_OF_TWO(count) /* most layers' stride: kernels of 2 to 4 taps and of 5 have constants of their own */ \
    case count: \
        if (g->steps == 2 && head == 2 && tail == 0) \
            RUN(2, count, 2, 0, 2); \
        else if (g->steps == 2 && head == 2) \
            RUN(2, count, 2, 1, 2); \
        else if (g->steps == 2 && tail == 0) \
            RUN(2, count, 1, 0, 2); \
        else if (g->steps == 3 && head == 1 && tail == 1) \
            RUN(2, count, 1, 1, 3); \
        else if (g->steps == 3 && head == 2 && tail == 1) \
            RUN(2, count, 2, 1, 3); \
        else \
            RUN(2, count, head, tail, 0); \
        break;
#define WIDTHS(ways, most, blocks) \
    for (ptrdiff_t u = 0; n > 0; u += width, n -= ways * width, out += ways * width) { \
        width = (n + ways - 1) / ways < (most) * LANES ? (n + ways - 1) / ways : (most) * LANES; \
        switch ((width + LANES - 1) / LANES) { blocks } \
    }
static NEVER_INLINE void PASTE(gather_rows, SUFFIX)(
    const gather_shape *g, ptrdiff_t rows, ptrdiff_t lines, const ELEMENT *const *x, const ELEMENT *const *w,
    ELEMENT bias, ELEMENT *out, ptrdiff_t n)
{
    const ptrdiff_t head = g->kw - g->first < g->s ? g->kw - g->first : g->s;
    const ptrdiff_t end = g->first - g->s * (g->steps - 1), tail = end < 0 ? -end : 0;
    ptrdiff_t width;
    if (g->s == 2)
        WIDTHS(2, 4, BLOCK_OF_TWO(1) BLOCK_OF_TWO(2) BLOCK_OF_TWO(3) BLOCK_OF_TWO(4))
    else if (g->s == 3)
        WIDTHS(3, 2, BLOCK(3, 1) BLOCK(3, 2))
    else
        WIDTHS(4, 2, BLOCK(4, 1) BLOCK(4, 2))
}
#undef RUN
#undef STEP
#undef ADD_UP
#undef BLOCK_OF_TWO
#undef BLOCK
#undef WIDTHS
#undef COLUMN
#undef store
#undef run
#undef vec
#undef LANES
#endif
