"""Depthwise convolution by 3x3 kernels at stride 1 or 2, channels first: rows are read where they lie.

    out[c, y, o] = bias[c] + sum over i, j of  weight[c, i, j] * padded[c, y * stride + i, o * stride + j]

Staging rows, as `filter.pyx` does for any kernel, takes as long as the sums of nine taps. With padding of one column at
most, what a row's first tap and its last one see beside the image is a neighbour in memory, which is read and masked;
rows above and below the image are pointers to zeros:

    table    0 -> zeros            Only the first row in memory, and the last, have no neighbour that may be read. They
             1 -> row 0 - pw       are copied between zeros, and pointed to there.
             2 -> row 1 - pw

`near_rows.h` does the sums. Work is split over planes and parts of them; each output is one sum in the order of its
taps.
"""

from cython.parallel cimport prange
from libc.math cimport INFINITY
from libc.stdlib cimport free

from fastconv._kernels.near_rows cimport NearRows, after, find_ends, point
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.shape cimport read_shape, real

cdef extern from "near_rows.h" nogil:
    enum: NEAR_ROWS
    ctypedef struct near_shape:
        Py_ssize_t stride, cols, ahead
        int before, after
        int clamp
        double lo, hi
    void near_band(size_t size, const near_shape *s, Py_ssize_t rows, const void *const *table, const void *w,
                   double bias, void *out)

cdef enum:
    # bytes of a band's rows up to which the next band's are asked for: wider ones push out those still to be read
    AHEAD = 15000
    BANDS = 8                                           # of a part of a plane
    TABLE = 2 * (BANDS * NEAR_ROWS + NEAR_ROWS) + 3     # rows of input under its bands, the last one of full height


cdef struct Task:
    NearRows x
    Py_ssize_t bands, parts                 # bands of a plane, and parts of it
    near_shape shape


cdef void part(const Task *t, const real *x, const real *w, real bias, real *out, Py_ssize_t index) noexcept nogil:
    """Bands of one plane, where x, w and out start."""
    cdef const real *table[TABLE]
    cdef Py_ssize_t first = index * t.bands // t.parts, end = (index + 1) * t.bands // t.parts, band, y, rows
    cdef Py_ssize_t top = first * t.x.s.oh // t.bands, low = end * t.x.s.oh // t.bands
    point(&t.x, x, top * t.x.s.sh - t.x.s.ph, (low - top + NEAR_ROWS) * t.x.s.sh + 3, table)
    for band in range(first, end):
        y = band * t.x.s.oh // t.bands
        rows = (band + 1) * t.x.s.oh // t.bands - y
        near_band(sizeof(real), &t.shape, rows, <const void *const *> (table + (y - top) * t.x.s.sh), w, bias,
                  out + y * t.x.s.ow)


cdef void one_item(const Task *t, const real *x, const real *w, const real *bias, real *out,
                   Py_ssize_t item) noexcept nogil:
    cdef Py_ssize_t plane = item // t.parts, c = plane % t.x.s.ic
    part(t, x + plane // t.x.s.ic * t.x.xn + c * t.x.xc, w + c * 9, 0 if bias == NULL else bias[c],
         out + plane * t.x.s.oh * t.x.s.ow, item % t.parts)


cdef void run(const Task *t, const real *x, const real *w, const real *bias, real *out, int threads) noexcept nogil:
    cdef Py_ssize_t item
    if threads == 1:                        # an empty parallel region takes longer than a small plane
        for item in range(t.x.n * t.x.s.ic * t.parts):
            one_item(t, x, w, bias, out, item)
        return
    for item in prange(t.x.n * t.x.s.ic * t.parts, num_threads=threads, schedule="static"):
        one_item(t, x, w, bias, out, item)


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads):
    """Convolve each channel by itself.

    geometry : ConvGeometry of channels-first memory with groups == ic == oc, id == kd == od == 1, kh == kw == 3,
        dh == dw == 1, sh == sw <= 2, at most one column of padding at either side, and rows of 9 outputs or more
    input, weight, bias, output, lo, hi : as of `direct.conv`
    """
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real)
    cdef const real *xs = <const real *> x.data
    cdef const real *ws = <const real *> w.data
    cdef const real *bs = <const real *> first_of(bias)
    cdef real *to = <real *> out.data
    read_shape(&t.x.s, geometry)
    t.x.n = x.shape[0]
    t.x.xn, t.x.xc, t.x.xh = x.strides[0] // size, x.strides[1] // size, x.strides[3] // size
    t.shape.stride = t.x.s.sw
    t.shape.cols = t.x.s.ow
    t.shape.ahead = NEAR_ROWS * t.x.s.sh * t.x.xh
    if not 0 < t.shape.ahead * size <= AHEAD:
        t.shape.ahead = 0
    t.shape.before = t.x.s.pw > 0
    t.shape.after = after(&t.x.s)
    t.shape.clamp = lo > -INFINITY or hi < INFINITY
    t.shape.lo, t.shape.hi = lo, hi
    t.bands = ceil_div(t.x.s.oh, NEAR_ROWS)
    t.parts = ceil_div(t.bands, BANDS)
    if not find_ends(&t.x, xs):
        raise MemoryError(f"near_rows: no memory for three rows of {t.x.line * size} bytes")
    with nogil:
        run(&t, xs, ws, bs, to, threads)
    free(t.x.memory)
