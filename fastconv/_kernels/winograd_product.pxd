"""The products of Winograd convolution: for each point a block of tiles times a panel of output channels."""

from fastconv._kernels.pack cimport ceil_div, clip
from fastconv._kernels.shape cimport real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.winograd cimport Panel, Task, tiles_at, winograd_rows, winograd_tile
from fastconv._kernels.winograd_runs cimport Part, parts_at


cdef inline void multiply(
    const Task *t, const real *v, const real *u, real *m, Py_ssize_t b, const Panel *p, Py_ssize_t first,
    Py_ssize_t end,
) noexcept nogil:
    """M = V . U for each point, over chunks [first, end) of the depth, with which u starts; M += from the second on."""
    cdef Py_ssize_t rows = min(t.block, t.tiles - b * t.block), i, j, first_tile, end_tile
    u += p.offset
    for i in range(t.nh):
        for j in range(t.nw):
            tiles_at(t, i, j, &first_tile, &end_tile)
            first_tile = clip(first_tile - b * t.block, 0, rows)
            end_tile = clip(end_tile - b * t.block, first_tile, rows)
            if first_tile < end_tile:
                multiply_point(t, v, u, m, p.vectors, i, j, first, end, first_tile, end_tile)
            v += t.v_point
            m += t.m_point


cdef inline const real *weights_at(
    const Task *t, const real *u, Py_ssize_t i, Py_ssize_t j, Py_ssize_t chunk, Py_ssize_t a, Py_ssize_t group,
) noexcept nogil:
    """A chunk of `group` channels of the panel `u` from part `a` on, at point (i, j)."""
    cdef const Part *part = &t.parts.part[a]
    cdef Py_ssize_t matrix = part.matrix + (i if part.points_h > 1 else 0) * part.points_w
    matrix += j if part.points_w > 1 else 0
    return u + matrix * t.u_point + (chunk * t.u_kc + (0 if t.alone else a * group)) * t.width


cdef inline void multiply_point(
    const Task *t, const real *v, const real *u, real *m, Py_ssize_t nv, Py_ssize_t y, Py_ssize_t x,
    Py_ssize_t first, Py_ssize_t end, Py_ssize_t first_tile, Py_ssize_t end_tile,
) noexcept nogil:
    """The tiles and parts that point (y, x) has: parts one at a time if their weights are apart, else all at once."""
    cdef Py_ssize_t width = nv * lanes_of(sizeof(real)), step = t.block * t.kc      # from one chunk of V to the next
    cdef Py_ssize_t tiles = ceil_div(end_tile - first_tile, winograd_rows(nv)), first_part, end_part
    cdef Py_ssize_t parts, part, share, line = t.width * <Py_ssize_t> sizeof(real) // tiles
    cdef Py_ssize_t shorter = (end_tile - first_tile) // tiles
    cdef Py_ssize_t longer = end_tile - first_tile - shorter * tiles, i, j, r, chunk, group, kc
    cdef const real *left
    cdef const real *right
    cdef const real *next_left
    cdef const real *next_right
    parts_at(&t.parts, y == t.nh - 1, x == t.nw - 1, &first_part, &end_part)
    parts = 1 if t.alone else end_part - first_part
    for chunk in range(first, end):
        group = min(t.group, t.icg - chunk * t.group)
        kc = parts * group
        share = kc * t.width // tiles           # of the next weights that each tile asks for: no divisions in the loop
        part = first_part
        while part < end_part:
            left = v + chunk * step + first_tile * t.kc + part * group
            right = weights_at(t, u, y, x, chunk - first, part, group)
            if part + parts < end_part:
                next_left = left + kc
                next_right = weights_at(t, u, y, x, chunk - first, part + parts, group)
            elif chunk + 1 < end:
                next_left = left + step
                next_right = weights_at(t, u, y, x, chunk - first + 1, first_part, group)
            else:
                next_left = v + t.v_point + first * step
                next_right = weights_at(t, u, y, x + 1, 0, first_part, group)
            i = first_tile
            for j in range(tiles):
                r = shorter + (j < longer)
                winograd_tile(sizeof(real), r, nv, kc, left, t.kc, right, t.width, m + i * width, t.chain,
                              chunk > 0 or part > first_part, left + r * t.kc if j + 1 < tiles else next_left,
                              next_right + j * share, line)
                i += r
                left += r * t.kc
            part += parts
