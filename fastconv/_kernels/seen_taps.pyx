"""The weights of the taps that some output sees, and what the others give: see `fastconv._reach`.

    w[o][c]    . . . . .        cut to taps [1, 4) x [1, 4), dense        a b c
               . a b c .                                                  d e f        lost[o] = 0 * all dots of all c:
               . d e f .                                                  g h i        0, or NaN
               . g h i .
               . . . . .

Every weight is read, as an infinite one times the zeros of padding is NaN for every output of its channel. Gradients of
weights go the other way: those of the taps that are seen are put where they belong, and zeros where the others do.
"""

from libc.string cimport memset

from fastconv._kernels.copy cimport copy_rows, copy_runs
from fastconv._kernels.operand cimport OWN_RANK, five, operand
from fastconv._kernels.pack cimport ceil_div, copy_run
from fastconv._kernels.shape cimport real
from fastconv._kernels.sights cimport all_finite
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport Piece, each_piece


cdef struct Call:
    void *w
    void *seen
    void *lost
    Py_ssize_t channels                 # of a group
    Py_ssize_t size[3]                  # of the kernel
    Py_ssize_t first[3]                 # and what is seen of it
    Py_ssize_t end[3]


cdef int read_call(Call *c, const operand *w, tuple taps, void *seen) except -1:
    """Of which weights what is seen."""
    cdef Py_ssize_t axis
    c.w, c.seen, c.channels = w.data, seen, w.shape[1]
    for axis in range(3):
        c.size[axis] = w.shape[2 + axis]
        c.first[axis], c.end[axis] = taps[axis]
    return 0


cdef real lost_products(const Call *c, const real *w) noexcept nogil:
    """The products with zeros of one channel's taps that are not seen, added up."""
    cdef Py_ssize_t a, i, j
    cdef real lost = 0
    for a in range(c.size[0]):
        for i in range(c.size[1]):
            for j in range(c.size[2]):
                if not (c.first[0] <= a < c.end[0] and c.first[1] <= i < c.end[1] and c.first[2] <= j < c.end[2]):
                    lost += w[(a * c.size[1] + i) * c.size[2] + j] * 0
    return lost


cdef void one_output(const Call *c, Py_ssize_t o, real *_scratch) noexcept nogil:
    """Output channel `o`: its weights that are seen, and what the others give."""
    cdef Py_ssize_t taps = c.size[0] * c.size[1] * c.size[2], planes = c.end[0] - c.first[0], channel, a
    cdef Py_ssize_t rows = c.end[1] - c.first[1], n = c.end[2] - c.first[2], each = planes * rows * n
    cdef Py_ssize_t first = (c.first[0] * c.size[1] + c.first[1]) * c.size[2] + c.first[2]
    cdef Py_ssize_t plane = c.size[1] * c.size[2], inside = c.channels - ceil_div(lanes_of(sizeof(real)), each)
    cdef const real *w = <const real *> c.w + o * c.channels * taps
    cdef real *to = <real *> c.seen + o * c.channels * each
    cdef real *lost = <real *> c.lost + o
    lost[0] = 0
    if not all_finite(w, 1, c.channels * taps, 0):
        for channel in range(c.channels):
            lost[0] += lost_products(c, w + channel * taps)
    w += first
    if each == 1:
        copy_run(to, w, c.channels, taps)
        return
    for channel in range(c.channels):
        for a in range(planes):
            if channel < inside:
                copy_runs(sizeof(real), to, w + a * plane, rows, n, c.size[2])
            else:
                copy_rows(sizeof(real), to, n, w + a * plane, c.size[2], rows, n)
            to += rows * n
        w += taps


def cut(weight, tuple taps, real[:] seen, real[:] lost, int threads):
    """Copy the taps that are seen, and add up products of padding with those that are not.

    weight : (oc, ic // groups, *kernel), C-contiguous, not empty
    taps : (first, end) along d, h, w of those that are seen; not empty
    seen : oc * ic // groups * the taps that are seen, as the weights lie
    lost : (oc,)
    """
    cdef operand w = five(weight, OWN_RANK)
    cdef Call call
    call.lost = &lost[0]
    read_call(&call, &w, taps, &seen[0])
    with nogil:
        each_piece(<Piece> one_output[real], &call, w.shape[0], threads)


cdef void put_output(const Call *c, Py_ssize_t o, real *_scratch) noexcept nogil:
    """Output channel `o`: what is seen, tap by tap, among zeros."""
    cdef Py_ssize_t taps = c.size[0] * c.size[1] * c.size[2], rows = c.end[1] - c.first[1], n = c.end[2] - c.first[2]
    cdef Py_ssize_t each = (c.end[0] - c.first[0]) * rows * n, a, i, j, channel
    cdef real *to = <real *> c.w + o * c.channels * taps
    cdef real *row
    cdef const real *seen = <const real *> c.seen + o * c.channels * each
    memset(to, 0, c.channels * taps * sizeof(real))
    for a in range(c.first[0], c.end[0]):
        for i in range(c.first[1], c.end[1]):
            row = to + (a * c.size[1] + i) * c.size[2] + c.first[2]
            for j in range(n):
                for channel in range(c.channels):
                    row[channel * taps + j] = seen[channel * each + j]
            seen += n


def put(weight, tuple taps, real[:] seen, int threads):
    """Write what is seen into `weight`, which is not read, and zeros; arguments as of `cut`."""
    cdef operand w = five(weight, OWN_RANK)
    cdef Call call
    read_call(&call, &w, taps, &seen[0])
    with nogil:
        each_piece(<Piece> put_output[real], &call, w.shape[0], threads)
