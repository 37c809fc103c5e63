"""How `overlap.pyx` divides its work, and where the products of a box are; distances are in elements."""

from fastconv._kernels.meeting cimport Meeting
from fastconv._kernels.pack cimport ceil_div, clip
from fastconv._kernels.scratch cimport LINE, round_up
from fastconv._kernels.shape cimport ConvShape
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.tile cimport CHUNK, tile_finish, tile_width

cdef extern from "overlap.h" nogil:
    ctypedef struct overlap_shape:
        Py_ssize_t s
        const Py_ssize_t *ends
        const Py_ssize_t *at
    ctypedef struct overlap_pair:
        pass

cdef enum:
    BOX_BYTES = 393216      # of the products of a box, which stay in L2 until they are added up
    SUMMED_BYTES = 524288   # the same where these are added up as they are made, with lanes along output channels:
    MANY_SUMMED = 384       # pixels of images that share weights then,
    LEAST_PIXELS = 48       # and as many at least as make up for turning these,
    LEAST_TAPS = 8          # of so many taps at least, as they are turned by squares of eight
    LEAST_ROWS = 64         # of them, tiles that share a panel of pixels
    FEW_PIXELS = 640        # of an image, up to which lanes are weights: pixels cost less to turn
    PIXEL_BYTES = 1048576   # and of these, which have to stay in cache then
    MANY_PIXELS = 256       # of images that share weights and tiles
    STREAM_PIXELS = 9       # up to which weights are read where they lie (`stream.h`)
    ACROSS_BYTES = 512      # of a row of weights that are copied together, rows being pages apart
    SUMS = 16384            # bytes of sums of outputs that are turned together, where lanes are channels
    SHARES = 4              # items for each thread


cdef struct Task:
    ConvShape s                             # of the convolution that this transposes: o is what is read, i the result
    const void *x
    const void *w
    const void *bias
    void *out
    Py_ssize_t n, icg, ocg, taps
    Py_ssize_t xn, xc, xd, xh, xw           # strides of what is read, in elements
    bint by_weights                         # lanes of a product are weights, else pixels
    bint by_channels                        # and results are added up with lanes along output channels
    bint streams                            # and these are read once, where they lie
    bint alone                              # an image is one pixel, and each of its products an output or none
    Py_ssize_t many                         # images of an item
    Py_ssize_t some, parts                  # output channels of an item, and how many items share a group
    Py_ssize_t deep, high, wide             # outputs of a box along each axis; `wide` in whole periods of the stride
    Py_ssize_t boxes_d, boxes_h, boxes_w
    Py_ssize_t low, far                     # the least and the largest shift of a tap along w, in pixels
    Py_ssize_t gap, row, pitch              # zeros before and after rows of products; from row to row; from tap to tap
    Py_ssize_t across                       # columns of a panel of weights, whole tiles; or of all, whole vectors
    Py_ssize_t leading                      # from one row of turned operands to the next: an odd number of lines
    Py_ssize_t turned, panel, plain, products, sums, lines      # sizes of a thread's scratch
    Py_ssize_t together                     # rows of outputs whose sums are turned together
    Meeting *depth                          # of output z: kd at z * kd, those that are none at the end
    Meeting *height
    Meeting *width
    Py_ssize_t *depths                      # how many
    Py_ssize_t *heights
    Py_ssize_t *widths
    Py_ssize_t *ends                        # as `overlap_shape` has them
    Py_ssize_t *at
    overlap_shape overlap
    tile_finish finish


cdef struct Box:                            # what an item computes
    Py_ssize_t image, images, o, channels   # within a group
    Py_ssize_t z0, z1, y0, y1, m0, x0, x1   # outputs; m0 in periods
    Py_ssize_t iz, iy, ix                   # inputs that they see: the first ones
    Py_ssize_t id, ih, iw                   # and how many
    Py_ssize_t cols, rows                   # products: taps of all channels, rows of pixels of all images


cdef inline Py_ssize_t floor_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return a // b if a >= 0 else -ceil_div(-a, b)


