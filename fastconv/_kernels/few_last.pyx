"""Direct convolution of channels-last images to few output channels of a group: lanes along input channels.

The register tile would have idle lanes, and a copy to channels-first would take longer than the products. What a pixel
sees is cut into runs of elements that lie side by side: all channels of a tap, or without groups and dilation of a row
of taps. Pixels that see no padding read them in the image, of the others they are copied to patches of whole vectors.

    K                  (runs, elements of a run), each run filled up with zeros to whole vectors
    weights            (group, part of the output channels, K in vectors, channel of the part, lane)

A sum is taken over CHUNK vectors at a time, which makes its order a matter of the weights' shape alone.
"""

from libc.string cimport memcpy

from fastconv._kernels.few_last cimport FEW_COLS, few_finish, few_rows, few_runs, few_tile
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div, clip, end_inside, first_inside, zeros
from fastconv._kernels.product cimport LINE, Item, Task, begin, divide, item_at, items, round_up
from fastconv._kernels.scratch cimport borrow
from fastconv._kernels.shape cimport ConvShape, read_shape, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.stage_last cimport copy_seen
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.tile cimport CHUNK
from fastconv._kernels.turn cimport turn_block

cdef enum:
    MOST_SUMS = 16              # of a tile, which has no more pixels
    BLOCK = 2048                # pixels of a piece of work


cdef struct Runs:
    Py_ssize_t n, length, pieces        # runs and their elements; of at most CHUNK vectors, so many pieces each
    Py_ssize_t run, patch               # elements of one and of all in whole vectors
    Py_ssize_t part, parts              # output channels of a tile; tiles of a group
    Py_ssize_t rows                     # pixels of the tile of fewest of them
    Py_ssize_t together                 # pieces that are summed at a time
    few_runs image, copy                # the pieces as they lie in the image, and in a patch
    bint merged                         # a run is a row of taps, else one tap


cdef struct Pack:
    const ConvShape *s
    const Runs *runs
    const void *w
    void *to


cdef struct Call:
    const Task *t
    const Runs *runs
    const void *x
    const void *w                       # packed
    const void *biases                  # of each sum of a tile
    void *out


cdef struct Pixels:
    Py_ssize_t n                        # that wait to be summed together, at most MOST_SUMS:
    const void *seen[MOST_SUMS]         # what they see,
    void *out[MOST_SUMS]                # and where their sums go
    const few_runs *runs


