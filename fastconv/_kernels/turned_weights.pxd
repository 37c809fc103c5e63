"""Weights of a product whose lanes are output channels, turned to (group, tile, K, channel of the tile)."""

from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.scratch cimport round_up
from fastconv._kernels.shape cimport ConvShape, real
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.tile cimport even_width
from fastconv._kernels.turn cimport clear_beside, turn_block


cdef inline Py_ssize_t turned_size(const ConvShape *s, Py_ssize_t size) noexcept nogil:
    """Elements of the weights turned to (group, tile, K, channel of a tile)."""
    cdef Py_ssize_t ocg = s.oc // s.groups
    return s.groups * round_up(ocg, even_width(ocg, size)) * (s.ic // s.groups) * s.kd * s.kh * s.kw


cdef struct Turn:
    const void *w
    void *to
    Py_ssize_t ocg, width, tiles                    # output channels of a group and of a tile, and its tiles
    Py_ssize_t depth, run                           # K, and how many of it follow each other in both
    Py_ssize_t together                             # runs of which element after element lies side by side in K


cdef inline void turn_tile(const Turn *c, Py_ssize_t i, real *_scratch) noexcept nogil:
    """The weights of a tile of output channels of a group."""
    cdef Py_ssize_t first = i % c.tiles * c.width, k = 0, each, n
    cdef const real *w = <const real *> c.w + (i // c.tiles * c.ocg + first) * c.depth
    cdef real *to = <real *> c.to + i * c.depth * c.width
    clear_beside(min(c.width, c.ocg - first), c.depth, c.width, to)
    while k < c.depth:
        each = min(c.together, (c.depth - k) // c.run)
        for n in range(each):
            turn_block(sizeof(real), min(c.width, c.ocg - first), c.run, w + k + n * c.run, c.depth,
                       to + (k + n) * c.width, each * c.width)
        k += each * c.run


cdef inline void turn_weights(const ConvShape *s, Py_ssize_t together, const real *w, real *to,
                              int threads) noexcept nogil:
    """All weights, a tile of output channels at a time, with so many channels of each tap together in K."""
    cdef Py_ssize_t taps = s.kd * s.kh * s.kw, depth = s.ic // s.groups * taps, ocg = s.oc // s.groups
    cdef Py_ssize_t width = even_width(ocg, sizeof(real))
    cdef Turn c = Turn(w, to, ocg, width, ceil_div(ocg, width), depth, taps if together > 1 else depth, together)
    each_piece(<Piece> turn_tile[real], &c, s.groups * c.tiles, threads)
