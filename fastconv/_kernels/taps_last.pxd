"""Products of channels-last pixels with weights: of all of a block, or of those that see a row of taps.

Elements of a pixel's patch lie where two tables say, of pixels and of taps; K is counted as `StageLast.together` tells.
"""

from fastconv._kernels.pack cimport ceil_div, clip, end_inside, first_inside
from fastconv._kernels.product cimport SHORT, STRIPE_BYTES, Task, stripe_of
from fastconv._kernels.shape cimport at, real
from fastconv._kernels.sights cimport Runs
from fastconv._kernels.stage_last cimport StageLast
from fastconv._kernels.tile cimport (
    TILE_ROWS, fetch_ahead, fetch_to_l2, tile, tile_finish, tile_halves, tile_taps
)
from fastconv._kernels.turn cimport clear_beside, turn_block


cdef inline void multiply_taps(
    Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t kc, const real *a, const Py_ssize_t *pixel, const Py_ssize_t *tap,
    bint ahead, Py_ssize_t lda, const real *b, Py_ssize_t width, Py_ssize_t b_tile, const real *later, Py_ssize_t ld,
    real *c, Py_ssize_t ldc, tile_finish finish,
) noexcept nogil:
    """C += A . B as `multiply` of `stripes.pxd`, where element (i, k) of A is a[pixel[i] + tap[k]].

    ahead : elements of a row of A are neighbours, and asked for before their turn if many; else C is, if sums are short
    lda : what rows of neighbours are apart, needing no tables, or 0
    width : columns of a tile, as which B lies
    later : rows of weights, `ld` apart, that are turned next, to be fetched; or NULL
    """
    cdef Py_ssize_t tiles = ceil_div(rows, TILE_ROWS)
    cdef Py_ssize_t shorter = rows // tiles, longer = rows - shorter * tiles, i, j, n, r, m, j0 = 0
    cdef Py_ssize_t stripe = stripe_of(kc, STRIPE_BYTES, width, sizeof(real))
    cdef const real *bias = <const real *> finish.col_bias
    while j0 < cols:
        i = 0
        for n in range(tiles):
            r = shorter + (n < longer)
            for m in range(r if ahead and kc > SHORT and j0 == 0 and n + 1 < tiles else 0):
                fetch_ahead(a + pixel[i + r + m], kc * sizeof(real))
            if later != NULL and n < width:
                fetch_to_l2(later + n * ld, kc * sizeof(real))
            for m in range(r if not ahead and kc <= SHORT and n + 1 < tiles else 0):
                fetch_ahead(c + (i + r + m) * ldc + j0, min(stripe, cols - j0) * sizeof(real))
            for m in range(ceil_div(min(stripe, cols - j0), width)):
                j = j0 + m * width
                finish.col_bias = at(bias, j)
                if lda and not tile_halves(sizeof(real), min(width, cols - j)):
                    tile(sizeof(real), r, min(width, cols - j), kc, a + i * lda, lda, b + m * b_tile, width,
                         c + i * ldc + j, ldc, &finish)
                else:
                    tile_taps(sizeof(real), r, min(width, cols - j), kc, a, pixel + i, tap, b + m * b_tile, width,
                              c + i * ldc + j, ldc, &finish)
            i += r
        j0 += stripe
        b += stripe // width * b_tile


cdef inline void turn_some(
    const StageLast *stage, Py_ssize_t taps, Py_ssize_t outputs, Py_ssize_t width, Py_ssize_t channels, Py_ssize_t k0,
    Py_ssize_t k1, const real *w, Py_ssize_t depth, real *turned,
) noexcept nogil:
    """Turn products [k0, k1) of a stage of some channels, at which w starts, for a tile's outputs, `depth` apart."""
    cdef Py_ssize_t c
    clear_beside(outputs, k1 - k0, width, turned)
    if stage.together == 1:
        turn_block(sizeof(real), outputs, k1 - k0, w + k0, depth, turned, width)
        return
    for c in range(channels):
        turn_block(sizeof(real), outputs, (k1 - k0) // channels, w + c * taps + k0 // channels, depth,
                   turned + c * width, channels * width)


cdef inline void multiply_turned(
    const Task *t, const StageLast *stage, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t channels, Py_ssize_t k0,
    Py_ssize_t k1, const real *a, const Py_ssize_t *pixel, const Py_ssize_t *tap, Py_ssize_t lda, const real *w,
    real *turned, real *c, tile_finish finish,
) noexcept nogil:
    """The same with weights as they are, (cols, depth), of which one tile after the other is turned to `turned`.

    w : where the channels of the stage start, of which products [k0, k1) are taken
    """
    cdef Py_ssize_t width = t.width, taps = t.s.kd * t.s.kh * t.s.kw, n, j, some
    cdef const real *bias = <const real *> finish.col_bias
    for n in range(ceil_div(cols, width)):
        j = n * width
        some = min(width, cols - j)
        turn_some(stage, taps, some, width, channels, k0, k1, w + j * t.depth, t.depth, turned)
        finish.col_bias = at(bias, j)
        multiply_taps(rows, some, k1 - k0, a, pixel, tap, taps == 1 and n == 0, lda, <const real *> turned, width, 0,
                      w + (j + width) * t.depth + k0 if j + width < cols else NULL, t.depth, c + j, t.s.oc, finish)


