"""Gradient of the weights of a convolution by minimal filtering: fewer products over the same pixels.

A tile of grad_output slides over the input under it as a kernel over an image: its few positions are the taps.

    dw[oc, c] = sum over tiles of  A^T [ (G gout[oc] G^T) * (B^T x[c] B) ] A      for 3 x 3 taps a tile of 4 x 4 outputs
                                                                                  takes 36 products instead of 144
The transform back is linear, so tiles are summed before it: for each point a matrix product over tiles,

    U[point][tile][oc]     grad_output             M[point][oc][c] += U[point]^T . V[point]
    V[point][tile][c]      input                   dw = A^T M A,  once for FAN blocks of tiles

Other kernels are pieces of three or four taps along each axis, each at its own distance; what exceeds the kernel is
left out. Of dilated ones tiles are as dilated.
A part of dw, so many channels of both that M stays in L2, goes through all tiles, a block of them at a time. Work is
split over elements of dw, and where that gives few parts, over SHARES of the tiles, whatever the number of threads, so
that the order of every sum is the same for all of them. Transforms: `grad_points.h`.
Lavin & Gray 2015, arXiv:1509.09308.
"""

from libc.string cimport memset

from fastconv._kernels.grad_tiles cimport (
    GRAD_MOST_TAPS,
    Side,
    grad_back,
    grad_points,
    grad_reads,
    grad_sum,
    grad_sums,
    grad_taps,
    grad_tile,
    rule_for,
    run_of,
    strip_of,
    tiles_of,
    transform_run,
)
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport OWN_RANK, five, operand
from fastconv._kernels.outer cimport outer, outer_rows, outer_width
from fastconv._kernels.pack cimport ceil_div, even
from fastconv._kernels.scratch cimport LINE, borrow, odd_lines, round_up
from fastconv._kernels.shape cimport LAYOUT, ConvShape, read_shape, read_strides, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.turn cimport turn_block

cdef enum:
    TILES = 48              # of a block at most: a chain of products
    BLOCK_POINTS = 1728     # of all tiles of a block
    FEW_TILES = 256         # up to which errors average out less, and chains of products are short
    SHORT_CHAIN = 16
    FAN = 24                # blocks until M is transformed back
    SUM_BYTES = 589824      # of M
    CHANNELS = 64           # of the input in a part whose M is no smaller than that
    SHARES = 4              # of the tiles,
    SHARED = 16             # where there are so many blocks


cdef struct Task:
    ConvShape s
    bint last
    Side x, g
    void *dw                                     # of each share
    Py_ssize_t n, icg, ocg
    Py_ssize_t whole, taps                       # of the kernel, of a piece
    Py_ssize_t high, wide, pieces                # pieces along h, along w, and all of them
    Py_ssize_t together, group_parts             # groups of a part: several only where those are whole
    Py_ssize_t ic_part, ic_parts, oc_part, oc_parts     # channels of each of them
    Py_ssize_t th, tw, tiles                     # tiles along each axis; of all images
    Py_ssize_t block, blocks, share, shares      # tiles of a block; blocks of a share
    Py_ssize_t chain
    Py_ssize_t m_row, m_point                    # from an output channel to the next, from a sum to the next: odd lines
    Py_ssize_t u_size, v_size, m_size            # elements of U, V and M
    Py_ssize_t sums                              # bytes of the sums of what M was transformed to


cdef void plan_side(Task *t, Side *side, bint slopes, Py_ssize_t size) noexcept nogil:
    cdef ConvShape *s = &t.s
    side.slopes, side.last = slopes, t.last
    side.rule_h, side.rule_w = rule_for(s.kh, s.sh), rule_for(s.kw, s.sw)
    side.step_h, side.step_w = grad_tile(side.rule_h), grad_tile(side.rule_w)
    if slopes:
        side.high, side.wide, side.top, side.left = s.oh, s.ow, 0, 0
        side.reads_h, side.reads_w = side.step_h, side.step_w
    else:
        side.high, side.wide, side.top, side.left = s.ih, s.iw, s.ph, s.pw
        side.reads_h, side.reads_w = grad_reads(side.rule_h), grad_reads(side.rule_w)
        side.step_h *= s.sh
        side.step_w *= s.sw
    side.apart_h, side.apart_w = s.dh if s.kh > 1 else 1, s.dw if s.kw > 1 else 1
    side.step_h *= side.apart_h
    side.step_w *= side.apart_w
    side.tile = round_up(t.together * (t.oc_part if slopes else t.ic_part), lanes_of(size))
    side.point = odd_lines(t.block * side.tile, size)


