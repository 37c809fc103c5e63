"""Depthwise convolution of small planes, channels first: as many channels at a time as a vector has lanes.

    out[c, y, x] = bias[c] + sum over i, j of  weight[c, i, j] * padded[c, y * sh + i * dh, x * sw + j * dw]

A row of seven pixels fills less than half of a vector, so vectors run along channels instead. The planes of `lanes`
channels are turned in registers (`turn.h`), summed as channels-last pixels are (`depthwise_last.h`) and turned back:

    channel 0  a b c ...           pixel 0  a A ..          Both turns and the pixels between them stay in the L1 cache.
    channel 1  A B C ...    ->     pixel 1  b B ..          The table of pointers to pixels, padding included, is the
    ...                            pixel 2  c C ..          same for all channels and images, and made once a call.

Larger planes are turned a chunk at a time, just before rows of output read them, and results as they come. Under
dilated taps a row of outputs goes phase by phase (`dilated.pxd`).

Work is split over images and blocks of channels; each output is one sum in the order of its taps.
"""

from libc.math cimport INFINITY

from fastconv._kernels.depthwise_last cimport depthwise_strip, line_phases, plan_row, strip, strip_pixels
from fastconv._kernels.dilated cimport in_phase
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div, clip, copy_run, zeros
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.shape cimport ConvShape, at, read_shape, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.turn cimport turn_block

cdef enum:
    RESIDENT = 512      # pixels of a plane that stay in L1
    CHUNK = 64          # of a larger one that are turned just before they are read
    SQUARE = 8          # pixels of the squares that are turned


cdef struct Task:
    ConvShape s
    const void *x
    const void *w
    const void *bias
    void *out
    Py_ssize_t n, blocks, lanes             # images, blocks of channels, channels of a block
    Py_ssize_t xn, xc, xh                   # strides of the input, in elements
    Py_ssize_t phases, length, width        # lines of a row of the table, entries of each and of all of them
    Py_ssize_t pixels                       # of a phase of an output row at a time
    Py_ssize_t chunk                        # pixels that are turned at a time, at least
    Py_ssize_t weights, source, result      # elements of a thread's scratch: bias and weights, input, output pixels
    Py_ssize_t own                          # and of all of it
    depthwise_strip strip


cdef void plan(Task *t, size_t size) noexcept nogil:
    """Everything that follows from the geometry alone."""
    cdef ConvShape *s = &t.s
    t.lanes = lanes_of(size)
    t.blocks = ceil_div(s.ic, t.lanes)
    t.phases = line_phases(s, s.ow)
    t.length = plan_row(&t.strip, s, t.phases, s.ow)
    t.width = t.phases * t.length
    t.strip.rows = s.kh
    t.strip.row_step = s.dh * t.width
    t.strip.kw = s.kw
    if s.kw == 1:                           # the taps of a column, in the innermost loop
        t.strip.rows, t.strip.kw, t.strip.tap_step = 1, s.kh, t.strip.row_step
    t.strip.channels = t.lanes
    t.strip.out_step = t.phases * t.lanes
    t.strip.spread = 1
    t.strip.ahead = 0
    t.pixels = ceil_div(s.ow, t.phases)
    t.pixels = ceil_div(t.pixels, ceil_div(t.pixels, strip_pixels(&t.strip)))
    t.chunk = CHUNK if s.ih * s.iw > RESIDENT else s.ih * s.iw
    t.weights = (s.kh * s.kw + 1) * t.lanes
    t.source = s.ih * s.iw * t.lanes
    t.result = s.oh * s.ow * t.lanes


cdef void point(const Task *t, const real *source, const real **table) noexcept nogil:
    """Pointers to the pixels of the padded plane among those at `source`, or to the blank one that follows the last."""
    cdef Py_ssize_t r, e, y, x
    for r in range((t.s.oh - 1) * t.s.sh + (t.s.kh - 1) * t.s.dh + 1):
        for e in range(t.width):
            y = r - t.s.ph
            x = e - t.s.pw if t.phases == 1 else e // t.length * t.s.sw + e % t.length * t.s.dw - t.s.pw
            table[r * t.width + e] = source + t.source
            if 0 <= y < t.s.ih and 0 <= x < t.s.iw:
                table[r * t.width + e] = source + (y * t.s.iw + x) * t.lanes


