"""Pixels that fill whole vectors, and the few after them whose sums have lanes along the depth instead.

    7 x 7 pixels:    [  16  ][  16  ][  16  ] 1           one tile of `mixed_tile.h`
    14 x 14 pixels:  4 x [  16  ][  16  ][  16  ] 1       four
    6 x 6 pixels:    [  16  ][  16  ] 4                   one of `tile.h`, and for the last ones those of `dot_tile.h`

A vector with one pixel costs as much as one with sixteen. Weights lie along the depth already, so that only the last
pixels' patches are turned to it. Where tiles are as many as these pixels, or up to TILES_BESIDE times as many, each is
summed beside a tile, whose weights it shares; else these are read once more, while they are in cache.
"""

from libc.string cimport memcpy, memset

from fastconv._kernels.ahead cimport Next, ask_meanwhile, rows_below
from fastconv._kernels.dot_tile cimport DOT_ROWS, DOT_SLOTS, dot_finish, dot_tile
from fastconv._kernels.pack cimport ceil_div, even
from fastconv._kernels.mixed_tile cimport MIXED_VECTORS, mixed_first_tile, mixed_tile
from fastconv._kernels.scratch cimport round_up
from fastconv._kernels.shape cimport LONG_SUM, at, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.tile cimport CHUNK, TILE_ROWS, first_tile, tile, tile_finish, tile_width

cdef enum:
    BEGINNING = 3       # pixels of whole vectors that take as long as what comes with any summed along the depth
    WAITING = 3         # tiles of one vector wait for their sums: they take a third longer
    TILES_BESIDE = 2    # tiles for each pixel that is summed beside one, at most
    MOST = 16           # lanes of a vector,
    LAST = 9            # and pixels after it that are summed so; of fewer lanes, in proportion


cdef inline Py_ssize_t last_pixels(Py_ssize_t pixels, Py_ssize_t depth, Py_ssize_t size) noexcept nogil:
    """How many pixels after the last whole vector are to be summed along blocks of the depth."""
    cdef Py_ssize_t lanes = lanes_of(size), rest = pixels % lanes
    return rest if rest * MOST <= LAST * lanes and LONG_SUM <= depth <= CHUNK * lanes else 0


cdef inline Py_ssize_t mixed_width(Py_ssize_t cols, Py_ssize_t left, Py_ssize_t size) noexcept nogil:
    """Columns of the tiles of `cols` columns, whole vectors, beside which `left` more pixels are summed; 0 where tiles
    are fewer than these pixels, or so many that the widest ones, which have no room for a pixel, gain more."""
    cdef Py_ssize_t lanes = lanes_of(size), most = MIXED_VECTORS * lanes, tiles = ceil_div(cols, max(most, 1))
    return even(cols, most, lanes) if most and 0 < left <= tiles <= TILES_BESIDE * left else 0


cdef inline Py_ssize_t tiles_passed(
    Py_ssize_t cols, Py_ssize_t left, Py_ssize_t width, Py_ssize_t size,
) noexcept nogil:
    """Tiles of `cols` columns that the first tile of rows copies, if any: whole ones, and of narrower ones those beside
    which one of `left` pixels is summed."""
    return cols // width if width == tile_width(size) else min(cols // width, left)


