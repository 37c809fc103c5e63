"""What transposed convolution does besides convolving: the weights of its phases, and putting the phases together.

    turn          (ic, oc // groups, kernel) to (oc * phases, ic // groups, taps): every so many taps, reversed, and
                  channels swapped; rows in the order (oc, phase), or (phase, oc) for channels-last memory
    interleave    the results of phases, along w:   a a a a  b b b b   ->   a b a b a b a b   (`weave.h`)

Data movement only. Where the phases come from: `fastconv/_transpose_geometry.py`.
"""

from fastconv._kernels.copy cimport copy_rows
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport five, operand
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.scratch cimport borrow, borrow_more
from fastconv._kernels.shape cimport real
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.turn cimport turn_block

cdef extern from "weave.h" nogil:
    enum: WEAVE_MOST
    void weave(size_t size, Py_ssize_t ways, const void *const *rows, const Py_ssize_t *pitch, Py_ssize_t n, void *to,
               Py_ssize_t ldt, Py_ssize_t lines)

cdef enum:
    TOGETHER = 16           # input channels turned together: a line of them
    FEWER = 64              # columns turned in place: so many lines of the result stay in L1
    COLUMNS = 512           # elements of each that are: taps of output channels, neighbours in the weights


cdef struct Taps:
    Py_ssize_t start[3]
    Py_ssize_t step[3]
    Py_ssize_t count[3]
    Py_ssize_t offset       # of the phase in the result
    Py_ssize_t pitch        # from one output channel to the next there


cdef struct Turn:
    const void *w
    void *to
    Py_ssize_t icg, ocg, whole
    Py_ssize_t together, blocks             # output channels of a piece of work, and pieces of a group
    Py_ssize_t kernel[3]
    Py_ssize_t phases
    const Taps *taps
    bint plain              # one convolution, whose phases are all taps in their order: the whole is a matrix turned


cdef inline void pick(const Turn *t, const Taps *p, const real *turned, real *to, Py_ssize_t n,
                      Py_ssize_t channels, real *rows) noexcept nogil:
    """to[o][c][taps, last first] = turned[o][tap][c] for the taps of a phase and o < n: few of them are woven, more
    brought together in `rows` and turned."""
    cdef Py_ssize_t some = p.count[0] * p.count[1] * p.count[2], k = some, a, i, j, o
    cdef const void *woven[WEAVE_MOST]
    cdef Py_ssize_t pitch[WEAVE_MOST]
    cdef const real *tap
    for a in range(p.count[0]):
        for i in range(p.count[1]):
            for j in range(p.count[2]):
                k -= 1
                tap = turned + (((p.start[0] + a * p.step[0]) * t.kernel[1] + p.start[1] + i * p.step[1]) * t.kernel[2]
                                + p.start[2] + j * p.step[2]) * TOGETHER
                if some <= WEAVE_MOST:
                    woven[k], pitch[k] = tap, t.whole * TOGETHER
                else:
                    copy_rows(sizeof(real), rows + k * TOGETHER, some * TOGETHER, tap, t.whole * TOGETHER, n, TOGETHER)
    if some <= WEAVE_MOST:
        weave(sizeof(real), some, woven, pitch, channels, to, p.pitch, n)
        return
    for o in range(n):
        turn_block(sizeof(real), some, channels, <const real *> rows + o * some * TOGETHER, TOGETHER, to + o * p.pitch,
                   some)


cdef void turn_channels(const Turn *t, Py_ssize_t item, real *turned) noexcept nogil:
    """Some output channels of a group, for every phase."""
    cdef Py_ssize_t g = item // t.blocks, o0 = item % t.blocks * t.together, n = min(t.together, t.ocg - o0)
    cdef Py_ssize_t block, c0, channels, i, some
    cdef const real *w = <const real *> t.w + (g * t.icg * t.ocg + o0) * t.whole
    cdef real *result = <real *> t.to
    for block in range(ceil_div(t.icg, TOGETHER)):
        c0 = block * TOGETHER
        channels = min(TOGETHER, t.icg - c0)
        if t.plain:
            turn_block(sizeof(real), channels, n * t.whole, w + c0 * t.ocg * t.whole, t.ocg * t.whole,
                       result + (g * t.ocg + o0) * t.whole * t.icg + c0, t.icg)
            continue
        turn_block(sizeof(real), channels, n * t.whole, w + c0 * t.ocg * t.whole, t.ocg * t.whole, turned, TOGETHER)
        for i in range(t.phases):
            some = t.taps[i].count[0] * t.taps[i].count[1] * t.taps[i].count[2]
            pick(t, &t.taps[i], <const real *> turned,
                 result + t.taps[i].offset + (g * t.ocg + o0) * t.taps[i].pitch + c0 * some, n, channels,
                 turned + t.together * t.whole * TOGETHER)


