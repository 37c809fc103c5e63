"""The transforms of input and output over the blocks and panels that `winograd.pxd` describes.

Memory order matters here only: channels become lanes on the way in, channels-first images by transposed squares, and
pixels on the way out. What lies outside the image is read as zeros and never written.
"""

from libc.string cimport memcpy, memset

from fastconv._kernels.pack cimport ceil_div, clip, copy_elements
from fastconv._kernels.shape cimport real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.turn cimport pixels_of, turn_block
from fastconv._kernels.winograd cimport (
    MOST_VECTORS,
    POINTS,
    RUN,
    Panel,
    Run,
    Task,
    fetch_near,
    fetch_to_write,
    first_output,
    rule_along,
    run_at,
    strip_columns,
    winograd_across,
    winograd_down,
    winograd_output,
)
from fastconv._kernels.winograd_panels cimport some_of
from fastconv._kernels.winograd_rules cimport winograd_outputs, winograd_points
from fastconv._kernels.winograd_runs cimport Part


cdef inline void transform_tiles(
    const Task *t, int rule_h, int rule_w, Py_ssize_t lines, Py_ssize_t first, Py_ssize_t end, Py_ssize_t near,
    const real *strip, Py_ssize_t cols, real *v,
) noexcept nogil:
    """Tiles [first, end) of a run, all of one rule, from the columns of its strip."""
    cdef Py_ssize_t apart = t.mw * near * lanes_of(sizeof(real))       # where it matters classes take no turns
    if first < end:
        winograd_across(sizeof(real), rule_h, rule_w, lines, end - first, t.parts.w.every, near,
                        strip + first * apart, cols, v + first * t.kc, t.v_point, t.kc)


cdef inline void transform_across(
    const Task *t, Run r, Py_ssize_t lines, Py_ssize_t near, const real *strip, Py_ssize_t cols, real *v,
) noexcept nogil:
    """So many lines of points of all tiles of a run."""
    transform_tiles(t, r.rule_h, t.head_w, lines, 0, r.first, near, strip, cols, v)
    transform_tiles(t, r.rule_h, r.rule_w, lines, r.first, r.end, near, strip, cols, v)
    transform_tiles(t, r.rule_h, t.tail_w, lines, r.end, r.count, near, strip, cols, v)


