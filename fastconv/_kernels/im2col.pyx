"""Convolution by im2col and BLAS, a panel of columns at a time; the column matrix as a whole never exists.

    channels-first   out (oc, p0:p1) = weight (oc, K) . columns (K, p0:p1)
    channels-last    out (p0:p1, oc) = rows (p0:p1, K) . weight' (oc, K)^T, weight' with its taps before its channels

K, P, columns and rows as in `pack.pxd`. Packing runs on the calling thread, the products on as many as BLAS takes.
Chellapilla, Puri & Simard 2006, hal-00112631.
"""

from libc.math cimport INFINITY

from fastconv._kernels.blas cimport gemm
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div, pack_columns, pack_rows
from fastconv._kernels.scratch cimport borrow
from fastconv._kernels.shape cimport LAYOUT, ConvShape, at, read_shape, real

cdef enum:
    PANEL_BYTES = 1048576   # of columns: large enough for BLAS's own blocking, small enough for an L3's share
    NARROWEST = 32          # pixels: below it a product is no longer one of matrices
    CHAIN = 96              # products that BLAS adds up in a row: 256 of one sign drift beyond 6 eps, 96 reach 5.1


cdef struct Epilogue:
    bint clamp
    double lo, hi


cdef void start_with_bias(const real *bias, real *c, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t ldc,
                          bint by_row) noexcept nogil:
    """C = the bias of each row, or of each column, or zero."""
    cdef Py_ssize_t i, j
    for i in range(rows):
        for j in range(cols):
            c[i * ldc + j] = 0 if bias == NULL else bias[i if by_row else j]


cdef void clamp_block(const Epilogue *e, real *c, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t ldc) noexcept nogil:
    """C = min(max(C, lo), hi), NaN kept."""
    cdef Py_ssize_t i, j
    cdef real v, lo = <real> e.lo, hi = <real> e.hi
    if not e.clamp:
        return
    for i in range(rows):
        for j in range(cols):
            v = c[i * ldc + j]
            v = lo if v < lo else v
            c[i * ldc + j] = hi if v > hi else v


cdef void taps_before_channels(const real *w, real *to, Py_ssize_t oc, Py_ssize_t icg, Py_ssize_t taps) noexcept nogil:
    """(oc, icg, taps) to (oc, taps, icg)."""
    cdef Py_ssize_t o, c, tap
    for o in range(oc):
        for c in range(icg):
            for tap in range(taps):
                to[(o * taps + tap) * icg + c] = w[(o * icg + c) * taps + tap]


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads):
    """Convolve; arguments as of `direct.conv`, `threads` left to BLAS."""
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef ConvShape s
    read_shape(&s, geometry)
    cdef bint last = geometry[LAYOUT]
    cdef Py_ssize_t icg = s.ic // s.groups, ocg = s.oc // s.groups, size = sizeof(real)
    cdef Py_ssize_t taps = s.kd * s.kh * s.kw, depth = icg * taps, pixels = s.od * s.oh * s.ow
    cdef Py_ssize_t block = min(max(PANEL_BYTES // size // max(depth, 1), NARROWEST), pixels)
    cdef Py_ssize_t xn = x.strides[0] // size, xc = x.strides[1] // size, xd = x.strides[2] // size
    cdef Py_ssize_t xh = x.strides[3] // size, xw = x.strides[4] // size
    cdef Py_ssize_t image, g, part, p0, p1, turned = s.oc * depth if last else 0
    cdef const real *xs = <const real *> x.data
    cdef const real *ws = <const real *> w.data
    cdef const real *bs = <const real *> first_of(bias)
    cdef real *os = <real *> out.data
    cdef real *panel
    cdef Epilogue finish = Epilogue(lo > -INFINITY or hi < INFINITY, lo, hi)
    cdef real *scratch = <real *> borrow("im2col", (turned + max(depth, 1) * block) * size)
    panel = scratch + turned
    with nogil:
        if last:
            taps_before_channels(ws, scratch, s.oc, icg, taps)
            ws = scratch
        for image in range(x.shape[0]):
            for g in range(s.groups):
                for part in range(ceil_div(pixels, block)):
                    p0 = part * block
                    p1 = min(p0 + block, pixels)
                    if last:
                        block_last(&s, &finish, xs + image * xn + g * icg, xd, xh, xw, ws + g * ocg * depth,
                                   at(bs, g * ocg), os + image * pixels * s.oc + g * ocg, panel, depth, p0, p1)
                    else:
                        block_first(&s, &finish, xs + image * xn + g * icg * xc, xc, xd, xh, ws + g * ocg * depth,
                                    at(bs, g * ocg), os + (image * s.oc + g * ocg) * pixels, panel, depth, p0, p1)
    give_back(scratch)


cdef void block_first(
    const ConvShape *s, const Epilogue *finish, const real *x, Py_ssize_t xc, Py_ssize_t xd, Py_ssize_t xh,
    const real *w, const real *bias, real *out, real *panel, Py_ssize_t depth, Py_ssize_t p0, Py_ssize_t p1,
) noexcept nogil:
    """Pixels [p0, p1) of a group: x, w, bias and out start at the group."""
    cdef Py_ssize_t ocg = s.oc // s.groups, pixels = s.od * s.oh * s.ow, cols = p1 - p0, part, k
    cdef real *c = out + p0
    pack_columns(s, x, xc, xd, xh, 0, depth, p0, p1, panel, cols)
    start_with_bias(bias, c, ocg, cols, pixels, True)
    for part in range(ceil_div(depth, CHAIN)):
        k = part * CHAIN
        gemm(False, ocg, cols, min(depth - k, CHAIN), w + k, depth, <const real *> panel + k * cols, cols, c, pixels)
    clamp_block(finish, c, ocg, cols, pixels)


cdef void block_last(
    const ConvShape *s, const Epilogue *finish, const real *x, Py_ssize_t xd, Py_ssize_t xh, Py_ssize_t xw,
    const real *w, const real *bias, real *out, real *panel, Py_ssize_t depth, Py_ssize_t p0, Py_ssize_t p1,
) noexcept nogil:
    """As `block_first`, for channels-last memory; w is (oc, taps, icg)."""
    cdef Py_ssize_t ocg = s.oc // s.groups, rows = p1 - p0, part, k
    cdef real *c = out + p0 * s.oc
    pack_rows(s, x, xd, xh, xw, 0, depth, p0, p1, panel, depth)
    start_with_bias(bias, c, rows, ocg, s.oc, False)
    for part in range(ceil_div(depth, CHAIN)):
        k = part * CHAIN
        gemm(True, rows, ocg, min(depth - k, CHAIN), <const real *> panel + k, depth, w + k, depth, c, s.oc)
    clamp_block(finish, c, rows, ocg, s.oc)
