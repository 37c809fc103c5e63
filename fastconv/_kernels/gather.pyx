"""Transposed convolution of a few channels, depthwise above all: outputs gather what reaches them, row by row.

    out[o, z, y, x] = bias[o] + sum over c, (iz, a), (iy, i), (ix, j) of  in[c, iz, iy, ix] * weight[c, o, a, i, j]

over the taps with  iz * sd + a * dd = z + pd  and so on. Which rows of input and taps meet in a row of output is
looked up in tables made once a call; along the row `gather.h` does all phases of the stride together, with weights as
they lie, or `gather_down.h` those of all rows of a plane. The rows of input under a band of output are staged in L1
with zeros at both ends, so that rows have no border cases.

Channels-first memory. Work is split over images, groups, depths and bands of output.
"""

from fastconv._kernels.heap cimport give_back
from fastconv._kernels.meeting cimport Meeting, meet
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div, clip, copy_run, zeros
from fastconv._kernels.scratch cimport LINE, borrow, borrow_more, round_up
from fastconv._kernels.shape cimport ConvShape, at, read_shape, real
from fastconv._kernels.team cimport Piece, each_piece

cdef extern from "gather.h" nogil:
    enum: VECTOR_BYTES
    ctypedef struct gather_shape:
        Py_ssize_t s, kw, steps, first, pitch, ldo
    void gather_rows(size_t size, const gather_shape *g, Py_ssize_t rows, Py_ssize_t lines, const void *const *x,
                     const void *const *w, double bias, void *out, Py_ssize_t n)

cdef extern from "gather_down.h" nogil:
    ctypedef struct gather_band:
        Py_ssize_t kh, rows, pitch, y, y0, y1, width, n
    bint gathers_down(Py_ssize_t sh, Py_ssize_t sw, Py_ssize_t kh, Py_ssize_t kw, Py_ssize_t dh)
    void gather_down(size_t size, const gather_shape *g, const gather_band *b, const void *x, const void *w,
                     double bias, void *out)

cdef enum:
    STAGE_BYTES = 16384     # staged rows of one band: half of a 32 KiB L1, beside weights and output
    WIDEST = 1024           # columns of input in a band


cdef struct Task:
    ConvShape s                             # of the convolution that this transposes: o is what is read, i the result
    const void *x
    const void *w
    const void *bias
    void *out
    Py_ssize_t n, icg, ocg
    Py_ssize_t xn, xc, xd, xh               # strides of what is read, in elements
    Py_ssize_t rows, high, cols, wide       # of the result in a band, and bands along its height and width
    Py_ssize_t shift                        # input of column 0 of a stage, for a band that starts at 0
    Py_ssize_t staged, pitch                # rows of a stage for each plane, from one to the next
    Py_ssize_t deep                         # planes of a channel in a stage
    Meeting *depth                          # of output z: kd at z * kd, those that are none at the end
    Meeting *height
    Py_ssize_t *depths                      # how many
    Py_ssize_t *heights
    Py_ssize_t table                        # bytes of a thread's pointers, which its stage follows
    gather_shape gather


