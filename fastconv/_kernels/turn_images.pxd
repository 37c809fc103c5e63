"""Images between channels-last and channels-first memory: the same values, the other order.

    channels-last    pixel 0  a A ..        channels-first   channel 0  a b c ...
                     pixel 1  b B ..   <->                   channel 1  A B C ...
                     pixel 2  c C ..                         ...

Squares of pixels and channels are turned in registers (`turn.h`), a row of pixels at a time, or RUN of them where rows
follow each other.
"""

from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.shape cimport read_strides, real
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.turn cimport turn_block

cdef enum:
    RUN = 64        # pixels: with 128 channels 32 KiB


cdef struct Images:
    const void *x
    void *to
    Py_ssize_t channels, pixels, runs, run      # of an image, and how its pixels are divided
    Py_ssize_t rows                             # of the image in a plane, if each is a run
    Py_ssize_t xn, xc, xd, xh, xw               # strides in elements
    bint last                                   # is the order of the result, else of the source


cdef inline void turn_run(const Images *c, Py_ssize_t item, real *_scratch) noexcept nogil:
    cdef Py_ssize_t image = item // c.runs, i = item % c.runs, first = i * c.run
    cdef Py_ssize_t n = min(c.run, c.pixels - first)
    cdef const real *x = <const real *> c.x + image * c.xn
    cdef real *to = <real *> c.to + image * c.channels * c.pixels
    x += i // c.rows * c.xd + i % c.rows * c.xh if c.rows else first * c.xw
    if c.last:
        turn_block(sizeof(real), c.channels, n, x, c.xc, to + first * c.channels, c.channels)
    else:
        turn_block(sizeof(real), n, c.channels, x, c.xw, to + first, c.pixels)


cdef inline void turn_images(
    const real *x, const Py_ssize_t *shape, const Py_ssize_t *strides, Py_ssize_t n, real *to, bint last, int threads,
) noexcept nogil:
    """Copy `n` images of this shape, strides in bytes, to `to`, dense: with `last` to channels-last from unit stride
    along w, else to channels-first from unit stride along c."""
    cdef Images c
    c.x, c.to, c.last = x, to, last
    c.channels, c.pixels = shape[1], shape[2] * shape[3] * shape[4]
    read_strides(&c.xn, shape, strides, sizeof(real), not last)
    c.run, c.rows = RUN, 0
    if c.xh != shape[4] * c.xw or c.xd != shape[3] * c.xh:
        c.run, c.rows = shape[4], shape[3]
    c.runs = ceil_div(c.pixels, c.run)
    each_piece(<Piece> turn_run[real], &c, n * c.runs, threads)
