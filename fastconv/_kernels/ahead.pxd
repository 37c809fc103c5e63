"""Memory asked for before it is read, a little with each tile of the products in between."""

from fastconv._kernels.tile cimport fetch_ahead, fetch_to_l2


cdef struct Ahead:                          # rows to be asked for, `share` of them with each tile
    const char *row
    Py_ssize_t step, rows, share, bytes


cdef inline void ask(Ahead *ahead, bint to_l2) noexcept nogil:
    """The next share of them; into the L2 cache where the L1 is full of what is multiplied meanwhile."""
    cdef Py_ssize_t _row, rows = min(ahead.share, ahead.rows)
    for _row in range(rows):
        if to_l2:
            fetch_to_l2(ahead.row, ahead.bytes)
        else:
            fetch_ahead(ahead.row, ahead.bytes)
        ahead.row += ahead.step
    ahead.rows -= rows
