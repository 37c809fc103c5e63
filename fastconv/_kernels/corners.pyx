"""Outputs in corners of a transposed convolution, which see little of the input, summed one by one.

What a window sees is brought together, with zeros for the padding, and multiplied with the weights of the phases that
have it as an output, where these lie: rows of (ic // groups, taps), as `phases.turn` makes them for all windows.

    x . . | 0         patch    x . 0  . . 0  | channel 1 ...          lanes lie along it, and are added up in the end
    . . . | 0         weights  a b c  d e f  | channel 1 ...

An output has one sum, whatever images and windows are summed beside it. Either memory order.
"""

from libc.string cimport memset

from fastconv._kernels.dot_tile cimport DOT_COLS
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport first_of, five, operand
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.rest cimport LAST, multiply_last
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.shape cimport LAYOUT, ConvShape, at, read_shape, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.tile cimport CHUNK, tile_finish

cdef struct Corner:
    Py_ssize_t first[3]         # input under the first tap of the first window
    Py_ssize_t windows[3]
    Py_ssize_t places           # that follow


cdef struct Place:              # windows that are outputs of one phase
    Py_ssize_t phase
    Py_ssize_t skip[3]          # windows before them
    Py_ssize_t count[3]
    Py_ssize_t to[3]            # the first output


cdef struct Task:
    ConvShape s                 # of the part, but that its stride is the one between the outputs of a phase
    const void *x
    const void *w
    const void *bias
    void *out
    const Corner *corners
    Py_ssize_t n, images        # of the input; and rounded up to whole items
    Py_ssize_t channels         # outputs of a phase in a group,
    Py_ssize_t depth, taps      # products of each, and those of one input channel
    Py_ssize_t chain            # products that one lane adds up
    Py_ssize_t leading, between         # from one channel's weights to the next, and from phase to phase
    Py_ssize_t xs[5]            # strides of the input, and of the output, in elements
    Py_ssize_t to[5]


cdef inline const Place *places_of(const Corner *c) noexcept nogil:
    return <const Place *> (c + 1)


cdef inline const Corner *after(const Corner *c) noexcept nogil:
    return <const Corner *> (places_of(c) + c.places)


cdef inline void window_of(const Corner *c, Py_ssize_t column, Py_ssize_t *window) noexcept nogil:
    """The image and the window along d, h, w of a column, which count in this order."""
    cdef int axis
    for axis in range(2, -1, -1):
        window[1 + axis] = column % c.windows[axis]
        column //= c.windows[axis]
    window[0] = column


cdef inline Py_ssize_t target(const Task *t, const Place *p, const Py_ssize_t *window) noexcept nogil:
    """Where a phase has a window's output of the first channel; -1 if it has none."""
    cdef Py_ssize_t offset = window[0] * t.to[0], j
    cdef int axis
    for axis in range(3):
        j = window[1 + axis] - p.skip[axis]
        if not 0 <= j < p.count[axis]:
            return -1
        offset += (p.to[axis] + j * (&t.s.sd)[axis]) * t.to[2 + axis]
    return offset


