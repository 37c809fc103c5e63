"""Gradient of the weights of a convolution: sums over pixels of outer products.

    dw[oc, c, i, j] = sum over images, y, o of  gout[oc, y, o] * x[c, y * sh + i * dh - ph, o * sw + j * dw - pw]

A part of dw, some output channels by all taps in a plane of some input channels, goes through all images in blocks of
output rows. The block and the input rows under it, with their padding, are copied to scratch with channels together:

    X [row][column][c]      tap (i, j) of pixel (y, o) is at row y * sh + i * dh, column o * sw + j * dw, and where taps
    G [y][o][oc]            are neighbours, so are their elements: kw * c of them are rows of one product

    M [i][j][c][oc] += X^T . G                 by `outer.h`, over CHUNK pixels at a time

so no patch is ever built. What a tap sees of the padding is passed over, by rows, and by columns where taps are summed
one by one. Where the channels fill tiles of rows by themselves M is [c][i][j][oc] instead, dw but for one turn.
Blocks of maps of few pixels have several planes, of any images, whose rows follow each other in a chain. Depthwise,
M [i][j][c] += X * G by `lanes.h`, channel by channel. Such chains of products are added up by `levels.pxd`. Work is
split over elements of dw only, so the order of every sum is the same for any number of threads.
"""

from libc.string cimport memset

from fastconv._kernels.heap cimport give_back
from fastconv._kernels.levels cimport add_levels, carry
from fastconv._kernels.operand cimport OWN_RANK, five, operand
from fastconv._kernels.outer cimport outer, outer_rows
from fastconv._kernels.pack cimport ceil_div, even
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.shape cimport LAYOUT, read_shape, read_strides, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.tile cimport CHUNK
from fastconv._kernels.turn cimport turn_block
from fastconv._kernels.weight_grad cimport (
    Span,
    Task,
    copy_input,
    copy_output,
    fan,
    flatten,
    inside,
    panel_of,
    plan_blocks,
    plan_bundles,
    plan_parts,
    plan_threads,
)

cdef extern from "lanes.h" nogil:
    enum: LANES_TAPS
    void lanes_dot(size_t size, Py_ssize_t taps, Py_ssize_t lines, Py_ssize_t kc, const void *g, Py_ssize_t ldg,
                   Py_ssize_t g_line, const void *x, Py_ssize_t ldx, Py_ssize_t x_line, const Py_ssize_t *shift,
                   void *sums, Py_ssize_t lds)


cdef struct Plane:
    Py_ssize_t x, g             # where it begins


cdef void multiply_rows(
    const Task *t, const real *x, const real *g, Py_ssize_t planes, Py_ssize_t rows, Py_ssize_t width, Span down,
    Span across, Py_ssize_t step, Py_ssize_t count, Py_ssize_t cols, real *m, Py_ssize_t ldm,
) noexcept nogil:
    """M += X^T . G for `count` neighbours in X, `ldm` apart in M, and up to a tile's width of output channels.

    Of a block, `rows` by `width`, the pixels in `down` and `across`. A chain goes through a row of all `planes`, or
    through several rows of one.
    """
    cdef Py_ssize_t pieces = ceil_div(count, outer_rows(sizeof(real), cols))
    cdef Py_ssize_t chain = even(across.end - across.first, CHUNK, 1)
    cdef Py_ssize_t ldb = t.panel, line = t.x_cols * step * t.s.sh
    cdef Py_ssize_t y = down.first, lines, k, piece, i, r
    cdef bint many = t.block_planes > 1
    cdef Py_ssize_t a_line = t.x_plane if many else line, b_line = (rows if many else 1) * width * ldb
    while y < down.end:
        lines = planes if many else min(t.lines, down.end - y)
        k = across.first
        while k < across.end:
            i = 0
            for piece in range(pieces):     # these pixels of G stay in L1
                r = ceil_div(count - i, pieces - piece)
                outer(sizeof(real), r, cols, lines, min(chain, across.end - k), x + y * line + k * t.s.sw * step + i,
                      t.s.sw * step, a_line, g + (y * width + k) * ldb, ldb, b_line, m + i * ldm, ldm)
                i += r
            k += chain
        y += t.lines


