"""Transposed convolution with kernels no larger than the stride: each output has one input pixel and one tap.

    out[o, z * sd + a, y * sh + i, x * sw + j] = bias[o] + sum over c of  in[c, z, y, x] * weight[c, o, a, i, j]

That is one matrix product, of the weights as they lie, turned, with the pixels as they lie. Its rows are outputs of a
pixel, (o, a, i, j), and those that differ in j alone, neighbours in the result, make a *line*: the register tile weaves
them (`woven_tile.h`) and stores whole vectors where they belong, so that the result is written once. What a vector of
pixels gives that reaches into the next row, or over the border of a result that is cut off, goes by way of a buffer in
L1. What the next products read is asked for while these are made.

Channels-first memory. Work is split over images, groups, blocks of pixels and lines; no sum depends on that.
"""

from fastconv._kernels.ahead cimport Ahead, ask
from fastconv._kernels.copy cimport copy_rows
from fastconv._kernels.disjoint cimport (
    TURNED, VECTORS, WIDEST, Run, Task, copy_lines, cut, place, place_lines, plan, tile_lines
)
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.shape cimport at, read_shape, read_strides, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.tile cimport CHUNK, TILE_ROWS, fetch_ahead, tile, tile_finish, tile_width
from fastconv._kernels.turn cimport clear_beside, turn_block

cdef extern from "woven_tile.h" nogil:
    void woven_tile(size_t size, Py_ssize_t ways, Py_ssize_t lines, Py_ssize_t vectors, Py_ssize_t kc, const void *a,
                    Py_ssize_t lda, const void *b, Py_ssize_t ldb, void *const *to, const tile_finish *finish)


cdef struct Call:
    const Task *t
    const void *x
    const void *w
    void *turned                # weights of all groups, unless each thread turns its own
    const void *bias            # of each row
    void *out


cdef void multiply_columns(
    const Task *t, const real *a, const real *b, Py_ssize_t l0, Py_ssize_t l1, Py_ssize_t p, Py_ssize_t n, real *out,
    tile_finish finish, Ahead *ahead,
) noexcept nogil:
    """Lines [l0, l1) of n pixels, at most a tile's width, from p on."""
    cdef Py_ssize_t lanes = lanes_of(sizeof(real)), ways = t.s.kw, vectors = ceil_div(n, lanes), i = l0, r, piece
    cdef Py_ssize_t tiles = ceil_div(l1 - l0, tile_lines(ways)), ldb = tile_width(sizeof(real)), step = lanes * ways
    cdef Py_ssize_t count = 0, cuts = 0, m, j
    cdef const real *bias = <const real *> finish.row_bias
    cdef Run runs[WIDEST]
    cdef Py_ssize_t where[VECTORS]
    cdef void *to[TILE_ROWS * VECTORS]
    cdef real woven[TILE_ROWS * WIDEST]
    for j in range(vectors):
        where[j] = place(t, p + j * lanes, lanes) if (j + 1) * lanes <= n else -1
        if where[j] >= 0:
            count += cut(t, p + cuts * lanes, (j - cuts) * lanes, cuts * step, runs + count)
            cuts = j + 1
    count += cut(t, p + cuts * lanes, n - cuts * lanes, cuts * step, runs + count)
    for piece in range(tiles):
        r = ceil_div(l1 - i, tiles - piece)
        finish.row_bias = at(bias, i * ways)
        ask(ahead, False)
        for m in range(r):
            for j in range(vectors):
                if where[j] < 0:
                    to[m * vectors + j] = woven + (m * vectors + j) * step
                else:
                    to[m * vectors + j] = out + t.line[i + m] + where[j]
                    fetch_ahead(to[m * vectors + j], step * sizeof(real))
        woven_tile(sizeof(real), ways, r, vectors, t.icg, a, t.leading, b, ldb, to, &finish)
        if count > 0:
            copy_lines(t, runs, count, <const real *> woven, vectors * step, i, r, out)
        a += r * ways * t.leading
        i += r


