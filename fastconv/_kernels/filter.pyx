"""Direct convolution of a few channels: depthwise, a filter over one image, first and last layers of a few maps.

    out[o, z, y, x] = bias[o] + sum over c, a, i, j of
                      weight[o, c, a, i, j] * padded[c, z * sd + a * dd, y * sh + i * dh, x * sw + j * dw]

A matrix product needs many output channels to repay the packing of patches. Here vectors run along a row of one output
plane instead, and several rows of output share each loaded row of input (see `filter.h`). The input rows that a block
of output needs are staged in a scratch that stays in a core's L1 (see `staged_rows.pxd`), with zeros for padding, so
that there are no border cases, and split by the phase of the stride, so that every tap reads with unit stride. Under
dilated taps output rows share loads with those of their phase (`dilated.pxd`), so each phase is a block of its own.

Channels-first memory. Work is split over images, groups and blocks of output.
"""

from libc.math cimport INFINITY

from fastconv._kernels.dilated cimport LEAST_SHARED, MOST_PHASES, in_phase, phases_of
from fastconv._kernels.filter cimport FILTER_ROWS, filter_block, filter_shape
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div, clip, zeros
from fastconv._kernels.scratch cimport LINE, borrow, borrow_more, round_up
from fastconv._kernels.shape cimport ConvShape, at, read_shape, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.staged_rows cimport StagedRows, split_phases, stage_rows
from fastconv._kernels.team cimport Piece, each_piece

cdef enum:
    STAGE_BYTES = 12288     # staged rows of one block: a part of a 32 KiB L1 that input and output do not push out
    WIDEST = 2048           # output columns of one block


cdef struct Task:
    ConvShape s
    const void *x
    const void *w
    const void *bias
    void *out
    Py_ssize_t n, icg, ocg
    Py_ssize_t xn, xc, xd, xh           # strides of the input, in elements
    Py_ssize_t rows, phases             # of output in a block, and the phases among them
    Py_ssize_t high, wide               # blocks along a plane's rows and columns
    StagedRows stage
    filter_shape shape


