"""Direct convolution as an implicit matrix product: packed patches, a register tile, no column matrix.

    out[oc, p] = bias[oc] + sum over k of weight[oc, k] * patch[k, p]        k < K, p < P as in `pack.pxd`

Patches are packed KC x NC at a time into a panel that stays in a core's L2 and multiplied with the tile of `tile.h`:

    channels-first   rows of the tile are output channels, read from the weights where they lie (oc, K);
                     its columns are pixels, read from a panel of columns.
    channels-last    rows are pixels, read from a panel of patch rows (or from the image where a patch is a pixel);
                     columns are output channels, read from weights repacked once per call as (oc / width, K, width).

The sum over k runs block after block through `out`, so its order depends on the geometry alone; work is split over
pixels and output channels, and what a thread gets never changes a bit.
Goto & van de Geijn 2008, doi:10.1145/1356052.1356053.
"""

from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY
from libc.stdlib cimport free, malloc

from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div, pack_columns, pack_rows
from fastconv._kernels.shape cimport LAYOUT, ConvShape, at, read_shape, real
from fastconv._kernels.tile cimport CHUNK, TILE_ROWS, fetch_ahead, tile, tile_finish, tile_width

cdef enum:
    KC = 256                 # depth of a panel: KC x one tile's columns stay in L1 (16 KiB)
    PANEL_BYTES = 262144     # the panel, half of a 512 KiB L2
    WEIGHT_BYTES = 131072    # the block of weights that passes over a panel
    STRIPE_BYTES = 16384     # columns of a panel that stay in L1
    LINE = 64                # bytes of a cache line


cdef struct Task:
    ConvShape s
    Py_ssize_t n, icg, ocg, depth, pixels           # depth is K, pixels is P
    Py_ssize_t xn, xc, xd, xh, xw                   # strides of the input, in elements
    Py_ssize_t kc, blocks, block, parts, part       # K block; pixel blocks and their size; parts of ocg and their size
    Py_ssize_t leading                              # of the panel, in elements
    tile_finish finish


cdef inline Py_ssize_t round_up(Py_ssize_t v, Py_ssize_t multiple) noexcept nogil:
    return ceil_div(v, multiple) * multiple


