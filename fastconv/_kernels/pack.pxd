"""Patches of an image laid out for a matrix product, a cache-sized panel at a time; padding becomes zeros here.

With K = icg * kd * kh * kw (icg input channels a group) and P = od * oh * ow output pixels, a convolution is the
product of the weights (oc, K) with the patches (K, P). A panel holds k0 <= k < k1 and p0 <= p < p1 of the patches:

    columns (channels-first)          rows (channels-last)
       p0 ......... p1                   k0 ........ k1
    k0 +-------------+                p0 +------------+
       | one tap of  |                   | one pixel's|     k of columns counts (c, kd, kh, kw), as the weights lie;
       | every pixel |                   | patch      |     k of rows counts (kd, kh, kw, c), as the pixels lie.
    k1 +-------------+ leading           +------------+ leading

Strides are in elements. Chellapilla, Puri & Simard 2006, hal-00112631; in panels: onnxruntime, mlas/lib/convolve.cpp.
"""

from fastconv._kernels.copy cimport clear_bytes, copy_elements, copy_taps
from fastconv._kernels.shape cimport ConvShape, real

cdef enum:
    TAPS_BEYOND = 7  # elements that `copy_taps` writes beyond a row of taps, at most


cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return (a + b - 1) // b


cdef inline Py_ssize_t even(Py_ssize_t total, Py_ssize_t most, Py_ssize_t unit) noexcept nogil:
    """The size of equal pieces of `total`, as few as none is larger than `most`, rounded up to a multiple of `unit`."""
    return ceil_div(ceil_div(total, ceil_div(total, most)), unit) * unit