cdef Py_ssize_t turn_in(const Task *t, const real *x, real *source, Py_ssize_t turned, Py_ssize_t rows,
                        Py_ssize_t channels) noexcept nogil:
    """Turn pixels of the first rows, of which `turned` are turned already; how many are then."""
    cdef Py_ssize_t inside = t.s.ih * t.s.iw, end = rows * t.s.iw, y
    if t.xh == t.s.iw:
        end = min(round_up(end, t.chunk), inside) if inside - end >= SQUARE else inside
        if end > turned:
            turn_block(sizeof(real), channels, end - turned, x + turned, t.xc, source + turned * t.lanes, t.lanes)
    else:
        for y in range(turned // t.s.iw, rows):
            turn_block(sizeof(real), channels, t.s.iw, x + y * t.xh, t.xc, source + y * t.s.iw * t.lanes, t.lanes)
    return max(end, turned)


cdef inline void one_row(const Task *t, const real **table, const real *w, real *to) noexcept nogil:
    """A row of output pixels, whose taps' pixels `table` begins with."""
    cdef Py_ssize_t phase, left, entries = t.pixels * t.strip.pixel_step, elements = t.pixels * t.strip.out_step
    cdef const real **entry
    cdef real *pixel
    for phase in range(t.phases):
        left = in_phase(t.s.ow, t.phases, phase)
        entry = table + phase * t.length
        pixel = to + phase * t.lanes
        while left > 0:
            strip(sizeof(real), min(t.pixels, left), &t.strip, <const void *const *> entry, w, pixel, 1, t.lanes)
            left -= t.pixels
            entry += entries
            pixel += elements


cdef void block(const Task *t, Py_ssize_t item, real *scratch) noexcept nogil:
    """The planes of a block of channels of an image, or fewer where these end."""
    cdef Py_ssize_t taps = t.s.kh * t.s.kw, plane = t.s.oh * t.s.ow, inside = t.s.ih * t.s.iw
    cdef Py_ssize_t c = item % t.blocks * t.lanes, channels = min(t.lanes, t.s.ic - c), image = item // t.blocks
    cdef Py_ssize_t y, seen, turned = 0, summed = 0, ready, done = 0
    cdef const real *x = <const real *> t.x + image * t.xn + c * t.xc
    cdef const real *bias = at(<const real *> t.bias, c)
    cdef real *out = <real *> t.out + (image * t.s.ic + c) * plane
    cdef real *source = scratch + t.weights
    cdef real *result = source + t.source + t.lanes
    cdef const real **table = <const real **> (scratch + t.own)
    if bias != NULL:
        copy_run(scratch, bias, channels, 1)
    turn_block(sizeof(real), channels, taps, <const real *> t.w + c * taps, taps, scratch + t.lanes, t.lanes)
    for y in range(t.s.oh):
        if turned < inside:
            seen = clip(y * t.s.sh - t.s.ph + (t.s.kh - 1) * t.s.dh + 1, 0, t.s.ih)
            turned = turn_in(t, x, source, turned, seen, channels)
        one_row(t, table, scratch, result + summed * t.lanes)
        table += t.s.sh * t.width
        summed += t.s.ow
        if summed - done >= t.chunk or summed == plane:
            ready = plane if summed == plane else summed // SQUARE * SQUARE
            turn_block(sizeof(real), ready - done, channels, result + done * t.lanes, t.lanes, out + done, plane)
            done = ready


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads):
    """Convolve each channel by itself.

    geometry : ConvGeometry of channels-first memory with groups == ic == oc and id == kd == od == 1
    input, weight, bias, output, lo, hi : as of `direct.conv`
    """
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), own, entries, thread
    cdef real *scratch
    t.x, t.w, t.bias, t.out = x.data, w.data, first_of(bias), out.data
    read_shape(&t.s, geometry)
    t.n = x.shape[0]
    t.xn = x.strides[0] // size
    t.xc = x.strides[1] // size
    t.xh = x.strides[3] // size
    t.strip.clamp = lo > -INFINITY or hi < INFINITY
    t.strip.lo, t.strip.hi = lo, hi
    plan(&t, size)
    entries = ((t.s.oh - 1) * t.s.sh + (t.s.kh - 1) * t.s.dh + 1) * t.width
    t.own = t.weights + t.source + t.lanes + t.result
    own = round_up(t.own * size + entries * <Py_ssize_t> sizeof(void *), LINE)
    scratch = <real *> borrow("planes", own * threads)
    with nogil:
        zeros(scratch, own * threads // size)
        for thread in range(threads):
            point(&t, scratch + thread * own // size + t.weights,
                  <const real **> (scratch + thread * own // size + t.own))
        each_piece(<Piece> block[real], &t, t.n * t.blocks, threads, scratch, own)
    give_back(scratch)
