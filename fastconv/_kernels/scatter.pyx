"""Putting values, or adding them, where indices say: unpooling and the gradient of max pooling.

    out[n, c, index[n, c, o]]  = x[n, c, o]      or  +=, over all o in order; zero elsewhere

A plane (channels-first) or a block of channels of one image (channels-last) is one thread's, so that sums have the
order of o for any number of threads, and it is cleared just before, while it is in cache.
"""

from cython.parallel cimport prange
from libc.stdint cimport int64_t
from libc.string cimport memset
from fastconv._kernels.window cimport number

cdef enum:
    BLOCK = 64                         # channels


cdef void plane(
    const number *x, const int64_t *index, Py_ssize_t outputs, number *out, Py_ssize_t size, bint add,
) noexcept nogil:
    """One channel: x and index of `outputs` elements, out of `size`."""
    cdef Py_ssize_t o
    memset(out, 0, size * sizeof(number))
    if add:
        for o in range(outputs):
            out[index[o]] += x[o]
    else:
        for o in range(outputs):
            out[index[o]] = x[o]


cdef void channels(
    const number *x, const int64_t *index, Py_ssize_t outputs, number *out, Py_ssize_t size, Py_ssize_t width,
    Py_ssize_t step, bint add,
) noexcept nogil:
    """`width` channels side by side, elements `step` apart: x and index of `outputs` elements, out of `size`."""
    cdef Py_ssize_t o, c, to
    for o in range(size):
        memset(out + o * step, 0, width * sizeof(number))
    for o in range(outputs):
        for c in range(width):
            to = <Py_ssize_t> index[o * step + c] * step + c
            if add:
                out[to] += x[o * step + c]
            else:
                out[to] = x[o * step + c]


def scatter(
    const number[:, :, ::1] x, const int64_t[:, :, ::1] index, number[:, :, ::1] out, bint last, bint add, int threads,
):
    """x and `index` (n, c, o) into `out` (n, c, size), or with `last` (n, o, c) into (n, size, c); all C-contiguous.

    Every index is from 0 to size - 1, none of the arrays is empty; every element of `out` is written.
    """
    cdef Py_ssize_t n = x.shape[0], r, c
    cdef Py_ssize_t blocks
    if last:
        blocks = (x.shape[2] + BLOCK - 1) // BLOCK
        for r in prange(n * blocks, nogil=True, num_threads=threads, schedule="static"):
            c = r % blocks * BLOCK
            channels(
                &x[r // blocks, 0, c], &index[r // blocks, 0, c], x.shape[1], &out[r // blocks, 0, c], out.shape[1],
                min(<Py_ssize_t> BLOCK, x.shape[2] - c), x.shape[2], add,
            )
    else:
        for r in prange(n * x.shape[1], nogil=True, num_threads=threads, schedule="static"):
            c = r % x.shape[1]
            plane(
                &x[r // x.shape[1], c, 0], &index[r // x.shape[1], c, 0], x.shape[2], &out[r // x.shape[1], c, 0],
                out.shape[2], add,
            )
