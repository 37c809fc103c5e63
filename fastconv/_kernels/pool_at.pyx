"""Max pooling with the place of each maximum: the flat index within its spatial plane, of the first of equals.

The common windows over channels-first planes have a way of their own (`strips_at.h`). The taps of others are taken in
the order of their indices, each for as many outputs as a vector holds: neighbours in a row (channels-first) or channels
(channels-last), see `largest_at.h`. With channels-first memory and padding, or fewer outputs than a vector has lanes,
the rows of input under a row of outputs are first copied between blanks:

    x  ---------------            ..---------------..      kd * kh rows, a blank at each place of the padding;
       ---------------     ->     ..---------------..      what lies beyond the image above or below is left out

Narrow planes, and those of adaptive or strided windows, are turned first (`turned.pxd`). Elements of one or two bytes,
windows too large to be staged, adaptive ones over large planes and few channels go tap by tap.
"""

from libc.stdint cimport INT32_MAX, int64_t
from libc.string cimport memcpy

from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport five, operand
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.strips cimport Strips, parts_of, plane_of
from fastconv._kernels.strips_at cimport in_strips_at, strips_at_for
from fastconv._kernels.tap_by_tap cimport one_output, outputs
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.turned cimport Blocks, blocks_for, turn_in, turn_out, turned_strides
from fastconv._kernels.window cimport (
    Place, PoolShape, Strides, number, place, pool_shape, start_along, strides_of, taps_along, taps_below,
)


cdef extern from "largest_at.h" nogil:
    ctypedef struct Windows:
        const void *x
        Py_ssize_t rows, row
        const int64_t *keys
        Py_ssize_t taps, tap, key, next, before
        int64_t index, step
        const void *blank
    Py_ssize_t largest_lanes(Py_ssize_t size) noexcept
    void largest_at(...) noexcept


cdef enum:
    STAGED = 1 << 18                   # bytes of padded rows that a thread keeps at most


cdef struct Work:
    # how one thread's scratch is divided
    Py_ssize_t pitch                   # elements from one padded row to the next; 0: outputs are computed one by one
    Py_ssize_t rows                    # of a window; so many distances, and so many padded rows where there are any
    Py_ssize_t lanes                   # of a vector
    Py_ssize_t size                    # bytes


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


cdef void row_first(
    const number *x, number *out, int64_t *index, Place at, const Strides *t, const PoolShape *s, const Work *w,
    number *scratch, const number *blank,
) noexcept nogil:
    """One row of outputs of the plane x, whose windows are at `at`."""
    cdef Py_ssize_t i, j
    cdef int64_t *keys = <int64_t *> scratch
    cdef number *staged = <number *> (keys + w.rows)
    cdef const number *row
    cdef Windows f
    if w.pitch == 0:
        for j in range(s.ow):
            one_output(out + j, index + j, x, t, s, &at, start_along(s, j), taps_along(s, j))
        return
    f.x, f.row, f.keys, f.rows, f.blank = staged, w.pitch, keys, 0, blank
    f.taps, f.tap, f.key, f.next, f.step, f.before = s.kw, s.dw, s.dw, s.sw, s.sw, s.pw
    f.index = (at.z * s.ih + at.y) * s.iw - s.pw
    if at.i1 - at.i0 == 1 and s.pw == 0 and (s.ow - 1) * s.sw + (s.kw - 1) * s.dw < s.iw and w.lanes <= s.ow:
        f.x = x + (at.z + at.i0 * s.dd) * t.d + (at.y + at.j0 * s.dh) * t.h
        f.row, f.rows = s.dh * t.h, at.j1 - at.j0
        for j in range(f.rows):
            keys[j] = (at.i0 * s.dd * s.ih + (at.j0 + j) * s.dh) * s.iw
        largest_at(out, index, &f, s.ow)
        return
    for i in range(at.i0, at.i1):
        for j in range(at.j0, at.j1):
            row = x + (at.z + i * s.dd) * t.d + (at.y + j * s.dh) * t.h
            memcpy(staged + f.rows * w.pitch + s.pw, row, s.iw * sizeof(number))
            keys[f.rows] = (i * s.dd * s.ih + j * s.dh) * s.iw
            f.rows += 1
    largest_at(out, index, &f, s.ow)


