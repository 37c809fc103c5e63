"""Convolution as a matrix product: what its two memory orders, `direct.pyx` and `direct_last.pyx`, have in common.

    out[oc, p] = bias[oc] + sum over k of weight[oc, k] * patch[k, p]        k < K, p < P as in `pack.pxd`

Patches are packed KC x NC at a time into a panel that stays in a core's L2 and multiplied with the tile of `tile.h`.
The sum over k runs block after block through `out`, so its order depends on the geometry alone; work is split over
pixels and output channels, and what a thread gets never changes a bit.
Goto & van de Geijn 2008, doi:10.1145/1356052.1356053.
"""

from libc.math cimport INFINITY

from fastconv._kernels.operand cimport operand
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.scratch cimport LINE, round_up
from fastconv._kernels.shape cimport ConvShape, read_shape, read_strides, real, sees_no_padding
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.stage cimport Stage
from fastconv._kernels.tile cimport CHUNK, even_width, tile_finish, tile_width

cdef enum:
    KC = 256                 # depth of a panel: KC x one tile's columns stream from L2
    PANEL_BYTES = 262144     # the panel, half of a 512 KiB L2,
    MAP_BYTES = 655360       # or of all pixels of a map, most of 1 MiB as cores with vectors of a line have it, if rows
    REREAD = 32              # of so many outputs read it again and again (Zen 5, 1x1 layers on 14 x 14),
    WEIGHT_BYTES = 131072    # and the block of weights that passes over it
    STRIPE_BYTES = 16384     # columns of a panel that stay in L1
    SHORT = 128              # products of a sum so short that writing C counts: at least
    SHORT_VECTORS = 16       # vectors make a stripe then (peers.py, conv3d)
    SMALL_MAP = 128          # pixels up to which layers gain from lanes along channels or the depth: peers.py, 1x1
    WAYS = 8                 # lines of a set of an L1 cache,
    SETS = 4096              # and bytes from one line to the next in the same set
    EVEN = 8                 # an eighth more than all pixels: what uneven blocks may cost (asv_bench, Threads)
    LEAST_TAPS = 4           # of a row, for which patches are turned: a square of them is, in registers
    ROWS_BYTES = 262144      # of a stage whose blocks have more rows than a panel would have,
    FEW_SHARED = 4           # up to so many times those that the next block stages again


cdef struct Task:
    ConvShape s
    Py_ssize_t n, icg, ocg, depth, pixels           # depth is K, pixels is P
    Py_ssize_t xn, xc, xd, xh, xw                   # strides of the input, in elements
    Py_ssize_t kc, block, blocks, part, parts       # K block; pixels of a block, and blocks; the same of ocg
    Py_ssize_t bundles                              # of groups, which are pieces apart: mostly of one each
    Py_ssize_t span                                 # pixels that blocks divide without crossing: a row, a plane or all
    Py_ssize_t leading                              # from one row of the panel to the next, in elements,
    Py_ssize_t apart                                # and from one tile's columns, `wide` of them, to the next one's
    Py_ssize_t wide
    Py_ssize_t left                                 # pixels at the end of an image with lanes along K (`rest.pxd`)
    Py_ssize_t staged, panel, turned                # elements of a thread's stage, panel and turned weights
    Py_ssize_t deep                                 # K block of a product with lanes along K (`deep.pxd`), or 0
    Py_ssize_t patch, patches                       # from one pixel's patch to the next one's then, and of all of them
    bint by_taps                                    # weights are turned to (tap, channel) then (`deep_taps.pxd`)
    Py_ssize_t *row                                 # of each k, where the stage has it at pixel 0; NULL: by a panel
    Py_ssize_t *spot                                # of each pixel of a block, how far it is from pixel 0
    bint across                                     # lanes of the product are output channels (`across.pxd`)
    bint aligned                                    # rows of the input are whole vectors apart
    Py_ssize_t lead                                 # elements from a boundary of vectors to an image's beginning then
    bint flat                                       # a patch is a pixel, and an image is one row of them
    Stage stage
    Py_ssize_t width                                # output channels of a tile whose lanes they are
    Py_ssize_t channels                             # that are staged or turned at a time, where lanes are not pixels
    Py_ssize_t ordered                              # elements of a tile's sums, if its pixels are sorted
    ConvShape fine                                  # the same at stride 1, if a stage is not to be split by phases
    ConvShape padded                                # the same of what patches are copied from (`deep_patches.pxd`)
    tile_finish finish


cdef struct Item:
    Py_ssize_t image, group, p0, p1, o0, o1         # one piece of work: pixels and, of the group, output channels


