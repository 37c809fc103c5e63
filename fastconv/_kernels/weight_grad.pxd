"""How the gradient of weights divides its work, and its copies: see `weight_grad.pyx`; distances are in elements."""

from libc.string cimport memcpy, memset

from fastconv._kernels.copy cimport copy_rows
from fastconv._kernels.levels cimport FAN, levels_of
from fastconv._kernels.outer cimport outer_width
from fastconv._kernels.pack cimport ceil_div, clip, end_inside, even, first_inside, is_seen
from fastconv._kernels.scratch cimport LINE, round_up
from fastconv._kernels.shape cimport ConvShape, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.tile cimport CHUNK
from fastconv._kernels.turn cimport turn_block

cdef enum:
    SUM_BYTES = 262144      # of a part of dw: with the copies an L2
    MOST_CHANNELS = 256     # of the output in a part
    LAST_CHANNELS = 256     # of a depthwise part, channels-last
    COPY_BYTES = 196608     # of the input rows under a block
    MOST_PIXELS = 512       # of a block
    BUNDLE_BYTES = 524288   # of what a block copies for several groups, which stays in L2 until all have seen it


cdef struct Task:
    ConvShape s
    const void *x
    const void *gout
    void *dw
    bint last
    bint alone                                  # depthwise: a channel of the input meets one of the output
    bint by_channel                             # a channel's taps are neighbours in M, else a tap's channels
    Py_ssize_t n, groups, icg, ocg              # depthwise, all channels are in one group here
    Py_ssize_t taps, planes                     # taps in a plane of the kernel, and planes
    Py_ssize_t xn, xc, xd, xh, xw               # strides of the input, in elements
    Py_ssize_t gn, gc, gd, gh, gw               # strides of grad_output
    Py_ssize_t ic_part, ic_parts, oc_part, oc_parts
    Py_ssize_t bundle                           # groups that take turns in each block of a part
    Py_ssize_t block_planes, lines, rows, width  # planes, rows and columns of a block, `lines` rows of a chain
    Py_ssize_t blocks, pieces                   # of a plane of output, down and across
    Py_ssize_t x_rows, x_cols                   # of the input under a block
    Py_ssize_t h_step, w_step                   # from tap to tap there: the dilation, or less where taps share nothing
    Py_ssize_t together, apart                  # columns that are copied side by side, and from these to the next ones
    Py_ssize_t x_plane                          # elements of a plane of X
    Py_ssize_t x_size, g_size, sums             # elements of X, of a panel of G, of one level of M
    Py_ssize_t panel                            # channels of that
    int levels


cdef struct Span:
    Py_ssize_t first, end


cdef inline Span inside(Py_ssize_t offset, Py_ssize_t stride, Py_ssize_t size, Py_ssize_t n) noexcept nogil:
    """Which of n pixels, `stride` apart from `offset` on, are among `size`."""
    cdef Span span
    span.first = min(first_inside(offset, stride), n)
    span.end = clip(end_inside(offset, stride, size), span.first, n)
    return span


cdef inline Py_ssize_t panel_of(const Task *t, Py_ssize_t size) noexcept nogil:
    """Channels of G that are copied together: columns of a tile, as many for each."""
    return even(t.oc_part, outer_width(size), lanes_of(size))


