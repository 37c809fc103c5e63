/* Windows of channels, one after the other in a row of outputs: up to AT_MOST vectors of each side by side.
 *
 * A part of `largest_at.h`, which includes it once per element type.
 */

/* Where vector i of `width` starts: the last one may overlap the one before, to end where the channels do. */
#define SIDE(i) ((i) + 1 < width ? (i) * COUNT : last)

/* `width` vectors of the channels, x on, of one window, whose tap of key 0 is at `place`. */
static ALWAYS_INLINE void NAMED(at_beside)(ELEMENT *best, int64_t *index, const ELEMENT *x, const Windows *w,
                                           BITS place, const int width, ptrdiff_t last, const int careful, vec *seen)
{
    const mask step = (BITS)w->key - (mask){0};
    vec all[AT_MOST];
    mask key[AT_MOST];
    UNROLL for (int m = 0; m < width; m++) {
        vec v = *(const vec *)(x + w->from[0] + SIDE(m));
        AT_SEE(seen[m], v)
        all[m] = v, key[m] = (BITS)w->keys[0] - (mask){0};
    }
    for (ptrdiff_t r = 0; r < w->rows; r++) {
        const ELEMENT *tap = x + w->from[r];
        mask now = (BITS)w->keys[r] - (mask){0};
        ptrdiff_t k = w->taps;
        if (r == 0)
            k--, tap += w->tap, now += step;
        for (; k > 0; k--, tap += w->tap, now += step)
            UNROLL for (int m = 0; m < width; m++) {
                vec v = *(const vec *)(tap + SIDE(m));
                TAKE(all[m], key[m], v, now, seen[m]);
            }
    }
    UNROLL for (int m = 0; m < width; m++) {
        *(vec *)(best + SIDE(m)) = all[m];
        *(wide *)(index + SIDE(m)) = __builtin_convertvector(key[m] + place, wide);
    }
}

#define PART(vectors) do { \
        const ptrdiff_t end = n - COUNT - j, most = ((vectors) - 1) * COUNT, last = end < most ? end : most; \
        if (asks) \
            NAMED(at_ask)(x + j, w, vectors); \
        NAMED(at_beside)(best + j, index + j, x + j, w, place, vectors, last, careful, seen); \
    } while (0)

/* `count` windows. Says whether a NaN may have been lost. */
static ALWAYS_INLINE int NAMED(at_channels)(ELEMENT *best, int64_t *index, const Windows *given, ptrdiff_t count,
                                            const int careful)
{
    const Windows copy = *given, *const w = &copy; /* which no store can change */
    const ptrdiff_t n = w->pixel;
    const int far = !careful && NAMED(at_is_far)(w), asks = w->fresh && w->rows * w->taps < AT_MANY;
    const ELEMENT *x = w->x;
    BITS place = (BITS)w->index;
    vec seen[AT_MOST] = {{0}};
    for (ptrdiff_t p = 0; p < count; p++, x += w->next, place += (BITS)w->step, best += n, index += n) {
        ptrdiff_t j = 0;
        if (far) {
            NAMED(at_far)(best, index, x, w, place, seen);
            continue;
        }
        for (; n - j > 3 * COUNT; j += 4 * COUNT)
            PART(4);
        if (n - j > 2 * COUNT)
            PART(3);
        else if (n - j > COUNT)
            PART(2);
        else if (n - j > 0)
            PART(1);
    }
    return NAMED(at_lost)(seen);
}
#undef PART
#undef SIDE

static NEVER_INLINE void NAMED(carefully)(ELEMENT *best, int64_t *index, const Windows *w, ptrdiff_t count)
{
    NAMED(at_channels)(best, index, w, count, 1);
}

/* `count` windows of w->pixel channels, at least as many as a vector has. */
static NEVER_INLINE void NAMED(largest_channels)(ELEMENT *best, int64_t *index, const Windows *w, ptrdiff_t count)
{
    if (NAMED(at_channels)(best, index, w, count, 0))
        NAMED(carefully)(best, index, w, count);
}