cdef inline Py_ssize_t stripe_of(Py_ssize_t kc, Py_ssize_t bytes, Py_ssize_t width, Py_ssize_t size) noexcept nogil:
    """Columns of a stripe of about so many bytes, whole tiles of `width`: where sums are short several, though it may
    leave L1, since rows of C, often a power of two apart, are then written in runs of a kilobyte."""
    cdef Py_ssize_t least = SHORT_VECTORS * lanes_of(size) // tile_width(size) if kc <= SHORT else 1
    return max(bytes // size // (max(kc, 1) * width), least) * width


cdef inline bint short_vectors(Py_ssize_t size) noexcept nogil:
    """Whether a vector is less than a line of the cache."""
    return lanes_of(size) * size < LINE


cdef inline bint turns_patches(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """Whether columns are made by turning what a row of pixels sees of a row of the image, a matrix where patches do
    not overlap. With vectors of half a line, for which the depth is in more blocks, it gained as often as it lost."""
    return not short_vectors(size) and LEAST_TAPS <= s.kw <= s.sw and s.dw == 1 and sees_no_padding(s)


cdef inline Py_ssize_t block_of_depth(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """K, split evenly into few blocks: as deep as a panel of all pixels, and the stage that it is copied from, are not
    too large and lanes along it may be."""
    cdef Py_ssize_t taps = s.kd * s.kh * s.kw, depth = s.ic // s.groups * taps, columns = s.od * s.oh * s.ow, most
    cdef Py_ssize_t bytes = PANEL_BYTES if s.oc // s.groups < REREAD else MAP_BYTES
    if taps > 1 and not turns_patches(s, size):
        columns += s.id * s.ih * s.iw // taps
    most = KC if short_vectors(size) else max(min(bytes // size // max(columns, 1), CHUNK * lanes_of(size)), KC)
    return ceil_div(depth, max(ceil_div(depth, most), 1))


cdef inline Py_ssize_t patch_pitch(Py_ssize_t kc, Py_ssize_t size) noexcept nogil:
    """Elements from one pixel's patch to the next one's: an odd number of lines, so that they fall into all sets."""
    return (ceil_div(kc * size, LINE) | 1) * LINE // size


cdef inline Py_ssize_t lines_apart(Py_ssize_t bytes) noexcept nogil:
    """How many lines an L1 cache holds that lie so far apart."""
    return WAYS * max(SETS // max(bytes & -bytes, 1), 1)


cdef inline bint channels_collide(const Task *t) noexcept nogil:
    """Whether more channels of a pixel than a set of an L1 cache has lines meet in a few sets."""
    return t.icg > WAYS and t.xc % (SETS // <Py_ssize_t> sizeof(double)) == 0


cdef inline bint patch_is_pixel(const Task *t) noexcept nogil:
    """A 1x1 kernel at stride 1 without padding over pixels that lie evenly spaced."""
    return (
        t.depth == t.icg and t.s.sd * t.s.sh * t.s.sw == 1 and t.pixels == t.s.id * t.s.ih * t.s.iw
        and t.xh == t.s.iw * t.xw and t.xd == t.s.ih * t.xh
    )


cdef inline int begin(Task *t, tuple geometry, const operand *x, real lo, real hi, bint last) except -1:
    """Fill in what follows from the arguments of `conv`; `last` where channels are."""
    cdef Py_ssize_t size = sizeof(real)
    read_shape(&t.s, geometry)
    t.n = x.shape[0]
    t.icg = t.s.ic // t.s.groups
    t.ocg = t.s.oc // t.s.groups
    t.depth = t.icg * t.s.kd * t.s.kh * t.s.kw
    t.pixels = t.s.od * t.s.oh * t.s.ow
    t.bundles = t.s.groups
    read_strides(&t.xn, x.shape, x.strides, size, last)
    t.finish.clamp = lo > -INFINITY or hi < INFINITY
    t.finish.lo, t.finish.hi = lo, hi
    t.finish.row_bias = t.finish.col_bias = NULL
    t.finish.next_rows = 0
    t.finish.chain = CHUNK
    t.width = even_width(t.ocg, size)
    t.wide = tile_width(size)
    t.aligned = (t.xc * size | t.xn * size) % (lanes_of(size) * size) == 0
    t.lead = <Py_ssize_t> x.data % (lanes_of(size) * size) // size if t.aligned else 0
    t.flat = patch_is_pixel(t)
    if t.flat:                                      # of however many rows: one will do
        t.s.iw = t.s.ow = t.pixels
        t.s.id = t.s.ih = t.s.od = t.s.oh = 1
    return 0


cdef inline void split_span(Task *t, Py_ssize_t blocks, Py_ssize_t unit) noexcept nogil:
    """Divide each span into at most so many blocks of whole units."""
    t.block = round_up(ceil_div(t.span, min(blocks, ceil_div(t.span, unit))), unit)
    t.blocks = ceil_div(t.span, t.block) * (t.pixels // t.span)


cdef inline void split_channels(Task *t, Py_ssize_t parts, Py_ssize_t unit) noexcept nogil:
    """Divide the output channels of a group into at most so many parts of whole units."""
    t.part = round_up(ceil_div(t.ocg, min(parts, ceil_div(t.ocg, unit))), unit)
    t.parts = ceil_div(t.ocg, t.part)


cdef inline Py_ssize_t staged_rows(const Task *t, size_t size) noexcept nogil:
    """Rows of output in a block that reads a stage, if that is not too large: few rows of input are staged twice."""
    cdef Py_ssize_t high = (t.s.kh - 1) * t.s.dh, channels = ceil_div(t.kc, t.s.kd * t.s.kh * t.s.kw) + 1
    cdef Py_ssize_t row = min(t.s.kw, t.s.sw) * round_up(t.s.ow + (t.s.kw - 1) * t.s.dw // t.s.sw, lanes_of(size))
    cdef Py_ssize_t most = ROWS_BYTES // <Py_ssize_t> size // (channels * ((t.s.kd - 1) * t.s.dd + 1) * row)
    return min(min((most - high) // t.s.sh, FEW_SHARED * high // t.s.sh), t.s.oh)


cdef inline void plan_blocks(
    Task *t, size_t size, Py_ssize_t bytes, Py_ssize_t unit, bint rows, Py_ssize_t channel_unit, int threads,
) noexcept nogil:
    """Split K evenly, then pixels so that a panel takes `bytes` and threads share blocks evenly; channels if it must.

    Blocks are a multiple of `unit` pixels, or with `rows` whole rows if one is not more than a panel. Those of wider
    rows are parts of one, those of volumes parts of a plane, or whole planes. Where blocks of whole units would leave a
    thread much more pixels than another (two vectors and one of a 7 x 7 map), every thread takes all pixels for a part
    of the channels.
    """
    cdef Py_ssize_t most
    t.kc = block_of_depth(&t.s, size)
    most = max(bytes // <Py_ssize_t> size // max(t.kc, 1) // unit, 1) * unit
    if t.kc > KC:                       # which a panel of all pixels has room for
        most = max(most, round_up(t.pixels, unit))
    if rows and t.s.ow <= most:
        unit, most = t.s.ow, max(most // t.s.ow, staged_rows(t, size)) * t.s.ow
    divide(t, most, unit, channel_unit, threads)


cdef inline void divide(
    Task *t, Py_ssize_t most, Py_ssize_t unit, Py_ssize_t channel_unit, int threads,
) noexcept nogil:
    """Pixels into blocks of at most `most`, of whole units, that threads share evenly; channels if it must."""
    cdef Py_ssize_t spans, images = t.n * t.bundles, plane = t.s.oh * t.s.ow, blocks, wanted, parts
    t.span = t.pixels if t.s.od == 1 or plane <= most else plane
    if t.s.ow > most:
        t.span = t.s.ow
    elif t.span > plane:
        unit, most = plane, most // plane * plane
    spans = t.pixels // t.span
    blocks = ceil_div(t.span, most)
    wanted = ceil_div(round_up(blocks * images * spans, threads), images * spans)
    split_span(t, wanted, unit)
    parts = ceil_div(threads, images * t.blocks)
    if threads > 1 and t.block * t.blocks * EVEN > t.pixels * (EVEN + 1) and t.ocg >= 2 * threads * channel_unit:
        split_span(t, blocks, unit)
        parts = threads
    split_channels(t, parts, channel_unit)


cdef inline Py_ssize_t items(const Task *t) noexcept nogil:
    return t.n * t.bundles * t.blocks * t.parts


cdef inline bint is_uneven(const Task *t, int threads) noexcept nogil:
    """Whether one thread has an eighth more than an even share of the products."""
    cdef Py_ssize_t most = ceil_div(items(t), <Py_ssize_t> threads) * t.block * t.part
    return most * threads * EVEN > t.n * t.s.groups * t.pixels * t.ocg * (EVEN + 1)


cdef inline Item item_at(const Task *t, Py_ssize_t i) noexcept nogil:
    cdef Item item
    cdef Py_ssize_t each = t.blocks // (t.pixels // t.span), block = i % t.blocks, part
    i = i // t.blocks
    part = i % t.parts
    i = i // t.parts
    item.group, item.image = i % t.bundles, i // t.bundles
    item.p0 = block // each * t.span + block % each * t.block
    item.p1 = min(item.p0 + t.block, (block // each + 1) * t.span)
    item.o0, item.o1 = part * t.part, min((part + 1) * t.part, t.ocg)
    return item
