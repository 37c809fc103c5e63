"""Pooling of every window to one value: its largest element, its sum, or its mean.

Any window is taken apart, rows first (`pool_rows.pxd`). The common ones over channels-first planes are walked in strips
instead (`strips.h`), as are others two to four columns apart (`strided.h`), whole planes are spans (`spans.h`), and
narrow planes are turned first (`turned.pxd`).

Every output is computed whole by one thread, in an order that depends on the geometry alone.
"""

from libc.string cimport memset

from fastconv._kernels.far cimport FAR, fresh_taps
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport five, operand
from fastconv._kernels.pool_rows cimport Call, some_rows
from fastconv._kernels.pool_work cimport Work, by_table, divide
from fastconv._kernels.rows cimport Along, span, span_lanes, spans
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.split cimport Split, split_table
from fastconv._kernels.strided cimport STRIDED_LEAST, Strided, in_strides, strided_for
from fastconv._kernels.strips cimport Strips, in_strips, parts_of, strips_for
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.turned cimport Blocks, blocks_for, turn_in, turn_out, turned_strides
from fastconv._kernels.window cimport (
    PoolShape, Strides, counts_along, number, pool_shape, start_along, strides_of, taps_along,
)

cdef enum:
    MOST_LANES = 64                    # of a vector
    FEWER = 4                          # times fewer parts, where each combines two rows that the one before has too


cdef struct WholePlanes:
    const PoolShape *s
    const Strides *t
    const void *x
    void *out
    Py_ssize_t count


cdef void some_planes(const WholePlanes *c, Py_ssize_t group, number *lanes) noexcept nogil:
    """One value for each of the planes of one row in a group: as many as a vector has lanes, or are left."""
    cdef const PoolShape *s = c.s
    cdef const Strides *t = c.t
    cdef Py_ssize_t most = span_lanes(sizeof(number)), first = group * most, count = min(most, c.count - first), i
    cdef Py_ssize_t image = first // t.channels, channel = first % t.channels
    cdef number *by = lanes + most * most
    cdef Along where[MOST_LANES]
    for i in range(count):
        where[i].start, where[i].taps, where[i].after = image * t.n + channel * t.c, s.iw, 0
        by[i] = <number> s.iw
        channel += 1
        if channel == t.channels:
            channel = 0
            image += 1
    span(lanes, <const number *> c.x, <const Along *> where, count, s.maximum)
    spans(<number *> c.out + first, lanes, count, NULL if s.maximum else by, s.maximum)


