"""Depthwise convolution on channels-last memory, and groups of few channels as if they were depthwise.

Every input channel has m = oc / ic kernels of its own:

    out[p, g * m + q] = bias[g * m + q] + sum over taps of weight[g * m + q, tap] * x[pixel(p, tap), g]     0 <= q < m

Vectors run along channels, where memory is dense whatever the stride and dilation. A row of outputs begins as a table
of pointers, one to each pixel that a kernel row reads (`depthwise_last.h` does the sums); a pixel of the padding is a
pointer to zeros, so that a padded tap is a product with zero as anywhere else (0 * inf is NaN).

    columns read by one kernel row of `ow` outputs          table, for each kernel row
    pl | 0 1 2 ...                      iw-1 | pr           [0 0 x0 x1 x2 ... 0]            by column
                                                            [0 x0 x2 ...][0 x1 x3 ... 0]    dilated, by phase
                                                            [tap 0 of each output][tap 1 of each output]...

Weights are repacked once per call as (m, vectors of channels, bias and taps, lanes). The m kernels of a channel read
the same vectors and write every m-th channel.

The products of groups go round in rings (`ring.h`). Their last vector may reach behind a pixel, and so does the only
one of fewer channels than it has lanes; rows that end where the image does are copied for it.

Outputs share what they load along a row of taps. Where kernels are one column, rows are columns: the axes are swapped.

Work is split over output rows and parts of them, and each output is one sum in the order of its taps: the same bits for
any number of threads.
"""

from libc.math cimport INFINITY
from libc.string cimport memcpy

from fastconv._kernels.depthwise_last cimport (
    STRIP_PIXELS, depthwise_strip, line_phases, plan_row, strip, strip_pixels, strip_shares, swap_axes
)
from fastconv._kernels.dilated cimport in_phase
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div, clip, end_inside, first_inside, zeros
from fastconv._kernels.ring cimport pack_rings, ring_lanes, ring_of, ring_pixels, ring_shape, ring_strip, ring_width
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.shape cimport ConvShape, read_shape, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.turn cimport turn_block

cdef enum:
    SEGMENT = 64             # output pixels of a row in one table: keeps it in L1, and long signals divisible
    CACHE = 1048576          # bytes of an image, or half as many of several, beyond which rows are asked for ahead


cdef struct Task:
    ConvShape s
    Py_ssize_t n, m                                 # images, kernels a channel, or passes over a group's inputs
    Py_ssize_t xn, xd, xh, xw                       # strides of the input, in elements
    Py_ssize_t oh, ow                               # of the output, from one row and one pixel to the next
    Py_ssize_t phases                               # of outputs, whose taps fall on common columns
    Py_ssize_t lines, length, stride                # the table of a kernel row: `lines` runs of `length` columns
    Py_ssize_t apart                                # columns from the first one of a line to that of the next
    Py_ssize_t segments, segment                    # of a row of outputs, and their pixels
    ring_shape ring
    bint rings                                      # groups of several channels
    Py_ssize_t vectors, step                        # of channels, and from one to the next
    Py_ssize_t kernel                               # packed elements of a vector
    Py_ssize_t most                                 # pixels of a strip
    Py_ssize_t beyond                               # lanes of the last vector that are read behind a pixel
    Py_ssize_t table                                # bytes of a thread's table, which its copies follow
    depthwise_strip strip


cdef struct Call:
    const Task *t
    const void *x
    const void *w
    const void *bias
    void *packed
    const void *blank                               # a pixel of zeros
    void *out


cdef void plan(Task *t, Py_ssize_t size) noexcept nogil:
    """Everything that follows from the geometry alone."""
    cdef ConvShape *s = &t.s
    cdef Py_ssize_t lanes = lanes_of(size), image = s.id * s.ih * s.iw * s.ic * size
    t.segments = ceil_div(s.ow, SEGMENT)
    t.segment = round_up(ceil_div(s.ow, t.segments), STRIP_PIXELS)
    t.segments = ceil_div(s.ow, t.segment)

    t.strip.rows = s.kd * s.kh
    t.strip.kw = s.kw
    t.phases = line_phases(s, t.segment) if not t.rings else 1
    t.length = plan_row(&t.strip, s, t.phases, t.segment)
    if t.phases > 1:
        t.lines = t.phases
        t.apart, t.stride = s.sw, s.dw
    elif (s.kw - 1) * s.dw + 1 <= (s.kw - 1) * t.segment:       # by column: the taps of neighbours overlap
        t.lines = 1
        t.apart, t.stride = 0, 1
    else:
        t.lines = s.kw
        t.length = t.segment
        t.apart, t.stride = s.dw, s.sw
        t.strip.tap_step = t.segment
        t.strip.pixel_step = 1
        t.strip.shared = 0
    if t.rings:
        t.strip.shared = 0
    t.strip.row_step = t.lines * t.length
    t.strip.channels = s.ic
    t.strip.out_step = t.phases * t.ow
    t.strip.spread = t.m
    t.step = ring_lanes(size, &t.ring) if t.rings else lanes
    t.vectors = ceil_div(s.ic, t.step)
    t.kernel = (t.strip.rows * s.kw * t.ring.size + 1) * (ring_width(size) if t.rings else lanes)
    t.most = ring_pixels(t.ring.size) if t.rings else strip_pixels(&t.strip)
    t.beyond = max(lanes - min(t.step, s.ic), 0)
    t.strip.ahead = s.sh if image * min(t.n, 2) > CACHE and t.xw == s.ic and t.ow == s.oc else 0
    t.strip.ahead_step = t.xh * size