cdef void plan_tiles(Task *t, int rule_h, int rule_w) noexcept nogil:
    """Blocks of tiles and shares of blocks, all of which follow from the shapes alone."""
    t.th = tiles_of(t.s.oh, grad_tile(rule_h), t.s.dh if t.s.kh > 1 else 1)
    t.tw = tiles_of(t.s.ow, grad_tile(rule_w), t.s.dw if t.s.kw > 1 else 1)
    t.tiles = t.n * t.s.od * t.th * t.tw
    t.blocks = ceil_div(t.tiles, min(TILES, BLOCK_POINTS // (grad_points(rule_h) * grad_points(rule_w))))
    t.shares = SHARES if t.blocks >= SHARED and t.oc_parts * t.ic_parts * t.pieces * t.group_parts < SHARES else 1
    t.share = ceil_div(t.blocks, t.shares)
    t.block = ceil_div(t.tiles, t.share * t.shares)
    t.blocks = ceil_div(t.tiles, t.block)
    t.chain = SHORT_CHAIN if t.tiles <= FEW_TILES else t.block


cdef void plan_parts(Task *t, Py_ssize_t sums, Py_ssize_t size) noexcept nogil:
    """Channels of a part so that M stays in L2; several groups where they have few."""
    cdef Py_ssize_t room = SUM_BYTES // (sums * size), most = CHANNELS
    while 4 * most * most <= room:
        most *= 2
    t.ic_part = even(t.icg, most, lanes_of(size))
    t.ic_parts = ceil_div(t.icg, t.ic_part)
    t.oc_parts = ceil_div(t.ocg, max(room // t.ic_part, 1))
    t.together = max(CHANNELS // max(t.icg, t.ocg), 1)
    t.group_parts = ceil_div(t.s.groups, t.together)


cdef void plan(Task *t, Py_ssize_t size, int threads) noexcept nogil:
    """Tiles first, then smaller parts if threads would get fewer than others."""
    cdef int rule_h = rule_for(t.s.kh, t.s.sh), rule_w = rule_for(t.s.kw, t.s.sw)
    cdef Py_ssize_t sums = grad_sums(rule_h) * grad_sums(rule_w), others
    t.icg, t.ocg = t.s.ic // t.s.groups, t.s.oc // t.s.groups
    t.high, t.wide = ceil_div(t.s.kh, grad_taps(rule_h)), ceil_div(t.s.kw, grad_taps(rule_w))
    t.whole, t.pieces = t.s.kd * t.s.kh * t.s.kw, t.s.kd * t.high * t.wide
    t.taps = grad_taps(rule_h) * grad_taps(rule_w)
    plan_parts(t, sums, size)
    plan_tiles(t, rule_h, rule_w)
    t.together = ceil_div(t.s.groups, round_up(t.group_parts, threads))
    t.group_parts = ceil_div(t.s.groups, t.together)
    others = t.ic_parts * t.pieces * t.group_parts * t.shares
    t.oc_part = round_up(ceil_div(t.ocg, ceil_div(round_up(t.oc_parts * others, threads), others)), lanes_of(size))
    t.oc_parts = ceil_div(t.ocg, t.oc_part)
    if t.together > 1:
        t.ic_part, t.oc_part, t.ic_parts, t.oc_parts = t.icg, t.ocg, 1, 1
    plan_side(t, &t.x, False, size)
    plan_side(t, &t.g, True, size)
    t.m_row = round_up(t.ic_part, lanes_of(size))
    t.m_point = odd_lines(t.together * t.oc_part * t.m_row, size)
    t.u_size = grad_points(rule_h) * grad_points(rule_w) * t.g.point
    t.v_size = grad_points(rule_h) * grad_points(rule_w) * t.x.point
    t.m_size = sums * t.m_point
    t.sums = round_up(t.together * t.oc_part * t.m_row * t.taps * sizeof(long double), LINE) if t.share > FAN else 0


cdef void transform(
    const Task *t, const Side *side, const real *x, Py_ssize_t b, Py_ssize_t depth, Py_ssize_t channels, real *to,
    real *strips,
) noexcept nogil:
    """Block `b` of V or U; x starts at the first of the channels."""
    cdef Py_ssize_t i = b * t.block, first = i, end = min(i + t.block, t.tiles), row, deep, z, count
    while i < end:
        row = i // t.tw
        deep = row // t.th
        count = min(min(t.tw - (i - row * t.tw), end - i), run_of(side))
        z = deep % t.s.od
        if not side.slopes:
            z = z * t.s.sd + depth * t.s.dd - t.s.pd
        transform_run(side, x + deep // t.s.od * side.n + z * side.d, channels, side.slopes or 0 <= z < t.s.id,
                      row - deep * t.th, i - row * t.tw, count, to + (i - first) * side.tile, strips)
        i += count


cdef void multiply(
    const Task *t, const real *u, const real *v, real *m, Py_ssize_t tiles, Py_ssize_t outs, Py_ssize_t channels,
) noexcept nogil:
    """M += U^T . V of one group for each point, `chain` tiles at a time."""
    cdef Py_ssize_t width = even(channels, outer_width(sizeof(real)), lanes_of(sizeof(real)))
    cdef Py_ssize_t cols = grad_points(t.x.rule_w), point, k, i, j, r, piece, pieces, some
    cdef real *to
    for point in range(grad_points(t.x.rule_h) * cols):
        to = m + (grad_sum(point // cols) * grad_sums(t.x.rule_w) + grad_sum(point % cols)) * t.m_point
        k = 0
        while k < tiles:
            j = 0
            while j < channels:
                some = min(width, channels - j)
                pieces = ceil_div(outs, outer_rows(sizeof(real), some))
                i = 0
                for piece in range(pieces):
                    r = ceil_div(outs - i, pieces - piece)
                    outer(sizeof(real), r, some, 1, min(t.chain, tiles - k), u + k * t.g.tile + i, t.g.tile, 0,
                          v + k * t.x.tile + j, t.x.tile, 0, to + i * t.m_row + j, t.m_row)
                    i += r
                j += width
            k += t.chain
        u += t.g.point
        v += t.x.point


cdef void fold(
    const Task *t, const real *m, Py_ssize_t outs, Py_ssize_t channels, long double *sums, real *dw, Py_ssize_t high,
    Py_ssize_t wide, bint done,
) noexcept nogil:
    """Transform M back: into high x wide taps of dw if it is `done`, by way of sums if any are kept."""
    cdef Py_ssize_t vector = lanes_of(sizeof(real)), row = grad_taps(t.x.rule_w) * vector, o, c, i
    cdef long double *some = sums
    cdef real strip[GRAD_MOST_TAPS * GRAD_MOST_TAPS * 16]
    for o in range(outs):
        c = 0
        while c < channels:
            grad_back(sizeof(real), t.x.rule_h, t.x.rule_w, m + o * t.m_row + c, t.m_point, strip, row, vector)
            if t.sums:
                for i in range(t.taps * vector):
                    some[i] += strip[i]
                if done:
                    for i in range(t.taps * vector):
                        strip[i] = <real> some[i]
                some += t.taps * vector
            for i in range(high if done else 0):
                turn_block(sizeof(real), wide, min(vector, channels - c), strip + i * row, vector,
                           dw + (o * t.icg + c) * t.whole + i * t.s.kw, t.whole)
            c += vector


cdef void one_part(const Task *t, Py_ssize_t item, real *scratch) noexcept nogil:
    """One piece of the kernel for some channels of some groups and a share of the tiles, into a dw of that share."""
    cdef Py_ssize_t share = item % t.shares, piece = item // t.shares % t.pieces, part = item // (t.shares * t.pieces)
    cdef Py_ssize_t j0 = piece % t.wide * grad_taps(t.x.rule_w), i0 = piece // t.wide % t.high * grad_taps(t.x.rule_h)
    cdef Py_ssize_t depth = piece // (t.wide * t.high)
    cdef Py_ssize_t c0 = part % t.ic_parts * t.ic_part, channels = min(t.ic_part, t.icg - c0)
    cdef Py_ssize_t o0 = part // t.ic_parts % t.oc_parts * t.oc_part, outs = min(t.oc_part, t.ocg - o0)
    cdef Py_ssize_t g = part // (t.ic_parts * t.oc_parts) * t.together, groups = min(t.together, t.s.groups - g)
    cdef Py_ssize_t first = share * t.share, end = min(first + t.share, t.blocks), b, i
    cdef long double *sums = <long double *> scratch
    cdef real *u = <real *> (<char *> scratch + t.sums)
    cdef real *v = u + t.u_size
    cdef real *m = v + t.v_size
    cdef Side side = t.x
    cdef const real *x = <const real *> t.x.start + (g * t.icg + c0) * t.x.c
    cdef const real *gout = <const real *> t.g.start + (g * t.ocg + o0) * t.g.c
    cdef real *dw = <real *> t.dw + (share * t.s.oc * t.icg + (g * t.ocg + o0) * t.icg + c0) * t.whole
    dw += (depth * t.s.kh + i0) * t.s.kw + j0
    side.top -= i0 * side.apart_h
    side.left -= j0 * side.apart_w
    memset(scratch, 0, t.sums)
    for b in range(first, end):
        if (b - first) % FAN == 0:
            memset(m, 0, t.m_size * sizeof(real))
        transform(t, &side, x, b, depth, groups * channels, v, m + t.m_size)
        transform(t, &t.g, gout, b, depth, groups * outs, u, m + t.m_size)
        for i in range(groups):
            multiply(t, <const real *> u + i * outs, <const real *> v + i * channels, m + i * outs * t.m_row,
                     min(t.block, t.tiles - b * t.block), outs, channels)
        if (b - first) % FAN == FAN - 1 or b == end - 1:
            fold(t, <const real *> m, groups * outs, channels, sums, dw, min(t.s.kh - i0, grad_taps(side.rule_h)),
                 min(t.s.kw - j0, grad_taps(side.rule_w)), b == end - 1)


cdef void add_shares(const Task *t, const real *parts, real *dw) noexcept nogil:
    cdef Py_ssize_t n = t.s.oc * t.icg * t.whole, i
    for i in range(n):
        dw[i] = (parts[i] + parts[n + i]) + (parts[2 * n + i] + parts[3 * n + i])


def weight_grad(tuple geometry, input, grad_output, grad_weight, real like, int threads):
    """Weight gradient of a convolution that along h and w has one tap, is of stride 1, or undilated and of stride 2.

    Arguments as of `weight_grad.weight_grad`.
    """
    cdef operand dw = five(grad_weight, OWN_RANK), x = five(input, dw.rank), gout = five(grad_output, dw.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), each, shared
    cdef char *scratch
    read_shape(&t.s, geometry)
    t.last = geometry[LAYOUT]
    t.n = x.shape[0]
    plan(&t, size, threads)
    t.x.start, t.g.start = x.data, gout.data
    read_strides(&t.x.n, x.shape, x.strides, size, t.last)
    read_strides(&t.g.n, gout.shape, gout.strides, size, t.last)
    each = t.sums + round_up((t.u_size + t.v_size + t.m_size + 2 * max(strip_of(&t.x, size), strip_of(&t.g, size)))
                             * size, LINE)
    shared = round_up(t.shares * t.s.oc * t.icg * t.whole * size, LINE) if t.shares > 1 else 0
    scratch = borrow("winograd_grad", shared + each * threads)
    t.dw = scratch if shared else dw.data
    with nogil:
        each_piece(<Piece> one_part[real], &t, t.group_parts * t.pieces * t.oc_parts * t.ic_parts * t.shares, threads,
                   scratch + shared, each)
    if shared:
        add_shares(&t, <const real *> scratch, <real *> dw.data)
    give_back(scratch)
