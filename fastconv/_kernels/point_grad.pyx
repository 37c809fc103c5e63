"""Gradient of the weights of 1x1 kernels: a matrix product whose depth is the pixels of all images.

    dw[o, c] = sum over images and pixels (y, x) of  gout[o, y, x] * input[c, y * sh, x * sw]

A block of pixels is copied to scratch, the channels of one operand as rows along the pixels, of the other as panels of
a tile's columns, so that only one is turned, whichever costs less:

    A [channel][pixel]      B [panel][pixel][channel of it]      C += A . B, by `tile.h`

Pixels of small images follow each other in a block, and those between strides are not fetched. Blocks are added up by
`levels.pxd`. Work is split over elements of dw only, so the order of every sum is the same for any number of threads.
"""

from libc.string cimport memset

from fastconv._kernels.ahead cimport Ahead, ask
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.levels cimport FAN, add_levels, carry
from fastconv._kernels.operand cimport OWN_RANK, five, operand
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.point_grad cimport (
    GROUP, Part, Task, ahead, begin, fill_panels, fill_rows, part_at, place, plan_parts, write_part
)
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.shape cimport LAYOUT, at, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.tile cimport CHUNK, TILE_ROWS, fetch_ahead, tile, tile_finish, tile_width


cdef void multiply(
    const Task *t, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t n, const real *a, const real *later, Py_ssize_t lda,
    const real *b, bint first, real *c, Ahead next,
) noexcept nogil:
    """C (+)= A . B for some rows and all columns; a panel of B stays in L1 while they pass over it.

    later : where these rows are read next, in place, which the tiles of the first panel ask for; or NULL
    """
    cdef Py_ssize_t width = tile_width(sizeof(real)), pieces = ceil_div(rows, TILE_ROWS), j = 0, piece, i, r, line
    cdef tile_finish finish
    finish.accumulate, finish.clamp = not first, 0
    finish.chain = ceil_div(n, ceil_div(n, CHUNK))
    finish.row_bias = finish.col_bias = NULL
    while j < cols:
        i = 0
        for piece in range(pieces):
            r = ceil_div(rows - i, pieces - piece)
            for line in range(i + r, min(i + 2 * r, rows)):
                fetch_ahead(c + line * t.ldc + j, width * sizeof(real))
            ask(&next, True)
            finish.next, finish.next_step = at(later, i * lda), lda
            finish.next_rows = r if later != NULL and j == 0 else 0
            tile(sizeof(real), r, min(width, cols - j), n, a + i * lda, lda, b + j * t.kc, width,
                 c + i * t.ldc + j, t.ldc, &finish)
            i += r
        j += width


cdef inline const real *in_place(const Task *t, const real *a, Py_ssize_t p) noexcept nogil:
    """Where rows are read from pixel p on; NULL behind the last."""
    cdef Py_ssize_t count = 1
    return a + place(t, &t.a, p, &count) if p < t.depth else NULL


cdef void one_block(
    const Task *t, const real *a, const real *b, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t p, Py_ssize_t n,
    bint first, real *scratch, real *c,
) noexcept nogil:
    """C (+)= the pixels of a block from p on; a and b start at the first channels of the part."""
    cdef Py_ssize_t width = tile_width(sizeof(real)), i = 0, some, until, tiles
    cdef Ahead next
    cdef real *panels = scratch + t.a_size
    fill_panels(t, &t.b, b, cols, p, n, panels + t.b_size, panels)
    if t.sums:              # what is beside the columns is there, too
        cols = min(round_up(cols, lanes_of(sizeof(real))), t.ldc)
    next.rows = 0
    while i < rows:
        some = ceil_div(rows - i, ceil_div(rows - i, GROUP))
        until, tiles = i + some, ceil_div(some, TILE_ROWS) * ceil_div(cols, width)
        if t.a.in_place:
            multiply(t, some, cols, n, in_place(t, a, p), in_place(t, a, p + n), t.a.c, <const real *> panels, first,
                     c + i * t.ldc, next)
        else:
            if until < rows:    # asked for meanwhile
                next = ahead(t, &t.a, a + some * t.a.c, min(<Py_ssize_t> GROUP, rows - until), p, n, tiles)
            else:
                next = ahead(t, &t.a, a - i * t.a.c, min(<Py_ssize_t> GROUP, rows), p + n, n, tiles)
            fill_rows(t, &t.a, a, some, p, n, scratch)
            multiply(t, some, cols, n, <const real *> scratch, NULL, t.kc, <const real *> panels, first,
                     c + i * t.ldc, next)
        a += some * t.a.c
        i += some


cdef void one_part(const Task *t, Py_ssize_t item, real *scratch) noexcept nogil:
    """Some rows and columns of a group, of all pixels, into dw."""
    cdef Part part = part_at(t, item)
    cdef Py_ssize_t block, p
    cdef real *sums = scratch + t.a_size + t.b_size + t.rows_size
    cdef const real *a = <const real *> t.a.start + part.a
    cdef const real *b = <const real *> t.b.start + part.b
    cdef real *dw = <real *> t.dw + part.dw
    if t.levels > 1:
        memset(sums, 0, t.levels * t.sums * sizeof(real))
    for block in range(t.blocks):
        p = block % t.pieces * t.kc
        one_block(t, a, b, part.rows, part.cols, block // t.pieces * t.span + p, min(t.kc, t.span - p),
                  t.levels == 1 and block == 0, scratch, sums if t.sums else dw)
        carry(sums, t.sums, t.levels, FAN, block + 1)
    add_levels(sums, t.sums, t.levels)
    if t.sums:
        write_part(t, part.rows, part.cols, <const real *> sums, dw)


def weight_grad(tuple geometry, input, grad_output, grad_weight, real like, int threads):
    """Weight gradient of a convolution of 1x1 kernels without padding. Arguments as of `weight_grad.weight_grad`."""
    cdef operand dw = five(grad_weight, OWN_RANK), x = five(input, dw.rank), gout = five(grad_output, dw.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), each
    cdef char *scratch
    begin(&t, geometry, &x, &gout, &dw, size, geometry[LAYOUT])
    plan_parts(&t, size, threads)
    each = round_up((t.a_size + t.b_size + t.rows_size + t.levels * t.sums) * size, LINE)
    scratch = borrow("point_grad", each * threads)
    with nogil:
        each_piece(<Piece> one_part[real], &t, t.groups * t.a.parts * t.b.parts, threads, scratch, each)
    give_back(scratch)
