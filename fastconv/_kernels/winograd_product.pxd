"""The products of Winograd convolution: for each point a block of tiles times a panel of output channels."""

from fastconv._kernels.pack cimport ceil_div, clip
from fastconv._kernels.shape cimport real
from fastconv._kernels.winograd cimport WINOGRAD_ROWS, Task, part_at, winograd_tile, winograd_width


cdef inline void multiply(
    const Task *t, const real *v, const real *u, real *m, Py_ssize_t b, Py_ssize_t nv, Py_ssize_t first,
    Py_ssize_t end,
) noexcept nogil:
    """M = V . U for each point, over chunks [first, end) of the depth, with which u starts; M += from the second on."""
    cdef Py_ssize_t width = winograd_width(sizeof(real)), rows = min(t.block, t.tiles - b * t.block), lo, hi
    cdef Py_ssize_t tiles, shorter, longer, i, j, r, point, chunk, kc
    cdef Py_ssize_t step = t.block * t.kc       # from one chunk of V to the next
    cdef const real *left
    cdef const real *right
    cdef const real *next_left
    cdef const real *next_right
    for point in range(t.nh * t.nw):
        part_at(t, point, &lo, &hi)
        lo = clip(lo - b * t.block, 0, rows)
        hi = clip(hi - b * t.block, lo, rows)
        if lo == hi:
            continue
        tiles = ceil_div(hi - lo, WINOGRAD_ROWS)
        shorter = (hi - lo) // tiles
        longer = hi - lo - shorter * tiles
        for chunk in range(first, end):
            kc = min(t.kc, t.depth - chunk * t.kc)
            left = v + point * t.v_point + chunk * step + lo * t.kc
            right = u + point * t.u_point + (chunk - first) * t.kc * width
            next_left = left + step
            next_right = right + t.kc * width
            if chunk + 1 == end:
                next_left = v + (point + 1) * t.v_point + first * step
                next_right = u + (point + 1) * t.u_point
            i = lo
            for j in range(tiles):
                r = shorter + (j < longer)
                winograd_tile(sizeof(real), r, nv, kc, left, t.kc, right, m + point * t.m_point + i * width, t.chain,
                              chunk > 0, left + r * t.kc if j + 1 < tiles else next_left,
                              next_right + j * kc * width // tiles, width * <Py_ssize_t> sizeof(real) // tiles)
                i += r
                left += r * t.kc
