/* 3 x 3 windows at stride 1 with channels last, row by row of the image, as `flow.h` has them for planes: pixels next
 * to each other are combined along the row first, and what results with the two rows before it, which are kept.
 *
 *     left, mid, right  ->  now        older, old, now  ->  out        now takes the place of older
 *
 * The file includes itself once per element type.
 */
#ifndef FASTCONV_FLOW_LAST_H
#define FASTCONV_FLOW_LAST_H

#include "fold.h"

#define EACH_TYPE "flow_last.h"
#include "each_type.h"
#undef EACH_TYPE

#define flow_run(out, left, mid, right, older, old, n, end, edge, kind) \
    BY_TYPE(flow_run, older)(out, left, mid, right, older, old, n, end, edge, kind)

#elif defined(ELEMENT)

#define vec NAMED(fold_vec)
#define mask NAMED(fold_mask)
#define LANES (VECTOR_BYTES ? VECTOR_BYTES / ELEMENT_BYTES : 1)

/* Elements of a run of pixels, n from a vector on, whose vectors are side by side in `older` and `old`; the last may
 * overlap the one before in the others. `out` may be NULL. Arguments from `put` on are constants. */
#define part NAMED(flow_part)
static ALWAYS_INLINE int part(ELEMENT *out, const ELEMENT *left, const ELEMENT *mid, const ELEMENT *right,
                              ELEMENT *older, const ELEMENT *old, ptrdiff_t n, const FoldEnd *end, const int put,
                              const int edge, const int kind)
{
    const ELEMENT by = (ELEMENT)end->by;
    vec seen = {0};
#define STEP(from) do { \
        const ptrdiff_t at = from; \
        const vec a = *(const vec *)(left + at), c = *(const vec *)(right + at); \
        vec b = *(const vec *)(mid + at); \
        if (FRACTIONS && kind == FOLD_LARGEST) { \
            LOADED_ONCE(b); \
            seen += b; \
        } \
        if (FRACTIONS && kind == FOLD_LARGEST && edge) \
            seen += a + c; \
        const vec now = NAMED(fold_both)(NAMED(fold_both)(a, b, kind), c, kind); \
        if (put) { \
            vec all = NAMED(fold_both)(*(const vec *)(older + i), *(const vec *)(old + i), kind); \
            all = NAMED(fold_both)(all, now, kind); \
            if (kind == FOLD_SUM && end->kind == FOLD_DIVIDED) \
                all /= by; \
            if (kind == FOLD_SUM && end->kind == FOLD_SCALED) \
                all *= by; \
            *(vec *)(out + at) = all; \
        } \
        *(vec *)(older + i) = now; \
    } while (0)
    ptrdiff_t i = 0;
    for (; i < n - LANES; i += LANES)
        STEP(i);
    STEP(n - LANES);
#undef STEP
#ifdef FLOATING
    if (kind == FOLD_LARGEST)
        return NAMED(fold_lost)(seen);
#endif
    return 0;
}

/* The same; says whether a NaN may have been lost. The pixels at an `edge` are seen with those beside them. */
static NEVER_INLINE int NAMED(flow_run)(ELEMENT *out, const ELEMENT *left, const ELEMENT *mid, const ELEMENT *right,
                                        ELEMENT *older, const ELEMENT *old, ptrdiff_t n, const FoldEnd *end, int edge,
                                        int kind)
{
#define PART(edge, kind) (out ? part(out, left, mid, right, older, old, n, end, 1, edge, kind) \
                              : part(out, left, mid, right, older, old, n, end, 0, edge, kind))
    if (FRACTIONS && kind == FOLD_SUM)
        return PART(0, FOLD_SUM);
    if (FRACTIONS && kind == FOLD_CAREFUL)
        return PART(0, FOLD_CAREFUL);
    return edge ? PART(1, FOLD_LARGEST) : PART(0, FOLD_LARGEST);
#undef PART
}
#undef part
#undef vec
#undef mask
#undef LANES
#endif
