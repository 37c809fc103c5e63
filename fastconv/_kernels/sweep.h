/* One row of outputs from left to right, vector by vector: first the rows of windows are combined, then what results is
 * combined along the row, with its neighbours or evens with odds.
 *
 * A part of `strips.h`, which includes it once per element type and width of vector.
 */
/* The rows of windows combined, columns c on. What earlier windows have seen is not seen again. */
#define below WIDE(below)
static ALWAYS_INLINE vec below(const rows_of *r, ptrdiff_t c, int kernel, int stride, int kind, vec *seen)
{
    const vec a = *(const vec *)(r->in[0] + c), b = *(const vec *)(r->in[1] + c);
    if (kernel == 2) {
        SEE(a + b);
        return both(a, b, kind);
    }
    const vec last = *(const vec *)(r->in[2] + c);
    if (stride == 2)
        SEE(b + last);
    else
        SEE(last);
    return both(both(a, b, kind), last, kind);
}

/* The same of column c alone, in every lane; it may lie beside the image. */
#define beside WIDE(beside)
static ALWAYS_INLINE vec beside(const Strips *s, const rows_of *r, ptrdiff_t c, int stride, int kind, vec *seen)
{
    if ((size_t)c >= (size_t)s->iw)
        return *(const vec *)s->blank;
    const vec a = r->in[0][c] - (vec){0}, b = r->in[1][c] - (vec){0}, last = r->in[2][c] - (vec){0};
    if (stride == 2)
        SEE(b + last);
    else
        SEE(last);
    return both(both(a, b, kind), last, kind);
}

#define BELOW(c) below(r, c, kernel, stride, kind, seen)
#define BESIDE(c) beside(s, r, c, stride, kind, seen)
#define FETCH_ROWS() do { /* two rows, one after the other */ \
        if (r->far) \
            fetch_ahead((const char *)r->in[kernel - 2] + STRIP_AHEAD + 4 * j * ELEMENT_BYTES, 4 * BYTES); \
    } while (0)

/* A row of outputs at stride 1. */
#define shifted WIDE(shifted)
static ALWAYS_INLINE void shifted(const Strips *s, const rows_of *r, int kind, vec *seen)
{
    enum { kernel = 3, stride = 1 };
    const ptrdiff_t ow = s->ow;
    ptrdiff_t j = 0, c = 1 - s->pw; /* the middle of window j */
    vec before = BESIDE(c - 1), now = BELOW(c);
    for (;;) {
        const int more = j + 2 * COUNT <= ow;
        const vec after = more ? BELOW(c + COUNT) : BESIDE(c + COUNT);
        put(s, r, j, BOTH(BOTH(SHUFFLE(before, now, FROM_BEFORE), now), SHUFFLE(now, after, LATER)), kind);
        if (j + COUNT >= ow)
            break;
        if (more) {
            j += COUNT, c += COUNT;
            before = now, now = after;
        } else { /* the last ones overlap */
            c += ow - COUNT - j, j = ow - COUNT;
            before = BESIDE(c - 1), now = BELOW(c);
        }
    }
}

/* Outputs j on of a row at stride 2, vector by vector; what is left goes to a vector of half the width if that fits. */
#define halved_from WIDE(strip_halved)
static ALWAYS_INLINE void halved_from(const Strips *s, const rows_of *r, ptrdiff_t j, int kernel, int kind, vec *seen)
{
    enum { stride = 2 };
    for (const ptrdiff_t ow = s->ow; j < ow; j += COUNT) {
#ifdef HALF
        if (2 * (ow - j) <= COUNT) {
            NARROWER(strip_halved, s, r, j, kernel, kind);
            return;
        }
#endif
        if (j + COUNT > ow)
            j = ow - COUNT;
        FETCH_ROWS();
        const ptrdiff_t c = 2 * j - s->pw;
        const vec a = BELOW(c), b = BELOW(c + COUNT);
        vec evens, odds;
        EVENS_AND_ODDS(vec, evens, odds, a, b);
        vec all = BOTH(evens, odds);
        if (kernel == 3)
            all = BOTH(all, SHUFFLE(evens, BESIDE(c + 2 * COUNT), LATER));
        put(s, r, j, all, kind);
    }
}

/* A row of outputs at stride 2; a vector of them and one of twice as many columns fit the rows. */
#define halved WIDE(strip_row)
static ALWAYS_INLINE void halved(const Strips *s, const rows_of *r, int kernel, int kind, vec *seen)
{
    enum { stride = 2 };
    ptrdiff_t j = 0;
    if (s->pw) {
        vec before = BESIDE(-1);
        for (; j + COUNT <= s->ow && 2 * (j + COUNT) <= s->iw; j += COUNT) {
            FETCH_ROWS();
            const vec a = BELOW(2 * j), b = BELOW(2 * j + COUNT);
            vec evens, odds;
            EVENS_AND_ODDS(vec, evens, odds, a, b);
            put(s, r, j, BOTH(BOTH(SHUFFLE(before, odds, FROM_BEFORE), evens), odds), kind);
            before = odds;
        }
    }
    halved_from(s, r, j, kernel, kind, seen);
}
#ifdef HALF
/* A row of outputs at stride 2 that is less than a vector, with nothing to see right of the image. What it reads and
 * writes beyond itself is the next row's, written later; if it is the `last`, it goes to vectors of half the width. */
#define at_once WIDE(strip_at_once)
static ALWAYS_INLINE void at_once(const Strips *s, const rows_of *r, int last, int kernel, int kind, vec *seen)
{
    enum { stride = 2 };
    if (last) {
        NARROWER(strip_row, s, r, kernel, kind);
        return;
    }
    const vec a = BELOW(0), b = BELOW(COUNT);
    vec evens, odds;
    EVENS_AND_ODDS(vec, evens, odds, a, b);
    vec all = kernel == 3 && s->pw ? BOTH(SHUFFLE(BESIDE(-1), odds, FROM_BEFORE), evens) : evens;
    all = BOTH(all, odds);
    if (kernel == 3 && !s->pw)
        all = BOTH(all, SHUFFLE(evens, evens, LATER));
    put(s, r, 0, all, kind);
}
#endif
#undef FETCH_ROWS
#undef BELOW
#undef BESIDE
