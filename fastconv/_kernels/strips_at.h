/* The windows of `strips.h`, with the place of each maximum: its index in the plane, of the first of equals.
 *
 *     taps of row 0:  a c e g   b d f h   c e g .        v     the largest of a window so far
 *     their keys:      0 0 0 0   1 1 1 1   2 2 2 2        key   which tap that was, as its distance in the plane
 *
 * Taps are taken in the order of their indices: along each row of a window as in `strips.h`, then the largest of rows
 * from above, depth by depth. Keys are as wide as elements and become indices at the end. Rows and columns beside the
 * image are those at its edge once more: their elements are in the window too, and have the same keys; depths beside it
 * are left out. NaN may get lost at first, is noticed by a sum, and the rows are taken again.
 *
 * For elements of 4 and 8 bytes. The file includes itself once per element type and width of vector.
 */
#ifndef FASTCONV_STRIPS_AT_H
#define FASTCONV_STRIPS_AT_H

#include "keep.h"
#include "strips.h"

#ifdef SHUFFLES
#define EACH_TYPE "strips_at.h"
#include "each_type.h"
#undef EACH_TYPE
/* Rows y0 to y1 of the output of the plane x, whose first element has the index `base`. */
#define pool_strips_at(s, x, out, index, base, y0, y1) \
    _Generic((out), float *: strips_at_f32, double *: strips_at_f64, int32_t *: strips_at_i32, \
             int64_t *: strips_at_i64, default: strips_at_none)(s, x, out, index, base, y0, y1)
#else
#define pool_strips_at(s, x, out, index, base, y0, y1) strips_at_none(s, x, out, index, base, y0, y1)
#endif
static inline void strips_at_none(const Strips *s, const void *x, void *out, int64_t *index, int64_t base, ptrdiff_t y0,
                                  ptrdiff_t y1)
{
    (void)s, (void)x, (void)out, (void)index, (void)base, (void)y0, (void)y1;
}

#elif ELEMENT_BYTES < 4

#elif !defined(BYTES)

#define LEAST_BYTES 16
#define EACH_WIDTH "strips_at.h"
#include "each_width.h"
#undef EACH_WIDTH
#undef LEAST_BYTES

static void NAMED(strips_at)(const Strips *s, const ELEMENT *x, ELEMENT *out, int64_t *index, int64_t base,
                             ptrdiff_t y0, ptrdiff_t y1)
{
#if VECTOR_BYTES >= 64
    if (s->bytes == 64)
        PASTE(NAMED(strips_at), 64)(s, x, out, index, base, y0, y1);
#endif
#if VECTOR_BYTES >= 32
    if (s->bytes == 32)
        PASTE(NAMED(strips_at), 32)(s, x, out, index, base, y0, y1);
#endif
    if (s->bytes == 16)
        PASTE(NAMED(strips_at), 16)(s, x, out, index, base, y0, y1);
}

#else

#define vec WIDE(at_vec)
#define mask WIDE(at_mask)
#define wide WIDE(at_wide)
typedef ELEMENT vec __attribute__((vector_size(BYTES), aligned(ELEMENT_BYTES), may_alias));
typedef BITS mask __attribute__((vector_size(BYTES)));
typedef int64_t wide __attribute__((vector_size(COUNT * 8), aligned(8), may_alias));

#define lanes WIDE(at_lanes)
typedef struct {
    vec v;
    mask key;
} lanes;

#define rows_of WIDE(at_rows_of)
typedef struct {
    const ELEMENT *in[3]; /* in the first depth, */
    BITS key[3];          /* the index of the first element */
    ELEMENT *out;
    int64_t *index;
} rows_of;

#ifdef FLOATING
#define SEE(a) (*seen += (a))
#else
#define SEE(a) ((void)seen)
#endif

/* The larger of both, a if they are equal. */
#define larger WIDE(at_larger)
static ALWAYS_INLINE lanes larger(lanes a, vec v, mask key, int kind)
{
    lanes all;
#ifdef FLOATING
    if (kind == STRIP_CAREFUL) {
        const mask better = ((mask)(v > a.v) | (mask)(v != v)) & (mask)(a.v == a.v);
        return (lanes){SELECT(vec, mask, better, v, a.v), (better & key) | (~better & a.key)};
    }
#endif
    vec before = a.v; /* another vector to the compiler: the maximum is not to wait for the comparison */
    LOADED_ONCE(before);
    _Pragma("GCC unroll 1") for (int i = 0; i < COUNT; i++)
        all.key[i] = v[i] > before[i] ? key[i] : a.key[i];
    LARGER_LANES(all.v, v, a.v);
    return all;
}

