"""Images between channels-last and channels-first memory: the same values, the other order.

    channels-last    pixel 0  a A ..        channels-first   channel 0  a b c ...
                     pixel 1  b B ..   <->                   channel 1  A B C ...
                     pixel 2  c C ..                         ...

Squares of pixels and channels are turned in registers (`turn.h`), a row of pixels at a time, or RUN of them where rows
follow each other.
"""

from cython.parallel cimport parallel, threadid

from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.queue cimport Queue, claim, share_out
from fastconv._kernels.shape cimport read_strides, real
from fastconv._kernels.turn cimport turn_block

cdef enum:
    RUN = 64        # pixels: with 128 channels 32 KiB


cdef struct Task:
    Py_ssize_t channels, pixels, runs, run      # of an image, and how its pixels are divided
    Py_ssize_t rows                             # of the image in a plane, if each is a run
    Py_ssize_t xn, xc, xd, xh, xw               # strides in elements
    bint last                                   # is the order of the result, else of the source


cdef void one_run(const Task *t, const real *x, real *to, Py_ssize_t item) noexcept nogil:
    cdef Py_ssize_t image = item // t.runs, i = item % t.runs, first = i * t.run
    cdef Py_ssize_t n = min(t.run, t.pixels - first)
    x += image * t.xn + (i // t.rows * t.xd + i % t.rows * t.xh if t.rows else first * t.xw)
    to += image * t.channels * t.pixels
    if t.last:
        turn_block(sizeof(real), t.channels, n, x, t.xc, to + first * t.channels, t.channels)
    else:
        turn_block(sizeof(real), n, t.channels, x, t.xw, to + first, t.pixels)


def turn(const real[:, :, :, :, :] x, real[:, :, :, :, :] out, bint last, int threads):
    """Copy `x` to `out`, both (n, c, d, h, w), not empty and apart. With `last`, x has unit stride along w and out is
    dense and channels-last, else x has unit stride along c and out is dense and channels-first."""
    cdef Queue queue
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), count, i
    cdef const real *source = &x[0, 0, 0, 0, 0]
    cdef real *to = &out[0, 0, 0, 0, 0]
    t.channels, t.pixels = x.shape[1], x.shape[2] * x.shape[3] * x.shape[4]
    read_strides(&t.xn, x.shape, x.strides, size, not last)
    t.last = last
    t.run, t.rows = RUN, 0
    if t.xh != x.shape[4] * t.xw or t.xd != x.shape[3] * t.xh:
        t.run, t.rows = x.shape[4], x.shape[3]
    t.runs = ceil_div(t.pixels, t.run)
    count = x.shape[0] * t.runs
    with nogil:
        if threads == 1:
            for i in range(count):
                one_run(&t, source, to, i)
        else:
            share_out(&queue, count, threads)
            with parallel(num_threads=queue.threads):
                while (i := claim(&queue, threadid())) >= 0:
                    one_run(&t, source, to, i)
