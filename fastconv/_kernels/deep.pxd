"""Products of small maps: lanes along the depth, so that neither pixels nor channels need to fill vectors.

    out[o][p] (+)= sum over k of w[o][k] * patches[p][k]

5 x 5 pixels are a vector of 16 and nine, and output channels for lanes would want the weights turned. Here weights
are read where they lie, and only patches, which are few, are made to lie along k: what a pixel sees of a row is copied
by one vector, else a panel is turned. The depth is summed in blocks, of which a lane adds up CHUNK products at most; an
order that depends on neither pixels nor channels. Where patches of a block fill more than L1, rows of weights that stay
in L2 pass over those of a tile.
"""

from fastconv._kernels.deep_patches cimport FEW, fill_patches
from fastconv._kernels.dot_tile cimport DOT_COLS, DOT_PARTS, DOT_ROWS, DOT_SLOTS, dot_finish, dot_tile
from fastconv._kernels.pack cimport TAPS_BEYOND, ceil_div, even
from fastconv._kernels.product cimport (
    LINE, PANEL_BYTES, SMALL_MAP, Task, patch_pitch, plan_blocks, round_up, split_channels
)
from fastconv._kernels.rest cimport fill_rest, last_pixels, mixed_width, multiply_mixed, pixels_worth
from fastconv._kernels.shape cimport LONG_SUM, at, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.tile cimport CHUNK, tile_finish
from fastconv._kernels.turn cimport turn_block

cdef enum:
    # measured: asv_bench/peers.py --family 1x1, dense, and 1x1 layers on maps of 1 to 16 x 16, 2026-11-28
    FEW_LEAST = 48  # products that are enough of so few pixels that most lanes would idle
    TREE = 18       # products that take as long as adding up the lanes of a sum,
    LOST = 12       # and one of so many besides (Zen 5, 1x1, 4 x 4 to 11 x 11);
    SHORT_TREE = 24  # and where vectors have less than 64 bytes, whose tile is smaller,
    SHORT_LOST = 17  # one product of so many besides: 1x1 layers on 2 x 2 to 11 x 11 at AVX2
    DEEP = 704      # products of a block of the depth: four rows of them and six others share an L1 cache
    WIDE = 96       # patches that are multiplied by a block of weights,
    NEAR_BYTES = 32768      # of patches over which each row of weights passes once: 3 x 3 to 7 x 7 pixels (Zen 5)
    SUMS = 6144     # sums of such a product, which are kept until they are written,
    MOST_ROWS = 96  # rows of the block
    ROWS = 16       # channels whose sums are written at a time
    KEPT_BYTES = 196608     # of patches of all blocks, for which each row of weights is read from end to end
    TURNING = 8     # pixels whose products take as long as turning a weight; products, as turning a sum;
    SHORT_TURNING = 3  # and so many where all products along shorter vectors are slow
    TURNED_BACK = 48  # channels whose sums are turned to channels-last at a time


cdef inline Py_ssize_t along_depth(Py_ssize_t depth, Py_ssize_t size) noexcept nogil:
    """Products of other lanes that take as long as so many along the depth."""
    return depth + depth // LOST + TREE if lanes_of(size) * size == 64 else depth + depth // SHORT_LOST + SHORT_TREE


cdef inline Py_ssize_t deep_block(
    Py_ssize_t pixels, Py_ssize_t instead, Py_ssize_t depth, Py_ssize_t unit, Py_ssize_t size,
) noexcept nogil:
    """Products of a block of the depth, a multiple of `unit`; 0 where lanes do not run along the depth.

    instead : pixels that would take as long if they did not and no lane were idle
    """
    cdef Py_ssize_t lanes = lanes_of(size), units = ceil_div(depth, unit)
    cdef Py_ssize_t most = min(<Py_ssize_t> DEEP, CHUNK * lanes) // unit
    if lanes == 1 or most == 0 or pixels > SMALL_MAP or pixels * along_depth(depth, size) > instead * depth:
        return 0
    if depth < (FEW_LEAST if pixels <= FEW else LONG_SUM):
        return 0
    return ceil_div(units, ceil_div(units, most)) * unit


