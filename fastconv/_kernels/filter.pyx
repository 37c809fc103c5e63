"""Direct convolution of a few channels: depthwise, a filter over one image, first and last layers of a few maps.

    out[o, z, y, x] = bias[o] + sum over c, a, i, j of
                      weight[o, c, a, i, j] * padded[c, z * sd + a * dd, y * sh + i * dh, x * sw + j * dw]

A matrix product needs many output channels to repay the packing of patches. Here vectors run along a row of one output
plane instead, and several rows of output share each loaded row of input (see `filter.h`). The input rows that a block
of output needs are staged in a scratch that stays in a core's L2, with zeros for padding, so that there are no border
cases; a row is split by the phase of the stride, so that every tap reads with unit stride:

    stride 2, three taps    image row    . p0 q0 p1 q1 p2 q2 ...       taps 0 and 2 read p at 0 and 1, tap 1 q at 0
                            staged as    [p0 p1 p2 ...] [q0 q1 q2 ...]

Channels-first memory. Work is split over images, groups and blocks of output.
"""

from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY
from libc.stdlib cimport free, malloc

from fastconv._kernels.filter cimport FILTER_ROWS, VECTOR_BYTES, filter_shape, filter_strip
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div, clip, copy_run, end_inside, first_inside, zeros
from fastconv._kernels.shape cimport ConvShape, at, read_shape, real

cdef enum:
    STAGE_BYTES = 131072    # staged rows of one block: a quarter of a 512 KiB L2
    WIDEST = 2048           # output columns of one block
    LINE = 64               # bytes of a cache line


cdef struct Task:
    ConvShape s
    Py_ssize_t n, icg, ocg
    Py_ssize_t xn, xc, xd, xh           # strides of the input, in elements
    Py_ssize_t rows, cols               # of output in a block
    Py_ssize_t high, wide               # blocks along a plane's rows and columns
    Py_ssize_t staged                   # rows of input under a block
    Py_ssize_t slots, slot              # phases staged of each row, and elements of one
    Py_ssize_t *phase                   # of each slot: which pixel modulo the stride it starts from
    filter_shape shape


