/* 3 x 3 windows at stride 1 down a strip as wide as a vector: each row is combined along the row first and kept for the
 * next outputs, whose windows share it.
 *
 * A part of `strips.h`, which includes it once per element type and width of vector.
 */
/* Rows y0 to y1 of the output at stride 1, down the strip of columns j on. */
#define walk WIDE(walk)
static ALWAYS_INLINE void walk(const Strips *s, const ELEMENT *x, ELEMENT *out, ptrdiff_t j, ptrdiff_t y0, ptrdiff_t y1,
                               int kind, vec *seen)
{
    const ptrdiff_t ldx = s->ldx, ph = s->ph, ih = s->ih, c = j + 1 - s->pw; /* the middle of window j */
    const ELEMENT *blank = s->blank;
    const int first = c == 0, last = c + COUNT >= s->iw;
    vec v[3];
#define TAKE(i) do { \
        const ptrdiff_t at = y - ph + (i); \
        const ELEMENT *row = (size_t)at < (size_t)ih ? x + at * ldx + c : blank + 1; \
        const vec a = *(const vec *)row, before = {first ? *blank : row[-1]}, after = {last ? *blank : row[COUNT]}; \
        SEE(a + (before + after)); \
        v[i] = BOTH(BOTH(SHUFFLE(a, before, EARLIER), a), SHUFFLE(a, after, LATER)); \
    } while (0)
    ptrdiff_t y = y0;
    TAKE(0);
    TAKE(1);
    for (; y < y1; y++) {
        TAKE(2);
        const rows_of r = row_at(s, out, y, kind);
        put(s, &r, j, BOTH(BOTH(v[0], v[1]), v[2]), kind);
        v[0] = v[1];
        v[1] = v[2];
    }
#undef TAKE
}

/* The same, columns j on, strip by strip; what is left goes to vectors of half the width if it fits them. */
#define columns WIDE(strip_columns)
static ALWAYS_INLINE void columns(const Strips *s, const ELEMENT *x, ELEMENT *out, ptrdiff_t j, ptrdiff_t y0,
                                  ptrdiff_t y1, int kind, vec *seen)
{
    while (j < s->ow) {
#ifdef HALF
        if (2 * (s->ow - j) <= COUNT) {
            NARROWER(strip_columns, s, x, out, j, y0, y1, kind);
            return;
        }
#endif
        if (j + COUNT > s->ow)
            j = s->ow - COUNT;
        walk(s, x, out, j, y0, y1, kind, seen);
        j += COUNT;
    }
}
