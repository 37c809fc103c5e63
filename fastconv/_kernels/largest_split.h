/* Windows whose elements are picked by a table (`split.h`).
 *
 * A part of `largest_at.h`, which includes it once per element type where vectors can be picked so.
 */

/* One vector of windows from window j on, by `parts` from number p on of the row that starts at x. */
static ALWAYS_INLINE void NAMED(at_picked)(ELEMENT *best, int64_t *index, const Windows *w, ptrdiff_t j,
                                           const ELEMENT *x, int p, int parts, int careful, vec *seen)
{
    vec sum = {0}; /* of its own, or vectors would wait for each other */
    const mask step = (BITS)w->key - (mask){0};
    const ptrdiff_t *const base = w->split->base + p;
    mask_f32 lanes[SPLIT_FAR + 1];
    vec all = *(const ELEMENT *)w->blank - (vec){0};
    mask key = (BITS)w->keys[0] - (mask){0};
    if (j / w->pixel * w->step < w->before)
        key += NAMED(at_inside)(w, j);
    UNROLL for (int i = 0; i < parts; i++)
        memcpy(lanes + i, w->split->lanes[p + i], sizeof *lanes);
    for (ptrdiff_t r = 0; r < w->rows; r++) {
        const ELEMENT *row = x + w->from[r];
        mask now = (BITS)w->keys[r] - (mask){0};
        for (ptrdiff_t k = w->taps; k > 0; k--, row += w->tap, now += step) {
            vec v = (vec)split_pick(row, base, lanes, parts);
            TAKE(all, key, v, now, sum);
        }
    }
    const mask place = key + NAMED(at_places)(w, j) + (BITS)(w->index + j * w->step);
    *seen += sum;
    *(vec *)best = all;
    *(wide *)index = __builtin_convertvector(place, wide);
}

/* All n windows, by a table. Says whether a NaN may have been lost. */
static ALWAYS_INLINE int NAMED(at_split)(ELEMENT *best, int64_t *index, const Windows *w, ptrdiff_t n, int careful)
{
    vec seen[AT_MOST] = {{0}};
    const Split *const split = w->split;
    const ELEMENT *x = w->x;
    ELEMENT few[COUNT];
    int64_t places[COUNT];
    for (ptrdiff_t j = 0; j < n; x += split->advance * 4 / ELEMENT_BYTES)
        for (ptrdiff_t i = 0; i < split->vectors && j < n; i++, j += COUNT) {
            const int p = split->parts[i], parts = split->parts[i + 1] - p, whole = n - j >= COUNT;
            ELEMENT *to = whole ? best + j : few;
            int64_t *place = whole ? index + j : places;
#define PICKED(parts) NAMED(at_picked)(to, place, w, j, x, p, parts, careful, seen)
            if (parts == 2)
                PICKED(2);
            else if (parts == 3)
                PICKED(3);
            else if (parts == 4)
                PICKED(4);
            else
                PICKED(parts);
#undef PICKED
            if (!whole) {
                memcpy(best + j, few, (size_t)(n - j) * sizeof *best);
                memcpy(index + j, places, (size_t)(n - j) * sizeof *index);
            }
        }
    return NAMED(at_lost)(seen);
}

static NEVER_INLINE void NAMED(largest_split)(ELEMENT *best, int64_t *index, const Windows *w, ptrdiff_t n)
{
    if (NAMED(at_split)(best, index, w, n, 0))
        NAMED(at_split)(best, index, w, n, 1);
}
