"""The input under a block of output pixels, staged so that every tap reads it with unit stride and without borders.

Taps see an image through its stride: tap j of output x reads column x * sw + j * dw - pw. Rows and columns are split by
their phase, (j * dw) % sw, and what lies outside the image is staged as zeros, so that for every tap a row of pixels is
a run of elements at a distance that depends on the tap alone:

    stride 2, three taps, one before      image row    . p0 q0 p1 q1 p2 q2       taps 0 and 2 read q at 0 and 1,
                                          staged       [. q0 q1 q2] [p0 p1 p2]   tap 1 reads p at 0

A stage holds [channel][depth][row phase][column phase][row][column] of a block, which is part of one output plane or a
number of whole planes. Each element of the input is fetched once a block and not once a tap, and what is left of
packing is copying runs by whole vectors.
"""

from fastconv._kernels.copy cimport copy_rows, copy_runs, split_rows
from fastconv._kernels.pack cimport ceil_div, clip, copy_run, zeros
from fastconv._kernels.scratch cimport LINE
from fastconv._kernels.shape cimport ConvShape, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.staged_rows cimport slot_of
from fastconv._kernels.split cimport Split, can_split, pick_rows, split_table
from fastconv._kernels.turn cimport turn_block

cdef enum:
    TURNED = 4      # phases from which on rows of so many columns are turned: of 2000 to 4000 elements they took
    LONG = 48       # 1.4 times as long by picking (Zen 4, AVX-512, 2026-11-29)


cdef struct Stage:
    Py_ssize_t cols, rows, deep                 # of a slot: columns, rows; and depths of the input
    bint part                                   # whether these are less than a row of output
    Py_ssize_t slots_h, slots_w                 # phases that some tap sees
    Py_ssize_t slot, depth, channel             # from one slot, depth, channel to the next, in elements
    Py_ssize_t *phase_h                         # of each slot, which row modulo the stride it starts from
    Py_ssize_t *phase_w
    Py_ssize_t *tap                             # of each tap, its distance from the first one at pixel 0 of the block
    Split split                                 # by which rows of more than two phases are split


cdef struct Bound:
    Py_ssize_t whole, rest                      # of some n, divided by a stride


cdef struct Edges:
    Bound top, bottom, left, right              # where the image begins and ends in what a block sees
    Py_ssize_t above, before                    # its rows and columns before those


cdef inline Py_ssize_t stage_table(const ConvShape *s) noexcept nogil:
    """Items of the table that `plan_stage` fills."""
    return s.kh + s.kw + s.kd * s.kh * s.kw


cdef inline bint plan_stage(
    Stage *t, const ConvShape *s, Py_ssize_t size, Py_ssize_t *table, Py_ssize_t planes, Py_ssize_t rows,
    Py_ssize_t columns, Py_ssize_t most, Py_ssize_t unit=1,
) noexcept nogil:
    """For blocks of at most `planes` output planes of `rows` rows of `columns`, which are whole rows or parts of one.

    Whether a channel takes `most` elements or less; `size` is that of an element. Rows and slots are `unit` elements
    or whole multiples of that apart: a vector's where tiles read the stage, since one in two lines takes two loads.
    """
    cdef Py_ssize_t a, i, j, h, w
    t.phase_h, t.phase_w, t.tap = table, table + s.kh, table + s.kh + s.kw
    t.slots_h = t.slots_w = 0
    for i in range(s.kh):
        slot_of(t.phase_h, &t.slots_h, i * s.dh % s.sh)
    for j in range(s.kw):
        slot_of(t.phase_w, &t.slots_w, j * s.dw % s.sw)
    t.split.vectors = 0
    if can_split(size, s.sw):
        split_table(&t.split, size, s.sw)
    t.part = columns < s.ow
    t.cols = columns + (s.kw - 1) * s.dw // s.sw
    if t.cols > columns:                # else rows are one run of pixels
        t.cols = ceil_div(t.cols, unit) * unit
    t.rows = rows + (s.kh - 1) * s.dh // s.sh
    t.deep = (planes - 1) * s.sd + (s.kd - 1) * s.dd + 1
    t.slot = t.rows * t.cols
    if unit > 1:
        t.slot = (ceil_div(t.slot, unit) | 1) * unit        # an odd number, as lines of a channel
    if <double> t.slots_h * t.slots_w * t.slot * t.deep > most:
        return False
    t.depth = t.slots_h * t.slots_w * t.slot
    t.channel = (ceil_div(t.deep * t.depth * size, LINE) | 1) * LINE // size    # an odd number of lines: all cache sets
    for i in range(s.kh):
        h = slot_of(t.phase_h, &t.slots_h, i * s.dh % s.sh)
        for j in range(s.kw):
            w = slot_of(t.phase_w, &t.slots_w, j * s.dw % s.sw)
            for a in range(s.kd):
                t.tap[(a * s.kh + i) * s.kw + j] = (
                    a * s.dd * t.depth + (h * t.slots_w + w) * t.slot + i * s.dh // s.sh * t.cols + j * s.dw // s.sw
                )
    return True