cdef void plan_blocks(Task *t, size_t size, int threads) noexcept nogil:
    """Blocks of as many rows as fit the stage, then of fewer if threads would go without work."""
    cdef Py_ssize_t span = (t.s.kh - 1) * t.s.dh + 1, tall = FILTER_ROWS * t.phases, budget, items
    budget = STAGE_BYTES // <Py_ssize_t> size // (t.shape.pitch * max(t.shape.planes, 1))
    t.rows = clip((budget - span) // t.s.sh + 1, min(tall, t.s.oh), t.s.oh)
    items = t.n * t.s.groups * t.s.od * t.wide
    t.high = ceil_div(t.s.oh, t.rows)
    if threads > 1 and items * t.high < 4 * threads:
        t.high = min(ceil_div(4 * threads, items), ceil_div(t.s.oh, tall))
    t.rows = min(ceil_div(ceil_div(t.s.oh, t.high), tall) * tall, t.s.oh)
    t.high = ceil_div(t.s.oh, t.rows)
    t.stage.staged = (t.rows - 1) * t.s.sh + span
    t.stage.moving = t.high > 1 or t.s.od * t.s.kd > 1
    t.stage.split = t.wide > 1
    t.shape.plane = t.stage.staged * t.shape.pitch


cdef inline Py_ssize_t left_edge(const Task *t, Py_ssize_t i, Py_ssize_t line) noexcept nogil:
    """The first column of block i of a row: nearly even, so that none is narrower than a vector, and aligned."""
    return t.s.ow if i == t.wide else i * t.s.ow // t.wide // line * line


cdef void block(const Task *t, Py_ssize_t item, real *stage) noexcept nogil:
    """One block of rows and columns at one depth of every output channel of a group."""
    cdef Py_ssize_t depth = t.shape.planes * t.s.kh * t.s.kw, plane = t.s.oh * t.s.ow, line = LINE // sizeof(real)
    cdef Py_ssize_t x0 = left_edge(t, item % t.wide, line), cols = left_edge(t, item % t.wide + 1, line) - x0
    cdef Py_ssize_t y0 = item // t.wide % t.high * t.rows, rest = item // t.wide // t.high
    cdef Py_ssize_t z = rest % t.s.od, g = rest // t.s.od % t.s.groups, image = rest // t.s.od // t.s.groups
    cdef Py_ssize_t first = g * t.ocg, c, a, iz, o, phase
    cdef const real *x = <const real *> t.x + image * t.xn + g * t.icg * t.xc
    cdef const real *w = <const real *> t.w + first * depth
    cdef const real *bias = at(<const real *> t.bias, first)
    cdef real *out = <real *> t.out + (image * t.s.oc + first) * t.s.od * plane
    for c in range(t.icg):
        for a in range(t.s.kd):
            iz = z * t.s.sd + a * t.s.dd - t.s.pd
            stage_rows(&t.stage, &t.s, x + c * t.xc + iz * t.xd if 0 <= iz < t.s.id else <const real *> NULL, t.xh, y0,
                       x0, stage + (c * t.s.kd + a) * t.shape.plane)
    for o in range(t.ocg):
        for phase in range(t.phases):
            filter_block(sizeof(real), &t.shape, stage + phase * t.s.sh * t.stage.pitch, w + o * depth,
                         0 if bias == NULL else bias[o],
                         out + (o * t.s.od + z) * plane + (y0 + phase) * t.s.ow + x0,
                         in_phase(min(t.rows, t.s.oh - y0), t.phases, phase), cols)


cdef inline void plan(Task *t, Py_ssize_t size, int threads, Py_ssize_t *table) noexcept nogil:
    """How rows are staged, how they make blocks, and what a block's taps are; `table` has three numbers for each column
    of them."""
    t.shape.planes = t.icg * t.s.kd
    t.shape.kh = t.s.kh
    t.shape.kw = t.s.kw
    # rows shorter than a vector are overwritten by the next one where they are too long
    t.phases = phases_of(t.s.sh, t.s.dh, min(t.s.oh, MOST_PHASES * LEAST_SHARED)) if t.s.ow >= lanes_of(size) else 1
    t.shape.out_pitch = t.phases * t.s.ow
    t.wide = ceil_div(t.s.ow, WIDEST)
    t.stage.cols = min(t.s.ow, ceil_div(t.s.ow, t.wide) + LINE // size)
    t.stage.phase = table
    t.stage.shift = table + t.s.kw
    t.shape.column = table + 2 * t.s.kw
    split_phases(&t.stage, &t.s, table + 2 * t.s.kw, LINE // size)
    t.shape.pitch = t.stage.pitch
    plan_blocks(t, size, threads)
    t.shape.step = t.phases * t.s.sh * t.stage.pitch
    t.shape.reach = t.s.dh * t.stage.pitch
    if t.phases > 1:
        t.shape.pitch = t.shape.reach
    if t.s.kh == 1 and t.s.sw == 1:         # taps along the row, evenly spaced, run in the innermost loop too
        t.shape.kh = t.s.kw
        t.shape.kw = 1
        t.shape.reach = t.s.dw


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads):
    """Convolve; arguments as of `direct.conv`, channels-first only."""
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), stage_bytes
    cdef char *stage
    cdef Py_ssize_t *table
    t.x, t.w, t.bias, t.out = x.data, w.data, first_of(bias), out.data
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
    table = <Py_ssize_t *> borrow("filter", 3 * t.s.kw * sizeof(Py_ssize_t))
    plan(&t, size, threads, table)
    stage_bytes = round_up((t.shape.planes * t.stage.staged + FILTER_ROWS * t.phases * t.s.sh) * t.stage.pitch * size,
                           LINE)
    stage = borrow_more("filter", stage_bytes * threads, table)
    with nogil:
        zeros(<real *> stage, stage_bytes // size * threads)
        each_piece(<Piece> block[real], &t, t.n * t.s.groups * t.s.od * t.high * t.wide, threads, stage, stage_bytes)
    give_back(stage)
    give_back(table)
