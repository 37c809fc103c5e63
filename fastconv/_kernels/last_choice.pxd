"""What lanes of a channels-last product run along, and how its K counts: by the shapes of one image.

    output channels     large images without padding are read as they lie, others staged a few channels at a time, or
                        several groups
    the depth           small maps of many products a sum (`deep.pxd`)
    pixels              those whose last few pixels alone are summed along the depth (`rest.pxd`)
"""

from fastconv._kernels.deep cimport SHORT_TURNING, TURNING, deep_block, mixes
from fastconv._kernels.deep_taps cimport fits_taps_last
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.product cimport LINE, SMALL_MAP, round_up
from fastconv._kernels.shape cimport LONG_SUM, ConvShape, sees_no_padding
from fastconv._kernels.sights cimport seen_along
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.tile cimport tile_halves

cdef enum:
    DEPTH = 288             # products of a block of K, which is 32 channels of 3x3, and up to a sixteenth more
    LARGE = 262144          # elements of an image that an L2 cache hardly holds
    BEYOND = 524288         # elements of an image that is surely beyond it
    SHORT_RUN = 32          # channels of a group, fewer of which take longer to be copied by themselves
    LEAST_CHANNELS = 16     # that are staged at a time: fewer are copied as slowly
    # 8 to 64 channels of 5x5x5 to 7x7x7 at stride 2, and 41 random layers (Zen 4, AVX-512, 2026-11-30):
    MANY_TAPS = 25          # of a kernel; channels of a tap together took 0.58 to 1 of the time
    UNSEEN_ROWS = 12        # one row of taps in so many has to lie in the padding,
    SUMMING = 11            # or more, as long as it takes to fetch and store a sum once more for each row of taps that
    # is seen: so many of its products (120 random layers, Zen 5, 2026-12-01);
    LEAST_WIDTH = 4         # and rows of output be no shorter than this
    SHARING = 12            # outputs that share what is loaded of an image: runs of columns by fewer took 1.0 to 1.7
    # times as long (240 random layers; Zen 5, 2026-12-01)
    MIXED_DEPTH = 160       # products of a sum, and output channels of a group, from which on
    MIXED_CHANNELS = 96     # weights need not be turned for a map whose last few pixels are summed along the depth
    # outputs whose products take as long as to copy an element of a patch and turn it (2x2 to 7x7 taps of 8 to 384
    # channels on maps of 1x1 to 11x11; Emerald Rapids, 2026-12-01, AVX2 too)
    PATCHED = 24
    COPIED = 10             # and to copy it alone, where weights are turned instead


cdef inline bint reads_image(const ConvShape *s) noexcept nogil:
    """Whether tiles read a large image as it lies, all channels of a tap in a row: K counts (kd, kh, kw, c) then.
    Stages of a few channels would fetch a line or two of each pixel at a time."""
    cdef Py_ssize_t taps = s.kd * s.kh * s.kw, icg = s.ic // s.groups
    return (taps > 1 and icg * taps > DEPTH and s.od * s.oh * s.ow > SMALL_MAP and s.id * s.ih * s.iw * s.ic > LARGE
            and s.groups == 1 and sees_no_padding(s))


