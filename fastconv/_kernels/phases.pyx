"""What transposed convolution does besides convolving: the weights of its phases, and putting the phases together.

    turn          (ic, oc // groups, kernel) to (oc, ic // groups, taps): every so many taps, reversed, channels swapped
    interleave    the results of phases, along w:   a a a a  b b b b   ->   a b a b a b a b

Data movement only. Where the phases come from: `fastconv/_transpose_geometry.py`.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from fastconv._kernels.pack cimport ceil_div, copy_run
from fastconv._kernels.shape cimport real

cdef extern from "turn.h" nogil:
    void turn_block(size_t size, Py_ssize_t rows, Py_ssize_t cols, const void *source, Py_ssize_t ldf, void *to,
                    Py_ssize_t ldt)

cdef enum:
    TOGETHER = 16           # input channels turned together: a line of them
    COLUMNS = 512           # elements of each that are: taps of output channels, neighbours in the weights


cdef struct Taps:
    Py_ssize_t start[3]
    Py_ssize_t step[3]
    Py_ssize_t count[3]
    Py_ssize_t offset       # of the phase in the result


cdef struct Turn:
    Py_ssize_t icg, ocg, whole, together    # `together`: output channels
    Py_ssize_t kernel[3]
    Py_ssize_t phases
    const Taps *taps


cdef inline void pick(const Turn *t, const Taps *p, const real *turned, real *to, Py_ssize_t n,
                      Py_ssize_t channels) noexcept nogil:
    """to[o][c][taps, last first] = turned[o][tap][c] for the taps of a phase and o < n."""
    cdef Py_ssize_t some = p.count[0] * p.count[1] * p.count[2], k = some, a, i, j, c, _o
    cdef const real *tap
    cdef real *target
    for a in range(p.count[0]):
        for i in range(p.count[1]):
            for j in range(p.count[2]):
                k -= 1
                tap = turned + (((p.start[0] + a * p.step[0]) * t.kernel[1] + p.start[1] + i * p.step[1]) * t.kernel[2]
                                + p.start[2] + j * p.step[2]) * TOGETHER
                target = to + k
                for _o in range(n):
                    if some == 1:
                        copy_run(target, tap, channels, 1)
                    else:
                        for c in range(channels):
                            target[c * some] = tap[c]
                    tap += t.whole * TOGETHER
                    target += t.icg * some


cdef void turn_channels(const Turn *t, const real *w, real *result, Py_ssize_t g, Py_ssize_t o0,
                        real *turned) noexcept nogil:
    """Some output channels of group `g` from o0 on, for every phase."""
    cdef Py_ssize_t block, c0, channels, i, some, n = min(t.together, t.ocg - o0)
    w += (g * t.icg * t.ocg + o0) * t.whole
    for block in range(ceil_div(t.icg, TOGETHER)):
        c0 = block * TOGETHER
        channels = min(TOGETHER, t.icg - c0)
        turn_block(sizeof(real), channels, n * t.whole, w + c0 * t.ocg * t.whole, t.ocg * t.whole, turned, TOGETHER)
        for i in range(t.phases):
            some = t.taps[i].count[0] * t.taps[i].count[1] * t.taps[i].count[2]
            pick(t, &t.taps[i], <const real *> turned,
                 result + t.taps[i].offset + ((g * t.ocg + o0) * t.icg + c0) * some, n, channels)


def turn(const real[:, :, :, :, ::1] w, real[::1] to, Py_ssize_t groups, tuple phases, int threads):
    """Weights of all phases.

    w : (ic, oc // groups, kd, kh, kw), not empty
    to : one (oc, ic // groups, *counts) after the other; every element is written, none may overlap w
    phases : ((start, step, count) per axis) each
    """
    cdef Turn t
    cdef Py_ssize_t size = sizeof(real), offset = 0, blocks, each, item
    cdef int axis
    cdef const real *source = &w[0, 0, 0, 0, 0]
    cdef real *result = &to[0]
    cdef Taps *taps = <Taps *> malloc(len(phases) * sizeof(Taps))
    cdef real *scratch
    t.icg, t.ocg = w.shape[0] // groups, w.shape[1]
    t.whole = w.shape[2] * w.shape[3] * w.shape[4]
    t.together = min(max(COLUMNS // t.whole, 1), t.ocg)
    blocks = ceil_div(t.ocg, t.together)
    each = t.together * t.whole * TOGETHER
    scratch = <real *> malloc(each * threads * size)
    if taps == NULL or scratch == NULL:
        free(taps)
        free(scratch)
        raise MemoryError("turn: no memory to turn weights in")
    for axis in range(3):
        t.kernel[axis] = w.shape[2 + axis]
    t.phases, t.taps = len(phases), taps
    for item in range(t.phases):
        taps[item].offset = offset
        for axis in range(3):
            taps[item].start[axis], taps[item].step[axis], taps[item].count[axis] = phases[item][axis]
        offset += groups * t.ocg * t.icg * taps[item].count[0] * taps[item].count[1] * taps[item].count[2]
    for item in prange(groups * blocks, num_threads=threads, nogil=True, schedule="static"):
        turn_channels(&t, source, result, item // blocks, item % blocks * t.together, scratch + threadid() * each)
    free(taps)
    free(scratch)


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


cdef void plane_first(const Rows *r, const Piece *pieces, real *out, Py_ssize_t plane) noexcept nogil:
    """All rows of a plane of one channel."""
    cdef Py_ssize_t z = plane % r.d, c = plane // r.d % r.c, n = plane // (r.d * r.c), y, i, both = 0
    cdef real *to = out + n * r.on + c * r.oc + z * r.od
    if r.pieces == 2 and r.step == 2 and r.ow == 1 and pieces[0].first == 0:
        both = min(pieces[0].width, pieces[1].width)
    for y in range(r.h):
        if both:
            spread_two(to, row_of(&pieces[0], n, c, z, y, out), row_of(&pieces[1], n, c, z, y, out), both)
        for i in range(r.pieces):
            if pieces[i].width > both:
                spread_row(to + (pieces[i].first + both * r.step) * r.ow, row_of(&pieces[i], n, c, z, y, out) + both,
                           pieces[i].width - both, r.step * r.ow)
        to += r.oh


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
    cdef Py_ssize_t size = sizeof(real), i, item
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
    for item in prange(r.n * r.d * (r.h if last else r.c), num_threads=threads, nogil=True, schedule="static"):
        if last:
            row_last(&r, pieces, to, item)
        else:
            plane_first(&r, pieces, to, item)
    free(pieces)
