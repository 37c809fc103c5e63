"""Direct convolution of channels-first images: the product of `product.pxd` without a column matrix.

Rows of the register tile are output channels, read from the weights where they lie, (oc, K); its columns are pixels: of
a panel of columns, copied from a stage of the input (`stage.pxd`); of the stage itself where rows of output are whole
vectors; or of the image where a patch is a pixel and channels are few. The last few pixels of an image may have lanes
along the depth (`rest.pxd`). Where lanes of pixels would idle or cost copies, pixels are rows instead (`across.pxd`);
small maps of many products a sum have lanes along the depth (`deep.pxd`), where few outputs share a patch with weights
turned for it (`deep_taps.pxd`).
"""

from fastconv._kernels.across cimport (
    TURNS_ALONE, across_scratch, across_table, find_across, multiply_across, plan_across
)
from fastconv._kernels.across_cost cimport cost_across, picks_pixels, rows_are_vectors, sees_less, wastes_lanes
from fastconv._kernels.ahead cimport Next
from fastconv._kernels.columns cimport (
    Columns, column, fill_panel, next_columns, panel_bytes, plan_columns, read_in_place, sort_columns
)
from fastconv._kernels.deep cimport along_depth, deep_block, deep_scratch, plan_deep, small_map
from fastconv._kernels.deep_patches cimport packs_taps, patch_channels, plan_patches
from fastconv._kernels.deep_taps cimport multiply_by_taps, plan_taps, saved_by_taps, turn_all_taps
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport even
from fastconv._kernels.product cimport (
    LINE, SMALL_MAP, WEIGHT_BYTES, Item, Task, begin, block_of_depth, item_at, items, plan_blocks, round_up,
    short_vectors
)
from fastconv._kernels.rest cimport multiply_mixed, pixels_worth
from fastconv._kernels.scratch cimport borrow, borrow_more
from fastconv._kernels.shape cimport ConvShape, at, read_shape, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.stage cimport stage_table
from fastconv._kernels.stripes cimport multiply, multiply_in_place, multiply_stage
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.tile cimport TILE_ROWS, tile_finish, tile_width
from fastconv._kernels.turn cimport turn_block
from fastconv._kernels.turned_weights cimport turn_weights, turned_size

cdef enum:
    TREE_SHARE = 4      # sums whose lanes are added up in the time in which a weight is turned
    PATCHING = 4        # vectors of products in whose time what a pixel sees of a row is copied along the depth,
    PICKING_APART = 8  # or one strided element (Zen 5, 1x1 at strides of 2 and 3)


cdef struct Lanes:
    Py_ssize_t deep     # K block of a product with lanes along K, or 0
    bint across         # lanes are output channels; else they are pixels


cdef struct Call:
    const Task *t
    const void *x
    const void *w
    const void *packed
    const void *bias
    void *out


