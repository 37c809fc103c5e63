"""Transposed convolution as one matrix product, whose results overlap in the output and are added up there.

    products[o, a, i, j][z, y, x] = sum over c of  weight[c, o, a, i, j] * in[c, z, y, x]
    out[o, z, y, x] = bias[o] + sum over (iz, a), (iy, i), (ix, j) of  products[o, a, i, j][iz, iy, ix]

over the taps with  iz * sd + a * dd = z + pd  and so on. No product is made that the output does not need, and the
output is written once (`overlap.h`). Products are those of some output channels and a box of outputs, few enough to
stay in cache; what several boxes see is multiplied for each of them. Lanes are pixels, with rows of weights that are
turned for that, or, where an image has few pixels, weights, with rows of pixels:

    x (c, pixels)  ->  panels of a tile's width           w (c, o taps)  ->  panels
    w turned (o taps, c)  ->  rows                        x turned (pixels, c)  ->  rows       products turned back

Where output channels fill vectors and pixels make up for turning weights, products are added up before any are turned
(`overlap_channels.pxd`). A sum has the same order each way, so results depend on none. Channels-first memory.
"""

from fastconv._kernels.ahead cimport Ahead
from fastconv._kernels.copy cimport copy_rows, copy_tiles
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.meeting cimport Meeting, meet
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.overlap cimport Box, Task, box_of, choose_lanes, find_taps, overlap_shape, plan
from fastconv._kernels.overlap_channels cimport add_up_channels, multiply_channels
from fastconv._kernels.overlap_product cimport find_lines, multiply, pixel, turn_pixels, weights_of
from fastconv._kernels.pack cimport ceil_div, zeros
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.shape cimport ConvShape, at, read_shape, read_strides, real
from fastconv._kernels.stream cimport stream
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.tile cimport CHUNK, TILE_ROWS, tile_width
from fastconv._kernels.turn cimport clear_beside, turn_block

cdef extern from "overlap.h" nogil:
    void overlap_row(size_t size, const overlap_shape *g, Py_ssize_t lines, const void *const *line, double bias,
                     void *out, Py_ssize_t n)


cdef void fill_panel(const Task *t, const Box *b, const real *x, Py_ssize_t p, Py_ssize_t n,
                     real *panel) noexcept nogil:
    """All channels of n pixels, of which each row has some more behind its end: whatever lies there."""
    cdef Py_ssize_t width = tile_width(sizeof(real)), row = p // t.row, from_start = p - row * t.row, some, c
    clear_beside(n, t.icg, width, panel)
    while n > 0:
        some = min(t.row - from_start, n)
        copy_rows(sizeof(real), panel, width, pixel(t, b, x, row) + from_start, t.xc, t.icg,
                  min(some, b.iw - from_start))
        for c in range(t.icg if from_start + some > b.iw else 0):
            zeros(panel + c * width + max(b.iw - from_start, 0), some - max(b.iw - from_start, 0))
        panel += some
        n -= some
        row += 1
        from_start = 0


cdef void multiply_pixels(const Task *t, const Box *b, const real *x, const real *w, real *turned, real *panel,
                          real *products) noexcept nogil:
    """Rows are weights, and columns pixels with the gaps between them, whose products are cleared afterwards."""
    cdef Py_ssize_t width = tile_width(sizeof(real)), columns = b.rows * t.row - t.gap, block, p, n, _c, row
    cdef Ahead nothing = Ahead(NULL, 0, 0, 0, 0)
    turn_block(sizeof(real), t.icg, b.cols, w + b.o * t.taps, t.ocg * t.taps, turned, t.leading)
    for block in range(ceil_div(columns, width)):
        p = block * width
        n = min(width, columns - p)
        fill_panel(t, b, x, p, n, panel)
        multiply(t, <const real *> turned, <const real *> panel, width, t.icg, False, b.cols, n, products + t.gap + p,
                 t.pitch, &nothing)
    for _c in range(b.cols if t.gap else 0):
        zeros(products, t.gap)
        for row in range(b.rows):
            zeros(products + t.gap + row * t.row + b.iw, t.row - b.iw)
        products += t.pitch


cdef void turn_products(const Task *t, const Box *b, const real *plain, Py_ssize_t n, real *products) noexcept nogil:
    """Those of n columns to where a row of pixels lies."""
    cdef Py_ssize_t row
    for row in range(b.rows):
        turn_block(sizeof(real), b.iw, n, plain + row * b.iw * t.across, t.across, products + t.gap + row * t.row,
                   t.pitch)


