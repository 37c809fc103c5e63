"""The transforms of Winograd convolution over the blocks and panels that `winograd.pxd` describes.

Memory order matters here only: channels become lanes on the way in, channels-first images by transposed squares, and
pixels on the way out. What lies outside the image is read as zeros and never written.
"""

from libc.string cimport memcpy, memset

from fastconv._kernels.pack cimport ceil_div, clip
from fastconv._kernels.shape cimport real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.turn cimport turn_block
from fastconv._kernels.winograd cimport (
    POINTS,
    RUN,
    Run,
    Task,
    fetch_near,
    fetch_to_write,
    run_at,
    winograd_across,
    winograd_down,
    winograd_output,
    winograd_outputs,
    winograd_points,
    winograd_weight,
    winograd_width,
)


cdef inline void transform_weight(
    const Task *t, const real *w, real *panel, real *turned, Py_ssize_t g, Py_ssize_t p, Py_ssize_t k0, Py_ssize_t k1,
) noexcept nogil:
    """Depth [k0, k1) of panel `p` of group `g` of U, a vector of channels at a time; zeros where there are none."""
    cdef Py_ssize_t width = winograd_width(sizeof(real)), vector = lanes_of(sizeof(real)), taps = t.rh * t.rw
    cdef Py_ssize_t whole = t.icg * t.s.kd * taps, o = p * width, count = min(width, t.ocg - o), i, c, c0, some, a, k
    cdef Py_ssize_t part = vector * t.s.kd * taps
    cdef const real *ahead
    w += (g * t.ocg + o) * whole
    for i in range((k1 - k0) // t.unit):
        k = k0 + i * t.unit
        c0 = k // t.s.kd
        some = min(vector, t.icg - c0)
        if count < width or some < vector:
            memset(turned, 0, t.unit * taps * width * sizeof(real))
        turn_block(sizeof(real), count, some * t.s.kd * taps, w + c0 * t.s.kd * taps, whole, turned, width)
        ahead = w + (c0 * t.s.kd * taps + part if c0 + vector < t.icg else width * whole)   # of this panel or the next
        for c in range(vector):
            for a in range(c * width // vector, (c + 1) * width // vector):     # pages apart: the hardware does not
                fetch_near(ahead + a * whole, part * sizeof(real))              # foresee so many rows
            for a in range(t.s.kd):
                winograd_weight(
                    sizeof(real), t.rule_h, t.rule_w, width // vector, turned + (c * t.s.kd + a) * taps * width,
                    panel + (k - k0 + a * vector + c) * width, t.u_point)


cdef inline void transform_run(
    const Task *t, const real *x, Run r, Py_ssize_t c0, Py_ssize_t c1, real *v, real *strip, real *raw,
) noexcept nogil:
    """Channels [c0, c1) of the tiles of one run; x starts at the group, v at the run's first tile of a chunk."""
    cdef Py_ssize_t vector = lanes_of(sizeof(real)), nh = winograd_points(r.rule_h)
    cdef Py_ssize_t cols = t.mw * (r.count - 1) + winograd_points(r.rule_w)
    cdef Py_ssize_t x0 = r.tx * t.mw - t.s.pw, y0 = r.ty * t.mh - t.s.ph
    cdef Py_ssize_t lo = clip(-x0, 0, cols), hi = clip(t.s.iw - x0, lo, cols)
    cdef Py_ssize_t a, c, i, k, col, iz, count
    cdef bint in_place, inside
    cdef const real *row
    cdef const real *ahead
    cdef const void *rows[POINTS]
    cdef Py_ssize_t step[POINTS]
    cdef real zeros[16]
    memset(zeros, 0, sizeof(zeros))
    x += r.image * t.xn + x0 * t.xw
    for a in range(t.s.kd):
        iz = r.z * t.s.sd + a * t.s.dd - t.s.pd
        c = c0
        while c < c1:
            count = min(vector, t.icg - c)
            in_place = t.last and count == vector
            for i in range(nh):
                inside = 0 <= iz < t.s.id and 0 <= y0 + i < t.s.ih and lo < hi
                rows[i] = zeros
                step[i] = 0
                if inside:
                    row = x + c * t.xc + iz * t.xd + (y0 + i) * t.xh
                    if not t.last and i >= nh - t.mh:
                        ahead = row + lo * t.xw
                        ahead += vector * t.xc if c + vector < t.icg else RUN * t.mw * t.xw - c * t.xc
                        for col in range(vector):
                            fetch_near(ahead + col * t.xc, (hi - lo) * sizeof(real))
                    rows[i] = row
                    step[i] = t.xw
                    if not in_place:
                        rows[i] = raw + i * cols * vector
                        step[i] = vector
                        if count < vector:
                            memset(raw + i * cols * vector, 0, cols * vector * sizeof(real))
                        if t.last:
                            for col in range(lo, hi):
                                memcpy(raw + (i * cols + col) * vector, row + col * t.xw, count * sizeof(real))
                        else:
                            turn_block(sizeof(real), count, hi - lo, row + lo * t.xw, t.xc,
                                       raw + (i * cols + lo) * vector, vector)
            winograd_down(sizeof(real), r.rule_h, cols, lo, hi, rows, step, strip)
            k = c * t.s.kd + a * vector
            winograd_across(sizeof(real), r.rule_h, r.rule_w, r.count, strip, cols,
                            v + k // t.kc * t.block * t.kc + k % t.kc, t.v_point, t.kc)
            c += vector


cdef inline void transform_input(
    const Task *t, const real *x, Py_ssize_t g, Py_ssize_t b, Py_ssize_t c0, Py_ssize_t c1, real *v, real *strips,
) noexcept nogil:
    """Channels [c0, c1) of group `g` of block `b` of V."""
    cdef Py_ssize_t first = b * t.block, end = min(first + t.block, t.tiles), i = first
    cdef inline Run r
    while i < end:
        r = run_at(t, i, end)
        transform_run(t, x + g * t.icg * t.xc, r, c0, c1, v + (i - first) * t.kc, strips, strips + t.strip)
        i += r.count


cdef inline void transform_output(
    const Task *t, const real *m, const real *bias, real *out, Py_ssize_t b, Py_ssize_t o, Py_ssize_t count,
    real *strip,
) noexcept nogil:
    """The outputs of block `b` from its products: `count` channels from `o` on; bias, out start at the first."""
    cdef Py_ssize_t width = winograd_width(sizeof(real)), vectors = ceil_div(count, lanes_of(sizeof(real)))
    cdef Py_ssize_t first = b * t.block, end = min(first + t.block, t.tiles), i = first
    cdef Py_ssize_t j, y, x, row, pixel, lines, cols, mh, mw
    cdef Py_ssize_t plane = t.s.oh * t.s.ow, pixels = t.s.od * plane
    cdef bint in_place
    cdef real biases[32]
    cdef real *to
    cdef real *target
    cdef inline Run r
    memset(biases, 0, sizeof(biases))
    if bias != NULL:
        memcpy(biases, bias + o, count * sizeof(real))
    while i < end:
        r = run_at(t, i, end)
        mh = winograd_outputs(r.rule_h)
        mw = winograd_outputs(r.rule_w)
        lines = min(mh, t.s.oh - r.ty * t.mh)
        cols = min(mw * r.count, t.s.ow - r.tx * t.mw)
        x = r.z * plane + r.ty * t.mh * t.s.ow + r.tx * t.mw
        if t.last:
            target = out + (r.image * pixels + x) * t.s.oc + o
        else:
            target = out + (r.image * t.s.oc + o) * pixels + x
        in_place = t.last and count == vectors * lanes_of(sizeof(real)) and lines == mh and cols == mw * r.count
        row, pixel = mw * r.count * width, width
        to = strip
        if in_place:
            row, pixel = t.s.ow * t.s.oc, t.s.oc
            to = target
        elif not t.last:                    # rows of different channels lie pages apart
            for x in range(count):
                for y in range(lines):
                    fetch_to_write(target + x * pixels + y * t.s.ow, cols * sizeof(real))
        for j in range(r.count):
            winograd_output(
                sizeof(real), r.rule_h, r.rule_w, vectors, m + (i - first + j) * width, t.m_point, biases,
                t.clamp, t.lo, t.hi, to + j * mw * pixel, row, pixel)
        if not in_place:
            for y in range(lines):
                if t.last:
                    for x in range(cols):
                        memcpy(target + (y * t.s.ow + x) * t.s.oc, strip + y * row + x * width, count * sizeof(real))
                else:
                    turn_block(sizeof(real), cols, count, strip + y * row, width, target + y * t.s.ow, pixels)
        i += r.count