cdef inline Py_ssize_t blocks_kept(const Task *t, Py_ssize_t size) noexcept nogil:
    """Blocks of the depth whose patches are kept: all, or one at a time.

    Products of few pixels take no longer than their weights come from memory, and these come faster from end to end
    than a part of each row after the other.
    """
    cdef Py_ssize_t blocks = ceil_div(t.depth, t.deep)
    return blocks if blocks * t.pixels * t.patch * size <= KEPT_BYTES else 1


cdef inline void plan_deep(Task *t, Py_ssize_t size, int threads) noexcept nogil:
    """Plan for the `deep_block` that t.deep is: threads share output channels."""
    t.patch = patch_pitch(t.deep + TAPS_BEYOND, size)
    t.patches = blocks_kept(t, size) * t.pixels * t.patch
    plan_blocks(t, size, PANEL_BYTES, t.pixels, False, 2 * lanes_of(size), 1)
    split_channels(t, ceil_div(threads, t.n * t.s.groups), 2 * lanes_of(size))


cdef inline bint mixes(Py_ssize_t pixels, Py_ssize_t depth, Py_ssize_t size) noexcept nogil:
    """Whether lanes of a channels-last map should run along pixels, but for the last few: neither along the depth,
    which has a tree for each sum, nor along channels, for which all weights are turned."""
    cdef Py_ssize_t most = min(<Py_ssize_t> DEEP, CHUNK * lanes_of(size)), worth = pixels_worth(pixels, depth, size)
    return (last_pixels(pixels, depth, size) > 0 and pixels <= SMALL_MAP and depth <= most
            and worth * depth < pixels * along_depth(depth, size)
            and worth * depth + pixels * TURNING < (pixels + TURNING) * depth)


cdef inline void plan_mixed(Task *t, Py_ssize_t size) noexcept nogil:
    """What that needs beside the plan of `plan_deep` for one block of the depth."""
    t.left = last_pixels(t.pixels, t.depth, size)
    t.wide = mixed_width(t.pixels - t.left, t.left, size) or t.wide
    t.leading = patch_pitch(t.pixels, size)
    t.panel = round_up(t.depth * t.leading, LINE)


cdef inline Py_ssize_t deep_scratch(bint last, const Task *t, Py_ssize_t size) noexcept nogil:
    """Elements of a thread's scratch: stage, panel, patches, one more while it is turned, and sums with what else
    products keep, which is too much for a thread's stack."""
    cdef Py_ssize_t kept = SUMS + (MOST_ROWS + WIDE) * lanes_of(size) + WIDE * ROWS
    if last and t.left:
        kept = max(kept, TURNED_BACK * t.leading)
    return t.staged + t.panel + t.patches + t.patch + kept


cdef inline real *after_patches(const Task *t, real *patches) noexcept nogil:
    """Where sums begin in it."""
    return patches + t.patches + t.patch


cdef inline Py_ssize_t sums_apart(Py_ssize_t pixels) noexcept nogil:
    """From one channel's sums to the next one's, of even parts of so many pixels, with room for a tile's slots."""
    return even(pixels, WIDE, DOT_COLS) + DOT_SLOTS


cdef inline bint stays_near(Py_ssize_t pixels, Py_ssize_t kc, Py_ssize_t size) noexcept nogil:
    """Whether patches stay in L1, or most of them, while each row of weights is read once."""
    return pixels * kc * size <= NEAR_BYTES