cdef inline Py_ssize_t inputs(Py_ssize_t *first, Py_ssize_t low, Py_ssize_t far, Py_ssize_t size) noexcept nogil:
    """How many of `size` inputs lie in [low, far], and the first of these."""
    first[0] = clip(low, 0, size)
    return max(min(far + 1, size) - first[0], 0)


cdef inline Py_ssize_t reach(Py_ssize_t outputs, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation,
                             Py_ssize_t size) noexcept nogil:
    """The most inputs that so many outputs see along an axis."""
    return min((outputs - 1 + (taps - 1) * dilation) // stride + 1, size)


cdef inline void cut_boxes(Task *t, Py_ssize_t most) noexcept nogil:
    """Boxes of at most so many pixels: planes are cut first, rows last."""
    cdef ConvShape *s = &t.s
    cdef Py_ssize_t row = s.ow, plane = s.ow * s.oh
    t.deep, t.high, t.wide = s.id, s.ih, round_up(s.iw, s.sw)
    if plane * s.od > most:
        t.deep = clip((most // plane) * s.sd - (s.kd - 1) * s.dd, min(s.sd, s.id), s.id)
    if plane * reach(t.deep, s.kd, s.sd, s.dd, s.od) > most and t.deep <= s.sd:
        t.high = clip((most // row) * s.sh - (s.kh - 1) * s.dh, min(s.sh, s.ih), s.ih)
    if row > most:
        t.wide = clip(most * s.sw - (s.kw - 1) * s.dw, s.sw, t.wide) // s.sw * s.sw
    t.boxes_d, t.boxes_h, t.boxes_w = ceil_div(s.id, t.deep), ceil_div(s.ih, t.high), ceil_div(s.iw, t.wide)
    t.deep, t.high = ceil_div(s.id, t.boxes_d), ceil_div(s.ih, t.boxes_h)
    t.wide = round_up(ceil_div(s.iw, t.boxes_w), s.sw)
    t.boxes_w = ceil_div(s.iw, t.wide)


cdef inline void choose_lanes(Task *t, Py_ssize_t size) noexcept nogil:
    """What lanes of products and of sums are, of t.n images and as many channels as t.icg and t.ocg say."""
    cdef const ConvShape *s = &t.s
    cdef Py_ssize_t pixels = s.od * s.oh * s.ow
    t.taps = s.kd * s.kh * s.kw
    t.by_weights = pixels <= FEW_PIXELS and pixels * t.icg * size <= PIXEL_BYTES and t.ocg * t.taps >= lanes_of(size)
    t.by_channels = (
        t.by_weights and t.ocg * 2 >= lanes_of(size) and t.taps >= max(LEAST_TAPS, s.sd * s.sh * s.sw)
        and t.n * pixels >= LEAST_PIXELS
        and t.taps * min(lanes_of(size), t.ocg) * max(pixels, LEAST_PIXELS) * size <= SUMMED_BYTES
    )


cdef inline void plan(Task *t, Py_ssize_t size, int threads) noexcept nogil:
    cdef ConvShape *s = &t.s
    cdef Py_ssize_t room = BOX_BYTES // size, all_pixels = s.od * s.oh * s.ow, width = tile_width(size), line, rows
    cdef Py_ssize_t pixels, cols, image, channels
    t.low, t.far = floor_div(-s.pw, s.sw), floor_div((s.kw - 1) * s.dw - s.pw, s.sw)
    t.gap = max(t.far, max(ceil_div(s.iw, s.sw) - t.low - s.ow, 0))
    choose_lanes(t, size)
    image, pixels = s.od * s.oh * (s.ow + t.gap), MANY_PIXELS
    if t.by_channels:
        room = SUMMED_BYTES // size
        image, pixels = all_pixels, min(room // (t.taps * min(lanes_of(size), t.ocg)), MANY_SUMMED)
    t.many = clip(pixels // max(image, 1), 1, t.n)
    t.many = ceil_div(t.n, ceil_div(t.n, t.many))
    cols = max(room // (t.many * image + (0 if t.by_channels else t.gap + lanes_of(size))), LEAST_ROWS)
    t.some = clip(cols // t.taps, 1, t.ocg)
    if threads > 1:
        t.some = min(t.some, max(ceil_div(t.ocg * s.groups * t.n // t.many, SHARES * threads), 1))
    t.parts = ceil_div(t.ocg, t.some)
    t.some = ceil_div(t.ocg, t.parts)
    if t.by_channels and t.parts > 1:
        t.some = min(max(t.some // lanes_of(size), 1) * lanes_of(size), t.ocg)
        t.parts = ceil_div(t.ocg, t.some)
    cut_boxes(t, max(room // (t.some * t.taps * t.many), width))
    cols = t.some * t.taps
    pixels = reach(t.wide, s.kw, s.sw, s.dw, s.ow)
    t.row = pixels + t.gap
    rows = t.many * reach(t.deep, s.kd, s.sd, s.dd, s.od) * reach(t.high, s.kh, s.sh, s.dh, s.oh)
    pixels *= rows
    line = LINE // size
    t.pitch = (ceil_div(t.gap + rows * t.row + lanes_of(size), line) | 1) * line
    t.leading = (ceil_div(t.icg, line) | 1) * line
    t.turned = (pixels if t.by_weights else cols) * t.leading
    t.streams = t.by_weights and (pixels <= STREAM_PIXELS or all_pixels == 1)
    t.alone = t.streams and all_pixels == 1
    t.across = round_up(ACROSS_BYTES // size, width)
    if t.streams or t.by_channels:
        t.across = (ceil_div(cols, line) | 1) * line
    t.panel = 0 if t.streams else CHUNK * t.across if t.by_weights else t.icg * width
    t.plain = t.across * pixels + line if t.by_weights else 0
    t.products = 0 if t.alone or t.by_channels else round_up(cols * t.pitch + lanes_of(size), line)
    channels = round_up(t.some, lanes_of(size))
    t.together = clip(SUMS // size // max(t.wide * channels, 1), 1, t.high)
    t.sums = (t.together * t.wide + 1) * channels if t.by_channels else 0
    t.lines = round_up(s.kd * s.kh * sizeof(void *) // size, line)


cdef inline void find_taps(Task *t) noexcept nogil:
    """Which taps each phase along w has, and where their products lie."""
    cdef Py_ssize_t f, j, count = 0, from_start
    for f in range(t.s.sw):
        for j in range(t.s.kw):
            from_start = j * t.s.dw - t.s.pw
            if from_start - floor_div(from_start, t.s.sw) * t.s.sw == f:
                t.at[count] = j * t.pitch + t.gap - floor_div(from_start, t.s.sw)
                count += 1
        t.ends[f] = count
    t.overlap = overlap_shape(t.s.sw, t.ends, t.at)


cdef inline Box box_of(const Task *t, Py_ssize_t item) noexcept nogil:
    """The box of an item within its group: items count (part, images, boxes along d, h, w)."""
    cdef ConvShape s = t.s
    cdef Box b
    cdef Py_ssize_t images = ceil_div(t.n, t.many)
    b.m0 = item % t.boxes_w * t.wide // s.sw
    item //= t.boxes_w
    b.y0 = item % t.boxes_h * t.high
    item //= t.boxes_h
    b.z0 = item % t.boxes_d * t.deep
    item //= t.boxes_d
    b.image, b.o = item % images * t.many, item // images % t.parts * t.some
    b.images, b.channels = min(t.many, t.n - b.image), min(t.some, t.ocg - b.o)
    b.z1, b.y1 = min(b.z0 + t.deep, s.id), min(b.y0 + t.high, s.ih)
    b.x0 = b.m0 * s.sw
    b.x1 = min(b.x0 + t.wide, s.iw)
    b.id = inputs(&b.iz, ceil_div(b.z0 + s.pd - (s.kd - 1) * s.dd, s.sd), (b.z1 - 1 + s.pd) // s.sd, s.od)
    b.ih = inputs(&b.iy, ceil_div(b.y0 + s.ph - (s.kh - 1) * s.dh, s.sh), (b.y1 - 1 + s.ph) // s.sh, s.oh)
    b.iw = inputs(&b.ix, b.m0 - t.far, (b.x1 - 1) // s.sw - t.low, s.ow)
    b.cols, b.rows = b.channels * t.taps, b.images * b.id * b.ih
    return b
