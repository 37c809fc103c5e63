"""Direct convolution of channels-last images: the product of `product.pxd` without a column matrix.

Rows of the register tile are pixels, read from a panel of patch rows, or from the image where a patch is a pixel; its
columns are output channels, read from weights repacked as (group, oc / width, K, width) once per call, or before. Where
one block is all there is, those of 1x1 kernels are turned in the L1 cache instead, a tile of them at a time.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from fastconv._kernels.across cimport multiply_pixels
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div, pack_rows
from fastconv._kernels.product cimport LINE, Item, Task, begin, item_at, items, multiply, plan_blocks, round_up
from fastconv._kernels.shape cimport ConvShape, at, read_shape, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.stage_last cimport StageLast, copy_patches, plan_stage_last, stage_pixels
from fastconv._kernels.tile cimport TILE_ROWS, tile_finish, tile_width
from fastconv._kernels.turn cimport turn_block

cdef enum:
    STAGE_BYTES = 262144    # of a stage at most
    SHORT = 64              # elements of a line of a patch up to which a block is staged
    TURNED = 64     # rows of repacked weights that are turned at a time
    WIDEST = 32     # the width of a tile


cdef bint plan_rows(const Task *t, Py_ssize_t size, StageLast *stage, Py_ssize_t *table) noexcept nogil:
    """Whether a block's input is staged: its lines are short, taps share it, and it is small."""
    cdef Py_ssize_t taps = t.s.kd * t.s.kh * t.s.kw, planes = min(ceil_div(t.block, t.s.oh * t.s.ow), t.s.od)
    cdef Py_ssize_t rows = min(t.s.oh, (t.block + t.s.ow - 2) // t.s.ow + 1)
    if taps == 1 or t.icg * (t.s.kw if t.s.dw == 1 else 1) > SHORT:
        return False
    return plan_stage_last(stage, &t.s, table, planes, rows, STAGE_BYTES // size)


cdef void block(
    const Task *t, const StageLast *stage, const real *x, const real *w, const real *bias, real *out, real *panel,
    Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t o0, Py_ssize_t o1,
) noexcept nogil:
    """Pixels [p0, p1) of output channels [o0, o1) of one group, where x, w, bias and out start; o0 starts a tile.

    w is (oc, K) if it is to be turned, else repacked.
    """
    cdef Py_ssize_t width = tile_width(sizeof(real)), plane = t.s.oh * t.s.ow
    cdef Py_ssize_t k0 = 0, k1, lda = t.leading, tile, o
    cdef real *staged = panel + t.panel
    cdef real *turned = staged + t.staged
    cdef const real *a = panel
    cdef tile_finish finish = t.finish
    if t.staged:
        stage_pixels(stage, &t.s, x, t.xd, t.xh, t.xw, p0 // plane, p0 % plane // t.s.ow, staged)
    while True:
        k1 = min(k0 + t.kc, t.depth)
        if t.flat:
            a = x + p0 * t.xw + k0
            lda = t.xw
        elif t.staged:
            copy_patches(stage, &t.s, <const real *> staged, k0, k1, p0, p1, panel, t.leading)
        else:
            pack_rows(&t.s, x, t.xd, t.xh, t.xw, k0, k1, p0, p1, panel, t.leading)
        finish.accumulate = k0 > 0
        finish.clamp = t.finish.clamp and k1 == t.depth
        if t.turned:
            for tile in range(ceil_div(o1 - o0, width)):
                o = o0 + tile * width
                turn_block(sizeof(real), min(width, o1 - o), k1 - k0, w + o * t.depth + k0, t.depth, turned, width)
                finish.col_bias = at(bias, o)
                multiply_pixels(False, p1 - p0, min(width, o1 - o), k1 - k0, a, lda, <const real *> turned,
                                out + p0 * t.s.oc + o, t.s.oc, &finish)
        else:
            finish.col_bias = at(bias, o0)
            multiply(p1 - p0, o1 - o0, k1 - k0, a, lda, w + o0 * t.depth + k0 * width, width, NULL,
                     t.depth * width, out + p0 * t.s.oc + o0, t.s.oc, finish)
        k0 = k1
        if k0 >= t.depth:
            return


cdef Py_ssize_t weights_size(const ConvShape *s, size_t size) noexcept nogil:
    """Elements of the repacked weights."""
    return s.groups * round_up(s.oc // s.groups, tile_width(size)) * (s.ic // s.groups) * s.kd * s.kh * s.kw


cdef void repack_tile(const ConvShape *s, const real *w, real *to, Py_ssize_t lanes) noexcept nogil:
    """to[(tap, c)][lane] = w[lane][c][tap] for one tile, with zeros in the lanes beyond `lanes`."""
    cdef Py_ssize_t width = tile_width(sizeof(real)), taps = s.kd * s.kh * s.kw, icg = s.ic // s.groups
    cdef Py_ssize_t depth = icg * taps, k0 = 0, k, c = 0, tap = 0, lane, some
    cdef real turned[TURNED * WIDEST]
    while k0 < depth:
        some = min(<Py_ssize_t> TURNED, depth - k0)
        turn_block(sizeof(real), lanes, some, w + k0, depth, turned, width)
        for k in range(some):
            for lane in range(lanes, width):
                turned[k * width + lane] = 0
            memcpy(to + (tap * icg + c) * width, turned + k * width, width * sizeof(real))
            tap += 1
            if tap == taps:
                tap = 0
                c += 1
        k0 += some


cdef void repack_weights(const ConvShape *s, const real *w, real *packed, int threads) noexcept nogil:
    """The weights of all groups, a tile of output channels at a time."""
    cdef Py_ssize_t width = tile_width(sizeof(real)), ocg = s.oc // s.groups, tiles = ceil_div(ocg, width), i
    cdef Py_ssize_t depth = s.ic // s.groups * s.kd * s.kh * s.kw
    for i in prange(s.groups * tiles, num_threads=threads, schedule="static"):
        repack_tile(s, w + (i // tiles * ocg + i % tiles * width) * depth, packed + i * depth * width,
                    min(width, ocg - i % tiles * width))


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
    plan_blocks(&t, size, TILE_ROWS, False, tile_width(size), threads)
    table = t.s.kd * t.s.kh * t.s.kw * sizeof(Py_ssize_t)
    lines = <char *> malloc(table)
    if lines == NULL:
        raise MemoryError(f"direct: no memory for {table} bytes of scratch")
    t.leading = round_up(t.kc * size, LINE) // size + LINE // size      # not a power of two: all cache sets
    t.panel = 0 if t.flat else round_up(t.block * t.leading, LINE)
    t.staged = 0
    if plan_rows(&t, size, &stage, <Py_ssize_t *> lines):
        t.staged = round_up(stage.deep * stage.depth + lanes_of(size), LINE)
    t.turned = 0
    if packed is None and t.depth == t.icg and t.n * t.blocks == 1:      # weights are read once, and lie in this order
        t.turned = t.kc * tile_width(size)
    elif packed is None:
        shared = round_up(weights_size(&t.s, size), LINE)
    each = t.panel + t.staged + t.turned
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