cdef inline Py_ssize_t rows_at_once(Py_ssize_t rows, Py_ssize_t pixels, Py_ssize_t kc, Py_ssize_t size) noexcept nogil:
    """Rows of weights whose sums are kept until they are written: as many as stay in L2, if they pass over patches."""
    cdef Py_ssize_t most
    if stays_near(pixels, kc, size):
        return ROWS
    most = min(min(PANEL_BYTES // (kc * size), SUMS // sums_apart(pixels)), <Py_ssize_t> MOST_ROWS)
    return even(rows, most // DOT_ROWS * DOT_ROWS, DOT_ROWS)


cdef inline void multiply_tile(
    Py_ssize_t i, Py_ssize_t n, Py_ssize_t j, Py_ssize_t cols, Py_ssize_t rows, Py_ssize_t apart, Py_ssize_t left,
    Py_ssize_t kc, const real *a, Py_ssize_t lda, const real *a_rest, const real *b, Py_ssize_t ldb,
    const real *b_rest, real *sums, Py_ssize_t lds,
) noexcept nogil:
    """The tile of rows from i on and the nth columns, from j on; it asks for a part of a row `apart` rows further on,
    for rows as a whole took up to 1.3 times as long."""
    cdef Py_ssize_t lanes = lanes_of(sizeof(real)), later = min(<Py_ssize_t> DOT_ROWS, left - i - apart)
    cdef const real *own = a + i * lda
    cdef const real *ahead = own
    if n < DOT_PARTS * later:
        ahead += (apart + n // DOT_PARTS) * lda + n % DOT_PARTS * (kc // DOT_PARTS)
    dot_tile(sizeof(real), min(<Py_ssize_t> DOT_ROWS, rows - i), cols, kc, own, lda,
             a_rest + i * lanes, b + j * ldb, ldb, b_rest + j * lanes, ahead, sums + i * lds + j, lds)


cdef inline void multiply_rows(
    Py_ssize_t rows, bint once, Py_ssize_t left, Py_ssize_t cols, Py_ssize_t kc, const real *a, Py_ssize_t lda,
    const real *a_rest, const real *b, Py_ssize_t ldb, const real *b_rest, real *sums, Py_ssize_t lds,
) noexcept nogil:
    """sums = A . B transposed, tile by tile; of A there are `left` rows, which are asked for before their turn.

    once : all columns pass over the rows of a tile, so that each row is read once; else all rows over the columns of
        a tile, which stay in L1
    """
    cdef Py_ssize_t tiles = ceil_div(cols, DOT_COLS), shorter = cols // tiles, longer = cols - shorter * tiles
    cdef Py_ssize_t i = 0, j = 0, n, m
    if once:
        while i < rows:
            j = 0
            for n in range(tiles):
                m = shorter + (n < longer)
                multiply_tile(i, n, j, m, rows, DOT_ROWS, left, kc, a, lda, a_rest, b, ldb, b_rest, sums, lds)
                j += m
            i += DOT_ROWS
        return
    for n in range(tiles):
        m, i = shorter + (n < longer), 0
        while i < rows:
            multiply_tile(i, n, j, m, rows, rows, left, kc, a, lda, a_rest, b, ldb, b_rest, sums, lds)
            i += DOT_ROWS
        j += m


cdef inline void write_rows(
    bint last, Py_ssize_t rows, Py_ssize_t pixels, const real *sums, Py_ssize_t lds, const real *bias, real *out,
    Py_ssize_t ldo, tile_finish *finish, real *turned,
) noexcept nogil:
    """out[row][pixel], or with `last` out[pixel][row], (+)= sums[row][pixel].

    turned : room for WIDE pixels of ROWS channels
    """
    cdef Py_ssize_t o = 0, some
    if not last:
        finish.row_bias = bias
        dot_finish(sizeof(real), rows, pixels, sums, lds, 1, out, ldo, finish)
        return
    while o < rows:
        some = min(<Py_ssize_t> ROWS, rows - o)
        turn_block(sizeof(real), some, pixels, sums + o * lds, lds, turned, ROWS)
        finish.col_bias = at(bias, o)
        dot_finish(sizeof(real), pixels, some, <const real *> turned, ROWS, 1, out + o, ldo, finish)
        o += some


cdef inline void multiply_deep(
    bint last, Py_ssize_t channels, Py_ssize_t pixels, Py_ssize_t kc, const real *w, Py_ssize_t ldw,
    const real *patches, Py_ssize_t ldp, const real *bias, real *out, Py_ssize_t ldo, real *sums, tile_finish finish,
) noexcept nogil:
    """out[channel][pixel], or with `last` out[pixel][channel], (+)= w[channel] . patches[pixel].

    sums : scratch, as `deep_scratch` has it
    """
    cdef Py_ssize_t width = even(pixels, WIDE, DOT_COLS), lds = sums_apart(pixels), p = 0, o, some, r
    cdef Py_ssize_t rows = rows_at_once(channels, pixels, kc, sizeof(real))
    cdef bint once = stays_near(pixels, kc, sizeof(real))
    cdef real *w_rest = sums + SUMS
    cdef real *patch_rest = w_rest + MOST_ROWS * lanes_of(sizeof(real))
    cdef real *turned = patch_rest + WIDE * lanes_of(sizeof(real))
    while p < pixels:
        some = min(width, pixels - p)
        fill_rest(some, kc, patches, ldp, patch_rest)
        o = 0
        while o < channels:
            r = min(rows, channels - o)
            fill_rest(r, kc, w + o * ldw, ldw, w_rest)
            multiply_rows(r, once, channels - o, some, kc, w + o * ldw, ldw, <const real *> w_rest, patches, ldp,
                          <const real *> patch_rest, sums, lds)
            write_rows(last, r, some, <const real *> sums, lds, at(bias, o),
                       out + (p * ldo + o if last else o * ldo + p), ldo, &finish, turned)
            o += r
        patches += some * ldp
        p += some


cdef inline void multiply_turned_back(
    const Task *t, Py_ssize_t channels, const real *w, real *panel, const real *patches, real *sums, const real *bias,
    real *out,
) noexcept nogil:
    """out[pixel][channel], of the whole depth, by sums that lie (channel, pixel) and are turned while they are in L1.

    panel : room for whole vectors of pixels, (k, pixel)
    """
    cdef Py_ssize_t whole = t.pixels - t.left, o = 0, some
    cdef tile_finish finish = t.finish
    finish.accumulate = False
    turn_block(sizeof(real), whole, t.depth, patches, t.patch, panel, t.leading)
    while o < channels:
        some = min(<Py_ssize_t> TURNED_BACK, channels - o)
        finish.row_bias = at(bias, o)
        multiply_mixed(some, channels - o - some, whole, t.left, t.depth, w + o * t.depth, t.depth,
                       <const real *> panel, t.leading, t.wide, t.wide, NULL, 0, patches + whole * t.patch,
                       t.patch, sums, t.leading, finish)
        turn_block(sizeof(real), some, t.pixels, sums, t.leading, out + o, t.s.oc)
        o += some


cdef inline void multiply_blocks(
    bint last, const Task *t, Py_ssize_t k0, Py_ssize_t k1, const real *w, const real *patches, const real *bias,
    real *out, Py_ssize_t channels, real *sums,
) noexcept nogil:
    """Products of [k0, k1), block after block, of the patches that `fill_patches` has made."""
    cdef Py_ssize_t k = k0, end
    cdef tile_finish finish = t.finish
    while k < k1:
        end = min(k + t.deep, k1)
        finish.accumulate = k > 0
        finish.clamp = t.finish.clamp and end == t.depth
        multiply_deep(last, channels, t.pixels, end - k, w + k, t.depth, patches, t.patch, bias, out,
                      t.s.oc if last else t.pixels, sums, finish)
        patches += t.pixels * t.patch
        k = end


cdef inline void small_map(
    bint last, const Task *t, const real *x, const real *w, const real *bias, real *out, real *scratch,
    Py_ssize_t channels,
) noexcept nogil:
    """All pixels of some output channels of one group: x starts at the group, w, bias and out at the channels.

    last : x and out have channels last; whole vectors of pixels may then have lanes along these
    """
    cdef Py_ssize_t kept = blocks_kept(t, sizeof(real)), k0 = 0, k1, o, each = channels
    cdef real *patches = scratch + t.staged + t.panel
    cdef real *sums = after_patches(t, patches)
    if kept > 1:
        each = rows_at_once(channels, t.pixels, t.deep, sizeof(real))
    while k0 < t.depth:
        k1 = min(k0 + kept * t.deep, t.depth)
        fill_patches(last, t, x, k0, k1, scratch, patches)
        if last and t.left:
            multiply_turned_back(t, channels, w, scratch + t.staged, <const real *> patches, sums, bias, out)
            return
        o = 0
        while o < channels:
            multiply_blocks(last, t, k0, k1, w + o * t.depth, <const real *> patches, at(bias, o),
                            out + o * (1 if last else t.pixels), min(each, channels - o), sums)
            o += each
        k0 = k1