cdef void split_phases(Task *t, Py_ssize_t *column) noexcept nogil:
    """Fill `phase`, `slots` and, in units of a slot and then of elements, where each tap's column stands."""
    cdef Py_ssize_t j, slot, reach = 0, vector = max(VECTOR_BYTES // 4, 1)
    t.slots = 0
    for j in range(t.s.kw):
        slot = 0
        while slot < t.slots and t.phase[slot] != j * t.s.dw % t.s.sw:
            slot += 1
        if slot == t.slots:
            t.phase[slot] = j * t.s.dw % t.s.sw
            t.slots += 1
        column[j] = slot
        reach = max(reach, j * t.s.dw // t.s.sw)
    t.slot = ceil_div(t.cols, vector) * vector + reach
    for j in range(t.s.kw):
        column[j] = column[j] * t.slot + j * t.s.dw // t.s.sw


cdef void plan_blocks(Task *t, size_t size, int threads) noexcept nogil:
    """Blocks of columns, then of as many rows as fit the stage, then fewer if threads would go without work."""
    cdef Py_ssize_t span = (t.s.kh - 1) * t.s.dh + 1, line = LINE // <Py_ssize_t> size, budget, items
    t.shape.pitch = (ceil_div(t.slots * t.slot, line) | 1) * line       # an odd number of lines: all cache sets
    budget = STAGE_BYTES // <Py_ssize_t> size // (t.shape.pitch * max(t.shape.planes, 1))
    t.rows = clip((budget - span) // t.s.sh + 1, min(FILTER_ROWS, t.s.oh), t.s.oh)
    t.wide = ceil_div(t.s.ow, t.cols)
    items = t.n * t.s.groups * t.s.od * t.wide
    t.high = ceil_div(t.s.oh, t.rows)
    if threads > 1 and items * t.high < 4 * threads:
        t.high = min(ceil_div(4 * threads, items), ceil_div(t.s.oh, FILTER_ROWS))
    t.rows = ceil_div(t.s.oh, t.high)
    t.high = ceil_div(t.s.oh, t.rows)
    t.staged = (t.rows - 1) * t.s.sh + span
    t.shape.plane = t.staged * t.shape.pitch


cdef void stage_plane(const Task *t, const real *x, Py_ssize_t y0, Py_ssize_t x0, real *to) noexcept nogil:
    """Copy what lies under the block at output (y0, x0) from one input plane; x is NULL for a plane of padding."""
    cdef Py_ssize_t r, k, slot, offset, lo, hi
    cdef Py_ssize_t top = y0 * t.s.sh - t.s.ph
    cdef Py_ssize_t first = t.staged if x == NULL else clip(-top, 0, t.staged)
    cdef Py_ssize_t end = clip(t.s.ih - top, first, t.staged)
    cdef real *row
    zeros(to, first * t.shape.pitch)
    zeros(to + end * t.shape.pitch, (t.staged - end) * t.shape.pitch)
    for slot in range(t.slots):
        offset = x0 * t.s.sw - t.s.pw + t.phase[slot]
        lo = clip(first_inside(offset, t.s.sw), 0, t.slot)
        hi = clip(end_inside(offset, t.s.sw, t.s.iw), lo, t.slot)
        for r in range(first, end):
            row = to + r * t.shape.pitch + slot * t.slot
            for k in range(lo):
                row[k] = 0
            copy_run(row + lo, x + (top + r) * t.xh + lo * t.s.sw + offset, hi - lo, t.s.sw)
            for k in range(hi, t.slot):
                row[k] = 0


cdef void block(
    const Task *t, const real *image, const real *w, const real *bias, real *out, real *stage,
    Py_ssize_t z, Py_ssize_t y0, Py_ssize_t x0,
) noexcept nogil:
    """One block of rows and columns at depth z of every output channel of a group, where image, w, bias, out start."""
    cdef Py_ssize_t depth = t.shape.planes * t.s.kh * t.s.kw, plane = t.s.oh * t.s.ow
    cdef Py_ssize_t rows = min(t.rows, t.s.oh - y0), cols = min(t.cols, t.s.ow - x0)
    cdef Py_ssize_t c, a, iz, o, x
    cdef real *to
    for c in range(t.icg):
        for a in range(t.s.kd):
            iz = z * t.s.sd + a * t.s.dd - t.s.pd
            stage_plane(t, image + c * t.xc + iz * t.xd if 0 <= iz < t.s.id else <const real *> NULL, y0, x0,
                        stage + (c * t.s.kd + a) * t.shape.plane)
    for o in range(t.ocg):
        to = out + (o * t.s.od + z) * plane + y0 * t.s.ow + x0
        x = 0
        while x < cols:
            x += filter_strip(sizeof(real), &t.shape, stage + x, w + o * depth, 0 if bias == NULL else bias[o], to + x,
                              rows, cols - x)


cdef void run(const Task *t, const real *x, const real *w, const real *bias, real *out, char *scratch,
              Py_ssize_t scratch_bytes, int threads) noexcept nogil:
    cdef Py_ssize_t item, rest, left, top, z, g, image
    cdef Py_ssize_t depth = t.shape.planes * t.s.kh * t.s.kw
    for item in prange(t.n * t.s.groups * t.s.od * t.high * t.wide, num_threads=threads, schedule="guided"):
        left = item % t.wide
        rest = item // t.wide
        top = rest % t.high
        rest = rest // t.high
        z = rest % t.s.od
        rest = rest // t.s.od
        g = rest % t.s.groups
        image = rest // t.s.groups
        block(t, x + image * t.xn + g * t.icg * t.xc, w + g * t.ocg * depth, at(bias, g * t.ocg),
              out + (image * t.s.oc + g * t.ocg) * t.s.od * t.s.oh * t.s.ow,
              <real *> (scratch + threadid() * scratch_bytes), z, top * t.rows, left * t.cols)


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads):
    """Convolve; arguments as of `direct.conv`, channels-first only."""
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), stage_bytes
    cdef const real *xs = <const real *> x.data
    cdef const real *ws = <const real *> w.data
    cdef const real *bs = <const real *> first_of(bias)
    cdef char *scratch
    cdef Py_ssize_t *table
    read_shape(&t.s, geometry)
    t.n = x.shape[0]
    t.icg = t.s.ic // t.s.groups
    t.ocg = t.s.oc // t.s.groups
    t.xn = x.strides[0] // size
    t.xc = x.strides[1] // size
    t.xd = x.strides[2] // size
    t.xh = x.strides[3] // size
    t.shape.clamp = lo > -INFINITY or hi < INFINITY
    t.shape.lo, t.shape.hi = lo, hi
    t.shape.planes = t.icg * t.s.kd
    t.shape.kh = t.s.kh
    t.shape.kw = t.s.kw
    t.shape.out_pitch = t.s.ow
    t.cols = min(t.s.ow, WIDEST)
    table = <Py_ssize_t *> malloc(2 * t.s.kw * sizeof(Py_ssize_t))
    if table == NULL:
        raise MemoryError("filter: no memory for the table of taps")
    t.phase = table
    t.shape.column = table + t.s.kw
    split_phases(&t, table + t.s.kw)
    plan_blocks(&t, size, threads)
    t.shape.step = t.s.sh * t.shape.pitch
    t.shape.reach = t.s.dh * t.shape.pitch
    if t.s.kh == 1 and t.s.sw == 1:         # taps along the row, evenly spaced, run in the innermost loop too
        t.shape.kh = t.s.kw
        t.shape.kw = 1
        t.shape.reach = t.s.dw
    stage_bytes = ceil_div((t.shape.planes * t.staged + FILTER_ROWS * t.s.sh) * t.shape.pitch * size, LINE) * LINE
    scratch = <char *> malloc(stage_bytes * threads + LINE)
    if scratch == NULL:
        free(table)
        raise MemoryError(f"filter: no memory for {stage_bytes * threads} bytes of staged rows")
    with nogil:
        run(&t, xs, ws, bs, <real *> out.data, <char *> (ceil_div(<Py_ssize_t> scratch, LINE) * LINE), stage_bytes,
            threads)
    free(scratch)
    free(table)