cdef void multiply_lanes(
    const Task *t, const real *x, Py_ssize_t step, const real *g, Py_ssize_t ldg, Py_ssize_t g_line, Py_ssize_t rows,
    Py_ssize_t width, Py_ssize_t channels, real *m,
) noexcept nogil:
    """M += X * G, channel by channel, for all taps; `step` is from one column of X to the next."""
    cdef Py_ssize_t chain = even(width, CHUNK, 1), line = t.s.sh * t.x_cols * step, c = 0, y, k, tap, some, i, at
    cdef Py_ssize_t shift[LANES_TAPS]
    while c < channels:
        tap = 0
        while tap < t.taps:
            some = ceil_div(t.taps - tap, ceil_div(t.taps - tap, LANES_TAPS))
            for i in range(some):
                at = tap + i
                shift[i] = (at // t.s.kw * t.h_step * t.x_cols + at % t.s.kw * t.w_step) * step
            y = 0
            while y < rows:
                k = 0
                while k < width:
                    lanes_dot(sizeof(real), some, min(t.lines, rows - y), min(chain, width - k),
                              g + y * g_line + k * ldg + c, ldg, g_line, x + y * line + k * t.s.sw * step + c,
                              t.s.sw * step, line, shift, m + tap * t.oc_part + c, t.oc_part)
                    k += chain
                y += t.lines
            tap += some
        c += lanes_of(sizeof(real))


cdef bint fills_tiles(const Task *t, Py_ssize_t size) noexcept nogil:
    """Whether the channels of single taps are hardly more tiles than those of taps that are neighbours in X."""
    cdef Py_ssize_t neighbours = t.s.kw if t.w_step == 1 else 1, rows = outer_rows(size, panel_of(t, size))
    return 8 * neighbours * ceil_div(t.ic_part, rows) <= 9 * ceil_div(neighbours * t.ic_part, rows)


cdef void multiply(
    const Task *t, const real *x, const real *g, Py_ssize_t planes, Py_ssize_t y, Py_ssize_t o, Py_ssize_t rows,
    Py_ssize_t width, Py_ssize_t channels, Py_ssize_t cols, real *m,
) noexcept nogil:
    """A block at (y, o) and a panel of G for all taps, what they see of it; few channels of taps that are neighbours in
    X together."""
    cdef Py_ssize_t together = t.s.kw if t.w_step == 1 and not t.by_channel else 1, i, j
    cdef Span down, across
    for i in range(t.s.kh):
        down = inside(y * t.s.sh + i * t.s.dh - t.s.ph, t.s.sh, t.s.ih, rows)
        j = 0
        while j < t.s.kw and down.first < down.end:
            across = Span(0, width)
            if together < t.s.kw:
                across = inside(o * t.s.sw + j * t.s.dw - t.s.pw, t.s.sw, t.s.iw, width)
            if across.first < across.end:
                multiply_rows(t, x + (i * t.h_step * t.x_cols + j * t.w_step) * channels, g, planes, rows, width, down,
                              across, channels, together * channels, cols,
                              m + (i * t.s.kw + j) * (1 if t.by_channel else channels) * t.oc_part,
                              (t.taps if t.by_channel else 1) * t.oc_part)
            j += together


cdef void one_block(
    const Task *t, const real *x, const real *gout, const Plane *planes, Py_ssize_t count, Py_ssize_t y, Py_ssize_t o,
    Py_ssize_t channels, Py_ssize_t outs, real *xs, real *gs, real *m,
) noexcept nogil:
    """The block at (y, o) of so many planes; x and gout are the first channels of all."""
    cdef Py_ssize_t rows = min(t.rows, t.s.oh - y), width = min(t.width, t.s.ow - o), col, cols, panel
    cdef Py_ssize_t ldg = t.panel, i
    for i in range(count):
        copy_input(t, x + planes[i].x, y, o, rows, channels, xs + i * t.x_plane)
    if t.alone and t.last and t.s.oc % lanes_of(sizeof(real)) == 0:     # whole vectors of grad_output are there
        multiply_lanes(t, <const real *> xs, channels, gout + planes[0].g + y * t.gh + o * t.gw, t.gw, t.gh, rows,
                       width, outs, m)
        return
    for panel in range(ceil_div(outs, ldg)):
        col = panel * ldg
        cols = min(ldg, outs - col)
        for i in range(count):
            copy_output(t, gout + planes[i].g + col * t.gc, y, o, rows, width, cols, gs + i * rows * width * ldg)
        if t.alone:
            multiply_lanes(t, <const real *> xs + col, channels, <const real *> gs, ldg, width * ldg, rows, width, cols,
                           m + col)
        else:
            multiply(t, <const real *> xs, <const real *> gs, count, y, o, rows, width, channels, cols, m + col)


cdef void sum_pixels(
    const Task *t, const real *x, const real *gout, Py_ssize_t groups, Py_ssize_t plane, Py_ssize_t channels,
    Py_ssize_t outs, real *xs, real *gs, real *sums,
) noexcept nogil:
    """All images; x and gout start at the first channels of the part, in the first of so many groups. The whole sum of
    each is in its first level."""
    cdef Py_ssize_t image = 0, z = 0, iz, block, piece, done = 0, count, g, each = t.levels * t.sums
    cdef Plane planes[CHUNK]
    memset(sums, 0, groups * each * sizeof(real))
    while image < t.n:
        count = 0
        while image < t.n and count < t.block_planes:
            iz = z * t.s.sd + plane * t.s.dd - t.s.pd
            if 0 <= iz < t.s.id:
                planes[count] = Plane(image * t.xn + iz * t.xd, image * t.gn + z * t.gd)
                count += 1
            z += 1
            if z == t.s.od:
                z = 0
                image += 1
        for block in range(t.blocks if count else 0):
            for piece in range(t.pieces):
                done += 1
                for g in range(groups):
                    one_block(t, x + g * t.icg * t.xc, gout + g * t.ocg * t.gc, planes, count, block * t.rows,
                              piece * t.width, channels, outs, xs, gs, sums + g * each)
                    carry(sums + g * each, t.sums, t.levels, fan(t), done)
    for g in range(groups):
        add_levels(sums + g * each, t.sums, t.levels)


cdef void write(
    const Task *t, const real *sums, Py_ssize_t meets, Py_ssize_t outs, real *dw, Py_ssize_t row,
) noexcept nogil:
    """The sums of a part, of which each output channel meets so many channels, to dw, whose output channels are `row`
    channels apart."""
    cdef Py_ssize_t c_row = (t.taps if t.by_channel else 1) * t.oc_part, whole = t.planes * t.taps
    cdef Py_ssize_t tap_row = (1 if t.by_channel else meets) * t.oc_part
    cdef Py_ssize_t line = LINE // sizeof(real), o = 0, c, some
    # A line of sums at a time, so that rows of dw are written one after the other: down 128 rows of 25 KiB each,
    # on pages of their own, double 5x5 128-128 took 1.4 to 1.9 times as long in all (Ice Lake, 2026-11-30)
    while o < outs:
        some = min(line, outs - o)
        if t.by_channel and whole == t.taps:
            turn_block(sizeof(real), meets * whole, some, sums + o, t.oc_part, dw + o * row * whole, row * whole)
        else:
            for c in range(meets):
                turn_block(sizeof(real), t.taps, some, sums + c * c_row + o, tap_row, dw + (o * row + c) * whole,
                           row * whole)
        o += line


cdef void one_part(const Task *t, Py_ssize_t item, real *scratch) noexcept nogil:
    """One plane of the kernel for some channels of a group, or of several, into dw."""
    cdef Py_ssize_t plane = item % t.planes, ic = item // t.planes % t.ic_parts
    cdef Py_ssize_t oc = item // (t.planes * t.ic_parts) % t.oc_parts, whole = t.planes * t.taps, i
    cdef Py_ssize_t g = item // (t.planes * t.ic_parts * t.oc_parts) * t.bundle, groups = min(t.bundle, t.groups - g)
    cdef Py_ssize_t c0 = ic * t.ic_part, channels = min(t.ic_part, t.icg - c0)
    cdef Py_ssize_t o0 = c0 if t.alone else oc * t.oc_part, outs = channels if t.alone else min(t.oc_part, t.ocg - o0)
    cdef Py_ssize_t row = 1 if t.alone else t.icg, meets = 1 if t.alone else channels   # what an output channel meets
    cdef real *gs = scratch + t.x_size
    cdef real *sums = gs + t.g_size
    cdef real *dw = <real *> t.dw + plane * t.taps
    o0 += g * t.ocg
    dw += (o0 * row + (0 if t.alone else c0)) * whole
    sum_pixels(t, <const real *> t.x + (g * t.icg + c0) * t.xc, <const real *> t.gout + o0 * t.gc, groups, plane,
               channels, outs, scratch, gs, sums)
    for i in range(groups):
        write(t, <const real *> sums + i * t.levels * t.sums, meets, outs, dw + i * t.ocg * row * whole, row)


def weight_grad(tuple geometry, input, grad_output, grad_weight, real like, int threads):
    """Weight gradient of a convolution.

    geometry : ConvGeometry
    input : (n, ic, *spatial) or (ic, *spatial), unit stride along w (channels-first) or c (channels-last), other
        strides free
    grad_output : (n, oc, *spatial) or (oc, *spatial), not empty, dense in the layout of the input but that d and h may
        have changed places
    grad_weight : (oc, ic // groups, *kernel), C-contiguous, not empty, apart from both; every element is written

    The arrays are of the type of `like`.
    """
    cdef operand dw = five(grad_weight, OWN_RANK), x = five(input, dw.rank), gout = five(grad_output, dw.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), each
    cdef char *scratch
    read_shape(&t.s, geometry)
    t.x, t.gout, t.dw = x.data, gout.data, dw.data
    t.last = geometry[LAYOUT]
    t.n = x.shape[0]
    t.alone = 1 < t.s.groups == t.s.ic == t.s.oc
    t.groups = 1 if t.alone else t.s.groups
    t.icg, t.ocg = t.s.ic // t.groups, t.s.oc // t.groups
    t.planes, t.taps = t.s.kd, t.s.kh * t.s.kw
    read_strides(&t.xn, x.shape, x.strides, size, t.last)
    read_strides(&t.gn, gout.shape, gout.strides, size, t.last)
    flatten(&t)
    plan_parts(&t, size)
    plan_blocks(&t, size)
    t.by_channel = not t.alone and fills_tiles(&t, size)    # before threads have parts: sums have one order
    plan_threads(&t, size, threads)
    plan_bundles(&t, size, threads)
    each = round_up((t.x_size + t.g_size + t.bundle * t.levels * t.sums) * size, LINE)
    scratch = borrow("weight_grad", each * threads)
    with nogil:
        each_piece(<Piece> one_part[real], &t, ceil_div(t.groups, t.bundle) * t.planes * t.ic_parts * t.oc_parts,
                   threads, scratch, each)
    give_back(scratch)
