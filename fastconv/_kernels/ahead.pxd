"""Memory asked for before it is read, a little with each tile of the products in between."""

from fastconv._kernels.tile cimport fetch_ahead


cdef struct Ahead:                          # rows to be asked for, `share` of them with each tile
    const char *row
    Py_ssize_t step, rows, share, bytes


cdef inline void ask(Ahead *ahead) noexcept nogil:
    cdef Py_ssize_t _row, rows = min(ahead.share, ahead.rows)
    for _row in range(rows):
        fetch_ahead(ahead.row, ahead.bytes)
        ahead.row += ahead.step
    ahead.rows -= rows
