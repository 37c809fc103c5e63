/* Windows of pixels that are one vector, several side by side in a run: one alone would wait for each of its own steps.
 *
 * A part of `fold.h`, which includes it once per element type.
 */

/* All windows of a run of FOLDED or more; gives the sum of what may be NaN. */
static ALWAYS_INLINE vec NAMED(fold_beside_as)(ELEMENT *to, const ELEMENT *x, const Fold *f, const FoldRun *run,
                                               int kind)
{
    const ptrdiff_t ends = run->count - FOLDED, next = run->next;
    const Quotient over = quotient_of(run->end);
    vec all[FOLDED], seen[FOLDED] = {{0}};
    for (ptrdiff_t p = 0, o; p < run->count; p += FOLDED) {
        o = p < ends ? p : ends; /* the first of the last ones may be done already */
        NAMED(fold_part)(x + o * next, f, FOLDED, next, (FOLDED - 1) * next, kind, all, seen);
        UNROLL for (int i = 0; i < FOLDED; i++) {
            if (kind == FOLD_SUM)
                FOLD_OVER(all[i], over);
            *(vec *)(to + (o + i) * f->ldt) = all[i];
        }
    }
    return (seen[0] + seen[1]) + (seen[2] + seen[3]);
}

static NEVER_INLINE vec NAMED(fold_beside)(ELEMENT *to, const ELEMENT *x, const Fold *f, const FoldRun *run, int kind)
{
    if (FRACTIONS && kind == FOLD_SUM)
        return NAMED(fold_beside_as)(to, x, f, run, FOLD_SUM);
    if (FRACTIONS && kind == FOLD_CAREFUL)
        return NAMED(fold_beside_as)(to, x, f, run, FOLD_CAREFUL);
    return NAMED(fold_beside_as)(to, x, f, run, FOLD_LARGEST);
}
