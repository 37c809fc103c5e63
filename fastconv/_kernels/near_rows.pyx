"""Depthwise convolution by kernels up to 7 high at stride 1 or 2, channels first: rows are read where they lie.

    out[c, y, o] = bias[c] + sum over i, j of  weight[c, i, j] * padded[c, y * stride + i * dh, o * stride + j * dw]

Staging rows, as `filter.pyx` does for any kernel, takes as long as the sums of nine taps, and an eighth of the time of
49. With padding of a few columns what a row's first tap and its last one see beside the image is a neighbour in memory,
which is read and masked; rows above and below the image are pointers to zeros:

    table    0 -> zeros            Only the first rows in memory, and the last, have no neighbour that may be read. They
             1 -> row 0 - pw       are copied between zeros, and pointed to there.
             2 -> row 1 - pw

`near_rows.h` does the sums of 3x3, `near_pairs.h` those of small planes, `near_taps.h` and `tall_taps.h` those of other
kernels; outputs under dilated taps go phase by phase (`dilated.pxd`). Work is split over planes and parts of them, or
runs of small planes; each output is one sum whose order is the same everywhere.
"""

from libc.math cimport INFINITY

from fastconv._kernels.dilated cimport in_phase
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.near_rows cimport NearRows, after, find_ends, is_amid, move, point
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div, even
from fastconv._kernels.shape cimport ConvShape, at, read_shape, real
from fastconv._kernels.team cimport Piece, each_piece

cdef extern from "near_taps.h" nogil:
    enum: NEAR_ROWS, MOST_ROWS, TALL
    ctypedef struct taps_shape:
        Py_ssize_t kh, kw, stride, dilation, pad, width, cols, out_pitch, reach
        int wide, clamp
        double lo, hi
    void taps_bands(size_t size, const taps_shape *s, Py_ssize_t rows, const void *const *table, const void *w,
                    double bias, void *out)

cdef extern from "near_rows.h" nogil:
    ctypedef struct near_shape:
        Py_ssize_t stride, cols, tall, ahead
        int aside, claims
        int before, after
        int clamp
        double lo, hi
    void near_bands(size_t size, const near_shape *s, Py_ssize_t rows, const void *const *table, const void *w,
                    double bias, void *out)

cdef extern from "near_pairs.h" nogil:
    enum: PAIRED
    ctypedef struct pairs_shape:
        near_shape row
        Py_ssize_t rows, first, end, apart
    Py_ssize_t pairs_up_to "most_paired"(size_t size, Py_ssize_t stride)
    void near_pairs(size_t size, const pairs_shape *s, Py_ssize_t planes, const void *const *table, const void *w,
                    const void *bias, void *out)

cdef enum:
    # bytes of a band's rows for which the next band's are asked for: a core foresees narrower ones as well, and wider
    # ones push out those still to be read, as do rows a page apart (1024 doubles took 1.7 times as long)
    NARROWEST = 2048
    WIDEST = 200000
    # bytes of such rows of output up to which these are, too, and of an image of them that does not stay in L2
    CLAIMED = 8192
    CLAIMING = 1048576
    # Cores compare the last twelve bits of addresses first: at a multiple of PAGE bytes from row to row of input and of
    # output a load waits for the stores of all rows where these are up to BEHIND bytes behind it, or BEFORE it
    PAGE = 4096
    BEHIND = 32
    BEFORE = 96
    L1 = 49152                                          # bytes of a core's first cache
    FEWER_ROWS = 4                                      # of output in a band, whose input fits a set of a cache
    PART = MOST_ROWS                                    # rows of output with one table of pointers
    MOST_PHASES = 8
    RUN = 16                                            # planes at a time, of
    RUN_PIXELS = 4096                                   # outputs
    # rows of input under a part, its last band of full height: taps of 7 rows, 8 apart, or neighbours at stride 2
    TABLE = PART + (NEAR_ROWS + 6) * MOST_PHASES


