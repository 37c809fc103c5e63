"""Rows of outputs of any pooling, from what a window has in a row up to its place in the result.

A window is taken apart (largest and sum both allow it): first down its depths and rows, a row of the image at a time,
then along the one row that results.

    x  ---------------   \\                          v, padded with what changes nothing
       ---------------    > down:  --------------- -> ..---------------..
       ---------------   /                             |0 1 2|              along: out[0]
                                                           |0 1 2|                 out[1], ...

The step along reads v at shifted starts, or picks what lies a stride apart (`along.h`); a long row goes block by block.
With channels-last memory a "row" holds all channels of all its pixels and the shift is a pixel. Pixels of a vector or
more are folded window by window (`fold.h`) if they are not next to each other, and right from the image if windows
hardly overlap. 3x3 at stride 1 of such pixels is combined along the row once (`flow_last.pxd`).
"""

from fastconv._kernels.flow_last cimport rows_in_flow
from fastconv._kernels.pool_along cimport rows_along
from fastconv._kernels.pool_work cimport Work
from fastconv._kernels.rows cimport Along, Fold, FoldRun, fold_end, fold_row, fold_windows, span, spans
from fastconv._kernels.strips cimport plane_of
from fastconv._kernels.window cimport Place, PoolShape, Strides, alike_from, divisor_of, number, place, taps_below


cdef enum:
    RUNS = 16                          # of windows that are folded in one call


cdef struct Call:
    const PoolShape *s
    const Strides *t
    const Work *w
    const void *x
    void *out
    const void *blank                  # what changes nothing
    const void *counts                 # divisors' factors along the row, unless all are alike
    Py_ssize_t parts                   # of the rows of outputs of a depth of a plane, or of an image if
    bint last                          # channels are last


cdef inline const number *corner(
    const number *x, const Strides *t, const PoolShape *s, const Place *at,
) noexcept nogil:
    """The first row that is in the windows at `at`."""
    return x + (at.z + at.i0 * s.dd) * t.d + (at.y + at.j0 * s.dh) * t.h


cdef inline void down(
    number *to, const number *x, const Strides *t, const PoolShape *s, const Place *at, Py_ssize_t pixel,
) noexcept nogil:
    """The row that the rows of the windows at `at` come to."""
    cdef Fold f
    cdef FoldRun run
    f.rows, f.row, f.taps, f.tap = at.i1 - at.i0, s.dd * t.d, at.j1 - at.j0, s.dh * t.h
    run.from_, run.taps, run.count, run.next, run.end = 0, f.taps, s.iw, t.w, fold_end(1)
    if t.w == pixel:
        run.count, pixel = 1, s.iw * pixel
    f.ldt, f.fresh = pixel, 0
    fold_windows(to, corner(x, t, s, at), &f, &run, 1, pixel, s.maximum)


cdef inline const number *row_below(
    const number *x, const Strides *t, const PoolShape *s, const Place *at, number *v,
) noexcept nogil:
    """The row that the rows of adaptive windows at `at` come to, channels-first."""
    if s.kd == 1 and s.kh == 1:
        return corner(x, t, s, at)
    down(v, x, t, s, at, 1)
    return v


cdef inline void rows_of_spans(
    const number *x, number *to, Py_ssize_t z, Py_ssize_t o0, Py_ssize_t o1, const Strides *t, PoolShape *s,
    const Work *w, number *v, const number *counts,
) noexcept nogil:
    """Rows o0 to o1 of depth `z` of the outputs of adaptive windows, channels-first."""
    cdef number *lanes = v + w.spans
    cdef number *by = lanes + w.lanes * w.lanes
    cdef number down = 0
    cdef const number *row
    cdef Place at
    cdef Py_ssize_t o, j, i, n, k = 0
    for o in range(o0, o1):
        at = place(s, z, o)
        row = row_below(x, t, s, &at, v)
        if not s.maximum:
            down = <number> divisor_of(s, at)
        j = 0
        while j < s.ow:
            n = min(w.lanes - k, s.ow - j)
            span(lanes + k * w.lanes, row, w.where + j, n, s.maximum)
            for i in range(n):
                by[k + i] = 1 if s.maximum else down * counts[j + i]
            j, k = j + n, k + n
            if k == w.lanes or j == s.ow and o + 1 == o1:
                spans(to, lanes, k, NULL if s.maximum else by, s.maximum)
                to += k
                k = 0


