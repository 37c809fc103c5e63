"""3 x 3 windows at stride 1 with channels last (`flow_last.h`): which geometries they are, and which rows they take."""

from fastconv._kernels.rows cimport VECTOR_BYTES, FoldEnd, fold_end
from fastconv._kernels.window cimport PoolShape, Strides, divisor_of, number, place

cdef extern from "flow_last.h" nogil:
    enum: FOLD_LARGEST
    enum: FOLD_CAREFUL
    enum: FOLD_SUM
    enum: FLOW_ROWS
    ctypedef struct Quotient:
        pass
    Quotient quotient_of(FoldEnd end) noexcept
    ctypedef struct FlowRows:
        Py_ssize_t pixel, iw, ow, pw, first, end
        Py_ssize_t step[4]
        Quotient ends[2][3]
    bint flow_rows(...) noexcept


cdef enum:
    KEPT = 3 << 12                     # bytes of a row that are walked along at a time, if a pixel takes several walks
    LEAST = 1 << 10                    # bytes of a row: 14x14 of 16 floats, with fewer, took 1.24 times as long


cdef inline Py_ssize_t flow_columns(const PoolShape *s, const Strides *t, Py_ssize_t size) noexcept nogil:
    """The columns of outputs that are pooled at a time, elements of `size` bytes; 0 if they have another way to go."""
    cdef Py_ssize_t row = s.ow * t.channels * size, blocks = (row + KEPT - 1) // KEPT
    if s.adaptive or s.kd > 1 or s.kh != 3 or s.kw != 3 or s.sh * s.sw > 1 or s.dh * s.dw > 1:
        return 0
    if s.pw > 1 or s.ow + 1 - s.pw > s.iw or t.w != t.channels or row < LEAST or t.channels * size < VECTOR_BYTES:
        return 0
    return (s.ow + blocks - 1) // blocks


cdef inline void lay_ends(FlowRows *f, PoolShape *s, Py_ssize_t z, Py_ssize_t y, const number *counts) noexcept nogil:
    """What becomes of the sums of rows of outputs from y on."""
    cdef Py_ssize_t r
    cdef double by
    for r in range(FLOW_ROWS):
        by = divisor_of(s, place(s, z, min(y + r, s.oh - 1)))
        f.ends[r][0] = quotient_of(fold_end(by * counts[0]))
        f.ends[r][1] = quotient_of(fold_end(by * counts[min(<Py_ssize_t> 1, s.ow - 1)]))
        f.ends[r][2] = quotient_of(fold_end(by * counts[s.ow - 1]))


cdef inline bint pairs_in_flow(
    const number *x, number *to, Py_ssize_t z, Py_ssize_t o0, Py_ssize_t o1, Py_ssize_t columns, const Strides *t,
    PoolShape *s, const number *blanks, const number *counts, int kind,
) noexcept nogil:
    """Rows o0 to o1 of depth `z` of the outputs. Says whether a NaN may have been lost."""
    cdef Py_ssize_t y = o0 - o0 % FLOW_ROWS, row = s.ow * t.channels, r
    cdef const number *from_[4]
    cdef FlowRows f
    cdef bint lost = False
    f.pixel, f.iw, f.ow, f.pw = t.channels, s.iw, s.ow, s.pw
    x += place(s, z, 0).z * t.d
    while y < o1:
        for r in range(4):
            f.step[r] = t.channels if 0 <= y - s.ph + r < s.ih else 0
            from_[r] = x + (y - s.ph + r) * t.h if f.step[r] else blanks
        if kind == FOLD_SUM:
            lay_ends(&f, s, z, y, counts)
        f.first = 0
        while f.first < s.ow:
            f.end = min(f.first + columns, s.ow)
            lost |= flow_rows(
                &f, to + (y - o0) * row if y >= o0 else NULL, to + (y + 1 - o0) * row if y + 1 < o1 else NULL,
                from_[0], from_[1], from_[2], from_[3], blanks, kind,
            )
            f.first = f.end
        y += FLOW_ROWS
    return lost


cdef inline void rows_in_flow(
    const number *x, number *to, Py_ssize_t z, Py_ssize_t o0, Py_ssize_t o1, Py_ssize_t columns, const Strides *t,
    PoolShape *s, number *v, number blank, const number *counts,
) noexcept nogil:
    """Rows o0 to o1 of depth `z` of the outputs; `v` has place for a pixel."""
    cdef Py_ssize_t j
    cdef int kind = FOLD_LARGEST if s.maximum else FOLD_SUM
    for j in range(t.channels):
        v[j] = blank
    if pairs_in_flow(x, to, z, o0, o1, columns, t, s, v, counts, kind):
        pairs_in_flow(x, to, z, o0, o1, columns, t, s, v, counts, FOLD_CAREFUL)
