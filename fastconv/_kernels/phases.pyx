"""What transposed convolution does besides convolving: the weights of its phases, and putting the phases together.

    turn          (ic, oc // groups, kernel) to (oc, ic // groups, taps): every so many taps, reversed, channels swapped
    interleave    the results of phases, along w:   a a a a  b b b b   ->   a b a b a b a b

Data movement only. Where the phases come from: `fastconv/_transpose_geometry.py`.
"""

from cython.parallel cimport prange
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.shape cimport real

cdef enum:
    CHANNELS = 16           # of the output turned together: their taps are neighbours in the weights


cdef struct Taps:
    Py_ssize_t kernel[3]    # extent of the whole kernel
    Py_ssize_t start[3]
    Py_ssize_t step[3]
    Py_ssize_t count[3]


cdef inline real *turn_kernel(const Taps *t, const real *w, real *to) noexcept nogil:
    """One kernel plane after another, last tap first; returns the end of what was written."""
    cdef Py_ssize_t a, i, j
    cdef const real *row
    for a in range(t.count[0] - 1, -1, -1):
        for i in range(t.count[1] - 1, -1, -1):
            row = w + (t.start[0] + a * t.step[0]) * t.kernel[1] * t.kernel[2]
            row = row + (t.start[1] + i * t.step[1]) * t.kernel[2] + t.start[2]
            for j in range(t.count[2] - 1, -1, -1):
                to[0] = row[j * t.step[2]]
                to += 1
    return to


cdef void turn_channels(const Taps *t, const real *w, real *to, Py_ssize_t icg, Py_ssize_t ocg,
                        Py_ssize_t o0) noexcept nogil:
    """Some output channels from o0 on of one group; w and to start at the group."""
    cdef Py_ssize_t whole = t.kernel[0] * t.kernel[1] * t.kernel[2], some = t.count[0] * t.count[1] * t.count[2]
    cdef Py_ssize_t c, o
    for c in range(icg):
        for o in range(o0, min(o0 + CHANNELS, ocg)):
            turn_kernel(t, w + (c * ocg + o) * whole, to + (o * icg + c) * some)


def turn(const real[:, :, :, :, ::1] w, real[:, :, :, :, ::1] to, Py_ssize_t groups, tuple taps, int threads):
    """Weights of one phase.

    w : (ic, oc // groups, kd, kh, kw)
    to : (oc, ic // groups, *counts), not empty; every element is written, none may overlap w
    taps : (start, step, count) per axis
    """
    cdef Taps t
    cdef Py_ssize_t icg = to.shape[1], ocg = w.shape[1], blocks = ceil_div(ocg, CHANNELS), item, g
    cdef Py_ssize_t from_group = icg * ocg * w.shape[2] * w.shape[3] * w.shape[4]
    cdef Py_ssize_t to_group = icg * ocg * to.shape[2] * to.shape[3] * to.shape[4]
    cdef const real *source = &w[0, 0, 0, 0, 0]
    cdef real *result = &to[0, 0, 0, 0, 0]
    for axis in range(3):
        t.kernel[axis] = w.shape[2 + axis]
        t.start[axis], t.step[axis], t.count[axis] = taps[axis]
    for item in prange(groups * blocks, num_threads=threads, nogil=True, schedule="static"):
        g = item // blocks
        turn_channels(&t, source + g * from_group, result + g * to_group, icg, ocg, item % blocks * CHANNELS)


cdef struct Piece:
    const void *start
    Py_ssize_t first, width                 # along w: in the output; how many
    Py_ssize_t n, c, d, h, w                # strides, in elements


cdef struct Rows:
    Py_ssize_t pieces, step, n, c, d, h     # pieces side by side; extents of the rows
    Py_ssize_t on, oc, od, oh, ow           # strides of the output, in elements


cdef inline void spread_row(real *to, const real *source, Py_ssize_t n, Py_ssize_t stride) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        to[i * stride] = source[i]