cdef inline void transform_run(
    const Task *t, const real *x, Run r, Py_ssize_t c0, Py_ssize_t c1, real *v, real *strip, real *raw,
) noexcept nogil:
    """Channels [c0, c1) of the tiles of one run; x starts at the group, v at the run's first tile of a chunk."""
    cdef Py_ssize_t vector = lanes_of(sizeof(real)), nh = winograd_points(r.rule_h)
    cdef Py_ssize_t cols = strip_columns(t, r.count, winograd_points(r.rule_w)), x0 = r.tx * t.mw * t.s.sw - t.s.pw
    cdef Py_ssize_t y0 = first_output(r.ty, t.mh, t.parts.h.every) * t.s.sh - t.s.ph
    cdef Py_ssize_t lo = clip(-x0, 0, cols), hi = clip(t.s.iw - x0, lo, cols), plane, run, a, i, c, y, col, iz, count
    cdef Py_ssize_t group, k, seen
    cdef const Part *part
    cdef const real *row
    cdef const real *ahead
    cdef const void *rows[POINTS]
    cdef Py_ssize_t step[POINTS]
    cdef real zeros[16]
    memset(zeros, 0, sizeof(zeros))
    x += r.image * t.xn + x0 * t.xw
    for a in range(t.s.kd * t.parts.h.runs):
        plane = a // t.parts.h.runs
        run = a - plane * t.parts.h.runs
        seen = nh - (run >= t.parts.h.longs)        # rows: infinity is not that of a short run
        run = t.parts.h.start[run]
        iz = r.z * t.s.sd + plane * t.s.dd - t.s.pd
        c = c0
        while c < c1:
            count = min(vector, t.icg - c)
            for i in range(nh):
                rows[i] = zeros
                step[i] = 0
                y = y0 + run * t.s.dh + i * t.parts.h.step
                if i < seen and 0 <= iz < t.s.id and 0 <= y < t.s.ih and lo < hi:
                    row = x + c * t.xc + iz * t.xd + y * t.xh
                    if not t.last and i >= nh - t.mh:
                        ahead = row + lo * t.xw
                        ahead += vector * t.xc if c + vector < t.icg else RUN * t.mw * t.xw - c * t.xc
                        for col in range(vector):
                            fetch_near(ahead + col * t.xc, (hi - lo) * sizeof(real))
                    rows[i] = pixels_of(row, t.xw, t.xc, t.last, count, cols, lo, hi, raw + i * cols * vector, &step[i])
            winograd_down(sizeof(real), r.rule_h, cols, lo, hi, rows, step, strip)
            group = min(t.group, t.icg - c // t.group * t.group)
            for i in range(t.parts.count):
                part = &t.parts.part[i]
                if part.plane == plane and part.h == run:
                    k = c // t.group * t.block * t.kc + i * group + c % t.group
                    transform_across(
                        t, r, seen, t.s.sw, <const real *> strip + part.w * t.s.dw * vector, cols, v + k)
            c += vector


cdef struct Lane:                   # the pixels that one part of the kernel sees of one channel
    Py_ssize_t row, lo, hi          # the first row; columns inside the image
    Py_ssize_t offset               # of the first pixel, inside the image or not


cdef inline Lane lane_at(const Task *t, Run r, Py_ssize_t k, Py_ssize_t cols) noexcept nogil:
    cdef Lane lane
    cdef const Part *part = &t.parts.part[k // t.icg]
    cdef Py_ssize_t iz = r.z * t.s.sd + part.plane * t.s.dd - t.s.pd, x0
    lane.row = first_output(r.ty, t.mh, t.parts.h.every) * t.s.sh + part.h * t.s.dh - t.s.ph
    x0 = r.tx * t.mw * t.s.sw + part.w * t.s.dw - t.s.pw
    lane.lo = clip(ceil_div(-min(x0, <Py_ssize_t> 0), t.near), 0, cols)
    lane.hi = clip(ceil_div(max(t.s.iw - x0, <Py_ssize_t> 0), t.near), lane.lo, cols)
    if not 0 <= iz < t.s.id:
        lane.lo = lane.hi
    lane.offset = k % t.icg * t.xc + iz * t.xd + lane.row * t.xh + x0 * t.xw
    return lane


cdef inline void transform_packed_run(
    const Task *t, const real *x, Run r, real *v, real *strip, real *raw,
) noexcept nogil:
    """All of the tiles of one run where lanes are the channels of all parts: rows of lanes, then turned."""
    cdef Py_ssize_t vector = lanes_of(sizeof(real)), nh = winograd_points(r.rule_h), k = 0, i, j, y
    cdef Py_ssize_t cols = strip_columns(t, r.count, winograd_points(r.rule_w)), near = t.near * t.xw
    cdef real *row
    cdef real *turned
    cdef const void *rows[POINTS]
    cdef Py_ssize_t step[POINTS]
    cdef Lane lanes[16]
    cdef const Lane *lane
    x += r.image * t.xn
    while k < t.depth:
        for j in range(min(vector, t.depth - k)):
            lanes[j] = lane_at(t, r, k + j, cols)
        turned = raw + cols * vector
        memset(raw, 0, cols * vector * sizeof(real))
        for i in range(nh):
            for j in range(min(vector, t.depth - k)):
                lane = &lanes[j]
                row = raw + j * cols
                y = lane.row + i * t.parts.h.step
                if 0 <= y < t.s.ih:
                    memset(row, 0, lane.lo * sizeof(real))
                    copy_elements(sizeof(real), row + lane.lo,
                                  x + lane.offset + i * t.parts.h.step * t.xh + lane.lo * near, lane.hi - lane.lo, near)
                    memset(row + lane.hi, 0, (cols - lane.hi) * sizeof(real))
                else:
                    memset(row, 0, cols * sizeof(real))
            turn_block(sizeof(real), vector, cols, raw, cols, turned, vector)
            rows[i] = turned
            step[i] = vector
            turned += cols * vector
        winograd_down(sizeof(real), r.rule_h, cols, 0, cols, rows, step, strip)
        transform_across(t, r, nh, 1, <const real *> strip, cols, v + k)
        k += vector


cdef inline void transform_input(
    const Task *t, const real *x, Py_ssize_t g, Py_ssize_t b, Py_ssize_t c0, Py_ssize_t c1, real *v, real *strips,
) noexcept nogil:
    """Channels [c0, c1) of group `g` of block `b` of V."""
    cdef Py_ssize_t first = b * t.block, end = min(first + t.block, t.tiles), i = first
    cdef Run r
    while i < end:
        r = run_at(t, i, end)
        if t.packed:
            transform_packed_run(t, x + g * t.icg * t.xc, r, v + (i - first) * t.kc, strips, strips + t.strip)
        else:
            transform_run(t, x + g * t.icg * t.xc, r, c0, c1, v + (i - first) * t.kc, strips, strips + t.strip)
        i += r.count


cdef inline void transform_output(
    const Task *t, const real *m, const real *bias, real *out, Py_ssize_t b, Py_ssize_t g, const Panel *p,
    real *strip,
) noexcept nogil:
    """The outputs of block `b` from its products with `p` of group `g`."""
    cdef Py_ssize_t i = 0
    cdef Panel some
    while i < p.vectors:
        some = some_of(t, p, i, sizeof(real))
        output_some(t, m + i * lanes_of(sizeof(real)), p.vectors * lanes_of(sizeof(real)), bias, out, b,
                    g * t.ocg + some.phase * t.each + some.first, some.count, strip)
        i += some.vectors


cdef inline void output_some(
    const Task *t, const real *m, Py_ssize_t tile, const real *bias, real *out, Py_ssize_t b, Py_ssize_t o,
    Py_ssize_t count, real *strip,
) noexcept nogil:
    """The same of few channels: `count` from `o` on, tiles of M `tile` apart; bias and out start at the first."""
    cdef Py_ssize_t width = MOST_VECTORS * lanes_of(sizeof(real)), vectors = ceil_div(count, lanes_of(sizeof(real)))
    cdef Py_ssize_t first = b * t.block, end = min(first + t.block, t.tiles), i = first
    cdef Py_ssize_t j, y, x, y0, row, pixel, lines, cols, mh, mw, every = t.parts.w.every
    cdef Py_ssize_t plane = t.s.oh * t.s.ow, pixels = t.s.od * plane, line = t.parts.h.every * t.s.ow
    cdef bint in_place
    cdef real biases[32]
    cdef real *to
    cdef real *target
    cdef Run r
    memset(biases, 0, sizeof(biases))
    if bias != NULL:
        memcpy(biases, bias + o, count * sizeof(real))
    while i < end:
        r = run_at(t, i, end)
        mh = winograd_outputs(r.rule_h)
        mw = winograd_outputs(r.rule_w)
        y0 = first_output(r.ty, t.mh, t.parts.h.every)
        lines = clip(ceil_div(t.s.oh - y0, t.parts.h.every), 0, mh) if y0 < t.s.oh else 0
        cols = min(mw * r.count, t.s.ow - r.tx * t.mw)
        x = r.z * plane + y0 * t.s.ow + r.tx * t.mw
        if t.last:
            target = out + (r.image * pixels + x) * t.s.oc + o
        else:
            target = out + (r.image * t.s.oc + o) * pixels + x
        in_place = t.last and count == vectors * lanes_of(sizeof(real)) and lines == mh and cols == mw * r.count
        row, pixel = mw * r.count * width, width
        to = strip
        if in_place:
            row, pixel = line * t.s.oc, t.s.oc
            to = target
        elif not t.last:                    # rows of different channels lie pages apart
            for x in range(count):
                for y in range(lines):
                    fetch_to_write(target + x * pixels + y * line, cols * sizeof(real))
        for j in range(r.count):
            winograd_output(
                sizeof(real), r.rule_h, rule_along(t, &r, j), vectors, m + (i - first + j) * tile, t.m_point, biases,
                t.clamp, t.lo, t.hi, to + first_output(j, mw, every) * pixel, row, every * pixel)
        if not in_place:
            for y in range(lines):
                if t.last:
                    for x in range(cols):
                        memcpy(target + (y * line + x) * t.s.oc, strip + y * row + x * width, count * sizeof(real))
                else:
                    turn_block(sizeof(real), cols, count, strip + y * row, width, target + y * line, pixels)
        i += r.count
