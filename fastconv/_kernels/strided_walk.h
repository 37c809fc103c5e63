/* Strips of outputs whose windows are STRIDE columns apart, down the rows of the image.
 *
 * A part of `strided.h`, which includes it once per stride, element type and width of vector.
 */
/* Lane i of tap t >= STRIDE: column i * STRIDE + t, of those sorted or of the part behind them. */
#define BEHIND(t, i) ((i) + (t) / STRIDE < COUNT ? (i) + (t) / STRIDE : \
                      COUNT + (((i) + (t) / STRIDE - COUNT) * STRIDE + (t) % STRIDE) % COUNT)
#define BEHIND1(i) BEHIND(1, i)
#define BEHIND2(i) BEHIND(2, i)
#define BEHIND3(i) BEHIND(3, i)
#define BEHIND4(i) BEHIND(4, i)
#define BEHIND5(i) BEHIND(5, i)
#define BEHIND6(i) BEHIND(6, i)
#define BEHIND7(i) BEHIND(7, i)

/* Column i * 3 + r of three parts: of the first two, and then of the third. */
#define OF_TWO(r, i) (3 * (i) + (r) < 2 * COUNT ? 3 * (i) + (r) : (i))
#define OF_THREE(r, i) (3 * (i) + (r) < 2 * COUNT ? (i) : 3 * (i) + (r) - COUNT)
#define OF_TWO_0(i) OF_TWO(0, i)
#define OF_TWO_1(i) OF_TWO(1, i)
#define OF_TWO_2(i) OF_TWO(2, i)
#define OF_THREE_0(i) OF_THREE(0, i)
#define OF_THREE_1(i) OF_THREE(1, i)
#define OF_THREE_2(i) OF_THREE(2, i)

/* The columns of STRIDE parts, sorted by their remainder. */
#define sorted PASTE(WIDE(strided_sorted), STRIDE)
static ALWAYS_INLINE void sorted(vec *by, const vec *part)
{
#if STRIDE == 2
    EVENS_AND_ODDS(vec, by[0], by[1], part[0], part[1]);
#elif STRIDE == 3
    by[0] = SHUFFLE(SHUFFLE(part[0], part[1], OF_TWO_0), part[2], OF_THREE_0);
    by[1] = SHUFFLE(SHUFFLE(part[0], part[1], OF_TWO_1), part[2], OF_THREE_1);
    by[2] = SHUFFLE(SHUFFLE(part[0], part[1], OF_TWO_2), part[2], OF_THREE_2);
#else
    vec evens[2], odds[2];
    EVENS_AND_ODDS(vec, evens[0], odds[0], part[0], part[1]);
    EVENS_AND_ODDS(vec, evens[1], odds[1], part[2], part[3]);
    EVENS_AND_ODDS(vec, by[0], by[2], evens[0], evens[1]);
    EVENS_AND_ODDS(vec, by[1], by[3], odds[0], odds[1]);
#endif
}

