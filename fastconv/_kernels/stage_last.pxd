"""The input under a block of output pixels, channels last, so that every tap reads it without borders.

    a staged row     . . c0 c1 c2 c0 c1 c2 c0 c1 c2 ...      zeros, then some channels of one pixel after the other

What a pixel sees through a tap lies at the sum of two distances: that of the pixel from the first one of the block, and
that of the tap from the first one. A table of each is all that the product needs; nothing is copied once a tap. Without
padding it reads the image in the same way. Where taps are so far apart, or pixels, that a stage would hold more than
all taps of all pixels, it holds these:

    patches          tap 0 of pixel 0: c0 c1 c2, tap 1: c0 c1 c2, ...

Channels are staged a few at a time, next to each other: in images of many, neighbouring pixels meet in few sets of the
cache. Or those of several groups are, which then take a few each from there, so that an image comes from memory in long
runs. K counts (c, kd, kh, kw), as the weights lie, or (kd, kh, kw, c) of the channels that are staged at a time, or of
all in a large image, so that what a tap sees of them is in a row.
"""

from fastconv._kernels.pack cimport ceil_div, clip, copy_run, is_seen, zeros
from fastconv._kernels.shape cimport ConvShape, real
from fastconv._kernels.sights cimport Runs

cdef struct StageLast:
    Py_ssize_t channels                 # of a group that are multiplied at a time, at most: those that a stage holds,
    Py_ssize_t groups                   # unless it holds all of several groups
    Py_ssize_t cols, rows, deep         # columns (pixels), rows and depths of the padded image under a block
    Py_ssize_t pixel, row, depth        # from one pixel, row, depth to the next, in elements
    bint part                           # blocks are parts of one row of output, and stages of columns
    Py_ssize_t patch                    # from one patch to the next, if it holds patches
    Py_ssize_t size                     # elements; none where the image is read
    Py_ssize_t together                 # of these channels, how many of a tap lie side by side in K: all, or one;
    bint skips                          # rows of taps are blocks of K, which outputs that see none of it pass over,
    Runs runs                           # or some of its taps, if there are several runs of columns,
    bint finite                         # if all weights are finite
    Py_ssize_t *tap                     # of each k of the channels, its distance from the first one,
    Py_ssize_t *rest                    # and of each k of the last ones, if these are fewer


cdef inline Py_ssize_t under(
    Py_ssize_t outputs, Py_ssize_t stride, Py_ssize_t taps, Py_ssize_t dilation,
) noexcept nogil:
    """Elements of an axis that so many outputs see."""
    return (outputs - 1) * stride + (taps - 1) * dilation + 1


cdef inline Py_ssize_t over(Py_ssize_t n, Py_ssize_t stride, Py_ssize_t taps, Py_ssize_t dilation) noexcept nogil:
    """Outputs of an axis that see no more than n elements."""
    cdef Py_ssize_t rest = n - under(1, stride, taps, dilation)
    return rest // stride + 1 if rest >= 0 else 0


