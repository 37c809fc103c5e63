"""Gradient of the weights where few output channels share an input channel: filtering, depthwise with a multiplier.

    dw[o, c, tap] = sum over images and pixels of  gout[o, pixel] * x[c, pixel moved by tap]

is then no matrix product worth the name. Instead a band of output rows and the input rows under it are copied to
scratch for some channels at a time, the input with its padding and its columns sorted by residue modulo the stride,

    x x x x x x x x      stride 2:   0 2 4 6 | 1 3 5 7

so that each tap reads rows of unit stride at a fixed distance, and `dot.h` takes the products of one row of gout with
all taps at once. A lane adds at most TERMS products before lanes and bands are added up in long double. Work is split
over elements of dw only, so the order of every sum is the same for any number of threads.
"""

from libc.string cimport memset

from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport OWN_RANK, five, operand
from fastconv._kernels.pack cimport ceil_div, clip, copy_run, end_inside, first_inside, is_seen, zeros
from fastconv._kernels.scratch cimport LINE, borrow, borrow_more, round_up
from fastconv._kernels.shape cimport LAYOUT, ConvShape, read_shape, read_strides, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.staged_rows cimport slot_of
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.turn cimport turn_block

cdef extern from "dot.h" nogil:
    enum: DOT_TAPS
    void dots(size_t size, Py_ssize_t taps, Py_ssize_t rows, Py_ssize_t n, const void *g, Py_ssize_t g_row,
              const void *x, Py_ssize_t x_row, const Py_ssize_t *shift, long double *sums)

cdef enum:
    TERMS = 128             # of a lane of a band: they err by 1.3 eps (rms) if positive, which lanes and bands average
    WIDEST = 64             # vectors of a band's row
    TOGETHER = 16           # channels-last: channels copied at once, a line of float32


cdef struct Task:
    ConvShape s
    const void *x
    const void *gout
    void *dw
    bint last
    Py_ssize_t n, icg, ocg, taps                # taps of one kernel plane
    Py_ssize_t xn, xc, xd, xh, xw               # strides of the input, in elements
    Py_ssize_t gn, gc, gd, gh, gw               # strides of grad_output
    Py_ssize_t rows, width                      # of a band of output
    Py_ssize_t residues                         # modulo the stride that taps have
    Py_ssize_t run                              # elements for one residue of one row
    Py_ssize_t x_rows, x_plane, g_row, g_plane  # scratch: rows of input under a band; elements of one channel
    Py_ssize_t groups, channels                 # worked on together: groups, and input channels of each
    Py_ssize_t blocks, chunks, parts            # how often that is; parts of the taps
    const Py_ssize_t *residue                   # of each residue in use
    const Py_ssize_t *shift                     # of each tap, in scratch
    Py_ssize_t bytes                            # of scratch for one thread