def turn(const real[:, :, :, :, ::1] w, real[::1] to, Py_ssize_t groups, tuple phases, tuple together, bint last,
         int threads):
    """Weights of all phases.

    w : (ic, oc // groups, kd, kh, kw), not empty
    to : one (oc * phases of a convolution, ic // groups, *counts) after the other; every element is written, none may
        overlap w
    phases : ((start, step, count) per axis) each
    together : of each, how many phases the convolution has that it belongs to
    """
    cdef Turn t
    cdef Py_ssize_t offset = 0, slot = 0, each, item, some
    cdef int axis
    cdef Taps *taps = <Taps *> borrow("turn", len(phases) * sizeof(Taps))
    cdef char *scratch
    t.w, t.to = &w[0, 0, 0, 0, 0], &to[0]
    t.icg, t.ocg = w.shape[0] // groups, w.shape[1]
    t.whole = w.shape[2] * w.shape[3] * w.shape[4]
    for axis in range(3):
        t.kernel[axis] = w.shape[2 + axis]
    t.phases, t.taps = len(phases), taps
    for item in range(t.phases):
        for axis in range(3):
            taps[item].start[axis], taps[item].step[axis], taps[item].count[axis] = phases[item][axis]
        some = t.icg * taps[item].count[0] * taps[item].count[1] * taps[item].count[2]
        taps[item].pitch = some if last else together[item] * some
        taps[item].offset = offset + slot * (groups * t.ocg * some if last else some)
        slot += 1
        if slot == together[item]:
            offset += slot * groups * t.ocg * some
            slot = 0
    t.plain = t.phases == t.whole and together[0] == t.whole and not last
    for item in range(t.phases):
        t.plain = t.plain and taps[item].count[0] * taps[item].count[1] * taps[item].count[2] == 1 and item == (
            taps[item].start[0] * t.kernel[1] + taps[item].start[1]) * t.kernel[2] + taps[item].start[2]
    t.together = min(max((FEWER if t.plain else COLUMNS) // t.whole, 1), t.ocg)
    t.blocks = ceil_div(t.ocg, t.together)
    each = 2 * t.together * t.whole * TOGETHER * <Py_ssize_t> sizeof(real)
    scratch = borrow_more("turn", each * threads, taps)
    with nogil:
        each_piece(<Piece> turn_channels[real], &t, groups * t.blocks, threads, scratch, each)
    give_back(taps)
    give_back(scratch)


cdef struct Rows:                   # rows of the output at (z0 + z * dz, y0 + y * dy), which the same pieces make up
    Py_ssize_t z0, dz, d, y0, dy, h
    Py_ssize_t at, n                # the column from which on the pieces are woven, and how many elements of each
    Py_ssize_t pieces               # that follow, in the order of their columns there


cdef struct Stretch:
    Py_ssize_t first, width         # along w: in the output; how many, of `run` phases that are neighbours
    Py_ssize_t skip                 # elements before the woven ones
    Py_ssize_t before, each, start  # of an image: elements of the parts before, of its part, and before its own
    Py_ssize_t c, d, h, w           # from one to the next
    Py_ssize_t run


cdef struct Weave:
    const void *parts
    void *out
    Py_ssize_t images, channels, deep, high, step, kinds    # the most of Rows along d and h, and how many Rows
    Py_ssize_t on, oc, od, oh, ow                           # strides of the output, in elements
    const Rows *rows


cdef inline const Stretch *pieces_of(const Rows *r) noexcept nogil:
    return <const Stretch *> (r + 1)


cdef inline const Rows *after(const Rows *r) noexcept nogil:
    return <const Rows *> (pieces_of(r) + r.pieces)


cdef inline const real *row_of(const Weave *t, const Stretch *p, const real *scratch, Py_ssize_t n, Py_ssize_t c,
                               Py_ssize_t z, Py_ssize_t y) noexcept nogil:
    return scratch + t.images * p.before + n * p.each + p.start + c * p.c + z * p.d + y * p.h


cdef inline void scatter(real *to, Py_ssize_t ldt, const real *source, Py_ssize_t lds, Py_ssize_t lines, Py_ssize_t n,
                         Py_ssize_t step) noexcept nogil:
    cdef Py_ssize_t line, i
    for line in range(lines if n > 0 else 0):
        for i in range(n):
            to[line * ldt + i * step] = source[line * lds + i]


cdef inline void plane_first(const Weave *t, const Rows *r, const real *scratch, Py_ssize_t n, Py_ssize_t c,
                             Py_ssize_t z, real *to) noexcept nogil:
    """The rows of one kind of one depth of one channel."""
    cdef const Stretch *p = pieces_of(r)
    cdef const real *source
    cdef const void *woven[WEAVE_MOST]
    cdef Py_ssize_t pitch[WEAVE_MOST]
    cdef Py_ssize_t i, end, ldt = r.dy * t.oh
    for i in range(r.pieces):
        source = row_of(t, p + i, scratch, n, c, z, 0)
        end = 0
        if r.n:
            woven[i], pitch[i] = source + p[i].skip, p[i].h
            scatter(to + p[i].first, ldt, source, p[i].h, r.h, p[i].skip, t.step)
            end = p[i].skip + r.n
        scatter(to + p[i].first + end * t.step, ldt, source + end, p[i].h, r.h, p[i].width - end, t.step)
    if r.n:
        weave(sizeof(real), t.step, woven, pitch, r.n, to + r.at, ldt, r.h)


cdef inline void row_last(const Weave *t, const Rows *r, const real *scratch, Py_ssize_t n, Py_ssize_t z, Py_ssize_t y,
                          real *to) noexcept nogil:
    """One row of pixels, all their channels."""
    cdef const Stretch *p = pieces_of(r)
    cdef Py_ssize_t i
    for i in range(r.pieces):
        copy_rows(sizeof(real), to + p[i].first * t.ow, t.step * t.ow, row_of(t, p + i, scratch, n, 0, z, y), p[i].w,
                  p[i].width, p[i].run * t.channels)


cdef inline real *start_of(const Weave *t, const Rows *r, real *out, Py_ssize_t n, Py_ssize_t z,
                           Py_ssize_t y) noexcept nogil:
    return out + n * t.on + (r.z0 + z * r.dz) * t.od + (r.y0 + y * r.dy) * t.oh


cdef void planes_first(const Weave *t, Py_ssize_t item, real *_scratch) noexcept nogil:
    """All rows of one depth of one channel."""
    cdef Py_ssize_t z = item % t.deep, c = item // t.deep % t.channels, n = item // t.deep // t.channels, _kind
    cdef const Rows *r = t.rows
    for _kind in range(t.kinds):
        if z < r.d:
            plane_first(t, r, <const real *> t.parts, n, c, z, start_of(t, r, <real *> t.out, n, z, 0) + c * t.oc)
        r = after(r)


cdef void rows_last(const Weave *t, Py_ssize_t item, real *_scratch) noexcept nogil:
    """One row of each kind."""
    cdef Py_ssize_t y = item % t.high, z = item // t.high % t.deep, n = item // t.high // t.deep, _kind
    cdef const Rows *r = t.rows
    for _kind in range(t.kinds):
        if z < r.d and y < r.h:
            row_last(t, r, <const real *> t.parts, n, z, y, start_of(t, r, <real *> t.out, n, z, y))
        r = after(r)


def interleave(const Py_ssize_t[::1] table, Py_ssize_t kinds, Py_ssize_t step, const real[::1] scratch, output,
               bint last, int threads):
    """What the parts of a box are, put in its places in the result.

    table : for each of `kinds` kinds of rows the items of `Rows`, then of `Stretch` for each of its pieces
    scratch : of all parts (images, c, d, h, w), dense in the order of `last`, one part after the other
    output : (images, c, d, h, w), not empty, of unit stride along c if `last`, else along w; other strides free
    """
    cdef Weave t
    cdef operand x = five(output, 3)
    cdef Py_ssize_t size = sizeof(real), _kind
    cdef const Rows *r = <const Rows *> &table[0]
    t.parts, t.out, t.rows, t.kinds, t.step = &scratch[0], x.data, r, kinds, step
    t.images, t.channels, t.deep, t.high = x.shape[0], x.shape[1], 0, 0
    for _kind in range(kinds):
        t.deep, t.high = max(t.deep, r.d), max(t.high, r.h)
        r = after(r)
    t.on, t.oc, t.od = x.strides[0] // size, x.strides[1] // size, x.strides[2] // size
    t.oh, t.ow = x.strides[3] // size, x.strides[4] // size
    with nogil:
        if last:
            each_piece(<Piece> rows_last[real], &t, t.images * t.deep * t.high, threads)
        else:
            each_piece(<Piece> planes_first[real], &t, t.images * t.deep * t.channels, threads)
