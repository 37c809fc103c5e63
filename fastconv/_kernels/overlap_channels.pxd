"""Results of `overlap.pyx` that overlap, added up with lanes along output channels.

    w (c, o, taps)  ->  panel (c, taps, o)      products (pixel, taps, o)  ->  sums (output, o)  ->  out (o, output)

Of an output several products are added up, so there is less to turn afterwards than with lanes along pixels, and lanes
need no rows of pixels that fill vectors, nor zeros between them.
"""

from fastconv._kernels.ahead cimport Ahead
from fastconv._kernels.overlap cimport Box, Task, overlap_pair
from fastconv._kernels.overlap_product cimport find_lines, multiply, turn_pixels, weights_of
from fastconv._kernels.pack cimport ceil_div, zeros
from fastconv._kernels.shape cimport real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.tile cimport CHUNK, TILE_ROWS, tile_width
from fastconv._kernels.turn cimport clear_beside, turn_block

cdef extern from "overlap.h" nogil:
    void overlap_channels(size_t size, Py_ssize_t lines, const void *const *line, const overlap_pair *pairs,
                          Py_ssize_t taps, const Py_ssize_t *counts, Py_ssize_t pixel, Py_ssize_t tap, const void *bias,
                          void *sums, Py_ssize_t channels, Py_ssize_t n)


cdef inline void multiply_channels(
    const Task *t, const Box *b, const real *x, const real *w, real *turned, real *panel, real *plain,
) noexcept nogil:
    """Products (pixel, tap, channel), by a panel of all columns in which weights (channel, tap) are turned."""
    cdef Py_ssize_t width = tile_width(sizeof(real)), pixels = b.rows * b.iw, leading = t.ocg * t.taps, k0, k, j, piece
    cdef Py_ssize_t tiles = ceil_div(b.cols, width), whole = b.cols // width * width, chunks = ceil_div(t.icg, CHUNK)
    cdef Ahead here, ahead
    w += b.o * t.taps
    turn_pixels(t, b, x, turned)
    for k in range(pixels if b.channels % lanes_of(sizeof(real)) else 0):       # see `clear_beside`
        zeros(plain + k * t.across + b.cols, lanes_of(sizeof(real)))
    for piece in range(chunks):
        here = weights_of(t, b, w, piece, chunks, 1)
        ahead = weights_of(t, b, w, piece + 1, chunks, max(ceil_div(pixels, TILE_ROWS), 1) * tiles)
        k0 = piece * CHUNK
        clear_beside(b.cols - whole, here.rows, t.across, panel + whole)
        for k in range(here.rows):
            turn_block(sizeof(real), b.channels, t.taps, w + (k0 + k) * leading, t.taps, panel + k * t.across,
                       b.channels)
        for j in range(tiles):
            multiply(t, <const real *> turned + k0, <const real *> panel + j * width, t.across, here.rows, k0 > 0,
                     pixels, min(width, b.cols - j * width), plain + j * width, t.across, &ahead)


cdef inline void add_up_channels(
    const Task *t, const Box *b, const real *plain, const real *bias, real *out, Py_ssize_t image, real *sums,
    const void **lines,
) noexcept nogil:
    """The outputs of a box in one image, of a group's channels: sums of a few rows of them are turned together."""
    cdef Py_ssize_t lanes = lanes_of(sizeof(real)), channels = ceil_div(b.channels, lanes) * lanes, z, y, i, count
    cdef Py_ssize_t wide = t.s.iw, done = 0, plane = t.s.id * t.s.ih * wide
    cdef real *biases = sums + t.together * t.wide * channels
    zeros(biases, channels)
    for i in range(b.channels if bias != NULL else 0):
        biases[i] += bias[b.o + i]      # see `add_up`
    for z in range(b.z0, b.z1):
        for y in range(b.y0, b.y1):
            count = find_lines(t, b, image, z, y, plain - b.ix * t.across, b.iw * t.across, t.s.kw * b.channels, lines)
            overlap_channels(sizeof(real), count, lines, <const overlap_pair *> t.width, t.s.kw, t.widths, t.across,
                             b.channels, biases, sums + done * wide * channels, channels, wide)
            done += 1
            if done == t.together or y + 1 == b.y1:
                turn_block(sizeof(real), done * wide, b.channels, sums, channels,
                           out + b.o * plane + (z * t.s.ih + y + 1 - done) * wide, plane)
                done = 0