cdef void repack(const Call *call, Py_ssize_t item, real *_scratch) noexcept nogil:
    """packed[q][vector][bias, taps...][lane] of `item`, counted over (q, vector); zeros in lanes beyond the last."""
    cdef const Task *t = call.t
    cdef Py_ssize_t lanes = lanes_of(sizeof(real)), taps = t.strip.rows * t.strip.kw, q = item // t.vectors
    cdef Py_ssize_t c = min(item % t.vectors * t.step, max(t.s.ic - t.step, 0)), some = min(t.step, t.s.ic), i
    cdef const real *w = <const real *> call.w
    cdef const real *bias = <const real *> call.bias
    cdef real *packed = <real *> call.packed + item * t.kernel
    if t.rings or some < lanes:
        zeros(packed, t.kernel)
    elif bias == NULL:
        zeros(packed, lanes)
    if t.rings:
        pack_rings(&t.ring, w, bias, taps, t.s.ic, c, some, q, packed)
        return
    c = c * t.m + q
    if bias != NULL:
        for i in range(some):
            packed[i] = bias[c + i * t.m]
    turn_block(sizeof(real), some, taps, w + c * taps, t.m * taps, packed + lanes, lanes)


cdef void point(
    const Task *t, const real **table, const real *row, const real *blank, Py_ssize_t column,
) noexcept nogil:
    """Pointers to the pixels column, column + stride, ... of an image's row, NULL for a row outside."""
    cdef Py_ssize_t lo, hi, e
    lo = hi = t.length
    if row != NULL:
        lo = clip(first_inside(column, t.stride), 0, t.length)
        hi = clip(end_inside(column, t.stride, t.s.iw), lo, t.length)
    for e in range(lo):
        table[e] = blank
    for e in range(lo, hi):
        table[e] = row + (column + e * t.stride) * t.xw
    for e in range(hi, t.length):
        table[e] = blank


cdef void copy(const Task *t, const real **table, real *to) noexcept nogil:
    """Replace the pixels of a table's line by copies next to each other, with zeros where the last is read beyond;
    those that lie so already go as one."""
    cdef Py_ssize_t e = 0, first, channels = t.s.ic
    cdef const real *source
    while e < t.length:
        first = e
        source = table[e]
        while e < t.length and table[e] == source + (e - first) * channels:
            table[e] = to + e * channels
            e += 1
        memcpy(to + first * channels, source, (e - first) * channels * sizeof(real))
    zeros(to + e * channels, t.beyond)


cdef void fill(
    const Task *t, const real *x, const real **table, const real *blank, real *copies,
    Py_ssize_t z, Py_ssize_t y, Py_ssize_t o,
) noexcept nogil:
    """The table of the output pixels from (z, y, o) on; x is the image, `blank` a pixel of zeros."""
    cdef Py_ssize_t a, i, j, iz, iy
    cdef const real *row
    cdef const real *end = x + (t.s.id - 1) * max(t.xd, 0) + (t.s.ih - 1) * max(t.xh, 0) + (t.s.iw - 1) * max(t.xw, 0)
    for a in range(t.s.kd):
        iz = z * t.s.sd + a * t.s.dd - t.s.pd
        for i in range(t.s.kh):
            iy = y * t.s.sh + i * t.s.dh - t.s.ph
            row = NULL
            if 0 <= iz < t.s.id and 0 <= iy < t.s.ih:
                row = x + iz * t.xd + iy * t.xh
            for j in range(t.lines):
                point(t, table, row, blank, o * t.s.sw + j * t.apart - t.s.pw)
                if row != NULL and row + (t.s.iw - 1) * max(t.xw, 0) > end - t.beyond:
                    copy(t, table, copies)
                    copies += t.length * t.s.ic
                table += t.length