cdef void plan(Runs *r, const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """Everything but the tables."""
    cdef Py_ssize_t icg = s.ic // s.groups, lanes = lanes_of(size)
    r.merged = s.groups == 1 and s.dw == 1 and s.kw > 1
    r.n = s.kd * s.kh * (1 if r.merged else s.kw)
    r.length = icg * (s.kw if r.merged else 1)
    r.pieces = max(ceil_div(r.length, CHUNK * lanes), 1)
    r.run = round_up(r.length, lanes)
    r.patch = r.n * r.run
    r.parts = max(ceil_div(s.oc // s.groups, <Py_ssize_t> FEW_COLS), 1)
    r.part = max(ceil_div(s.oc // s.groups, r.parts), 1)
    r.rows = few_rows(size, max(s.oc // s.groups - (r.parts - 1) * r.part, <Py_ssize_t> 1))
    r.together = max(CHUNK * lanes // max(r.run, 1), 1)


cdef void fill(Runs *r, const Task *t, Py_ssize_t size, Py_ssize_t *table) noexcept nogil:
    """The tables of a plan, which have four items for each piece."""
    cdef Py_ssize_t lanes = lanes_of(size), most = CHUNK * lanes, cols = 1 if r.merged else t.s.kw
    cdef Py_ssize_t i, n, at, first, m = 0
    cdef Py_ssize_t *whole = table
    cdef Py_ssize_t *rest = whole + r.n * r.pieces
    cdef Py_ssize_t *image = rest + r.n * r.pieces
    cdef Py_ssize_t *copy = image + r.n * r.pieces
    r.image.at, r.image.whole, r.image.rest, r.image.ahead = image, whole, rest, 0
    for i in range(lanes * size):
        r.image.inside[i] = -1 if i < r.length % lanes * size else 0
    r.copy = r.image
    r.copy.at = copy
    if t.depth == t.icg:                # pixels follow each other, of few vectors each
        r.image.ahead = few_rows(size, r.part) * t.s.sw * t.xw
    for i in range(r.n):
        at = i // (cols * t.s.kh) * t.s.dd * t.xd + i // cols % t.s.kh * t.s.dh * t.xh + i % cols * t.s.dw * t.xw
        for n in range(r.pieces):
            first = n * most
            whole[m] = min(r.length - first, most) // lanes
            rest[m] = min(r.length - first, most) % lanes
            image[m] = at + first
            copy[m] = i * r.run + first
            m += 1


cdef void repack(const Pack *p, Py_ssize_t o, real *turned) noexcept nogil:
    """Copy the weights of an output channel, (c, taps), to where its vectors are."""
    cdef const Runs *r = p.runs
    cdef Py_ssize_t lanes = lanes_of(sizeof(real)), taps = p.s.kd * p.s.kh * p.s.kw, icg = p.s.ic // p.s.groups
    cdef Py_ssize_t ocg = p.s.oc // p.s.groups, first = o % ocg // r.part * r.part, cols = min(r.part, ocg - first)
    cdef Py_ssize_t some, k, _
    cdef real *to = <real *> p.to + (o // ocg * ocg + first) * r.patch + (o % ocg - first) * lanes
    turn_block(sizeof(real), icg, taps, <const real *> p.w + o * icg * taps, taps, turned, icg)
    for _ in range(r.n):
        for k in range(r.run // lanes):
            some = min(lanes, r.length - k * lanes)
            memcpy(to, turned + k * lanes, some * sizeof(real))
            zeros(to + some, lanes - some)
            to += lanes * cols
        turned += r.length


cdef void repeat_biases(const ConvShape *s, const Runs *r, const real *bias, real *to) noexcept nogil:
    """To MOST_SUMS of each tile: of its outputs, for one pixel after the other."""
    cdef Py_ssize_t ocg = s.oc // s.groups, n, i, first
    for n in range(s.groups * r.parts):
        first = n % r.parts * r.part
        for i in range(MOST_SUMS):
            to[i] = 0 if bias == NULL else bias[n // r.parts * ocg + first + i % min(r.part, ocg - first)]
        to += MOST_SUMS


cdef void flush(const Call *c, Pixels *p, const real *w, const real *bias) noexcept nogil:
    """Sum the pixels that wait; packed weights and biases begin at their group."""
    cdef const Task *t = c.t
    cdef const Runs *r = c.runs
    cdef Py_ssize_t n, cols, i, m0, m1, pieces = r.n * r.pieces
    cdef few_finish finish
    if p.n == 0:
        return
    for i in range(p.n, r.rows):
        p.seen[i] = p.seen[p.n - 1]
    finish.out, finish.pixels, finish.lo, finish.hi = p.out, p.n, t.finish.lo, t.finish.hi
    finish.dense = r.part == t.s.oc and p.out[p.n - 1] == <void *> (<real *> p.out[0] + (p.n - 1) * t.s.oc)
    for n in range(r.parts):
        cols = min(r.part, t.ocg - n * r.part)
        finish.bias = bias + n * MOST_SUMS
        m0 = 0
        while m0 < pieces:
            m1 = min(m0 + r.together, pieces)
            finish.begins, finish.clamp = m0 == 0, t.finish.clamp and m1 == pieces
            few_tile(sizeof(real), cols, p.seen, p.runs, m0, m1, w + r.copy.at[m0] * cols, &finish)
            m0 = m1
        w += r.patch * cols
        for i in range(p.n if r.parts > 1 else 0):
            p.out[i] = <real *> p.out[i] + cols
    p.n = 0


cdef Py_ssize_t read_in_place(
    const Call *c, Py_ssize_t iz, Py_ssize_t iy, Py_ssize_t o0, Py_ssize_t o1, Py_ssize_t *first,
) noexcept nogil:
    """Which of the pixels [o0, o1) of a row that sees the image from (iz, iy) on read it as it lies: [first, result).

    No run's whole vectors may reach beyond the image, whose rows may lie in either order; mirrored ones are not read.
    """
    cdef const Task *t = c.t
    cdef Py_ssize_t far = (t.s.kw - 1) * t.s.dw - t.s.pw, end
    cdef Py_ssize_t room = (t.s.iw - 1) * t.xw - (c.runs.run - c.runs.length)
    cdef Py_ssize_t last_z = iz + (t.s.kd - 1) * t.s.dd, last_y = iy + (t.s.kh - 1) * t.s.dh
    first[0] = o0
    if iz < 0 or last_z >= t.s.id or iy < 0 or last_y >= t.s.ih or t.xw < 0 or (c.runs.merged and t.xw != t.icg):
        return o0
    room += (t.s.id - 1 - last_z) * t.xd if t.xd > 0 else -iz * t.xd    # behind the plane and the row, of those seen,
    room += (t.s.ih - 1 - last_y) * t.xh if t.xh > 0 else -iy * t.xh    # nearest to the end of the image
    first[0] = clip(first_inside(-t.s.pw, t.s.sw), o0, o1)
    end = clip(end_inside(far, t.s.sw, t.s.iw), first[0], o1)
    while end > first[0] and ((end - 1) * t.s.sw + far) * t.xw > room:
        end -= 1
    return end


cdef void row(
    const Call *c, Pixels *inside, Pixels *others, const real *x, const real *w, const real *bias, real *out,
    real *patches, Py_ssize_t p0, Py_ssize_t p1,
) noexcept nogil:
    """Pixels [p0, p1) of one row of output; x, packed weights, biases and out begin at a group of an image."""
    cdef const Task *t = c.t
    cdef Py_ssize_t most = few_rows(sizeof(real), c.runs.part), y = p0 // t.s.ow, p = p0 - y * t.s.ow, first, end, o
    cdef Py_ssize_t iz = y // t.s.oh * t.s.sd - t.s.pd, iy = y % t.s.oh * t.s.sh - t.s.ph
    cdef const real *seen = x + iz * t.xd + iy * t.xh - t.s.pw * t.xw
    end = read_in_place(c, iz, iy, p, p + p1 - p0, &first)
    out += y * t.s.ow * t.s.oc
    for o in range(p, p + p1 - p0):
        if first <= o < end:
            inside.seen[inside.n] = seen + o * t.s.sw * t.xw
            inside.out[inside.n] = out + o * t.s.oc
            inside.n += 1
            if inside.n == most:
                flush(c, inside, w, bias)
        else:
            copy_seen(&t.s, x, t.xd, t.xh, t.xw, t.icg, y // t.s.oh, y % t.s.oh, o, patches + others.n * c.runs.patch,
                      t.icg if c.runs.merged else c.runs.run, c.runs.run if c.runs.merged else t.s.kw * c.runs.run)
            others.seen[others.n] = patches + others.n * c.runs.patch
            others.out[others.n] = out + o * t.s.oc
            others.n += 1
            if others.n == most:
                flush(c, others, w, bias)


cdef void one_item(const Call *c, Py_ssize_t i, real *scratch) noexcept nogil:
    cdef const Task *t = c.t
    cdef Item item = item_at(t, i)
    cdef Py_ssize_t first = item.group * t.ocg, p = item.p0, end
    cdef const real *x = <const real *> c.x + item.image * t.xn + item.group * t.icg
    cdef real *out = <real *> c.out + item.image * t.pixels * t.s.oc + first
    cdef const real *w = <const real *> c.w + first * c.runs.patch
    cdef const real *bias = <const real *> c.biases + item.group * c.runs.parts * MOST_SUMS
    cdef Pixels inside, others
    inside.n = others.n = 0
    inside.runs, others.runs = &c.runs.image, &c.runs.copy
    while p < item.p1:
        end = min((p // t.s.ow + 1) * t.s.ow, item.p1)
        row(c, &inside, &others, x, w, bias, out, scratch, p, end)
        p = end
    flush(c, &inside, w, bias)
    flush(c, &others, w, bias)


def packed_layout(tuple geometry):
    """Packed weights depend on what is a run besides the weights."""
    cdef ConvShape s
    cdef Runs runs
    read_shape(&s, geometry)
    plan(&runs, &s, sizeof(float))
    return (runs.merged,)


def packed_size(tuple geometry, real like):
    """Elements that packed weights take, of the type of `like`."""
    cdef ConvShape s
    cdef Runs runs
    read_shape(&s, geometry)
    plan(&runs, &s, sizeof(real))
    return s.oc * runs.patch


def pack(tuple geometry, weight, real[:] packed, int threads):
    """Pack the weights once, for calls of `conv` with any input; `packed` has `packed_size` elements."""
    cdef ConvShape s
    cdef Runs runs
    cdef Pack packing = Pack(&s, &runs, first_of(weight), &packed[0])
    cdef Py_ssize_t each
    cdef char *scratch
    read_shape(&s, geometry)
    plan(&runs, &s, sizeof(real))
    each = round_up(runs.patch * sizeof(real), LINE)
    scratch = borrow("few_last", each * threads)
    with nogil:
        each_piece(<Piece> repack[real], &packing, s.oc, threads, scratch, each)
    give_back(scratch)


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads, packed=None):
    """Convolve: as `conv` of `direct_last.pyx`."""
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Task t
    cdef Runs runs
    cdef Py_ssize_t size = sizeof(real), each, own, table
    cdef Call call = Call(&t, &runs, x.data, first_of(packed), NULL, out.data)
    cdef Pack packing = Pack(&t.s, &runs, w.data, NULL)
    cdef const real *biases = <const real *> first_of(bias)
    cdef char *memory
    cdef char *scratch
    begin(&t, geometry, &x, lo, hi, True)
    plan(&runs, &t.s, size)
    divide(&t, BLOCK, MOST_SUMS, max(t.ocg, <Py_ssize_t> 1), threads)
    own = round_up((0 if packed is not None else t.s.oc * runs.patch) * size, LINE)
    table = round_up(4 * runs.n * runs.pieces * <Py_ssize_t> sizeof(Py_ssize_t), LINE)
    each = round_up(MOST_SUMS * runs.patch * size, LINE)
    memory = borrow("few_last", own + t.s.groups * runs.parts * MOST_SUMS * size + table + each * threads)
    fill(&runs, &t, size, <Py_ssize_t *> (memory + own))
    call.biases = memory + own + table
    scratch = memory + own + table + t.s.groups * runs.parts * MOST_SUMS * size
    with nogil:
        repeat_biases(&t.s, &runs, biases, <real *> (memory + own + table))
        if packed is None:
            call.w = packing.to = memory
            each_piece(<Piece> repack[real], &packing, t.s.oc, threads, scratch, each)
        each_piece(<Piece> one_item[real], &call, items(&t), threads, scratch, each)
    give_back(memory)
