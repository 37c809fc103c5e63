"""Depthwise convolution of small planes, channels first: as many channels at a time as a vector has lanes.

    out[c, y, x] = bias[c] + sum over i, j of  weight[c, i, j] * padded[c, y * sh + i * dh, x * sw + j * dw]

A row of seven pixels fills less than half of a vector, so vectors run along channels instead. The planes of `lanes`
channels are turned in registers (`turn.h`), summed as channels-last pixels are (`depthwise_last.h`) and turned back:

    channel 0  a b c ...           pixel 0  a A ..          Both turns and the pixels between them stay in the L1 cache.
    channel 1  A B C ...    ->     pixel 1  b B ..          The table of pointers to pixels, padding included, is the
    ...                            pixel 2  c C ..          same for all channels and images, and made once a call.

Work is split over images and blocks of channels; each output is one sum in the order of its taps.
"""

from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY
from libc.stdlib cimport free

from fastconv._kernels.depthwise_last cimport depthwise_strip, strip, strip_pixels
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div, copy_run, zeros
from fastconv._kernels.scratch cimport LINE, aligned, allocate, round_up
from fastconv._kernels.shape cimport ConvShape, at, read_shape, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.turn cimport turn_block


cdef struct Task:
    ConvShape s
    Py_ssize_t n, blocks, lanes             # images, blocks of channels, channels of a block
    Py_ssize_t xn, xc, xh                   # strides of the input, in elements
    Py_ssize_t width                        # entries of a row of the table
    Py_ssize_t pixels                       # of an output row at a time
    Py_ssize_t weights, source, result      # elements of a thread's scratch: bias and weights, input, output pixels
    Py_ssize_t own                          # and of all of it
    depthwise_strip strip


cdef void plan(Task *t, size_t size) noexcept nogil:
    """Everything that follows from the geometry alone."""
    cdef ConvShape *s = &t.s
    t.lanes = lanes_of(size)
    t.blocks = ceil_div(s.ic, t.lanes)
    t.width = (s.ow - 1) * s.sw + (s.kw - 1) * s.dw + 1
    t.strip.rows = s.kh
    t.strip.row_step = s.dh * t.width
    t.strip.kw = s.kw
    t.strip.tap_step = s.dw
    t.strip.pixel_step = s.sw
    t.strip.shared = s.sw if s.dw == 1 and s.sw <= 2 and s.kw in (3, 5, 7) else 0
    t.strip.channels = t.lanes
    t.strip.out_step = t.lanes
    t.strip.spread = 1
    t.pixels = ceil_div(s.ow, ceil_div(s.ow, strip_pixels(&t.strip)))
    t.weights = (s.kh * s.kw + 1) * t.lanes
    t.source = s.ih * s.iw * t.lanes
    t.result = s.oh * s.ow * t.lanes


cdef void point(const Task *t, const real *source, const real **table) noexcept nogil:
    """Pointers to the pixels of the padded plane among those at `source`, or to the blank one that follows the last."""
    cdef Py_ssize_t r, e, y, x
    for r in range((t.s.oh - 1) * t.s.sh + (t.s.kh - 1) * t.s.dh + 1):
        for e in range(t.width):
            y = r - t.s.ph
            x = e - t.s.pw
            table[r * t.width + e] = source + t.source
            if 0 <= y < t.s.ih and 0 <= x < t.s.iw:
                table[r * t.width + e] = source + (y * t.s.iw + x) * t.lanes


cdef void block(const Task *t, const real *x, const real *w, const real *bias, real *out, const real **table,
                real *scratch, Py_ssize_t channels) noexcept nogil:
    """`channels` planes, at most a block, where x, w, bias and out start."""
    cdef Py_ssize_t taps = t.s.kh * t.s.kw, inside = t.s.ih * t.s.iw, plane = t.s.oh * t.s.ow, y, o
    cdef real *source = scratch + t.weights
    cdef real *result = source + t.source + t.lanes
    if bias != NULL:
        copy_run(scratch, bias, channels, 1)
    turn_block(sizeof(real), channels, taps, w, taps, scratch + t.lanes, t.lanes)
    if t.xh == t.s.iw:
        turn_block(sizeof(real), channels, inside, x, t.xc, source, t.lanes)
    else:
        for y in range(t.s.ih):
            turn_block(sizeof(real), channels, t.s.iw, x + y * t.xh, t.xc, source + y * t.s.iw * t.lanes, t.lanes)
    for y in range(t.s.oh):
        o = 0
        while o < t.s.ow:
            strip(sizeof(real), min(t.pixels, t.s.ow - o), &t.strip,
                  <const void *const *> (table + y * t.s.sh * t.width + o * t.s.sw), scratch,
                  result + (y * t.s.ow + o) * t.lanes, 1, t.lanes)
            o += t.pixels
    turn_block(sizeof(real), plane, channels, result, t.lanes, out, plane)


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads):
    """Convolve each channel by itself.

    geometry : ConvGeometry of channels-first memory with groups == ic == oc and id == kd == od == 1
    input, weight, bias, output, lo, hi : as of `direct.conv`
    """
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), own, entries, item, c
    cdef const real *xs = <const real *> x.data
    cdef const real *ws = <const real *> w.data
    cdef const real *bs = <const real *> first_of(bias)
    cdef real *to = <real *> out.data
    cdef char *scratch
    cdef char *first
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
    scratch = allocate("planes", own * threads)
    first = aligned(scratch)
    with nogil:
        zeros(<real *> first, own * threads // size)
        for item in range(threads):
            point(&t, <real *> (first + item * own) + t.weights, <const real **> (first + item * own + t.own * size))
        for item in prange(t.n * t.blocks, num_threads=threads, schedule="static"):
            c = item % t.blocks * t.lanes
            block(&t, xs + item // t.blocks * t.xn + c * t.xc, ws + c * t.s.kh * t.s.kw, at(bs, c),
                  to + (item // t.blocks * t.s.ic + c) * t.s.oh * t.s.ow,
                  <const real **> (first + threadid() * own + t.own * size), <real *> (first + threadid() * own),
                  min(t.lanes, t.s.ic - c))
    free(scratch)
