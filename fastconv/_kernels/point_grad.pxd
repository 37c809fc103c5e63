"""What the gradient of 1x1 weights multiplies and how it divides its work: see `point_grad.pyx`; in elements."""

from libc.string cimport memset

from fastconv._kernels.ahead cimport Ahead
from fastconv._kernels.copy cimport copy_tiles
from fastconv._kernels.levels cimport FAN, levels_of
from fastconv._kernels.operand cimport operand
from fastconv._kernels.pack cimport ceil_div, copy_run, even
from fastconv._kernels.scratch cimport LINE, round_up
from fastconv._kernels.shape cimport ConvShape, read_shape, read_strides, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.tile cimport tile_width
from fastconv._kernels.turn cimport turn_block

cdef enum:
    DEPTH = 256             # pixels of a block at most, a panel of which
    PANEL_BYTES = 32768     # and a tile's rows stay in L1
    LONG = 128              # pixels of an image that are read in place
    ROWS = 512              # channels of a part, which is turned again for each part of the others,
    COLS = 256              # as these are: half an L2
    GROUP = 96              # rows that pass over all columns, a fifth of an L2
    TURNING = 3             # products that take as long as turning an element
    # measured: asv_bench/peers.py --family gradients, at AVX2


cdef struct Side:                           # grad_output, or the input at the stride
    const void *start
    Py_ssize_t n, c, d, h, w                # from one pixel of the output to the next
    Py_ssize_t channels, part, parts        # of a group
    Py_ssize_t run                          # pixels evenly spaced: some of an image, or all of them
    bint in_place                           # read where they lie


cdef struct Task:
    Side a, b                               # of the rows of the product, and of its columns
    void *dw
    bint last
    bint swapped                            # rows are channels of the input
    Py_ssize_t groups, od, oh, ow, pixels   # of an image, and
    Py_ssize_t depth, kc, blocks            # of all: in blocks of kc, which are
    Py_ssize_t span, pieces                 # pieces of so many pixels, an image or all
    Py_ssize_t ldc, sums                    # of a part of dw: from row to row, and all elements of it
    Py_ssize_t width                        # channels of a panel of columns
    Py_ssize_t panel, row                   # from one to the next, of rows that are copied
    Py_ssize_t a_size, b_size, rows_size    # elements of scratch
    int levels


cdef struct Part:                           # of a group
    Py_ssize_t rows, cols
    Py_ssize_t a, b, dw                     # where these start, in elements


cdef inline Part part_at(const Task *t, Py_ssize_t item) noexcept nogil:
    cdef Part part
    cdef Py_ssize_t j = item % t.b.parts * t.b.part, rest = item // t.b.parts
    cdef Py_ssize_t i = rest % t.a.parts * t.a.part, group = rest // t.a.parts
    part.rows, part.cols = min(t.a.part, t.a.channels - i), min(t.b.part, t.b.channels - j)
    part.a, part.b = (group * t.a.channels + i) * t.a.c, (group * t.b.channels + j) * t.b.c
    part.dw = group * t.a.channels * t.b.channels
    part.dw += j * t.a.channels + i if t.swapped else i * t.b.channels + j
    return part


cdef inline void plan_side(
    Side *side, const Task *t, const Py_ssize_t *strides, Py_ssize_t sd, Py_ssize_t sh, Py_ssize_t sw,
    Py_ssize_t channels,
) noexcept nogil:
    """An operand of so many channels a group, whose array has these strides."""
    side.n, side.c = strides[0], strides[1]
    side.d, side.h, side.w = strides[2] * sd, strides[3] * sh, strides[4] * sw
    side.channels = channels
    side.run = t.ow
    if t.oh == 1 or side.h == t.ow * side.w:
        side.run *= t.oh
        if t.od == 1 or side.d == t.oh * t.ow * side.w:
            side.run *= t.od
            if t.depth == t.pixels or side.n == t.pixels * side.w:
                side.run = t.depth


