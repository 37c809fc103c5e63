/* One tile of `filter.h`: `nr` rows of `nv` vectors of outputs, all taps of all planes, sums in registers. Included
 * once per element type, after vec, mask, LANES, tile and store_few are defined.
 */
#undef COLUMN
#undef ADD_ROW
#undef ADD_PART
#undef AT
#undef PART_acc
#undef PART_total
#undef ADD_UP
#undef END_CHAIN
/* The first column of vector x of a tile. */
#define COLUMN(x) ((x) < nv - 1 ? (x) * LANES : last)

/* acc[q] += w[-q * kw] * row for q0 <= q < q1. A macro over constant bounds: only then do the accumulators, which must
 * never have an address, unroll into registers. */
#define ADD_ROW(q0, q1) do { \
        vec v[FILTER_VECTORS]; \
        UNROLL for (ptrdiff_t x = 0; x < nv; x++) { \
            v[x] = *(const vec *)(row + COLUMN(x)); \
            LOADED_ONCE(v[x]); \
        } \
        UNROLL for (ptrdiff_t q = 0; q < nr; q++) { \
            if (q < (q0) || q >= (q1)) \
                continue; \
            const ELEMENT weight = tap[-q * kw]; \
            UNROLL for (ptrdiff_t x = 0; x < nv; x++) \
                acc[q][x] += weight * v[x]; \
        } \
        KEEP_ORDER(); \
        row += pitch; \
        tap += kw; \
    } while (0)

/* What the next `n` taps of a column add, whose weights stay in registers: each row is loaded once for all of them.
 * Rows are addressed from every fourth one, since a pointer moved for each is an instruction for five products. */
#define ADD_PART(n) do { \
        vec k[FILTER_HIGH]; \
        UNROLL for (ptrdiff_t i = 0; i < (n); i++) \
            k[i] = tap[i * kw] - (vec){0}; \
        const ELEMENT *fourth = row; \
        UNROLL_ROWS for (ptrdiff_t r = 0; r < (nr - 1) * sh + (n); r++) { \
            vec v[FILTER_VECTORS]; \
            UNROLL for (ptrdiff_t x = 0; x < nv; x++) { \
                v[x] = *(const vec *)(fourth + r % 4 * pitch + COLUMN(x)); \
                LOADED_ONCE(v[x]); \
            } \
            UNROLL for (ptrdiff_t q = 0; q < nr; q++) { \
                if (r < q * sh || r >= q * sh + (n)) \
                    continue; \
                UNROLL for (ptrdiff_t x = 0; x < nv; x++) \
                    acc[q][x] += k[r - q * sh] * v[x]; \
            } \
            UNROLL for (ptrdiff_t x = 0; x < nv; x++) \
                STILL_USED(v[x]); \
            if (r % 4 == 3) \
                fourth += 4 * pitch; \
            KEEP_ORDER(); \
        } \
        UNROLL for (ptrdiff_t i = 0; i < (n); i++) \
            STILL_USED(k[i]); \
        row += (n) * pitch; \
        tap += (n) * kw; \
    } while (0)

/* Chains of at most CHUNK products go to `total`, and as many of those to `grand`: sum = sum + part, or = part. */
#define AT(sums) (*(vec *)((sums) + (q * nv + x) * LANES))
#define PART_acc acc[q][x]
#define PART_total AT(total)
#define ADD_UP(sum, part, more) do { \
        if (more) \
            EACH_OUTPUT AT(sum) += PART_##part; \
        else \
            EACH_OUTPUT AT(sum) = PART_##part; \
    } while (0)

#define END_CHAIN() do { \
        if (chains % CHUNK == 0 && chains > 0) \
            ADD_UP(grand, total, chains > CHUNK); \
        ADD_UP(total, acc, chains % CHUNK > 0); \
        EACH_OUTPUT acc[q][x] = (vec){0}; \
        chains++; \
    } while (0)

static NEVER_INLINE void store_few(ELEMENT *to, vec v, ptrdiff_t n)
{
    ELEMENT edge[FILTER_LANES];
    *(vec *)edge = v;
    if (n > 0)
        copy_few((char *)to, (const char *)edge, n * (ptrdiff_t)sizeof(ELEMENT));
}

/* `sh`, a constant as nr and nv are, is the stride of output rows that share loaded rows under all taps of a column at
 * once, of which there are `high`, a constant too, or with high = 0 as many as the shape says, in parts; sh = 0 leaves
 * everything to the shape. `last` is the last vector's column, `room` what may be written from `out`. */