cdef struct Task:
    NearRows x
    const void *input
    const void *weight
    const void *bias
    void *output
    Py_ssize_t parts, high                  # of a plane, and rows of output of each but the last
    Py_ssize_t phases                       # of rows under dilated taps
    Py_ssize_t under                        # rows of input under NEAR_ROWS rows of output of one phase
    bint in_registers                       # all weights at once
    Py_ssize_t run, runs                    # planes of an image that are pointed to once, and runs of them, or 0
    Py_ssize_t rows                         # of input under such a plane
    bint paired                             # rows of output share vectors
    near_shape shape
    taps_shape taps
    pairs_shape pairs


cdef inline real bias_of(const real *bias, Py_ssize_t c) noexcept nogil:
    return 0 if bias == NULL else bias[c]


cdef void one_part(const Task *t, Py_ssize_t item, real *_scratch) noexcept nogil:
    """The bands of a part of a plane."""
    cdef const real *table[TABLE]
    cdef Py_ssize_t plane = item, c = item, top = 0, image = 0
    cdef Py_ssize_t low, phase
    cdef const real *x
    cdef const real *w
    cdef real bias
    cdef real *out
    if t.parts > 1:                         # a division takes as long as a row
        plane, top = item // t.parts, item % t.parts * t.high
        c = plane
    if t.x.n > 1:
        image, c = plane // t.x.s.ic, plane % t.x.s.ic
    low = min(top + t.high, t.x.s.oh)
    x = <const real *> t.input + image * t.x.xn + c * t.x.xc
    w = <const real *> t.weight + c * t.x.s.kh * t.x.s.kw
    bias = bias_of(<const real *> t.bias, c)
    out = <real *> t.output + (plane * t.x.s.oh + top) * t.x.s.ow
    point(&t.x, x, top * t.x.s.sh - t.x.s.ph, (low - top) * t.x.s.sh + t.under, table)
    if t.in_registers:
        near_bands(sizeof(real), &t.shape, low - top, <const void *const *> table, w, bias, out)
        return
    for phase in range(t.phases):
        taps_bands(sizeof(real), &t.taps, in_phase(low - top, t.phases, phase), <const void *const *> (table + phase),
                   w, bias, out + phase * t.x.s.ow)


cdef void some_planes(const Task *t, Py_ssize_t item, real *_scratch) noexcept nogil:
    """A run of small planes of an image: their rows are all at equal distances."""
    cdef const real *table[TABLE]
    cdef Py_ssize_t image = item // t.runs, c = item % t.runs * t.run, end = min(c + t.run, t.x.s.ic), some, i
    cdef const real *x = <const real *> t.input + image * t.x.xn
    cdef real *out = <real *> t.output + image * t.x.s.ic * t.x.s.oh * t.x.s.ow
    while c < end:
        some = end - c if is_amid(&t.x, x + c * t.x.xc, end - c) else 1
        point(&t.x, x + c * t.x.xc, -t.x.s.ph, t.rows, table)
        if t.paired:
            near_pairs(sizeof(real), &t.pairs, some, <const void *const *> table, <const real *> t.weight + c * 9,
                       at(<const real *> t.bias, c), out + c * t.x.s.oh * t.x.s.ow)
        else:
            for i in range(c, c + some):
                near_bands(sizeof(real), &t.shape, t.x.s.oh, <const void *const *> table,
                           <const real *> t.weight + i * 9, bias_of(<const real *> t.bias, i),
                           out + i * t.x.s.oh * t.x.s.ow)
                move(&t.x, t.x.s.ph, t.rows, table)
        c += some


cdef bint sees_neighbours(const ConvShape *s) noexcept nogil:
    """Whether taps are 3x3, and of each row at most the first one and the last beside the image."""
    return s.kh == s.kw == 3 and s.dh == s.dw == 1 and s.pw <= 1 and (s.ow - 1) * s.sw + 2 - s.pw <= s.iw


cdef void plan_near(Task *t, Py_ssize_t size, double lo, double hi) noexcept nogil:
    t.shape.stride = t.x.s.sw
    t.shape.cols = t.x.s.ow
    t.shape.ahead = NEAR_ROWS * t.x.s.sh * t.x.xh
    t.shape.tall = even(t.x.s.oh, FEWER_ROWS if t.x.xh * size % PAGE == 0 else NEAR_ROWS, 1)
    if t.x.xh * size % PAGE == 0 or not NARROWEST <= t.shape.ahead * size <= WIDEST:
        t.shape.ahead = 0
    t.shape.claims = (t.shape.ahead > 0 and NEAR_ROWS * t.x.s.ow * size <= CLAIMED
                      and t.x.s.oc * t.x.s.oh * t.x.s.ow * size >= CLAIMING)
    t.shape.before = t.x.s.pw > 0
    t.shape.after = after(&t.x.s)
    t.shape.clamp = lo > -INFINITY or hi < INFINITY
    t.shape.lo, t.shape.hi = lo, hi


