/* Windows two to four columns apart, and at most four columns wider than that, of any rows and depths, over
 * channels-first planes, without scratch.
 *
 *     parts at stride 2, two and one more     a b c d   e f g h   i . . .
 *     sorted by the remainder of columns      a c e g   b d f h
 *     taps 2 and on: shifted, what lies       c e g i   d f h .
 *     behind coming in from the part after
 *
 * The rows of the windows are combined first, a vector of columns, a part, at a time; taps are vectors of outputs then.
 * Strips of outputs are walked down, so that where vectors lie is found out once and rows that two windows share are
 * kept. Where the image ends a part is read inside it and moved, blanks coming in, so that nothing outside of rows is
 * read. Strips follow each other from the right to the left: what vectors write beyond a row is written later.
 *
 * Maxima let NaN get lost, notice that by a sum, and start again, as in `strips.h`. The file includes itself once per
 * element type and width of vector, and `strided_walk.h` per stride.
 */
#ifndef FASTCONV_STRIDED_H
#define FASTCONV_STRIDED_H

#include "fold.h"
#include "split.h"
#include "strips.h"

#define STRIDED_MOST 4 /* the widest stride */

/* Which rows the windows of one row of outputs have in the image. */
typedef struct {
    ptrdiff_t from;         /* the first of them, as its distance from the plane; */
    ptrdiff_t depths, rows; /* how many */
    FoldEnd end;            /* what becomes of sums, besides what `across` says */
} StridedRow;

typedef struct {
    ptrdiff_t iw, ow, pw, taps, stride;
    ptrdiff_t kh, shared;   /* rows of a window, of which the next one has so many too; 0 if they are not kept */
    ptrdiff_t depth, row;   /* from one depth and row of a window to the next, in elements, */
    ptrdiff_t step;         /* and from one window to that below */
    ptrdiff_t bytes;        /* of a vector */
    ptrdiff_t height;       /* rows of outputs that are walked down */
    ptrdiff_t kd, fresh_depths; /* depths of a window, those of them that no earlier ones have seen, */
    ptrdiff_t fresh;        /* and rows of each; 0 where they do not come from afar */
    int kind;               /* STRIP_LARGEST or STRIP_MEAN */
    double blank;           /* what changes nothing, of a float type, */
    int64_t lowest;         /* or of an integer */
    const StridedRow *rows; /* of outputs, of all depths */
    const void *across;     /* the divisor's factor of each output of a row, or NULL if it is in `end` */
} Strided;

/* The bytes of the widest vectors that rows of the image fill and rows of outputs more than half, of four elements at
 * least; 0 if windows have another way to go. */
static ptrdiff_t strided_bytes(const Strided *s, ptrdiff_t size)
{
#if defined(SPLITS) && defined(SHUFFLES)
    const ptrdiff_t after = s->taps - s->stride; /* elements of the part after */
    ptrdiff_t bytes = VECTOR_BYTES;
    while (bytes > 4 * size && (2 * s->ow * size <= bytes || s->iw * size < bytes))
        bytes /= 2;
    if (size >= 4 && s->iw * size >= bytes && after <= 4 && s->stride > 1 && s->stride <= STRIDED_MOST)
        return bytes;
#endif
    (void)s, (void)size;
    return 0;
}

#if defined(SPLITS) && defined(SHUFFLES)
#define EACH_TYPE "strided.h"
#include "each_type.h"
#undef EACH_TYPE
/* Rows r0 to r1 of the outputs of the plane x, counted over its depths, to `out`; up to `end` all is written later. */
#define pool_strided(s, x, out, r0, r1, end) _Generic((out), float *: strided_f32, double *: strided_f64, \
    int32_t *: strided_i32, int64_t *: strided_i64, default: strided_none)(s, x, out, r0, r1, end)
#else
#define pool_strided(s, x, out, r0, r1, end) strided_none(s, x, out, r0, r1, end)
#endif
static inline void strided_none(const Strided *s, const void *x, void *out, ptrdiff_t r0, ptrdiff_t r1, const void *end)
{
    (void)s, (void)x, (void)out, (void)r0, (void)r1, (void)end;
}

#elif ELEMENT_BYTES < 4

#elif !defined(BYTES)

#define LEAST_BYTES (4 * ELEMENT_BYTES)
#define EACH_WIDTH "strided.h"
#include "each_width.h"
#undef EACH_WIDTH
#undef LEAST_BYTES

static void NAMED(strided)(const Strided *s, const ELEMENT *x, ELEMENT *out, ptrdiff_t r0, ptrdiff_t r1,
                           const ELEMENT *end)
{
#define STRIDED_BY(width) if (s->bytes == width) PASTE(NAMED(strided), width)(s, x, out, r0, r1, end)
    STRIDED_BY(32);
#if VECTOR_BYTES >= 64
    STRIDED_BY(64);
#endif
#if ELEMENT_BYTES == 4
    STRIDED_BY(16);
#endif
#undef STRIDED_BY
}

#else

#define vec WIDE(strip_vec)
#define mask WIDE(mask)
#define both WIDE(both)
#define BOTH(a, b) both(a, b, kind)
#define ITSELF(i) (i)

