"""Gradient of depthwise weights of 3x3 taps at stride 1 or 2, channels first: rows meet rows where they lie.

    dw[c, i, j] = sum over images, y, o of  gout[c, y, o] * padded[c, y * stride + i, o * stride + j]

Each channel is an image and a gradient of its own, and its planes lie dense in memory: a vector along a row of gout
meets each of the rows that its taps see (`row_grad.h`), by pointers as in `near_rows.pyx`; nothing is turned or staged.
Where a row is shorter than a vector, grad_output's very last plane is copied, since nothing may be read beyond it.

Each channel has nine vectors of sums through all images, chains of at most CHUNK products added up in the same way;
their lanes come together at the end, and after CHUNK chains, in long double. A part of the channels goes through the
images as they lie in memory. Work is split over channels only, so the order of every sum is the same for any number of
threads.
"""

from fastconv._kernels.heap cimport give_back
from fastconv._kernels.near_rows cimport NearRows, after, find_ends, is_amid, move, point
from fastconv._kernels.operand cimport OWN_RANK, five, operand
from fastconv._kernels.pack cimport ceil_div, clip, copy_run, zeros
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.shape cimport read_shape, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport Piece, each_piece

cdef extern from "row_grad.h" nogil:
    ctypedef struct grad_shape:
        Py_ssize_t stride, cols
        int before, after
    Py_ssize_t add_rows(size_t size, const grad_shape *s, Py_ssize_t rows, const void *g, const void *const *table,
                        void *total)
    void add_lanes(size_t size, void *total, long double *sums)

cdef enum:
    TAPS = 9
    PART = 64               # channels of a part: sums of 36 KiB at AVX-512, in L2
    MANY = 32               # chains in a lane after which lanes are added up; rows at a time add half as many at most
    TERMS = 1024            # of a lane from rows at a time, 16 chains


cdef struct Task:
    NearRows x
    const void *input
    const void *gout
    void *dw
    Py_ssize_t rows                         # of output at a time
    Py_ssize_t channels                     # of a part
    Py_ssize_t sums, table, own             # bytes of a thread's scratch: vectors, sums and pointers, and all of them
    const void *last                        # a plane of grad_output that is copied
    void *copied
    grad_shape shape


cdef Py_ssize_t one_plane(
    const Task *t, const real *x, const real *gout, real *total, long double *sums, Py_ssize_t chains,
    const real **table, bint moves,
) noexcept nogil:
    """Add a plane of one channel to its sums; of the chains in `total`, how many there are before and after.

    The table `moves` from the plane before.
    """
    cdef Py_ssize_t y = 0, rows, top
    if gout == <const real *> t.last:
        gout = <const real *> t.copied
    while y < t.x.s.oh:
        rows = min(t.rows, t.x.s.oh - y)
        top = y * t.x.s.sh - t.x.s.ph
        if moves:
            move(&t.x, -top, (rows - 1) * t.x.s.sh + 3, table)
        else:
            point(&t.x, x, top, (rows - 1) * t.x.s.sh + 3, table)
        chains += add_rows(sizeof(real), &t.shape, rows, gout + y * t.x.s.ow, <const void *const *> table, total)
        if chains >= MANY:
            add_lanes(sizeof(real), total, sums)
            chains = 0
        y += rows
    return chains


cdef void one_part(const Task *t, Py_ssize_t item, real *total) noexcept nogil:
    """The taps of some channels, image by image, as they follow each other in memory."""
    cdef Py_ssize_t size = sizeof(real), each = TAPS * lanes_of(size), plane = t.x.s.oh * t.x.s.ow, image, c, i
    cdef Py_ssize_t first = item * t.channels, channels = min(t.channels, t.x.s.oc - first), chains = 0, left = 0
    cdef const real *x = <const real *> t.input + first * t.x.xc
    cdef const real *gout = <const real *> t.gout + first * plane
    cdef real *dw = <real *> t.dw + first * TAPS
    cdef long double *sums = <long double *> (<char *> total + t.sums)
    cdef const real **table = <const real **> (<char *> total + t.table)
    cdef bint amid              # so that pointers to a plane are the last one's, moved
    zeros(total, channels * each)
    for i in range(channels * TAPS):
        sums[i] = 0
    for image in range(t.x.n):
        amid = t.rows == t.x.s.oh and is_amid(&t.x, x + image * t.x.xn, channels)
        for c in range(channels):
            left = one_plane(t, x + image * t.x.xn + c * t.x.xc, gout + (image * t.x.s.oc + c) * plane,
                             total + c * each, sums + c * TAPS, chains, table, amid and c > 0)
        chains = left           # the same for every channel
    for c in range(channels):
        add_lanes(size, total + c * each, sums + c * TAPS)
    for i in range(channels * TAPS):
        dw[i] = <real> sums[i]


def weight_grad(tuple geometry, input, grad_output, grad_weight, real like, int threads):
    """Weight gradient of a depthwise convolution of the geometries that `near_rows.conv` takes.

    Arguments as of `weight_grad.weight_grad`, channels-first, rows of at most 1024 outputs.
    """
    cdef operand dw = five(grad_weight, OWN_RANK), x = five(input, dw.rank), gout = five(grad_output, dw.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), lanes = lanes_of(size), plane = gout.shape[3] * gout.shape[4]
    cdef char *scratch
    t.input, t.gout, t.dw = x.data, gout.data, dw.data
    read_shape(&t.x.s, geometry)
    t.x.n = x.shape[0]
    t.x.xn, t.x.xc, t.x.xh = x.strides[0] // size, x.strides[1] // size, x.strides[3] // size
    t.shape.stride, t.shape.cols = t.x.s.sw, t.x.s.ow
    t.shape.before, t.shape.after = t.x.s.pw > 0, after(&t.x.s)
    t.rows = clip(TERMS // ceil_div(t.x.s.ow, lanes) // 8 * 8, 1, t.x.s.oh)
    t.channels = ceil_div(t.x.s.oc, round_up(ceil_div(t.x.s.oc, PART), threads))    # as many parts for each thread
    t.sums = round_up(t.channels * TAPS * lanes * size, LINE)
    t.table = t.sums + round_up(t.channels * TAPS * sizeof(long double), LINE)
    t.own = t.table + round_up(((t.rows - 1) * t.x.s.sh + 3) * sizeof(void *), LINE)
    t.last = <const real *> t.gout + (t.x.n * t.x.s.oc - 1) * plane if t.x.s.ow < lanes else NULL
    scratch = borrow("row_grad", t.own * threads + (plane * size + LINE if t.last else 0))
    find_ends("row_grad", &t.x, <const real *> t.input, scratch)
    t.copied = scratch + t.own * threads
    if t.last:
        copy_run(<real *> t.copied, <const real *> t.last, plane, 1)
    with nogil:
        each_piece(<Piece> one_part[real], &t, ceil_div(t.x.s.oc, t.channels), threads, scratch, t.own)
    give_back(scratch)
    give_back(t.x.memory)
