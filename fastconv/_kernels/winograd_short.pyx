"""Winograd convolution whose sums at the points are short: channels-first layers of few channels, strides and parts.

As `winograd.pyx` it sums at the points over k = (part, channel), but lanes are tiles, and products and the transform
back are one: `winograd_short.h`. A band of rows of tiles is staged, and for one vector or two of its tiles after the
other the input is transformed once, and then used by all outputs while it is in L1 and L2.

The order of each sum depends on K alone, so results have the same bits for any number of images and threads.
"""

from libc.math cimport INFINITY
from libc.string cimport memset

from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.shape cimport read_shape, read_strides, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.winograd cimport Panel, Task, plan, take_weights, turned_size
from fastconv._kernels.winograd_panels cimport panel_at
from fastconv._kernels.winograd_rules cimport choose_rules
from fastconv._kernels.winograd_short cimport (
    MOST_ROWS, SHORT_HALF, SHORT_OUTPUTS, SHORT_VECTORS, TOGETHER, Short, ShortRun, find_runs, multiply_blocks,
    plan_short, short_output, short_weights, stage_band, store_runs, transform_tiles
)
from fastconv._kernels.winograd_weights cimport transform_weight


cdef struct Call:
    const Short *s
    const void *x
    const void *w
    void *u
    const void *bias
    void *out


cdef void begin(Short *s, tuple geometry, Py_ssize_t n, Py_ssize_t size, int threads):
    read_shape(&s.t.s, geometry)
    s.t.n = n
    take_weights(&s.t, None)
    plan(&s.t, size, False, True, 1)
    plan_short(s, size, threads)


