"""Memory asked for before it is read, a little with each tile of the products in between."""

from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.shape cimport real
from fastconv._kernels.tile cimport fetch_ahead, fetch_to_l2, tile_finish

cdef enum:
    ROWS_ASKED = 8                          # that a tile asks for at most (`tile_run.h`)


cdef struct Ahead:                          # rows to be asked for, `share` of them with each tile
    const char *row
    Py_ssize_t step, rows, share, bytes


cdef struct Next:                           # the same for tiles to ask for step by step, of each as much as of theirs
    const char *row
    Py_ssize_t step, rows, share            # a step of elements
    Py_ssize_t all, pieces                  # pieces beside that of all rows, as long as it, which follow


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


cdef inline void share_out(Next *next, Py_ssize_t tiles) noexcept nogil:
    """Among so many tiles."""
    next.share = min(ceil_div(next.rows + next.pieces * next.all, max(tiles, <Py_ssize_t> 1)), <Py_ssize_t> ROWS_ASKED)


cdef inline Next rows_below(const real *a, Py_ssize_t lda, Py_ssize_t rows, Py_ssize_t tiles) noexcept nogil:
    """Rows of A that so many tiles ask for, as they are too short to be foreseen: in the first half of these, lest they
    come too late."""
    cdef Next next = Next(<const char *> a, lda, rows, 0, rows, 0)
    share_out(&next, ceil_div(tiles, 2))
    return next


cdef inline void ask_meanwhile(tile_finish *finish, Next *next, Py_ssize_t kc, Py_ssize_t size) noexcept nogil:
    """Have a tile over `kc` products ask for the next share."""
    if next.rows == 0:
        if next.pieces == 0:
            finish.next_rows = 0
            return
        next.row += (kc - next.all * next.step) * size
        next.rows = next.all
        next.pieces -= 1
    finish.next, finish.next_step, finish.next_rows = next.row, next.step, min(next.share, next.rows)
    next.row += finish.next_rows * next.step * size
    next.rows -= finish.next_rows