cdef inline Py_ssize_t first_column(const Stage *t, const ConvShape *s, Py_ssize_t p0) noexcept nogil:
    """The column of output at which the stage of the block from pixel p0 on begins."""
    return p0 % s.ow if t.part else 0


cdef inline Bound bound_of(Py_ssize_t n, Py_ssize_t stride) noexcept nogil:
    return Bound(n // stride, n % stride) if n > 0 else Bound(0, 0)


cdef inline Py_ssize_t below(const Bound *b, Py_ssize_t phase) noexcept nogil:
    """How many of phase, phase + stride, ... are less than n, for a phase less than the stride."""
    return b.whole + (b.rest > phase)


cdef inline Edges edges_of(const ConvShape *s, Py_ssize_t above, Py_ssize_t before) noexcept nogil:
    """Of a block that sees so many rows and columns before those of the image, or less than none."""
    return Edges(bound_of(above, s.sh), bound_of(s.ih + above, s.sh), bound_of(before, s.sw),
                 bound_of(s.iw + before, s.sw), above, before)


cdef inline void stage_pairs(
    const Stage *t, const ConvShape *s, const Edges *e, const real *x, Py_ssize_t step, Py_ssize_t rows, real *to,
) noexcept nogil:
    """Rows that are `step` apart, at stride 1, or at stride 2 by both phases, which neighbours go to in turn.

    x is at column 0 of the stage.
    """
    cdef Py_ssize_t w, r, i, size = sizeof(real)
    cdef Py_ssize_t lo[2]
    cdef Py_ssize_t n[2]
    cdef real *into
    for w in range(s.sw):
        lo[w] = min(below(&e.left, w), t.cols)
        n[w] = clip(below(&e.right, w), lo[w], t.cols) - lo[w]
        for r in range(rows if n[w] < t.cols else 0):
            into = to + w * t.slot + r * t.cols
            zeros(into, lo[w])
            zeros(into + lo[w] + n[w], t.cols - lo[w] - n[w])
    if s.sw == 1:
        copy_rows(size, to + lo[0], t.cols, x + lo[0], step, rows, n[0])
        return
    i = lo[1] * 2 + 1 < lo[0] * 2               # the phase of the leftmost
    split_rows(size, to + i * t.slot + lo[i], to + (1 - i) * t.slot + lo[1 - i], t.cols, x + lo[i] * 2 + i, step, rows,
               min(2 * n[i], 2 * n[1 - i] + 1))


cdef inline void stage_phases(
    const Stage *t, const ConvShape *s, const Edges *e, const real *x, Py_ssize_t step, Py_ssize_t rows,
    Py_ssize_t left, real *to,
) noexcept nogil:
    """The same at any stride, one phase after the other: what is copied ends up to a vector beyond it. Of long rows the
    columns that all of many phases have are turned, by squares.

    left : elements of the plane from x on
    """
    cdef Py_ssize_t w, r, first, end, skipped, lo = 0, hi = 0
    cdef real *into = to
    if t.slots_w >= TURNED and t.phase_w[1] == 1:       # the first phases, in their order
        lo = min(below(&e.left, 0), t.cols)
        hi = clip(below(&e.right, t.slots_w - 1), lo, t.cols)
    if hi - lo < LONG and t.split.vectors:              # else elements would be picked one by one
        lo = hi = 0
    for r in range(rows if lo < hi else 0):
        turn_block(sizeof(real), hi - lo, t.slots_w, x + lo * s.sw + r * step, s.sw, to + lo + r * t.cols, t.slot)
    for w in range(t.slots_w):
        first = min(below(&e.left, t.phase_w[w]), t.cols)
        end = clip(below(&e.right, t.phase_w[w]), first, t.cols)
        skipped = first * s.sw + t.phase_w[w]
        for r in range(rows if lo < hi and (first < lo or hi < end) else 0):
            copy_run(into + r * t.cols + first, x + r * step + skipped, lo - first, s.sw)
            copy_run(into + r * t.cols + hi, x + r * step + hi * s.sw + t.phase_w[w], end - hi, s.sw)
        if lo == hi:
            pick_rows(sizeof(real), into + first, t.cols, x + skipped, step, rows, end - first, s.sw, left - skipped,
                      &t.split)
        for r in range(rows if end - first < t.cols else 0):
            zeros(into + r * t.cols, first)
            zeros(into + r * t.cols + end, t.cols - end)
        into += t.slot


cdef inline void stage_plane(
    const Stage *t, const ConvShape *s, const Edges *e, const real *x, Py_ssize_t xh, real *to,
) noexcept nogil:
    """One depth of one channel. x is its plane, or NULL for one of padding."""
    cdef Py_ssize_t h, w, y, first, end
    for h in range(t.slots_h):
        first = t.rows if x == NULL else min(below(&e.top, t.phase_h[h]), t.rows)
        end = clip(below(&e.bottom, t.phase_h[h]), first, t.rows)
        y = t.phase_h[h] + first * s.sh - e.above
        if first < end and t.slots_w == s.sw <= 2:
            stage_pairs(t, s, e, x + y * xh - e.before, s.sh * xh, end - first, to + first * t.cols)
        elif first < end:
            stage_phases(t, s, e, x + y * xh - e.before, s.sh * xh, end - first,
                         (s.ih - 1 - y) * xh + s.iw + e.before, to + first * t.cols)
        for w in range(t.slots_w):
            zeros(to + w * t.slot, first * t.cols)
            zeros(to + w * t.slot + end * t.cols, t.slot - end * t.cols)
        to += t.slots_w * t.slot


cdef inline void stage_block(
    const Stage *t, const ConvShape *s, const real *x, Py_ssize_t xc, Py_ssize_t xd, Py_ssize_t xh,
    Py_ssize_t channels, Py_ssize_t z0, Py_ssize_t y0, Py_ssize_t x0, real *stage,
) noexcept nogil:
    """What the output pixels from column x0 of row y0 of plane z0 on see of `channels` channels; x is the first one.

    Up to a vector beyond the last of them is written, too.
    """
    cdef Edges e = edges_of(s, s.ph - y0 * s.sh, s.pw - x0 * s.sw)
    cdef Py_ssize_t c, a, z
    for c in range(channels):
        for a in range(t.deep):
            z = z0 * s.sd - s.pd + a
            stage_plane(t, s, &e, x + c * xc + z * xd if 0 <= z < s.id else <const real *> NULL, xh,
                        stage + c * t.channel + a * t.depth)


cdef inline void clear_beyond(const Stage *t, Py_ssize_t channels, real *stage) noexcept nogil:
    """Zeros after each channel, and in a vector after the last: what lanes beside the last pixels read, or are copied
    from there; see `clear_beside`."""
    cdef Py_ssize_t c, n = t.deep * t.depth
    for c in range(channels):
        zeros(stage + c * t.channel + n, t.channel - n)
    zeros(stage + channels * t.channel, lanes_of(sizeof(real)))


cdef inline void copy_columns(
    const Stage *t, const ConvShape *s, const real *stage, Py_ssize_t k0, Py_ssize_t k1, Py_ssize_t p0, Py_ssize_t p1,
    real *panel, Py_ssize_t leading,
) noexcept nogil:
    """panel[k - k0][p - p0] = tap k of pixel p, as `pack_columns`, from the stage of the block that begins at p0.

    The stage begins at the channel of k0. Up to a vector less one element beyond a row of the panel is written, too.
    """
    cdef Py_ssize_t taps = s.kd * s.kh * s.kw, plane = s.oh * s.ow, z0 = p0 // plane, y0 = (p0 - z0 * plane) // s.ow
    cdef Py_ssize_t x0 = first_column(t, s, p0), p = p0, k, tap, z, y, o, n, rows
    cdef const real *source
    while p < p1:                       # part of a row, or whole rows of a plane
        z = p // plane
        y = (p - z * plane) // s.ow
        o = (p - z * plane) - y * s.ow
        n = min(s.ow - o, p1 - p)
        rows = 1 if n < s.ow else min((p1 - p) // s.ow, s.oh - y)
        source = stage + (z - z0) * s.sd * t.depth + (y - y0) * t.cols + o - x0
        tap = k0 % taps
        for k in range(k1 - k0):
            copy_runs(sizeof(real), panel + k * leading + p - p0, source + t.tap[tap], rows, n, t.cols)
            tap += 1
            if tap == taps:
                tap = 0
                source += t.channel
        p += rows * n