cdef inline void adaptive_row(
    const number *x, number *to, const Strides *t, const PoolShape *s, const Place *at, const Work *w, number *v,
    const number *counts,
) noexcept nogil:
    """One row of outputs of adaptive windows, channels-first, too short for spans."""
    cdef const number *row = row_below(x, t, s, at, v)
    cdef number by = 0 if s.maximum else <number> divisor_of(s, at[0])
    cdef Py_ssize_t j
    for j in range(s.ow):
        fold_row(to + j, row + w.where[j].start, w.where[j].taps, s.maximum)
        if number is float or number is double:
            if not s.maximum:
                to[j] = to[j] / (by * counts[j])


cdef inline FoldRun run_from(
    Py_ssize_t step, const PoolShape *s, Py_ssize_t j, const Along *where, double by,
) noexcept nogil:
    """The windows of output `j` of a row and of those after it that are alike inside the image; sums are over `by`."""
    cdef FoldRun run
    cdef Py_ssize_t u = where.start, k0 = taps_below(0, u, where.taps, s.dw), k1 = taps_below(s.iw, u, where.taps, s.dw)
    run.from_, run.taps, run.next, run.end = (u + k0 * s.dw) * step, k1 - k0, s.sw * step, fold_end(by)
    run.count = alike_from(s, j, run.taps)
    return run


cdef inline void folded_row(
    const number *x, number *to, const Strides *t, const PoolShape *s, const Place *at, const Work *w, number *v,
    const number *counts,
) noexcept nogil:
    """One row of outputs, channels-last, pixel by pixel: inside the image many at a time."""
    cdef Fold f
    cdef FoldRun runs[RUNS]
    cdef Py_ssize_t j = 0, made = 0, step = t.w
    cdef double rows = 1 if s.maximum else divisor_of(s, at[0])
    cdef int many = 0
    f.rows, f.row, f.ldt, f.fresh = at.j1 - at.j0, s.dh * t.h, t.channels, w.fresh
    if w.apart:
        down(v, x, t, s, at, t.channels)
        x, step, f.rows, f.row, f.fresh = v, t.channels, 1, 0, 0
    else:
        x = corner(x, t, s, at)
    f.tap = s.dw * step
    while j < s.ow:
        runs[many] = run_from(step, s, j, w.where + j, 1 if s.maximum else rows * counts[j])
        j += runs[many].count
        many += 1
        if many == RUNS or j == s.ow:
            fold_windows(to + made * t.channels, x, &f, <const FoldRun *> runs, many, t.channels, s.maximum)
            made, many = j, 0


cdef inline void some_rows(const Call *c, Py_ssize_t r, number *v) noexcept nogil:
    """Part `r` of all rows of outputs: `parts` of them make one depth of a plane, or of an image with `last`."""
    cdef PoolShape s = c.s[0]
    cdef const Strides *t = c.t
    cdef const Work *w = c.w
    cdef Py_ssize_t slab = r // c.parts, part = r % c.parts, plane = slab // s.od, o
    cdef Py_ssize_t pixels = s.ow * (t.channels if c.last else 1), o0 = part * s.oh // c.parts
    cdef Py_ssize_t o1 = (part + 1) * s.oh // c.parts
    cdef const number *x = <const number *> c.x
    cdef const number *counts = <const number *> c.counts
    cdef number *out = <number *> c.out + slab * s.oh * pixels
    cdef Place at
    x = x + plane * t.n if c.last else plane_of(x, t, plane)
    if w.lanes:
        rows_of_spans(x, out + o0 * pixels, slab % s.od, o0, o1, t, &s, w, v, counts)
        return
    if w.flow:
        rows_in_flow(
            x, out + o0 * pixels, slab % s.od, o0, o1, w.flow, t, &s, v, (<const number *> c.blank)[0], counts,
        )
        return
    if w.block:
        rows_along(x, out + o0 * pixels, slab % s.od, o0, o1, t, &s, w, v, (<const number *> c.blank)[0], counts)
        return
    for o in range(o0, o1):
        at = place(&s, slab % s.od, o)
        if c.last:
            folded_row(x, out + o * pixels, t, &s, &at, w, v, counts)
        else:
            adaptive_row(x, out + o * pixels, t, &s, &at, w, v, counts)