cdef void one_weight(const Call *c, Py_ssize_t item, real *scratch) noexcept nogil:
    """Transform the weights of a panel, and lay them out in the order in which they are read."""
    cdef const Short *s = c.s
    cdef const Task *t = &s.t
    cdef Py_ssize_t g = item // (t.panels * t.cuts), b, i
    cdef Panel p = panel_at(t, item % (t.panels * t.cuts), sizeof(real))
    cdef const real *source
    cdef real *to
    transform_weight(t, <const real *> c.w, scratch, scratch + t.u_size, g, &p, 0, t.chunks)
    for b in range(ceil_div(p.count, SHORT_OUTPUTS)):
        to = <real *> c.u + (g * s.blocks + p.first // SHORT_OUTPUTS + b) * s.u_block
        for i in range(2 * t.nh):
            source = scratch + i * SHORT_HALF * t.u_point + p.offset + b * SHORT_OUTPUTS
            short_weights(sizeof(real), t.depth, source, t.u_point, t.width, to + i * s.half)


cdef void one_band(const Call *c, Py_ssize_t item, real *stage) noexcept nogil:
    """A band of tiles with all outputs of a group."""
    cdef const Short *s = c.s
    cdef const Task *t = &s.t
    cdef Py_ssize_t vector = lanes_of(sizeof(real)), segment = item % s.segments, band = item // s.segments % s.bands
    cdef Py_ssize_t plane = item // (s.segments * s.bands), g = plane % t.s.groups, z = plane // t.s.groups % t.s.od
    cdef Py_ssize_t image = plane // (t.s.groups * t.s.od), tile = 0, vectors
    cdef Py_ssize_t tiles = (min(s.rows, t.th - band * s.rows) - 1) * s.pitch + s.cols
    cdef const real *x = <const real *> c.x + image * t.xn + g * t.icg * t.xc
    cdef real *out = <real *> c.out + ((image * t.s.oc + g * t.ocg) * t.s.od + z) * t.s.oh * t.s.ow
    cdef real *v = stage + s.stage
    stage_band(s, x, z, band * s.rows, segment * s.cols, stage, v + s.v_size)
    while tile < tiles:
        vectors = min(SHORT_VECTORS, ceil_div(tiles - tile, vector))
        transform_tiles(s, <const real *> stage + tile, vectors, v)
        outputs_of(c, <const real *> v, g, tile, min(tile + vectors * vector, tiles), vectors, band * s.rows,
                   segment * s.cols, v + s.v_size, out)
        tile += vectors * vector


cdef void outputs_of(
    const Call *c, const real *v, Py_ssize_t g, Py_ssize_t tile, Py_ssize_t end, Py_ssize_t vectors, Py_ssize_t ty,
    Py_ssize_t tx, real *y, real *out,
) noexcept nogil:
    """All outputs of group `g` of tiles [tile, end) of the band from (ty, tx) on."""
    cdef const Short *s = c.s
    cdef const Task *t = &s.t
    cdef Py_ssize_t row = vectors * lanes_of(sizeof(real)) * t.mw, plane = t.s.od * t.s.oh * t.s.ow
    cdef Py_ssize_t first = 0, b, some, o, count, i
    cdef real *rows = y + s.y_size
    cdef real bias[16]
    cdef ShortRun runs[MOST_ROWS]
    cdef Py_ssize_t count_runs = find_runs(s, tile, end, ty, tx, runs)
    memset(bias, 0, sizeof(bias))
    while first < s.blocks:
        some = min(TOGETHER, s.blocks - first)
        multiply_blocks(s, v, <const real *> c.u + (g * s.blocks + first) * s.u_block, some, vectors, y)
        for b in range(some):
            o = (first + b) * SHORT_OUTPUTS
            count = min(SHORT_OUTPUTS, t.ocg - o)
            if c.bias != NULL:
                for i in range(count):
                    bias[i] = (<const real *> c.bias)[g * t.ocg + o + i]
            short_output(sizeof(real), t.rule_h, t.rule_w, vectors, count, y + b * t.nh * SHORT_OUTPUTS * row, bias,
                         t.clamp, t.lo, t.hi, rows, t.mh * row, row)
            for i in range(count):
                store_runs(s, runs, count_runs, <const real *> rows + i * t.mh * row, row, out + (o + i) * plane)
        first += some


def pass_outputs():
    """Channels of output of a pass, all of which it computes."""
    return SHORT_OUTPUTS


def packed_layout(tuple geometry):
    """What the transformed weights depend on besides the weights and how they are split: the rules along both axes."""
    cdef Task t
    read_shape(&t.s, geometry)
    choose_rules(&t.s, &t.parts, &t.rule_h, &t.rule_w)
    return t.rule_h, t.rule_w


def packed_size(tuple geometry, real like):
    """Elements that the transformed weights of a geometry take, of the type of `like`."""
    cdef Short s
    begin(&s, geometry, 1, sizeof(real), 1)
    return s.t.s.groups * s.blocks * s.u_block


cdef Py_ssize_t weight_scratch(const Task *t, Py_ssize_t size) noexcept nogil:
    """Bytes of scratch that a thread needs to transform weights."""
    return round_up((t.u_size + turned_size(t, size)) * size, LINE)


def pack(tuple geometry, weight, real[:] packed, int threads):
    """Transform the weights once, for calls of `conv` with any input; `packed` has `packed_size` elements."""
    cdef Short s
    cdef Call call
    cdef char *memory
    cdef Py_ssize_t each
    begin(&s, geometry, 1, sizeof(real), threads)
    each = weight_scratch(&s.t, sizeof(real))
    memory = borrow("winograd", each * threads)
    call.s, call.w, call.u = &s, first_of(weight), &packed[0]
    with nogil:
        each_piece(<Piece> one_weight[real], &call, s.t.s.groups * s.t.panels * s.t.cuts, threads, memory, each)
    give_back(memory)


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads, packed=None):
    """Convolve: as `conv` of `direct.pyx`, for what `fastconv._winograd` says; packed : what `pack` made of w."""
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Py_ssize_t size = sizeof(real), each, shared = 0
    cdef Short s
    cdef Call call = Call(&s, x.data, w.data, first_of(packed), first_of(bias), out.data)
    cdef char *scratch
    cdef char *own
    begin(&s, geometry, x.shape[0], size, threads)
    read_strides(&s.t.xn, x.shape, x.strides, size, False)
    s.t.clamp = lo > -INFINITY or hi < INFINITY
    s.t.lo, s.t.hi = lo, hi
    each = round_up((s.stage + s.v_size + max(s.y_size + s.out_size, s.line)) * size, LINE)
    if call.u == NULL:
        shared = round_up(s.t.s.groups * s.blocks * s.u_block * size, LINE)
        each = max(each, weight_scratch(&s.t, size))
    scratch = borrow("winograd", shared + each * threads)
    own = scratch + shared
    with nogil:
        if call.u == NULL:
            call.u = scratch
            each_piece(<Piece> one_weight[real], &call, s.t.s.groups * s.t.panels * s.t.cuts, threads, own, each)
        each_piece(<Piece> one_band[real], &call, x.shape[0] * s.t.s.od * s.t.s.groups * s.bands * s.segments, threads,
                   own, each)
    give_back(scratch)
