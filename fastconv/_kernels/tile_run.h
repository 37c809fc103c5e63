/* The loop of the register tile that `tile.h` draws, and what it is told: one function, of which each shape of the tile
 * is an instance with constants in place of arguments (`tile.h`, `first_tile.h`, `woven_tile.h`).
 *
 * The file includes itself once per element type; what WOVEN names, if anything, writes C.
 */
#ifndef FASTCONV_TILE_RUN_H
#define FASTCONV_TILE_RUN_H

#include <string.h>

#include "keep.h"
#include "simd.h"

#define TILE_ROWS 6
#if VECTOR_BYTES == 64
#define TILE_VECTORS 4 /* of 32 registers, 24 for sums */
#else
#define TILE_VECTORS 2
#endif
#define TILE_STEPS (VECTOR_BYTES == 32 ? 4 : 1) /* of k in a turn, where B is a panel */
/* What a tile does with B, a panel, rows that become one, or rows read in place (`first_tile.h`); NEXT_ROWS added, it
 * asks for rows of A that are read next; HALVED added, the last vector of a row is half of one, the lower half; BESIDE
 * added, each row of A is multiplied with a patch that lies along k, too (`mixed_tile.h`) */
enum { PACKED = 1, PACKING, ASKING, NEXT_ROWS, HALVED = 2 * NEXT_ROWS, BESIDE = 2 * HALVED };
#define EACH_VECTOR UNROLL for (ptrdiff_t i = 0; i < rows; i++) UNROLL for (ptrdiff_t j = 0; j < nv; j++)

/* What happens besides the product. Clamping keeps NaN: both comparisons are false for it. */
typedef struct {
    int accumulate;       /* start from C; else from the biases (or zero) */
    int clamp;            /* finish with min(max(c, lo), hi) */
    ptrdiff_t chain;      /* products added up one after the other; sums of so many are then added up */
    double lo, hi;
    const void *row_bias; /* one element a row of C, or NULL */
    const void *col_bias; /* one element a column of C, or NULL; not both */
    const void *next;     /* rows of A, or of what B is made from, that are read next, */
    ptrdiff_t next_step;  /* elements apart; */
    ptrdiff_t next_rows;  /* so many of them are asked for meanwhile */
    ptrdiff_t every;      /* step, a power of two, a tile that is ASKING does so */
} tile_finish;

#define EACH_TYPE "tile_run.h"
#include "each_float.h"
#undef EACH_TYPE

#elif defined(ELEMENT)

#define LANES ((ptrdiff_t)(sizeof(vec) / sizeof(ELEMENT)))
#define vec PASTE(vec, SUFFIX)
#define mask PASTE(mask, SUFFIX)
#define run PASTE(tile_run, SUFFIX)
#define COLUMN(j) ((j) + 1 < nv ? (j) * LANES : last)
/* Vector j in memory. Instructions that leave out lanes beyond the columns spare a copy, and in B, where columns are
 * channels, sums of what these lanes may hold: of denormal numbers they took 3.6 times as long. */
#define IS_HALF(j) (halved && (j) + 1 == nv)
#define IS_PART (VECTOR_BYTES == 64 && nv == 1 && cols < least)
#define LOAD(v, j, p, parts) do { \
        if (IS_PART && (parts)) LOAD_PART(v, p, there); \
        else if (IS_HALF(j)) LOAD_HALF(v, p); \
        else (v) = *(const vec *)(p); \
    } while (0)
#define STORE(v, j, p) do { \
        if (IS_PART) STORE_PART(v, p, there); else if (IS_HALF(j)) STORE_HALF(v, p); else *(vec *)(p) = (v); \
    } while (0)
#define ADD_FROM(v, j, p) do { vec more_; LOAD(more_, j, p, 1); (v) += more_; } while (0)

/* A step of k: `nv` vectors of B, the last of them `second`, and element `left` of each row of A. */
#define STEP(first, second, left) { \
        vec right[TILE_VECTORS]; \
        UNROLL for (ptrdiff_t j = 0; j < nv; j++) \
            LOAD(right[j], j, j + 1 < nv ? (first) + j * LANES : (second), by_tap); \
        UNROLL for (ptrdiff_t j = 0; j < nv && packed == PACKING; j++) *(vec *)(panel + j * LANES) = right[j]; \
        UNROLL for (ptrdiff_t i = 0; i < rows; i++) { \
            UNROLL for (ptrdiff_t j = 0; j < nv; j++) { \
                const ELEMENT one = by_tap || packed || beside ? seen[i][left] : a[i * lda + (left)]; \
                if (IS_HALF(j)) MULTIPLY_ADD_HALF(acc[i][j], one, right[j]); \
                else MULTIPLY_ADD(acc[i][j], one, right[j]); \
            } \
            KEEP_ORDER(); \
        } \
        UNROLL for (ptrdiff_t j = 0; j < nv && VECTOR_BYTES == 64; j++) STILL_USED(right[j]); \
    }