#define COLUMN(i) (i) /* as constants: a loop would be run */

/* The largest of `all`, if there are `more`, and of the rows of one depth of windows whose first column is c. In a
 * `narrow` row the last one, marked by `at_edge`, may be at the edge of the image. */
#define depth WIDE(at_depth)
static ALWAYS_INLINE lanes depth(const Strips *s, const rows_of *r, lanes all, int more, ptrdiff_t away, BITS farther,
                                 ptrdiff_t c, int odd, int kernel, int stride, int kind, int narrow, mask at_edge,
                                 vec *seen)
{
    const ptrdiff_t middle = kernel == 3 ? c + 1 : c;
    const ptrdiff_t from = stride == 1 ? middle : odd ? 0 : c, to = from + stride * COUNT;
    /* beside the image is the column at its edge once more */
    const int first = from == 0, last = to == s->iw && !narrow;
    const mask edge = {c < 0};
    UNROLL for (int i = 0; i < kernel; i++) {
        const int news = i >= kernel - stride; /* what earlier windows have seen is not seen again */
        const ELEMENT *x = r->in[i] + away;
        const vec a = *(const vec *)(x + from), before = {x[from - !first]}, after = {x[to - last]};
        const mask key = r->key[i] + farther - (mask){0};
        vec tap[3];
        if (news)
            SEE(a);
        if (news && (kernel == 3 || stride == 1))
            SEE(after);
        if (news && stride == 1)
            SEE(before);
        if (stride == 1 && kernel == 2) {
            tap[0] = a, tap[1] = SHUFFLE(a, after, LATER);
        } else if (stride == 1) {
            tap[0] = SHUFFLE(a, before, EARLIER), tap[1] = a, tap[2] = SHUFFLE(a, after, LATER);
        } else {
            const vec b = *(const vec *)(x + from + COUNT);
            vec evens, odds;
            EVENS_AND_ODDS(vec, evens, odds, a, b);
            if (news)
                SEE(b);
            if (odd)
                tap[0] = SHUFFLE(odds, before, EARLIER), tap[1] = evens, tap[2] = odds;
            else
                tap[0] = evens, tap[1] = odds, tap[2] = SHUFFLE(evens, after, LATER);
        }
        if (narrow && kernel == 3)
            tap[2] = SELECT(vec, mask, at_edge, tap[1], tap[2]);
        lanes row = {tap[0], kernel == 3 && c < 0 ? key + edge : key};
        UNROLL for (int k = 1; k < kernel; k++)
            row = larger(row, tap[k], key + k, kind);
        all = i || more ? larger(all, row.v, row.key, kind) : row;
    }
    return all;
}

/* The windows of outputs j on, which have several depths if `deep`. */
#define windows WIDE(at_windows)
static ALWAYS_INLINE void windows(const Strips *s, const rows_of *r, ptrdiff_t j, int odd, int kernel, int stride,
                                  int kind, int deep, int narrow, mask at_edge, vec *seen)
{
    const ptrdiff_t c = j * stride - s->pw;
    const mask column = stride * (mask){LIST(COLUMN, 0)};
    lanes all = {{0}, {0}};
    all = depth(s, r, all, 0, 0, 0, c, odd, kernel, stride, kind, narrow, at_edge, seen);
    for (ptrdiff_t d = 1; deep && d < s->depths; d++)
        all = depth(s, r, all, 1, d * s->apart, (BITS)(d * s->places), c, odd, kernel, stride, kind, narrow, at_edge,
                    seen);
    *(vec *)(r->out + j) = all.v;
    *(wide *)(r->index + j) = __builtin_convertvector(all.key + column + (BITS)c, wide);
}

