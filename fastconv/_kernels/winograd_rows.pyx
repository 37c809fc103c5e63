"""Winograd convolution along h alone: lanes along rows of pixels, which few output channels would not fill.

    V[point][c][x]      of six rows of input, padded: the transform of `winograd_points.h` down the columns
    U[point][o][c, j]   of weights, of each column j of taps
    M[point][o][x]    = sum over c, j of  U[point][o][c, j] * V[point][c][x + j]        by the register tile, in place
    out[o][y + i][x]    of M, i < m

Six products serve m rows of r taps, 4 of 3 or 3 of 4. Along w nothing is transformed, so there are no tiles to
be turned or woven; errors are those of one axis. A line of tiles has all of its sums at once, and V stays in L2.

Channels-first memory, one group, one plane, stride 1. Work is split over images and lines of tiles; no sum depends on
that.
"""

from libc.math cimport INFINITY

from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div, even, zeros
from fastconv._kernels.scratch cimport LINE, borrow, odd_lines, round_up
from fastconv._kernels.shape cimport ConvShape, read_shape, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.stripes cimport multiply
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.tile cimport TILE_ROWS, tile_finish, tile_width

cdef extern from "winograd_points.h" nogil:
    enum: MOST_POINTS
    Py_ssize_t winograd_outputs(int rule)

cdef extern from "winograd_rows.h" nogil:
    int rule_of_taps(Py_ssize_t taps)
    void rows_to_points(size_t size, Py_ssize_t cols, const void *const *rows, void *to, Py_ssize_t point)
    void taps_to_points(size_t size, int rule, Py_ssize_t n, const void *w, void *to, Py_ssize_t point)
    void points_to_rows(size_t size, int rule, Py_ssize_t cols, const void *points, Py_ssize_t point, double bias,
                        int clamp, double lo, double hi, void *to, Py_ssize_t pitch, Py_ssize_t lines)

cdef enum:
    CHAIN = 32          # products added up one after the other: chains of 64 reached 10.5 eps where all is positive
    M_BYTES = 524288    # at once, but for tiles of a few outputs of long rows


cdef struct Task:
    ConvShape s
    const void *x
    const void *w
    const void *bias
    void *out
    void *u
    Py_ssize_t xn, xc, xh               # strides of the input, in elements
    int rule
    Py_ssize_t rows, tiles              # of output in a tile, and tiles along h
    Py_ssize_t depth                    # products of a sum
    Py_ssize_t leading, u_point         # of U: from one output to the next, with room for a vector; of a point
    Py_ssize_t pitch, v_point           # of V: from one channel to the next, from one point to the next
    Py_ssize_t line                     # of M, from one output to the next,
    Py_ssize_t outputs                  # of which it has so many at once
    Py_ssize_t *place                   # of each (c, j), where it is in a point of V at pixel 0
    bint clamp
    double lo, hi
    tile_finish finish                  # of the products