/* A vector of the patch and of each row of A, of what is left of them. */
#define STEP_BESIDE() { \
        const unsigned short inside = (unsigned short)(kc - k < LANES ? (1u << (kc - k)) - 1 : (1u << LANES) - 1); \
        vec right; \
        LOAD_PART(right, patch + k, inside); \
        UNROLL for (ptrdiff_t i = 0; i < rows; i++) { \
            vec left; \
            LOAD_PART(left, seen[i] + k, inside); \
            MULTIPLY_ADD(along[i], left, right); \
        } \
        STILL_USED(right); \
    }

/* Asks for a line of each row that is read next while the tile gets through a line of each of its own: in these steps
 * for their share of them, of 8, which TILE_ROWS are at most. All at once they are more lines than a core waits for,
 * and loads behind them wait, too. */
#define LINE ((ptrdiff_t)(64 / sizeof(ELEMENT)))
#define AT_ONCE(steps) (8 * (steps) > LINE ? 8 * (steps) / LINE : 1)
#define ASK_NEXT(steps) { \
        const ptrdiff_t row = (k & (LINE - 1)) / (steps) * AT_ONCE(steps); \
        UNROLL for (ptrdiff_t n = 0; n < AT_ONCE(steps); n++) \
            if (row + n < finish->next_rows) \
                FETCH((const ELEMENT *)finish->next + (row + n) * finish->next_step + (k & -LINE)); \
    }

/* `rows` and `nv` are constants in every caller, so that each loop below unrolls and acc, which never has an address,
 * stays in registers; in one function for all of them gcc 12 spills. Sums of `chain` products are added up in `total`.
 * Rows of A are `lda` apart, or `by_tap` their elements are where `pixel` and `tap` say; rows of B are `ldb` apart, or
 * at `at`; PACKING, they are copied to `panel`, ASKING, rows from there on, as far apart, fetched. WOVEN, every `ways`
 * rows of C become one line, and vectors of lines go where `to` says (`woven_tile.h`). BESIDE, products of rows of A
 * with `patch` are added up lane by lane in `lanes`, a vector for each row. Rows of B far apart have one place of the
 * load in the code, by which a core foresees them; those of a panel need none. */