cdef void plan_pairs(Task *t, Py_ssize_t size) noexcept nogil:
    """To be planned after `shape`. Of rows so short only planes that `_depthwise.sees_near_pairs` come here."""
    cdef ConvShape *s = &t.x.s
    t.paired = t.in_registers and s.ow <= pairs_up_to(size, s.sw)
    t.pairs = pairs_shape(t.shape, s.oh, s.ph, s.ph + s.ih, t.x.xc)


cdef void plan_runs(Task *t) noexcept nogil:
    """To be planned last. Not of columns of taps, beside which a table costs nothing."""
    cdef ConvShape *s = &t.x.s
    t.run = min(RUN_PIXELS // (s.oh * s.ow), RUN)
    t.runs = ceil_div(s.ic, t.run) if t.in_registers and t.parts == 1 and t.run > 1 else 0
    t.rows = (2 * PAIRED - 1) * s.sh + 3 if t.paired else s.oh * s.sh + t.under


cdef bint meets_stores(const Task *t, Py_ssize_t size, size_t apart) noexcept nogil:
    """Whether loads meet stores of all rows just before; the output is `apart` bytes from the input, modulo PAGE."""
    return (t.x.s.sw == 1 and t.x.xh * size % PAGE == 0 and t.x.s.ow * size % PAGE == 0
            and (apart + BEHIND) % PAGE < BEHIND + BEFORE)


cdef void plan_taps(Task *t, Py_ssize_t size, double lo, double hi) noexcept nogil:
    cdef ConvShape *s = &t.x.s
    t.under = (NEAR_ROWS - 1) * t.phases * s.sh + (s.kh - 1) * s.dh + 1
    t.taps.kh, t.taps.kw = s.kh, s.kw
    t.taps.stride, t.taps.dilation, t.taps.reach = s.sw, s.dw, s.dh
    t.taps.pad, t.taps.width, t.taps.cols = s.pw, s.iw, s.ow
    t.taps.out_pitch = t.phases * s.ow
    t.taps.wide = 3 * TALL * s.iw * size > L1
    t.taps.clamp = lo > -INFINITY or hi < INFINITY
    t.taps.lo, t.taps.hi = lo, hi


def most_paired(Py_ssize_t itemsize, Py_ssize_t stride):
    """The columns that rows of output may have for two to share a vector."""
    return pairs_up_to(itemsize, stride)


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads):
    """Convolve each channel by itself.

    geometry : ConvGeometry of channels-first memory for which `_depthwise.reads_rows` is true
    input, weight, bias, output, lo, hi : as of `direct.conv`
    """
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real)
    t.input, t.weight, t.bias, t.output = x.data, w.data, first_of(bias), out.data
    read_shape(&t.x.s, geometry)
    t.x.n = x.shape[0]
    t.x.xn, t.x.xc, t.x.xh = x.strides[0] // size, x.strides[1] // size, x.strides[3] // size
    t.phases = t.x.s.dh
    t.in_registers = sees_neighbours(&t.x.s)
    plan_near(&t, size, lo, hi)
    t.shape.aside = meets_stores(&t, size, <size_t> t.output - <size_t> t.input)
    plan_taps(&t, size, lo, hi)
    plan_pairs(&t, size)
    t.high = even(ceil_div(t.x.s.oh, t.shape.tall), PART // t.shape.tall, 1) * t.shape.tall
    t.parts = ceil_div(t.x.s.oh, t.high)
    plan_runs(&t)
    find_ends("near_rows", &t.x, <const real *> t.input, NULL)
    with nogil:
        if t.runs:
            each_piece(<Piece> some_planes[real], &t, t.x.n * t.runs, threads)
        else:
            each_piece(<Piece> one_part[real], &t, t.x.n * t.x.s.ic * t.parts, threads)
    give_back(t.x.memory)