cdef void plan(Task *t, Py_ssize_t size, int threads) noexcept nogil:
    """Bands of as many rows as fit the stage, then of fewer if threads would go without work."""
    cdef ConvShape *s = &t.s
    cdef Py_ssize_t reach = (s.kh - 1) * s.dh, items = t.n * s.groups * s.id, line = LINE // size, low
    low = (s.pw - s.kw) // s.sw + 1 if s.pw >= s.kw else -((s.kw - s.pw - 1) // s.sw)
    t.shift = low
    t.gather.s, t.gather.kw = s.sw, s.kw
    t.gather.steps = (s.pw + s.sw - 1) // s.sw - low + 1
    t.gather.first = s.pw - low * s.sw
    t.wide = ceil_div(s.iw, WIDEST * s.sw)
    t.cols = ceil_div(ceil_div(s.iw, t.wide), s.sw) * s.sw
    t.wide = ceil_div(s.iw, t.cols)
    t.pitch = (ceil_div(t.cols // s.sw + t.gather.steps + VECTOR_BYTES // size, line) | 1) * line
    t.gather.pitch, t.gather.ldo = t.pitch, s.sh * s.iw
    t.rows = (STAGE_BYTES // (size * t.pitch * t.icg * t.deep) - 2) * s.sh - reach
    t.high = ceil_div(s.ih, clip(t.rows, s.sh, s.ih))
    if threads > 1 and items * t.wide * t.high < 4 * threads:
        t.high = min(ceil_div(4 * threads, items * t.wide), ceil_div(s.ih, s.sh))
    t.rows = ceil_div(s.ih, t.high)
    t.high = ceil_div(s.ih, t.rows)
    t.staged = (t.rows - 1 + reach) // s.sh + 2


cdef void stage_rows(const Task *t, const real *x, Py_ssize_t x0, Py_ssize_t rows, real *to) noexcept nogil:
    """The inputs under output columns x0 on of some rows, zeros where there are none: if not all bands have the same
    columns, or else the scratch's zeros are still there."""
    cdef Py_ssize_t start = x0 // t.s.sw + t.shift, n = t.cols // t.s.sw + t.gather.steps, _row
    cdef Py_ssize_t lo = clip(-start, 0, n), hi = clip(t.s.ow - start, lo, n)
    for _row in range(rows):
        if t.wide > 1:
            zeros(to, lo)
            zeros(to + hi, n - hi)
        copy_run(to + lo, x + start + lo, hi - lo, 1)
        x += t.xh
        to += t.pitch


cdef inline Py_ssize_t alike(const Task *t, Py_ssize_t y, Py_ssize_t y1) noexcept nogil:
    """How many of the outputs y, y + sh, ... below y1 the same taps meet, each with the next inputs."""
    cdef Py_ssize_t rows = 1, count = t.heights[y], next = y + t.s.sh
    cdef const Meeting *height = t.height + y * t.s.kh
    while next < y1 and t.heights[next] == count and (
        count == 0 or t.height[next * t.s.kh].tap == height[0].tap
    ):
        rows += 1
        next += t.s.sh
    return rows


cdef inline bint by_columns(const ConvShape *s) noexcept nogil:
    """Whether planes go down their columns: not if more than a third of the rows that inputs reach is beside the plane
    and summed in vain (1.25 to 1.4 times as long as row by row)."""
    return gathers_down(s.sh, s.sw, s.kh, s.kw, s.dh) and 3 * s.ih >= 2 * ((s.oh - 1) * s.sh + s.kh)


cdef inline real at_or_zero(const real *p, Py_ssize_t i) noexcept nogil:
    return 0 if p == NULL else p[i]


cdef void sum_rows(const Task *t, const real *stage, const real *w, const real *bias, real *out, Py_ssize_t z,
                   Py_ssize_t top, Py_ssize_t y0, Py_ssize_t y1, Py_ssize_t n, const void **lines) noexcept nogil:
    """n outputs of each of rows [y0, y1) of depth z, from staged inputs whose first row is `top`; phase by phase."""
    cdef ConvShape s = t.s
    cdef Py_ssize_t most = t.icg * t.deep * s.kh, taps = s.kd * s.kh * s.kw, phase, rows, y, o, c, a, i, count
    cdef const Meeting *depth = t.depth + z * s.kd
    cdef const Meeting *height
    for o in range(t.ocg):
        for phase in range(min(s.sh, y1 - y0)):
            y = y0 + phase
            while y < y1:
                height = t.height + y * s.kh
                rows = alike(t, y, y1)
                count = 0
                for c in range(t.icg):
                    for a in range(t.depths[z]):
                        for i in range(t.heights[y]):
                            lines[count] = stage + ((c * t.depths[z] + a) * t.staged + height[i].input - top) * t.pitch
                            lines[most + count] = w + (c * t.ocg + o) * taps + (
                                depth[a].tap * s.kh + height[i].tap) * s.kw
                            count += 1
                gather_rows(sizeof(real), &t.gather, rows, count, lines, lines + most, at_or_zero(bias, o),
                            out + (o * s.id * s.ih + y) * s.iw, n)
                y += rows * s.sh


cdef void band(const Task *t, const real *x, const real *w, const real *bias, real *out, Py_ssize_t z, Py_ssize_t y0,
               Py_ssize_t x0, real *stage, const void **lines) noexcept nogil:
    """Rows y0 on and columns x0 on of depth z of the channels of a group, with which x, w, bias and out start."""
    cdef ConvShape s = t.s
    cdef Py_ssize_t y1 = min(y0 + t.rows, s.ih), n = min(t.cols, s.iw - x0), c, a, o
    cdef Py_ssize_t top = max(y0 + s.ph - (s.kh - 1) * s.dh, 0) // s.sh
    cdef Py_ssize_t end = min((y1 - 1 + s.ph) // s.sh + 1, s.oh)
    cdef const Meeting *depth = t.depth + z * s.kd
    cdef real *to = stage
    cdef gather_band down
    out += z * s.ih * s.iw + x0
    for c in range(t.icg):
        for a in range(t.depths[z]):
            stage_rows(t, x + c * t.xc + depth[a].input * t.xd + top * t.xh, x0, end - top, to)
            to += t.staged * t.pitch
    if t.icg * t.depths[z] != 1 or not by_columns(&s):
        sum_rows(t, <const real *> stage, w, bias, out, z, top, y0, y1, n, lines)
        return
    down = gather_band(s.kh, end - top, t.pitch, top * s.sh - s.ph, y0, y1, s.iw, n)
    for o in range(t.ocg):
        gather_down(sizeof(real), &t.gather, &down, stage, w + (o * s.kd + depth[0].tap) * s.kh * s.kw,
                    at_or_zero(bias, o), out + (o * s.id * s.ih + y0) * s.iw)


cdef void one_item(const Task *t, Py_ssize_t item, real *scratch) noexcept nogil:
    cdef Py_ssize_t column = item % t.wide, row = item // t.wide % t.high, plane = item // t.wide // t.high
    cdef Py_ssize_t z = plane % t.s.id, g = plane // t.s.id % t.s.groups, image = plane // t.s.id // t.s.groups
    band(t, <const real *> t.x + image * t.xn + g * t.icg * t.xc,
         <const real *> t.w + g * t.icg * t.ocg * t.s.kd * t.s.kh * t.s.kw, at(<const real *> t.bias, g * t.ocg),
         <real *> t.out + (image * t.s.groups + g) * t.ocg * t.s.id * t.s.ih * t.s.iw, z, row * t.rows,
         column * t.cols, <real *> (<char *> scratch + t.table), <const void **> scratch)


def goes_down(tuple geometry):
    """Whether all planes go down their columns; `geometry` as of `spread`."""
    cdef ConvShape s
    read_shape(&s, geometry)
    cdef bint one = s.oc == s.groups and (s.od == 1 or (s.kd - 1) * s.dd < s.sd)
    return one and by_columns(&s)


def spread(tuple geometry, input, weight, bias, output, real like, int threads):
    """Transposed convolution.

    geometry : ConvGeometry of the convolution that this transposes, so that `output` has its input's extents
    input : (n, ic, d, h, w), unit stride along w, other strides free
    weight : (ic, oc // groups, kd, kh, kw), C-contiguous
    bias : (oc,), C-contiguous, or None
    output : (n, oc, d, h, w), C-contiguous, not empty, apart from the operands; every element is written

    The stride along w is 2, 3 or 4, the dilation there is 1. The arrays are of the type of `like`.
    """
    cdef operand w = five(weight, OWN_RANK), x = five(input, 3), out = five(output, 3)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), each, table
    cdef char *own
    t.x, t.w, t.bias, t.out = x.data, w.data, first_of(bias), out.data
    read_shape(&t.s, geometry)
    t.n = x.shape[0]
    t.icg, t.ocg = t.s.oc // t.s.groups, t.s.ic // t.s.groups
    t.xn, t.xc, t.xd, t.xh = x.strides[0] // size, x.strides[1] // size, x.strides[2] // size, x.strides[3] // size
    table = t.s.id * (t.s.kd * sizeof(Meeting) + sizeof(Py_ssize_t)) + t.s.ih * (
        t.s.kh * sizeof(Meeting) + sizeof(Py_ssize_t))
    t.depth = <Meeting *> borrow("gather", table)
    t.height = t.depth + t.s.id * t.s.kd
    t.depths = <Py_ssize_t *> (t.height + t.s.ih * t.s.kh)
    t.heights = t.depths + t.s.id
    t.deep = max(meet(t.depth, t.depths, t.s.id, t.s.od, t.s.kd, t.s.sd, t.s.dd, t.s.pd), 1)
    meet(t.height, t.heights, t.s.ih, t.s.oh, t.s.kh, t.s.sh, t.s.dh, t.s.ph)
    plan(&t, size, threads)
    t.table = round_up(2 * t.icg * t.deep * t.s.kh * sizeof(void *), LINE)
    each = t.table + round_up((t.icg * t.deep * t.staged * t.pitch) * size + VECTOR_BYTES, LINE)
    own = borrow_more("gather", each * threads, t.depth)
    with nogil:
        zeros(<real *> own, each * threads // size)
        each_piece(<Piece> one_item[real], &t, t.n * t.s.groups * t.s.id * t.high * t.wide, threads, own, each)
    give_back(own)
    give_back(t.depth)
