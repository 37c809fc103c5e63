"""Images between channels-last and channels-first memory: the same values, the other order.

    channels-last    pixel 0  a A ..        channels-first   channel 0  a b c ...
                     pixel 1  b B ..   <->                   channel 1  A B C ...
                     pixel 2  c C ..                         ...

Squares of pixels and channels are turned in registers (`turn.h`), a row of pixels at a time, or RUN of them where rows
follow each other.
"""

from fastconv._kernels.operand cimport five, operand
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.shape cimport read_strides, real
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.turn cimport turn_block

cdef enum:
    RUN = 64        # pixels: with 128 channels 32 KiB


cdef struct Call:
    const void *x
    void *to
    Py_ssize_t channels, pixels, runs, run      # of an image, and how its pixels are divided
    Py_ssize_t rows                             # of the image in a plane, if each is a run
    Py_ssize_t xn, xc, xd, xh, xw               # strides in elements
    bint last                                   # is the order of the result, else of the source


cdef void one_run(const Call *c, Py_ssize_t item, real *_scratch) noexcept nogil:
    cdef Py_ssize_t image = item // c.runs, i = item % c.runs, first = i * c.run
    cdef Py_ssize_t n = min(c.run, c.pixels - first)
    cdef const real *x = <const real *> c.x + image * c.xn
    cdef real *to = <real *> c.to + image * c.channels * c.pixels
    x += i // c.rows * c.xd + i % c.rows * c.xh if c.rows else first * c.xw
    if c.last:
        turn_block(sizeof(real), c.channels, n, x, c.xc, to + first * c.channels, c.channels)
    else:
        turn_block(sizeof(real), n, c.channels, x, c.xw, to + first, c.pixels)


def turn(input, output, int rank, bint last, real like, int threads):
    """Copy `input` to `output`, both (n, c, *spatial) or (c, *spatial) of `rank` spatial axes, not empty and apart.

    With `last`, the input has unit stride along w and the output is dense and channels-last, else the input has unit
    stride along c and the output is dense and channels-first. Elements are as large as `like`.
    """
    cdef operand x = five(input, rank), out = five(output, rank)
    cdef Call call
    cdef Py_ssize_t size = sizeof(real)
    call.x, call.to, call.last = x.data, out.data, last
    call.channels, call.pixels = x.shape[1], x.shape[2] * x.shape[3] * x.shape[4]
    read_strides(&call.xn, x.shape, x.strides, size, not last)
    call.run, call.rows = RUN, 0
    if call.xh != x.shape[4] * call.xw or call.xd != x.shape[3] * call.xh:
        call.run, call.rows = x.shape[4], x.shape[3]
    call.runs = ceil_div(call.pixels, call.run)
    with nogil:
        each_piece(<Piece> one_run[real], &call, x.shape[0] * call.runs, threads)