/* What `taps` columns of STRIDE parts and the one after come to. */
#define along_parts PASTE(WIDE(strided_along), STRIDE)
static ALWAYS_INLINE vec along_parts(const vec *part, ptrdiff_t taps, int kind)
{
    vec by[STRIDE];
    sorted(by, part);
    vec all = by[0];
#define TAP(t) \
    if (taps > t) { \
        vec next = by[t % STRIDE]; \
        if (t >= STRIDE) \
            next = SHUFFLE(next, part[STRIDE], BEHIND##t); \
        all = BOTH(all, next); \
    }
    TAP(1) TAP(2) TAP(3) TAP(4) TAP(5) TAP(6) TAP(7)
#undef TAP
    return all;
}

/* What the rows of the windows at `from` come to, `parts` vectors from at[p] on. What windows below have of it too is
 * kept, and was for these if they are those at `below_last`. */
#define window PASTE(WIDE(strided_window), STRIDE)
static ALWAYS_INLINE void window(const Strided *s, const StridedRow *r, const ELEMENT *from, const ptrdiff_t *at,
                                 int parts, vec *all, vec *kept, const ELEMENT **below_last, int kind, vec *seen)
{
    const ptrdiff_t row = s->row, shared = s->shared;
    if (shared && r->rows == s->kh) {
        if (from != *below_last)
            below(kept, from, at, parts, shared, row, 0, kind, seen);
        UNROLL for (int p = 0; p < parts; p++)
            all[p] = kept[p];
        below(all, from + shared * row, at, parts, s->kh - 2 * shared, row, 1, kind, seen);
        below(kept, from + (s->kh - shared) * row, at, parts, shared, row, 0, kind, seen);
        UNROLL for (int p = 0; p < parts; p++)
            all[p] = BOTH(all[p], kept[p]);
        *below_last = from + s->step;
        return;
    }
    below(all, from, at, parts, r->rows, row, 0, kind, seen);
    for (ptrdiff_t z = 1; z < r->depths; z++)
        below(all, from + z * s->depth, at, parts, r->rows, row, 1, kind, seen);
}

/* Rows r0 to r1 of the outputs from column j on, a strip as wide as a vector. */
#define walk PASTE(WIDE(strided_walk), STRIDE)
static ALWAYS_INLINE void walk(const Strided *s, const ELEMENT *x, ELEMENT *out, ptrdiff_t j, ptrdiff_t r0,
                               ptrdiff_t r1, const ELEMENT *end, int parts, int kind, vec *seen)
{
    const ptrdiff_t c = j * STRIDE - s->pw, most = s->iw - COUNT;
    const int edge = c < 0 || c > most - (parts - 1) * COUNT;
    const ELEMENT *below_last = NULL;
    ptrdiff_t at[STRIDE + 1];
    vec kept[STRIDE + 1];
    UNROLL for (int p = 0; p < parts; p++)
        at[p] = c + p * COUNT < 0 ? 0 : c + p * COUNT > most ? most : c + p * COUNT;
    for (ptrdiff_t r = r0; r < r1; r++) {
        const StridedRow *here = s->rows + r;
        vec all[STRIDE + 1];
        if (s->fresh)
            fetch_below(s, x, j, r, r0, r1);
        window(s, here, x + here->from, at, parts, all, kept, &below_last, kind, seen);
        if (edge)
            UNROLL for (int p = 0; p < parts; p++)
                all[p] = moved(s, all[p], c + p * COUNT - at[p]);
        put_outputs(s, here, out + r * s->ow, j, along_parts(all, s->taps, kind), end, kind);
    }
}

/* The same of columns `first` on, strip by strip from the right; what is left goes to narrower vectors. One function
 * for each kind and number of parts. */
#define STRIPS_OF(width, kind, more) PASTE(PASTE(PASTE(NAMED(kind), more), width), STRIDE)
#ifdef HALF
#define NARROWER(kind, more) \
    if (2 * (s->ow - j) <= COUNT) { \
        PASTE(NAMED(strip_vec), HALF) less[STRIDE + 1] = {{0}}; \
        STRIPS_OF(HALF, kind, more)(s, x, out, j, r0, r1, end, less); \
        UNROLL for (int p = 0; p < STRIDE + more; p++) \
            SEEN(seen + p, __builtin_shufflevector(less[p], less[p], LIST(ITSELF, 0))); \
        j -= COUNT; \
    }
#else
#define NARROWER(kind, more)
#endif
#define STRIPS(kind, more) \
    static NEVER_INLINE void STRIPS_OF(BYTES, kind, more)(const Strided *s, const ELEMENT *x, ELEMENT *out, \
                                                          ptrdiff_t first, ptrdiff_t r0, ptrdiff_t r1, \
                                                          const ELEMENT *end, vec *given) \
    { \
        vec seen[STRIDE + 1]; /* in registers */ \
        ptrdiff_t j = first + (s->ow - first - 1) / COUNT * COUNT; \
        memcpy(seen, given, sizeof seen); \
        NARROWER(kind, more) \
        for (; j >= first; j -= COUNT) \
            walk(s, x, out, j, r0, r1, end, STRIDE + more, kind, seen); \
        memcpy(given, seen, sizeof seen); \
    }
STRIPS(STRIP_LARGEST, 0)
STRIPS(STRIP_LARGEST, 1)
#ifdef FLOATING
STRIPS(STRIP_CAREFUL, 0)
STRIPS(STRIP_CAREFUL, 1)
STRIPS(STRIP_MEAN, 0)
STRIPS(STRIP_MEAN, 1)
#endif

/* Rows r0 to r1 of the outputs. Says whether a NaN may have been lost. */
#define blocks PASTE(WIDE(strided_blocks), STRIDE)
static NEVER_INLINE int blocks(const Strided *given, const ELEMENT *x, ELEMENT *out, ptrdiff_t r0, ptrdiff_t r1,
                               const ELEMENT *end, int kind)
{
    const Strided copy = *given, *const s = &copy; /* which no store can change */
    vec seen[STRIDE + 1] = {{0}}, any = {0};
#define KIND(kind) \
    if (s->taps > STRIDE) \
        STRIPS_OF(BYTES, kind, 1)(s, x, out, 0, r, last, end, seen); \
    else \
        STRIPS_OF(BYTES, kind, 0)(s, x, out, 0, r, last, end, seen);
    for (ptrdiff_t r = r0; r < r1; r += s->height) {
        const ptrdiff_t last = r1 - r < s->height ? r1 : r + s->height;
#ifdef FLOATING
        if (kind == STRIP_MEAN) {
            KIND(STRIP_MEAN)
        } else if (kind == STRIP_CAREFUL) {
            KIND(STRIP_CAREFUL)
        } else
#endif
        {
            KIND(STRIP_LARGEST)
        }
    }
#undef KIND
    for (int p = 0; p <= STRIDE; p++)
        any += seen[p];
    return WIDE(lost)(any);
}

static void PASTE(WIDE(strided), STRIDE)(const Strided *s, const ELEMENT *x, ELEMENT *out, ptrdiff_t r0, ptrdiff_t r1,
                                         const ELEMENT *end)
{
    out -= r0 * s->ow;
    if (blocks(s, x, out, r0, r1, end, s->kind) && s->kind == STRIP_LARGEST)
        blocks(s, x, out, r0, r1, end, STRIP_CAREFUL);
}
#undef BEHIND
#undef BEHIND1
#undef BEHIND2
#undef BEHIND3
#undef BEHIND4
#undef BEHIND5
#undef BEHIND6
#undef BEHIND7
#undef OF_TWO
#undef OF_THREE
#undef OF_TWO_0
#undef OF_TWO_1
#undef OF_TWO_2
#undef OF_THREE_0
#undef OF_THREE_1
#undef OF_THREE_2
#undef sorted
#undef along_parts
#undef window
#undef walk
#undef STRIPS_OF
#undef NARROWER
#undef STRIPS
#undef blocks
