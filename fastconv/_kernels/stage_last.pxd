"""The input under a block of output pixels of few channels, channels last, staged without borders.

    a staged row     . . c0 c1 c2 c0 c1 c2 c0 c1 c2 ...      zeros, then the channels of a group of one pixel after the
                         ^^^^^^^^^^^^^^^^^                   other: what a pixel sees of a row through taps that are
                         one line of a patch                 neighbours is one line of kw * icg elements

A patch is copied line by line, by whole vectors, wherever in the padded image it lies; `pack_rows` asks of each line
what of it is inside, which for three channels takes longer than the product.
"""

from fastconv._kernels.pack cimport clip, copy_run, zeros
from fastconv._kernels.shape cimport ConvShape, real

cdef extern from "copy.h" nogil:
    void copy_runs(size_t size, void *to, const void *source, Py_ssize_t rows, Py_ssize_t n, Py_ssize_t pitch)


cdef struct StageLast:
    Py_ssize_t cols, rows, deep         # columns (pixels), rows and depths of the padded image under a block
    Py_ssize_t pixel, row, depth        # from one pixel, row, depth to the next, in elements
    Py_ssize_t run, lines               # elements of a line, and lines of a patch
    Py_ssize_t *line                    # of each line, its distance from the first one


cdef inline bint plan_stage_last(
    StageLast *t, const ConvShape *s, Py_ssize_t *table, Py_ssize_t planes, Py_ssize_t rows, Py_ssize_t most,
) noexcept nogil:
    """For blocks of at most `planes` output planes and `rows` rows; whether the stage takes `most` elements or less.

    `table` has an item for each tap.
    """
    cdef Py_ssize_t a, i, j, n = 0, step = s.kw if s.dw == 1 else 1
    t.pixel = s.ic // s.groups
    t.cols = (s.ow - 1) * s.sw + (s.kw - 1) * s.dw + 1
    t.rows = (rows - 1) * s.sh + (s.kh - 1) * s.dh + 1
    t.deep = (planes - 1) * s.sd + (s.kd - 1) * s.dd + 1
    if <double> t.cols * t.rows * t.deep * t.pixel > most:
        return False
    t.row = t.cols * t.pixel
    t.depth = t.rows * t.row
    t.run = step * t.pixel
    t.lines = s.kd * s.kh * s.kw // step
    t.line = table
    for a in range(s.kd):
        for i in range(s.kh):
            for j in range(s.kw // step):
                t.line[n] = a * s.dd * t.depth + i * s.dh * t.row + j * s.dw * t.pixel
                n += 1
    return True


cdef inline void stage_pixels(
    const StageLast *t, const ConvShape *s, const real *x, Py_ssize_t xd, Py_ssize_t xh, Py_ssize_t xw, Py_ssize_t z0,
    Py_ssize_t y0, real *to,
) noexcept nogil:
    """What the output pixels from row y0 of plane z0 on see; x is a group's first channel, of unit stride along c."""
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
                        copy_run(to + col * t.pixel, row + col * xw, t.pixel, 1)
                zeros(to + hi * t.pixel, (t.cols - hi) * t.pixel)
            else:
                zeros(to, t.row)
            to += t.row


cdef inline void copy_patches(
    const StageLast *t, const ConvShape *s, const real *stage, Py_ssize_t k0, Py_ssize_t k1, Py_ssize_t p0,
    Py_ssize_t p1, real *panel, Py_ssize_t leading,
) noexcept nogil:
    """panel[p - p0][k - k0] = tap k of pixel p, as `pack_rows`, from the stage of the block that begins at p0.

    Up to a vector less one element beyond a row of the panel is written, too.
    """
    cdef Py_ssize_t plane = s.oh * s.ow, z0 = p0 // plane, z = z0, y0 = (p0 - z * plane) // s.ow, y = y0
    cdef Py_ssize_t o = p0 - z * plane - y * s.ow, _p, n, k, first = k0 // t.run, end
    cdef const real *patch
    for _p in range(p1 - p0):
        patch = stage + (z - z0) * s.sd * t.depth + (y - y0) * s.sh * t.row + o * s.sw * t.pixel
        k = k0
        n = first
        while k < k1:
            end = min((n + 1) * t.run, k1)
            copy_runs(sizeof(real), panel + k - k0, patch + t.line[n] + k - n * t.run, 1, end - k, 0)
            k = end
            n += 1
        panel += leading
        o += 1
        if o == s.ow:
            o = 0
            y += 1
            if y == s.oh:
                y = 0
                z += 1
