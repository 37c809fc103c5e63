"""Depthwise transposed convolution of channels-last memory: output pixels gather what reaches them.

    out[o, c * m + q] = bias[c * m + q] + sum over the taps t that reach o of  weight[c, q, t] * in[pixel(o, t), c]

Along each axis, outputs r, r + s, r + 2 * s, ... are reached by the same taps, t with r + crop = t * d (mod s), from
inputs that move on by one: such outputs of a row are a strip of `depthwise_last.h`, whose results lie s pixels apart.
Pixels are found by a table of pointers, one line for each row of input that reaches the row of outputs:

    columns of input        c0 c0+1 c0+2 ...       stride 2, 4 taps, crop 1:   output 0 from columns -1  0
    line                    [zeros  x0  x1 ...]                                output 1 from columns     0  1

where outside of the image a pointer leads to zeros. Weights are packed once a call, for each class of outputs (the
residues along the axes) as (m, vectors of channels, bias and taps, lanes).

Work is split over rows of outputs and parts of them.
"""

from fastconv._kernels.depthwise_last cimport depthwise_strip, strip_of_near, strip_pixels
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div, zeros
from fastconv._kernels.scratch cimport LINE, borrow, borrow_more, round_up
from fastconv._kernels.shape cimport ConvShape, read_shape, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport Piece, each_piece

cdef enum:
    SEGMENT = 60            # strips of a row that share a table: keeps it in L1, and long signals divisible


cdef struct Axis:           # `stride` classes of outputs
    Py_ssize_t stride, kernel, step     # step: between the inputs of neighbouring taps of a class
    Py_ssize_t *count                   # of each class: its taps,
    Py_ssize_t *start                   # the input under the first of them at its first output,
    Py_ssize_t *tap                     # and which they are, the last tap first


cdef struct Task:
    ConvShape s                         # of the convolution that this transposes: o is what is read, i the result
    Py_ssize_t n, m, vectors
    Py_ssize_t xn, xd, xh, xw           # strides of what is read, in elements
    Py_ssize_t segments, segment        # of a row, in pixels of each class
    Py_ssize_t base, length             # column of a line's first pointer at output 0; pointers of a line
    Py_ssize_t each                     # packed weights of the largest class
    Axis z, y, x


cdef struct Call:
    const Task *t
    const void *x
    const void *packed
    const void *blank                   # a pixel of zeros
    void *out


cdef void classify(Axis *a, Py_ssize_t *table, Py_ssize_t stride, Py_ssize_t kernel, Py_ssize_t dilation,
                   Py_ssize_t crop) noexcept nogil:
    """Fill in the classes; `table` has (kernel + 2) * stride items."""
    cdef Py_ssize_t r, t, at
    a.stride, a.kernel, a.step = stride, kernel, 0
    a.count, a.start, a.tap = table, table + stride, table + 2 * stride
    for r in range(stride):
        a.count[r] = a.start[r] = 0
        for t in range(kernel - 1, -1, -1):
            at = r + crop - t * dilation
            if at % stride == 0:
                if a.count[r] == 0:
                    a.start[r] = at // stride
                elif a.count[r] == 1:
                    a.step = at // stride - a.start[r]
                a.tap[r * kernel + a.count[r]] = t
                a.count[r] += 1


cdef Py_ssize_t table_of(const Axis *a) noexcept nogil:
    return (a.kernel + 2) * a.stride


cdef void plan(Task *t) noexcept nogil:
    """Segments of a row, and what a line of pointers covers."""
    cdef Py_ssize_t r, end = 0, first = 0, pixels = ceil_div(t.s.iw, t.s.sw)
    cdef bint any = False
    for r in range(t.s.sw):
        if t.x.count[r]:
            first = t.x.start[r] if not any else min(first, t.x.start[r])
            end = max(end, t.x.start[r] + (t.x.count[r] - 1) * t.x.step) if any else (
                t.x.start[r] + (t.x.count[r] - 1) * t.x.step)
            any = True
    t.segments = ceil_div(pixels, SEGMENT)
    t.segment = ceil_div(pixels, t.segments)
    t.base, t.length = first, t.segment + end - first