cdef int whole_planes(
    const number *x, number *out, Py_ssize_t n, const Strides *t, const PoolShape *s, int threads,
) except -1:
    """One value for each plane of one row that fills a vector, channels-first."""
    cdef WholePlanes call = WholePlanes(s, t, x, out, n * t.channels)
    cdef Py_ssize_t lanes = span_lanes(sizeof(number)), own = lanes * (lanes + 1) * <Py_ssize_t> sizeof(number)
    cdef char *scratch = borrow("pooling", own * threads)
    memset(scratch, 0, own * threads)
    with nogil:
        each_piece(<Piece> some_planes[number], &call, (call.count + lanes - 1) // lanes, threads, scratch, own)
    give_back(scratch)
    return 0


cdef struct Tables:
    void *counts                       # divisors' factors along the row, unless all are alike
    void *scratch
    void *memory


cdef void lay_steps(Split *table, Py_ssize_t *taps, const PoolShape *s, Work *w, Py_ssize_t size) noexcept nogil:
    """Where the taps of windows lie in a row, or among its slots, and the table by which vectors of them are picked."""
    cdef Py_ssize_t step = s.dw * w.pixel, k
    for k in range(s.kw):
        taps[k] = k * step
        if w.slot:
            taps[k] = k * w.slot if s.kw <= s.sw else k * s.dw % s.sw * w.slot + k * s.dw // s.sw * w.pixel
    if by_table(s, w.pixel, size):
        split_table(table, w.pixel * size, s.sw)
    w.steps.taps, w.steps.split = taps, table


cdef void lay_windows(Along *where, const PoolShape *s, Work *w) noexcept nogil:
    """Where windows lie along a row."""
    cdef Py_ssize_t j
    for j in range(s.ow):
        where[j].start, where[j].taps = start_along(s, j), taps_along(s, j)
        where[j].after = s.iw - where[j].start - where[j].taps
    w.where = where


cdef void lay_counts(number *counts, const PoolShape *s, const Work *w) noexcept nogil:
    """The divisor's factor of each window, or of each of its elements for a step along."""
    cdef Py_ssize_t j, i, pixel = w.pixel if w.block else 1
    counts_along(counts, s)
    for j in range(s.ow - 1, -1 if pixel > 1 else s.ow - 1, -1):       # from behind, since pixels grow in place
        for i in range(pixel):
            counts[j * pixel + i] = counts[j]


cdef Tables lay_out(const PoolShape *s, Work *w, Py_ssize_t own, const number *like, int threads) except *:
    """What all rows share, and `own` elements of scratch for each thread, whole cache lines that start on one."""
    cdef Tables m
    cdef bint each = not s.maximum and not (w.block and w.count)
    cdef Py_ssize_t counts = s.ow * (w.pixel if w.block else 1) + MOST_LANES if each else 0
    cdef Py_ssize_t tables = sizeof(Split) + s.kw * sizeof(Py_ssize_t) if w.block else s.ow * sizeof(Along)
    cdef Py_ssize_t shared = round_up(tables + counts * <Py_ssize_t> sizeof(number), LINE)
    cdef Py_ssize_t size = shared + own * threads * <Py_ssize_t> sizeof(number)
    m.memory = borrow("pooling", size)
    memset(m.memory, 0, size)
    m.counts = <char *> m.memory + tables
    m.scratch = <char *> m.memory + shared
    if w.block:
        lay_steps(<Split *> m.memory, <Py_ssize_t *> (<Split *> m.memory + 1), s, w, sizeof(number))
    else:
        lay_windows(<Along *> m.memory, s, w)
    if each:
        lay_counts(<number *> m.counts, s, w)
    return m


cdef int in_rows(
    const number *x, number *out, Py_ssize_t n, const Strides *t, PoolShape *s, number blank, int threads, bint last,
) except -1:
    """Any windows, row by row of outputs."""
    cdef Work w = divide(s, t, sizeof(number), last)
    cdef Py_ssize_t slabs = n * s.od * (1 if last else t.channels)
    cdef Tables m = lay_out(s, &w, w.size, x, threads)
    cdef Py_ssize_t parts = parts_of(slabs * (FEWER if w.flow else 1), s.oh, threads)
    cdef Call call = Call(s, t, &w, x, out, &blank, m.counts, parts, last)
    if last:
        w.fresh = fresh_taps(s, n, w.pixel * sizeof(number), FAR)
    with nogil:
        each_piece(<Piece> some_rows[number], &call, slabs * call.parts, threads, m.scratch, w.size * sizeof(number))
    give_back(m.memory)
    return 0


cdef struct Turned:
    const Call *block                  # but for where it is and its outputs go
    const Blocks *b
    const Strides *t                   # of planes as they lie
    const void *x
    void *out


cdef void one_block(const Turned *c, Py_ssize_t item, number *scratch) noexcept nogil:
    """Block `item` of all, counted over the images."""
    cdef Call block = c.block[0]
    cdef number *source = scratch + block.w.size
    cdef number *result = source + c.b.source * c.b.channels
    cdef Py_ssize_t z
    turn_in(c.b, item, <const number *> c.x, c.t, block.s, source)
    block.x, block.out = source, result
    for z in range(block.s.od):
        some_rows(&block, z, scratch)
    turn_out(c.b, item, c.t.channels, <const number *> result, <number *> c.out)


cdef int in_blocks(
    const number *x, number *out, Py_ssize_t n, const Strides *t, PoolShape *s, const Blocks *b, number blank,
    int threads,
) except -1:
    """Narrow planes: see `turned.pxd`."""
    cdef Strides dense = turned_strides(b, s)
    cdef Work w = divide(s, &dense, sizeof(number), True)
    cdef Py_ssize_t own = w.size + round_up((b.source + b.result) * b.channels, LINE)
    cdef Tables m = lay_out(s, &w, own, x, threads)
    cdef Call block = Call(s, &dense, &w, NULL, NULL, &blank, m.counts, 1, True)
    cdef Turned call = Turned(&block, b, t, x, out)
    with nogil:
        each_piece(<Piece> one_block[number], &call, n * b.count, threads, m.scratch, own * sizeof(number))
    give_back(m.memory)
    return 0


cdef bint side_by_side(PoolShape *s, Strides *t, Py_ssize_t many, Py_ssize_t step) noexcept nogil:
    """Let `many` images of one row, `step` elements from each other, be the rows of one; False if they have more."""
    if s.id * s.ih * s.kd * s.kh * s.od * s.oh > 1:
        return False
    s.ih, s.oh, s.sh, t.h = many, many, 1, step
    return True


def first(tuple geometry, input, output, int rank, number blank, int threads):
    """Pool `input` into `output`, both (n, c, *spatial) or (c, *spatial) of `rank` spatial axes, channels-first.

    The input has unit stride along w, the output is C-contiguous, neither is empty and they do not overlap; both are of
    the type of `blank`, what changes nothing: the lowest value or zero. Every element of the output is written. An
    adaptive geometry of one axis and one output may stand for planes whose elements all lie next to each other.
    """
    cdef operand x = five(input, rank), out = five(output, rank)
    cdef PoolShape s = pool_shape(geometry)
    cdef Strides t = strides_of(x.shape, x.strides, sizeof(number))
    cdef Strips f = strips_for(&s, &t, sizeof(number))
    cdef Strided apart
    cdef Blocks b
    cdef const number *xs = <const number *> x.data
    cdef number *to = <number *> out.data
    if f.bytes:
        in_strips(xs, to, x.shape[0], &t, &s, &f, blank, threads)
    elif s.adaptive and s.id * s.ih == 1 and s.od * s.oh * s.ow == 1 and s.iw >= span_lanes(sizeof(number)) > 0:
        whole_planes(xs, to, x.shape[0], &t, &s, threads)
    else:
        b = blocks_for(&s, t.channels, sizeof(number), sizeof(number), False)
        if b.channels == 0 and side_by_side(&s, &t, t.channels, t.c):
            t.channels = 1
        apart = strided_for(&s, &t, x.shape[0], sizeof(number))
        if apart.bytes and (b.channels == 0 or s.ow >= STRIDED_LEAST):
            in_strides(xs, to, x.shape[0], &t, &s, &apart, blank, threads)
        elif b.channels:
            in_blocks(xs, to, x.shape[0], &t, &s, &b, blank, threads)
        else:
            in_rows(xs, to, x.shape[0], &t, &s, blank, threads, False)


def last(tuple geometry, input, output, int rank, number blank, int threads):
    """Pool `input` into `output`, channels-last.

    The input has unit stride along c, the output is contiguous with its channels last; otherwise as `first`, and what
    may stand for one axis are pixels at equal distances.
    """
    cdef operand x = five(input, rank), out = five(output, rank)
    cdef PoolShape s = pool_shape(geometry)
    cdef Strides t = strides_of(x.shape, x.strides, sizeof(number))
    cdef Py_ssize_t n = 1 if side_by_side(&s, &t, x.shape[0], t.n) else x.shape[0]
    in_rows(<const number *> x.data, <number *> out.data, n, &t, &s, blank, threads, True)