cdef inline Py_ssize_t most_pixels(const ConvShape *s, Py_ssize_t most) noexcept nogil:
    """Pixels of the largest block that sees at most so many: whole planes, whole rows of one, or a part of a row."""
    cdef Py_ssize_t deep = under(1, s.sd, s.kd, s.dd), rows = under(1, s.sh, s.kh, s.dh)
    cdef Py_ssize_t cols = under(s.ow, s.sw, s.kw, s.dw), y = min(over(most // (deep * cols), s.sh, s.kh, s.dh), s.oh)
    if y == 0:
        return over(most // (deep * rows), s.sw, s.kw, s.dw)
    if y < s.oh:
        return y * s.ow
    return max(over(most // (under(s.oh, s.sh, s.kh, s.dh) * cols), s.sd, s.kd, s.dd), 1) * s.oh * s.ow


cdef inline void size_stage(
    StageLast *t, const ConvShape *s, Py_ssize_t channels, Py_ssize_t pixels, bint part,
) noexcept nogil:
    """What a stage of so many channels under blocks of so many pixels, which may be parts of rows, holds."""
    t.channels, t.part, t.patch = channels, part, 0
    t.cols = under(min(pixels, s.ow) if part else s.ow, s.sw, s.kw, s.dw)
    t.rows = pixels // s.ow if pixels % s.ow == 0 else (pixels + s.ow - 2) // s.ow + 1      # blocks begin anywhere then
    t.rows = under(1 if part else min(s.oh, t.rows), s.sh, s.kh, s.dh)
    t.deep = under(min(ceil_div(pixels, s.oh * s.ow), s.od), s.sd, s.kd, s.dd)
    t.pixel, t.row, t.depth = channels, t.cols * channels, t.rows * t.cols * channels
    t.size = t.deep * t.depth


cdef inline Py_ssize_t taps_table(const StageLast *t, const ConvShape *s) noexcept nogil:
    """Items of the tables that `fill_taps` fills."""
    return (t.channels + (s.ic // s.groups % t.channels if t.channels else 0)) * s.kd * s.kh * s.kw


cdef inline void fill_order(
    const StageLast *t, const ConvShape *s, Py_ssize_t channels, Py_ssize_t *table,
) noexcept nogil:
    """`table` has an item for each tap of each of some channels."""
    cdef Py_ssize_t tap = 0, c, a, i, j, first
    cdef Py_ssize_t taps = s.kd * s.kh * s.kw
    for a in range(s.kd):
        for i in range(s.kh):
            for j in range(s.kw):
                first = a * s.dd * t.depth + i * s.dh * t.row + j * s.dw * t.pixel
                if t.patch:
                    first = tap * t.channels
                for c in range(channels):
                    table[tap * channels + c if t.together > 1 else tap + c * taps] = first + c
                tap += 1


cdef inline void fill_taps(StageLast *t, const ConvShape *s, Py_ssize_t *table) noexcept nogil:
    """Where each tap of each channel of a stage lies, in the order of K."""
    if t.channels:
        t.tap, t.rest = table, table + t.channels * s.kd * s.kh * s.kw
        fill_order(t, s, t.channels, t.tap)
        fill_order(t, s, s.ic // s.groups % t.channels, t.rest)


cdef inline void find_pixels(const StageLast *t, const ConvShape *s, Py_ssize_t p0, Py_ssize_t p1,
                             Py_ssize_t *to) noexcept nogil:
    """Where the first tap of each of a block's pixels lies, from the first one of the block on."""
    cdef Py_ssize_t plane = s.oh * s.ow, p = p0, i, n, first, step = t.patch if t.patch else s.sw * t.pixel
    while p < p1:                       # the rest of a row
        n = p1 - p if t.patch else min(s.ow - p % s.ow, p1 - p)
        first = (p - p0) * t.patch
        if not t.patch:
            first = ((p // plane - p0 // plane) * s.sd * t.depth + (p // s.ow % s.oh - p0 // s.ow % s.oh) * s.sh * t.row
                     + (p % s.ow - p0 % s.ow) * step)
        for i in range(n):
            to[i] = first + i * step
        to += n
        p += n


cdef inline void stage_pixels(
    const StageLast *t, const ConvShape *s, const real *x, Py_ssize_t xd, Py_ssize_t xh, Py_ssize_t xw,
    Py_ssize_t channels, Py_ssize_t p0, real *to,
) noexcept nogil:
    """What the block from pixel p0 on sees of some channels; x is the first one, of unit stride."""
    cdef Py_ssize_t a, r, z, y, col, z0 = p0 // (s.oh * s.ow), y0 = p0 // s.ow % s.oh
    cdef Py_ssize_t before = s.pw - (p0 % s.ow * s.sw if t.part else 0)
    cdef Py_ssize_t lo = clip(before, 0, t.cols), hi = clip(s.iw + before, lo, t.cols)
    cdef const real *row
    for a in range(t.deep):
        z = z0 * s.sd - s.pd + a
        for r in range(t.rows):
            y = y0 * s.sh - s.ph + r
            if not (is_seen(a, s.sd, s.dd, s.kd) and is_seen(r, s.sh, s.dh, s.kh)):
                pass
            elif 0 <= z < s.id and 0 <= y < s.ih:
                row = x + z * xd + y * xh - before * xw
                zeros(to, lo * t.pixel)
                if xw == t.pixel == channels:
                    copy_run(to + lo * t.pixel, row + lo * xw, (hi - lo) * xw, 1)
                else:
                    for col in range(lo, hi):
                        if is_seen(col, s.sw, s.dw, s.kw):
                            copy_run(to + col * t.pixel, row + col * xw, channels, 1)
                zeros(to + hi * t.pixel, (t.cols - hi) * t.pixel)
            else:
                zeros(to, t.row)
            to += t.row


cdef inline void copy_seen(
    const ConvShape *s, const real *x, Py_ssize_t xd, Py_ssize_t xh, Py_ssize_t xw, Py_ssize_t channels, Py_ssize_t z,
    Py_ssize_t y, Py_ssize_t o, real *to, Py_ssize_t between, Py_ssize_t row,
) noexcept nogil:
    """What output pixel (z, y, o) sees of some channels, `between` elements from tap to tap, `row` from row to row."""
    cdef Py_ssize_t a, i, j, iz, iy, ix
    cdef bint inside
    for a in range(s.kd):
        iz = z * s.sd - s.pd + a * s.dd
        for i in range(s.kh):
            iy = y * s.sh - s.ph + i * s.dh
            inside = 0 <= iz < s.id and 0 <= iy < s.ih
            for j in range(s.kw):
                ix = o * s.sw - s.pw + j * s.dw
                if inside and 0 <= ix < s.iw:
                    copy_run(to + j * between, x + iz * xd + iy * xh + ix * xw, channels, 1)
                else:
                    zeros(to + j * between, channels)
            to += row


cdef inline void stage_patches(
    const StageLast *t, const ConvShape *s, const real *x, Py_ssize_t xd, Py_ssize_t xh, Py_ssize_t xw,
    Py_ssize_t channels, Py_ssize_t p0, Py_ssize_t p1, real *to,
) noexcept nogil:
    """All taps of the pixels [p0, p1)."""
    cdef Py_ssize_t plane = s.oh * s.ow, p
    for p in range(p0, p1):
        copy_seen(s, x, xd, xh, xw, channels, p // plane, p % plane // s.ow, p % s.ow, to, t.channels,
                  s.kw * t.channels)
        to += t.patch
