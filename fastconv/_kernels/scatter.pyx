"""Putting values, or adding them, where indices say: unpooling and the gradient of max pooling.

    out[n, c, index[n, c, o]]  = x[n, c, o]      or  +=, over all o in order; zero elsewhere

A plane (channels-first) or a block of channels of one image (channels-last) is one thread's, so that sums have the
order of o for any number of threads, and it is cleared just before, while it is in cache.
"""

from libc.stdint cimport INT32_MAX, int64_t
from libc.string cimport memset
from fastconv._kernels.operand cimport five, operand
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.window cimport number

cdef extern from "scatter_last.h" nogil:
    ctypedef struct Scatter:
        Py_ssize_t outputs[3]
        Py_ssize_t place[3]
        Py_ssize_t size, clear, step, width, count, farthest
        int many
    Py_ssize_t scatter_lanes(Py_ssize_t size) noexcept
    enum: SCATTER_NOT
    int scatter_last(...) noexcept

cdef extern from "scatter_first.h" nogil:
    ctypedef struct Quads:
        Py_ssize_t ih, iw, oh, ow
    bint quads_fit(const Quads *q) noexcept
    bint scatter_first(float *out, const float *x, const int64_t *index, const Quads *q, bint add) noexcept

cdef enum:
    BLOCK = 64                         # channels of one piece of work
    RUNS = 8                           # of planes, for each thread
    LEAST_FLOATS = 24                  # channels from which vectors repay what each window takes besides:
    LEAST_DOUBLES = 48                 # 2 x 2 at stride 2, 9 to 15 floats took 1.2 to 1.3 times as long (2026-11-28)


cdef struct Call:
    const operand *x
    const operand *index
    const operand *out
    bint add
    Py_ssize_t blocks                  # of planes in all, or of the channels of an image,
    Py_ssize_t width                   # and of those how many in each
    bint *outside                      # to which every thread writes the same


cdef bint plane(
    const number *x, const int64_t *index, Py_ssize_t outputs, number *out, Py_ssize_t size, bint add,
) noexcept nogil:
    """One channel: x and index of `outputs` elements, out of `size`. False if an index lies outside."""
    cdef Py_ssize_t o
    cdef size_t at
    memset(out, 0, size * sizeof(number))
    for o in range(outputs):
        at = <size_t> index[o]
        if at >= <size_t> size:
            return False
        if add:
            out[at] += x[o]
        else:
            out[at] = x[o]
    return True


cdef inline Py_ssize_t pixels(const operand *x) noexcept nogil:
    """Of a plane."""
    return x.shape[2] * x.shape[3] * x.shape[4]


cdef void some_planes(const Call *c, Py_ssize_t block, number *_scratch) noexcept nogil:
    """A block of planes: as windows next to each other until one is not (`scatter_first.h`)."""
    cdef Py_ssize_t outputs = pixels(c.x), size = pixels(c.out), planes = c.x.shape[0] * c.x.shape[1], r
    cdef const number *x = <const number *> c.x.data
    cdef const int64_t *index = <const int64_t *> c.index.data
    cdef number *out = <number *> c.out.data
    cdef bint inside = True, quads = False
    cdef Quads q
    q.ih, q.iw, q.oh, q.ow = c.out.shape[3], c.out.shape[4], c.x.shape[3], c.x.shape[4]
    if number is float:
        quads = c.x.shape[2] * c.out.shape[2] == 1 and quads_fit(&q)
    for r in range(planes * block // c.blocks, planes * (block + 1) // c.blocks):
        if number is float:
            quads = quads and scatter_first(out + r * size, x + r * outputs, index + r * outputs, &q, c.add)
        if quads:
            continue
        if c.add:
            inside &= plane(x + r * outputs, index + r * outputs, outputs, out + r * size, size, True)
        else:
            inside &= plane(x + r * outputs, index + r * outputs, outputs, out + r * size, size, False)
    if not inside:
        c.outside[0] = True


cdef bint side_by_side(
    const number *x, const int64_t *index, Py_ssize_t outputs, number *out, Py_ssize_t size, Py_ssize_t width,
    Py_ssize_t step, bint add,
) noexcept nogil:
    """`width` channels side by side, pixels `step` elements apart: x and index of `outputs` pixels, out of `size`."""
    cdef Py_ssize_t o, c
    cdef size_t at
    if width == step:
        memset(out, 0, size * step * sizeof(number))
    else:
        for o in range(size):
            memset(out + o * step, 0, width * sizeof(number))
    for o in range(outputs):
        for c in range(width):
            at = <size_t> index[o * step + c]
            if at >= <size_t> size:
                return False
            if add:
                out[at * step + c] += x[o * step + c]
            else:
                out[at * step + c] = x[o * step + c]
    return True


cdef void lay_windows(Scatter *s, const operand *windows, const operand *result) noexcept nogil:
    """Where windows probably lie: at equal distances, that their number suggests."""
    cdef Py_ssize_t pixels = 1, axis, size, count
    for axis in range(2, -1, -1):
        size, count = result.shape[2 + axis], windows.shape[2 + axis]
        s.outputs[axis] = count
        s.place[axis] = max(<Py_ssize_t> 1, (2 * size + count) // (2 * count)) * pixels
        pixels *= size


cdef void some_channels(const Call *c, Py_ssize_t block, number *_scratch) noexcept nogil:
    """A block of channels side by side of one image."""
    cdef Py_ssize_t outputs = pixels(c.x), size = pixels(c.out), channels = c.x.shape[1], image = block // c.blocks
    cdef Py_ssize_t first = block % c.blocks * c.width, width = min(c.width, channels - first)
    cdef Py_ssize_t least = LEAST_FLOATS if sizeof(number) == 4 else LEAST_DOUBLES
    cdef const number *x = <const number *> c.x.data + image * outputs * channels + first
    cdef const int64_t *index = <const int64_t *> c.index.data + image * outputs * channels + first
    cdef number *out = <number *> c.out.data + image * size * channels + first
    cdef int done = SCATTER_NOT
    cdef Scatter s
    s.size, s.step, s.width = size, channels, width
    if c.add and scatter_lanes(sizeof(number)) > 0 and width >= least and size <= INT32_MAX:
        s.clear, s.count, s.farthest, s.many = 0, 0, 0, 0
        lay_windows(&s, c.x, c.out)
        done = scatter_last(out, x, index, &s)
    if done == SCATTER_NOT:
        done = side_by_side(x, index, outputs, out, size, width, channels, c.add)
    if not done:
        c.outside[0] = True


def scatter(tuple geometry, input, indices, nothing, output, int rank, number like, int threads):
    """x and `index` (n, c, *o) into `out` (n, c, *size), without n too, x and out of the type of `like`.

    The geometry is (add, last): all are contiguous, with channels last in memory if `last`. None is empty; all elements
    of `out` are written. An index that is not from 0 to size - 1 raises an IndexError; nothing is written outside.
    """
    cdef operand x = five(input, rank), index = five(indices, rank), out = five(output, rank)
    cdef Py_ssize_t channels = x.shape[1], width = channels if threads == 1 else min(<Py_ssize_t> BLOCK, channels)
    cdef bint outside = False, last = geometry[1]
    cdef Call call = Call(&x, &index, &out, geometry[0], min(x.shape[0] * channels, RUNS * threads), width, &outside)
    if last:
        call.blocks = (channels + width - 1) // width
    with nogil:
        if last:
            each_piece(<Piece> some_channels[number], &call, x.shape[0] * call.blocks, threads)
        else:
            each_piece(<Piece> some_planes[number], &call, call.blocks, threads)
    if outside:
        raise IndexError
