/* The largest or the sum of many rows, element by element, and of one long row.
 *
 *     fold_rows:  to[j] = x[j] (+) x[j + step] (+) ... (+) x[j + (count - 1) * step],    0 <= j < n
 *     fold_row:   to[0] = x[0] (+) ... (+) x[n - 1]
 *
 * FOLDED vectors go down side by side in registers; one long row is as many rows as wide. A sum of more than CHUNK rows
 * is the sum of its halves, so that rounding errors grow with the logarithm of the count [1]. Maxima let NaN get lost,
 * notice that by a sum, and start again, as in `strips.h`.
 *
 * [1] N. J. Higham, "The accuracy of floating point summation", SIAM J. Sci. Comput. 14 (1993) 783-799,
 *     doi:10.1137/0914050.
 *
 * The file includes itself once per element type.
 */
#ifndef FASTCONV_FOLD_H
#define FASTCONV_FOLD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "simd.h"
#include "vectors.h"

#define FOLDED 4
enum { FOLD_LARGEST, FOLD_CAREFUL, FOLD_SUM };

#define EACH_TYPE "fold.h"
#include "each_type.h"
#undef EACH_TYPE

#define fold_rows(to, x, step, count, n, maximum) BY_TYPE(fold_rows, to)(to, x, step, count, n, maximum)
#define fold_row(to, x, n, maximum) BY_TYPE(fold_row, to)(to, x, n, maximum)

#else

#define vec NAMED(fold_vec)
#define mask NAMED(fold_mask)
#define LANES (VECTOR_BYTES ? VECTOR_BYTES / ELEMENT_BYTES : 1)
#if VECTOR_BYTES
typedef ELEMENT vec __attribute__((vector_size(VECTOR_BYTES), aligned(ELEMENT_BYTES), may_alias));
typedef BITS mask __attribute__((vector_size(VECTOR_BYTES)));
#else
typedef ELEMENT vec;
typedef BITS mask;
#endif

static ALWAYS_INLINE vec NAMED(fold_both)(vec a, vec b, int kind)
{
#ifdef FLOATING
    if (kind == FOLD_SUM)
        return a + b;
    if (kind == FOLD_CAREFUL)
        return SELECT(vec, mask, (mask)(a > b) | (mask)(a != a), a, b);
#endif
    return SELECT(vec, mask, (mask)(a > b), a, b);
}

static ALWAYS_INLINE ELEMENT NAMED(fold_two)(ELEMENT a, ELEMENT b, int maximum)
{
    return maximum ? NAMED(larger)(a, b) : (ELEMENT)(a + b);
}

/* all[i], of `width` vectors side by side, over count >= 1 rows. Says whether a NaN may have been lost. */
static ALWAYS_INLINE int NAMED(fold_some)(const ELEMENT *x, ptrdiff_t step, ptrdiff_t count, int width, int kind,
                                          vec *all)
{
    vec v[FOLDED], seen[FOLDED];
    UNROLL for (int i = 0; i < width; i++)
        v[i] = seen[i] = *(const vec *)(x + i * LANES);
    for (ptrdiff_t k = 1; k < count; k++)
        UNROLL for (int i = 0; i < width; i++) {
            const vec next = *(const vec *)(x + k * step + i * LANES);
            v[i] = NAMED(fold_both)(v[i], next, kind);
#ifdef FLOATING
            if (kind == FOLD_LARGEST)
                seen[i] += next;
#endif
        }
    UNROLL for (int i = 0; i < width; i++)
        all[i] = v[i];
#ifdef FLOATING
    if (kind == FOLD_LARGEST) {
        UNROLL for (int i = 1; i < width; i++)
            seen[0] += seen[i];
        ELEMENT sum[LANES], nan = 0;
        memcpy(sum, seen, sizeof sum);
        UNROLL for (int i = 0; i < LANES; i++)
            nan += sum[i];
        return nan != nan;
    }
#endif
    return 0;
}