cdef inline void plan_parts(Task *t, Py_ssize_t size) noexcept nogil:
    """Channels of a part so that M stays in L2."""
    cdef Py_ssize_t most
    if t.alone:             # channels-last, more of them are neighbours in memory
        t.ic_part = t.oc_part = even(t.icg, LAST_CHANNELS, 2 * lanes_of(size)) if t.last else 2 * lanes_of(size)
        return
    t.oc_part = even(t.ocg, MOST_CHANNELS, lanes_of(size))
    most = max(SUM_BYTES // (size * t.oc_part * t.taps), 1)
    t.ic_part = even(t.icg, most, min(most, 8))


cdef inline void plan_blocks(Task *t, Py_ssize_t size) noexcept nogil:
    """Rows of output for which the input fits in cache, whole chains of them."""
    cdef Py_ssize_t pixel = t.ic_part * size, most = clip(COPY_BYTES // (pixel * t.s.sw), 1, MOST_PIXELS), reach
    t.width = even(t.s.ow, most, 1)
    t.pieces = ceil_div(t.s.ow, t.width)
    reach = (t.width - 1) * t.s.sw + 1
    t.w_step = min(t.s.dw, reach)
    t.x_cols = (t.s.kw - 1) * t.w_step + reach
    t.together = (t.s.kw - 1) * t.w_step + 1 if t.w_step == t.s.dw else 1
    t.apart = t.s.sw if t.together < t.s.sw else 1      # what a stride passes over is left out
    t.together = min(t.together, t.apart)
    t.lines = clip(CHUNK // t.width, 1, t.s.oh)
    t.rows = min(COPY_BYTES // (t.x_cols * pixel * t.s.sh), MOST_PIXELS // t.width) // t.lines
    t.rows = clip(t.rows, 1, FAN) * t.lines
    t.blocks = ceil_div(t.s.oh, t.rows)
    reach = (min(t.rows, t.s.oh) - 1) * t.s.sh + 1
    t.h_step = min(t.s.dh, reach)
    t.x_rows = (t.s.kh - 1) * t.h_step + reach
    t.block_planes = 1
    if not t.alone and 2 * t.s.oh * t.s.ow <= CHUNK:    # a chain has few pixels of one
        most = min(CHUNK // t.width, MOST_PIXELS // (t.s.oh * t.width))
        t.block_planes = clip(min(most, COPY_BYTES // (t.x_rows * t.x_cols * pixel)), 1, t.n * t.s.od)
    if t.block_planes > 1:
        t.lines, t.rows = 1, t.s.oh


cdef inline Py_ssize_t fan(const Task *t) noexcept nogil:
    """Blocks until FAN chains are together."""
    cdef Py_ssize_t chains = ceil_div(t.rows, t.lines) * ceil_div(t.width, CHUNK)
    return ceil_div(FAN, chains)


cdef inline void plan_threads(Task *t, Py_ssize_t size, int threads) noexcept nogil:
    """Smaller parts where threads would have none, and what follows from their size."""
    cdef Py_ssize_t others, shares, vector = lanes_of(size)
    t.oc_parts = 1 if t.alone else ceil_div(t.ocg, t.oc_part)
    others = t.oc_parts * t.planes * t.groups
    t.ic_parts = ceil_div(t.icg, t.ic_part)
    shares = ceil_div(threads, t.ic_parts * others)
    if t.oc_parts == 1 and not t.alone and t.icg % shares and t.ocg % (shares * 2 * lanes_of(size)) == 0:
        t.oc_part = t.ocg // shares     # three input channels are no even shares of two threads
        t.oc_parts = shares
        others = shares * t.planes * t.groups
    t.ic_parts = min(ceil_div(round_up(t.ic_parts * others, threads), others), t.icg)
    t.ic_part = round_up(ceil_div(t.icg, t.ic_parts), vector if t.alone else 1)
    while t.alone and t.ic_part > vector and ceil_div(t.icg, t.ic_part) * others % threads:
        t.ic_part -= vector             # three parts are no even shares of two threads
    t.ic_parts = ceil_div(t.icg, t.ic_part)
    t.x_plane = t.x_rows * t.x_cols * t.ic_part
    t.x_size = round_up(t.block_planes * t.x_plane + LINE // size, LINE // size)
    t.panel = panel_of(t, size)
    t.g_size = t.block_planes * t.rows * t.width * t.panel
    t.sums = t.taps * (1 if t.alone else t.ic_part) * t.oc_part
    t.levels = levels_of(ceil_div(t.n * t.s.od, t.block_planes) * t.blocks * t.pieces, fan(t))


cdef inline void plan_bundles(Task *t, Py_ssize_t size, int threads) noexcept nogil:
    """Groups of channels-last memory that go through the images together, since they share lines of each pixel."""
    cdef Py_ssize_t most
    t.bundle = 1
    if t.last and t.ic_parts * t.oc_parts == 1:
        most = min(SUM_BYTES // (t.levels * t.sums * size), BUNDLE_BYTES // ((t.x_size + t.g_size) * size))
        t.bundle = even(t.groups, clip(most, 1, max(t.groups * t.planes // threads, <Py_ssize_t> 1)), 1)


cdef inline void flatten(Task *t) noexcept nogil:
    """Where a patch is a pixel and all pixels of an image lie side by side they are one row."""
    cdef ConvShape *s = &t.s
    if not (
        t.planes * t.taps * s.sd * s.sh * s.sw == 1 and s.pd == 0 and s.ph == 0 and s.pw == 0
        and s.od == s.id and s.oh == s.ih and s.ow == s.iw and t.xh == s.iw * t.xw and t.xd == s.ih * t.xh
    ):
        return
    s.ow *= s.od * s.oh
    s.iw = s.ow
    s.od = s.id = s.oh = s.ih = 1


cdef inline void copy_row(
    const Task *t, const real *row, Py_ssize_t x0, Py_ssize_t cols, Py_ssize_t channels, real *to,
) noexcept nogil:
    """Pixels [x0, x0 + cols) of a row, zeros where there are none; of channels-last memory, those that taps see."""
    cdef Py_ssize_t lo = clip(-x0, 0, cols), hi = clip(t.s.iw - x0, lo, cols), j, first
    row += x0 * t.xw
    memset(to, 0, lo * channels * sizeof(real))
    memset(to + hi * channels, 0, (cols - hi) * channels * sizeof(real))
    if not t.last:
        turn_block(sizeof(real), channels, hi - lo, row + lo * t.xw, t.xc, to + lo * channels, channels)
    elif t.xw == channels and t.apart == 1:
        memcpy(to + lo * channels, row + lo * t.xw, (hi - lo) * channels * sizeof(real))
    else:
        for j in range(t.together):
            first = j if lo <= j else j + ceil_div(lo - j, t.apart) * t.apart
            copy_rows(sizeof(real), to + first * channels, t.apart * channels, row + first * t.xw, t.apart * t.xw,
                      ceil_div(hi - first, t.apart), channels)


cdef inline void copy_input(
    const Task *t, const real *x, Py_ssize_t y, Py_ssize_t o, Py_ssize_t rows, Py_ssize_t channels, real *to,
) noexcept nogil:
    """X under `rows` rows of output from (y, o) on: x is a plane of the first channel."""
    cdef bint apart = t.w_step < t.s.dw
    cdef Py_ssize_t cols = t.w_step if apart else t.x_cols, row, iy, j
    to -= t.x_cols * channels
    for row in range((t.s.kh - 1) * t.h_step + (rows - 1) * t.s.sh + 1):
        to += t.x_cols * channels
        if not is_seen(row, t.s.sh, t.h_step, t.s.kh):
            continue
        iy = y * t.s.sh - t.s.ph + row // t.h_step * t.s.dh + row % t.h_step
        if 0 <= iy < t.s.ih:
            for j in range(t.s.kw if apart else 1):
                copy_row(t, x + iy * t.xh, o * t.s.sw - t.s.pw + j * t.s.dw, cols, channels, to + j * cols * channels)
        else:
            memset(to, 0, t.x_cols * channels * sizeof(real))


cdef inline void copy_output(
    const Task *t, const real *gout, Py_ssize_t y, Py_ssize_t o, Py_ssize_t rows, Py_ssize_t width, Py_ssize_t channels,
    real *to,
) noexcept nogil:
    """A panel of G for a block of one plane, with zeros beside the channels: gout is that of the first of them."""
    cdef Py_ssize_t ldt = t.panel, row
    if channels < ldt:
        memset(to, 0, rows * width * ldt * sizeof(real))
    if not t.last and width == t.s.ow == t.gh:      # rows are neighbours: less is left at the edges of squares
        width *= rows
        rows = 1
    for row in range(y, y + rows):
        if t.last:
            copy_rows(sizeof(real), to, ldt, gout + row * t.gh + o * t.gw, t.gw, width, channels)
        else:
            turn_block(sizeof(real), channels, width, gout + row * t.gh + o, t.gc, to, ldt)
        to += width * ldt
