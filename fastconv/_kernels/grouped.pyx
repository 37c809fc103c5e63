"""Grouped convolution of few channels a group, kernels three columns wide at strides 1 and 2, both memory orders.

A group's products are too few to repay panels, and its pixels too few to fill vectors along rows of small maps. Here
lanes run along the output channels of a group, or of the two that share a vector, which are one group below, and rows
of pixels share what they load (`group_rows.h`). What a band of rows sees of one group is staged, pixel by pixel and
with zeros for padding: copied from channels-last memory, of groups that share its cache lines together, or turned from
channels-first. Weights are turned for each band, a vector of output channels at a time, or for as many whole images as
fit the stage, and sums of channels-first memory are turned back from a buffer of the band.

Work is split over images, groups and bands; rows are split evenly into tiles.
"""

from libc.math cimport INFINITY

from fastconv._kernels.copy cimport copy_rows
from fastconv._kernels.group_rows cimport (
    GROUP_LINES, GROUP_PIXEL, GROUP_SUMS, GROUP_TAPS, group_copy, group_lanes, group_pixel, group_shape, group_share,
    group_tile, group_weave
)
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div, clip, zeros
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.shape cimport LAYOUT, ConvShape, at, read_shape, read_strides, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.tile cimport fetch_ahead, fetch_to_l2
from fastconv._kernels.turn cimport turn_block

cdef enum:
    STAGE_BYTES = 131072    # of the rows of a band: in L2, since bands as low as fit L1 turn weights too often
    ITEMS = 4               # pieces of work for each thread
    LATENCY = 8             # sums under way at a time
    LOADS = 8               # loads of pixels and taps, beside products, that take as long as one of them
    MOST_LANES = 16


cdef struct Task:
    ConvShape s
    const void *x
    const void *w
    const void *bias
    void *out
    bint last
    Py_ssize_t n, icg, ocg, kernel              # channels of a group; kernel: weights of an output channel
    Py_ssize_t share, groups                    # groups that share a vector; below they are one group of so many
    Py_ssize_t pixel, deep                      # elements of a pixel of a slab, of which so many are of a group
    Py_ssize_t xn, xc, xd, xh, xw               # strides of the input, in elements
    Py_ssize_t on, oc, op                       # of the output: from one image, channel, pixel to the next
    Py_ssize_t lanes, lines                     # of a tile, of the last channels perhaps fewer lanes
    Py_ssize_t tiles                            # of a row
    Py_ssize_t together, sets                   # groups of a piece of work, and pieces that these make
    Py_ssize_t images, batches                  # images, and again the pieces
    Py_ssize_t bands, units                     # of a plane; a band has a number of units, which are `lines` rows
    Py_ssize_t pitch                            # from one staged row to the next
    Py_ssize_t each                             # elements of the stage of an image
    Py_ssize_t staged, turned, sums             # elements of a thread's scratch
    bint fetches                                # the next row, which is more than a line, while one is staged
    group_shape shape


cdef inline Py_ssize_t band_top(const Task *t, Py_ssize_t band) noexcept nogil:
    """The first row of a band; the last band has the rows that make no unit, too."""
    return t.s.oh if band == t.bands else t.units * band // t.bands * t.lines


cdef inline Py_ssize_t tile_time(const Task *t, Py_ssize_t lines, Py_ssize_t cols) noexcept nogil:
    """What a tile takes for a channel of a row of taps: few sums wait for each other."""
    cdef Py_ssize_t loads = lines * ((cols - 1) * t.s.sw + GROUP_TAPS) + GROUP_TAPS
    return max(lines * cols, LATENCY) * GROUP_TAPS * LOADS + loads


cdef Py_ssize_t rows_time(const Task *t, Py_ssize_t lines, Py_ssize_t tiles) noexcept nogil:
    """The same of so many rows, in so many tiles each."""
    cdef Py_ssize_t cols = t.s.ow // tiles, longer = t.s.ow % tiles
    return longer * tile_time(t, lines, cols + 1) + (tiles - longer) * tile_time(t, lines, cols)