cdef inline bint shares_stage(const ConvShape *s) noexcept nogil:
    """Whether all channels of several groups are staged at once: of an image beyond the L2 cache each group would wait
    for a line or two of each pixel, and copy what is padded a few elements at a time."""
    return s.groups > 1 and (s.id * s.ih * s.iw * s.ic > BEYOND
                             or (s.ic // s.groups < SHORT_RUN and not sees_no_padding(s)))


cdef inline Py_ssize_t channels_staged(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """The channels that are staged at a time: a block of K, in whole lines of a pixel; all of them in an image."""
    cdef Py_ssize_t icg = s.ic // s.groups, channels
    if reads_image(s):
        return icg
    channels = max(ceil_div(icg, max(ceil_div(icg * s.kd * s.kh * s.kw, DEPTH), 1)), LEAST_CHANNELS)
    channels = ceil_div(icg, max(ceil_div(icg, channels), 1))
    return min(round_up(channels, LINE // size), icg)


cdef inline bint is_large(const ConvShape *s) noexcept nogil:
    """Whether K is counted and divided by the shapes: of short sums in one order on any map, and where few pixels share
    the weights as these lie, since they are turned in longer runs."""
    return s.ic // s.groups * s.kd * s.kh * s.kw >= LONG_SUM and s.od * s.oh * s.ow > SMALL_MAP


cdef inline bint skips_rows(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """Whether so many rows of taps lie in the padding that each is a block of K, taken by outputs that see it alone."""
    cdef Py_ssize_t products = s.kw * channels_staged(s, size), rows = s.od * s.oh * s.kd * s.kh
    cdef Py_ssize_t seen = (seen_along(s.id, s.od, s.kd, s.sd, s.dd, s.pd)
                            * seen_along(s.ih, s.oh, s.kh, s.sh, s.dh, s.ph))
    return (is_large(s) and products <= DEPTH and s.ow >= LEAST_WIDTH and UNSEEN_ROWS * seen < (UNSEEN_ROWS - 1) * rows
            and seen * (products + SUMMING) < rows * products)


cdef inline bint skips_columns(const ConvShape *s) noexcept nogil:
    """Whether columns of outputs, besides, take the taps of a row that they see alone, in an order in which neighbours
    are apart."""
    cdef Py_ssize_t seen = seen_along(s.iw, s.ow, s.kw, s.sw, s.dw, s.pw)
    return SHARING <= s.oc // s.groups and UNSEEN_ROWS * seen < (UNSEEN_ROWS - 1) * s.ow * s.kw


cdef inline Py_ssize_t together_for(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """How many channels of a tap lie side by side in K: all that are staged, or one.

    One after the other they would read a line for each tap of each pixel, more than L1 keeps of many taps.
    """
    cdef bint many = is_large(s) and s.kd * s.kh * s.kw >= MANY_TAPS
    return channels_staged(s, size) if reads_image(s) or many or skips_rows(s, size) else 1


cdef inline bint mixed_for(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """Whether lanes run along pixels. All patches are turned for it, and turned again, which few channels, or sums of
    few products, do not repay: groups of 16 channels of 3x3 on 7x7 took 3.2 times as long (Zen 4, 2026-11-28)."""
    cdef Py_ssize_t depth = s.ic // s.groups * s.kd * s.kh * s.kw
    return (depth >= MIXED_DEPTH and s.oc // s.groups >= MIXED_CHANNELS
            and mixes(s.od * s.oh * s.ow, depth, size))


cdef inline Py_ssize_t deep_for(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """The `deep_block`, of whole channels; of so few that patches would be copied a few elements at a time, none.
    Lanes along output channels copy no patches, but some are idle."""
    cdef Py_ssize_t taps = s.kd * s.kh * s.kw, pixels = s.od * s.oh * s.ow, depth = s.ic // s.groups * taps
    cdef Py_ssize_t turning = TURNING if lanes_of(size) * size == 64 else SHORT_TURNING
    cdef Py_ssize_t outputs = max(s.oc // s.groups, 1)
    cdef Py_ssize_t narrowest = lanes_of(size) // (2 if tile_halves(size, 1) else 1)
    cdef Py_ssize_t copied = 0 if taps == 1 else COPIED if fits_taps_last(s) else PATCHED
    cdef Py_ssize_t instead = (pixels + turning) * round_up(outputs, narrowest) - pixels * copied
    cdef Py_ssize_t block = deep_block(pixels, instead // outputs, depth, taps, size)
    if mixed_for(s, size):
        block = depth
    return block if taps == 1 or block >= LEAST_CHANNELS * taps else 0