cdef inline Py_ssize_t weights_at(const Task *t, Py_ssize_t z, Py_ssize_t y, Py_ssize_t x) noexcept nogil:
    """Where the packed weights of a class are."""
    return ((z * t.s.sh + y) * t.s.sw + x) * t.each


cdef void pack(const Task *t, const real *w, const real *bias, real *packed, Py_ssize_t item) noexcept nogil:
    """The weights of class `item`, counted over the residues along d, h and w."""
    cdef Py_ssize_t x = item % t.s.sw, y = item // t.s.sw % t.s.sh, z = item // t.s.sw // t.s.sh, taps
    cdef Py_ssize_t lanes = lanes_of(sizeof(real)), q, v, c, lane, a, i, j, channel
    cdef const real *source
    cdef real *to = packed + weights_at(t, z, y, x)
    taps = t.s.kd * t.s.kh * t.s.kw
    for q in range(t.m):
        for v in range(t.vectors):
            c = min(v * lanes, t.s.oc - lanes)
            for lane in range(lanes):
                channel = (c + lane) * t.m + q
                to[lane] = bias[channel] if bias != NULL else 0
            to += lanes
            source = w + (c * t.m + q) * taps
            for a in range(t.z.count[z]):
                for i in range(t.y.count[y]):
                    for j in range(t.x.count[x]):
                        channel = (t.z.tap[z * t.s.kd + a] * t.s.kh + t.y.tap[y * t.s.kh + i]) * t.s.kw
                        channel += t.x.tap[x * t.s.kw + j]
                        for lane in range(lanes):
                            to[lane] = source[lane * t.m * taps + channel]
                        to += lanes


cdef inline void point(const Task *t, const real **line, const real *row, const real *blank, Py_ssize_t first,
                       Py_ssize_t n) noexcept nogil:
    """Pointers to the pixels from column `first` on; row is NULL for one outside of the image."""
    cdef Py_ssize_t e
    for e in range(n):
        line[e] = row + (first + e) * t.xw if row != NULL and 0 <= first + e < t.s.ow else blank


cdef void segment(const Call *c, Py_ssize_t item, real *scratch) noexcept nogil:
    """A segment of an output row, `item` counted over (n, d, h, segments)."""
    cdef const Task *t = c.t
    cdef Py_ssize_t row = item // t.segments, p0 = item % t.segments * t.segment, y = row % t.s.ih
    cdef Py_ssize_t plane = row // t.s.ih, z = plane % t.s.id, rz = z % t.s.sd, ry = y % t.s.sh, a, i, f, q, p, px
    cdef Py_ssize_t pixels, iz, iy, each, behind, lines = 0
    cdef const real *x = <const real *> c.x + plane // t.s.id * t.xn
    cdef const real **table = <const real **> scratch
    cdef const real *weights
    cdef const real *source
    cdef real *to
    cdef depthwise_strip s
    for a in range(t.z.count[rz]):
        iz = z // t.s.sd + t.z.start[rz] + a * t.z.step
        for i in range(t.y.count[ry]):
            iy = y // t.s.sh + t.y.start[ry] + i * t.y.step
            source = x + iz * t.xd + iy * t.xh if 0 <= iz < t.s.od and 0 <= iy < t.s.oh else NULL
            point(t, table + lines * t.length, source, <const real *> c.blank, t.base + p0, t.length)
            lines += 1
    s.rows, s.row_step, s.tap_step, s.pixel_step = lines, t.length, t.x.step, 1
    s.channels, s.out_step, s.spread, s.clamp, s.ahead = t.s.oc, t.s.sw * t.s.ic, t.m, False, 0
    for f in range(min(t.s.sw, t.s.iw)):
        pixels = min(t.segment, ceil_div(t.s.iw - f, t.s.sw) - p0)
        s.kw = t.x.count[f]
        s.shared = s.tap_step == 1 and (s.kw == 2 or s.kw == 3 or s.kw == 5 or s.kw == 7)
        each = t.vectors * (lines * s.kw + 1) * lanes_of(sizeof(real))
        weights = <const real *> c.packed + weights_at(t, rz, ry, f)
        behind = t.x.start[f] - t.base if s.kw else 0
        to = <real *> c.out + (row * t.s.iw + p0 * t.s.sw + f) * t.s.ic
        p = 0
        while p < pixels:
            px = ceil_div(pixels - p, ceil_div(pixels - p, strip_pixels(&s)))
            for q in range(t.m):
                strip_of_near(sizeof(real), px, &s, <const void *const *> (table + behind + p), weights + q * each,
                              to + p * s.out_step + q, t.vectors, t.s.oc)
            p += px