cdef inline Py_ssize_t pixels_worth(Py_ssize_t pixels, Py_ssize_t depth, Py_ssize_t size) noexcept nogil:
    """Pixels that take as long if none is left over and no lane is idle."""
    cdef Py_ssize_t lanes = lanes_of(size), rest = last_pixels(pixels, depth, size)
    cdef Py_ssize_t whole = pixels - rest if rest else round_up(pixels, lanes)
    cdef Py_ssize_t beginning = BEGINNING if rest and not mixed_width(whole, rest, size) else 0
    return whole + rest + beginning + (whole // WAITING if whole == lanes else 0)


cdef inline void fill_rest(Py_ssize_t rows, Py_ssize_t kc, const real *x, Py_ssize_t ld, real *rest) noexcept nogil:
    """What is left of each row beyond its last whole vector, in a vector with zeros."""
    cdef Py_ssize_t lanes = lanes_of(sizeof(real)), whole = kc // lanes * lanes, i
    if whole == kc:
        return
    memset(rest, 0, rows * lanes * sizeof(real))
    for i in range(rows):
        memcpy(rest + i * lanes, x + i * ld + whole, (kc - whole) * sizeof(real))


cdef inline void multiply_last(
    Py_ssize_t rows, Py_ssize_t pixels, Py_ssize_t kc, const real *a, Py_ssize_t lda, const real *patches,
    Py_ssize_t ldp, real *c, Py_ssize_t ldc, const tile_finish *finish,
) noexcept nogil:
    """c[i][pixel] (+)= a[i] . patches[pixel] for the rows of a tile and at most LAST pixels."""
    cdef Py_ssize_t p = 0, some
    cdef real a_rest[TILE_ROWS * MOST]
    cdef real patch_rest[LAST * MOST]
    cdef real sums[LAST * DOT_SLOTS]
    fill_rest(rows, kc, a, lda, a_rest)
    fill_rest(pixels, kc, patches, ldp, patch_rest)
    while p < pixels:
        some = min(<Py_ssize_t> DOT_ROWS, pixels - p)
        dot_tile(sizeof(real), some, rows, kc, patches + p * ldp, ldp, patch_rest + p * lanes_of(sizeof(real)), a, lda,
                 a_rest, patches, sums + p * DOT_SLOTS, DOT_SLOTS)
        p += some
    dot_finish(sizeof(real), rows, pixels, sums, 1, DOT_SLOTS, c, ldc, finish)


cdef inline void multiply_mixed(
    Py_ssize_t rows, Py_ssize_t later, Py_ssize_t cols, Py_ssize_t left, Py_ssize_t kc, const real *a, Py_ssize_t lda,
    const real *b, Py_ssize_t ldb, Py_ssize_t width, Py_ssize_t b_tile, const real *source, Py_ssize_t lds,
    const real *patches, Py_ssize_t ldp, real *c, Py_ssize_t ldc, tile_finish finish,
) noexcept nogil:
    """C (+)= A . B for whole vectors of columns, and beyond them A . patches transposed for `left` more.

    width : columns of a tile, as `mixed_width` has them or the widest
    b_tile : the distance in B from one tile's columns to the next one's
    later : rows of A that follow these and will be read soon; those of the next tile are asked for during this one
    """
    cdef Py_ssize_t tiles = ceil_div(rows, TILE_ROWS), wide = ceil_div(cols, width)
    cdef Py_ssize_t shorter = rows // tiles, longer = rows - shorter * tiles, i = 0, n, r, m
    cdef Py_ssize_t beside = left if width == mixed_width(cols, left, sizeof(real)) else 0
    cdef Py_ssize_t passed = tiles_passed(cols, left, width, sizeof(real)) if source != NULL else 0
    cdef Next next
    cdef const real *row_bias = <const real *> finish.row_bias
    cdef const real *columns
    cdef real *sums
    for n in range(tiles):
        r = shorter + (n < longer)
        finish.row_bias = at(row_bias, i)
        if beside == 0:
            multiply_last(r, left, kc, a, lda, patches, ldp, c + cols, ldc, &finish)
        next = rows_below(a + r * lda, lda, min(r, rows + later - i - r), wide)
        for m in range(wide):
            ask_meanwhile(&finish, &next, kc, sizeof(real))
            columns, sums = b + m * b_tile, c + m * width
            if m < passed and m < beside:
                mixed_first_tile(sizeof(real), r, kc, a, lda, source + m * width, lds, <real *> columns,
                                 patches + m * ldp, sums, c + cols + m, ldc, &finish)
            elif m < passed:
                first_tile(sizeof(real), r, kc, a, lda, source + m * width, lds, <real *> columns, sums, ldc, &finish)
            elif m < beside:
                mixed_tile(sizeof(real), r, min(width, cols - m * width), kc, a, lda, columns, ldb, patches + m * ldp,
                           sums, c + cols + m, ldc, &finish)
            else:
                tile(sizeof(real), r, min(width, cols - m * width), kc, a, lda, columns, ldb, sums, ldc, &finish)
        i += r
        a += r * lda
        c += r * ldc
        passed = 0