cdef void fill_patch(const Task *t, const Corner *c, const real *x, const Py_ssize_t *window,
                     real *patch) noexcept nogil:
    """What a window sees: (channels, taps), zeros beside the input."""
    cdef Py_ssize_t a, i, j, k, z, y, v, tap = 0
    cdef const real *seen
    memset(patch, 0, t.depth * sizeof(real))
    for a in range(t.s.kd):
        z = c.first[0] + window[1] + a * t.s.dd
        for i in range(t.s.kh):
            y = c.first[1] + window[2] + i * t.s.dh
            for j in range(t.s.kw):
                v = c.first[2] + window[3] + j * t.s.dw
                if 0 <= z < t.s.id and 0 <= y < t.s.ih and 0 <= v < t.s.iw:
                    seen = x + window[0] * t.xs[0] + z * t.xs[2] + y * t.xs[3] + v * t.xs[4]
                    for k in range(t.depth // t.taps):
                        patch[k * t.taps + tap] = seen[k * t.xs[1]]
                tap += 1


cdef void multiply(const Task *t, const real *w, const real *bias, const real *patches, Py_ssize_t count,
                   const Py_ssize_t *to, real *out) noexcept nogil:
    """The outputs of so many patches in all channels of a phase and a group; those with a place go there."""
    cdef Py_ssize_t o = 0, i, j, k, n
    cdef tile_finish finish
    cdef real sums[DOT_COLS * LAST]
    finish.clamp, finish.col_bias = 0, NULL
    while o < t.channels:
        n = min(<Py_ssize_t> DOT_COLS, t.channels - o)
        finish.row_bias = at(bias, o)
        for i in range(ceil_div(t.depth, t.chain)):
            k = i * t.chain
            finish.accumulate = k > 0
            multiply_last(n, count, min(t.chain, t.depth - k), w + o * t.leading + k, t.leading, patches + k,
                          t.depth, sums, <Py_ssize_t> LAST, &finish)
        for i in range(n):
            for j in range(count):
                if to[j] >= 0:
                    out[to[j] + (o + i) * t.to[1]] = sums[i * LAST + j]
        o += n


cdef void one_item(const Task *t, Py_ssize_t item, real *patches) noexcept nogil:
    """A corner of a group in a few images."""
    cdef Py_ssize_t g = item % t.s.groups, image = item // t.s.groups * LAST % t.images
    cdef Py_ssize_t columns, first = 0, count, j, m, _corner
    cdef Py_ssize_t windows[4 * LAST]
    cdef Py_ssize_t to[LAST]
    cdef bint any_place
    cdef const Corner *c = t.corners
    cdef const Place *p
    cdef const real *x = <const real *> t.x + image * t.xs[0] + g * (t.depth // t.taps) * t.xs[1]
    cdef real *out = <real *> t.out + image * t.to[0] + g * t.channels * t.to[1]
    for _corner in range(item // t.s.groups * LAST // t.images):
        c = after(c)
    columns = min(<Py_ssize_t> LAST, t.n - image) * c.windows[0] * c.windows[1] * c.windows[2]
    while first < columns:
        count = min(<Py_ssize_t> LAST, columns - first)
        for j in range(count):
            window_of(c, first + j, windows + 4 * j)
            fill_patch(t, c, x, windows + 4 * j, patches + j * t.depth)
        for m in range(c.places):
            p = places_of(c) + m
            any_place = False
            for j in range(count):
                to[j] = target(t, p, windows + 4 * j)
                any_place = any_place or to[j] >= 0
            if any_place:
                multiply(t, <const real *> t.w + p.phase * t.between + g * t.channels * t.leading,
                         at(<const real *> t.bias, g * t.channels), <const real *> patches, count, to, out)
        first += count


def sum_corners(tuple geometry, const Py_ssize_t[::1] table, Py_ssize_t corners, Py_ssize_t phases, input,
                const real[:, :, :, :, ::1] weight, bias, output, int threads):
    """Of one part, over what others made of these outputs.

    geometry : of the part, but that its input is all of it and its stride the one between the outputs of a phase
    table : for each of so many corners the items of `Corner`, then of `Place` for each of its places
    phases : of the part, which weight has: (oc * phases, ic // groups, *taps), in the order of the memory
    bias : a sum's start for each of oc channels, or None
    """
    cdef operand x = five(input, 3), out = five(output, 3)
    cdef Task t
    cdef Py_ssize_t each, i
    cdef char *scratch
    read_shape(&t.s, geometry)
    t.x, t.w, t.bias, t.out = x.data, &weight[0, 0, 0, 0, 0], first_of(bias), out.data
    t.corners = <const Corner *> &table[0]
    t.n, t.images = x.shape[0], round_up(x.shape[0], LAST)
    t.taps = t.s.kd * t.s.kh * t.s.kw
    t.depth, t.channels = t.s.ic // t.s.groups * t.taps, t.s.oc // t.s.groups // phases
    t.chain = CHUNK * lanes_of(sizeof(real))
    t.leading = t.depth if geometry[LAYOUT] else phases * t.depth
    t.between = t.s.oc // phases * t.depth if geometry[LAYOUT] else t.depth
    for i in range(5):
        t.xs[i], t.to[i] = x.strides[i] // <Py_ssize_t> sizeof(real), out.strides[i] // <Py_ssize_t> sizeof(real)
    each = round_up(LAST * t.depth * <Py_ssize_t> sizeof(real), LINE)
    scratch = borrow("corners", each * threads)
    with nogil:
        each_piece(<Piece> one_item[real], &t, corners * t.images // LAST * t.s.groups, threads, scratch, each)
    give_back(scratch)
