"""Blocks of an image for `fourier.pyx`: what windows see of it, between zeros, and outputs put in their place.

Along each axis block b gives outputs [b * step, (b + 1) * step) and sees `block` elements of the image's phase p:

    element j of the block = element  r + stride * (b * step + j) - before  of the image, where windows reach it

r being what tap p is beyond a multiple of the stride.

    plane   one row for each element along the first two axes         [ . . . . w . . . . ]
    line    the one axis that is transformed, row after row           [ 0 1 2 .. ][ w w+1 .. ][ 2w .. ]
"""

from libc.math cimport fabs

from fastconv._kernels.fourier cimport fourier, row_sum
from fastconv._kernels.pack cimport ceil_div, end_inside, first_inside
from fastconv._kernels.shape cimport real


cdef enum:
    LEVEL_PERCENT = 75      # of the mean; with all of it taken off, corners err more: asv_bench/accuracy.py --limits


cdef struct Axis:
    Py_ssize_t source                   # the axis of images and weights: 2 d, 3 h, 4 w
    Py_ssize_t size, outputs, taps, stride, dilation, before    # as of a `ConvGeometry`
    Py_ssize_t phases                   # of the stride that hold taps; phase p holds taps p, p + phases, ...
    Py_ssize_t span                     # taps of a phase, dilation's zeros among them
    Py_ssize_t block, step, blocks      # elements of a block, outputs that it gives, and how many there are
    Py_ssize_t xs, os                   # strides of input and output, in elements


cdef struct Task:
    Py_ssize_t icg, ocg, groups
    bint line                           # one axis is transformed, and its blocks are laid out row after row
    bint two_outputs                    # the parts of a complex number are two outputs, not two blocks
    Py_ssize_t d, h, w                  # extents of a block's array
    Axis axis[3]                        # the last is transformed, and those before it as far as their blocks are wider
    Py_ssize_t phases, channels         # of all axes; of a group's input, each phase being one
    Py_ssize_t blocks                   # of an image
    Py_ssize_t units, kernels           # that are transformed: of an image, and of a group
    Py_ssize_t ld, plane, points        # distance of rows and of planes; elements of a block
    Py_ssize_t n, xn, xc, on, oc        # images, strides in elements
    fourier transform[3]
    const void *twist
    bint clamp
    double lo, hi


cdef struct Seen:
    Py_ssize_t begin, end               # elements of a block that are elements of the image
    Py_ssize_t offset                   # of the image's element that would be number 0, in memory


