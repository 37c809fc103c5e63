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

cdef extern from "keep.h" nogil:
    void OPAQUE(...) noexcept

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
    bint scatter_first(...) noexcept

cdef enum:
    BLOCK = 64                         # channels of one piece of work
    RUNS = 8                           # of planes, for each thread
    WIDE = 16                          # channels from which they are taken four at a time
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


cdef inline bint put(
    const number *x, const int64_t *index, Py_ssize_t count, number *out, Py_ssize_t size, Py_ssize_t step, bint add,
) noexcept nogil:
    """`count` channels side by side of one window, pixels `step` elements apart. False if an index lies outside."""
    cdef Py_ssize_t c, at
    cdef number value
    for c in range(count):
        if <size_t> index[c] >= <size_t> size:
            return False
        at = index[c] * step
        value = x[c]
        if add:
            value += out[at + c]
            OPAQUE(at)                 # or an instruction more computes the address before it is used twice
        out[at + c] = value
    return True


cdef inline bint planes(
    const number *x, const int64_t *index, Py_ssize_t outputs, number *out, Py_ssize_t size, bint two, bint add,
) noexcept nogil:
    """One channel, and the next one with `two`: x and index of `outputs` elements, out of `size`.

    Windows next to each other often have the same largest element: two channels take turns, so that what is read has
    not just been written. False if an index lies outside.
    """
    cdef Py_ssize_t o
    cdef const number *other_x = x + outputs
    cdef const int64_t *other_index = index + outputs
    cdef number *other_out = out + size
    memset(out, 0, size * sizeof(number))
    if two:
        memset(other_out, 0, size * sizeof(number))
    OPAQUE(other_x)                    # or they are computed from x each time
    OPAQUE(other_index)
    OPAQUE(other_out)
    for o in range(outputs):
        if not put(x + o, index + o, 1, out, size, 1, add):
            return False
        if two and not put(other_x + o, other_index + o, 1, other_out, size, 1, add):
            return False
    return True


cdef inline Py_ssize_t pixels(const operand *x) noexcept nogil:
    """Of a plane."""
    return x.shape[2] * x.shape[3] * x.shape[4]


cdef void some_planes(const Call *c, Py_ssize_t block, number *_scratch) noexcept nogil:
    """A block of planes: as windows next to each other until one is not (`scatter_first.h`), then two by two."""
    cdef Py_ssize_t outputs = pixels(c.x), size = pixels(c.out), count = c.x.shape[0] * c.x.shape[1]
    cdef Py_ssize_t r = count * block // c.blocks, end = count * (block + 1) // c.blocks
    cdef const number *x = <const number *> c.x.data
    cdef const int64_t *index = <const int64_t *> c.index.data
    cdef number *out = <number *> c.out.data
    cdef bint inside = True, two
    cdef Quads q
    q.ih, q.iw, q.oh, q.ow = c.out.shape[3], c.out.shape[4], c.x.shape[3], c.x.shape[4]
    if c.x.shape[2] * c.out.shape[2] == 1 and quads_fit(&q):
        while r < end and scatter_first(out + r * size, x + r * outputs, index + r * outputs, &q, c.add):
            r += 1
    for r in range(r, end, 2):
        two = r + 1 < end
        if c.add:
            inside &= planes(x + r * outputs, index + r * outputs, outputs, out + r * size, size, two, True)
        else:
            inside &= planes(x + r * outputs, index + r * outputs, outputs, out + r * size, size, two, False)
    if not inside:
        c.outside[0] = True


cdef inline bint side_by_side(
    const number *x, const int64_t *index, Py_ssize_t outputs, number *out, Py_ssize_t size, Py_ssize_t width,
    Py_ssize_t step, bint add,
) noexcept nogil:
    """`width` channels side by side, pixels `step` elements apart: x and index of `outputs` pixels, out of `size`."""
    cdef Py_ssize_t o, _, c
    if width == step:
        memset(out, 0, size * step * sizeof(number))
    else:
        for o in range(size):
            memset(out + o * step, 0, width * sizeof(number))
    for _ in range(outputs):
        if width < WIDE:
            if not put(x, index, width, out, size, step, add):
                return False
        else:
            for c in range(0, width - 3, 4):                # without a branch back between
                if not put(x + c, index + c, 4, out + c, size, step, add):
                    return False
            c = width & ~3
            if not put(x + c, index + c, width & 3, out + c, size, step, add):
                return False
        x += step
        index += step
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
    if done == SCATTER_NOT and c.add:
        done = side_by_side(x, index, outputs, out, size, width, channels, True)
    elif done == SCATTER_NOT:
        done = side_by_side(x, index, outputs, out, size, width, channels, False)
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
