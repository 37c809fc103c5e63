/* 3 x 3 windows at stride 1, row by row of the image: a row is combined along itself first, by loads one element apart
 * where its neighbours are in the image, and then with the two rows before it, which are kept as they were combined.
 *
 *     row y + 1   a b c d e ..    ->   abc bcd cde ..   with the kept     ->  outputs y; it takes the place of y - 1
 *                                                       of y - 1 and y
 *
 * So rows are read once, in order, and without a shuffle; what is kept stays in the first cache. A part of `strips.h`,
 * which includes it once per element type and width of vector.
 */
/* Row `row` of the image combined along itself, at one vector. `inner` ones have neighbours, which see theirs. */
#define along_row WIDE(along_row)
static ALWAYS_INLINE vec along_row(const Strips *s, const ELEMENT *row, ptrdiff_t c, int inner, int kind, vec *seen)
{
    const vec a = *(const vec *)(row + c);
    if (inner) {
        SEE(a);
        return BOTH(BOTH(*(const vec *)(row + c - 1), a), *(const vec *)(row + c + 1));
    }
    const ELEMENT left = c == 0 ? *(const ELEMENT *)s->blank : row[c - 1];
    const ELEMENT right = c + COUNT >= s->iw ? *(const ELEMENT *)s->blank : row[c + COUNT];
    const vec before = left - (vec){0}, after = right - (vec){0};
    SEE(a + (before + after));
    return BOTH(BOTH(SHUFFLE(before, a, FROM_BEFORE), a), SHUFFLE(a, after, LATER));
}

/* Rows y0 to y1 of the output, which are of FLOW_BYTES at most. */
#define flow WIDE(flow)
static ALWAYS_INLINE void flow(const Strips *s, const ELEMENT *x, ELEMENT *out, ptrdiff_t y0, ptrdiff_t y1, int kind,
                               vec *seen)
{
    vec kept[2][FLOW_BYTES / BYTES + 1];
    const ptrdiff_t ow = s->ow, before = 1 - s->pw;
    for (ptrdiff_t y = y0 - 2; y < y1; y++) {
        const ptrdiff_t at = y + 2 - s->ph;
        const ELEMENT *row = (size_t)at < (size_t)s->ih ? x + at * s->ldx : (const ELEMENT *)s->blank + 1;
        vec *const older = kept[y & 1], *const old = kept[~y & 1];
        const rows_of r = y < y0 ? (rows_of){{0}} : row_at(s, out, y, kind);
#define STEP(q, j, inner) do { \
            const vec now = along_row(s, row, (j) + before, inner, kind, seen); \
            if (y >= y0) \
                put(s, &r, j, BOTH(BOTH(older[q], old[q]), now), kind); \
            older[q] = now; \
        } while (0)
        ptrdiff_t q = 1;
        STEP(0, 0, 0);
        for (; (q + 1) * COUNT < ow; q++)
            STEP(q, q * COUNT, 1);
        STEP(q, ow - COUNT, 0);
#undef STEP
    }
}