cdef inline Py_ssize_t of_run(const Runs *runs, Py_ssize_t run, Py_ssize_t ow, Py_ssize_t p) noexcept nogil:
    """How many pixels before p lie in a run of columns."""
    cdef Py_ssize_t first = runs.start[run], n = runs.start[run + 1] - first
    return p // ow * n + clip(p % ow - first, 0, n)


cdef inline const Py_ssize_t *by_runs(const Runs *runs, Py_ssize_t ow, Py_ssize_t p0, Py_ssize_t p1,
                                      Py_ssize_t *pixel) noexcept nogil:
    """The items of [p0, p1) run after run, and behind them which pixel each is; `pixel` has room for both behind its
    own."""
    cdef Py_ssize_t *sorted_ = pixel + (p1 - p0)
    cdef Py_ssize_t *order = sorted_ + (p1 - p0)
    cdef Py_ssize_t run, row, p, to = 0
    for run in range(runs.count):
        for row in range(p0 // ow, (p1 - 1) // ow + 1):
            for p in range(max(row * ow + runs.start[run], p0), min(row * ow + runs.start[run + 1], p1)):
                sorted_[to], order[to] = pixel[p - p0], p - p0
                to += 1
    return sorted_


cdef inline void multiply_runs(
    const Task *t, const StageLast *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t p, Py_ssize_t end, Py_ssize_t cols,
    Py_ssize_t channels, const real *a, const Py_ssize_t *pixel, const Py_ssize_t *tap, const real *b, real *c,
    Py_ssize_t ldc, const tile_finish *finish,
) noexcept nogil:
    """C += A . B of the pixels [p, end) among [p0, p1), sorted by runs of columns, each of which takes what it sees of
    a row of taps.

    channels : products of a tap
    """
    cdef const Runs *runs = &stage.runs
    cdef Py_ssize_t run, before, first, n, k0, kc, base = 0
    for run in range(runs.count):
        before = of_run(runs, run, t.s.ow, p0)
        first = base + of_run(runs, run, t.s.ow, p) - before
        n = base + of_run(runs, run, t.s.ow, end) - before - first
        base += of_run(runs, run, t.s.ow, p1) - before
        k0 = runs.first[run] * channels
        kc = runs.end[run] * channels - k0
        if n > 0 and kc > 0:
            multiply_taps(n, cols, kc, a, pixel + first, tap + k0, False, 0, b + k0 * t.width, t.width,
                          t.depth * t.width, NULL, 0, c + first * ldc, ldc, finish[0])


cdef inline void multiply_seen(
    const Task *t, const StageLast *stage, Py_ssize_t row, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t cols,
    Py_ssize_t kc, const real *a, const Py_ssize_t *pixel, const Py_ssize_t *tap, const real *b, real *c,
    Py_ssize_t ldc, const tile_finish *finish,
) noexcept nogil:
    """C += A . B of those pixels of [p0, p1) that see more than padding in a row of taps; they are sorted if there are
    several runs of columns.

    A product with a zero of the padding changes no sum, unless the weight is infinite or NaN.
    """
    cdef Py_ssize_t plane = t.s.oh * t.s.ow, z, p, end
    cdef Py_ssize_t below = row // t.s.kh * t.s.dd - t.s.pd, right = row % t.s.kh * t.s.dh - t.s.ph
    cdef Py_ssize_t z0 = first_inside(below, t.s.sd), z1 = end_inside(below, t.s.sd, t.s.id)
    cdef Py_ssize_t y0 = first_inside(right, t.s.sh), y1 = min(end_inside(right, t.s.sh, t.s.ih), t.s.oh)
    if not stage.finite:
        y0, y1, z0, z1 = 0, t.s.oh, 0, t.s.od
    for z in range(max(p0 // plane, z0), min((p1 - 1) // plane + 1, z1)):
        p, end = max(z * plane + y0 * t.s.ow, p0), min(z * plane + y1 * t.s.ow, p1)
        if p < end and t.ordered:
            multiply_runs(t, stage, p0, p1, p, end, cols, kc // t.s.kw, a, pixel, tap, b, c, ldc, finish)
        elif p < end:
            multiply_taps(end - p, cols, kc, a, pixel + p - p0, tap, False, 0, b, t.width, t.depth * t.width, NULL, 0,
                          c + (p - p0) * ldc, ldc, finish[0])
