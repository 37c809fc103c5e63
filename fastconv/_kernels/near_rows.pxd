"""Rows of input that depthwise taps at stride 1 or 2 read where they lie, by pointers: see `near_rows.pyx`."""

from fastconv._kernels.pack cimport ceil_div, clip, copy_run, zeros
from fastconv._kernels.scratch cimport LINE, borrow_more
from fastconv._kernels.shape cimport ConvShape, real


cdef struct NearRows:
    ConvShape s
    Py_ssize_t n
    Py_ssize_t xn, xc, xh                   # strides of the input, in elements
    Py_ssize_t line                         # elements of a row with its surroundings
    const void *lowest                      # the first row in memory; rows up to `early` begin so near it that
    const void *early                       # nothing stands before them
    const void *highest                     # the last one; rows from `late` on end so near it that nothing follows
    const void *late
    char *memory                            # of zeros, the first row and the last one, a LINE around each may be read
    const void *blank                       # where the row of zeros begins


cdef inline bint after(const ConvShape *s) noexcept nogil:
    """Whether the last tap of a row is beside the image."""
    return (s.ow - 1) * s.sw + 2 - s.pw >= s.iw


cdef inline void find_ends(str kernel, NearRows *t, const real *x, void *held) except *:
    """Fill in all but sizes and strides, whatever the signs of these; `memory` is borrowed after `held`."""
    cdef Py_ssize_t size = sizeof(real), before = LINE // size, near, i
    cdef Py_ssize_t reach[3]
    cdef const real *low = x
    cdef const real *high = x
    cdef real *rows
    t.line = ceil_div(t.s.iw + 2 * before, before) * before
    rows = <real *> borrow_more(kernel, 3 * t.line * size, held)
    reach[0], reach[1], reach[2] = (t.n - 1) * t.xn, (t.s.ic - 1) * t.xc, (t.s.ih - 1) * t.xh
    for i in range(3):
        if reach[i] < 0:
            low += reach[i]
        else:
            high += reach[i]
    zeros(rows, 3 * t.line)
    near = min(before - 1, high - low)          # rows that overlap one, as those of a sliding window do
    copy_run(rows + t.line + before, low, t.s.iw + near, 1)
    copy_run(rows + 2 * t.line + before - near, high - near, t.s.iw + near, 1)
    t.lowest, t.early, t.late, t.highest = low, low + near, high - near, high
    t.blank, t.memory = rows + before, <char *> rows


cdef inline void point(const NearRows *t, const real *x, Py_ssize_t top, Py_ssize_t rows,
                       const real **table) noexcept nogil:
    """Pointers to `rows` rows from `top` on of the plane x, at the column of the first tap of the first output."""
    cdef const real *blank = <const real *> t.blank - t.s.pw
    cdef const real *row = x + top * t.xh - t.s.pw
    cdef Py_ssize_t lo = clip(-top, 0, rows), hi = clip(t.s.ih - top, lo, rows), r
    for r in range(lo):
        table[r] = blank
    for r in range(lo, hi):
        table[r] = row + r * t.xh
    for r in range(hi, rows):
        table[r] = blank
    if lo == hi or (
        min(table[lo], table[hi - 1]) + t.s.pw > <const real *> t.early
        and max(table[lo], table[hi - 1]) + t.s.pw < <const real *> t.late
    ):
        return
    for r in range(lo, hi):
        row = table[r] + t.s.pw
        if row >= <const real *> t.late:
            table[r] = blank + 2 * t.line + (row - <const real *> t.highest)
        elif row <= <const real *> t.early:
            table[r] = blank + t.line + (row - <const real *> t.lowest)


cdef inline void move(const NearRows *t, Py_ssize_t top, Py_ssize_t rows, const real **table) noexcept nogil:
    """From a plane, whose first row has been pointed to at `top`, to the next one, where all have neighbours."""
    cdef Py_ssize_t r
    for r in range(min(top, rows), min(top + t.s.ih, rows)):
        table[r] += t.xc


cdef inline bint is_amid(const NearRows *t, const real *x, Py_ssize_t planes) noexcept nogil:
    """Whether neighbours stand before and behind all rows of some planes, of which x is the first."""
    cdef Py_ssize_t below = (t.s.ih - 1) * t.xh, beyond = (planes - 1) * t.xc
    cdef const real *low = x + min(below, 0) + min(beyond, 0)
    cdef const real *high = x + max(below, 0) + max(beyond, 0)
    return low > <const real *> t.early and high < <const real *> t.late
