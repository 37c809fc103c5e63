"""3 x 3 windows at stride 1 with channels last (`flow_last.h`): which geometries they are, and where their runs lie."""

from fastconv._kernels.rows cimport VECTOR_BYTES, FoldEnd, fold_end
from fastconv._kernels.scratch cimport LINE, round_up
from fastconv._kernels.window cimport Place, PoolShape, Strides, divisor_of, number, place

cdef extern from "flow_last.h" nogil:
    enum: FOLD_LARGEST
    enum: FOLD_CAREFUL
    enum: FOLD_SUM
    bint flow_run(...) noexcept


cdef enum:
    KEPT = 3 << 12                     # bytes of a row that are kept at a time: 32 KiB took as long
    LEAST = 1 << 10                    # bytes of a row: 14x14 of 16 floats, with fewer, took 1.24 times as long


cdef inline Py_ssize_t flow_columns(const PoolShape *s, const Strides *t, Py_ssize_t size) noexcept nogil:
    """The columns of outputs that are pooled at a time, elements of `size` bytes; 0 if they have another way to go."""
    cdef Py_ssize_t row = s.ow * t.channels * size, blocks = (row + KEPT - 1) // KEPT
    if s.adaptive or s.kd > 1 or s.kh != 3 or s.kw != 3 or s.sh * s.sw > 1 or s.dh * s.dw > 1:
        return 0
    if s.pw > 1 or s.ow + 1 - s.pw > s.iw or t.w != t.channels or row < LEAST or t.channels * size < VECTOR_BYTES:
        return 0
    return (s.ow + blocks - 1) // blocks


cdef inline Py_ssize_t flow_pitch(Py_ssize_t columns, Py_ssize_t pixel, Py_ssize_t size) noexcept nogil:
    """The elements of scratch of which `some_columns` needs three times as many: runs are three, of whole vectors."""
    return round_up(columns * pixel + 3 * VECTOR_BYTES // size, LINE)


cdef inline bint some_columns(
    const number *x, number *to, Py_ssize_t z, Py_ssize_t o0, Py_ssize_t o1, Py_ssize_t first, Py_ssize_t end,
    const Strides *t, PoolShape *s, Py_ssize_t pitch, number *v, const number *counts, int kind,
) noexcept nogil:
    """Columns `first` to `end` of rows o0 to o1 of depth `z` of the outputs. Says whether a NaN may have been lost."""
    cdef const number *blanks = v + 2 * pitch
    cdef const number *row
    cdef const number *mid
    cdef Py_ssize_t pixel = t.channels, lanes = max(VECTOR_BYTES // <Py_ssize_t> sizeof(number), <Py_ssize_t> 1)
    cdef Py_ssize_t y, j, n, at, column
    cdef double rows = 1
    cdef bint lost = False, edge, inside
    cdef FoldEnd over = fold_end(1)
    cdef Place here
    for y in range(o0 - 2, o1):
        inside = 0 <= y + 2 - s.ph < s.ih
        here = place(s, z, max(y, o0))
        row = x + here.z * t.d + (y + 2 - s.ph) * t.h
        if kind == FOLD_SUM:
            rows = divisor_of(s, here)
        j, at = first, 0
        while j < end:
            edge = j == 0 or j == s.ow - 1
            n = pixel if edge else (min(end, s.ow - 1) - j) * pixel
            column = j - s.pw + 1
            mid = row + column * pixel if inside else blanks
            if kind == FOLD_SUM:
                over = fold_end(rows * counts[j])
            lost |= flow_run(
                to + ((y - o0) * s.ow + j) * pixel if y >= o0 else NULL,
                mid - pixel if inside and column > 0 else blanks, mid,
                mid + pixel if inside and column + 1 < s.iw else blanks,
                v + (y & 1) * pitch + at, v + (~y & 1) * pitch + at, n, &over, edge, kind,
            )
            j += n // pixel
            at += (n + lanes - 1) // lanes * lanes
    return lost


cdef inline bint all_columns(
    const number *x, number *to, Py_ssize_t z, Py_ssize_t o0, Py_ssize_t o1, Py_ssize_t columns, const Strides *t,
    PoolShape *s, Py_ssize_t pitch, number *v, const number *counts, int kind,
) noexcept nogil:
    cdef Py_ssize_t first = 0, end
    cdef bint lost = False
    while first < s.ow:
        end = min(first + columns, s.ow)
        lost |= some_columns(x, to, z, o0, o1, first, end, t, s, pitch, v, counts, kind)
        first = end
    return lost


cdef inline void rows_in_flow(
    const number *x, number *to, Py_ssize_t z, Py_ssize_t o0, Py_ssize_t o1, Py_ssize_t columns, const Strides *t,
    PoolShape *s, Py_ssize_t pitch, number *v, number blank, const number *counts,
) noexcept nogil:
    """Rows o0 to o1 of depth `z` of the outputs."""
    cdef Py_ssize_t j
    cdef int kind = FOLD_LARGEST if s.maximum else FOLD_SUM
    for j in range(columns * t.channels):
        v[2 * pitch + j] = blank
    if all_columns(x, to, z, o0, o1, columns, t, s, pitch, v, counts, kind):
        all_columns(x, to, z, o0, o1, columns, t, s, pitch, v, counts, FOLD_CAREFUL)
