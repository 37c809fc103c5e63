/* Windows of channels of images from beyond the L2 cache (`far.h`).
 *
 * A part of `largest_at.h`, which includes it once per element type.
 */

#define FAR_VECTORS (FAR_CHUNK / BYTES)

/* Asks for `width` vectors of the taps, of a window that lies FAR_AHEAD further on, that the one before it lacks. */
static ALWAYS_INLINE void NAMED(at_ask)(const ELEMENT *x, const Windows *w, const int width)
{
    const ptrdiff_t first = w->taps > w->fresh ? w->taps - w->fresh : 0;
    for (ptrdiff_t r = 0; r < w->rows; r++)
        for (ptrdiff_t k = first; k < w->taps; k++)
            UNROLL for (int i = 0; i < width; i++)
                FETCH_TO_L2((const char *)(x + w->from[r] + k * w->tap + i * COUNT) + FAR_AHEAD);
}

/* Whether windows are taken in passes. */
static ALWAYS_INLINE int NAMED(at_is_far)(const Windows *w)
{
    return w->fresh >= w->taps && w->pixel > COUNT && w->rows * w->taps > 1;
}

/* One tap of `many` vectors, the last of which starts at `last`, and its key into all[] and key[]: the first tap, or
 * one that is to become a result at `place` from its key, or neither. */
static ALWAYS_INLINE void NAMED(at_pass)(ELEMENT *best, int64_t *index, const ELEMENT *x, ptrdiff_t many,
                                         ptrdiff_t last, BITS place, mask now, const int first, const int put,
                                         vec *all, mask *key, vec *seen)
{
    const ptrdiff_t whole = many - (last < (many - 1) * COUNT);
    ptrdiff_t i = 0;
#define STEP(i, at, lane) do { \
        vec v = *(const vec *)(x + (at)), a = v; \
        mask k = now; \
        AT_SEE(seen[lane], v) \
        if (!first) { \
            a = all[i], k = key[i]; \
            TAKE_LARGER(a, k, v, now) \
        } \
        if (put) { \
            *(vec *)(best + (at)) = a; \
            *(wide *)(index + (at)) = __builtin_convertvector(k + place, wide); \
        } else \
            all[i] = a, key[i] = k; \
    } while (0)
    for (; i + AT_MOST <= whole; i += AT_MOST)
        UNROLL for (int lane = 0; lane < AT_MOST; lane++)
            STEP(i + lane, (i + lane) * COUNT, lane);
    for (; i < many; i++)
        STEP(i, i < whole ? i * COUNT : last, 0);
#undef STEP
}

/* The window of channels at x, of at most FAR_VECTORS; what may be NaN is added to seen[]. */
static ALWAYS_INLINE void NAMED(at_far)(ELEMENT *best, int64_t *index, const ELEMENT *x, const Windows *w, BITS place,
                                        vec *seen)
{
    const ptrdiff_t many = (w->pixel + COUNT - 1) / COUNT, last = w->pixel - COUNT, ends = w->rows * w->taps - 1;
    const mask step = (BITS)w->key - (mask){0};
    vec all[FAR_VECTORS];
    mask key[FAR_VECTORS];
    ptrdiff_t done = 0;
    for (ptrdiff_t r = 0; r < w->rows; r++) {
        const ELEMENT *tap = x + w->from[r];
        mask now = (BITS)w->keys[r] - (mask){0};
        for (ptrdiff_t k = 0; k < w->taps; k++, done++, tap += w->tap, now += step)
            if (done == 0)
                NAMED(at_pass)(best, index, tap, many, last, place, now, 1, 0, all, key, seen);
            else if (done < ends)
                NAMED(at_pass)(best, index, tap, many, last, place, now, 0, 0, all, key, seen);
            else
                NAMED(at_pass)(best, index, tap, many, last, place, now, 0, 1, all, key, seen);
    }
}
#undef FAR_VECTORS
