/* Windows of channels of images from beyond the L2 cache (`far.h`).
 *
 * A part of `largest_at.h`, which includes it once per element type.
 */

#define FAR_VECTORS (FAR_CHUNK / BYTES)

/* Asks for AT_MOST vectors of the taps, of a window that lies FAR_AHEAD further on, that the one before it lacks. */
static ALWAYS_INLINE void NAMED(at_ask)(const ELEMENT *x, const Windows *w)
{
    const ptrdiff_t first = w->taps > w->fresh ? w->taps - w->fresh : 0;
    for (ptrdiff_t r = 0; r < w->rows; r++)
        for (ptrdiff_t k = first; k < w->taps; k++)
            UNROLL for (int i = 0; i < AT_MOST; i++)
                FETCH_TO_L2((const char *)(x + w->from[r] + k * w->tap + i * COUNT) + FAR_AHEAD);
}

/* Whether windows are taken in passes. */
static ALWAYS_INLINE int NAMED(at_is_far)(const Windows *w, ptrdiff_t n)
{
    return w->fresh >= w->taps && n > COUNT && w->rows * w->taps > 1;
}

/* One tap of `many` vectors, the last of which starts at `last`, and its key into all[] and key[]: the first tap, or
 * one that is to become a result, or neither. */
static ALWAYS_INLINE void NAMED(at_pass)(ELEMENT *best, int64_t *index, const ELEMENT *x, ptrdiff_t many,
                                         ptrdiff_t last, const Windows *w, mask now, const int first, const int put,
                                         vec *all, mask *key, vec *sum)
{
    vec seen = *sum;
    for (ptrdiff_t i = 0; i < many; i++) {
        const ptrdiff_t at = i + 1 < many ? i * COUNT : last;
        vec v = *(const vec *)(x + at);
        vec a = *(const ELEMENT *)w->blank - (vec){0};
        mask k = now;
        if (!first)
            a = all[i], k = key[i];
#ifdef FLOATING
        LOADED_ONCE(v);
        seen += v;
#endif
        TAKE_LARGER(a, k, v, now)
        if (put) {
            *(vec *)(best + at) = a;
            *(wide *)(index + at) = __builtin_convertvector(k + (BITS)w->index, wide);
        } else
            all[i] = a, key[i] = k;
    }
    *sum = seen;
}

/* The window of n channels, of at most FAR_VECTORS; what may be NaN is added to *seen. */
static ALWAYS_INLINE void NAMED(at_far)(ELEMENT *best, int64_t *index, const Windows *w, ptrdiff_t n, vec *seen)
{
    const ptrdiff_t many = (n + COUNT - 1) / COUNT, last = n - COUNT, ends = w->rows * w->taps - 1;
    const mask step = (BITS)w->key - (mask){0};
    vec all[FAR_VECTORS];
    mask key[FAR_VECTORS];
    ptrdiff_t done = 0;
    for (ptrdiff_t r = 0; r < w->rows; r++) {
        const ELEMENT *x = (const ELEMENT *)w->x + w->from[r];
        mask now = (BITS)w->keys[r] - (mask){0};
        for (ptrdiff_t k = 0; k < w->taps; k++, done++, x += w->tap, now += step)
            if (done == 0)
                NAMED(at_pass)(best, index, x, many, last, w, now, 1, 0, all, key, seen);
            else if (done < ends)
                NAMED(at_pass)(best, index, x, many, last, w, now, 0, 0, all, key, seen);
            else
                NAMED(at_pass)(best, index, x, many, last, w, now, 0, 1, all, key, seen);
    }
}
#undef FAR_VECTORS
