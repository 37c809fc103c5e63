/* Windows of rows shorter than a vector: two vectors of BYTES bytes go over each window side by side, the second of
 * which may overlap the first, as at the end of longer rows.
 *
 * A part of `fold.h`, which includes it once per element type and width.
 */
#ifndef BYTES
#if VECTOR_BYTES
#if ELEMENT_BYTES < 8
#define BYTES 8
#include "fold_short.h"
#undef BYTES
#endif
#if VECTOR_BYTES >= 32
#define BYTES 16
#include "fold_short.h"
#undef BYTES
#endif
#if VECTOR_BYTES >= 64
#define BYTES 32
#include "fold_short.h"
#undef BYTES
#endif
#endif

/* All windows of a run of rows of n < LANES elements (`fold_short.h`); false if they are too few for any vectors. */
static ALWAYS_INLINE int NAMED(fold_short)(ELEMENT *to, const ELEMENT *x, const Fold *f, const FoldRun *run,
                                           ptrdiff_t n, int maximum)
{
#if VECTOR_BYTES >= 64
    if (n * ELEMENT_BYTES >= 32) {
        PASTE(NAMED(fold_short), 32)(to, x, f, run, n, maximum);
        return 1;
    }
#endif
#if VECTOR_BYTES >= 32
    if (n * ELEMENT_BYTES >= 16) {
        PASTE(NAMED(fold_short), 16)(to, x, f, run, n, maximum);
        return 1;
    }
#endif
#if VECTOR_BYTES && ELEMENT_BYTES < 8
    if (n * ELEMENT_BYTES >= 8) {
        PASTE(NAMED(fold_short), 8)(to, x, f, run, n, maximum);
        return 1;
    }
#endif
    return 0;
}

static int NAMED(fold_windows)(ELEMENT *, const ELEMENT *, const Fold *, const FoldRun *, int, ptrdiff_t, int);

/* The same for n < LANES elements of each row, which lie next to each other, as the rows do: LANES rows are a wide one,
 * and what becomes of it is taken apart. */
static NEVER_INLINE void NAMED(fold_narrow)(ELEMENT *to, const ELEMENT *x, const Fold *f, ptrdiff_t n, int maximum)
{
    const ptrdiff_t wide = f->taps / LANES, left = f->taps % LANES;
    const Fold all = {f->rows, f->row, wide, LANES * n, 0}, apart = {1, 0, LANES, n, 0};
    const Fold rest = {f->rows, f->row, left, n, 0};
    const FoldRun once = {0, wide, 1, 0, {1, FOLD_PLAIN}};
    ELEMENT row[LANES * LANES];
    if (n >= LANES)
        return; /* never: so gcc knows that no sum goes beyond row[] */
    NAMED(fold_windows)(row, x, &all, &once, 1, LANES * n, maximum);
    for (ptrdiff_t j = 0; j < n; j++) {
        to[j] = NAMED(fold_one)(row + j, &apart, maximum);
        if (left)
            to[j] = NAMED(fold_two)(to[j], NAMED(fold_one)(x + wide * LANES * n + j, &rest, maximum), maximum);
    }
}

#else
#define short_vec PASTE(NAMED(fold_short_vec), BYTES)
#define short_mask PASTE(NAMED(fold_short_mask), BYTES)
typedef ELEMENT short_vec __attribute__((vector_size(BYTES), aligned(ELEMENT_BYTES), may_alias));
typedef BITS short_mask __attribute__((vector_size(BYTES)));

#define both PASTE(NAMED(short_both), BYTES)
static ALWAYS_INLINE short_vec both(short_vec a, short_vec b, int kind)
{
#ifdef FLOATING
    if (kind == FOLD_SUM)
        return a + b;
    return SELECT(short_vec, short_mask, (short_mask)(a > b) | (short_mask)(a != a), a, b);
#endif
    short_vec larger;
    LARGER_LANES(larger, a, b);
    return larger;
}

/* all[0] and all[1], over the window at x and `second` elements further on. */
#define window PASTE(NAMED(short_window), BYTES)
static ALWAYS_INLINE void window(short_vec *all, const ELEMENT *x, const Fold *f, ptrdiff_t second, int kind)
{
    short_vec a = *(const short_vec *)x, b = *(const short_vec *)(x + second);
    for (ptrdiff_t r = 0; r < f->rows; r++)
        for (ptrdiff_t k = r == 0; k < f->taps; k++) {
            const ELEMENT *next = x + r * f->row + k * f->tap;
            a = both(a, *(const short_vec *)next, kind);
            b = both(b, *(const short_vec *)(next + second), kind);
        }
    all[0] = a, all[1] = b;
}

/* The same of a long sum. */
#define long_sum PASTE(NAMED(short_halves), BYTES)
static NEVER_INLINE void long_sum(short_vec *all, const ELEMENT *x, const Fold *f, ptrdiff_t second)
{
    if (f->rows * f->taps <= CHUNK) {
        window(all, x, f, second, FOLD_SUM);
        return;
    }
    short_vec rest[2];
    Fold one, other;
    const ptrdiff_t middle = halves(f, &one, &other);
    long_sum(all, x, &one, second);
    long_sum(rest, x + middle, &other, second);
    all[0] += rest[0], all[1] += rest[1];
}

/* All windows of a run, of rows of n elements: as many as a vector has, and less than twice as many. */
static NEVER_INLINE void PASTE(NAMED(fold_short), BYTES)(ELEMENT *to, const ELEMENT *x, const Fold *f,
                                                        const FoldRun *run, ptrdiff_t n, int maximum)
{
    const ptrdiff_t second = n - BYTES / ELEMENT_BYTES;
    const ELEMENT by = (ELEMENT)run->end.by;
    short_vec all[2];
    for (ptrdiff_t p = 0; p < run->count; p++, x += run->next, to += f->ldt) {
        if (maximum)
            window(all, x, f, second, FOLD_CAREFUL);
        else if (f->rows * f->taps > CHUNK)
            long_sum(all, x, f, second);
        else
            window(all, x, f, second, FOLD_SUM);
        for (int i = 0; i < 2 && !maximum; i++)
            if (run->end.kind == FOLD_DIVIDED)
                all[i] /= by;
            else if (run->end.kind == FOLD_SCALED)
                all[i] *= by;
        *(short_vec *)to = all[0];
        *(short_vec *)(to + second) = all[1];
    }
}
#undef short_vec
#undef short_mask
#undef both
#undef window
#undef long_sum
#endif