cdef void multiply_left(
    const Task *t, const real *w, const real *b, Py_ssize_t l0, Py_ssize_t l1, real *patches, real *out,
    tile_finish finish,
) noexcept nogil:
    """Lines [l0, l1) of the last pixels, with lanes along rows of the product, of weights as they lie.

    A vector that would reach beyond all weights ends with them and begins earlier.
    """
    cdef Py_ssize_t ways = t.s.kw, ldb = tile_width(sizeof(real)), most = ldb // ways, p = t.pixels - t.left
    cdef Py_ssize_t first = l0, i, j, q, some, count, row, before
    cdef const real *bias = <const real *> finish.row_bias
    cdef Run runs[WIDEST]
    cdef real plain[TILE_ROWS * WIDEST]
    cdef real woven[TILE_ROWS * WIDEST]
    finish.row_bias = NULL
    count = cut(t, p, t.left, 0, runs)
    turn_block(sizeof(real), t.icg, t.left, b, ldb, patches, t.icg)
    while first < l1:
        some = min(most, l1 - first)
        row = min(first * ways, t.rows - lanes_of(sizeof(real)))
        before = first * ways - row
        finish.col_bias = at(bias, row)
        tile(sizeof(real), t.left, before + some * ways, t.icg, patches, t.icg, w + row, t.rows, plain, ldb, &finish)
        for i in range(some):
            for q in range(t.left):
                for j in range(ways):
                    woven[(i * t.left + q) * ways + j] = plain[q * ldb + before + i * ways + j]
        copy_lines(t, runs, count, <const real *> woven, t.left * ways, first, some, out)
        first += some


cdef void fill_panel(const Task *t, const real *x, Py_ssize_t p, Py_ssize_t n, real *panel) noexcept nogil:
    """All channels of pixels [p, p + n), row by row if rows do not follow each other."""
    cdef Py_ssize_t y, z, some
    clear_beside(n, t.icg, tile_width(sizeof(real)), panel)
    while n > 0:
        y, z = p // t.s.ow % t.s.oh, p // (t.s.ow * t.s.oh)
        some = n if t.flat else min(t.s.ow - p % t.s.ow, n)
        copy_rows(sizeof(real), panel, tile_width(sizeof(real)), x + z * t.xd + y * t.xh + p % t.s.ow, t.xc, t.icg,
                  some)
        panel += some
        p += some
        n -= some


cdef void one_item(const Call *c, Py_ssize_t item, real *scratch) noexcept nogil:
    """Some lines of a block."""
    cdef const Task *t = c.t
    cdef Py_ssize_t width = tile_width(sizeof(real)), block = item % t.blocks, rest = item // t.blocks
    cdef Py_ssize_t part = rest % t.parts, g = rest // t.parts % t.s.groups, image = rest // t.parts // t.s.groups
    cdef Py_ssize_t first = block * t.block, end = min(first + t.block, t.pixels), stop = min(end, t.pixels - t.left)
    cdef Py_ssize_t l0 = part * t.part, l1, last = min(l0 + t.part, t.lines), p, n, tiles
    cdef const real *a
    cdef real *b
    cdef const real *x = <const real *> c.x + image * t.xn + g * t.icg * t.xc
    cdef const real *w = <const real *> c.w + g * t.icg * t.rows
    cdef const real *turned = <const real *> c.turned + g * t.rows * t.leading
    cdef real *out = <real *> c.out + (image * t.s.groups + g) * t.ocg * t.s.id * t.s.ih * t.s.iw
    cdef tile_finish finish = t.finish
    cdef Ahead ahead
    finish.row_bias = at(<const real *> c.bias, g * t.rows)
    while l0 < last:
        l1 = min(l0 + t.chunk, last)
        tiles = ceil_div(l1 - l0, tile_lines(t.s.kw))
        a = turned + l0 * t.s.kw * t.leading
        ahead.rows = 0
        if t.turned:
            turn_block(sizeof(real), t.icg, (l1 - l0) * t.s.kw, w + l0 * t.s.kw, t.rows, scratch, t.leading)
            a = scratch
            if l1 < last:
                ahead = Ahead(<const char *> (w + l1 * t.s.kw), t.rows * sizeof(real), t.icg,
                              ceil_div(t.icg, tiles * ceil_div(end - first, width)), t.chunk * t.s.kw * sizeof(real))
        p = first
        while p < end:
            n = min(width, (stop if p < stop else end) - p)
            b = scratch + t.turned + (0 if t.chunk == t.part else ceil_div(p - first, width) * width * t.icg)
            if l0 == part * t.part:
                fill_panel(t, x, p, n, b)
            if t.chunk == t.part and t.flat and p + n < stop:
                ahead = Ahead(<const char *> (x + p + n) + LINE - sizeof(real), t.xc * sizeof(real), t.icg,
                              ceil_div(t.icg, tiles), width * sizeof(real))     # the first line is here already
            if p < stop:
                multiply_columns(t, a, <const real *> b, l0, l1, p, n, out, finish, &ahead)
            else:
                multiply_left(t, w, <const real *> b, l0, l1, scratch + t.turned + t.panel - t.icg * TILE_ROWS, out,
                              finish)
            p += n
        l0 = l1