def spread(tuple geometry, input, weight, bias, output, real like, int threads):
    """Depthwise transposed convolution.

    geometry : ConvGeometry of the convolution that this transposes, so that `output` has its input's extents
    input : (n, ic, d, h, w), unit stride along c, other strides free; ic is at least a vector's lanes
    weight : (ic, oc // ic, kd, kh, kw), C-contiguous
    bias : (oc,), C-contiguous, or None
    output : (n, oc, d, h, w), dense and channels-last, not empty, apart from the operands; every element is written

    The arrays are of the type of `like`.
    """
    cdef operand w = five(weight, OWN_RANK), x = five(input, 3), out = five(output, 3)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), lanes = lanes_of(sizeof(real)), item, bytes, blank_bytes, each
    cdef Call call
    cdef Py_ssize_t *classes
    cdef char *blank
    cdef real *packed
    cdef const real *bs = <const real *> first_of(bias)
    read_shape(&t.s, geometry)
    t.n, t.m, t.vectors = x.shape[0], t.s.ic // t.s.oc, ceil_div(t.s.oc, lanes)
    t.xn, t.xd, t.xh, t.xw = x.strides[0] // size, x.strides[2] // size, x.strides[3] // size, x.strides[4] // size
    bytes = ((t.s.kd + 2) * t.s.sd + (t.s.kh + 2) * t.s.sh + (t.s.kw + 2) * t.s.sw) * sizeof(Py_ssize_t)
    classes = <Py_ssize_t *> borrow("gather_last", bytes)
    classify(&t.z, classes, t.s.sd, t.s.kd, t.s.dd, t.s.pd)
    classify(&t.y, classes + table_of(&t.z), t.s.sh, t.s.kh, t.s.dh, t.s.ph)
    classify(&t.x, classes + table_of(&t.z) + table_of(&t.y), t.s.sw, t.s.kw, t.s.dw, t.s.pw)
    plan(&t)
    t.each = t.m * t.vectors * (t.s.kd * t.s.kh * t.s.kw + 1) * lanes
    blank_bytes = round_up(t.s.oc * size, LINE)
    each = round_up(t.s.kd * t.s.kh * t.length * sizeof(void *), LINE)
    bytes = t.s.sd * t.s.sh * t.s.sw * t.each * size
    blank = borrow_more("gather_last", blank_bytes + each * threads + bytes, classes)
    packed = <real *> (blank + blank_bytes + each * threads)
    call = Call(&t, x.data, packed, blank, out.data)
    with nogil:
        zeros(<real *> blank, t.s.oc)
        for item in range(t.s.sd * t.s.sh * t.s.sw):
            pack(&t, <const real *> w.data, bs, packed, item)
        each_piece(<Piece> segment[real], &call, t.n * t.s.id * t.s.ih * t.segments, threads, blank + blank_bytes, each)
    give_back(blank)
    give_back(classes)