static ALWAYS_INLINE void run(
    const int how, const ptrdiff_t rows, const ptrdiff_t nv, ptrdiff_t cols, ptrdiff_t kc, const ELEMENT *restrict a,
    ptrdiff_t lda, const int by_tap, const ptrdiff_t *pixel, const ptrdiff_t *tap, const ELEMENT *restrict b,
    ptrdiff_t ldb, const int by_place, const ptrdiff_t *at, ELEMENT *panel, ELEMENT *restrict c,
    ptrdiff_t ldc, const tile_finish *finish, const ptrdiff_t ways, ELEMENT *const *to, const ELEMENT *patch,
    vec *lanes)
{
    const int packed = how % NEXT_ROWS, asks_next = how / NEXT_ROWS % 2, halved = how / HALVED % 2;
    const int beside = how >= BESIDE;
    const ptrdiff_t least = halved ? LANES / 2 : LANES;
    const unsigned short there = (unsigned short)((1u << (cols & 15)) - 1);
    const ELEMENT *seen[TILE_ROWS];
    UNROLL for (ptrdiff_t i = 0; i < rows; i++) {
        seen[i] = a + (by_tap ? pixel[i] : i * lda);
        if (packed || beside)
            OPAQUE(seen[i]);
    }
    /* columns of the last vector: it ends where they do and overlaps the one before it, if there is one */
    const ptrdiff_t last = nv > 1 ? cols - least : 0;
    vec acc[TILE_ROWS][TILE_VECTORS], along[TILE_ROWS];
    UNROLL for (ptrdiff_t i = 0; i < rows && beside; i++) {
        along[i] = (vec){0};
        IN_REGISTER(along[i]);
    }
    ELEMENT memory[TILE_ROWS * TILE_VECTORS * (VECTOR_BYTES ? VECTOR_BYTES / sizeof(ELEMENT) : 1)], *total = memory;
    const ptrdiff_t ldt = nv * LANES;
    if (VECTOR_BYTES < 64 || nv > 2) /* registers hold no totals, but gcc 12 tries and spills acc before the end */
        OPAQUE(total);
    for (ptrdiff_t k0 = 0;;) {
        const ptrdiff_t k1 = kc - k0 > finish->chain ? k0 + finish->chain : kc;
        EACH_VECTOR acc[i][j] = (vec){0};
        EACH_VECTOR IN_REGISTER(acc[i][j]);
        ptrdiff_t k = k0;
#if TILE_STEPS > 1
        const ptrdiff_t width = TILE_VECTORS * LANES; /* of a panel: distances within a turn are constants */
        if (packed == PACKED && ldb == width && (nv == 1 || cols == width)) {
            const ELEMENT *row = b + k0 * width;
            for (const ptrdiff_t end = k1 - ((k1 - k0) & (TILE_STEPS - 1)); k < end; k += TILE_STEPS) {
                OPAQUE(k);
                OPAQUE(row);
                UNROLL for (ptrdiff_t s = 0; s < TILE_STEPS; s++) {
                    const ptrdiff_t ak = by_tap ? tap[k + s] : k + s;
                    STEP(row + s * width, row + s * width + (nv - 1) * LANES, ak)
                }
                if (asks_next)
                    ASK_NEXT(TILE_STEPS)
                row += TILE_STEPS * width;
                EACH_VECTOR IN_REGISTER(acc[i][j]);
            }
        }
#endif
        if (beside) /* steps that ask for lines themselves have too many addresses: gcc 12 keeps some in vectors */
            for (const ELEMENT *row = b + k0 * ldb; k < k1;) {
                const ptrdiff_t end = k1 - k > LANES ? k + LANES : k1;
                STEP_BESIDE()
                for (ptrdiff_t n = 0; n < finish->next_rows; n++)
                    FETCH((const ELEMENT *)finish->next + n * finish->next_step + k);
                for (; k < end; k++, row += ldb) {
                    if (packed == PACKING)
                        fetch_ahead(row + 8 * ldb + nv * LANES - 1, 1);
                    STEP(row, row + last, k)
                    if (packed == PACKING)
                        panel += nv * LANES;
                    OPAQUE(k);
                }
            }
        if (packed >= PACKING)
            for (const ELEMENT *row = b + k0 * ldb; k < k1; k++, row += ldb) {
                OPAQUE(k); OPAQUE(row); OPAQUE(panel);
                if (packed == PACKING) {
                    fetch_ahead(row + 8 * ldb + nv * LANES - 1, 1); /* each is on another page */
                } else if ((k & (finish->every - 1)) == 0) {
                    fetch_to_l2(panel, nv * VECTOR_BYTES);
                    panel += ldb;
                }
                STEP(row, row + last, k)
                if (packed == PACKING)
                    panel += nv * LANES;
                if (asks_next)
                    ASK_NEXT(1)
            }
        for (; k < k1; k++) {
            const ELEMENT *right_k = by_place ? b + at[k] : b + k * ldb;
            const ptrdiff_t ak = by_tap ? tap[k] : k;
            STEP(right_k, right_k + last, ak)
            if (asks_next)
                ASK_NEXT(1)
        }
        if (TILE_STEPS > 1)
            EACH_VECTOR IN_REGISTER(acc[i][j]);
        if (k0 > 0)
            EACH_VECTOR acc[i][j] += *(const vec *)(total + i * ldt + j * LANES);
        if (k1 == kc)
            break;
        EACH_VECTOR *(vec *)(total + i * ldt + j * LANES) = acc[i][j];
        k0 = k1;
    }
    UNROLL for (ptrdiff_t i = 0; i < rows && beside; i++)
        lanes[i] = along[i];
#ifdef WOVEN
    if (finish->row_bias) /* adding 0 would lose the sign of -0 */
        EACH_VECTOR acc[i][j] += ((const ELEMENT *)finish->row_bias)[i];
    UNROLL for (ptrdiff_t i = 0; i < rows; i += ways)
        UNROLL for (ptrdiff_t j = 0; j < nv; j++) {
            vec some[WEAVE_MOST];
            UNROLL for (ptrdiff_t k = 0; k < ways; k++)
                some[k] = acc[i + k][j];
            WOVEN((int)ways, some, to[i / ways * nv + j]);
        }
    return;
#endif
    ELEMENT *target = c;
    ptrdiff_t step = ldc;
    if (VECTOR_BYTES < 64 && nv == 1 && cols < LANES) { /* a copy, so that nothing beside C is read or written */
        target = total;
        step = ldt;
        if (finish->accumulate)
            for (ptrdiff_t i = 0; i < rows; i++)
                memcpy(total + i * ldt, c + i * ldc, (size_t)cols * sizeof(ELEMENT));
    }
    if (finish->accumulate) {
        EACH_VECTOR ADD_FROM(acc[i][j], j, target + i * step + COLUMN(j));
    } else if (finish->row_bias) {
        const ELEMENT *bias = finish->row_bias;
        EACH_VECTOR acc[i][j] += bias[i];
    } else if (finish->col_bias) {
        const ELEMENT *bias = finish->col_bias;
        if (target == total) {
            memcpy(total, bias, (size_t)cols * sizeof(ELEMENT));
            bias = total;
        }
        EACH_VECTOR ADD_FROM(acc[i][j], j, bias + COLUMN(j));
    }
    if (finish->clamp) {
        const vec lo = (vec){0} + (ELEMENT)finish->lo, hi = (vec){0} + (ELEMENT)finish->hi;
        EACH_VECTOR CLAMP(vec, mask, acc[i][j], lo, hi);
    }
    EACH_VECTOR STORE(acc[i][j], j, target + i * step + COLUMN(j));
    if (target == total)
        for (ptrdiff_t i = 0; i < rows; i++)
            memcpy(c + i * ldc, total + i * ldt, (size_t)cols * sizeof(ELEMENT));
}

#undef ADD_FROM
#undef STORE
#undef LOAD
#undef IS_PART
#undef IS_HALF
#undef COLUMN
#undef ASK_NEXT
#undef AT_ONCE
#undef LINE
#undef STEP_BESIDE
#undef STEP
#undef run
#undef mask
#undef vec
#undef LANES
#endif