cdef void row_last(
    const number *x, number *out, int64_t *index, Place at, const Strides *t, const PoolShape *s, const Work *w,
    number *scratch, const number *blank,
) noexcept nogil:
    """One row of outputs of the image x, whose windows are at `at`."""
    cdef Py_ssize_t first = 0, i, j, u, kw, k0, k1
    cdef int64_t *keys = <int64_t *> scratch
    cdef Windows f
    f.keys, f.rows, f.blank, f.row = keys, at.j1 - at.j0, blank, s.dh * t.h
    f.tap, f.key, f.next, f.step, f.before = s.dw * t.w, s.dw, 1, 0, 0
    f.index = (at.z * s.ih + at.y) * s.iw
    for i in range(f.rows if w.pitch else 0):
        keys[i] = (at.j0 + i) * s.dh * s.iw
    for j in range(s.ow):
        u, kw = start_along(s, j), taps_along(s, j)
        if w.pitch:
            k0, k1 = taps_below(0, u, kw, s.dw), taps_below(s.iw, u, kw, s.dw)
            f.x = x + at.z * t.d + (at.y + at.j0 * s.dh) * t.h + (u + k0 * s.dw) * t.w
            f.taps = k1 - k0
            f.index = (at.z * s.ih + at.y) * s.iw + u + k0 * s.dw
            largest_at(out + first, index + first, &f, t.channels)
        else:
            outputs(out + first, index + first, x, t, s, at, u, kw, t.channels)
        first += t.channels


cdef Work divide(const PoolShape *s, Py_ssize_t channels, Py_ssize_t size, bint last) noexcept nogil:
    """The scratch of one thread, for elements of `size` bytes."""
    cdef Work w
    cdef Py_ssize_t lanes = largest_lanes(size)
    cdef double rows = <double> s.kd * s.kh                # nothing bounds the windows of ceil_mode
    w.rows, w.pitch, w.size, w.lanes = 0, 0, 0, lanes
    if lanes == 0 or size == 4 and <double> s.id * s.ih * s.iw > INT32_MAX:    # places are as wide as elements
        return w
    if last:
        w.pitch = 1 if s.kd == 1 and channels >= lanes else 0
    elif not s.adaptive:
        w.pitch = max((max(s.ow, lanes) - 1) * s.sw + (s.kw - 1) * s.dw + 1, s.pw + s.iw)
    if rows * (w.pitch * size + 8) > STAGED:
        w.pitch = 0
    if w.pitch:
        w.rows = s.kd * s.kh
        w.size = w.rows * (w.pitch * size + 8)
    w.size = (w.size + 127) // 128 * 128                   # threads write to cache lines of their own
    return w


cdef char *lay_out(const Work *w, Py_ssize_t own, number blank, int threads) except NULL:
    """`own` bytes of scratch for each thread, with blanks where `w` has padded rows."""
    cdef char *scratch = borrow("pooling", own * threads)
    cdef Py_ssize_t r, j
    for r in range(threads):
        for j in range(w.rows * w.pitch):
            (<number *> (scratch + r * own + w.rows * 8))[j] = blank
    return scratch