cdef void plan(Task *t, Py_ssize_t size) noexcept nogil:
    t.rule = rule_of_taps(t.s.kh)
    t.rows = winograd_outputs(t.rule)
    t.tiles = ceil_div(t.s.oh, t.rows)
    t.depth = t.s.ic * t.s.kw
    t.leading = odd_lines(t.depth + lanes_of(size), size)
    t.u_point = t.s.oc * t.leading
    t.pitch = odd_lines(max(t.s.ow + t.s.kw - 1, t.s.pw + t.s.iw), size)
    t.v_point = t.s.ic * t.pitch
    t.line = odd_lines(t.s.ow, size)
    t.outputs = min(t.s.oc, even(t.s.oc, max(M_BYTES // (MOST_POINTS * t.line * size), TILE_ROWS), TILE_ROWS))


cdef inline Py_ssize_t cleared_size(const Task *t) noexcept nogil:
    """Elements of V, which keeps its padding, and of a row of zeros."""
    return MOST_POINTS * t.v_point + t.pitch


cdef inline Py_ssize_t scratch_size(const Task *t) noexcept nogil:
    """The same, and those of M."""
    return cleared_size(t) + MOST_POINTS * t.outputs * t.line


cdef void transform_output_channel(const Task *t, Py_ssize_t o, real *_scratch) noexcept nogil:
    """The weights of an output channel: whole vectors of which the next one overwrites what is too much."""
    cdef Py_ssize_t c, taps = t.s.kh * t.s.kw
    cdef const real *w = <const real *> t.w + o * t.s.ic * taps
    cdef real *u = <real *> t.u + o * t.leading
    for c in range(t.s.ic):
        taps_to_points(sizeof(real), t.rule, t.s.kw, w + c * taps, u + c * t.s.kw, t.u_point)


cdef void one_line(const Task *t, Py_ssize_t item, real *v) noexcept nogil:
    """A line of tiles of an image."""
    cdef Py_ssize_t y0 = item % t.tiles * t.rows, image = item // t.tiles, lines = min(t.rows, t.s.oh - y0), c, i, y, o
    cdef const real *x = <const real *> t.x + image * t.xn
    cdef const real *bias = <const real *> t.bias
    cdef real *out = <real *> t.out + (image * t.s.oc * t.s.oh + y0) * t.s.ow
    cdef real *nothing = v + MOST_POINTS * t.v_point
    cdef real *m = nothing + t.pitch
    cdef Py_ssize_t of_point = t.outputs * t.line, first = 0, some
    cdef const void *rows[MOST_POINTS]
    for c in range(t.s.ic):
        for i in range(MOST_POINTS):
            y = y0 - t.s.ph + i
            rows[i] = x + c * t.xc + y * t.xh if 0 <= y < t.s.ih else nothing
        rows_to_points(sizeof(real), t.s.iw, rows, v + c * t.pitch + t.s.pw, t.v_point)
    while first < t.s.oc:
        some = min(t.outputs, t.s.oc - first)
        for i in range(MOST_POINTS):
            multiply(some, t.s.ow, t.depth, <const real *> t.u + i * t.u_point + first * t.leading, t.leading,
                     <const real *> v + i * t.v_point, 0, t.place, tile_width(sizeof(real)), NULL, 0, m + i * of_point,
                     t.line, t.finish)
        for o in range(some):
            points_to_rows(sizeof(real), t.rule, t.s.ow, m + o * t.line, of_point,
                           0 if bias == NULL else bias[first + o], t.clamp, t.lo, t.hi,
                           out + (first + o) * t.s.oh * t.s.ow, t.s.ow, lines)
        first += some


def packed_layout(tuple geometry):
    """Weights are transformed in the same way for all geometries."""
    return ()


def packed_size(tuple geometry, real like):
    """Elements of U, of the type of `like`."""
    cdef Task t
    read_shape(&t.s, geometry)
    plan(&t, sizeof(real))
    return MOST_POINTS * t.u_point


def pack(tuple geometry, weight, real[:] packed, int threads):
    """Transform the weights once, for calls of `conv`."""
    cdef Task t
    t.w, t.u = first_of(weight), &packed[0]
    read_shape(&t.s, geometry)
    plan(&t, sizeof(real))
    with nogil:
        each_piece(<Piece> transform_output_channel[real], &t, t.s.oc, threads)


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads, packed=None):
    """Convolve: as `conv` of `direct.pyx`, for what `fastconv._winograd` says that fits."""
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), each, table, k, u
    cdef char *scratch
    cdef char *own
    t.x, t.w, t.bias, t.out = x.data, w.data, first_of(bias), out.data
    read_shape(&t.s, geometry)
    t.xn, t.xc, t.xh = x.strides[0] // size, x.strides[1] // size, x.strides[3] // size
    plan(&t, size)
    t.clamp = lo > -INFINITY or hi < INFINITY
    t.lo, t.hi = lo, hi
    t.finish.accumulate, t.finish.clamp = 0, 0
    t.finish.chain, t.finish.next_rows = CHAIN, 0
    t.finish.row_bias = t.finish.col_bias = NULL
    table = round_up(t.depth * sizeof(Py_ssize_t), LINE)
    u = 0 if packed is not None else MOST_POINTS * t.u_point * size
    each = round_up(scratch_size(&t) * size, LINE)
    scratch = borrow("winograd_rows", table + u + each * threads)
    own = scratch + table + u
    t.place = <Py_ssize_t *> scratch
    t.u = <void *> first_of(packed) if packed is not None else scratch + table
    with nogil:
        for k in range(t.depth):
            t.place[k] = k // t.s.kw * t.pitch + k % t.s.kw
        for k in range(threads):
            zeros(<real *> (own + k * each), cleared_size(&t))
        if u:
            each_piece(<Piece> transform_output_channel[real], &t, t.s.oc, threads)
        each_piece(<Piece> one_line[real], &t, x.shape[0] * t.tiles, threads, own, each)
    give_back(scratch)