static ALWAYS_INLINE void tile(const ptrdiff_t nr, const ptrdiff_t nv, const ptrdiff_t high, const ptrdiff_t sh,
                               const filter_shape *s, const ELEMENT *staged, const ELEMENT *w, const ELEMENT bias,
                               ELEMENT *out, const ptrdiff_t rows, const ptrdiff_t last, const ptrdiff_t room)
{
    vec acc[FILTER_ROWS][FILTER_VECTORS];
    const ptrdiff_t pitch = s->pitch, kh = high > 0 ? high : s->kh, kw = s->kw, out_pitch = s->out_pitch;
    EACH_OUTPUT acc[q][x] = (vec){0};
    ELEMENT sums[2][FILTER_ROWS * FILTER_VECTORS * FILTER_LANES], *total = sums[0], *grand = sums[1];
    OPAQUE(total);
    OPAQUE(grand);
    ptrdiff_t chains = 0;
    if (sh > 0 && high == 0) {
        const ptrdiff_t *const column = s->column, columns = CHUNK / kh;
        ptrdiff_t more = columns;
        for (ptrdiff_t plane = 0; plane < s->planes; plane++, staged += s->plane, w += kh * kw)
            for (ptrdiff_t j = 0; j < kw; j++) {
                if (more-- == 0) {
                    END_CHAIN();
                    more = columns - 1;
                }
                const ELEMENT *row = staged + column[j], *tap = w + j;
                ptrdiff_t left = kh;
                OPAQUE(row);
                while (left > FILTER_HIGH) {
                    ADD_PART(FILTER_PART);
                    left -= FILTER_PART;
                    OPAQUE(left);
                }
                switch (left) {
                case 2: ADD_PART(2); break;
                case 3: ADD_PART(3); break;
                case 4: ADD_PART(4); break;
                case 5: ADD_PART(5); break;
                }
            }
    } else for (ptrdiff_t plane = 0, chain = 0; plane < s->planes; plane++, staged += s->plane, w += kh * kw)
        for (ptrdiff_t i0 = 0; i0 < kh; i0 += CHUNK)
            for (ptrdiff_t j = 0; j < kw; j++) {
                const ptrdiff_t taps = kh - i0 < CHUNK ? kh - i0 : CHUNK;
                if (chain + taps > CHUNK) {
                    END_CHAIN();
                    chain = 0;
                }
                chain += taps;
                const ELEMENT *row = staged + s->column[j] + i0 * s->reach, *tap = w + i0 * kw + j;
                if (sh > 0) {
                    ADD_PART(high);
                } else if (nr > 1 && taps >= nr && s->step == pitch && s->reach == pitch) {
                    UNROLL for (ptrdiff_t r = 1; r < nr; r++)
                        ADD_ROW(0, r);
                    for (ptrdiff_t r = nr; r <= taps; r++)
                        ADD_ROW(0, nr);
                    UNROLL for (ptrdiff_t first = 1; first < nr; first++)
                        ADD_ROW(first, nr);
                } else {
                    const ptrdiff_t step = s->step, reach = s->reach;
                    for (ptrdiff_t i = 0; i < taps; i++, row += reach, tap += kw) {
                        const ELEMENT weight = *tap;
                        EACH_OUTPUT acc[q][x] += weight * *(const vec *)(row + q * step + COLUMN(x));
                        KEEP_ORDER();
                    }
                }
            }
    if (chains > 0)
        EACH_OUTPUT acc[q][x] += AT(total);
    if (chains > CHUNK)
        EACH_OUTPUT acc[q][x] += AT(grand);
    EACH_OUTPUT acc[q][x] += bias;
    if (s->clamp) {
        const vec lo = (vec){0} + (ELEMENT)s->lo, hi = (vec){0} + (ELEMENT)s->hi;
        EACH_OUTPUT CLAMP(vec, mask, acc[q][x], lo, hi);
    }
    UNROLL for (ptrdiff_t q = 0; q < nr; q++) {
        if (q >= rows)
            return;
        ELEMENT *to = out + q * out_pitch;
        if (nv == 1 && room - q * out_pitch < LANES) {
            store_few(to, acc[q][0], room - q * out_pitch);
            continue;
        }
        UNROLL for (ptrdiff_t x = 0; x < nv; x++)
            *(vec *)(to + COLUMN(x)) = acc[q][x];
    }
}
