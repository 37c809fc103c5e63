"""Rows of a transposed convolution's product, and what they are made of: see `overlap.pyx`."""

from fastconv._kernels.ahead cimport Ahead, ask
from fastconv._kernels.meeting cimport Meeting
from fastconv._kernels.overlap cimport Box, Task
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.shape cimport real
from fastconv._kernels.tile cimport CHUNK, TILE_ROWS, fetch_ahead, tile, tile_finish
from fastconv._kernels.turn cimport turn_block


cdef inline const real *pixel(const Task *t, const Box *b, const real *x, Py_ssize_t row) noexcept nogil:
    """The first pixel that a box sees in one of its rows, which count (image, z, y)."""
    cdef Py_ssize_t y = row % b.ih, z = row // b.ih % b.id, image = row // (b.ih * b.id)
    return x + (b.image + image) * t.xn + (b.iz + z) * t.xd + (b.iy + y) * t.xh + b.ix * t.xw


cdef inline Py_ssize_t find_lines(
    const Task *t, const Box *b, Py_ssize_t image, Py_ssize_t z, Py_ssize_t y, const real *products, Py_ssize_t row,
    Py_ssize_t tap, const void **lines,
) noexcept nogil:
    """Lines of products that meet in row (z, y) of the outputs, and how many: rows of pixels are `row` apart, of taps
    `tap`."""
    cdef const Meeting *depth = t.depth + z * t.s.kd
    cdef const Meeting *height = t.height + y * t.s.kh
    cdef Py_ssize_t i, j, count = 0
    for i in range(t.depths[z] if b.iw else 0):
        for j in range(t.heights[y]):
            lines[count] = products + (depth[i].tap * t.s.kh + height[j].tap) * tap + (
                (image * b.id + depth[i].input - b.iz) * b.ih + height[j].input - b.iy) * row
            count += 1
    return count


cdef inline void multiply(
    const Task *t, const real *a, const real *panel, Py_ssize_t step, Py_ssize_t depth, bint more, Py_ssize_t rows,
    Py_ssize_t n, real *to, Py_ssize_t leading, Ahead *ahead,
) noexcept nogil:
    """So many turned rows with n columns of a panel, whose rows are `step` apart, of some depth; `more` than what is
    there already."""
    cdef Py_ssize_t tiles = ceil_div(rows, TILE_ROWS), i = 0, r, m, piece
    cdef tile_finish finish = t.finish
    finish.accumulate = more
    for piece in range(tiles):
        r = ceil_div(rows - i, tiles - piece)
        for m in range(r):
            fetch_ahead(to + (i + m) * leading, n * sizeof(real))
        ask(ahead, True)
        tile(sizeof(real), r, n, depth, a + i * t.leading, t.leading, panel, step, to + i * leading, leading, &finish)
        i += r


cdef inline Ahead weights_of(const Task *t, const Box *b, const real *w, Py_ssize_t piece, Py_ssize_t chunks,
                             Py_ssize_t tiles) noexcept nogil:
    """The rows of weights of a panel, which count (columns, depth), to be asked for during so many tiles."""
    cdef Py_ssize_t k = piece % chunks * CHUNK, i = piece // chunks * t.across, leading = t.ocg * t.taps
    cdef Py_ssize_t rows = min(CHUNK, t.icg - k) if i < b.cols else 0
    return Ahead(<const char *> (w + k * leading + i), leading * sizeof(real), rows, ceil_div(rows, tiles),
                 min(t.across, b.cols - i) * sizeof(real))


cdef inline void turn_pixels(const Task *t, const Box *b, const real *x, real *turned) noexcept nogil:
    """All channels of each pixel side by side."""
    cdef Py_ssize_t row
    for row in range(b.rows):
        turn_block(sizeof(real), t.icg, b.iw, pixel(t, b, x, row), t.xc, turned + row * b.iw * t.leading, t.leading)
