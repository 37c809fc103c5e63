"""The input under a block of output pixels, channels last, so that every tap reads it without borders.

    a staged row     . . c0 c1 c2 c0 c1 c2 c0 c1 c2 ...      zeros, then some channels of one pixel after the other

What a pixel sees through a tap lies at the sum of two distances: that of the pixel from the first one of the block, and
that of the tap from the first one. A table of each is all that the product needs; nothing is copied once a tap. Without
padding it reads the image in the same way. Where taps are so far apart, or pixels, that a stage would hold more than
all taps of all pixels, it holds these:

    patches          tap 0 of pixel 0: c0 c1 c2, tap 1: c0 c1 c2, ...

Channels are staged a few at a time, next to each other: in images of many, neighbouring pixels meet in few sets of the
cache. K counts (c, kd, kh, kw), as the weights lie.
"""

from fastconv._kernels.pack cimport ceil_div, clip, copy_run, zeros
from fastconv._kernels.shape cimport ConvShape, real

cdef struct StageLast:
    Py_ssize_t channels                 # that a stage holds at most
    Py_ssize_t cols, rows, deep         # columns (pixels), rows and depths of the padded image under a block
    Py_ssize_t pixel, row, depth        # from one pixel, row, depth to the next, in elements
    Py_ssize_t patch                    # from one patch to the next, if it holds patches
    Py_ssize_t size                     # elements; none where the image is read
    Py_ssize_t *tap                     # of each k of the channels, its distance from the first one


cdef inline void plan_stage_last(
    StageLast *t, const ConvShape *s, Py_ssize_t *table, Py_ssize_t channels, Py_ssize_t pixels, bint inside,
    Py_ssize_t xd, Py_ssize_t xh, Py_ssize_t xw,
) noexcept nogil:
    """For blocks of `pixels`; `table` has an item for each tap of `channels`, `inside` says that no tap sees padding."""
    cdef Py_ssize_t planes = min(ceil_div(pixels, s.oh * s.ow), s.od), c, a, i, j, n = 0
    cdef Py_ssize_t rows = min(s.oh, (pixels + s.ow - 2) // s.ow + 1), taps = s.kd * s.kh * s.kw
    t.channels = channels
    t.cols = (s.ow - 1) * s.sw + (s.kw - 1) * s.dw + 1
    t.rows = (rows - 1) * s.sh + (s.kh - 1) * s.dh + 1
    t.deep = (planes - 1) * s.sd + (s.kd - 1) * s.dd + 1
    t.pixel, t.row, t.depth = channels, t.cols * channels, t.rows * t.cols * channels
    t.size = t.deep * t.depth
    t.patch = 0
    if inside:
        t.pixel, t.row, t.depth, t.size = xw, xh, xd, 0
    elif <double> t.cols * t.rows * t.deep > <double> pixels * taps:
        t.patch = taps * channels
        t.size = pixels * t.patch
    t.tap = table
    for c in range(channels):
        for a in range(s.kd):
            for i in range(s.kh):
                for j in range(s.kw):
                    if t.patch:
                        table[n] = n % taps * channels + c
                    else:
                        table[n] = a * s.dd * t.depth + i * s.dh * t.row + j * s.dw * t.pixel + c
                    n += 1


cdef inline void find_pixels(const StageLast *t, const ConvShape *s, Py_ssize_t p0, Py_ssize_t p1,
                             Py_ssize_t *to) noexcept nogil:
    """Where the first tap of each of a block's pixels lies, from the start of the stage or of the block's rows on."""
    cdef Py_ssize_t plane = s.oh * s.ow, z = p0 // plane, y = p0 % plane // s.ow, o = p0 % plane % s.ow, i, z0 = z, y0 = y
    for i in range(p1 - p0):
        if t.patch:
            to[i] = i * t.patch
            continue
        to[i] = (z - z0) * s.sd * t.depth + (y - y0) * s.sh * t.row + o * s.sw * t.pixel
        o += 1
        if o == s.ow:
            o = 0
            y += 1
            if y == s.oh:
                y = 0
                z += 1


cdef inline void stage_pixels(
    const StageLast *t, const ConvShape *s, const real *x, Py_ssize_t xd, Py_ssize_t xh, Py_ssize_t xw,
    Py_ssize_t channels, Py_ssize_t z0, Py_ssize_t y0, real *to,
) noexcept nogil:
    """What the output pixels from row y0 of plane z0 on see of some channels; x is the first one, of unit stride."""
    cdef Py_ssize_t a, r, z, y, col, lo = clip(s.pw, 0, t.cols), hi = clip(s.iw + s.pw, lo, t.cols)
    cdef const real *row
    for a in range(t.deep):
        z = z0 * s.sd - s.pd + a
        for r in range(t.rows):
            y = y0 * s.sh - s.ph + r
            if 0 <= z < s.id and 0 <= y < s.ih:
                row = x + z * xd + y * xh - s.pw * xw
                zeros(to, lo * t.pixel)
                if xw == t.pixel:
                    copy_run(to + lo * t.pixel, row + lo * xw, (hi - lo) * xw, 1)
                else:
                    for col in range(lo, hi):
                        copy_run(to + col * t.pixel, row + col * xw, channels, 1)
                zeros(to + hi * t.pixel, (t.cols - hi) * t.pixel)
            else:
                zeros(to, t.row)
            to += t.row


cdef inline void stage_patches(
    const StageLast *t, const ConvShape *s, const real *x, Py_ssize_t xd, Py_ssize_t xh, Py_ssize_t xw,
    Py_ssize_t channels, Py_ssize_t p0, Py_ssize_t p1, real *to,
) noexcept nogil:
    """All taps of the pixels [p0, p1)."""
    cdef Py_ssize_t plane = s.oh * s.ow, p, a, i, j, z, y, o
    for p in range(p0, p1):
        for a in range(s.kd):
            z = p // plane * s.sd - s.pd + a * s.dd
            for i in range(s.kh):
                y = p % plane // s.ow * s.sh - s.ph + i * s.dh
                for j in range(s.kw):
                    o = p % s.ow * s.sw - s.pw + j * s.dw
                    if 0 <= z < s.id and 0 <= y < s.ih and 0 <= o < s.iw:
                        copy_run(to, x + z * xd + y * xh + o * xw, channels, 1)
                    else:
                        zeros(to, channels)
                    to += t.channels
