"""Rows of one input plane, staged so that every tap reads them with unit stride and without borders.

    stride 2, three taps    image row    . p0 q0 p1 q1 p2 q2 ...       taps 0 and 2 read p at 0 and 1, tap 1 q at 0
                            staged as    [p0 p1 p2 ...] [q0 q1 q2 ...]

A staged row holds one slot for each phase of the stride that some tap has, with zeros for padding; staged rows are
`pitch` apart. Rows of the plane follow each other as in the image, so that taps above each other share them.
"""

from fastconv._kernels.copy cimport copy_rows, split_rows
from fastconv._kernels.pack cimport ceil_div, clip, copy_run, end_inside, first_inside, zeros
from fastconv._kernels.shape cimport ConvShape, real


cdef struct StagedRows:
    Py_ssize_t cols                     # of output in a block, at most
    Py_ssize_t staged, pitch            # rows of input under a block, and the elements of one
    Py_ssize_t slots, slot              # phases staged of each row, and elements of one
    Py_ssize_t *phase                   # of each slot: which pixel modulo the stride it starts from
    Py_ssize_t *shift                   # of each slot: how far in it starts, for the image's pixels to be aligned
    bint paired                         # a row's pixels go to two slots in turn
    bint moving                         # padded rows are not the same in every block
    bint split                          # nor are padded columns


cdef inline Py_ssize_t slot_of(Py_ssize_t *phase, Py_ssize_t *slots, Py_ssize_t wanted) noexcept nogil:
    """The slot of a phase, a new one if need be."""
    cdef Py_ssize_t slot = 0
    while slot < slots[0] and phase[slot] != wanted:
        slot += 1
    if slot == slots[0]:
        phase[slot] = wanted
        slots[0] += 1
    return slot


cdef inline void split_phases(StagedRows *t, const ConvShape *s, Py_ssize_t *column, Py_ssize_t line) noexcept nogil:
    """Fill `phase`, `shift`, `slots`, `slot`, `pitch` and where each tap's column stands; lines of `line` elements."""
    cdef Py_ssize_t j, first, reach = (s.kw - 1) * s.dw // s.sw
    t.slots = 0
    for j in range(s.kw):
        column[j] = slot_of(t.phase, &t.slots, j * s.dw % s.sw)
    for j in range(t.slots):
        first = first_inside(t.phase[j] - s.pw, s.sw)
        t.shift[j] = ceil_div(first, line) * line - first
    t.slot = ceil_div(max(t.cols, line) + reach + line - 1, line) * line
    for j in range(s.kw):
        column[j] = column[j] * t.slot + t.shift[column[j]] + j * s.dw // s.sw
    t.paired = t.slots == 2 and s.sw == 2
    t.pitch = (ceil_div(t.slots * t.slot, line) | 1) * line         # an odd number of lines: all cache sets


cdef inline void stage_rows(const StagedRows *t, const ConvShape *s, const real *x, Py_ssize_t xh, Py_ssize_t y0,
                            Py_ssize_t x0, real *to) noexcept nogil:
    """Copy what lies under the block at output (y0, x0) from one input plane; x is NULL for a plane of padding."""
    cdef Py_ssize_t r, slot, i, offset, end, size = sizeof(real), pitch = t.pitch
    cdef Py_ssize_t top = y0 * s.sh - s.ph
    cdef Py_ssize_t first = t.staged if x == NULL else clip(-top, 0, t.staged)
    cdef Py_ssize_t rows = clip(s.ih - top, first, t.staged) - first
    cdef Py_ssize_t lo[2]
    cdef Py_ssize_t n[2]
    cdef real *row[2]
    if t.moving:                                # else the scratch's zeros above and below the image stay
        zeros(to, first * pitch)
        zeros(to + (first + rows) * pitch, (t.staged - first - rows) * pitch)
    if rows == 0:
        return
    x += (top + first) * xh + x0 * s.sw - s.pw
    to += first * pitch
    for slot in range(t.slots):
        offset = x0 * s.sw - s.pw + t.phase[slot]
        end = t.slot - t.shift[slot]
        i = slot % 2
        row[i] = to + slot * t.slot + t.shift[slot]
        lo[i] = clip(first_inside(offset, s.sw), 0, end)
        n[i] = clip(end_inside(offset, s.sw, s.iw), lo[i], end) - lo[i]
        if s.sw == 1:
            copy_rows(size, row[i] + lo[i], pitch, x + lo[i], xh, rows, n[i])
        elif not t.paired:
            for r in range(rows):
                copy_run(row[i] + r * pitch + lo[i], x + r * xh + lo[i] * s.sw + t.phase[slot], n[i], s.sw)
        if t.split:                             # else the zeros left and right of it stay
            for r in range(rows):
                zeros(row[i] + r * pitch, lo[i])
                zeros(row[i] + r * pitch + lo[i] + n[i], end - lo[i] - n[i])
    if t.paired:                                # neighbouring pixels go to the slots in turn, the leftmost one's first
        i = lo[1] * 2 + 1 < lo[0] * 2
        split_rows(size, row[i] + lo[i], row[1 - i] + lo[1 - i], pitch, x + lo[i] * 2 + i, xh, rows,
                   min(2 * n[i], 2 * n[1 - i] + 1))
