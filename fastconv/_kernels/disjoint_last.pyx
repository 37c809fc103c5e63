"""As `disjoint.pyx`, of channels-last memory: kernels no larger than the stride, so that each output has one tap.

Rows of the product are pixels where they lie, its columns weights of outputs that are neighbours in the result. What a
pixel gives through the taps of a kernel's row is one run of these, which the register tile writes where it belongs:

    channels of pixel x  ->  [ o o o o  tap 0 ][ o o o o  tap 1 ]      row y * sh + i of the result, column x * sw on

Nothing is put in between, and each output is written once. Weights are turned to (run, tile of columns, channel, width)
once a call, or where all pixels are one block, by parts of the outputs that stay in cache until they are used up.

Work is split over images, groups, parts of the outputs and blocks of pixels; no sum depends on that.
"""

from fastconv._kernels.copy cimport copy_tiles
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.shape cimport ConvShape, at, read_shape, read_strides, real
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.tile cimport CHUNK, TILE_ROWS, even_width, fetch_ahead, tile, tile_finish, tile_width
from fastconv._kernels.turn cimport clear_beside, turn_block

cdef enum:
    BLOCK_BYTES = 262144    # pixels of a block, and what they give: they stay in L2 while all weights pass over them
    STRIPE_BYTES = 32768    # weights that stay in L1 while the pixels of a block pass over them
    WHOLE_BYTES = 1048576   # pixels that are one block if there are more weights than
    WEIGHT_BYTES = 524288   # these, of which a part is
    PART_BYTES = 262144     # no more than these
    SHARES = 4              # blocks for each thread
    TURNED = 16             # channels whose weights are turned at a time


cdef struct Task:
    ConvShape s                             # of the convolution that this transposes: o is what is read, i the result
    Py_ssize_t n, icg, ocg, taps
    Py_ssize_t xn, xd, xh, xw               # strides of what is read, in elements
    Py_ssize_t segment, segments            # pixels of a piece of a row, pieces of a row
    Py_ssize_t block, blocks                # pieces of a block, blocks of an image
    Py_ssize_t part, parts                  # outputs of a part of a group
    Py_ssize_t width                        # columns of a panel
    bint joined                             # a run is all taps of a kernel's row, not one
    bint alone                              # each part is turned by who uses it
    Py_ssize_t turned                       # elements of a part's turned weights
    const void *x
    const void *w
    const void *bias
    void *out
    void *packed
    tile_finish finish


