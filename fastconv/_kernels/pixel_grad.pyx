"""Gradient of the weights of 1x1 kernels, channels last: sums of outer products of pixels where they lie.

    dw[o, c] = sum over images and pixels (y, x) of  gout[o, y, x] * input[c, y * sh, x * sw]

A block of up to CHUNK pixels is a chain of products, by `outer.h`. Its rows are the channels of one operand, which are
neighbours in memory and read there if pixels are evenly spaced. Its columns, of the other, are copied, since all tiles
of rows pass over them:

    A [pixel][channel]      B [panel][pixel][channel of it]      C += A^T . B

Where rows are one tile and columns have no others beside them, these are read in place, too. Rows a multiple of SETS
bytes apart share a few sets of the L1 and are copied. Blocks are added up by `levels.pxd`. Work is split over elements
of dw only, so the order of every sum is the same for any number of threads.
"""

from libc.string cimport memset

from fastconv._kernels.copy cimport copy_tiles
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.levels cimport FAN, add_levels, carry, levels_of
from fastconv._kernels.operand cimport OWN_RANK, five, operand
from fastconv._kernels.outer cimport outer, outer_rows, outer_width
from fastconv._kernels.pack cimport ceil_div, copy_run, even
from fastconv._kernels.point_grad cimport Part, Side, Task, begin, part_at, place, share_parts, write_part
from fastconv._kernels.scratch cimport LINE, borrow, odd_lines, round_up
from fastconv._kernels.shape cimport real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.tile cimport CHUNK

cdef enum:
    SETS = 1024             # copied, 256 to 64 channels on 56x56 took 0.95 of the time, 1024 to 256 on 14x14 0.87


cdef Py_ssize_t steps(Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t size) noexcept nogil:
    """Loads and products of a pixel."""
    cdef Py_ssize_t vectors = ceil_div(cols, lanes_of(size))
    cdef Py_ssize_t width = even(cols, outer_width(size), lanes_of(size))
    return rows * (vectors + ceil_div(cols, width)) + vectors * ceil_div(rows, outer_rows(size, width))


