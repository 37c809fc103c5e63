"""Max pooling with the place of each maximum: the flat index within its spatial plane, of the first of equals.

The common windows over channels-first planes and volumes have a way of their own (`strips_at.h`). The taps of others
are taken in the order of their indices, each for as many outputs as a vector holds, see `largest_at.h`: channels, if
they fill one (channels-last), else neighbours in a row, with all channels of their pixels. With padding, or pixels at a
stride, or fewer outputs than a vector has lanes, the rows of input under a row of outputs are first copied between
blanks:

    x  ---------------            ..---------------..      kd * kh rows, a blank at each place of the padding;
       ---------------     ->     ..---------------..      what lies beyond the image above or below is left out

Narrow planes, and those of adaptive or strided windows, are turned first (`turned.pxd`). Elements of one or two bytes,
windows too large to be staged, adaptive ones over large planes or few channels, and few outputs of windows that lie far
apart go tap by tap.
"""

from libc.stdint cimport int64_t

from fastconv._kernels.far cimport FAR_AT, fresh_taps
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport five, operand
from fastconv._kernels.pool_at_choice cimport choose
from fastconv._kernels.pool_at_rows cimport row_along, row_by_columns, row_of_narrow_pixels, row_of_pixels
from fastconv._kernels.pool_at_work cimport (
    ALONG, BY_TAPS, COLUMNS, PIXELS, Work, divide, lay_out, tables,
)
from fastconv._kernels.scratch cimport LINE, round_up
from fastconv._kernels.strips cimport Strips, parts_of, plane_of
from fastconv._kernels.strips_at cimport in_strips_at
from fastconv._kernels.tap_by_tap cimport row_by_taps
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.turned cimport Blocks, turn_in, turn_out, turned_strides
from fastconv._kernels.window cimport Place, PoolShape, Strides, number, place, pool_shape, strides_of


cdef struct Call:
    const PoolShape *s
    const Strides *t
    const Work *w
    const void *x
    void *out
    int64_t *index
    const void *blank
    Py_ssize_t parts                   # of the rows of outputs of a depth of a plane, or of an image if
    bint last                          # channels are last