cdef inline int begin(
    Task *t, tuple geometry, const operand *x, const operand *gout, const operand *dw, Py_ssize_t size, bint last,
) except -1:
    """What follows from the geometry and the operands; rows are channels of grad_output as yet."""
    cdef ConvShape s
    cdef Py_ssize_t[5] strides
    read_shape(&s, geometry)
    t.a.start, t.b.start, t.dw, t.last = gout.data, x.data, dw.data, last
    t.groups, t.od, t.oh, t.ow = s.groups, s.od, s.oh, s.ow
    t.pixels = s.od * s.oh * s.ow
    t.depth = x.shape[0] * t.pixels
    read_strides(strides, gout.shape, gout.strides, size, last)
    plan_side(&t.a, t, strides, 1, 1, 1, s.oc // s.groups)
    read_strides(strides, x.shape, x.strides, size, last)
    plan_side(&t.b, t, strides, s.sd, s.sh, s.sw, s.ic // s.groups)
    return 0


cdef inline Py_ssize_t work(const Task *t, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t size) noexcept nogil:
    """Products that take as long as those of a pixel, idle lanes included, and turning its columns, or with channels
    last its rows."""
    return rows * round_up(cols, lanes_of(size)) + TURNING * (rows if t.last else cols)


cdef inline void share_parts(Task *t, Py_ssize_t width, int threads) noexcept nogil:
    """Parts whose sums and operands stay in cache, as many for each thread, of whole panels of `width` channels."""
    t.a.parts, t.b.parts = ceil_div(t.a.channels, ROWS), ceil_div(t.b.channels, COLS)
    if t.groups * t.a.parts * t.b.parts % threads:
        if ceil_div(t.b.channels, width) % threads == 0:
            t.b.parts = round_up(t.b.parts, threads)
        else:
            t.a.parts = min(round_up(t.a.parts, threads), t.a.channels)
    t.a.part = ceil_div(t.a.channels, t.a.parts)
    t.a.parts = ceil_div(t.a.channels, t.a.part)
    t.b.part = round_up(ceil_div(t.b.channels, t.b.parts), width)
    t.b.parts = ceil_div(t.b.channels, t.b.part)


cdef inline void plan_parts(Task *t, Py_ssize_t size, int threads) noexcept nogil:
    """Which channels are rows; parts of them, blocks of pixels and scratch."""
    cdef Py_ssize_t width = tile_width(size), vector = lanes_of(size)
    cdef Side other = t.a
    t.swapped = work(t, t.b.channels, t.a.channels, size) < work(t, t.a.channels, t.b.channels, size)
    if t.swapped:
        t.a = t.b
        t.b = other
    share_parts(t, width, threads)
    t.a.in_place = not t.last and t.a.w == 1 and t.a.run >= t.pixels >= LONG
    t.span = t.pixels if t.a.in_place else t.depth
    t.kc = even(t.span, min(<Py_ssize_t> DEPTH, PANEL_BYTES // (width * size)), 8)
    t.pieces = ceil_div(t.span, t.kc)
    t.blocks = t.depth // t.span * t.pieces
    t.levels = levels_of(t.blocks, FAN)
    if t.swapped or t.levels > 1:
        t.ldc = round_up(min(t.b.part, t.b.channels), vector)
        t.sums = round_up(t.a.part * t.ldc, LINE // size)
    else:                   # sums are where they belong
        t.ldc, t.sums = t.b.channels, 0
    t.a_size = 0 if t.a.in_place else min(t.a.part, <Py_ssize_t> GROUP) * t.kc
    t.b_size = t.b.part * t.kc
    t.rows_size = 0 if t.last or t.b.w == 1 else width * t.kc


cdef inline Py_ssize_t place(const Task *t, const Side *side, Py_ssize_t p, Py_ssize_t *count) noexcept nogil:
    """Where pixel `p` of all images is; of count[0] from it on, as many as are evenly spaced remain."""
    cdef Py_ssize_t image = p // t.pixels, y, z
    count[0] = min(count[0], side.run - p % side.run)
    p -= image * t.pixels
    y = p // t.ow
    z = y // t.oh
    return image * side.n + z * side.d + (y - z * t.oh) * side.h + (p - y * t.ow) * side.w


cdef inline void fill_rows(
    const Task *t, const Side *side, const real *x, Py_ssize_t channels, Py_ssize_t p, Py_ssize_t n, real *to,
) noexcept nogil:
    """to[channel][pixel] of n pixels from p on; x is the first pixel of the first channel."""
    cdef Py_ssize_t end = p + n, some, c
    cdef const real *source
    while p < end:
        some = end - p
        source = x + place(t, side, p, &some)
        if t.last:
            turn_block(sizeof(real), some, channels, source, side.w, to, t.kc)
        else:
            for c in range(channels):
                copy_run(to + c * t.kc, source + c * side.c, some, side.w)
        to += some
        p += some


cdef inline Ahead ahead(
    const Task *t, const Side *side, const real *x, Py_ssize_t channels, Py_ssize_t p, Py_ssize_t n, Py_ssize_t tiles,
) noexcept nogil:
    """What is read of the rows, as far as it lies together; nothing where channels lie together, which is foreseen."""
    cdef Ahead a
    a.row = <const char *> (x + place(t, side, p, &n) if p < t.depth else x)
    a.rows = 0 if t.last or p >= t.depth else channels
    a.step, a.bytes, a.share = side.c * sizeof(real), n * side.w * sizeof(real), ceil_div(channels, tiles)
    return a


cdef inline void turn_panel(
    const Task *t, const Side *side, const real *x, Py_ssize_t channels, Py_ssize_t p, Py_ssize_t n, real *rows,
    real *to,
) noexcept nogil:
    """to[pixel][channel] of planes, up to a tile's width of channels; pixels between strides are left out first."""
    cdef Py_ssize_t width = tile_width(sizeof(real)), end = p + n, some
    cdef const real *source
    if side.w > 1:
        fill_rows(t, side, x, channels, p, n, rows)
        turn_block(sizeof(real), channels, n, <const real *> rows, t.kc, to, width)
        return
    while p < end:
        some = end - p
        source = x + place(t, side, p, &some)
        turn_block(sizeof(real), channels, some, source, side.c, to, width)
        to += some * width
        p += some


cdef inline void fill_panels(
    const Task *t, const Side *side, const real *x, Py_ssize_t channels, Py_ssize_t p, Py_ssize_t n, real *rows,
    real *to,
) noexcept nogil:
    """to[panel][pixel][channel], a tile's width of channels, zeros beside those that there are."""
    cdef Py_ssize_t width = tile_width(sizeof(real)), j = channels // width * width, end = p + n, some
    cdef const real *source
    if j < channels:
        memset(to + j * t.kc, 0, n * width * sizeof(real))
    if not t.last:
        j = 0
        while j < channels:
            turn_panel(t, side, x + j * side.c, min(width, channels - j), p, n, rows, to + j * t.kc)
            j += width
        return
    while p < end:
        some = end - p
        source = x + place(t, side, p, &some)
        copy_tiles(sizeof(real), to, width, t.kc * width, width, source, side.w, some, channels)
        to += some * width
        p += some


cdef inline void write_part(
    const Task *t, Py_ssize_t rows, Py_ssize_t cols, const real *sums, real *dw,
) noexcept nogil:
    """Sums of a part of a group, which lie by the rows and columns of the product, to dw, where the part begins."""
    cdef Py_ssize_t row
    if t.swapped:
        turn_block(sizeof(real), rows, cols, sums, t.ldc, dw, t.a.channels)
    else:
        for row in range(rows):
            copy_run(dw + row * t.b.channels, sums + row * t.ldc, cols, 1)