cdef const real *rows_ahead(
    const Task *t, depthwise_strip *own, const real *x, Py_ssize_t z, Py_ssize_t y,
) noexcept nogil:
    """Where the rows begin that outputs of row y + 1 see first, as many as `own.ahead` says then."""
    cdef Py_ssize_t first = y * t.s.sh + (t.s.kh - 1) * t.s.dh + 1 - t.s.ph
    z = z * t.s.sd + (t.s.kd - 1) * t.s.dd - t.s.pd
    own.ahead = min(own.ahead, t.s.ih - first) if 0 <= first < t.s.ih and 0 <= z < t.s.id else 0
    return x + z * t.xd + first * t.xh if own.ahead else x


cdef inline void sum_strip(
    const Task *t, Py_ssize_t px, const depthwise_strip *own, const real **table, const real *w, real *out,
    Py_ssize_t valid,
) noexcept nogil:
    if t.rings:
        ring_strip(sizeof(real), px, &t.ring, own, <const void *const *> table, w, out, t.vectors, valid)
    else:
        strip(sizeof(real), px, own, <const void *const *> table, w, out, t.vectors, valid)


cdef void segment(const Call *c, Py_ssize_t item, real *scratch) noexcept nogil:
    """A segment of an output row, `item` counted over (n, od, oh, segments)."""
    cdef const Task *t = c.t
    cdef Py_ssize_t row = item // t.segments, o = item % t.segments * t.segment
    cdef Py_ssize_t plane = row // t.s.oh, phase, pixels, p, px, q
    cdef depthwise_strip own = t.strip
    cdef const real *later
    cdef const real **table = <const real **> scratch
    cdef const real *x = <const real *> c.x + plane // t.s.od * t.xn
    cdef const real *w = <const real *> c.packed
    cdef real *out = <real *> c.out + plane * t.s.oh * t.s.ow * t.s.oc + row % t.s.oh * t.oh + o * t.ow
    fill(t, x, table, <const real *> c.blank, <real *> (<char *> scratch + t.table), plane % t.s.od, row % t.s.oh, o)
    later = rows_ahead(t, &own, x, plane % t.s.od, row % t.s.oh)
    for phase in range(t.phases):
        pixels = in_phase(min(t.segment, t.s.ow - o), t.phases, phase)
        p = 0
        while p < pixels:
            px = ceil_div(pixels - p, ceil_div(pixels - p, t.most))
            if own.ahead:
                own.later = later + (o + p * t.phases + phase * px) * t.s.sw * t.s.ic
            for q in range(t.m):
                sum_strip(t, px, &own, table + phase * t.length + p * t.strip.pixel_step, w + q * t.vectors * t.kernel,
                          out + phase * t.ow + p * t.strip.out_step + q * t.ring.size, t.s.ic)
            p += px


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads):
    """Convolve each channel by itself.

    geometry : ConvGeometry of channels-last memory with groups == ic
    input, weight, bias, output, lo, hi : as of `direct.conv`
    """
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), lanes = lanes_of(sizeof(real)), packed_bytes, blank_bytes, entries, each
    cdef Call call
    cdef char *packed
    cdef char *blank
    cdef char *own
    read_shape(&t.s, geometry)
    t.n = x.shape[0]
    t.m = ring_of(&t.ring, t.s.ic // t.s.groups, t.s.oc // t.s.groups)
    t.rings = t.s.ic > t.s.groups
    t.xn = x.strides[0] // size
    t.xd = x.strides[2] // size
    t.xh = x.strides[3] // size
    t.xw = x.strides[4] // size
    t.oh, t.ow = t.s.ow * t.s.oc, t.s.oc
    if t.s.kw == 1 and strip_shares(t.s.kh) and not t.rings:
        swap_axes(&t.s)
        t.xh, t.xw = t.xw, t.xh
        t.oh, t.ow = t.ow, t.oh
    t.strip.clamp = lo > -INFINITY or hi < INFINITY
    t.strip.lo, t.strip.hi = lo, hi
    plan(&t, size)
    entries = t.strip.rows * t.strip.row_step
    packed_bytes = round_up(t.m * t.vectors * t.kernel * size, LINE)
    blank_bytes = round_up((max(t.s.ic, lanes) + t.beyond) * size, LINE)
    each = t.table = round_up(entries * sizeof(void *), LINE)
    if t.beyond:
        each += round_up((entries * t.s.ic + t.beyond) * size, LINE)
    packed = borrow("depthwise_last", packed_bytes + blank_bytes + each * threads)
    blank = packed + packed_bytes
    own = blank + blank_bytes
    call = Call(&t, x.data, w.data, first_of(bias), packed, blank, out.data)
    with nogil:
        zeros(<real *> blank, blank_bytes // size)
        each_piece(<Piece> repack[real], &call, t.m * t.vectors, threads)
        each_piece(<Piece> segment[real], &call, t.n * t.s.od * t.s.oh * t.segments, threads, own, each)
    give_back(packed)
