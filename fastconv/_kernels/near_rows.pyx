"""Depthwise convolution by 3x3 kernels at stride 1 or 2, channels first: rows are read where they lie.

    out[c, y, o] = bias[c] + sum over i, j of  weight[c, i, j] * padded[c, y * stride + i, o * stride + j]

Staging rows, as `filter.pyx` does for any kernel, takes as long as the sums of nine taps. With padding of one column at
most, what a row's first tap and its last one see beside the image is a neighbour in memory, which is read and masked;
rows above and below the image are pointers to zeros:

    table    0 -> zeros            Only the first row in memory, and the last, have no neighbour that may be read. They
             1 -> row 0 - pw       are copied between zeros, and pointed to there.
             2 -> row 1 - pw

`near_rows.h` does the sums. Work is split over planes and parts of them; each output is one sum in the order of its taps.
"""

from cython.parallel cimport prange
from libc.math cimport INFINITY
from libc.stdlib cimport free, malloc

from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div, copy_run, zeros
from fastconv._kernels.shape cimport ConvShape, at, read_shape, real

cdef extern from "near_rows.h" nogil:
    enum: NEAR_ROWS
    ctypedef struct near_shape:
        Py_ssize_t stride, cols
        int before, after
        int clamp
        double lo, hi
    void near_band(size_t size, const near_shape *s, Py_ssize_t rows, const void *const *table, const void *w,
                   double bias, void *out)

cdef enum:
    BANDS = 8                                           # of a part of a plane
    TABLE = 2 * (BANDS * NEAR_ROWS + NEAR_ROWS) + 3     # rows of input under its bands, the last one of full height
    LINE = 64                                           # bytes of a cache line


cdef struct Task:
    ConvShape s
    Py_ssize_t n, bands, parts              # images; bands of a plane, and parts of it
    Py_ssize_t xn, xc, xh                   # strides of the input, in elements
    Py_ssize_t line                         # elements of a row with its surroundings
    const void *lowest                      # the first row in memory, and the last
    const void *highest
    near_shape shape


cdef void point(const Task *t, const real *x, Py_ssize_t top, Py_ssize_t rows, const real *blank,
                const real **table) noexcept nogil:
    """Pointers to `rows` rows from `top` on of the plane x."""
    cdef Py_ssize_t r
    cdef const real *row
    for r in range(rows):
        row = blank
        if 0 <= top + r < t.s.ih:
            row = x + (top + r) * t.xh
            if row == <const real *> t.lowest:
                row = blank + t.line
            elif row == <const real *> t.highest:
                row = blank + 2 * t.line
        table[r] = row - t.s.pw


cdef void part(const Task *t, const real *x, const real *w, real bias, real *out, const real *blank,
               Py_ssize_t index) noexcept nogil:
    """Bands of one plane, where x, w and out start."""
    cdef const real *table[TABLE]
    cdef Py_ssize_t first = index * t.bands // t.parts, end = (index + 1) * t.bands // t.parts, band, y, rows
    cdef Py_ssize_t top = first * t.s.oh // t.bands, low = end * t.s.oh // t.bands
    point(t, x, top * t.s.sh - t.s.ph, (low - top + NEAR_ROWS) * t.s.sh + 3, blank, table)
    for band in range(first, end):
        y = band * t.s.oh // t.bands
        rows = (band + 1) * t.s.oh // t.bands - y
        near_band(sizeof(real), &t.shape, rows, <const void *const *> (table + (y - top) * t.s.sh), w, bias,
                  out + y * t.s.ow)


cdef void one_item(const Task *t, const real *x, const real *w, const real *bias, real *out, const real *blank,
                   Py_ssize_t item) noexcept nogil:
    cdef Py_ssize_t plane = item // t.parts, c = plane % t.s.ic
    part(t, x + plane // t.s.ic * t.xn + c * t.xc, w + c * 9, 0 if bias == NULL else bias[c],
         out + plane * t.s.oh * t.s.ow, blank, item % t.parts)


cdef void run(const Task *t, const real *x, const real *w, const real *bias, real *out, const real *blank,
              int threads) noexcept nogil:
    cdef Py_ssize_t item
    if threads == 1:                        # an empty parallel region takes longer than a small plane
        for item in range(t.n * t.s.ic * t.parts):
            one_item(t, x, w, bias, out, blank, item)
        return
    for item in prange(t.n * t.s.ic * t.parts, num_threads=threads, schedule="static"):
        one_item(t, x, w, bias, out, blank, item)


cdef void find_ends(Task *t, const real *x) noexcept nogil:
    """The rows that lie first and last in memory, whatever the signs of strides."""
    cdef const real *low = x
    cdef const real *high = x
    cdef Py_ssize_t reach[3]
    cdef Py_ssize_t i
    reach[0], reach[1], reach[2] = (t.n - 1) * t.xn, (t.s.ic - 1) * t.xc, (t.s.ih - 1) * t.xh
    for i in range(3):
        if reach[i] < 0:
            low += reach[i]
        else:
            high += reach[i]
    t.lowest, t.highest = low, high


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads):
    """Convolve each channel by itself.

    geometry : ConvGeometry of channels-first memory with groups == ic == oc, id == kd == od == 1, kh == kw == 3,
        dh == dw == 1, sh == sw <= 2, at most one column of padding at either side, and rows of 16 outputs or more
    input, weight, bias, output, lo, hi : as of `direct.conv`
    """
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real)
    cdef const real *xs = <const real *> x.data
    cdef const real *ws = <const real *> w.data
    cdef const real *bs = <const real *> first_of(bias)
    cdef real *to = <real *> out.data
    cdef real *blank
    read_shape(&t.s, geometry)
    t.n = x.shape[0]
    t.xn, t.xc, t.xh = x.strides[0] // size, x.strides[1] // size, x.strides[3] // size
    t.shape.stride = t.s.sw
    t.shape.cols = t.s.ow
    t.shape.before = t.s.pw > 0
    t.shape.after = (t.s.ow - 1) * t.s.sw + 2 - t.s.pw >= t.s.iw
    t.shape.clamp = lo > -INFINITY or hi < INFINITY
    t.shape.lo, t.shape.hi = lo, hi
    t.bands = ceil_div(t.s.oh, NEAR_ROWS)
    t.parts = ceil_div(t.bands, BANDS)
    t.line = ceil_div(t.s.iw + 2 * LINE // size, LINE // size) * LINE // size
    blank = <real *> malloc(3 * t.line * size)
    if blank == NULL:
        raise MemoryError(f"near_rows: no memory for {3 * t.line * size} bytes of rows between zeros")
    find_ends(&t, xs)
    zeros(blank, 3 * t.line)
    copy_run(blank + t.line + LINE // size, <const real *> t.lowest, t.s.iw, 1)
    copy_run(blank + 2 * t.line + LINE // size, <const real *> t.highest, t.s.iw, 1)
    with nogil:
        run(&t, xs, ws, bs, to, blank + LINE // size, threads)
    free(blank)
