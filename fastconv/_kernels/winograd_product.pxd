"""The products of Winograd convolution: for each point a block of tiles times a panel of output channels."""

from fastconv._kernels.pack cimport ceil_div, clip
from fastconv._kernels.shape cimport real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.winograd cimport Panel, Task, tiles_at, winograd_rows, winograd_tile
from fastconv._kernels.winograd_runs cimport parts_at


cdef inline void multiply(
    const Task *t, const real *v, const real *u, real *m, Py_ssize_t b, const Panel *p, Py_ssize_t first,
    Py_ssize_t end,
) noexcept nogil:
    """M = V . U for each point, over chunks [first, end) of the depth, with which u starts; M += from the second on."""
    cdef Py_ssize_t rows = min(t.block, t.tiles - b * t.block), i, j, first_tile, end_tile, first_part, end_part
    u += p.offset
    for i in range(t.nh):
        for j in range(t.nw):
            tiles_at(t, i, j, &first_tile, &end_tile)
            first_tile = clip(first_tile - b * t.block, 0, rows)
            end_tile = clip(end_tile - b * t.block, first_tile, rows)
            parts_at(&t.parts, i == t.nh - 1, j == t.nw - 1, &first_part, &end_part)
            if first_tile < end_tile:
                multiply_point(t, v, u, m, p.vectors, first, end, first_tile, end_tile, first_part, end_part)
            v += t.v_point
            u += t.u_point
            m += t.m_point


cdef inline void multiply_point(
    const Task *t, const real *v, const real *u, real *m, Py_ssize_t nv, Py_ssize_t first, Py_ssize_t end,
    Py_ssize_t first_tile, Py_ssize_t end_tile, Py_ssize_t first_part, Py_ssize_t end_part,
) noexcept nogil:
    """The tiles and parts that the point has."""
    cdef Py_ssize_t width = nv * lanes_of(sizeof(real)), step = t.block * t.kc      # from one chunk of V to the next
    cdef Py_ssize_t tiles = ceil_div(end_tile - first_tile, winograd_rows(nv))
    cdef Py_ssize_t shorter = (end_tile - first_tile) // tiles
    cdef Py_ssize_t longer = end_tile - first_tile - shorter * tiles, i, j, r, chunk, group, kc
    cdef const real *left
    cdef const real *right
    cdef const real *next_left
    cdef const real *next_right
    for chunk in range(first, end):
        group = min(t.group, t.icg - chunk * t.group)
        kc = (end_part - first_part) * group
        left = v + chunk * step + first_tile * t.kc + first_part * group
        right = u + ((chunk - first) * t.kc + first_part * group) * t.width
        next_left = left + step
        next_right = right + t.kc * t.width
        if chunk + 1 == end:
            next_left = v + t.v_point + first * step
            next_right = u + t.u_point
        i = first_tile
        for j in range(tiles):
            r = shorter + (j < longer)
            winograd_tile(sizeof(real), r, nv, kc, left, t.kc, right, t.width, m + i * width, t.chain, chunk > 0,
                          left + r * t.kc if j + 1 < tiles else next_left, next_right + j * kc * t.width // tiles,
                          t.width * <Py_ssize_t> sizeof(real) // tiles)
            i += r
            left += r * t.kc