cdef void plan(Task *t, Py_ssize_t size, int threads) noexcept nogil:
    """Which channels are rows; what is read in place; blocks, which follow from shapes alone; parts and scratch."""
    cdef Side other = t.a
    cdef Py_ssize_t run = t.depth
    t.swapped = steps(t.b.channels, t.a.channels, size) < steps(t.a.channels, t.b.channels, size)
    if t.swapped:
        t.a = t.b
        t.b = other
    t.width = even(t.b.channels, outer_width(size), lanes_of(size))
    t.a.in_place = (t.a.run == t.depth or t.a.run >= CHUNK) and t.a.w * size % SETS != 0
    t.b.in_place = t.b.run == t.depth and t.b.w == t.b.channels and t.a.channels <= outer_rows(size, t.width)
    if t.a.in_place:
        run = t.a.run
    t.span, t.kc = run, even(run, CHUNK, 1)
    t.pieces = ceil_div(t.span, t.kc)
    t.blocks = t.depth // t.span * t.pieces
    t.levels = levels_of(t.blocks, FAN)
    share_parts(t, t.width, threads)
    t.ldc = round_up(min(t.b.part, t.b.channels), lanes_of(size))
    t.sums = round_up(t.a.part * t.ldc, LINE // size)
    t.row = odd_lines(t.a.part, size)
    t.a_size = 0 if t.a.in_place else t.row * t.kc
    t.panel = odd_lines(t.kc * t.width, size)
    t.b_size = t.b.part // t.width * t.panel


cdef void fill_rows(
    const Task *t, const real *x, Py_ssize_t channels, Py_ssize_t p, Py_ssize_t n, real *to,
) noexcept nogil:
    """to[pixel][channel] of n pixels from p on."""
    cdef Py_ssize_t end = p + n, some, i
    cdef const real *source
    while p < end:
        some = end - p
        source = x + place(t, &t.a, p, &some)
        for i in range(some):
            copy_run(to + i * t.row, source + i * t.a.w, channels, 1)
        to += some * t.row
        p += some


cdef void fill_panels(
    const Task *t, const real *x, Py_ssize_t channels, Py_ssize_t p, Py_ssize_t n, real *to,
) noexcept nogil:
    """to[panel][pixel][channel] of n pixels from p on, zeros beside the channels that there are."""
    cdef Py_ssize_t j = channels // t.width, end = p + n, some
    cdef const real *source
    if j * t.width < channels:
        memset(to + j * t.panel, 0, n * t.width * sizeof(real))
    while p < end:
        some = end - p
        source = x + place(t, &t.b, p, &some)
        copy_tiles(sizeof(real), to, t.width, t.panel, t.width, source, t.b.w, some, channels)
        to += some * t.width
        p += some


cdef void one_block(
    const Task *t, const real *a, const real *b, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t p, Py_ssize_t n,
    real *scratch, real *c,
) noexcept nogil:
    """C += the products of n pixels from p on; a and b start at the first channels of the part."""
    cdef Py_ssize_t lda = t.a.w, ldb = t.width, apart = t.panel, j = 0, some, pieces, piece, i, r, _n = n
    # whole vectors are read: beside the last pixels nothing need be
    cdef bint in_place = t.b.in_place and (t.depth - p - n) * t.b.w >= lanes_of(sizeof(real))
    if t.a.in_place:
        a += place(t, &t.a, p, &_n)
    else:
        fill_rows(t, a, rows, p, n, scratch)
        a, lda = scratch, t.row
    if in_place:
        b += place(t, &t.b, p, &_n)
        ldb, apart = t.b.w, t.width
    else:
        fill_panels(t, b, cols, p, n, scratch + t.a_size)
        b = scratch + t.a_size
    while j < cols:
        some = min(t.width, cols - j)
        pieces = ceil_div(rows, outer_rows(sizeof(real), some))
        i = 0
        for piece in range(pieces):
            r = ceil_div(rows - i, pieces - piece)
            outer(sizeof(real), r, some, 1, n, a + i, lda, 0, b + j // t.width * apart, ldb, 0, c + i * t.ldc + j,
                  t.ldc)
            i += r
        j += t.width


cdef void one_part(const Task *t, Py_ssize_t item, real *scratch) noexcept nogil:
    """Some rows and columns of a group, of all pixels, into dw."""
    cdef Part part = part_at(t, item)
    cdef Py_ssize_t block, p
    cdef real *sums = scratch + t.a_size + t.b_size
    cdef const real *a = <const real *> t.a.start + part.a
    cdef const real *b = <const real *> t.b.start + part.b
    cdef real *dw = <real *> t.dw + part.dw
    memset(sums, 0, t.levels * t.sums * sizeof(real))
    for block in range(t.blocks):
        p = block % t.pieces * t.kc
        one_block(t, a, b, part.rows, part.cols, block // t.pieces * t.span + p, min(t.kc, t.span - p), scratch, sums)
        carry(sums, t.sums, t.levels, FAN, block + 1)
    add_levels(sums, t.sums, t.levels)
    write_part(t, part.rows, part.cols, <const real *> sums, dw)


def weight_grad(tuple geometry, input, grad_output, grad_weight, real like, int threads):
    """Weight gradient of a convolution of 1x1 kernels without padding, channels last.

    Arguments as of `weight_grad.weight_grad`.
    """
    cdef operand dw = five(grad_weight, OWN_RANK), x = five(input, dw.rank), gout = five(grad_output, dw.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), each
    cdef char *scratch
    begin(&t, geometry, &x, &gout, &dw, size, True)
    plan(&t, size, threads)
    each = round_up((t.a_size + t.b_size + t.levels * t.sums) * size, LINE)
    scratch = borrow("pixel_grad", each * threads)
    with nogil:
        each_piece(<Piece> one_part[real], &t, t.groups * t.a.parts * t.b.parts, threads, scratch, each)
    give_back(scratch)
