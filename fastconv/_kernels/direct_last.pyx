"""Direct convolution of channels-last images: the product of `product.pxd` without a column matrix.

Rows of the register tile are pixels, read where their taps lie in a stage of the input (`stage_last.pxd`), or in the
image itself where no tap sees padding and pixels do not push each other out of the cache; its columns are output
channels, read from weights turned to (group, tile, K, channel of the tile) once per call, or before. Where padding
hides rows of taps these are blocks of K, of which outputs take those that they see. Where one block is all there is
they are turned in cache, a tile and a block of K at a time. Small maps of many products a sum have lanes along the
depth instead, or along pixels, and weights as they are (`deep.pxd`, `rest.pxd`) or with taps before channels, as pixels
have them (`deep_taps.pxd`). What is done for which shapes is in `last_choice.pxd`.
"""

from fastconv._kernels.copy cimport copy_rows
from fastconv._kernels.deep cimport deep_scratch, plan_deep, plan_mixed, small_map
from fastconv._kernels.deep_taps cimport fits_taps_last, multiply_by_taps, plan_taps, turn_all_taps
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.last_choice cimport (
    DEPTH, channels_staged, deep_for, mixed_for, reads_image, shares_stage, skips_columns, skips_rows, together_for
)
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.product cimport (
    LINE, PANEL_BYTES, Item, Task, begin, divide, item_at, items, lines_apart, patch_pitch, round_up
)
from fastconv._kernels.scratch cimport borrow, borrow_more
from fastconv._kernels.shape cimport ConvShape, at, read_shape, real, sees_no_padding
from fastconv._kernels.sights cimport Runs, all_finite, find_runs
from fastconv._kernels.stage_last cimport (
    StageLast, fill_taps, find_pixels, most_pixels, size_stage, stage_patches, stage_pixels, taps_table
)
from fastconv._kernels.taps_last cimport by_runs, multiply_seen, multiply_taps, multiply_turned
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.tile cimport TILE_ROWS, tile_finish
from fastconv._kernels.turned_weights cimport turn_weights, turned_size

cdef enum:
    MOST_PIXELS = 4096      # of a block, each with an item in a table


cdef struct Call:
    const Task *t
    const StageLast *stage
    const void *x
    const void *w           # turned to tiles or taps, unless small maps or each thread's tiles take them as they are
    const void *bias
    void *out