cdef void choose_tile(Task *t) noexcept nogil:
    """Lines and columns of a tile that take the least time for a plane."""
    cdef Py_ssize_t lines, tiles, rest, time, least = -1
    for lines in range(1, min(<Py_ssize_t> GROUP_LINES, t.s.oh) + 1):
        tiles = ceil_div(t.s.ow, GROUP_SUMS // lines)
        rest = t.s.oh % lines
        time = t.s.oh // lines * rows_time(t, lines, tiles) + (rows_time(t, rest, tiles) if rest > 0 else 0)
        if least < 0 or time < least:
            t.lines, t.tiles, least = lines, tiles, time


cdef void plan(Task *t, Py_ssize_t size, int threads) noexcept nogil:
    """Tiles, and bands, or images, that fit the stage."""
    cdef Py_ssize_t slabs, span = (t.s.kh - 1) * t.s.dh + 1
    cdef Py_ssize_t items, rows
    t.share = group_share(size, t.s.groups, t.ocg)
    t.groups = t.s.groups // t.share
    t.lanes = group_lanes(size, t.ocg * t.share)
    t.pixel = group_pixel(size, t.share)
    t.deep = t.pixel // t.share
    slabs = ceil_div(t.icg, t.deep)
    t.fetches = t.s.iw * size >= LINE
    t.together = max(LINE // size // (t.icg * t.share), 1) if t.last and t.icg % t.deep == 0 else 1
    t.sets = ceil_div(t.groups, t.together)
    items = t.n * t.sets * t.s.od
    choose_tile(t)
    t.units = t.s.oh // t.lines
    t.pitch = ((t.s.ow - 1) * t.s.sw + GROUP_TAPS) * t.pixel
    rows = (STAGE_BYTES // size // (t.pitch * slabs * t.s.kd) - span) // t.s.sh + 1
    t.bands = ceil_div(t.units, max(rows // t.lines, 1))
    if threads > 1 and items * t.bands < ITEMS * threads:
        t.bands = min(ceil_div(ITEMS * threads, items), t.units)
    rows = (ceil_div(t.units, t.bands) + 1) * t.lines
    t.shape.depth = ((min(rows, t.s.oh) - 1) * t.s.sh + span) * t.pitch
    t.shape.slab = t.s.kd * t.shape.depth
    t.shape.reach, t.shape.step = t.s.dh * t.pitch, t.s.sh * t.pitch
    t.each = t.together * slabs * t.shape.slab
    t.images = clip(STAGE_BYTES // size // t.each, 1, t.n) if t.bands == t.s.od == 1 else 1
    if threads > 1:
        t.images = clip(items // (ITEMS * threads), 1, t.images)
    t.batches = ceil_div(t.n, t.images)
    t.images = ceil_div(t.n, t.batches)
    t.staged = round_up(t.images * t.each, LINE)
    t.turned = round_up(t.kernel * t.lanes, LINE)
    t.sums = round_up(min(rows, t.s.oh) * t.s.ow * t.lanes, LINE)


cdef inline void turn_channels(const Task *t, const real *x, Py_ssize_t channels, Py_ssize_t pixels, real *to,
                               Py_ssize_t apart) noexcept nogil:
    """Pixels of a row of channels-first memory; `apart`, from one to the next, is a constant in every caller."""
    cdef Py_ssize_t i
    for i in range(channels if t.fetches else 0):
        fetch_ahead(x + i * t.xc + t.xh, t.s.iw * sizeof(real))
    turn_block(sizeof(real), channels, pixels, x, t.xc, to, apart)


cdef void stage_woven(const Task *t, const real *x, Py_ssize_t channels, Py_ssize_t pixels, real *to) noexcept nogil:
    """Pixels of a row of so many channels, at most a slab's, of each of the groups that share a vector."""
    cdef bint whole = t.icg == t.deep       # all of these are neighbours in memory
    cdef Py_ssize_t lanes = lanes_of(sizeof(real)), some = channels * t.share if whole else channels, j
    if t.last and whole:
        group_weave(sizeof(real), to, x, t.xw, pixels)
        return
    for j in range(1 if whole else t.share):
        if t.last:
            copy_rows(sizeof(real), to + j * t.deep, lanes, x + j * t.icg, t.xw, pixels, some)
        else:
            turn_channels(t, x + j * t.icg * t.xc, some, pixels, to + j * t.deep, lanes)
    group_weave(sizeof(real), to, to, lanes, pixels)


cdef inline void blank(const Task *t, real *to, Py_ssize_t pixels) noexcept nogil:
    """Zeros, whose number is a multiple of a constant: with an unknown rest they took 5% of a layer of 14x14."""
    if t.share == 1:
        zeros(to, pixels * GROUP_PIXEL)
    else:
        zeros(to, pixels * lanes_of(sizeof(real)))


cdef void stage_row(const Task *t, const real *x, Py_ssize_t groups, real *to) noexcept nogil:
    """A row of some groups of the padded image: that at x, or one of padding if it is NULL."""
    cdef Py_ssize_t width = t.pitch // t.pixel, g, c, some, channel
    cdef Py_ssize_t lo = min(t.s.pw, width) if x != NULL else width, hi = clip(t.s.iw + t.s.pw, lo, width)
    if t.last and t.share == 1 and x != NULL:
        group_copy(sizeof(real), to + lo * t.pixel, t.shape.slab, x, t.xw, hi - lo, groups * t.icg)
    for g in range(groups):
        c = 0
        while c < t.icg:
            blank(t, to, lo)
            some = min(t.icg - c, t.deep)
            channel = (g * t.share * t.icg + c) * t.xc
            if t.share > 1 and x != NULL:
                stage_woven(t, x + channel, some, hi - lo, to + lo * t.pixel)
            elif not t.last and x != NULL:
                turn_channels(t, x + channel, some, hi - lo, to + lo * GROUP_PIXEL, GROUP_PIXEL)
            blank(t, to + hi * t.pixel, width - hi)
            to += t.shape.slab
            c += t.deep


cdef void stage_band(const Task *t, const real *x, Py_ssize_t groups, Py_ssize_t z, Py_ssize_t top, Py_ssize_t rows,
                     real *to) noexcept nogil:
    """What rows of output from `top` on of a plane of output see of some groups of an image."""
    cdef Py_ssize_t a, r, iz, iy
    for a in range(t.s.kd):
        iz = z * t.s.sd + a * t.s.dd - t.s.pd
        for r in range((rows - 1) * t.s.sh + (t.s.kh - 1) * t.s.dh + 1):
            iy = top * t.s.sh - t.s.ph + r
            stage_row(t, x + iz * t.xd + iy * t.xh if 0 <= iz < t.s.id and 0 <= iy < t.s.ih else <const real *> NULL,
                      groups, to + a * t.shape.depth + r * t.pitch)


cdef void multiply_rows(const Task *t, const group_shape *shape, Py_ssize_t lanes, const real *staged,
                        const real *turned, const real *start, Py_ssize_t rows, const real *next_weights,
                        Py_ssize_t ahead, real *to) noexcept nogil:
    """Rows of output of so many lanes of channels; each fetches `ahead` of the weights that come next."""
    cdef Py_ssize_t y = 0, x, lines, left, cols
    while y < rows:
        lines = min(t.lines, rows - y)
        fetch_to_l2(next_weights + y * ahead, lines * ahead * sizeof(real))
        x = 0
        for left in range(t.tiles, 0, -1):
            cols = (t.s.ow - x) // left
            group_tile(sizeof(real), lanes, t.share, lines, cols, t.s.sw, shape,
                       staged + y * shape.step + x * t.s.sw * t.pixel, turned, start,
                       to + y * shape.out_line + x * shape.out_pixel)
            x += cols
        y += lines


cdef void multiply_band(const Task *t, const real *staged, const real *w, const real *bias, Py_ssize_t images,
                        Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t ahead, real *out,
                        real *turned) noexcept nogil:
    """Rows of output of images of a vector of channels or less, where w, bias and out start."""
    cdef Py_ssize_t lanes = group_lanes(sizeof(real), channels), lane, image
    cdef group_shape shape = t.shape
    cdef real[MOST_LANES] start
    cdef real *sums = turned + t.turned
    cdef bint direct = t.last and channels == lanes
    for lane in range(lanes):
        start[lane] = bias[lane] if bias != NULL and lane < channels else 0
    turn_block(sizeof(real), channels, t.kernel, w, t.kernel, turned, lanes)
    if t.share > 1:
        group_weave(sizeof(real), turned, turned, lanes, t.kernel)
    shape.out_pixel = t.op if direct else lanes
    shape.out_line = t.s.ow * shape.out_pixel
    for image in range(images):
        multiply_rows(t, &shape, lanes, staged + image * t.each, <const real *> turned, <const real *> start, rows,
                      w + channels * t.kernel, ahead if image == 0 else 0, out if direct else sums)
        if not t.last:
            turn_block(sizeof(real), rows * t.s.ow, channels, sums, lanes, out, t.oc)
        elif not direct:
            copy_rows(sizeof(real), out, t.op, sums, lanes, rows * t.s.ow, channels)
        out += t.on


cdef void multiply_group(const Task *t, const real *staged, const real *w, const real *bias, Py_ssize_t first,
                         Py_ssize_t images, Py_ssize_t rows, real *out, real *turned) noexcept nogil:
    """Rows of output of the channels of a group, of which `first` is the first one, from the stage of these rows.

    The weights that come next are fetched meanwhile.
    """
    cdef Py_ssize_t end = first + t.ocg * t.share, o = first, some, ahead
    while o < end:
        some = min(t.lanes, end - o)
        ahead = min(t.lanes, t.s.oc - o - some) * t.kernel // rows
        multiply_band(t, staged, w + o * t.kernel, at(bias, o), images, rows, some, ahead, out + o * t.oc, turned)
        o += some


cdef void one_item(const Task *t, Py_ssize_t item, real *scratch) noexcept nogil:
    """A band of a plane of output of a set of groups of an image, or of several images."""
    cdef Py_ssize_t band = item % t.bands, z = item // t.bands % t.s.od
    cdef Py_ssize_t first = item // t.bands // t.s.od % t.sets * t.together
    cdef Py_ssize_t image = item // t.bands // t.s.od // t.sets * t.images
    cdef Py_ssize_t top = band_top(t, band), rows = band_top(t, band + 1) - top, i, g
    cdef Py_ssize_t groups = min(t.together, t.groups - first), images = min(t.images, t.n - image)
    cdef const real *x = <const real *> t.x + image * t.xn + first * t.share * t.icg * t.xc
    cdef real *out = <real *> t.out + image * t.on + (z * t.s.oh + top) * t.s.ow * t.op
    for i in range(images):
        stage_band(t, x + i * t.xn, groups, z, top, rows, scratch + i * t.each)
    for g in range(groups):
        multiply_group(t, <const real *> scratch + g * ceil_div(t.icg, t.deep) * t.shape.slab, <const real *> t.w,
                       <const real *> t.bias, (first + g) * t.share * t.ocg, images, rows, out, scratch + t.staged)


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads):
    """Convolve: as `conv` of `direct.pyx` or, channels last, of `direct_last.pyx`; `_direct.py` says which layers."""
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), each
    cdef char *memory
    t.x, t.w, t.bias, t.out = x.data, w.data, first_of(bias), out.data
    read_shape(&t.s, geometry)
    t.last = geometry[LAYOUT]
    t.n = x.shape[0]
    t.icg, t.ocg = t.s.ic // t.s.groups, t.s.oc // t.s.groups
    t.kernel = t.icg * t.s.kd * t.s.kh * t.s.kw
    read_strides(&t.xn, x.shape, x.strides, size, t.last)
    t.on = t.s.oc * t.s.od * t.s.oh * t.s.ow
    t.oc = 1 if t.last else t.s.od * t.s.oh * t.s.ow
    t.op = t.s.oc if t.last else 1
    t.shape.channels, t.shape.kd, t.shape.kh = t.icg, t.s.kd, t.s.kh
    t.shape.clamp = lo > -INFINITY or hi < INFINITY
    t.shape.lo, t.shape.hi = lo, hi
    plan(&t, size, threads)
    each = (t.staged + t.turned + t.sums) * size
    memory = borrow("grouped", each * threads)
    with nogil:
        each_piece(<Piece> one_item[real], &t, t.batches * t.sets * t.s.od * t.bands, threads, memory, each)
    give_back(memory)