cdef inline Py_ssize_t clip(Py_ssize_t v, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    return lo if v < lo else (hi if v > hi else v)


cdef inline Py_ssize_t first_inside(Py_ssize_t offset, Py_ssize_t stride) noexcept nogil:
    """The smallest o >= 0 with o * stride + offset >= 0."""
    return 0 if offset >= 0 else ceil_div(-offset, stride)


cdef inline Py_ssize_t end_inside(Py_ssize_t offset, Py_ssize_t stride, Py_ssize_t size) noexcept nogil:
    """The smallest o >= 0 with o * stride + offset >= size."""
    return 0 if offset >= size else ceil_div(size - offset, stride)


cdef inline bint is_seen(Py_ssize_t place, Py_ssize_t stride, Py_ssize_t step, Py_ssize_t taps) noexcept nogil:
    """Whether one of some taps, `step` apart, meets a place from an output whose first tap is a multiple of stride."""
    cdef Py_ssize_t tap
    if taps >= stride and (step == 1 or stride == 1):   # a division takes as long as to copy a short row
        return True
    for tap in range(taps):
        if place >= tap * step and (place - tap * step) % stride == 0:
            return True
    return False


cdef inline void extend(Py_ssize_t *table, Py_ssize_t n, Py_ssize_t period, Py_ssize_t step) noexcept nogil:
    """table[i] = table[i - period] + step for period <= i < n: distances along one more axis, without divisions."""
    cdef Py_ssize_t i
    for i in range(period, n):
        table[i] = table[i - period] + step


cdef inline void zeros(real *to, Py_ssize_t n) noexcept nogil:
    clear_bytes(<char *> to, n * sizeof(real))


cdef inline void copy_run(real *to, const real *source, Py_ssize_t n, Py_ssize_t stride) noexcept nogil:
    """to[i] = source[i * stride]."""
    copy_elements(sizeof(real), to, source, n, stride)


cdef inline void pack_columns(
    const ConvShape *s, const real *x, Py_ssize_t xc, Py_ssize_t xd, Py_ssize_t xh,
    Py_ssize_t k0, Py_ssize_t k1, Py_ssize_t p0, Py_ssize_t p1, real *panel, Py_ssize_t leading,
) noexcept nogil:
    """panel[k - k0][p - p0] = tap k of pixel p; x is a group's first channel, of unit stride along w."""
    cdef Py_ssize_t taps = s.kd * s.kh * s.kw
    cdef Py_ssize_t k, c, tap, a, i, j, p, z, y, o, left, right, n, iz, iy, lo, hi
    cdef const real *row
    cdef real *to
    for k in range(k0, k1):
        c = k // taps
        tap = k - c * taps
        a = tap // (s.kh * s.kw)
        i = tap // s.kw % s.kh
        j = tap % s.kw
        left = first_inside(j * s.dw - s.pw, s.sw)
        right = end_inside(j * s.dw - s.pw, s.sw, s.iw)
        to = panel + (k - k0) * leading
        p = p0
        y = p // s.ow
        o = p - y * s.ow
        z = y // s.oh
        y -= z * s.oh
        while p < p1:
            n = min(s.ow - o, p1 - p)
            iz = z * s.sd + a * s.dd - s.pd
            iy = y * s.sh + i * s.dh - s.ph
            if 0 <= iz < s.id and 0 <= iy < s.ih:
                row = x + c * xc + iz * xd + iy * xh
                lo = clip(left, o, o + n)
                hi = clip(right, lo, o + n)
                zeros(to, lo - o)
                copy_run(to + lo - o, row + (lo * s.sw + j * s.dw - s.pw), hi - lo, s.sw)
                zeros(to + hi - o, o + n - hi)
            else:
                zeros(to, n)
            to += n
            p += n
            o = 0
            y += 1
            if y == s.oh:
                y = 0
                z += 1


cdef inline void pack_pixel(
    const ConvShape *s, const real *x, Py_ssize_t xc, Py_ssize_t xd, Py_ssize_t xh, Py_ssize_t k0, Py_ssize_t k1,
    Py_ssize_t p, real *patch,
) noexcept nogil:
    """patch[k - k0] = tap k of pixel p; x as above. Taps inside the image are a box, which all channels share."""
    cdef Py_ssize_t taps = s.kd * s.kh * s.kw
    cdef Py_ssize_t z = p // (s.oh * s.ow) * s.sd - s.pd, y = p // s.ow % s.oh * s.sh - s.ph
    cdef Py_ssize_t left = p % s.ow * s.sw - s.pw
    cdef Py_ssize_t first = min(first_inside(left, s.dw), s.kw), end = min(end_inside(left, s.dw, s.iw), s.kw)
    cdef Py_ssize_t i0 = min(first_inside(y, s.dh), s.kh), i1 = min(end_inside(y, s.dh, s.ih), s.kh)
    cdef Py_ssize_t a0 = min(first_inside(z, s.dd), s.kd), a1 = min(end_inside(z, s.dd, s.id), s.kd)
    cdef Py_ssize_t c, a, i, line, lo, hi
    zeros(patch, k1 - k0)
    for c in range(k0 // taps, ceil_div(k1, taps)):
        for a in range(a0, a1):
            for i in range(i0, i1):
                line = c * taps + (a * s.kh + i) * s.kw
                lo, hi = max(first, k0 - line), min(end, k1 - line)
                if lo < hi:
                    copy_run(patch + line + lo - k0,
                             x + c * xc + (z + a * s.dd) * xd + (y + i * s.dh) * xh + left + lo * s.dw, hi - lo, s.dw)


cdef inline void pack_line(
    const ConvShape *s, const real *row, Py_ssize_t o, Py_ssize_t j0, Py_ssize_t j1, real *to,
) noexcept nogil:
    """to[j - j0] = what column o of output sees through tap j, j0 <= j < j1, of a row of the image, or NULL."""
    cdef Py_ssize_t left = o * s.sw - s.pw, lo, hi
    lo = clip(first_inside(left, s.dw), j0, j1) if row != NULL else j1
    hi = clip(end_inside(left, s.dw, s.iw), lo, j1)
    zeros(to, lo - j0)
    copy_run(to + lo - j0, row + left + lo * s.dw, hi - lo, s.dw)
    zeros(to + hi - j0, j1 - hi)


cdef inline void pack_plane(
    const ConvShape *s, const real *x, Py_ssize_t xh, Py_ssize_t i, Py_ssize_t j0, Py_ssize_t j1, Py_ssize_t left,
    Py_ssize_t right, real *to, Py_ssize_t leading,
) noexcept nogil:
    """to[p * leading + j - j0] = tap (i, j) of pixel p of a plane of output, j0 <= j < j1; x is what it sees, or NULL.
    Pixels of the columns [left, right), which see all j, are copied by vectors that reach beyond these."""
    cdef Py_ssize_t offset = i * s.dh - s.ph, y, o
    cdef Py_ssize_t top = clip(first_inside(offset, s.sh), 0, s.oh)
    cdef Py_ssize_t bottom = clip(end_inside(offset, s.sh, s.ih), top, s.oh)
    cdef const real *row
    if x == NULL:
        top = bottom
    if left < right and top < bottom:
        row = x + (top * s.sh + offset) * xh + left * s.sw - s.pw
        copy_taps(sizeof(real), to + (top * s.ow + left) * leading, s.ow * leading, leading, row, s.sh * xh, s.sw,
                  bottom - top, right - left, s.kw, s.iw + s.pw - left * s.sw)
    if right - left == s.ow and bottom - top == s.oh:
        return
    for y in range(s.oh):
        row = x + (y * s.sh + offset) * xh if top <= y < bottom else <const real *> NULL
        for o in range(s.ow):
            if row == NULL or not left <= o < right:
                pack_line(s, row, o, j0, j1, to + (y * s.ow + o) * leading)


cdef inline void pack_patches(
    const ConvShape *s, const real *x, Py_ssize_t xc, Py_ssize_t xd, Py_ssize_t xh, Py_ssize_t k0, Py_ssize_t k1,
    real *patches, Py_ssize_t leading,
) noexcept nogil:
    """patches[p][k - k0] of all pixels, for at most TAPS_TOGETHER taps of a row, at dilation 1 along it.

    Up to TAPS_BEYOND elements beyond each patch are written, too.
    """
    cdef Py_ssize_t taps = s.kd * s.kh * s.kw, plane = s.oh * s.ow * leading, c, a, i, z, iz, k, j0, j1, end
    cdef Py_ssize_t left = clip(first_inside(-s.pw, s.sw), 0, s.ow)
    cdef Py_ssize_t right = clip(end_inside(s.kw - 1 - s.pw, s.sw, s.iw), left, s.ow)
    for c in range(k0 // taps, ceil_div(k1, taps)):
        k = c * taps - s.kw
        for a in range(s.kd):
            for i in range(s.kh):
                k += s.kw
                j0, j1 = max(k0 - k, 0), min(k1 - k, s.kw)
                if j0 >= j1:
                    continue
                end = right if j1 - j0 == s.kw else left
                for z in range(s.od):
                    iz = z * s.sd + a * s.dd - s.pd
                    pack_plane(s, x + c * xc + iz * xd if 0 <= iz < s.id else <const real *> NULL, xh, i, j0, j1, left,
                               end, patches + z * plane + k + j0 - k0, leading)


cdef inline void pack_rows(
    const ConvShape *s, const real *x, Py_ssize_t xd, Py_ssize_t xh, Py_ssize_t xw,
    Py_ssize_t k0, Py_ssize_t k1, Py_ssize_t p0, Py_ssize_t p1, real *panel, Py_ssize_t leading,
) noexcept nogil:
    """panel[p - p0][k - k0] = tap k of pixel p; x is a group's first channel, of unit stride along c."""
    cdef Py_ssize_t icg = s.ic // s.groups
    cdef Py_ssize_t width = s.kw * icg              # taps of one kernel row
    cdef bint merged = s.dw == 1 and xw == icg      # neighbouring taps are neighbours in memory
    cdef Py_ssize_t run = width if merged else icg
    cdef Py_ssize_t p, y, o, z, k, line, a, i, j, end, iz, iy, ix, lo, hi
    cdef real *to
    cdef const real *row
    for p in range(p0, p1):
        y = p // s.ow
        o = p - y * s.ow
        z = y // s.oh
        y -= z * s.oh
        to = panel + (p - p0) * leading
        k = k0
        while k < k1:
            line = k // width
            a = line // s.kh
            i = line - a * s.kh
            j = (k - line * width) // run
            end = min(line * width + (j + 1) * run, k1)
            iz = z * s.sd + a * s.dd - s.pd
            iy = y * s.sh + i * s.dh - s.ph
            ix = o * s.sw + j * s.dw - s.pw
            if 0 <= iz < s.id and 0 <= iy < s.ih:
                # elements [lo, hi) of this run lie inside the row; a run of one tap is inside or outside as a whole
                lo = clip(line * width + j * run + max(-ix, 0) * icg, k, end)
                hi = clip(line * width + j * run + max(s.iw - ix, 0) * icg, lo, end)
                row = x + iz * xd + iy * xh + ix * xw - (line * width + j * run)
                zeros(to, lo - k)
                copy_run(to + lo - k, row + lo, hi - lo, 1)
                zeros(to + hi - k, end - hi)
            else:
                zeros(to, end - k)
            to += end - k
            k = end