cdef inline Seen seen(const Axis *a, Py_ssize_t phase, Py_ssize_t b) noexcept nogil:
    cdef Seen s
    cdef Py_ssize_t start = b * a.step, first = phase * a.dilation % a.stride + a.stride * start - a.before
    cdef Py_ssize_t last = (a.taps - 1 - phase) // a.phases * a.phases + phase      # tap of the phase
    s.begin = max(first_inside(first, a.stride), phase * a.dilation // a.stride)
    s.end = min(end_inside(first, a.stride, a.size), a.block)
    s.end = max(min(s.end, a.outputs - start + last * a.dilation // a.stride), s.begin)
    s.offset = first * a.xs
    return s


cdef inline void fill(real *to, Py_ssize_t n, const real *x, Py_ssize_t step, Py_ssize_t begin, Py_ssize_t end,
                      real level) noexcept nogil:
    """to[j] = x[j * step] - level for begin <= j < end, of n elements; those beside are zeros, less the level."""
    cdef Py_ssize_t j
    begin = min(max(begin, 0), n)
    end = min(max(end, begin), n)
    for j in range(begin):
        to[j] = -level
    if step == 1:
        for j in range(begin, end):
            to[j] = x[j] - level
    else:
        for j in range(begin, end):
            to[j] = x[j * step] - level
    for j in range(end, n):
        to[j] = -level


cdef inline real stage(const Task *t, const real *x, Py_ssize_t phase, Py_ssize_t b, real *to) noexcept nogil:
    """What block `b` sees of a phase of the channel that starts at `x`, less its level, most of its mean."""
    cdef const Axis *a = &t.axis[0]
    cdef Seen d, h, w
    cdef Py_ssize_t i, j, row, steps = t.axis[2].xs * t.axis[2].stride
    cdef real level
    cdef double total = 0
    cdef bint inside
    w = seen(a + 2, phase % a[2].phases, b % a[2].blocks)
    h = seen(a + 1, phase // a[2].phases % a[1].phases, b // a[2].blocks % a[1].blocks)
    d = seen(a, phase // a[2].phases // a[1].phases, b // a[2].blocks // a[1].blocks)
    x += d.offset + h.offset + w.offset
    for i in range(d.begin, d.end):
        for j in range(h.begin, h.end):
            total += row_sum(sizeof(real), w.end - w.begin,
                             x + i * a[0].xs * a[0].stride + j * a[1].xs * a[1].stride + w.begin * steps, steps)
    level = <real> (total * LEVEL_PERCENT / (100 * t.points))
    if t.line:
        inside = d.end > d.begin and h.end > h.begin
        for row in range(t.h):
            fill(to + row * t.ld, t.w, x + row * t.w * steps, steps, w.begin - row * t.w,
                 w.end - row * t.w if inside else 0, level)
        return level
    for i in range(t.d):
        for j in range(t.h):
            inside = d.begin <= i < d.end and h.begin <= j < h.end
            fill(to + i * t.plane + j * t.ld, t.w, x + i * a[0].xs * a[0].stride + j * a[1].xs * a[1].stride, steps,
                 w.begin, w.end if inside else 0, level)
    return level


cdef inline double sum_of_taps(const real *w, Py_ssize_t n, bint magnitudes) noexcept nogil:
    """Of the taps, or of their magnitudes. Four sums at a time, which the processor adds up side by side."""
    cdef double[4] part
    cdef Py_ssize_t i, j
    part[0] = part[1] = part[2] = part[3] = 0
    for i in range(n // 4):
        for j in range(4):
            part[j] += fabs(w[4 * i + j]) if magnitudes else w[4 * i + j]
    for i in range(n - n % 4, n):
        part[0] += fabs(w[i]) if magnitudes else w[i]
    return (part[0] + part[1]) + (part[2] + part[3])


cdef inline double stage_weight(const Task *t, const real *w, Py_ssize_t phase, double scale,
                                real *to) noexcept nogil:
    """The taps of a phase of the kernel at `w` times `scale`, among zeros; returns their sum."""
    cdef const Axis *a = &t.axis[0]
    cdef Py_ssize_t i, j, k, e, ii, jj, apart, _
    cdef Py_ssize_t[3] step, from_tap
    cdef double total = 0
    cdef real factor = <real> scale
    cdef bint whole = a[0].phases == a[1].phases == a[2].phases == 1
    cdef const real *taps
    cdef real *row
    from_tap[2] = phase % a[2].phases
    from_tap[1] = phase // a[2].phases % a[1].phases
    from_tap[0] = phase // a[2].phases // a[1].phases
    for i in range(3):      # distance of taps along the axis in (kd, kh, kw) memory
        step[i] = 1
        for j in range(3):
            step[i] *= a[j].taps if a[j].source > a[i].source else 1
    apart = a[2].phases * a[2].dilation // a[2].stride      # of taps of a phase
    if whole:
        total = sum_of_taps(w, a[0].taps * a[1].taps * a[2].taps, False)
    for ii in range(ceil_div(a[0].taps - from_tap[0], a[0].phases)):
        i = from_tap[0] + ii * a[0].phases
        for jj in range(ceil_div(a[1].taps - from_tap[1], a[1].phases)):
            j = from_tap[1] + jj * a[1].phases
            taps = w + i * step[0] + j * step[1]
            row = to + i * a[0].dilation // a[0].stride * t.plane + j * a[1].dilation // a[1].stride * t.ld
            if whole and a[2].dilation == a[2].stride == step[2] == 1:
                for k in range(ceil_div(a[2].taps, t.w)):
                    for e in range(min(t.w, a[2].taps - k * t.w)):
                        row[e] = taps[e] * factor
                    taps += t.w
                    row += t.ld
                continue
            taps += from_tap[2] * step[2]
            e = from_tap[2] * a[2].dilation // a[2].stride
            for _ in range(ceil_div(a[2].taps - from_tap[2], a[2].phases)):
                while e >= t.w:         # of a line, which goes on in the next row
                    e -= t.w
                    row += t.ld
                total += 0 if whole else taps[0]
                row[e] = taps[0] * factor
                e += apart
                taps += a[2].phases * step[2]
    return total * scale


cdef inline void put(const Task *t, const real *y, real *to, Py_ssize_t n, real scale, real rest, real lift,
                     real bias) noexcept nogil:
    """to[j] = y[j] * scale and what the level adds, which is `lift` and `rest`, and bias, clamped; NaN stays."""
    cdef Py_ssize_t j, step = t.axis[2].os
    cdef real v, lo = <real> t.lo, hi = <real> t.hi
    if step == 1 and not t.clamp:
        for j in range(n):
            to[j] = y[j] * scale + rest + lift + bias
        return
    for j in range(n):
        v = y[j] * scale + rest + lift + bias
        if t.clamp:
            v = lo if v < lo else v
            v = hi if v > hi else v
        to[j * step] = v


cdef inline void store(const Task *t, const real *y, Py_ssize_t b, real scale, double lifted, real bias,
                       real *to) noexcept nogil:
    """The outputs of block `b` in the channel that starts at `to`; `lifted` is what the level adds to each."""
    cdef const Axis *a = &t.axis[0]
    cdef Py_ssize_t bw = b % a[2].blocks, bh = b // a[2].blocks % a[1].blocks, bd = b // a[2].blocks // a[1].blocks
    cdef Py_ssize_t nd = min(a[0].step, a[0].outputs - bd * a[0].step)
    cdef Py_ssize_t nh = min(a[1].step, a[1].outputs - bh * a[1].step)
    cdef Py_ssize_t nw = min(a[2].step, a[2].outputs - bw * a[2].step), i, j
    cdef real lift = <real> lifted, rest = <real> (lifted - lift)
    to += bd * a[0].step * a[0].os + bh * a[1].step * a[1].os + bw * a[2].step * a[2].os
    if t.line:
        for j in range(ceil_div(nw, t.w)):
            put(t, y + j * t.ld, to + j * t.w * a[2].os, min(t.w, nw - j * t.w), scale, rest, lift, bias)
        return
    for i in range(nd):
        for j in range(nh):
            put(t, y + i * t.plane + j * t.ld, to + i * a[0].os + j * a[1].os, nw, scale, rest, lift, bias)
