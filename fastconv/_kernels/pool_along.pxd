"""Rows of outputs by a step along each of the rows that the rows of their windows come to: see `pool_rows.pxd`."""

from fastconv._kernels.pool_work cimport ROWS, Work
from fastconv._kernels.rows cimport VECTOR_BYTES, Fold, FoldEnd, FoldRun, Steps, along, fold_end, fold_windows
from fastconv._kernels.turn cimport turn_block
from fastconv._kernels.window cimport Place, PoolShape, Strides, divisor_of, number, place, start_along


cdef inline FoldEnd end_at(const PoolShape *s, const Work *w, Place at) noexcept nogil:
    """What becomes of the sums of the windows at `at`."""
    cdef double by = 1 if s.maximum else divisor_of(s, at)
    cdef FoldEnd end = fold_end(by * w.count)
    if w.count == 0:                                       # the other factor follows
        end.by = by
    return end


cdef inline bint block_down(
    number *v, const number *x, Py_ssize_t z, Py_ssize_t o, Py_ssize_t rows, Py_ssize_t start, Py_ssize_t end,
    const Strides *t, PoolShape *s, const Work *w, FoldEnd *ends,
) noexcept nogil:
    """Columns `start` to `end` of what the rows of windows come to, for `rows` rows of outputs from o on, inside the
    image many in a call; and what becomes of their sums. Says whether there may be NaN among them."""
    cdef Fold f
    cdef FoldRun runs[ROWS]
    cdef FoldRun run
    cdef FoldEnd over
    cdef Place at
    cdef Py_ssize_t r = 0, i
    cdef int many = 0
    while r < rows:
        at = place(s, z, o + r)
        run.from_, run.taps, run.count = (at.y + at.j0 * s.dh) * t.h, at.j1 - at.j0, 1
        run.next, run.end = s.sh * t.h, fold_end(1)
        if run.taps == s.kh:
            run.count = min((s.ih - 1 - (s.kh - 1) * s.dh + s.ph) // s.sh, o + rows - 1) - (o + r) + 1
        over = end_at(s, w, at)
        for i in range(r, r + run.count):
            ends[i] = over
        runs[many] = run
        r += run.count
        many += 1
    f.rows, f.row, f.tap, f.ldt = at.i1 - at.i0, s.dd * t.d, s.dh * t.h, w.pitch
    f.fresh = 0
    x += (at.z + at.i0 * s.dd) * t.d
    if t.w == w.pixel:
        return fold_windows(v, x + start * t.w, &f, <const FoldRun *> runs, many, (end - start) * w.pixel, s.maximum)
    for i in range(start, end):
        fold_windows(v + (i - start) * w.pixel, x + i * t.w, &f, <const FoldRun *> runs, many, w.pixel, s.maximum)
    return True


cdef inline void slot_row(number *to, const number *v, const PoolShape *s, const Work *w, Py_ssize_t n) noexcept nogil:
    """What n outputs see of every slot: pixels of one residue modulo sw, or those of a tap if that is fewer."""
    cdef Py_ssize_t size = sizeof(number), lanes = VECTOR_BYTES // size
    cdef Py_ssize_t pixel = w.pixel, step = s.sw * pixel, slots = min(s.kw, s.sw), slot = w.slot, j, k
    cdef Py_ssize_t next = (s.dw if s.kw <= s.sw else 1) * pixel
    if s.kw > s.sw:
        n += (s.kw - 1) * s.dw // s.sw
    if sizeof(number) >= 4 and next == 1 and step > 2 and n >= lanes:
        turn_block(size, n, slots, v, step, to, slot)
        return
    for _ in range(slots):
        if pixel == 1 and step == 2:                       # which compilers make shuffles of
            for j in range(n):
                to[j] = v[2 * j]
        elif pixel == 1:
            for j in range(0, n - 3, 4):                   # a loop of one takes twice as long at unlucky addresses
                to[j] = v[j * step]
                to[j + 1] = v[(j + 1) * step]
                to[j + 2] = v[(j + 2) * step]
                to[j + 3] = v[(j + 3) * step]
            for j in range(n - n % 4, n):
                to[j] = v[j * step]
        else:
            for j in range(n):
                for k in range(pixel):
                    to[j * pixel + k] = v[j * step + k]
        to += slot
        v += next


cdef inline Py_ssize_t in_place(
    const Strides *t, const PoolShape *s, const Work *w, Py_ssize_t j, Py_ssize_t lanes,
) noexcept nogil:
    """How many outputs from j on may be read where they lie: windows of one row, with no padding, and no vector that is
    read for them ends behind the row. Not maxima by twos: to look for NaN in every step takes longer than to copy."""
    cdef Py_ssize_t start = start_along(s, j), n
    cdef Py_ssize_t room = (s.iw - start - (s.kw - 1) * s.dw - 1) * w.pixel - w.beyond
    if s.kd * s.kh > 1 or t.w != w.pixel or start < 0 or room < 0 or s.maximum and lanes < 4:
        return 0
    n = min(room // (s.sw * w.pixel) + 1, s.ow - j)
    return n if n * w.pixel >= lanes else 0


cdef inline bint fill_block(
    number *v, const number *x, Py_ssize_t z, Py_ssize_t o, Py_ssize_t rows, Py_ssize_t j, Py_ssize_t n,
    const Strides *t, PoolShape *s, const Work *w, number blank, FoldEnd *ends,
) noexcept nogil:
    """What the rows of those windows come to, and the padding beside it. Says whether there may be NaN in it."""
    cdef Py_ssize_t u = start_along(s, j), last = u + (n - 1) * s.sw + (s.kw - 1) * s.dw + 1, r, i
    cdef Py_ssize_t start = max(u, <Py_ssize_t> 0), end = min(last, s.iw)
    cdef bint careful = block_down(v + (start - u) * w.pixel, x, z, o, rows, start, end, t, s, w, ends)
    for r in range(rows if start > u or last > end else 0):
        for i in range((start - u) * w.pixel):
            v[r * w.pitch + i] = blank
        for i in range((end - u) * w.pixel, (last - u) * w.pixel):
            v[r * w.pitch + i] = blank
    return careful


cdef inline void block_along(
    const number *x, number *to, Py_ssize_t z, Py_ssize_t o, Py_ssize_t rows, Py_ssize_t j, Py_ssize_t n, bint placed,
    const Strides *t, PoolShape *s, const Work *w, number *v, number blank, const number *counts,
) noexcept nogil:
    """Outputs j to j + n of `rows` rows from o on, by a step along: each step for all rows, since no vector can be
    loaded before those that it overlaps have left for the cache. `placed` ones are read from the image."""
    cdef Steps steps = w.steps
    cdef FoldEnd ends[ROWS]
    cdef Place at
    cdef const number *row = v
    cdef Py_ssize_t r
    cdef bint careful = True
    if placed:
        at = place(s, z, o)
        row, steps.ldv = x + at.z * t.d + at.y * t.h + start_along(s, j) * t.w, s.sh * t.h
        for r in range(rows):
            ends[r] = end_at(s, w, at)
    else:
        careful = fill_block(v, x, z, o, rows, j, n, t, s, w, blank, ends)
    if w.slot:
        for r in range(rows):
            slot_row(v + r * w.pitch + w.width, row + r * steps.ldv, s, w, n)
        row, steps.ldv = v + w.width, w.pitch
    steps.n, steps.ends = n * w.pixel, ends
    along(
        to + j * w.pixel, row, rows, &steps, counts + j * w.pixel if not s.maximum and w.count == 0 else NULL,
        s.maximum, careful,
    )


cdef inline void rows_along(
    const number *x, number *to, Py_ssize_t z, Py_ssize_t o0, Py_ssize_t o1, const Strides *t, PoolShape *s,
    const Work *w, number *v, number blank, const number *counts,
) noexcept nogil:
    """Rows o0 to o1 of depth `z` of the outputs by steps along."""
    cdef Py_ssize_t o = o0, j, n, placed
    while o < o1:
        j = 0
        while j < s.ow:
            placed = in_place(t, s, w, j, VECTOR_BYTES // <Py_ssize_t> sizeof(number))
            n = placed if placed else s.ow - j
            if w.slot or not placed:
                n = min(n, w.block)
            block_along(
                x, to + (o - o0) * w.steps.ldt, z, o, min(w.rows, o1 - o), j, n, placed > 0, t, s, w, v, blank, counts,
            )
            j += n
        o += w.rows