static NEVER_INLINE void NAMED(fold_largest)(const ELEMENT *x, ptrdiff_t step, ptrdiff_t count, int width, vec *all)
{
    if (width == FOLDED) {
        if (NAMED(fold_some)(x, step, count, FOLDED, FOLD_LARGEST, all))
            NAMED(fold_some)(x, step, count, FOLDED, FOLD_CAREFUL, all);
    } else if (NAMED(fold_some)(x, step, count, 1, FOLD_LARGEST, all))
        NAMED(fold_some)(x, step, count, 1, FOLD_CAREFUL, all);
}

static NEVER_INLINE void NAMED(fold_sum)(const ELEMENT *x, ptrdiff_t step, ptrdiff_t count, int width, vec *all)
{
    if (count > CHUNK) {
        vec rest[FOLDED];
        NAMED(fold_sum)(x, step, count / 2, width, all);
        NAMED(fold_sum)(x + count / 2 * step, step, count - count / 2, width, rest);
        for (int i = 0; i < width; i++)
            all[i] += rest[i];
    } else if (width == FOLDED)
        NAMED(fold_some)(x, step, count, FOLDED, FOLD_SUM, all);
    else
        NAMED(fold_some)(x, step, count, 1, FOLD_SUM, all);
}

static inline void NAMED(fold_all)(const ELEMENT *x, ptrdiff_t step, ptrdiff_t count, int width, int maximum, vec *all)
{
    if (maximum)
        NAMED(fold_largest)(x, step, count, width, all);
    else
        NAMED(fold_sum)(x, step, count, width, all);
}

/* The same for one element of each row. */
static ELEMENT NAMED(fold_one)(const ELEMENT *x, ptrdiff_t step, ptrdiff_t count, int maximum)
{
    if (!maximum && count > CHUNK)
        return NAMED(fold_one)(x, step, count / 2, 0)
            + NAMED(fold_one)(x + count / 2 * step, step, count - count / 2, 0);
    ELEMENT all = x[0];
    for (ptrdiff_t k = 1; k < count; k++)
        all = NAMED(fold_two)(all, x[k * step], maximum);
    return all;
}

static void NAMED(fold_rows)(ELEMENT *to, const ELEMENT *x, ptrdiff_t step, ptrdiff_t count, ptrdiff_t n, int maximum)
{
    vec all[FOLDED];
    ptrdiff_t j = 0;
    for (; j + FOLDED * LANES <= n; j += FOLDED * LANES) {
        NAMED(fold_all)(x + j, step, count, FOLDED, maximum, all);
        memcpy(to + j, all, sizeof all);
    }
    for (; j < n && n >= LANES; j += LANES) {
        j = j + LANES > n ? n - LANES : j;
        NAMED(fold_all)(x + j, step, count, 1, maximum, all);
        *(vec *)(to + j) = all[0];
    }
    for (; j < n; j++)
        to[j] = NAMED(fold_one)(x + j, step, count, maximum);
}

static void NAMED(fold_row)(ELEMENT *to, const ELEMENT *x, ptrdiff_t n, int maximum)
{
    if (n < LANES) {
        *to = NAMED(fold_one)(x, 1, n, maximum);
        return;
    }
    vec all[FOLDED];
    const int width = n < FOLDED * LANES ? 1 : FOLDED, kind = maximum ? FOLD_CAREFUL : FOLD_SUM;
    const ptrdiff_t whole = n / (width * LANES) * (width * LANES), single = (n - whole) / LANES;
    NAMED(fold_all)(x, width * LANES, n / (width * LANES), width, maximum, all);
    for (int i = 1; i < width; i++)
        all[0] = NAMED(fold_both)(all[0], all[i], kind);
    for (ptrdiff_t i = 0; i < single; i++)
        all[0] = NAMED(fold_both)(all[0], *(const vec *)(x + whole + i * LANES), kind);
    ELEMENT lanes[LANES];
    memcpy(lanes, all, sizeof lanes);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] = NAMED(fold_two)(lanes[i], lanes[i + half], maximum);
    for (ptrdiff_t i = whole + single * LANES; i < n; i++)
        lanes[0] = NAMED(fold_two)(lanes[0], x[i], maximum);
    *to = lanes[0];
}
#undef vec
#undef mask
#undef LANES
#endif