cdef void plan(Task *t, Py_ssize_t size, int threads) noexcept nogil:
    """Pieces are whole rows of pixels unless these are long; parts are multiples of a tile's columns."""
    cdef Py_ssize_t width = tile_width(size), pixels = t.s.od * t.s.oh * t.s.ow, pieces, most, wanted
    cdef Py_ssize_t each = size * (t.icg + t.taps * t.ocg)              # bytes of a pixel and of what it gives
    t.alone = t.n == 1 and pixels * t.icg * size <= WHOLE_BYTES and t.icg * t.ocg * t.taps * size > WEIGHT_BYTES
    most = pixels if t.alone else max(BLOCK_BYTES // each, TILE_ROWS)
    wanted = ceil_div(SHARES * threads, t.n * t.s.groups) if threads > 1 and not t.alone else 1
    most = min(most, max(ceil_div(pixels, wanted), TILE_ROWS))
    t.segments = ceil_div(t.s.ow, most)
    t.segment = round_up(ceil_div(t.s.ow, t.segments), TILE_ROWS) if t.segments > 1 else t.s.ow
    t.segments = ceil_div(t.s.ow, t.segment)
    pieces = t.s.od * t.s.oh * t.segments
    t.blocks = ceil_div(pieces, max(most // t.segment, 1))
    t.block = ceil_div(pieces, t.blocks)
    t.blocks = ceil_div(pieces, t.block)
    t.part = t.ocg
    if t.alone:
        wanted = max(ceil_div(t.ocg * t.icg * t.taps * size, PART_BYTES), threads)
        t.part = min(round_up(ceil_div(t.ocg, wanted), width), t.ocg)
    t.parts = ceil_div(t.ocg, t.part)
    t.joined = t.parts == t.s.groups == 1
    t.width = even_width(run_of(t, t.part), size)
    t.turned = round_up(runs(t) * tiles(t, t.part) * t.width * t.icg, LINE)


cdef inline Py_ssize_t runs(const Task *t) noexcept nogil:
    """Runs of neighbouring results that a pixel has."""
    return t.s.kd * t.s.kh if t.joined else t.taps


cdef inline Py_ssize_t run_of(const Task *t, Py_ssize_t outputs) noexcept nogil:
    """Elements of each, in a part of so many outputs."""
    return t.s.kw * outputs if t.joined else outputs


cdef inline Py_ssize_t tiles(const Task *t, Py_ssize_t outputs) noexcept nogil:
    """Panels of a run."""
    return ceil_div(run_of(t, outputs), t.width)


cdef void turn_part(
    const Task *t, Py_ssize_t part, Py_ssize_t c0, Py_ssize_t c1, real *row, real *packed,
) noexcept nogil:
    """The weights of a part of a group, counted (group, part), of some channels; `row` holds those of one."""
    cdef Py_ssize_t width = t.width, g = part // t.parts, first = part % t.parts * t.part, c, run
    cdef Py_ssize_t outputs = min(t.part, t.ocg - first), n = run_of(t, outputs), apart = t.icg * width
    cdef Py_ssize_t each = tiles(t, outputs) * apart
    for c in range(c0, c1):
        turn_block(sizeof(real), outputs, t.taps, <const real *> t.w + ((g * t.icg + c) * t.ocg + first) * t.taps,
                   t.taps, row, outputs)
        for run in range(runs(t)):
            clear_beside(n % width, 1, width, packed + run * each + n // width * apart + c * width)
            copy_tiles(sizeof(real), packed + run * each + c * width, 0, apart, width, row + run * n, 0, 1, n)


cdef void turn_some(const Task *t, Py_ssize_t item, real *row) noexcept nogil:
    """Some channels of a part, for all threads."""
    cdef Py_ssize_t pieces = ceil_div(t.icg, TURNED), part = item // pieces, c = item % pieces * TURNED
    turn_part(t, part, c, min(c + TURNED, t.icg), row, <real *> t.packed + part * t.turned)


cdef void multiply_row(
    const Task *t, Py_ssize_t pixels, const real *a, const real *b, Py_ssize_t columns, real *c, tile_finish finish,
) noexcept nogil:
    """Neighbouring pixels of a row with some panels of a run."""
    cdef Py_ssize_t width = t.width, count = ceil_div(pixels, TILE_ROWS), i = 0, j, r, m, piece
    cdef Py_ssize_t ldc = t.s.sw * t.s.ic
    cdef const real *bias = <const real *> finish.col_bias
    for piece in range(count):
        r = ceil_div(pixels - i, count - piece)
        for m in range(r):
            fetch_ahead(c + (i + m) * ldc, columns * sizeof(real))
        for j in range(ceil_div(columns, width)):
            finish.col_bias = at(bias, j * width)
            tile(sizeof(real), r, min(width, columns - j * width), t.icg, a + i * t.xw, t.xw, b + j * width * t.icg,
                 width, c + i * ldc + j * width, ldc, &finish)
        i += r


cdef void multiply_run(
    const Task *t, const real *x, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t a, Py_ssize_t i, const real *b,
    Py_ssize_t columns, real *out, const tile_finish *finish,
) noexcept nogil:
    """Pieces [p0, p1) of an image with some panels of a run of the kernel's row (a, i); `out` is where that begins in
    the first pixel of the result."""
    cdef Py_ssize_t p, row, left, y, z
    for p in range(p0, p1):
        row, left = p // t.segments, p % t.segments * t.segment
        y, z = row % t.s.oh * t.s.sh + i - t.s.ph, row // t.s.oh * t.s.sd + a - t.s.pd
        if 0 <= y < t.s.ih and 0 <= z < t.s.id:
            multiply_row(t, min(t.segment, t.s.ow - left),
                         x + row // t.s.oh * t.xd + row % t.s.oh * t.xh + left * t.xw, b, columns,
                         out + ((z * t.s.ih + y) * t.s.iw + left * t.s.sw) * t.s.ic, finish[0])


cdef void one_item(const Task *t, Py_ssize_t item, real *scratch) noexcept nogil:
    """A block of pixels of an image with a part of the outputs of a group."""
    cdef Py_ssize_t width = t.width, block = item % t.blocks, rest = item // t.blocks
    cdef Py_ssize_t part = rest % (t.parts * t.s.groups), image = rest // (t.parts * t.s.groups), g = part // t.parts
    cdef Py_ssize_t first = part % t.parts * t.part, outputs = min(t.part, t.ocg - first), n = run_of(t, outputs)
    cdef Py_ssize_t p0 = block * t.block, p1 = min(p0 + t.block, t.s.od * t.s.oh * t.segments), run, line, tap, j
    cdef Py_ssize_t ways = 1 if t.joined else t.s.kw
    cdef Py_ssize_t stripe = max(STRIPE_BYTES // (t.icg * width * <Py_ssize_t> sizeof(real)), 1) * width
    cdef const real *x = <const real *> t.x + image * t.xn + g * t.icg
    cdef real *out = <real *> t.out + image * t.s.id * t.s.ih * t.s.iw * t.s.ic + g * t.ocg + first
    cdef real *packed = <real *> t.packed + part * t.turned
    cdef tile_finish finish = t.finish
    cdef const real *bias = at(<const real *> t.bias, 0 if t.joined else g * t.ocg + first)
    if t.alone:
        packed = scratch + round_up(t.part * t.taps, LINE)
        turn_part(t, part, 0, t.icg, scratch, packed)
    for run in range(runs(t)):
        line, tap = run // ways, run % ways
        j = 0
        while j < n:
            finish.col_bias = at(bias, j)
            multiply_run(t, x, p0, p1, line // t.s.kh, line % t.s.kh, <const real *> packed + j * t.icg,
                         min(stripe, n - j), out + tap * t.s.ic + j, &finish)
            j += stripe
        packed += tiles(t, outputs) * width * t.icg


def spread(tuple geometry, input, weight, bias, output, real like, int threads):
    """Transposed convolution; arguments as of `gather.spread` but channels last, kernels undilated and no larger than
    the stride. Along w none of their results is cut off. Outputs that no pixel reaches are left as they are.
    """
    cdef operand w = five(weight, OWN_RANK), x = five(input, 3), out = five(output, 3)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), each, shared, biases, i, j
    cdef Py_ssize_t[5] strides
    cdef const real *bs = <const real *> first_of(bias)
    cdef char *memory
    cdef real *repeated
    read_shape(&t.s, geometry)
    t.n, t.taps = x.shape[0], t.s.kd * t.s.kh * t.s.kw
    t.icg, t.ocg = t.s.oc // t.s.groups, t.s.ic // t.s.groups
    read_strides(strides, x.shape, x.strides, size, True)
    t.xn, t.xd, t.xh, t.xw = strides[0], strides[2], strides[3], strides[4]
    t.finish.accumulate = t.finish.clamp = 0
    t.finish.chain = CHUNK
    t.finish.row_bias = t.finish.col_bias = NULL
    t.finish.next_rows = 0
    plan(&t, size, threads)
    each = round_up(t.part * t.taps, LINE) + (t.turned if t.alone else 0)
    shared = 0 if t.alone else t.s.groups * t.parts * t.turned
    biases = round_up(t.s.kw * t.s.ic, LINE) if bs != NULL else 0
    memory = borrow("disjoint_last", (shared + biases + each * threads) * size)
    t.x, t.w, t.out, t.packed, t.bias = x.data, w.data, out.data, memory, NULL
    repeated = <real *> memory + shared
    with nogil:
        if bs != NULL:                      # for each tap of a kernel's row
            t.bias = repeated
            for j in range(t.s.kw):
                for i in range(t.s.ic):
                    repeated[j * t.s.ic + i] = bs[i]
        if not t.alone:
            each_piece(<Piece> turn_some[real], &t, t.s.groups * t.parts * ceil_div(t.icg, TURNED), threads,
                       repeated + biases, each * size)
        each_piece(<Piece> one_item[real], &t, t.n * t.s.groups * t.parts * t.blocks, threads, repeated + biases,
                   each * size)
    give_back(memory)