cdef void plan_blocks(Task *t, size_t size, Py_ssize_t unit, Py_ssize_t channel_unit, int threads) noexcept nogil:
    """Split K evenly, then pixels so that a panel fits and every thread has as many blocks; channels if it must."""
    cdef Py_ssize_t most, wanted
    t.kc = ceil_div(t.depth, max(ceil_div(t.depth, KC), 1))
    most = max(PANEL_BYTES // <Py_ssize_t> size // max(t.kc, 1) // unit, 1) * unit
    t.blocks = ceil_div(t.pixels, most)
    wanted = ceil_div(t.blocks * t.n * t.s.groups, threads) * threads
    t.blocks = min(ceil_div(wanted, t.n * t.s.groups), ceil_div(t.pixels, unit))
    t.block = round_up(ceil_div(t.pixels, t.blocks), unit)
    t.blocks = ceil_div(t.pixels, t.block)
    t.parts = min(ceil_div(threads, t.n * t.s.groups * t.blocks), ceil_div(t.ocg, channel_unit))
    t.part = round_up(ceil_div(t.ocg, t.parts), channel_unit)
    t.parts = ceil_div(t.ocg, t.part)


cdef void multiply(
    Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t kc, const real *a, Py_ssize_t lda, const real *b, Py_ssize_t ldb,
    Py_ssize_t b_tile, real *c, Py_ssize_t ldc, tile_finish finish,
) noexcept nogil:
    """C += A . B over whole tiles: the columns of B of a stripe of tiles stay in L1 while the rows of A pass.

    `b_tile` is the distance in B from one tile's columns to the next one's. Rows are split evenly into as few tiles as
    will do, the first `longer` of them one row longer than the others. Where the sum is short a stripe is many tiles
    wide: the rows of C, often a power of two apart, are then written some lines at a time and not one.
    """
    cdef Py_ssize_t width = tile_width(sizeof(real)), tiles = ceil_div(rows, TILE_ROWS)
    cdef Py_ssize_t shorter = rows // tiles, longer = rows - shorter * tiles, i, j, n, r, m, j0 = 0
    cdef Py_ssize_t stripe = max(STRIPE_BYTES // <Py_ssize_t> sizeof(real) // (max(kc, 1) * width), 1) * width
    cdef const real *row_bias = <const real *> finish.row_bias
    cdef const real *col_bias = <const real *> finish.col_bias
    while j0 < cols:
        i = 0
        for n in range(tiles):
            r = shorter + (n < longer)
            finish.row_bias = at(row_bias, i)
            j = j0
            for m in range(r if j0 == 0 and n + 1 < tiles else 0):      # A comes row by row, too short to be foreseen
                fetch_ahead(a + (i + r + m) * lda, kc * sizeof(real))
            for m in range(ceil_div(min(stripe, cols - j0), width)):
                finish.col_bias = at(col_bias, j)
                tile(sizeof(real), r, min(width, cols - j), kc, a + i * lda, lda, b + m * b_tile, ldb,
                     c + i * ldc + j, ldc, &finish)
                j += width
            i += r
        j0 += stripe
        b += stripe // width * b_tile


cdef void block_first(
    const Task *t, const real *x, const real *w, const real *bias, real *out, real *panel,
    Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t o0, Py_ssize_t o1,
) noexcept nogil:
    """Pixels [p0, p1) of output channels [o0, o1) of one group: x, w, bias and out start at the group."""
    cdef Py_ssize_t width = tile_width(sizeof(real))
    cdef Py_ssize_t step = max(WEIGHT_BYTES // <Py_ssize_t> sizeof(real) // max(t.kc, 1) // TILE_ROWS, 1) * TILE_ROWS
    cdef Py_ssize_t k0 = 0, k1, k, o, p, count
    cdef tile_finish finish = t.finish
    while True:
        k1 = min(k0 + t.kc, t.depth)
        pack_columns(&t.s, x, t.xc, t.xd, t.xh, k0, k1, p0, p1, panel, t.leading)
        for k in range(k1 - k0):
            for p in range(p1 - p0, round_up(p1 - p0, width)):
                panel[k * t.leading + p] = 0        # lanes beyond the last pixel are computed and dropped
        finish.accumulate = k0 > 0
        finish.clamp = t.finish.clamp and k1 == t.depth
        o = o0
        while o < o1:
            count = min(step, o1 - o)
            finish.row_bias = at(bias, o)
            multiply(count, p1 - p0, k1 - k0, w + o * t.depth + k0, t.depth, <const real *> panel, t.leading, width,
                     out + o * t.pixels + p0, t.pixels, finish)
            o += count
        k0 = k1
        if k0 >= t.depth:
            return


cdef void block_last(
    const Task *t, const real *x, const real *w, const real *bias, real *out, real *panel,
    Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t o0, Py_ssize_t o1,
) noexcept nogil:
    """As `block_first`, for channels-last memory; w is the group's repacked weights, o0 at the start of a tile."""
    cdef Py_ssize_t width = tile_width(sizeof(real))
    cdef Py_ssize_t k0 = 0, k1, lda
    cdef const real *a
    cdef tile_finish finish = t.finish
    while True:
        k1 = min(k0 + t.kc, t.depth)
        if t.leading == 0:                          # a patch is a pixel: read the image where it lies
            a = x + p0 * t.xw + k0
            lda = t.xw
        else:
            pack_rows(&t.s, x, t.xd, t.xh, t.xw, k0, k1, p0, p1, panel, t.leading)
            a = panel
            lda = t.leading
        finish.accumulate = k0 > 0
        finish.clamp = t.finish.clamp and k1 == t.depth
        finish.col_bias = at(bias, o0)
        multiply(p1 - p0, o1 - o0, k1 - k0, a, lda, w + o0 * t.depth + k0 * width, width, t.depth * width,
                 out + p0 * t.s.oc + o0, t.s.oc, finish)
        k0 = k1
        if k0 >= t.depth:
            return


cdef void one_part(const Task *t, const real *x, const real *w, const real *bias, real *out, char *panel, bint last,
                   Py_ssize_t item) noexcept nogil:
    """Work item `item`, counted over (n, groups, parts, blocks)."""
    cdef Py_ssize_t block = item % t.blocks, rest = item // t.blocks, part = rest % t.parts
    cdef Py_ssize_t g = rest // t.parts % t.s.groups, image = rest // t.parts // t.s.groups, first = g * t.ocg
    cdef Py_ssize_t p0 = block * t.block, p1 = min(p0 + t.block, t.pixels)
    cdef Py_ssize_t o0 = part * t.part, o1 = min(o0 + t.part, t.ocg)
    if last:
        block_last(
            t, x + image * t.xn + g * t.icg, w + g * round_up(t.ocg, tile_width(sizeof(real))) * t.depth,
            at(bias, first), out + image * t.pixels * t.s.oc + first, <real *> panel, p0, p1, o0, o1)
    else:
        block_first(
            t, x + image * t.xn + g * t.icg * t.xc, w + first * t.depth, at(bias, first),
            out + (image * t.s.oc + first) * t.pixels, <real *> panel, p0, p1, o0, o1)


cdef void run(const Task *t, const real *x, const real *w, const real *bias, real *out, char *panels,
              Py_ssize_t panel_bytes, bint last, int threads) noexcept nogil:
    """All work items; on one thread without OpenMP, whose parallel region alone takes 0.3 us."""
    cdef Py_ssize_t item, items = t.n * t.s.groups * t.blocks * t.parts
    if threads == 1:
        for item in range(items):
            one_part(t, x, w, bias, out, panels, last, item)
        return
    for item in prange(items, num_threads=threads, schedule="dynamic"):
        one_part(t, x, w, bias, out, panels + threadid() * panel_bytes, last, item)


cdef void repack_weights(const Task *t, const real *w, real *packed, int threads) noexcept nogil:
    """packed[group][tile][(tap, c)][lane] = w[oc][c][tap], with zeros in the lanes beyond the group's channels."""
    cdef Py_ssize_t width = tile_width(sizeof(real))
    cdef Py_ssize_t taps = t.depth // max(t.icg, 1), tiles = ceil_div(t.ocg, width)
    cdef Py_ssize_t item, c, tap, lane, lanes
    cdef real *to
    cdef const real *source
    for item in prange(t.s.groups * tiles, num_threads=threads, schedule="static"):
        to = packed + item * t.depth * width
        source = w + (item // tiles * t.ocg + item % tiles * width) * t.depth
        lanes = min(width, t.ocg - item % tiles * width)
        for c in range(t.icg):
            for tap in range(taps):
                for lane in range(lanes):
                    to[(tap * t.icg + c) * width + lane] = source[lane * t.depth + c * taps + tap]
                for lane in range(lanes, width):
                    to[(tap * t.icg + c) * width + lane] = 0


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads):
    """Convolve.

    geometry : ConvGeometry
    input : (n, ic, *spatial) or (ic, *spatial), unit stride along w (channels-first) or c (channels-last), other
        strides free
    weight : (oc, ic // groups, *kernel), C-contiguous
    bias : (oc,), C-contiguous, or None
    output : (n, oc, *spatial) or (oc, *spatial), not empty, dense in the layout of the input, apart from the operands;
        every element is written
    lo, hi : what results are clamped to, unless infinite

    The arrays are of one type, that of lo and hi.
    """
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Task t
    cdef bint last = geometry[LAYOUT], flat
    cdef Py_ssize_t size = sizeof(real), width = tile_width(sizeof(real)), panel_bytes, packed_bytes = 0
    cdef const real *xs = <const real *> x.data
    cdef const real *ws = <const real *> w.data
    cdef const real *bs = <const real *> first_of(bias)
    cdef char *scratch
    cdef char *panels
    read_shape(&t.s, geometry)
    t.n = x.shape[0]
    t.icg = t.s.ic // t.s.groups
    t.ocg = t.s.oc // t.s.groups
    t.depth = t.icg * t.s.kd * t.s.kh * t.s.kw
    t.pixels = t.s.od * t.s.oh * t.s.ow
    t.xn = x.strides[0] // size
    t.xc = x.strides[1] // size
    t.xd = x.strides[2] // size
    t.xh = x.strides[3] // size
    t.xw = x.strides[4] // size
    t.finish.clamp = lo > -INFINITY or hi < INFINITY
    t.finish.lo, t.finish.hi = lo, hi
    t.finish.row_bias = t.finish.col_bias = NULL
    t.finish.chain = CHUNK

    flat = _patch_is_pixel(&t)
    if flat:                                        # of however many rows: one will do
        t.s.iw = t.s.ow = t.pixels
        t.s.id = t.s.ih = t.s.od = t.s.oh = 1
    plan_blocks(&t, size, TILE_ROWS if last else width, width if last else TILE_ROWS, threads)
    if last and flat:
        t.leading = 0
    elif last:
        t.leading = round_up(t.kc * size, LINE) // size + LINE // size
    else:
        # an odd number of cache lines: the rows of a tile's columns then fall into all sets
        t.leading = (round_up(t.block * size, LINE) // LINE | 1) * LINE // size
    panel_bytes = round_up((t.block if last else t.kc) * t.leading * size, LINE) + LINE
    if last:
        packed_bytes = round_up(t.s.groups * round_up(t.ocg, width) * t.depth * size, LINE)
    scratch = <char *> malloc(packed_bytes + panel_bytes * threads + LINE)
    if scratch == NULL:
        raise MemoryError(f"direct: no memory for {packed_bytes + panel_bytes * threads} bytes of scratch")
    panels = <char *> round_up(<Py_ssize_t> scratch, LINE)
    with nogil:
        if last:
            repack_weights(&t, ws, <real *> panels, threads)
            ws = <const real *> panels
        run(&t, xs, ws, bs, <real *> out.data, panels + packed_bytes, panel_bytes, last, threads)
    free(scratch)


cdef bint _patch_is_pixel(const Task *t) noexcept nogil:
    """A 1x1 kernel at stride 1 without padding over pixels that lie evenly spaced."""
    return (
        t.depth == t.icg and t.s.sd * t.s.sh * t.s.sw == 1 and t.pixels == t.s.id * t.s.ih * t.s.iw
        and (t.s.ih * t.s.id == 1 or t.xh == t.xw * t.s.iw) and (t.s.id == 1 or t.xd == t.xw * t.s.iw * t.s.ih)
    )
