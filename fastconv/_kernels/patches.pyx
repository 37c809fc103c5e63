"""Windows of images as columns (im2col), and columns summed back into images (col2im): the two public functions.

    columns[c, i, j][y, x] = image[c][y * sh + i * dh - ph, x * sw + j * dw - pw]

unfold copies by the packing of the convolution kernels; fold, its transpose, adds each row of a tap's plane to the row
of the image it was read from, taps in order. Work is split over channels, so no two threads write the same element.
"""

from cython.parallel cimport prange
from libc.string cimport memset

from fastconv._kernels.pack cimport end_inside, first_inside, pack_columns
from fastconv._kernels.shape cimport ConvShape, read_shape, real


def unfold(tuple geometry, const real[:, :, :, :, :] x, real[:, :, ::1] columns, int threads):
    """x (n, c, 1, h, w) of unit stride along w into columns (n, c * kh * kw, oh * ow), not empty, of other memory."""
    cdef ConvShape s
    cdef Py_ssize_t size = sizeof(real), taps, pixels, item, n, c, images = x.shape[0]
    cdef Py_ssize_t xn = x.strides[0] // size, xc = x.strides[1] // size, xd = x.strides[2] // size
    cdef Py_ssize_t xh = x.strides[3] // size
    cdef const real *source = &x[0, 0, 0, 0, 0]
    cdef real *to = &columns[0, 0, 0]
    read_shape(&s, geometry)
    taps = s.kh * s.kw
    pixels = s.oh * s.ow
    for item in prange(images * s.ic, num_threads=threads, nogil=True, schedule="static"):
        n = item // s.ic
        c = item % s.ic
        pack_columns(&s, source + n * xn + c * xc, xc, xd, xh, 0, taps, 0, pixels, to + item * taps * pixels, pixels)


cdef void add_row(real *to, const real *source, Py_ssize_t n, Py_ssize_t stride) noexcept nogil:
    cdef Py_ssize_t i
    if stride == 1:
        for i in range(n):
            to[i] += source[i]
    else:
        for i in range(n):
            to[i * stride] += source[i]


cdef void fold_channel(const ConvShape *s, const real *columns, real *image) noexcept nogil:
    """The taps of one channel into its plane."""
    cdef Py_ssize_t i, j, y, iy, lo, hi, offset
    memset(image, 0, s.ih * s.iw * sizeof(real))
    for i in range(s.kh):
        for j in range(s.kw):
            offset = j * s.dw - s.pw
            lo = min(first_inside(offset, s.sw), s.ow)
            hi = min(end_inside(offset, s.sw, s.iw), s.ow)
            for y in range(s.oh):
                iy = y * s.sh + i * s.dh - s.ph
                if 0 <= iy < s.ih and lo < hi:
                    add_row(image + iy * s.iw + lo * s.sw + offset, columns + y * s.ow + lo, hi - lo, s.sw)
            columns += s.oh * s.ow


def fold(tuple geometry, const real[:, :, ::1] columns, real[:, :, :, ::1] images, int threads):
    """columns (n, c * kh * kw, oh * ow) into images (n, c, h, w), not empty, of other memory, every element."""
    cdef ConvShape s
    cdef Py_ssize_t item, count = images.shape[0] * images.shape[1], many
    cdef const real *source = &columns[0, 0, 0]
    cdef real *to = &images[0, 0, 0, 0]
    read_shape(&s, geometry)
    many = s.kh * s.kw * s.oh * s.ow
    for item in prange(count, num_threads=threads, nogil=True, schedule="static"):
        fold_channel(&s, source + item * many, to + item * s.ih * s.iw)