cdef bint plan_groups(Task *t, StageLast *stage, Py_ssize_t size, int threads) noexcept nogil:
    """Blocks whose stage holds all channels of several groups, as many as leave threads enough pieces and blocks a
    tile's rows; False if that is one group."""
    cdef Py_ssize_t taps = t.s.kd * t.s.kh * t.s.kw, channels = stage.channels, groups = t.s.groups, pixel, most
    if not shares_stage(&t.s):
        return False
    while groups > 1:
        pixel = groups * t.icg
        if taps * TILE_ROWS > lines_apart(pixel * size):
            pixel = patch_pitch(pixel, size)
        most = most_pixels(&t.s, PANEL_BYTES // size // pixel)
        if most >= TILE_ROWS and t.n * ceil_div(t.s.groups, groups) * t.s.od * t.s.oh >= threads:
            break
        groups = ceil_div(groups, 2)
    if groups == 1 or groups * t.icg <= channels:
        return False
    t.bundles = ceil_div(t.s.groups, groups)
    divide(t, min(most, MOST_PIXELS), t.s.ow if most >= t.s.ow else TILE_ROWS, t.ocg, threads)
    size_stage(stage, &t.s, pixel, t.block, t.span == t.s.ow)
    stage.channels, stage.groups = channels, ceil_div(t.s.groups, t.bundles)
    return True


cdef void plan_runs(Runs *runs, const ConvShape *s, Py_ssize_t most) noexcept nogil:
    """Runs of columns that see other taps, none unless they gain; a stage has place for `most` pixels, and blocks of
    few rows would give each run less than a tile's."""
    if (not skips_columns(s) or not find_runs(runs, 0, s.ow, s.iw, s.kw, s.sw, s.dw, s.pw)
            or most_pixels(s, most) < TILE_ROWS * runs.count):
        runs.count = 0


cdef void plan(Task *t, StageLast *stage, Py_ssize_t size, int threads) noexcept nogil:
    """The channels of a stage, which are a block of K or a few, and the pixels of a block."""
    cdef Py_ssize_t taps = t.s.kd * t.s.kh * t.s.kw, channels = channels_staged(&t.s, size), most
    stage.together, stage.skips = together_for(&t.s, size), skips_rows(&t.s, size)
    t.kc = ceil_div(channels * taps, max(ceil_div(channels * taps, DEPTH + DEPTH // 16), 1))
    if stage.skips:
        t.kc = t.s.kw * channels
        plan_runs(&stage.runs, &t.s, PANEL_BYTES // size // (t.s.ic if shares_stage(&t.s) else channels))
    elif stage.together > 1 and not reads_image(&t.s):
        t.kc = ceil_div(t.kc, channels) * channels      # whole taps
    stage.channels = channels
    if plan_groups(t, stage, size, threads):
        return
    most = max(PANEL_BYTES // size // max(channels * taps, 1), TILE_ROWS)
    size_stage(stage, &t.s, channels, most, most < t.s.ow)
    if reads_image(&t.s) or (sees_no_padding(&t.s) and taps * TILE_ROWS <= lines_apart(t.xw * size)):
        stage.pixel, stage.row, stage.depth, stage.size = t.xw, t.xh, t.xd, 0
    elif <double> stage.deep * stage.rows * stage.cols > <double> most * taps:
        stage.patch = taps * channels
    else:
        most = max(most_pixels(&t.s, PANEL_BYTES // size // max(channels, 1)), TILE_ROWS)
    divide(t, min(most, MOST_PIXELS) // TILE_ROWS * TILE_ROWS, TILE_ROWS, t.width, threads)
    if stage.patch:
        stage.size = stage.patch * t.block
    elif stage.size:
        size_stage(stage, &t.s, channels, t.block, t.span == t.s.ow)


cdef const real *seen(const Task *t, const StageLast *stage, const real *x, Py_ssize_t channels, Py_ssize_t p0,
                      Py_ssize_t p1, real *staged) noexcept nogil:
    """Where pixel p0 sees the first of some channels, which x starts at, staged if they have to be."""
    cdef Py_ssize_t z = p0 // (t.s.oh * t.s.ow) * t.s.sd, y = p0 // t.s.ow % t.s.oh * t.s.sh, o = p0 % t.s.ow * t.s.sw
    if stage.patch:
        stage_patches(stage, &t.s, x, t.xd, t.xh, t.xw, channels, p0, p1, staged)
        return staged
    if stage.size == 0:
        return x + z * t.xd + y * t.xh + o * t.xw
    stage_pixels(stage, &t.s, x, t.xd, t.xh, t.xw, channels, p0, staged)
    return staged if stage.part else staged + o * stage.pixel


cdef void block(
    const Task *t, const StageLast *stage, const real *x, const real *w, const real *bias, real *out, real *staged,
    const Py_ssize_t *pixel, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t o0, Py_ssize_t o1,
) noexcept nogil:
    """Pixels [p0, p1) of output channels [o0, o1) of one group, where x, w, bias and out start; o0 starts a tile.

    x is in the stage already if that holds several groups; w is (oc, K) if it is to be turned, else it was. Pixels that
    are sorted are summed beside `out`, and `pixel` says behind them where each belongs.
    """
    cdef Py_ssize_t taps = t.s.kd * t.s.kh * t.s.kw, k0, k1, c0 = 0, c1, step
    cdef Py_ssize_t lda = stage.pixel if t.flat else 0, pixels = p1 - p0, outputs = o1 - o0
    cdef real *turned = staged + t.staged
    cdef real *c = turned if t.ordered else out + p0 * t.s.oc + o0
    cdef Py_ssize_t ldc = outputs if t.ordered else t.s.oc, p
    cdef const Py_ssize_t *tap
    cdef const real *a
    cdef const real *b
    cdef tile_finish finish = t.finish
    finish.col_bias = at(bias, o0)
    finish.accumulate = finish.clamp = False
    if stage.skips:                 # sums start before the first products, and are clamped after the last
        multiply_taps(pixels, outputs, 0, x, pixel, NULL, False, 0, w, t.width, 0, NULL, 0, c, ldc, finish)
        finish.accumulate = True
    while True:
        c1 = min(c0 + stage.channels, t.icg)
        a = x + c0 if stage.groups > 1 else seen(t, stage, x + c0, c1 - c0, p0, p1, staged)
        tap = stage.tap if c1 - c0 == stage.channels else stage.rest
        step = t.kc
        if stage.together > 1 and c1 - c0 < stage.channels:     # as many taps
            step = t.kc // stage.channels * (c1 - c0)
        k0 = 0
        while True:
            k1 = min(k0 + step, (c1 - c0) * taps)
            b = w + o0 * t.depth + (c0 * taps + k0) * t.width
            if stage.skips:
                multiply_seen(t, stage, k0 // step, p0, p1, outputs, k1 - k0, a, pixel, tap + k0, b, c, ldc,
                              &finish)
            else:
                finish.accumulate = c0 + k0 > 0
                finish.clamp = t.finish.clamp and c0 * taps + k1 == t.depth
                if t.turned:
                    multiply_turned(t, stage, pixels, outputs, c1 - c0, k0, k1, a, pixel, tap + k0, lda,
                                    w + o0 * t.depth + c0 * taps, turned, c, finish)
                else:
                    multiply_taps(pixels, outputs, k1 - k0, a, pixel, tap + k0, taps == 1, lda, b, t.width,
                                  t.depth * t.width, NULL, 0, c, t.s.oc, finish)
            k0 = k1
            if k0 >= (c1 - c0) * taps:
                break
        c0 = c1
        if c0 >= t.icg:
            break
    if stage.skips and t.finish.clamp:
        finish.clamp = True
        multiply_taps(pixels, outputs, 0, x, pixel, NULL, False, 0, w, t.width, 0, NULL, 0, c, ldc, finish)
    for p in range(pixels if t.ordered else 0):
        copy_rows(sizeof(real), out + (p0 + pixel[pixels + p]) * t.s.oc + o0, 0, c + p * ldc, 0, 1, outputs)


cdef void one_item(const Call *c, Py_ssize_t i, real *scratch) noexcept nogil:
    cdef const Task *t = c.t
    cdef Item item = item_at(t, i)
    cdef Py_ssize_t group = item.group * c.stage.groups, groups = min(c.stage.groups, t.s.groups - group), g
    cdef Py_ssize_t outputs = t.ocg if t.deep or t.turned else round_up(t.ocg, t.width)     # that a group's weights are
    cdef const real *x = <const real *> c.x + item.image * t.xn + group * t.icg
    cdef const real *w = <const real *> c.w + group * outputs * t.depth
    cdef const real *bias = at(<const real *> c.bias, group * t.ocg)
    cdef real *out = <real *> c.out + item.image * t.pixels * t.s.oc + group * t.ocg
    cdef Py_ssize_t *found = <Py_ssize_t *> (scratch + t.staged + t.turned + t.ordered)
    cdef const Py_ssize_t *pixel = found
    if t.by_taps:
        multiply_by_taps(True, t, x, w + item.o0 * t.depth, at(bias, item.o0), out + item.o0, scratch,
                         item.o1 - item.o0)
    elif t.deep:
        small_map(True, t, x, w + item.o0 * t.depth, at(bias, item.o0), out + item.o0, scratch, item.o1 - item.o0)
    else:
        find_pixels(c.stage, &t.s, item.p0, item.p1, found)
        if t.ordered:
            pixel = by_runs(&c.stage.runs, t.s.ow, item.p0, item.p1, found)
        if c.stage.groups > 1:
            x = seen(t, c.stage, x, groups * t.icg, item.p0, item.p1, scratch)
        for g in range(groups):
            block(t, c.stage, x + g * t.icg, w + g * outputs * t.depth, at(bias, g * t.ocg), out + g * t.ocg, scratch,
                  pixel, item.p0, item.p1, item.o0, item.o1)


cdef void plan_way(Task *t, StageLast *stage, Py_ssize_t size, int threads) noexcept nogil:
    """What lanes run along, and the division into pieces; a stage of no channels where it is not needed."""
    t.deep, t.panel, t.left = deep_for(&t.s, size), 0, 0
    t.by_taps = t.deep > 0 and not mixed_for(&t.s, size) and fits_taps_last(&t.s)
    stage.channels = stage.size = stage.skips = stage.runs.count = 0
    stage.groups = 1
    if t.deep:
        plan_deep(t, size, threads)
    else:
        plan(t, stage, size, threads)
    t.staged, t.turned = round_up(stage.size, LINE), 0
    t.ordered = round_up(t.block * t.part, LINE) if stage.runs.count > 1 else 0
    if t.by_taps:
        plan_taps(t, True, size)
    elif t.deep and mixed_for(&t.s, size):
        plan_mixed(t, size)


def packed_layout(tuple geometry):
    """The turned weights depend on the order of K besides the weights; those of small maps are used as they are."""
    cdef ConvShape s
    read_shape(&s, geometry)
    if deep_for(&s, sizeof(float)) and deep_for(&s, sizeof(double)):
        return None
    return together_for(&s, sizeof(float)), together_for(&s, sizeof(double))


def packed_size(tuple geometry, real like):
    """Elements that the turned weights take, of the type of `like`."""
    cdef ConvShape s
    read_shape(&s, geometry)
    return turned_size(&s, sizeof(real))


def pack(tuple geometry, weight, real[:] packed, int threads):
    """Turn the weights once, for calls of `conv` with any input; `packed` has `packed_size` elements."""
    cdef ConvShape s
    cdef const real *ws = <const real *> first_of(weight)
    read_shape(&s, geometry)
    if packed.shape[0]:
        with nogil:
            turn_weights(&s, together_for(&s, sizeof(real)), ws, &packed[0], threads)


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads, packed=None):
    """Convolve: as `conv` of `direct.pyx`, for an input of unit stride along c and a dense output with channels last.

    packed : what `pack` made of the weight
    """
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Task t
    cdef StageLast stage
    cdef Call call = Call(&t, &stage, x.data, first_of(packed), first_of(bias), out.data)
    cdef Py_ssize_t size = sizeof(real), each, shared = 0
    cdef real *scratch
    cdef char *taps
    begin(&t, geometry, &x, lo, hi, True)
    plan_way(&t, &stage, size, threads)
    taps = borrow("direct", taps_table(&stage, &t.s) * sizeof(Py_ssize_t))
    fill_taps(&stage, &t.s, <Py_ssize_t *> taps)
    if t.by_taps:
        shared = round_up(t.s.oc * t.depth, LINE)
    elif not t.deep and packed is None:
        if t.n * t.blocks == 1 and not stage.skips and not reads_image(&t.s):   # weights are read once
            t.turned = round_up(t.kc * t.width, LINE)
        else:
            shared = round_up(turned_size(&t.s, size), LINE)
    if t.deep:
        each = deep_scratch(True, &t, size)
    else:
        each = t.block * (3 if t.ordered else 1) * <Py_ssize_t> sizeof(Py_ssize_t)
        each = t.staged + t.turned + t.ordered + round_up(ceil_div(each, size), LINE)
    scratch = <real *> borrow_more("direct", (shared + each * threads) * size, taps)
    with nogil:
        if stage.skips:
            stage.finite = all_finite(<const real *> w.data, 1, t.s.oc * t.depth, t.s.oc * t.depth)
            t.ordered *= stage.finite
        if t.by_taps:
            turn_all_taps(&t, <const real *> w.data, scratch, threads)
            call.w = scratch
        elif t.deep or t.turned:
            call.w = w.data
        elif shared:
            turn_weights(&t.s, stage.together, <const real *> w.data, scratch, threads)
            call.w = scratch
        each_piece(<Piece> one_item[real], &call, items(&t), threads, scratch + shared, each * size)
    give_back(scratch)
    give_back(taps)
