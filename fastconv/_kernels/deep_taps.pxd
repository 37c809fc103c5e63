"""Products of small maps with lanes along the depth whose weights are turned, so that patches need not be.

    weights    (channel, tap)  ->  (tap, channel), of some channels at a time
    patches    (tap, channel), as the pixels of a channels-last image lie: a row of taps is copied at once

Few output channels use patches so little that making them takes longer than the products, and most where they are
turned, or gathered from short rows of many planes. A channels-first image is turned first, which has fewer elements.
"""

from fastconv._kernels.deep cimport after_patches, multiply_deep
from fastconv._kernels.pack cimport ceil_div, clip, pack_rows
from fastconv._kernels.product cimport LINE, Task, round_up
from fastconv._kernels.shape cimport ConvShape, real, sees_no_padding
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.tile cimport tile_finish
from fastconv._kernels.turn cimport turn_block

cdef enum:
    LEAST_TURNED = 8            # channels that are turned at a time
    TURNED_BYTES = 131072       # of them, about
    # in weights that are turned in the same time, of a channel (1 to 384 channels on up to 128 pixels, 2026-11-30):
    ROW_COPIED = 40             # a row of taps of a plane of output, by vectors that are copied from a stage,
    PLANE_STAGED = 100          # and a plane of the input for it, if there is padding
    ROW_PACKED = 25             # a row of taps of a pixel, of all channels that are turned at a time;
    PIXELS_COPIED = 2           # rows of taps of pixels that are copied from a stage in the time of one weight,
    TAPS_PACKED = 8             # and taps of pixels that are packed


cdef struct TapTurn:
    const Task *t
    const void *w
    void *to


cdef inline Py_ssize_t turned_together(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """Channels of a channels-first image that are turned at a time; 0 where a group has too few of them."""
    cdef Py_ssize_t icg = s.ic // s.groups, image = s.id * s.ih * s.iw
    if icg < LEAST_TURNED or image == 0:
        return 0
    return ceil_div(icg, ceil_div(icg, clip(TURNED_BYTES // size // image, LEAST_TURNED, icg)))


cdef inline double saved_by_taps(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """What turning weights and a channels-first image saves, in weights turned in the same time; less than 0 if it
    takes longer."""
    cdef Py_ssize_t rows = s.kd * s.kh, pixels = s.od * s.oh * s.ow, together = turned_together(s, size), copied, turned
    if together == 0 or rows * s.kw == 1:
        return -1
    copied = s.od * rows * ROW_COPIED + pixels * rows // PIXELS_COPIED
    copied += 0 if sees_no_padding(s) else s.id * PLANE_STAGED
    turned = s.oc // s.groups * rows * s.kw + s.id * s.ih * s.iw
    turned += pixels * rows * ROW_PACKED // together + pixels * rows * s.kw // TAPS_PACKED
    return <double> s.ic * (copied - turned)


cdef inline bint fits_taps_last(const ConvShape *s) noexcept nogil:
    """Whether weights of channels-last memory are turned, rather than patches."""
    return s.kd * s.kh * s.kw > 1 and s.oc // s.groups <= s.od * s.oh * s.ow and s.ic // s.groups >= LEAST_TURNED


cdef inline void plan_taps(Task *t, bint last, Py_ssize_t size) noexcept nogil:
    """The channels that are turned at a time: of channels-last images, which are not, all."""
    t.channels, t.staged, t.panel, t.left = t.icg, 0, 0, 0
    if not last:
        t.channels = turned_together(&t.s, size)
        t.staged = round_up(t.channels * t.s.id * t.s.ih * t.s.iw, LINE)


cdef inline void turn_taps(const TapTurn *c, Py_ssize_t o, real *_scratch) noexcept nogil:
    """Turn the weights of an output channel."""
    cdef Py_ssize_t taps = c.t.depth // c.t.icg, first = 0, some
    cdef const real *w = <const real *> c.w + o * c.t.depth
    cdef real *to = <real *> c.to + o * c.t.depth
    while first < c.t.icg:
        some = min(c.t.channels, c.t.icg - first)
        turn_block(sizeof(real), some, taps, w + first * taps, taps, to + first * taps, some)
        first += some


cdef inline void turn_all_taps(const Task *t, const real *w, real *to, int threads) noexcept nogil:
    """Turn all weights, before the pieces that read them."""
    cdef TapTurn c = TapTurn(t, w, to)
    each_piece(<Piece> turn_taps[real], &c, t.s.oc, threads)


cdef inline void turn_image(const Task *t, const real *x, Py_ssize_t channels, real *to) noexcept nogil:
    """Some channels of a channels-first image to to[pixel][channel]."""
    cdef bint together = t.xh == t.s.iw
    cdef Py_ssize_t z, y, rows = 1 if together else t.s.ih, width = t.s.iw * (t.s.ih if together else 1)
    for z in range(t.s.id):
        for y in range(rows):
            turn_block(sizeof(real), channels, width, x + z * t.xd + y * t.xh, t.xc, to, channels)
            to += width * channels


cdef inline void multiply_by_taps(
    bint last, const Task *t, const real *x, const real *w, const real *bias, real *out, real *scratch,
    Py_ssize_t channels,
) noexcept nogil:
    """`small_map` with weights that `turn_all_taps` has turned."""
    cdef Py_ssize_t taps = t.depth // t.icg, xd = t.xd, xh = t.xh, xw = t.xw, c0 = 0, k0, k1, depth, block
    cdef real *patches = scratch + t.staged
    cdef const real *pixels
    cdef ConvShape some = t.s
    cdef tile_finish finish = t.finish
    some.groups = 1
    while c0 < t.icg:
        some.ic = min(t.channels, t.icg - c0)
        pixels = x + c0
        if not last:
            turn_image(t, x + c0 * t.xc, some.ic, scratch)
            pixels = scratch
            xw = some.ic
            xh, xd = t.s.iw * xw, t.s.ih * t.s.iw * xw
        k0, depth = 0, some.ic * taps
        block = ceil_div(depth, ceil_div(depth, t.deep))
        while k0 < depth:
            k1 = min(k0 + block, depth)
            pack_rows(&some, pixels, xd, xh, xw, k0, k1, 0, t.pixels, patches, t.patch)
            finish.accumulate = c0 + k0 > 0
            finish.clamp = t.finish.clamp and c0 + some.ic == t.icg and k1 == depth
            multiply_deep(last, channels, t.pixels, k1 - k0, w + c0 * taps + k0, t.depth, <const real *> patches,
                          t.patch, bias, out, t.s.oc if last else t.pixels, after_patches(t, patches), finish)
            k0 = k1
        c0 += some.ic
