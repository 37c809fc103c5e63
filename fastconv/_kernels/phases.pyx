"""What transposed convolution does besides convolving: the weights of its phases, and putting the phases together.

    turn          (ic, oc // groups, kernel) to (oc, ic // groups, taps): every so many taps, reversed, channels swapped
    interleave    the results of phases side by side along w:   a a a a      a b a b a b a b
                                                                b b b b  ->

Data movement only. Where the phases come from: `fastconv/_transpose_geometry.py`.
"""

from cython.parallel cimport prange
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.shape cimport real

cdef enum:
    CHANNELS = 16           # of the output, turned together: their taps are neighbours in the weights, so lines are read once


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
            row = w + ((t.start[0] + a * t.step[0]) * t.kernel[1] + t.start[1] + i * t.step[1]) * t.kernel[2] + t.start[2]
            for j in range(t.count[2] - 1, -1, -1):
                to[0] = row[j * t.step[2]]
                to += 1
    return to


cdef void turn_channels(const Taps *t, const real *w, real *to, Py_ssize_t icg, Py_ssize_t ocg, Py_ssize_t o0) noexcept nogil:
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


cdef struct Rows:
    Py_ssize_t parts, step, n, c, d, h          # parts side by side; extents of the rows
    Py_ssize_t on, oc, od, oh, ow               # strides of the output, in elements


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


cdef void row_first(const Rows *r, const real **parts, const Py_ssize_t *firsts, const Py_ssize_t *widths, real *out,
                    Py_ssize_t row) noexcept nogil:
    """One row of one channel."""
    cdef Py_ssize_t y = row % r.h, z = row // r.h % r.d, c = row // (r.h * r.d) % r.c, n = row // (r.h * r.d * r.c)
    cdef real *to = out + n * r.on + c * r.oc + z * r.od + y * r.oh
    cdef Py_ssize_t i, both = 0
    if r.parts == 2 and r.step == 2 and r.ow == 1 and firsts[0] == 0:
        both = min(widths[0], widths[1])
        spread_two(to, parts[0] + row * widths[0], parts[1] + row * widths[1], both)
    for i in range(r.parts):
        spread_row(to + (firsts[i] + both * r.step) * r.ow, parts[i] + row * widths[i] + both, widths[i] - both,
                   r.step * r.ow)


cdef void row_last(const Rows *r, const real **parts, const Py_ssize_t *firsts, const Py_ssize_t *widths, real *out,
                   Py_ssize_t row) noexcept nogil:
    """One row of pixels, all their channels."""
    cdef Py_ssize_t y = row % r.h, z = row // r.h % r.d, n = row // (r.h * r.d)
    cdef real *to = out + n * r.on + z * r.od + y * r.oh
    cdef const real *source
    cdef Py_ssize_t i, j
    for i in range(r.parts):
        source = parts[i] + row * widths[i] * r.c
        for j in range(widths[i]):
            memcpy(to + (firsts[i] + j * r.step) * r.ow, source + j * r.c, r.c * sizeof(real))


def interleave(tuple parts, tuple firsts, Py_ssize_t step, real[:, :, :, :, :] out, bint last, int threads):
    """out[..., firsts[i] + step * j] = parts[i][..., j].

    parts : of (n, c, d, h, w_i) each, equal but for w_i, not empty, dense, channels-last in memory if `last`
    firsts : rising
    out : (n, c, d, h, w), not empty, of unit stride along c if `last`; other strides free
    """
    cdef Rows r
    cdef real[:, :, :, :, :] part
    cdef Py_ssize_t size = sizeof(real), i, row, rows
    cdef real *to = &out[0, 0, 0, 0, 0]
    cdef const real **sources = <const real **> malloc(len(parts) * (sizeof(void *) + 2 * sizeof(Py_ssize_t)))
    cdef Py_ssize_t *starts = <Py_ssize_t *> (sources + len(parts))
    cdef Py_ssize_t *widths = starts + len(parts)
    if sources == NULL:
        raise MemoryError("interleave: no memory for pointers")
    for i in range(len(parts)):
        part = parts[i]
        sources[i] = &part[0, 0, 0, 0, 0]
        starts[i] = firsts[i]
        widths[i] = part.shape[4]
    r.parts, r.step = len(parts), step
    r.n, r.c, r.d, r.h = part.shape[0], part.shape[1], part.shape[2], part.shape[3]
    r.on, r.oc, r.od = out.strides[0] // size, out.strides[1] // size, out.strides[2] // size
    r.oh, r.ow = out.strides[3] // size, out.strides[4] // size
    rows = r.n * r.d * r.h if last else r.n * r.c * r.d * r.h
    for row in prange(rows, num_threads=threads, nogil=True, schedule="static"):
        if last:
            row_last(&r, sources, starts, widths, to, row)
        else:
            row_first(&r, sources, starts, widths, to, row)
    free(sources)
