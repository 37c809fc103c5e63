"""Transposing a block in registers: see `turn.h`; sizes and distances are in elements."""

from libc.string cimport memcpy, memset

from fastconv._kernels.shape cimport real
from fastconv._kernels.simd cimport lanes_of

cdef extern from "turn.h" nogil:
    void turn_block(size_t size, Py_ssize_t rows, Py_ssize_t cols, const void *source, Py_ssize_t ldf, void *to,
                    Py_ssize_t ldt)


cdef inline void clear_beside(Py_ssize_t some, Py_ssize_t n, Py_ssize_t width, real *to) noexcept nogil:
    """Zeros in the last vector of n rows, `width` apart, before `some` lanes of each are written.

    No result depends on the lanes beside them. But tables that scratch held before are denormal numbers, of which a
    multiply-add takes a hundred cycles: 32 to 16 channels in 4 groups took 60 instead of 2.3 ms.
    """
    cdef Py_ssize_t lanes = lanes_of(sizeof(real)), i
    if some % lanes:
        to += some // lanes * lanes
        for i in range(n):
            memset(to + i * width, 0, lanes * sizeof(real))


cdef inline const real *pixels_of(
    const real *row, Py_ssize_t column, Py_ssize_t channel, bint last, Py_ssize_t some, Py_ssize_t cols, Py_ssize_t lo,
    Py_ssize_t hi, real *raw, Py_ssize_t *step,
) noexcept nogil:
    """Columns [lo, hi) of a row of `cols` pixels as vectors of `some` channels, from one to the next `step[0]`.

    They are where they lie if channels are neighbours and fill a vector, else in `raw`, lanes beside them zeros.
    """
    cdef Py_ssize_t vector = lanes_of(sizeof(real)), col
    step[0] = column
    if last and some == vector:
        return row
    step[0] = vector
    if some < vector:
        memset(raw, 0, cols * vector * sizeof(real))
    if last:
        for col in range(lo, hi):
            memcpy(raw + col * vector, row + col * column, some * sizeof(real))
    else:
        turn_block(sizeof(real), some, hi - lo, row + lo * column, channel, raw + lo * vector, vector)
    return raw
