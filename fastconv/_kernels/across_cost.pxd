"""Where lanes along output channels take less than those along pixels or the depth: see `across.pxd`.

Lanes along pixels idle at the end of rows or cost copies, those along the depth a tree for each sum; those along
channels have weights and sums to be turned, and leave out padding that pixels see (`sights.pxd`).
"""

from fastconv._kernels.pack cimport ceil_div, clip
from fastconv._kernels.product cimport round_up, short_vectors, turns_patches
from fastconv._kernels.shape cimport LONG_SUM, ConvShape, sees_no_padding
from fastconv._kernels.sights cimport seen_along
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.split cimport can_split
from fastconv._kernels.tile cimport CHUNK

cdef enum:
    KC = 256                # products of a block of K, about
    LEAST = 32              # pixels of a block
    MOST = 1024             # and about as many at most, rows of whose sums stay in cache until they are turned
    COPIED = 12             # output channels for which columns are copied from a stage in the time of their products
    IDLE = 2                # a lane beyond a row of pixels takes as long as so many in it: its tile is a narrow one
    STAGED_BYTES = 524288   # of the stage of a block, at most
    SUM_BYTES = 1048576     # of the sums of a block that wait for more products, at most
    UNSEEN = 3              # one product of so many has to be left out, to make up for kinds of few pixels
    LISTING = 40            # in whose time the taps of all kinds are listed, for each product of a block of K
    TURNING = 7             # pixels whose products take as long as turning a weight of float, half of double
    WRITING = 16            # products in whose time a sum is turned (150 first layers, Zen 5),
    WRITING_ALONE = 8       # where 1x1 layers read the image in place: 1x1 layers on maps of 5 to 14 x 14
    STAGING = 24            # output channels in the time of whose products a pixel is staged, split by phases,
    PADDING = 8             # or, for lanes along channels, as it lies (240 random layers by 2x2 to 7x7)
    PICKED = 6              # and where strided pixels, which lanes along channels read in place, are shuffled a row at
    # a time: a lane, of the row's vectors and one more, twice that without shuffles of two vectors;
    PICKING = 36            # or one that is copied alone (36 random layers at strides 2 to 5)


cdef inline Py_ssize_t channels_of(const ConvShape *s) noexcept nogil:
    """Channels that are staged at a time."""
    cdef Py_ssize_t icg = s.ic // s.groups, depth = icg * s.kd * s.kh * s.kw
    return ceil_div(icg, max(ceil_div(depth, KC), 1))


