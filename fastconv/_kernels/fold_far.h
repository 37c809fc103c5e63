/* Windows of images from beyond the L2 cache (`far.h`), of pixels longer than a vector.
 *
 * A part of `fold.h`, which includes it once per element type.
 */

#define FAR_VECTORS (FAR_CHUNK / ELEMENT_BYTES / LANES)

/* Asks for `width` vectors of the taps, of a window that lies FAR_AHEAD further on, that the one before it lacks. */
static ALWAYS_INLINE void NAMED(fold_ask)(const ELEMENT *x, const Fold *f, int width)
{
    const ptrdiff_t first = f->taps > f->fresh ? f->taps - f->fresh : 0;
    for (ptrdiff_t r = 0; r < f->rows; r++)
        for (ptrdiff_t k = first; k < f->taps; k++)
            for (int i = 0; i < width; i++)
                FETCH_TO_L2((const char *)(x + r * f->row + k * f->tap + i * LANES) + FAR_AHEAD);
}

/* Whether windows are folded in passes; a long sum has an order of its own. */
static ALWAYS_INLINE int NAMED(fold_is_far)(const Fold *f, ptrdiff_t n, int kind)
{
    const ptrdiff_t count = f->rows * f->taps;
    return f->fresh >= f->taps && n > LANES && count > 1 && !(kind == FOLD_SUM && count > CHUNK);
}

/* One tap of `many` vectors into all[], the last of which starts at `last`: a window's first tap, or one that is to
 * become a result, or neither. */
static ALWAYS_INLINE void NAMED(fold_pass)(ELEMENT *to, const ELEMENT *x, ptrdiff_t many, ptrdiff_t last,
                                           const Quotient *over, const int first, const int put, const int kind,
                                           vec *all, vec *seen)
{
    const ptrdiff_t whole = many - (last < (many - 1) * LANES);
    ptrdiff_t i = 0;
#define STEP(i, from, lane) do { \
        vec next = *(const vec *)(x + (from)); \
        if (FRACTIONS && kind == FOLD_LARGEST) { \
            LOADED_ONCE(next); \
            seen[lane] += next; \
        } \
        if (!first) \
            next = NAMED(fold_both)(all[i], next, kind); \
        if (put && kind == FOLD_SUM) \
            FOLD_OVER(next, *over); \
        if (put) \
            *(vec *)(to + (from)) = next; \
        else \
            all[i] = next; \
    } while (0)
    for (; i + FOLDED <= whole; i += FOLDED)
        UNROLL for (int lane = 0; lane < FOLDED; lane++)
            STEP(i + lane, (i + lane) * LANES, lane);
    for (; i < many; i++)
        STEP(i, i < whole ? i * LANES : last, 0);
#undef STEP
}

/* All windows of a run, of at most FAR_VECTORS; gives the sum of what may be NaN. */
static ALWAYS_INLINE vec NAMED(fold_far_as)(ELEMENT *to, const ELEMENT *x, const Fold *f, const FoldRun *run,
                                            ptrdiff_t n, const int kind)
{
    const ptrdiff_t many = (n + LANES - 1) / LANES, last = n - LANES, ends = f->rows * f->taps - 1;
    const Quotient over = quotient_of(run->end);
    vec all[FAR_VECTORS], seen[FOLDED] = {{0}};
    for (ptrdiff_t p = 0; p < run->count; p++, x += run->next, to += f->ldt) {
        ptrdiff_t done = 0;
        for (ptrdiff_t r = 0; r < f->rows; r++)
            for (ptrdiff_t k = 0; k < f->taps; k++, done++) {
                const ELEMENT *tap = x + r * f->row + k * f->tap;
                if (done == 0)
                    NAMED(fold_pass)(to, tap, many, last, &over, 1, 0, kind, all, seen);
                else if (done < ends)
                    NAMED(fold_pass)(to, tap, many, last, &over, 0, 0, kind, all, seen);
                else
                    NAMED(fold_pass)(to, tap, many, last, &over, 0, 1, kind, all, seen);
            }
    }
    return (seen[0] + seen[1]) + (seen[2] + seen[3]);
}

static NEVER_INLINE vec NAMED(fold_far)(ELEMENT *to, const ELEMENT *x, const Fold *f, const FoldRun *run, ptrdiff_t n,
                                        int kind)
{
    if (FRACTIONS && kind == FOLD_SUM)
        return NAMED(fold_far_as)(to, x, f, run, n, FOLD_SUM);
    if (FRACTIONS && kind == FOLD_CAREFUL)
        return NAMED(fold_far_as)(to, x, f, run, n, FOLD_CAREFUL);
    return NAMED(fold_far_as)(to, x, f, run, n, FOLD_LARGEST);
}
#undef FAR_VECTORS