cdef inline void spread_two(real *to, const real *a, const real *b, Py_ssize_t n) noexcept nogil:
    """to = a[0] b[0] a[1] b[1] ..., as shuffles."""
    cdef Py_ssize_t i
    for i in range(n):
        to[2 * i] = a[i]
        to[2 * i + 1] = b[i]


cdef inline const real *row_of(const Piece *p, Py_ssize_t n, Py_ssize_t c, Py_ssize_t z, Py_ssize_t y,
                               real *like) noexcept nogil:
    return <const real *> p.start + n * p.n + c * p.c + z * p.d + y * p.h


cdef void row_first(const Rows *r, const Piece *pieces, real *out, Py_ssize_t row) noexcept nogil:
    """One row of one channel."""
    cdef Py_ssize_t y = row % r.h, z = row // r.h % r.d, c = row // (r.h * r.d) % r.c, n = row // (r.h * r.d * r.c)
    cdef real *to = out + n * r.on + c * r.oc + z * r.od + y * r.oh
    cdef Py_ssize_t i, both = 0
    if r.pieces == 2 and r.step == 2 and r.ow == 1 and pieces[0].first == 0:
        both = min(pieces[0].width, pieces[1].width)
        spread_two(to, row_of(&pieces[0], n, c, z, y, out), row_of(&pieces[1], n, c, z, y, out), both)
    for i in range(r.pieces):
        spread_row(to + (pieces[i].first + both * r.step) * r.ow, row_of(&pieces[i], n, c, z, y, out) + both,
                   pieces[i].width - both, r.step * r.ow)


cdef void row_last(const Rows *r, const Piece *pieces, real *out, Py_ssize_t row) noexcept nogil:
    """One row of pixels, all their channels."""
    cdef Py_ssize_t y = row % r.h, z = row // r.h % r.d, n = row // (r.h * r.d)
    cdef real *to = out + n * r.on + z * r.od + y * r.oh
    cdef const real *source
    cdef Py_ssize_t i, j
    for i in range(r.pieces):
        source = row_of(&pieces[i], n, 0, z, y, out)
        for j in range(pieces[i].width):
            memcpy(to + (pieces[i].first + j * r.step) * r.ow, source + j * pieces[i].w, r.c * sizeof(real))


def interleave(tuple sources, tuple firsts, Py_ssize_t step, real[:, :, :, :, :] out, bint last, int threads):
    """out[..., firsts[i] + step * j] = sources[i][..., j].

    sources : of (n, c, d, h, w_i) each, equal but for w_i, not empty, of unit stride along c if `last`, else along w
    firsts : rising
    out : (n, c, d, h, w), not empty, of unit stride along c if `last`; other strides free
    """
    cdef Rows r
    cdef real[:, :, :, :, :] source
    cdef Py_ssize_t size = sizeof(real), i, row, rows
    cdef real *to = &out[0, 0, 0, 0, 0]
    cdef Piece *pieces = <Piece *> malloc(len(sources) * sizeof(Piece))
    if pieces == NULL:
        raise MemoryError("interleave: no memory for pointers")
    for i in range(len(sources)):
        source = sources[i]
        pieces[i] = Piece(
            &source[0, 0, 0, 0, 0], firsts[i], source.shape[4], source.strides[0] // size, source.strides[1] // size,
            source.strides[2] // size, source.strides[3] // size, source.strides[4] // size)
    r.pieces, r.step = len(sources), step
    r.n, r.c, r.d, r.h = source.shape[0], source.shape[1], source.shape[2], source.shape[3]
    r.on, r.oc, r.od = out.strides[0] // size, out.strides[1] // size, out.strides[2] // size
    r.oh, r.ow = out.strides[3] // size, out.strides[4] // size
    rows = r.n * r.d * r.h if last else r.n * r.c * r.d * r.h
    for row in prange(rows, num_threads=threads, nogil=True, schedule="static"):
        if last:
            row_last(&r, pieces, to, row)
        else:
            row_first(&r, pieces, to, row)
    free(pieces)