cdef inline bint favours_taps(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """Whether turning weights saves so much that lanes run along the depth however few idle along pixels."""
    return saved_by_taps(s, size) * TREE_SHARE > <double> s.od * s.oh * s.ow * s.oc


cdef inline double cost_deep(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """What lanes along the depth take, copied patches included, in products of one; measured for vectors of a line."""
    cdef Py_ssize_t depth = s.ic // s.groups * s.kd * s.kh * s.kw
    cdef Py_ssize_t each = along_depth(depth, size) * (s.oc // s.groups)
    if packs_taps(s) and saved_by_taps(s, size) <= 0:
        each += depth // s.kw * (PATCHING if s.kw > 1 else PICKING_APART) * lanes_of(size)
    return <double> s.od * s.oh * s.ow * each


cdef Lanes lanes_for(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """What lanes run along."""
    cdef Lanes choice
    cdef Py_ssize_t pixels = s.od * s.oh * s.ow, depth = s.ic // s.groups * s.kd * s.kh * s.kw
    cdef Py_ssize_t worth = pixels_worth(pixels, block_of_depth(s, size), size), instead = worth
    cdef bint wastes = wastes_lanes(s, worth, size)
    if favours_taps(s, size):
        instead = SMALL_MAP * 2
    choice.deep = deep_block(pixels, instead, depth, lanes_of(size), size)
    if choice.deep and (sees_less(s, <double> pixels * along_depth(depth, size) * (s.oc // s.groups), size)
                        or wastes and (picks_pixels(s) if short_vectors(size) else
                                       cost_across(s, size) * lanes_of(size) < cost_deep(s, size))):
        choice.deep = 0
    choice.across = choice.deep == 0 and wastes
    return choice


cdef void multiply_rows(
    const Task *t, const Columns *s, Py_ssize_t rows, Py_ssize_t after, Py_ssize_t kc, const real *a, const real *x,
    const real *source, const real *panel, real *c, tile_finish finish, Next *later,
) noexcept nogil:
    """So many output channels of a block: a, x and c start at its first product, pixel and sum.

    after : output channels of the block that follow these
    source : where the pixels begin that these, the first ones, copy to the panel or ask for; else NULL
    """
    cdef const real *patches = panel + t.panel
    if s.whole:
        multiply_in_place(t, rows, kc, s.head, s.whole, s.end, a, x, source, c, finish)
    c += s.whole
    if s.left:
        multiply_mixed(rows, after, s.copied, s.left, kc, a, t.depth, panel, t.leading, t.wide, t.apart,
                       source if s.packs else NULL, t.xc, patches, t.patch, c, t.pixels, finish)
        return
    multiply(rows, s.passed, kc, a, t.depth, panel, t.leading, NULL, t.apart, source, t.xc, c, t.pixels, finish, later)
    multiply(rows, s.copied - s.passed, kc, a, t.depth, panel + column(t, s.passed), t.leading, NULL, t.apart, NULL, 0,
             c + s.passed, t.pixels, finish, later)


cdef void block(
    const Task *t, const real *x, const real *w, const real *bias, real *out, real *stage, Py_ssize_t p0, Py_ssize_t p1,
    Py_ssize_t o0, Py_ssize_t o1,
) noexcept nogil:
    """Pixels [p0, p1) of output channels [o0, o1) of one group: x, w, bias and out start at the group."""
    cdef Columns s = sort_columns(t, p0, p1, sizeof(real))
    cdef Py_ssize_t most = max(WEIGHT_BYTES // <Py_ssize_t> sizeof(real) // max(t.kc, 1) // TILE_ROWS, 1) * TILE_ROWS
    cdef Py_ssize_t step = o1 - o0 if s.whole or s.packs else even(o1 - o0, most, TILE_ROWS)
    cdef Py_ssize_t first = p0 + s.whole + s.passed, last = p1 - s.left if t.flat else p1
    cdef Py_ssize_t k0 = 0, k1, o, count
    cdef real *panel = stage + t.staged
    cdef real *patches = panel + t.panel
    cdef const real *a
    cdef const real *source
    cdef real *c
    cdef tile_finish finish = t.finish
    cdef Next later
    while True:
        k1 = min(k0 + t.kc, t.depth)
        if first < last and k0 < k1:
            fill_panel(t, x, k0, k1, first, last, stage, panel + column(t, s.passed))
        if s.left and t.flat:
            turn_block(sizeof(real), k1 - k0, s.left, x + k0 * t.xc + last, t.xc, patches, t.patch)
        elif s.left:
            turn_block(sizeof(real), k1 - k0, s.left, panel + column(t, s.copied), t.leading, patches, t.patch)
        finish.accumulate = k0 > 0
        finish.clamp = t.finish.clamp and k1 == t.depth
        o = o0
        source = x + k0 * t.xc + p0 + s.head if s.packs or s.asks else NULL
        later = next_columns(t, x, k0, k1, p0, p1)
        while o < o1:
            count = min(step, o1 - o)
            finish.row_bias = at(bias, o)
            a = w + o * t.depth + k0
            c = out + o * t.pixels + p0
            if t.row != NULL:
                multiply_stage(t, count, k0, k1, a, <const real *> stage, p0, p1, c, finish)
            else:
                multiply_rows(t, &s, count, o1 - o - count, k1 - k0, a, x + k0 * t.xc + p0, source,
                              <const real *> panel, c, finish, &later)
            source = NULL
            o += count
        k0 = k1
        if k0 >= t.depth:
            return


cdef void one_item(const Call *c, Py_ssize_t i, real *scratch) noexcept nogil:
    cdef const Task *t = c.t
    cdef Item item = item_at(t, i)
    cdef Py_ssize_t first = item.group * t.ocg
    cdef const real *x = <const real *> c.x + item.image * t.xn + item.group * t.icg * t.xc
    cdef const real *w = <const real *> c.w + first * t.depth
    cdef const real *packed = <const real *> c.packed
    cdef const real *bias = at(<const real *> c.bias, first)
    cdef real *out = <real *> c.out + (item.image * t.s.oc + first) * t.pixels
    if t.by_taps:
        w = packed + (first + item.o0) * t.depth
        multiply_by_taps(False, t, x, w, at(bias, item.o0), out + item.o0 * t.pixels, scratch, item.o1 - item.o0)
    elif t.deep:
        small_map(False, t, x, w + item.o0 * t.depth, at(bias, item.o0), out + item.o0 * t.pixels, scratch,
                  item.o1 - item.o0)
    elif t.across:
        packed = at(packed, item.group * round_up(t.ocg, t.width) * t.depth)
        multiply_across(t, x, w, packed, bias, out, scratch, item.p0, item.p1, item.o0, item.o1)
    else:
        if read_in_place(t, sizeof(real)):      # blocks begin where vectors do
            item.p0 -= t.lead if item.p0 > 0 else 0
            item.p1 -= t.lead if item.p1 < t.pixels else 0
        block(t, x, w, bias, out, scratch, item.p0, item.p1, item.o0, item.o1)


cdef Py_ssize_t plan_way(Task *t, Py_ssize_t size, int threads) noexcept nogil:
    """What lanes run along, and the division into pieces; items of the table that is filled afterwards."""
    cdef Lanes lanes = lanes_for(&t.s, size)
    cdef Py_ssize_t unit
    t.deep, t.across, t.patches = lanes.deep, lanes.across, 0
    t.by_taps = t.deep > 0 and saved_by_taps(&t.s, size) > 0
    if t.across:
        plan_across(t, size, threads)
    elif t.deep:
        plan_deep(t, size, threads)
        t.kc = patch_channels(t) * (t.depth // t.icg)
    else:
        unit = tile_width(size) if threads == 1 else 2 * lanes_of(size)     # finer, so that shares are more even
        plan_blocks(t, size, panel_bytes(t, size), unit, rows_are_vectors(&t.s, size), TILE_ROWS, threads)
    t.turned = 0
    if t.across:
        return across_table(t)
    return stage_table(&t.s) + (0 if t.deep else t.depth)


def turns_taps(tuple geometry, Py_ssize_t size):
    """Whether weights of elements of `size` are turned for a small map of few outputs, which saves much."""
    cdef ConvShape s
    read_shape(&s, geometry)
    return bool(lanes_for(&s, size).deep and favours_taps(&s, size))


def packed_layout(tuple geometry):
    """Weights are packed where lanes are channels alone, and then depend on nothing but the weights."""
    cdef ConvShape s
    read_shape(&s, geometry)
    return () if lanes_for(&s, sizeof(float)).across or lanes_for(&s, sizeof(double)).across else None


def packed_size(tuple geometry, real like):
    """Elements that packed weights take, of the type of `like`."""
    cdef ConvShape s
    read_shape(&s, geometry)
    return turned_size(&s, sizeof(real))


def pack(tuple geometry, weight, real[:] packed, int threads):
    """Turn the weights once, for calls of `conv`; `packed` has `packed_size` elements."""
    cdef ConvShape s
    cdef const real *ws = <const real *> first_of(weight)
    read_shape(&s, geometry)
    if packed.shape[0]:
        with nogil:
            turn_weights(&s, 1, ws, &packed[0], threads)


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads, packed=None):
    """Convolve.

    geometry : ConvGeometry
    input : (n, ic, *spatial) or (ic, *spatial), unit stride along w, other strides free
    weight : (oc, ic // groups, *kernel), C-contiguous
    bias : (oc,), C-contiguous, or None
    output : (n, oc, *spatial) or (oc, *spatial), C-contiguous, not empty, apart from the operands; every element is
        written
    lo, hi : what results are clamped to, unless infinite
    packed : what `pack` made of the weight

    The arrays are of one type, that of lo and hi.
    """
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Task t
    cdef Call call = Call(&t, x.data, w.data, first_of(packed), first_of(bias), out.data)
    cdef Py_ssize_t size = sizeof(real), each, table, shared = 0
    cdef char *memory
    cdef real *scratch
    begin(&t, geometry, &x, lo, hi, False)
    table = round_up(plan_way(&t, size, threads) * sizeof(Py_ssize_t), LINE)
    memory = borrow("direct", table)
    if t.by_taps:
        plan_taps(&t, False, size)
        shared = round_up(t.s.oc * t.depth, LINE)
    elif t.deep and packs_taps(&t.s):
        plan_patches(&t, size, <Py_ssize_t *> memory)
    elif not t.across:
        plan_columns(&t, size, <Py_ssize_t *> memory)
    else:
        find_across(&t, size, <Py_ssize_t *> memory)
        if packed is None and (t.n * t.blocks == 1 or t.n * t.blocks <= threads and t.block >= TURNS_ALONE):
            t.turned = round_up(t.kc * t.width, LINE)
        elif packed is None:
            shared = round_up(turned_size(&t.s, size), LINE)
    if t.across:
        each = across_scratch(&t, size)
    else:
        each = deep_scratch(False, &t, size) if t.deep else t.staged + t.panel + t.patches
    scratch = <real *> borrow_more("direct", (shared + each * threads) * size, memory)
    with nogil:
        if shared:
            call.packed = scratch
        if t.by_taps:
            turn_all_taps(&t, <const real *> w.data, scratch, threads)
        elif shared:
            turn_weights(&t.s, 1, <const real *> w.data, scratch, threads)
        each_piece(<Piece> one_item[real], &call, items(&t), threads, scratch + shared, each * size)
    give_back(scratch)
    give_back(memory)