cdef void some_rows(const Call *c, Py_ssize_t r, number *scratch) noexcept nogil:
    """Part `r` of all rows of outputs: `parts` of them make one depth of a plane, or of an image with `last`."""
    cdef PoolShape s = c.s[0]
    cdef const Strides *t = c.t
    cdef Py_ssize_t slab = r // c.parts, part = r % c.parts, plane = slab // s.od, z = slab % s.od, o
    cdef Py_ssize_t row = s.ow * (t.channels if c.last else 1), first = (slab * s.oh + part * s.oh // c.parts) * row
    cdef const number *x = <const number *> c.x
    cdef const number *blank = <const number *> c.blank
    cdef number *out = <number *> c.out
    x = x + plane * t.n if c.last else plane_of(x, t, plane)
    for o in range(part * s.oh // c.parts, (part + 1) * s.oh // c.parts):
        if c.last:
            row_last(x, out + first, c.index + first, place(&s, z, o), t, &s, c.w, scratch, blank)
        else:
            row_first(x, out + first, c.index + first, place(&s, z, o), t, &s, c.w, scratch, blank)
        first += row


cdef int in_rows(
    const number *x, number *out, int64_t *index, Py_ssize_t n, const Strides *t, PoolShape *s, number blank,
    int threads, bint last,
) except -1:
    """Row by row of outputs."""
    cdef Work w = divide(s, t.channels, sizeof(number), last)
    cdef char *scratch = lay_out(&w, w.size, blank, threads)
    cdef Py_ssize_t slabs = n * (1 if last else t.channels) * s.od
    cdef Call call = Call(s, t, &w, x, out, index, &blank, parts_of(slabs, s.oh, threads), last)
    with nogil:
        each_piece(<Piece> some_rows[number], &call, slabs * call.parts, threads, scratch, w.size)
    give_back(scratch)
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
    cdef Work w = divide(s, b.channels, sizeof(number), True)
    cdef Py_ssize_t size = sizeof(number)
    cdef Py_ssize_t own = w.size + round_up(b.channels * (b.source * size + b.result * (size + 8)), LINE)
    cdef char *scratch = lay_out(&w, own, blank, threads)
    cdef Call block = Call(s, &dense, &w, NULL, NULL, NULL, &blank, 1, True)
    cdef Turned call = Turned(&block, b, t, x, out, index)
    with nogil:
        each_piece(<Piece> one_block[number], &call, n * b.count, threads, scratch, own)
    give_back(scratch)
    return 0


def first(tuple geometry, input, output, places, int rank, number blank, int threads):
    """Maxima of `input` into `output` and where they were into `places`, of `rank` spatial axes, channels-first.

    The input has unit stride along w, the others are C-contiguous, none is empty, none overlaps another; `blank` is the
    lowest value of the elements' type. Every element of `output` and `places` is written. A geometry of one axis and
    one output may stand for planes as `pool.first` says.
    """
    cdef operand x = five(input, rank), out = five(output, rank), at = five(places, rank)
    cdef PoolShape s = pool_shape(geometry)
    cdef Strides t = strides_of(x.shape, x.strides, sizeof(number))
    cdef Strips f = strips_at_for(&s, &t, x.shape[0], sizeof(number))
    cdef bint wide = s.adaptive or s.sw > 1 and s.kd * s.kh > 1        # single elements at a stride are dear
    cdef Blocks b = blocks_for(&s, t.channels, sizeof(number), sizeof(number) + sizeof(int64_t), wide)
    cdef const number *xs = <const number *> x.data
    if f.bytes:
        in_strips_at(xs, <number *> out.data, <int64_t *> at.data, x.shape[0], &t, &s, &f, threads)
    elif b.channels:
        in_blocks(xs, <number *> out.data, <int64_t *> at.data, x.shape[0], &t, &s, &b, blank, threads)
    else:
        in_rows(xs, <number *> out.data, <int64_t *> at.data, x.shape[0], &t, &s, blank, threads, False)


def last(tuple geometry, input, output, places, int rank, number blank, int threads):
    """Maxima of `input` into `output` and where they were into `places`, channels-last.

    The input has unit stride along c, the others are contiguous with their channels last; otherwise as `first`.
    """
    cdef operand x = five(input, rank), out = five(output, rank), at = five(places, rank)
    cdef PoolShape s = pool_shape(geometry)
    cdef Strides t = strides_of(x.shape, x.strides, sizeof(number))
    in_rows(<const number *> x.data, <number *> out.data, <int64_t *> at.data, x.shape[0], &t, &s, blank, threads, True)
