"""The register tile over columns that lie in a panel, in a stage or in the image: channels-first products of pixels."""

from fastconv._kernels.across_cost cimport staged_run
from fastconv._kernels.ahead cimport Next, ask_meanwhile, rows_below, share_out
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.product cimport SHORT, STRIPE_BYTES, Task, short_vectors, stripe_of
from fastconv._kernels.shape cimport at, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.tile cimport (
    TILE_ROWS, asking_tile, fetch_to_l2, first_tile, tile, tile_at, tile_finish, tile_width
)

cdef enum:
    STAGED_STRIPE = 131072    # bytes of the columns of a stripe in a stage, lines of which serve several taps
    OUT_OF_CACHE = 4194304   # bytes of C from which on its lines are asked for (asv_bench/peers.py, networks)
    ASKERS = 4               # tiles of rows, a power of two, that share in asking for columns in place, by whole lines


cdef struct Stripe:
    Py_ssize_t cols, tiles
    Py_ssize_t vectors, wider                       # of a tile, and tiles of one vector more, which come first


cdef inline Stripe cut(Py_ssize_t cols, bint even, Py_ssize_t size) noexcept nogil:
    """Tiles of a stripe: `even` as far as whole vectors allow, or all but the last one whole."""
    cdef Py_ssize_t lanes = lanes_of(size), width = tile_width(size), vectors = ceil_div(cols, lanes)
    cdef Py_ssize_t tiles = ceil_div(cols, width)
    if even:
        return Stripe(cols, tiles, vectors // tiles, vectors % tiles)
    return Stripe(cols, tiles, width // lanes, 0)


cdef inline Py_ssize_t askers_of(Py_ssize_t tiles, Py_ssize_t size) noexcept nogil:
    """How many of so many tiles of rows share in asking for columns in place: a power of two."""
    cdef Py_ssize_t askers = 1
    while not short_vectors(size) and askers < ASKERS and 2 * askers <= tiles:
        askers *= 2
    return askers


cdef inline void multiply(
    Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t kc, const real *a, Py_ssize_t lda, const real *b, Py_ssize_t ldb,
    const Py_ssize_t *row, Py_ssize_t b_tile, const real *source, Py_ssize_t lds, real *c, Py_ssize_t ldc,
    tile_finish finish, Next *later=NULL,
) noexcept nogil:
    """C += A . B over whole tiles: the columns of B of a stripe of tiles stay in L1 while the rows of A pass.

    Rows of B are `ldb` apart, or where `row` says if that is not NULL; `b_tile` is the distance in B from one tile's
    columns to the next one's; where all lie side by side, tiles are as even as whole vectors allow. Unless `source` is
    NULL, whole tiles of columns lie there in rows `lds` apart, and the first tile of rows copies them to B, which is
    one stripe then, or if that is B the first ones ask for the next stripe's. Rows of A are split evenly into as few
    tiles as will do, the first `longer` of them one row longer than the others.

    With each tile what the one below writes is asked for, where that comes from memory; during the first stripe the
    next tile of rows of A, too, and during the others `later`, unless it is NULL.
    """
    cdef Py_ssize_t size = sizeof(real), width = tile_width(size), gap = b_tile - width, lanes = lanes_of(size)
    cdef Py_ssize_t tiles = ceil_div(rows, TILE_ROWS), shorter = rows // tiles, longer = rows - shorter * tiles
    cdef Py_ssize_t stripe = stripe_of(kc, STRIPE_BYTES if row == NULL else STAGED_STRIPE, width, size)
    cdef Py_ssize_t askers = askers_of(tiles, size) if source == b else 0, share = ceil_div(kc, max(askers, 1))
    cdef Py_ssize_t j0 = 0, i, n, r, below, j, m, wide, line
    cdef bint copies = source != NULL and askers == 0
    cdef bint asks = not finish.accumulate and rows * ldc * size >= OUT_OF_CACHE
    cdef const real *row_bias = <const real *> finish.row_bias
    cdef const real *col_bias = <const real *> finish.col_bias
    cdef const real *first
    cdef const real *columns
    cdef real *sums
    cdef Stripe s
    cdef Next of_a
    cdef Next *next
    finish.every = max(askers, 1)
    if later != NULL and cols > stripe:
        share_out(later, tiles * ceil_div(cols - stripe, width))
    while j0 < cols:
        s = cut(min(stripe, cols - j0), source == NULL and gap == 0, size)
        i = 0
        for n in range(tiles):
            r = shorter + (n < longer)
            first, sums, columns, j = a + i * lda, c + i * ldc + j0, b, 0
            below = min(r, rows - i - r)
            of_a = rows_below(first + r * lda, lda, below if j0 == 0 else 0, s.tiles)
            next = &of_a if j0 == 0 or later == NULL else later
            finish.row_bias = at(row_bias, i)
            for m in range(s.tiles):
                wide = min((s.vectors + (m < s.wider)) * lanes, s.cols - j)
                finish.col_bias = at(col_bias, j0 + j)
                ask_meanwhile(&finish, next, kc, size)
                for line in range(below if asks else 0):
                    fetch_to_l2(sums + (r + line) * ldc + j, wide * size)
                if n < askers and wide == width:
                    asking_tile(size, r, kc, first, lda, columns, ldb, columns + s.cols + n * share * ldb, sums + j,
                                ldc, &finish)
                elif copies and n == 0 and wide == width:
                    first_tile(size, r, kc, first, lda, source + j0 + j, lds, <real *> columns, sums + j, ldc, &finish)
                elif row == NULL:
                    tile(size, r, wide, kc, first, lda, columns, ldb, sums + j, ldc, &finish)
                else:
                    tile_at(size, r, wide, kc, first, lda, columns, row, sums + j, ldc, &finish)
                j += wide
                columns += wide + gap
            i += r
        j0 += stripe
        if not copies:
            b += stripe // width * b_tile


cdef inline void multiply_columns(
    Py_ssize_t rows, const Stripe *s, Py_ssize_t kc, const real *a, Py_ssize_t lda, const real *b,
    const Py_ssize_t *row, real *c, Py_ssize_t ldc, const tile_finish *finish,
) noexcept nogil:
    """C (+)= A . B for a tile's rows over the columns of a stripe: sums so short that what `multiply` does besides
    between two tiles would count."""
    cdef Py_ssize_t j = 0, m, wide
    for m in range(s.tiles):
        wide = min((s.vectors + (m < s.wider)) * lanes_of(sizeof(real)), s.cols - j)
        tile_at(sizeof(real), rows, wide, kc, a, lda, b + j, row, c + j, ldc, finish)
        j += wide


cdef inline void multiply_stage(
    const Task *t, Py_ssize_t channels, Py_ssize_t k0, Py_ssize_t k1, const real *a, const real *stage, Py_ssize_t p0,
    Py_ssize_t p1, real *c, tile_finish finish,
) noexcept nogil:
    """Pixels [p0, p1) of some channels, whole runs of them, from the stage of that block, whose first channel is that
    of k0."""
    cdef Py_ssize_t run = min(staged_run(&t.s), p1 - p0), down = run // t.s.ow, p, z, y
    cdef Py_ssize_t i = 0, some, y0 = p0 % (t.s.oh * t.s.ow) // t.s.ow
    cdef bint short = k1 - k0 <= SHORT
    cdef Py_ssize_t _piece, pieces = ceil_div(channels, TILE_ROWS) if short else 1
    cdef const real *bias = <const real *> finish.row_bias
    cdef const real *columns
    cdef Stripe s = cut(run, True, sizeof(real))
    stage -= k0 // (t.s.kd * t.s.kh * t.s.kw) * t.stage.channel
    for _piece in range(pieces):
        some = (channels - i) // (pieces - _piece)
        finish.row_bias = at(bias, i)
        p, z, y = 0, 0, y0
        while p < p1 - p0:
            columns = stage + z * t.s.sd * t.stage.depth + (y - y0) * t.stage.cols
            if short:
                multiply_columns(some, &s, k1 - k0, a + i * t.depth, t.depth, columns, t.row + k0, c + i * t.pixels + p,
                                 t.pixels, &finish)
            else:
                multiply(some, run, k1 - k0, a + i * t.depth, t.depth, columns, 0, t.row + k0,
                         tile_width(sizeof(real)), NULL, 0, c + i * t.pixels + p, t.pixels, finish)
            p += run
            y += down
            if y == t.s.oh:             # of a block of whole planes
                y, z = 0, z + 1
        i += some


cdef inline void multiply_in_place(
    const Task *t, Py_ssize_t rows, Py_ssize_t kc, Py_ssize_t head, Py_ssize_t cols, Py_ssize_t end, const real *a,
    const real *x, const real *source, real *c, tile_finish finish,
) noexcept nogil:
    """So many pixels where they lie in the image, from x on: `head` up to a boundary of vectors, whole tiles, which are
    asked for if `source` is where they begin and not NULL, and `end` in a narrower one."""
    cdef Py_ssize_t width = tile_width(sizeof(real)), last = cols - end
    multiply(rows, head, kc, a, t.depth, x, t.xc, NULL, width, NULL, t.xc, c, t.pixels, finish)
    multiply(rows, last - head, kc, a, t.depth, x + head, t.xc, NULL, width, source, t.xc, c + head, t.pixels, finish)
    multiply(rows, end, kc, a, t.depth, x + last, t.xc, NULL, width, NULL, t.xc, c + last, t.pixels, finish)