#ifdef FLOATING
#define SEEN(seen, v) (*(seen) += (v))
#define BLANK(s) ((ELEMENT)(s)->blank - (vec){0})
#else
#define SEEN(seen, v) ((void)(seen))
#define BLANK(s) ((ELEMENT)(s)->lowest - (vec){0})
#endif

/* Asks for what the rows of outputs below those from r0 to r1 will read, in the order of memory: as much of it as one
 * vector of outputs, column j on of row r, has of these. */
#define fetch_below WIDE(strided_fetch)
static ALWAYS_INLINE void fetch_below(const Strided *s, const ELEMENT *x, ptrdiff_t j, ptrdiff_t r, ptrdiff_t r0,
                                      ptrdiff_t r1)
{
    const ptrdiff_t done = (s->ow - j - COUNT) * (r1 - r0) + (r - r0) * COUNT, size = s->fresh * s->stride;
    const ELEMENT *const next = x + s->rows[r0].from + (s->kh - s->fresh) * s->row + s->height * s->step;
    for (ptrdiff_t z = s->kd - s->fresh_depths; z < s->kd; z++)
        fetch_ahead((const char *)(next + z * s->depth + done * size), size * BYTES);
}

/* `parts` vectors, each over `rows` rows, from x + at[p] on, onto what `all` are already if `onto`. */
#define below WIDE(strided_below)
static ALWAYS_INLINE void below(vec *all, const ELEMENT *x, const ptrdiff_t *at, int parts, ptrdiff_t rows,
                                ptrdiff_t row, int onto, int kind, vec *seen)
{
    ptrdiff_t y = 0;
    if (!onto) {
        UNROLL for (int p = 0; p < parts; p++) {
            all[p] = *(const vec *)(x + at[p]);
            if (kind == STRIP_LARGEST)
                SEEN(seen + p, all[p]);
        }
        y++, x += row;
    }
    for (; y < rows; y++, x += row)
        UNROLL for (int p = 0; p < parts; p++) {
            vec next = *(const vec *)(x + at[p]);
            LOADED_ONCE(next);
            if (kind == STRIP_LARGEST)
                SEEN(seen + p, next);
            all[p] = BOTH(all[p], next);
        }
}

/* A part that has been read `by` columns before its place, or behind it: blanks come in. */
#define moved WIDE(strided_moved)
static ALWAYS_INLINE vec moved(const Strided *s, vec part, ptrdiff_t by)
{
    const mask lane = (mask){LIST(ITSELF, 0)} + (BITS)by;
    const vec blank = BLANK(s);
    return SELECT(vec, mask, (lane >= 0) & (lane < COUNT), __builtin_shuffle(part, lane), blank);
}

/* The first n < COUNT elements of a vector. */
#define put_few WIDE(strided_put_few)
static ALWAYS_INLINE void put_few(ELEMENT *to, vec all, ptrdiff_t n)
{
    ELEMENT few[COUNT], *from = few;
    *(vec *)few = all;
    UNROLL for (int bit = COUNT / 2; bit > 0; bit /= 2)
        if (n & bit) {
            memcpy(to, from, bit * sizeof *to);
            to += bit, from += bit;
        }
}

/* Outputs j on of a row at `to`; up to `end` all is written later. */
#define put_outputs WIDE(strided_put)
static ALWAYS_INLINE void put_outputs(const Strided *s, const StridedRow *r, ELEMENT *to, ptrdiff_t j, vec all,
                                      const ELEMENT *end, int kind)
{
#ifdef FLOATING
    if (kind == STRIP_MEAN && s->across)
        all /= *(const vec *)((const ELEMENT *)s->across + j) * (ELEMENT)r->end.by;
    else if (kind == STRIP_MEAN && r->end.kind == FOLD_DIVIDED)
        all /= (ELEMENT)r->end.by;
    else if (kind == STRIP_MEAN && r->end.kind == FOLD_SCALED)
        all *= (ELEMENT)r->end.by;
#endif
    if (j + COUNT <= s->ow || end - to >= j + COUNT)
        *(vec *)(to + j) = all;
    else
        put_few(to + j, all, s->ow - j);
}

#define STRIDE 2
#include "strided_walk.h"
#undef STRIDE
#define STRIDE 3
#include "strided_walk.h"
#undef STRIDE
#define STRIDE 4
#include "strided_walk.h"
#undef STRIDE

static void WIDE(strided)(const Strided *s, const ELEMENT *x, ELEMENT *out, ptrdiff_t r0, ptrdiff_t r1,
                          const ELEMENT *end)
{
    if (s->stride == 2)
        PASTE(WIDE(strided), 2)(s, x, out, r0, r1, end);
    else if (s->stride == 3)
        PASTE(WIDE(strided), 3)(s, x, out, r0, r1, end);
    else
        PASTE(WIDE(strided), 4)(s, x, out, r0, r1, end);
}
#undef vec
#undef mask
#undef both
#undef BOTH
#undef ITSELF
#undef SEEN
#undef BLANK
#undef fetch_below
#undef below
#undef moved
#undef put_few
#undef put_outputs
#endif