cdef void some_rows(const Call *c, Py_ssize_t r, number *scratch) noexcept nogil:
    """Part `r` of all rows of outputs: `parts` of them make one depth of a plane, or of an image with `last`."""
    cdef PoolShape s = c.s[0]
    cdef const Strides *t = c.t
    cdef const Work *w = c.w
    cdef Py_ssize_t slab = r // c.parts, part = r % c.parts, plane = slab // s.od, z = slab % s.od, o
    cdef Py_ssize_t channels = t.channels if c.last else 1
    cdef Py_ssize_t row = s.ow * channels, first = (slab * s.oh + part * s.oh // c.parts) * row
    cdef const number *x = <const number *> c.x
    cdef const number *blank = <const number *> c.blank
    cdef number *out = <number *> c.out
    cdef Place at
    x = x + plane * t.n if c.last else plane_of(x, t, plane)
    for o in range(part * s.oh // c.parts, (part + 1) * s.oh // c.parts):
        at = place(&s, z, o)
        if sizeof(number) < 4 or w.way == BY_TAPS:
            row_by_taps(x, out + first, c.index + first, at, t, &s, channels)
        elif w.way == ALONG:
            row_along(x, out + first, c.index + first, at, t, &s, w, scratch, blank)
        elif w.way == COLUMNS:
            row_by_columns(x, out + first, c.index + first, at, t, &s, w, scratch, blank)
        elif w.way == PIXELS:
            row_of_pixels(x, out + first, c.index + first, at, t, &s, w, scratch)
        else:
            row_of_narrow_pixels(x, out + first, c.index + first, at, t, &s, w, scratch)
        first += row


cdef int in_rows(
    const number *x, number *out, int64_t *index, Py_ssize_t n, const Strides *t, PoolShape *s, number blank,
    int threads, bint last,
) except -1:
    """Row by row of outputs."""
    cdef Work w = divide(s, t, sizeof(number), last)
    cdef char *memory = lay_out(&w, s, w.size, blank, threads)
    cdef Py_ssize_t slabs = n * (1 if last else t.channels) * s.od
    cdef Call call = Call(s, t, &w, x, out, index, &blank, parts_of(slabs, s.oh, threads), last)
    if last:
        w.fresh = fresh_taps(s, n, w.pixel * sizeof(number), FAR_AT)
    with nogil:
        each_piece(
            <Piece> some_rows[number], &call, slabs * call.parts, threads, memory + tables(&w, sizeof(number)), w.size,
        )
    give_back(memory)
    return 0


cdef struct Turned:
    const Call *block                  # but for where it is and its outputs go
    const Blocks *b
    const Strides *t                   # of planes as they lie
    const void *x
    void *out
    int64_t *index


cdef void one_block(const Turned *c, Py_ssize_t item, number *scratch) noexcept nogil:
    """Block `item` of all, counted over the images."""
    cdef Call block = c.block[0]
    cdef Py_ssize_t made = c.b.result * c.b.channels, z
    cdef int64_t *places = <int64_t *> (<char *> scratch + block.w.size)
    cdef number *result = <number *> (places + made)
    cdef number *source = result + made
    turn_in(c.b, item, <const number *> c.x, c.t, block.s, source)
    block.x, block.out, block.index = source, result, places
    for z in range(block.s.od):
        some_rows(&block, z, scratch)
    turn_out(c.b, item, c.t.channels, <const number *> result, <number *> c.out)
    turn_out(c.b, item, c.t.channels, <const int64_t *> places, c.index)


cdef int in_blocks(
    const number *x, number *out, int64_t *index, Py_ssize_t n, const Strides *t, PoolShape *s, const Blocks *b,
    number blank, int threads,
) except -1:
    """Narrow planes: see `turned.pxd`."""
    cdef Strides dense = turned_strides(b, s)
    cdef Work w = divide(s, &dense, sizeof(number), True)
    cdef Py_ssize_t size = sizeof(number)
    cdef Py_ssize_t own = w.size + round_up(b.channels * (b.source * size + b.result * (size + 8)), LINE)
    cdef char *memory = lay_out(&w, s, own, blank, threads)
    cdef Call block = Call(s, &dense, &w, NULL, NULL, NULL, &blank, 1, True)
    cdef Turned call = Turned(&block, b, t, x, out, index)
    with nogil:
        each_piece(<Piece> one_block[number], &call, n * b.count, threads, memory + tables(&w, size), own)
    give_back(memory)
    return 0


def way_of_first(tuple geometry, input, int rank):
    """By which of its ways `first` takes this input; for tests."""
    cdef operand x = five(input, rank)
    cdef PoolShape s = pool_shape(geometry)
    cdef Py_ssize_t size = input.itemsize, n = x.shape[0]
    cdef Strides t = strides_of(x.shape, x.strides, size)
    cdef Strips f
    cdef Blocks b
    choose(&s, &t, &n, size, &f, &b)
    return "strips" if f.bytes else "blocks" if b.channels else "rows"


def first(tuple geometry, input, output, places, int rank, number blank, int threads):
    """Maxima of `input` into `output` and where they were into `places`, of `rank` spatial axes, channels-first.

    The input has unit stride along w, the others are C-contiguous, none is empty, none overlaps another; `blank` is the
    lowest value of the elements' type. Every element of `output` and `places` is written. A geometry of one axis and
    one output may stand for planes as `pool.first` says.
    """
    cdef operand x = five(input, rank), out = five(output, rank), at = five(places, rank)
    cdef PoolShape s = pool_shape(geometry)
    cdef Strides t = strides_of(x.shape, x.strides, sizeof(number))
    cdef Py_ssize_t n = x.shape[0]
    cdef const number *xs = <const number *> x.data
    cdef Strips f
    cdef Blocks b
    choose(&s, &t, &n, sizeof(number), &f, &b)
    if f.bytes:
        in_strips_at(xs, <number *> out.data, <int64_t *> at.data, n, &t, &s, &f, threads)
    elif b.channels:
        in_blocks(xs, <number *> out.data, <int64_t *> at.data, n, &t, &s, &b, blank, threads)
    else:
        in_rows(xs, <number *> out.data, <int64_t *> at.data, n, &t, &s, blank, threads, False)


def last(tuple geometry, input, output, places, int rank, number blank, int threads):
    """Maxima of `input` into `output` and where they were into `places`, channels-last.

    The input has unit stride along c, the others are contiguous with their channels last; otherwise as `first`.
    """
    cdef operand x = five(input, rank), out = five(output, rank), at = five(places, rank)
    cdef PoolShape s = pool_shape(geometry)
    cdef Strides t = strides_of(x.shape, x.strides, sizeof(number))
    in_rows(<const number *> x.data, <number *> out.data, <int64_t *> at.data, x.shape[0], &t, &s, blank, threads, True)
