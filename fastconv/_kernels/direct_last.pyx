"""Direct convolution of channels-last images: the product of `product.pxd` without a column matrix.

Rows of the register tile are pixels, read from a panel of patch rows, or from the image where a patch is a pixel; its
columns are output channels, read from weights repacked as (group, oc / width, K, width) once per call, or before. Where
one block is all there is, those of 1x1 kernels are turned in the L1 cache instead, a tile of them at a time.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc

from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.product cimport LINE, Item, Task, begin, divide, item_at, items, round_up
from fastconv._kernels.shape cimport ConvShape, at, read_shape, real
from fastconv._kernels.stage_last cimport (
    StageLast, fill_taps, find_pixels, most_pixels, size_stage, stage_patches, stage_pixels
)
from fastconv._kernels.tile cimport TILE_ROWS, fetch_ahead, tile_finish, tile_taps, tile_width
from fastconv._kernels.turn cimport turn_block

cdef enum:
    PANEL_BYTES = 262144
    STAGE_BYTES = 262144
    KC = 288            # products of a block of K, about
    LEAST_CHANNELS = 16     # that are staged at a time
    STRIPE_BYTES = 16384    # weights that stay in L1
    SHORT = 128         # products of a sum so short that writing C counts: at least
    SHORT_TILES = 8     # tiles make a stripe then (peers.py, conv3d)


cdef bint sees_no_padding(const ConvShape *s) noexcept nogil:
    return (
        s.pd == s.ph == s.pw == 0 and (s.od - 1) * s.sd + (s.kd - 1) * s.dd < s.id
        and (s.oh - 1) * s.sh + (s.kh - 1) * s.dh < s.ih and (s.ow - 1) * s.sw + (s.kw - 1) * s.dw < s.iw
    )


cdef void plan(Task *t, StageLast *stage, Py_ssize_t size, int threads) noexcept nogil:
    """Products of a block of K, channels of a stage, which has one such block or a few, and its pixels."""
    cdef Py_ssize_t taps = t.s.kd * t.s.kh * t.s.kw, channels, most
    channels = max(ceil_div(t.icg, max(ceil_div(t.depth, KC), 1)), LEAST_CHANNELS)
    channels = ceil_div(t.icg, max(ceil_div(t.icg, channels), 1))
    t.kc = channels * taps
    t.kc = ceil_div(t.kc, max(ceil_div(t.kc, KC + KC // 16), 1))
    most = max(PANEL_BYTES // size // max(channels * taps, 1), TILE_ROWS)
    size_stage(stage, &t.s, channels, most)
    if sees_no_padding(&t.s):
        stage.pixel, stage.row, stage.depth = t.xw, t.xh, t.xd
        stage.size = 0
    elif stage.size > most * taps * channels:
        stage.patch = taps * channels
    else:
        most = max(most_pixels(&t.s, STAGE_BYTES // size // max(channels, 1)), TILE_ROWS)
    divide(t, most // TILE_ROWS * TILE_ROWS, TILE_ROWS, tile_width(size), threads)
    if stage.patch:
        stage.size = stage.patch * t.block
    elif stage.size:
        size_stage(stage, &t.s, channels, t.block)


cdef inline void multiply_seen(
    Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t kc, const real *a, const Py_ssize_t *pixel, const Py_ssize_t *tap,
    const real *b, Py_ssize_t b_tile, real *c, Py_ssize_t ldc, bint ahead, tile_finish finish,
) noexcept nogil:
    cdef Py_ssize_t width = tile_width(sizeof(real)), tiles = ceil_div(rows, TILE_ROWS)
    cdef Py_ssize_t shorter = rows // tiles, longer = rows - shorter * tiles, i, j, n, r, m, j0 = 0
    cdef Py_ssize_t least = SHORT_TILES if kc <= SHORT else 1
    cdef Py_ssize_t stripe = max(STRIPE_BYTES // <Py_ssize_t> sizeof(real) // (max(kc, 1) * width), least) * width
    cdef const real *col_bias = <const real *> finish.col_bias
    while j0 < cols:
        i = 0
        for n in range(tiles):
            r = shorter + (n < longer)
            j = j0
            for m in range(r if ahead and j0 == 0 and n + 1 < tiles else 0):
                fetch_ahead(a + pixel[i + r + m], kc * sizeof(real))
            for m in range(ceil_div(min(stripe, cols - j0), width)):
                finish.col_bias = at(col_bias, j)
                tile_taps(sizeof(real), r, min(width, cols - j), kc, a, pixel + i, tap, b + m * b_tile, width,
                          c + i * ldc + j, ldc, &finish)
                j += width
            i += r
        j0 += stripe
        b += stripe // width * b_tile


cdef void block(
    const Task *t, const StageLast *stage, const real *x, const real *w, const real *bias, real *out, real *staged,
    Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t o0, Py_ssize_t o1,
) noexcept nogil:
    """Pixels [p0, p1) of output channels [o0, o1) of one group, where x, w, bias and out start; o0 starts a tile.

    w is (oc, K) if it is to be turned, else repacked.
    """
    cdef Py_ssize_t width = tile_width(sizeof(real)), plane = t.s.oh * t.s.ow, taps = t.s.kd * t.s.kh * t.s.kw
    cdef Py_ssize_t k0 = 0, k1, c0 = 0, c1, o, tile
    cdef real *turned = staged + t.staged
    cdef Py_ssize_t *pixel = <Py_ssize_t *> (turned + t.turned)
    cdef const real *a = staged
    cdef tile_finish finish = t.finish
    find_pixels(stage, &t.s, p0, p1, pixel)
    while True:
        c1 = min(c0 + stage.channels, t.icg)
        if stage.patch:
            stage_patches(stage, &t.s, x + c0, t.xd, t.xh, t.xw, c1 - c0, p0, p1, staged)
        elif stage.size:
            stage_pixels(stage, &t.s, x + c0, t.xd, t.xh, t.xw, c1 - c0, p0, staged)
            a = staged if stage.part else staged + p0 % t.s.ow * t.s.sw * stage.pixel
        else:
            a = x + c0 + p0 // plane * t.s.sd * t.xd + p0 // t.s.ow % t.s.oh * t.s.sh * t.xh + p0 % t.s.ow * t.s.sw * t.xw
        while True:
            k1 = min(k0 + t.kc, c1 * taps)
            finish.accumulate = k0 > 0
            finish.clamp = t.finish.clamp and k1 == t.depth
            if t.turned:
                for tile in range(ceil_div(o1 - o0, width)):
                    o = o0 + tile * width
                    turn_block(sizeof(real), min(width, o1 - o), k1 - k0, w + o * t.depth + k0, t.depth, turned, width)
                    finish.col_bias = at(bias, o)
                    multiply_seen(p1 - p0, min(width, o1 - o), k1 - k0, a, pixel, stage.tap + k0 - c0 * taps,
                                  <const real *> turned, 0, out + p0 * t.s.oc + o, t.s.oc, taps == 1, finish)
            else:
                finish.col_bias = at(bias, o0)
                multiply_seen(p1 - p0, o1 - o0, k1 - k0, a, pixel, stage.tap + k0 - c0 * taps,
                              w + o0 * t.depth + k0 * width, t.depth * width, out + p0 * t.s.oc + o0, t.s.oc, taps == 1, finish)
            k0 = k1
            if k0 >= c1 * taps:
                break
        c0 = c1
        if c0 >= t.icg:
            return


cdef Py_ssize_t weights_size(const ConvShape *s, size_t size) noexcept nogil:
    """Elements of the repacked weights."""
    return s.groups * round_up(s.oc // s.groups, tile_width(size)) * (s.ic // s.groups) * s.kd * s.kh * s.kw


cdef void repack_weights(const ConvShape *s, const real *w, real *packed, int threads) noexcept nogil:
    """The weights of all groups, a tile of output channels at a time."""
    cdef Py_ssize_t width = tile_width(sizeof(real)), ocg = s.oc // s.groups, tiles = ceil_div(ocg, width), i
    cdef Py_ssize_t depth = s.ic // s.groups * s.kd * s.kh * s.kw
    for i in prange(s.groups * tiles, num_threads=threads, schedule="static"):
        turn_block(sizeof(real), min(width, ocg - i % tiles * width), depth,
                   w + (i // tiles * ocg + i % tiles * width) * depth, depth, packed + i * depth * width, width)


cdef void run(const Task *t, const StageLast *stage, const real *x, const real *w, const real *bias, real *out,
              real *scratch, Py_ssize_t each, int threads) noexcept nogil:
    """All pieces of work; on one thread without OpenMP, as `direct.run`."""
    cdef Py_ssize_t i, count = items(t)
    if threads == 1:
        for i in range(count):
            one_item(t, stage, item_at(t, i), x, w, bias, out, scratch)
        return
    for i in prange(count, num_threads=threads, schedule="dynamic"):
        one_item(t, stage, item_at(t, i), x, w, bias, out, scratch + threadid() * each)


cdef void one_item(const Task *t, const StageLast *stage, Item item, const real *x, const real *w, const real *bias,
                   real *out, real *scratch) noexcept nogil:
    cdef Py_ssize_t padded = t.ocg if t.turned else round_up(t.ocg, tile_width(sizeof(real)))
    block(t, stage, x + item.image * t.xn + item.group * t.icg, w + item.group * padded * t.depth,
          at(bias, item.group * t.ocg), out + item.image * t.pixels * t.s.oc + item.group * t.ocg, scratch,
          item.p0, item.p1, item.o0, item.o1)


def packed_layout(tuple geometry):
    """The repacked weights depend on nothing but the weights."""
    return ()


def packed_size(tuple geometry, real like):
    """Elements that the repacked weights take, of the type of `like`."""
    cdef ConvShape s
    read_shape(&s, geometry)
    return weights_size(&s, sizeof(real))


def pack(tuple geometry, weight, real[:] packed, int threads):
    """Repack the weights once, for calls of `conv` with any input; `packed` has `packed_size` elements."""
    cdef ConvShape s
    cdef const real *ws = <const real *> first_of(weight)
    read_shape(&s, geometry)
    if packed.shape[0]:
        with nogil:
            repack_weights(&s, ws, &packed[0], threads)


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads, packed=None):
    """Convolve: as `conv` of `direct.pyx`, for an input of unit stride along c and a dense output with channels last.

    packed : what `pack` made of the weight
    """
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Task t
    cdef StageLast stage
    cdef Py_ssize_t size = sizeof(real), each, shared = 0, table
    cdef const real *bs = <const real *> first_of(bias)
    cdef const real *us = <const real *> first_of(packed)
    cdef real *scratch
    cdef char *lines
    cdef char *memory
    begin(&t, geometry, &x, lo, hi, True)
    plan(&t, &stage, size, threads)
    table = stage.channels * t.s.kd * t.s.kh * t.s.kw * sizeof(Py_ssize_t)
    lines = <char *> malloc(table)
    if lines == NULL:
        raise MemoryError(f"direct: no memory for {table} bytes of scratch")
    fill_taps(&stage, &t.s, <Py_ssize_t *> lines)
    t.staged = round_up(stage.size, LINE)
    t.turned = 0
    if packed is None and t.n * t.blocks == 1:      # weights are read once
        t.turned = round_up(t.kc * tile_width(size), LINE)
    elif packed is None:
        shared = round_up(weights_size(&t.s, size), LINE)
    each = t.staged + t.turned + round_up(ceil_div(t.block * <Py_ssize_t> sizeof(Py_ssize_t), size), LINE)
    memory = <char *> malloc((shared + each * threads) * size + LINE)
    if memory == NULL:
        free(lines)
        raise MemoryError(f"direct: no memory for {(shared + each * threads) * size} bytes of scratch")
    scratch = <real *> round_up(<Py_ssize_t> memory, LINE)
    with nogil:
        if t.turned:
            us = <const real *> w.data
        elif shared:
            repack_weights(&t.s, <const real *> w.data, scratch, threads)
            us = scratch
        run(&t, &stage, <const real *> x.data, us, bs, <real *> out.data, scratch + shared, each, threads)
    free(memory)
    free(lines)