cdef void stream_weights(const Task *t, const Box *b, const real *x, const real *w, real *turned, real *plain,
                         real *products) noexcept nogil:
    """Few pixels, or none that an output of the box sees: weights are read once, from where they lie."""
    cdef Py_ssize_t pixels = b.rows * b.iw
    if pixels > 0:
        turn_pixels(t, b, x, turned)
        stream(sizeof(real), pixels, b.cols, t.icg, turned, t.leading, w + b.o * t.taps, t.ocg * t.taps, plain,
               t.across)
    if not t.alone:
        zeros(products, b.cols * t.pitch)
        turn_products(t, b, <const real *> plain, b.cols, products)


cdef void multiply_weights(const Task *t, const Box *b, const real *x, const real *w, real *turned, real *panel,
                           real *plain, real *products) noexcept nogil:
    """Rows are pixels, columns weights: products are turned back to where a row of pixels lies, between zeros."""
    cdef Py_ssize_t width = tile_width(sizeof(real)), pixels = b.rows * b.iw, chunks = ceil_div(t.icg, CHUNK)
    cdef Py_ssize_t piece, k, j, n, tiles = max(ceil_div(pixels, TILE_ROWS), 1) * (t.across // width)
    cdef Ahead here, ahead
    w += b.o * t.taps
    turn_pixels(t, b, x, turned)
    zeros(products, b.cols * t.pitch)
    for piece in range(ceil_div(b.cols, t.across) * chunks):
        here, ahead = weights_of(t, b, w, piece, chunks, 1), weights_of(t, b, w, piece + 1, chunks, tiles)
        k, n = piece % chunks * CHUNK, here.bytes // sizeof(real)
        clear_beside(n % width, here.rows, width, panel + n // width * CHUNK * width)
        copy_tiles(sizeof(real), panel, width, CHUNK * width, width, here.row, t.ocg * t.taps, here.rows, n)
        ahead.row += LINE - sizeof(real)                                        # the first line is here already
        for j in range(ceil_div(n, width)):
            multiply(t, <const real *> turned + k, <const real *> panel + j * CHUNK * width, width, here.rows, k > 0,
                     pixels, min(width, n - j * width), plain + j * width, t.across, &ahead)
        if k + here.rows < t.icg:
            continue
        turn_products(t, b, <const real *> plain, n, products + piece // chunks * t.across * t.pitch)


cdef void add_up(const Task *t, const Box *b, const real *products, const real *bias, real *out, Py_ssize_t image,
                 const void **lines) noexcept nogil:
    """The outputs of a box in one image, of a group's channels. Added to zero, no bias is -0.0, whose sign would tell
    whether zeros between rows were added, too."""
    cdef Py_ssize_t o, z, y, count, tap = t.s.kw * t.pitch
    products += b.m0 - b.ix
    for o in range(b.channels):
        for z in range(b.z0, b.z1):
            for y in range(b.y0, b.y1):
                count = find_lines(t, b, image, z, y, products + o * t.s.kd * t.s.kh * tap, t.row, tap, lines)
                overlap_row(sizeof(real), &t.overlap, count, lines, 0 if bias == NULL else 0 + bias[b.o + o],
                            out + (((b.o + o) * t.s.id + z) * t.s.ih + y) * t.s.iw + b.x0, b.x1 - b.x0)


cdef inline void add_bias(const real *products, real bias, Py_ssize_t n, real *out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = bias + products[i]


cdef void place_row(const Task *t, Py_ssize_t z, Py_ssize_t y, const real *plain, real bias, real *out) noexcept nogil:
    """A row of outputs of a channel of an image that is one pixel: products with the bias, or this alone."""
    cdef const real *line = plain + (t.depth[z * t.s.kd].tap * t.s.kh + t.height[y * t.s.kh].tap) * t.s.kw
    cdef Py_ssize_t x, j
    for x in range(t.s.iw):
        out[x] = bias
    for j in range(t.s.kw if t.depths[z] and t.heights[y] else 0):
        x = j * t.s.dw - t.s.pw
        if 0 <= x < t.s.iw:
            out[x] = bias + line[j]


cdef void place(const Task *t, const Box *b, const real *plain, const real *biases, real *out) noexcept nogil:
    """The outputs of such an image, of a group's channels, which may be all products in their order."""
    cdef ConvShape s = t.s
    cdef Py_ssize_t outputs = s.id * s.ih * s.iw, o, z, y
    cdef bint whole = (outputs == t.taps and s.kd == s.id and s.kh == s.ih
                       and s.pd == s.ph == s.pw == 0 and s.dd == s.dh == s.dw == 1)
    cdef real bias
    for o in range(b.o, b.o + b.channels):
        bias = 0 if biases == NULL else biases[o]
        if whole:
            add_bias(plain, bias, outputs, out + o * outputs)
        for z in range(0 if whole else s.id):
            for y in range(s.ih):
                place_row(t, z, y, plain, bias, out + ((o * s.id + z) * s.ih + y) * s.iw)
        plain += t.taps


cdef void one_item(const Task *t, Py_ssize_t item, real *scratch) noexcept nogil:
    cdef Py_ssize_t g = item % t.s.groups, image
    cdef Box b = box_of(t, item // t.s.groups)
    cdef const real *x = <const real *> t.x + g * t.icg * t.xc
    cdef const real *w = <const real *> t.w + g * t.icg * t.ocg * t.taps
    cdef real *out = <real *> t.out + (b.image * t.s.groups + g) * t.ocg * t.s.id * t.s.ih * t.s.iw
    cdef real *panel = scratch + t.turned
    cdef real *plain = panel + t.panel
    cdef real *products = plain + t.plain
    cdef real *sums = products + t.products
    cdef const void **lines = <const void **> (sums + t.sums)
    if t.streams:
        stream_weights(t, &b, x, w, scratch, plain, products)
    elif t.by_channels:
        multiply_channels(t, &b, x, w, scratch, panel, plain)
    elif t.by_weights:
        multiply_weights(t, &b, x, w, scratch, panel, plain, products)
    else:
        multiply_pixels(t, &b, x, w, scratch, panel, products)
    for image in range(b.images):
        if t.alone:
            place(t, &b, <const real *> plain + image * t.across, at(<const real *> t.bias, g * t.ocg), out)
        elif t.by_channels:
            add_up_channels(t, &b, <const real *> plain, at(<const real *> t.bias, g * t.ocg), out, image, sums, lines)
        else:
            add_up(t, &b, <const real *> products, at(<const real *> t.bias, g * t.ocg), out, image, lines)
        out += t.s.groups * t.ocg * t.s.id * t.s.ih * t.s.iw


def adds_channels(tuple geometry, Py_ssize_t size):
    """Whether results of one image, of elements of `size`, are added up with lanes along output channels."""
    cdef Task t
    read_shape(&t.s, geometry)
    t.n, t.icg, t.ocg = 1, t.s.oc // t.s.groups, t.s.ic // t.s.groups
    choose_lanes(&t, size)
    return bool(t.by_channels)


def spread(tuple geometry, input, weight, bias, output, real like, int threads):
    """Transposed convolution; arguments as of `gather.spread`, any kernel, stride and dilation."""
    cdef operand w = five(weight, OWN_RANK), x = five(input, 3), out = five(output, 3)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), each, tables
    cdef char *memory
    t.x, t.w, t.bias, t.out = x.data, w.data, first_of(bias), out.data
    read_shape(&t.s, geometry)
    t.n = x.shape[0]
    t.icg, t.ocg = t.s.oc // t.s.groups, t.s.ic // t.s.groups
    read_strides(&t.xn, x.shape, x.strides, size, False)
    t.finish.accumulate = t.finish.clamp = 0
    t.finish.chain = CHUNK
    t.finish.row_bias = t.finish.col_bias = NULL
    t.finish.next_rows = 0
    plan(&t, size, threads)
    each = round_up((t.turned + t.panel + t.plain + t.products + t.sums + t.lines) * size, LINE)
    tables = round_up((t.s.id * t.s.kd + t.s.ih * t.s.kh + t.s.iw * t.s.kw) * sizeof(Meeting) + (
        t.s.id + t.s.ih + t.s.iw + t.s.sw + t.s.kw) * sizeof(Py_ssize_t), LINE)
    memory = borrow("overlap", tables + each * threads)
    t.depth = <Meeting *> memory
    t.height = t.depth + t.s.id * t.s.kd
    t.width = t.height + t.s.ih * t.s.kh
    t.depths = <Py_ssize_t *> (t.width + t.s.iw * t.s.kw)
    t.heights = t.depths + t.s.id
    t.widths = t.heights + t.s.ih
    t.ends = t.widths + t.s.iw
    t.at = t.ends + t.s.sw
    with nogil:
        meet(t.depth, t.depths, t.s.id, t.s.od, t.s.kd, t.s.sd, t.s.dd, t.s.pd)
        meet(t.height, t.heights, t.s.ih, t.s.oh, t.s.kh, t.s.sh, t.s.dh, t.s.ph)
        if t.by_channels:
            meet(t.width, t.widths, t.s.iw, t.s.ow, t.s.kw, t.s.sw, t.s.dw, t.s.pw)
        else:
            find_taps(&t)
        each_piece(<Piece> one_item[real], &t,
                   t.s.groups * t.parts * ceil_div(t.n, t.many) * t.boxes_d * t.boxes_h * t.boxes_w, threads,
                   memory + tables, each)
    give_back(memory)