cdef void plan_bands(Task *t, Py_ssize_t size, int threads) noexcept nogil:
    """Rows enough for TERMS products a lane, channels enough for whole lines, items enough for all threads."""
    cdef Py_ssize_t lanes = lanes_of(size)
    t.width = min(t.s.ow, WIDEST * lanes)
    t.rows = clip(TERMS // ceil_div(t.width, lanes), 1, t.s.oh)
    t.groups = clip(TOGETHER // max(t.icg, t.ocg), 1, t.s.groups) if t.last else 1
    t.channels = min(t.icg, TOGETHER) if t.last else 1
    t.blocks = ceil_div(t.s.groups, t.groups)
    t.chunks = ceil_div(t.icg, t.channels)
    t.parts = min(ceil_div(threads, t.blocks * t.chunks), ceil_div(t.taps, DOT_TAPS))
    t.g_row = round_up(t.width, lanes)
    t.g_plane = t.rows * t.g_row
    t.run = t.g_row + (t.s.kw - 1) * t.s.dw // t.s.sw
    t.x_rows = (t.rows - 1) * t.s.sh + (t.s.kh - 1) * t.s.dh + 1
    t.x_plane = t.x_rows * t.residues * t.run
    t.bytes = round_up(t.groups * t.channels * t.ocg * t.taps * t.s.kd * sizeof(long double), LINE) + round_up(
        t.groups * (t.channels * t.x_plane + t.ocg * t.g_plane) * size, LINE)


cdef void sort_taps(const ConvShape *s, Py_ssize_t *residue, Py_ssize_t *shift, Py_ssize_t *residues) noexcept nogil:
    """The residues that taps of a row have, and which of them each tap has (in `shift`, for now)."""
    cdef Py_ssize_t j
    residues[0] = 0
    for j in range(s.kw):
        shift[j] = slot_of(residue, residues, j * s.dw % s.sw)


cdef void place_taps(const Task *t, Py_ssize_t *shift) noexcept nogil:
    """shift[i * kw + j] = where in scratch tap (i, j) of output (0, 0) is."""
    cdef Py_ssize_t i, j
    for j in range(t.s.kw):
        shift[j] = shift[j] * t.run + j * t.s.dw // t.s.sw
    for i in range(1, t.s.kh):
        for j in range(t.s.kw):
            shift[i * t.s.kw + j] = shift[j] + i * t.s.dh * t.residues * t.run


cdef inline void copy_pixels(const real *source, Py_ssize_t step, Py_ssize_t channel, Py_ssize_t n, Py_ssize_t channels,
                             real *to, Py_ssize_t plane, bint last) noexcept nogil:
    """to[c * plane + i] = source[c * channel + i * step] for i < n, c < channels."""
    cdef Py_ssize_t c
    if last:
        turn_block(sizeof(real), n, channels, source, step, to, plane)
    else:
        for c in range(channels):
            copy_run(to + c * plane, source + c * channel, n, step)


cdef void copy_input(const Task *t, const real *x, Py_ssize_t channels, Py_ssize_t y, Py_ssize_t o, Py_ssize_t width,
                     real *to) noexcept nogil:
    """The input under a band from output (y, o) on: x is the plane of the first channel."""
    cdef Py_ssize_t wanted = width + (t.s.kw - 1) * t.s.dw // t.s.sw
    cdef Py_ssize_t row, r, iy, offset, lo, hi, c
    cdef real *line
    for row in range(t.x_rows):
        if not is_seen(row, t.s.sh, t.s.dh, t.s.kh):
            continue
        iy = y * t.s.sh - t.s.ph + row
        for r in range(t.residues):
            line = to + (row * t.residues + r) * t.run
            offset = o * t.s.sw + t.residue[r] - t.s.pw
            lo = hi = 0
            if 0 <= iy < t.s.ih:
                lo = min(first_inside(offset, t.s.sw), wanted)
                hi = clip(end_inside(offset, t.s.sw, t.s.iw), lo, wanted)
                copy_pixels(x + iy * t.xh + (offset + lo * t.s.sw) * t.xw, t.s.sw * t.xw, t.xc, hi - lo, channels,
                            line + lo, t.x_plane, t.last)
            for c in range(channels):
                zeros(line + c * t.x_plane, lo)
                zeros(line + c * t.x_plane + hi, wanted - hi)


cdef void sum_band(const Task *t, const real *x, const real *g, Py_ssize_t groups, Py_ssize_t channels, Py_ssize_t rows,
                   Py_ssize_t width, Py_ssize_t t0, Py_ssize_t t1, long double *sums) noexcept nogil:
    """Taps [t0, t1) of every pair of channels in scratch: sums[group][o][c][kd * taps], moved on to the right plane."""
    cdef Py_ssize_t group, o, c, tap, some
    for group in range(groups):
        for o in range(t.ocg):
            for c in range(channels):
                tap = t0
                while tap < t1:
                    some = ceil_div(t1 - tap, ceil_div(t1 - tap, DOT_TAPS))
                    dots(sizeof(real), some, rows, width, g + (group * t.ocg + o) * t.g_plane, t.g_row,
                         x + (group * channels + c) * t.x_plane, t.s.sh * t.residues * t.run, t.shift + tap,
                         sums + ((group * t.ocg + o) * channels + c) * t.taps * t.s.kd + tap)
                    tap += some


cdef void sum_planes(const Task *t, const real *x, const real *gout, Py_ssize_t groups, Py_ssize_t channels,
                     Py_ssize_t t0, Py_ssize_t t1, long double *sums, real *scratch) noexcept nogil:
    """All bands of all images; x and gout start at the first channels in work."""
    cdef real *g = scratch + groups * channels * t.x_plane
    cdef Py_ssize_t image, z, a, iz, y, o, rows, width, r
    cdef const real *plane
    for image in range(t.n):
        for z in range(t.s.od):
            for a in range(t.s.kd):
                iz = z * t.s.sd + a * t.s.dd - t.s.pd
                if not 0 <= iz < t.s.id:
                    continue
                y = 0
                while y < t.s.oh:
                    rows = min(t.rows, t.s.oh - y)
                    o = 0
                    while o < t.s.ow:
                        width = min(t.width, t.s.ow - o)
                        copy_input(t, x + image * t.xn + iz * t.xd, groups * channels, y, o, width, scratch)
                        plane = gout + image * t.gn + z * t.gd + y * t.gh + o * t.gw
                        for r in range(rows):
                            copy_pixels(plane + r * t.gh, t.gw, t.gc, width, groups * t.ocg,
                                        g + r * t.g_row, t.g_plane, t.last)
                        sum_band(t, scratch, g, groups, channels, rows, width, t0, t1, sums + a * t.taps)
                        o += width
                    y += rows


cdef void one_item(const Task *t, Py_ssize_t item, real *scratch) noexcept nogil:
    """Some taps of some input channels of some groups, into dw."""
    cdef Py_ssize_t part = item % t.parts, chunk = item // t.parts % t.chunks, block = item // (t.parts * t.chunks)
    cdef Py_ssize_t g0 = block * t.groups, groups = min(t.groups, t.s.groups - g0)
    cdef Py_ssize_t c0 = chunk * t.channels, channels = min(t.channels, t.icg - c0)
    cdef Py_ssize_t share = ceil_div(t.taps, t.parts), t0 = part * share, t1 = min(t0 + share, t.taps)
    cdef Py_ssize_t whole = t.taps * t.s.kd, o, c, a, tap
    cdef long double *sums = <long double *> scratch
    cdef real *to
    cdef Py_ssize_t room = round_up(t.groups * t.channels * t.ocg * whole * sizeof(long double), LINE)
    memset(sums, 0, room)
    sum_planes(t, <const real *> t.x + (g0 * t.icg + c0) * t.xc, <const real *> t.gout + g0 * t.ocg * t.gc, groups,
               channels, t0, t1, sums, <real *> (<char *> scratch + room))
    for o in range(groups * t.ocg):
        for c in range(channels):
            for a in range(t.s.kd):
                to = <real *> t.dw + ((g0 * t.ocg + o) * t.icg + c0 + c) * whole
                for tap in range(a * t.taps + t0, a * t.taps + t1):
                    to[tap] = <real> sums[(o * channels + c) * whole + tap]


def weight_grad(tuple geometry, input, grad_output, grad_weight, real like, int threads):
    """Weight gradient of a convolution; arguments as of `weight_grad.weight_grad`."""
    cdef operand dw = five(grad_weight, OWN_RANK), x = five(input, dw.rank), gout = five(grad_output, dw.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real)
    cdef Py_ssize_t *table
    cdef char *scratch
    read_shape(&t.s, geometry)
    t.x, t.gout, t.dw = x.data, gout.data, dw.data
    t.last = geometry[LAYOUT]
    t.n = x.shape[0]
    t.icg = t.s.ic // t.s.groups
    t.ocg = t.s.oc // t.s.groups
    t.taps = t.s.kh * t.s.kw
    read_strides(&t.xn, x.shape, x.strides, size, t.last)
    read_strides(&t.gn, gout.shape, gout.strides, size, t.last)
    table = <Py_ssize_t *> borrow("tap_grad", (t.s.kw + t.taps) * sizeof(Py_ssize_t))
    t.residue = table
    t.shift = table + t.s.kw
    sort_taps(&t.s, table, table + t.s.kw, &t.residues)
    plan_bands(&t, size, threads)
    place_taps(&t, table + t.s.kw)
    scratch = borrow_more("tap_grad", t.bytes * threads, table)
    with nogil:
        each_piece(<Piece> one_item[real], &t, t.blocks * t.chunks * t.parts, threads, scratch, t.bytes)
    give_back(scratch)
    give_back(table)
