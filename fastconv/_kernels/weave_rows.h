/* Rows woven by vectors of BYTES bytes: see `weave.h`, which includes the file for each element type, and for each
 * width of vectors up to the one of this build, so that short rows are woven by short ones.
 */
#ifndef FASTCONV_WEAVE_ROWS_H
#define FASTCONV_WEAVE_ROWS_H

/* position p of the woven row is element p / 3 of row p % 3 */
#define TWO_OF_THREE(p) ((p) % 3 < 2 ? (p) / 3 + (p) % 3 * COUNT : 0)
#define AND_THIRD(i, p) ((p) % 3 < 2 ? (i) : COUNT + (p) / 3)
#define TWO_0(i) TWO_OF_THREE(i)
#define TWO_1(i) TWO_OF_THREE((i) + COUNT)
#define TWO_2(i) TWO_OF_THREE((i) + 2 * COUNT)
#define THIRD_0(i) AND_THIRD(i, i)
#define THIRD_1(i) AND_THIRD(i, (i) + COUNT)
#define THIRD_2(i) AND_THIRD(i, (i) + 2 * COUNT)

/* Lines are as short as rows of an image, so a core foresees neither what is read nor what is written next: with both
 * asked for, transposed layers took 0.97 of the time (9 of them, AVX-512, Emerald Rapids, 2026-11-30), with one 1.0. */
#define LINES_AHEAD 2

#endif

#define vec_of_rows PASTE(PASTE(weave_vec, SUFFIX), BYTES)
typedef ELEMENT vec_of_rows __attribute__((vector_size(BYTES), aligned(ELEMENT_BYTES), may_alias));

#define three PASTE(PASTE(weave_three, SUFFIX), BYTES)
static ALWAYS_INLINE void three(vec_of_rows a, vec_of_rows b, vec_of_rows c, vec_of_rows *v)
{
    v[0] = SHUFFLE(SHUFFLE(a, b, TWO_0), c, THIRD_0);
    v[1] = SHUFFLE(SHUFFLE(a, b, TWO_1), c, THIRD_1);
    v[2] = SHUFFLE(SHUFFLE(a, b, TWO_2), c, THIRD_2);
}

#define weave_vectors PASTE(PASTE(weave_vectors, SUFFIX), BYTES)
/* A vector of each row woven in v[0] ... v[ways - 1]; `ways` is a constant in every call. */
static ALWAYS_INLINE void weave_vectors(const int ways, vec_of_rows *a, vec_of_rows *v)
{
    v[0] = a[0];
    if (ways == 3)
        three(a[0], a[1], a[2], v);
    if (ways == 6)
        UNROLL for (int half = 0; half < 2; half++) {
            vec_of_rows pair[3];
            UNROLL for (int k = 0; k < 3; k++)
                pair[k] = half ? SHUFFLE(a[k], a[k + 3], ZIP_HIGH) : SHUFFLE(a[k], a[k + 3], ZIP_LOW);
            three(pair[0], pair[1], pair[2], v + 3 * half);
        }
    if (ways == 9) {
        vec_of_rows third[3][3];
        UNROLL for (int k = 0; k < 3; k++)
            three(a[k], a[k + 3], a[k + 6], third[k]);
        UNROLL for (int k = 0; k < 3; k++)
            three(third[0][k], third[1][k], third[2][k], v + 3 * k);
    }
    if (ways % 3 == 0)
        return;
    /* row k with row k + ways / 2, and so on: each pass doubles the number of rows that are woven */
    UNROLL for (int half = ways / 2, pass = 1; pass < ways; pass *= 2) {
        UNROLL for (int k = 0; k < half; k++) {
            v[2 * k] = SHUFFLE(a[k], a[k + half], ZIP_LOW);
            v[2 * k + 1] = SHUFFLE(a[k], a[k + half], ZIP_HIGH);
        }
        UNROLL for (int k = 0; k < ways; k++)
            a[k] = v[k];
    }
}

#define some_ways PASTE(PASTE(weave_ways, SUFFIX), BYTES)
/* As `weave`, where a row fills a vector; the last one ends with the row. `ways` is a constant in every call. */
static ALWAYS_INLINE void some_ways(const int ways, const ELEMENT *const *rows, const ptrdiff_t *pitch, ptrdiff_t n,
                                    ELEMENT *to, ptrdiff_t ldt, ptrdiff_t lines)
{
    const ELEMENT *row[WEAVE_MOST];
    UNROLL for (int k = 0; k < ways; k++)
        row[k] = rows[k];
    for (; lines > 0; lines--, to += ldt) {
        for (ptrdiff_t i = 0; i < n; i += COUNT) {
            const ptrdiff_t at = i < n - COUNT ? i : n - COUNT;
            vec_of_rows a[WEAVE_MOST], v[WEAVE_MOST];
            UNROLL for (int k = 0; k < ways; k++) {
                a[k] = *(const vec_of_rows *)(row[k] + at);
                FETCH(row[k] + at + LINES_AHEAD * pitch[k]);
                FETCH(to + at * ways + k * COUNT + LINES_AHEAD * ldt);
            }
            weave_vectors(ways, a, v);
            UNROLL for (int k = 0; k < ways; k++)
                *(vec_of_rows *)(to + at * ways + k * COUNT) = v[k];
        }
        UNROLL for (int k = 0; k < ways; k++)
            row[k] += pitch[k];
    }
}

/* Whether that was done: 0 for rows shorter than a vector, and numbers of them that are not zipped. */
static inline int PASTE(PASTE(weave_rows, SUFFIX), BYTES)(ptrdiff_t ways, const ELEMENT *const *rows,
                                                          const ptrdiff_t *pitch, ptrdiff_t n, ELEMENT *to,
                                                          ptrdiff_t ldt, ptrdiff_t lines)
{
#define WAYS(count) case count: some_ways(count, rows, pitch, n, to, ldt, lines); return 1;
    switch (n < COUNT ? 0 : ways) {
        WAYS(1) WAYS(2) WAYS(3) WAYS(4) WAYS(6) WAYS(8) WAYS(9)
    }
#undef WAYS
    return 0;
}
#undef some_ways
#undef three
#undef weave_vectors
#undef vec_of_rows