/* Rows y0 to y1. Says whether a NaN may have been lost. */
#define rows WIDE(at_rows)
static ALWAYS_INLINE int rows(const Strips *given, const ELEMENT *x, ELEMENT *out, int64_t *index, int64_t base,
                              ptrdiff_t y0, ptrdiff_t y1, int kernel, int stride, int kind, int deep, int narrow)
{
    const Strips copy = *given, *const s = &copy; /* which no store can change */
    const int far = s->ih * s->ldx * ELEMENT_BYTES >= STRIP_FAR;
    vec sum = {0}, *seen = &sum;
    const mask number = {LIST(COLUMN, 0)}, at_edge = (mask)(number == (BITS)(strip_beyond(s) > 0 ? s->ow - 1 : -1));
    for (ptrdiff_t y = y0; y < y1; y++) {
        rows_of r = {{0}, {0}, out + y * s->ow, index + y * s->ow};
        UNROLL for (int i = 0; i < kernel; i++) {
            const ptrdiff_t at = y * stride - s->ph + i, inside = at < 0 ? 0 : at < s->ih ? at : s->ih - 1;
            r.in[i] = x + inside * s->ldx;
            r.key[i] = (BITS)(base + inside * s->iw);
        }
        for (int i = 0; y == y0 && i < kernel - stride; i++) /* no earlier windows have seen these */
            for (ptrdiff_t d = 0; d < (deep ? s->depths : 1); d++)
                for (ptrdiff_t c = 0; c < s->iw; c += COUNT)
                    SEE(*(const vec *)(r.in[i] + d * s->apart + (narrow || c + COUNT <= s->iw ? c : s->iw - COUNT)));
        if (narrow)
            windows(s, &r, 0, stride == 2 && kernel == 3 && s->pw, kernel, stride, kind, 0, 1, at_edge, seen);
        for (ptrdiff_t j = 0; j < s->ow && !narrow; j += COUNT) {
            if (j + COUNT > s->ow)
                j = s->ow - COUNT;
            if (stride == 2 && far)
                fetch_ahead((const char *)r.in[kernel - 2] + STRIP_AHEAD + 4 * j * ELEMENT_BYTES, 4 * BYTES);
            if (stride == 2 && kernel == 3 && j < s->pw)
                windows(s, &r, j, 1, kernel, stride, kind, deep, 0, at_edge, seen);
            else
                windows(s, &r, j, 0, kernel, stride, kind, deep, 0, at_edge, seen);
        }
    }
    return WIDE(lost)(sum);
}

/* A function for each kind of rows. */
#define KIND(kernel, stride, kind, deep, narrow) \
    rows(s, x, out, index, base, y0, y1, kernel, stride, kind, deep, narrow)
#define EACH_KIND(kind, deep, narrow) \
    (s->kernel == 2 && s->stride == 2 ? KIND(2, 2, kind, deep, narrow) \
     : s->kernel == 2                 ? KIND(2, 1, kind, deep, narrow) \
     : s->stride == 2                 ? KIND(3, 2, kind, deep, narrow) \
                                      : KIND(3, 1, kind, deep, narrow))
#define PARAMETERS \
    (const Strips *s, const ELEMENT *x, ELEMENT *out, int64_t *index, int64_t base, ptrdiff_t y0, ptrdiff_t y1)

/* Rows with a NaN once more: seldom, so one function for rows of all kinds. */
static COLD void WIDE(careful_at) PARAMETERS
{
    EACH_KIND(STRIP_CAREFUL, 1, s->narrow);
}

#define STRIPS_AT(name, deep, narrow) \
    static NEVER_INLINE void WIDE(name) PARAMETERS \
    { \
        if (EACH_KIND(STRIP_LARGEST, deep, narrow)) \
            WIDE(careful_at)(s, x, out, index, base, y0, y1); \
    }
STRIPS_AT(flat_at, 0, 0)
STRIPS_AT(deep_at, 1, 0)
STRIPS_AT(narrow_at, 0, 1)

static inline void WIDE(strips_at) PARAMETERS
{
    if (s->narrow)
        WIDE(narrow_at)(s, x, out, index, base, y0, y1);
    else if (s->deep)
        WIDE(deep_at)(s, x, out, index, base, y0, y1);
    else
        WIDE(flat_at)(s, x, out, index, base, y0, y1);
}
#undef STRIPS_AT
#undef PARAMETERS
#undef EACH_KIND
#undef KIND
#undef SEE
#undef COLUMN
#undef vec
#undef mask
#undef wide
#undef lanes
#undef rows_of
#undef larger
#undef depth
#undef windows
#undef rows
#endif