cdef inline Py_ssize_t most_pixels(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """Whole planes or rows of output, or a part of one, whose input fits a stage and whose sums fit their buffer; 0 for
    few."""
    cdef Py_ssize_t high = (s.kh - 1) * s.dh + 1, wide = (s.kw - 1) * s.dw + 1, deep = (s.kd - 1) * s.dd + 1, rows
    cdef Py_ssize_t sums = clip(SUM_BYTES // size // max(s.oc // s.groups, 1), LEAST, MOST)
    cdef Py_ssize_t staged = STAGED_BYTES // size // max(channels_of(s), 1), most = staged // deep
    rows = most // ((s.ow - 1) * s.sw + wide)
    if rows >= high and sums >= s.ow:
        rows = min((rows - high) // s.sh + 1, sums // s.ow)
        if rows < s.oh:
            return rows * s.ow
        staged = staged // ((s.oh - 1) * s.sh + high) // ((s.ow - 1) * s.sw + wide)     # of so many planes of input
        return min((staged - deep) // s.sd + 1, sums // (s.oh * s.ow)) * s.oh * s.ow
    if most // high < wide + LEAST * s.sw:
        return 0
    return min((most // high - wide) // s.sw + 1, sums)


cdef inline Py_ssize_t staged_run(const ConvShape *s) noexcept nogil:
    """Pixels that follow each other in a stage: of a row, or of a plane where taps reach no further than a stride."""
    return s.ow if (s.kw - 1) * s.dw >= s.sw else s.oh * s.ow


cdef inline Py_ssize_t idle_lanes(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """Lanes that such a run leaves idle, as many as take so long."""
    return (round_up(staged_run(s), lanes_of(size)) - staged_run(s)) * IDLE


cdef inline bint rows_are_vectors(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """Whether tiles of pixels that end where rows of output do waste less than copies to a panel, which join rows."""
    cdef Py_ssize_t run = staged_run(s)
    return (s.kd * s.kh * s.kw > 1 and run >= 2 * lanes_of(size)
            and idle_lanes(s, size) * (s.oc // s.groups) <= run * COPIED)


cdef inline bint sorts(const ConvShape *s) noexcept nogil:
    """Whether sums are long enough for pixels to be sorted by what they see, and few taps make a chain."""
    return s.kd * s.kh * s.kw <= CHUNK and s.ic // s.groups * s.kd * s.kh * s.kw >= LONG_SUM


cdef inline double products_across(const ConvShape *s) noexcept nogil:
    """Products of an output channel, without those that sorted pixels do not see if these are many."""
    cdef double all = <double> s.od * s.oh * s.ow * (s.ic // s.groups) * s.kd * s.kh * s.kw, seen
    if not sorts(s) or sees_no_padding(s):
        return all
    seen = (<double> (s.ic // s.groups) * seen_along(s.id, s.od, s.kd, s.sd, s.dd, s.pd)
            * seen_along(s.ih, s.oh, s.kh, s.sh, s.dh, s.ph) * seen_along(s.iw, s.ow, s.kw, s.sw, s.dw, s.pw))
    return seen if seen * UNSEEN < all * (UNSEEN - 1) else all


cdef inline bint is_plain(const ConvShape *s) noexcept nogil:
    """Whether a patch is a pixel, and patches follow each other."""
    return s.kd * s.kh * s.kw * s.sd * s.sh * s.sw == 1 and s.pd == s.ph == s.pw == 0


cdef inline bint picks_pixels(const ConvShape *s) noexcept nogil:
    """Whether a patch is a pixel, and patches lie apart along a row."""
    return s.kd * s.kh * s.kw == 1 and s.sw > 1 and sees_no_padding(s)


cdef inline Py_ssize_t picking(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """Output channels in the time of whose products a strided pixel is copied."""
    cdef Py_ssize_t lanes = lanes_of(size), each = 2 * PICKED if short_vectors(size) else PICKED
    return each * (round_up(s.ow, lanes) + lanes) // s.ow if can_split(size, s.sw) else PICKING


cdef inline double cost_across(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """What lanes along channels take, turning of weights and sums included, in products of a vector of channels."""
    cdef Py_ssize_t lanes = lanes_of(size), pixels = s.od * s.oh * s.ow, channels = s.oc // s.groups
    cdef Py_ssize_t depth = s.ic // s.groups * s.kd * s.kh * s.kw, turning = TURNING * size // 4
    cdef Py_ssize_t writing = WRITING_ALONE if is_plain(s) else WRITING
    cdef double cost = (products_across(s) + <double> pixels * writing + turning * depth) * ceil_div(channels, lanes)
    if channels <= lanes:               # a tile of one vector waits for its sums; copies across lines wait as long
        cost *= 1.5 if short_vectors(size) else 1.3
    return cost + LISTING * min(depth, <Py_ssize_t> KC) if products_across(s) < <double> pixels * depth else cost


cdef inline bint wastes_lanes(const ConvShape *s, Py_ssize_t worth, Py_ssize_t size) noexcept nogil:
    """Whether lanes along pixels would cost more, idle ones and copies, than those along channels and turning.

    worth : pixels that would take as long along pixels if no lane were idle
    """
    cdef Py_ssize_t channels = s.oc // s.groups, taps = s.kd * s.kh * s.kw, depth = s.ic // s.groups * taps
    cdef Py_ssize_t run = staged_run(s)
    cdef double seen = <double> min(s.kd, s.sd) * min(s.kh, s.sh) * min(s.kw, s.sw)
    cdef double copying = COPIED + STAGING * seen / max(taps, 1), padding = 0
    if is_plain(s) or picks_pixels(s):
        copying = picking(s, size) if picks_pixels(s) else 0
    elif rows_are_vectors(s, size):
        copying -= COPIED
        worth = s.od * s.oh * s.ow // run * (run + idle_lanes(s, size))
    elif turns_patches(s, size):
        copying = COPIED
    if not sees_no_padding(s):
        padding = <double> PADDING * s.od * s.oh * s.ow * (s.ic // s.groups) * s.sd * s.sh * s.sw
    return (most_pixels(s, size) > 0 < depth
            and cost_across(s, size) * lanes_of(size) + padding <= (channels + copying) * depth * worth)


cdef inline bint sees_less(const ConvShape *s, double products, Py_ssize_t size) noexcept nogil:
    """Whether so much of the padding is left out that lanes along channels take less than so many products."""
    return (products_across(s) < <double> s.od * s.oh * s.ow * (s.ic // s.groups * s.kd * s.kh * s.kw)
            and most_pixels(s, size) > 0 and cost_across(s, size) * lanes_of(size) < products)
