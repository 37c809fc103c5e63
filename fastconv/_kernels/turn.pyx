"""Images between channels-last and channels-first memory, for whoever needs the other order: see `turn_images.pxd`."""

from fastconv._kernels.operand cimport five, operand
from fastconv._kernels.shape cimport real
from fastconv._kernels.turn_images cimport turn_images


def turn(input, output, int rank, bint last, real like, int threads):
    """Copy `input` to `output`, both (n, c, *spatial) or (c, *spatial) of `rank` spatial axes, not empty and apart.

    With `last`, the input has unit stride along w and the output is dense and channels-last, else the input has unit
    stride along c and the output is dense and channels-first. Elements are as large as `like`.
    """
    cdef operand x = five(input, rank), out = five(output, rank)
    with nogil:
        turn_images(<const real *> x.data, x.shape, x.strides, x.shape[0], <real *> out.data, last, threads)