cdef void turn_rows(const Call *c, Py_ssize_t item, real *_scratch) noexcept nogil:
    """Some rows of the weights of a group."""
    cdef const Task *t = c.t
    cdef Py_ssize_t pieces = ceil_div(t.rows, TURNED), g = item // pieces, r = item % pieces * TURNED
    turn_block(sizeof(real), t.icg, min(TURNED, t.rows - r), <const real *> c.w + g * t.icg * t.rows + r, t.rows,
               <real *> c.turned + (g * t.rows + r) * t.leading, t.leading)


def spread(tuple geometry, input, weight, bias, output, real like, int threads):
    """Transposed convolution; arguments as of `gather.spread`, kernels undilated and no larger than the stride.

    Along w kernel and stride are the same, 2 to 4. Outputs that no pixel reaches are left as they are.
    """
    cdef operand w = five(weight, OWN_RANK), x = five(input, 3), out = five(output, 3)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), each, shared, biases, table, i
    cdef Call call
    cdef const real *bs = <const real *> first_of(bias)
    cdef char *turned
    cdef real *repeated
    read_shape(&t.s, geometry)
    t.n = x.shape[0]
    t.icg, t.ocg = t.s.oc // t.s.groups, t.s.ic // t.s.groups
    read_strides(&t.xn, x.shape, x.strides, size, False)
    t.flat = t.xh == t.s.ow * t.xw and t.xd == t.s.oh * t.xh
    t.finish.accumulate = t.finish.clamp = 0
    t.finish.chain = CHUNK
    t.finish.row_bias = t.finish.col_bias = NULL
    t.finish.next_rows = 0
    plan(&t, size, threads)
    each = round_up((t.turned + t.panel) * size, LINE)
    shared = 0 if t.turned else t.s.groups * t.rows * t.leading * size
    biases = round_up(t.s.groups * t.rows * size, LINE) if bs != NULL else 0
    table = round_up(t.lines * sizeof(Py_ssize_t), LINE)
    turned = borrow("disjoint", shared + biases + table + each * threads)
    repeated = <real *> (turned + shared)
    t.line = <Py_ssize_t *> (turned + shared + biases)
    call = Call(&t, x.data, w.data, turned, NULL, out.data)
    with nogil:
        place_lines(&t, t.line)
        if bs != NULL:
            call.bias = repeated
            for i in range(t.s.groups * t.rows):
                repeated[i] = bs[i // (t.s.kd * t.s.kh * t.s.kw)]
        if not t.turned:
            each_piece(<Piece> turn_rows[real], &call, t.s.groups * ceil_div(t.rows, TURNED), threads)
        each_piece(<Piece> one_item[real], &call, t.n * t.s.groups * t.parts * t.blocks, threads,
                   <char *> t.line + table, each)
    give_back(turned)
