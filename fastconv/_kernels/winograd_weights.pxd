"""The transform of weights, as `winograd.pxd` divides it: turned in registers from where they lie, then to points."""

from fastconv._kernels.shape cimport real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.turn cimport clear_beside, turn_block
from fastconv._kernels.winograd cimport MOST_VECTORS, Panel, Task, fetch_near
from fastconv._kernels.winograd_panels cimport some_of
from fastconv._kernels.winograd_rules cimport ONE
from fastconv._kernels.winograd_runs cimport Part

cdef extern from "winograd_weights.h" nogil:
    void winograd_weight(size_t size, int rule_h, int rule_w, Py_ssize_t channels, Py_ssize_t vectors,
                         const void *taps, Py_ssize_t channel, Py_ssize_t row, Py_ssize_t col, Py_ssize_t high,
                         Py_ssize_t wide, void *to, Py_ssize_t width, Py_ssize_t point)

cdef enum:
    FEW_CHANNELS = 4    # of weights that are transformed while the next ones' lines come


cdef inline void turn_weights(
    const Task *t, const real *w, Py_ssize_t count, Py_ssize_t some, real *turned, Py_ssize_t width,
) noexcept nogil:
    """turned[channel][tap][lane] of `some` channels from w on, and `count` lanes of `width`; taps of all phases."""
    cdef Py_ssize_t taps = t.whole, row = t.each * taps, c
    clear_beside(count, some * taps, width, turned)
    if not t.swapped:
        turn_block(sizeof(real), count, some * taps, w, t.icg * taps, turned, width)
        return
    for c in range(some):
        if not t.few:                   # of which each tile asks for what comes next
            fetch_near(w + (some + c) * row, count * taps * sizeof(real))
        turn_block(sizeof(real), count, taps, w + c * row, taps, turned + (c * taps + taps - 1) * width, -width)


cdef inline void transform_weight(
    const Task *t, const real *w, real *panel, real *turned, Py_ssize_t g, const Panel *p, Py_ssize_t first,
    Py_ssize_t end,
) noexcept nogil:
    """Chunks [first, end) of `p` of group `g` of U, whose rows are written as a whole."""
    w += g * t.each * t.icg * t.whole
    if t.phases == 1:                   # a width known when it is compiled
        transform_panel(t, w, panel, turned, MOST_VECTORS * lanes_of(sizeof(real)), p, first, end)
    else:
        transform_panel(t, w, panel, turned, lanes_of(sizeof(real)), p, first, end)


cdef inline void transform_panel(
    const Task *t, const real *w, real *panel, real *turned, Py_ssize_t width, const Panel *p, Py_ssize_t first,
    Py_ssize_t end,
) noexcept nogil:
    """A vector of channels at a time, turned to rows `width` apart."""
    cdef Py_ssize_t vector = lanes_of(sizeof(real)), chunk, c0, i, v, group, k, channels
    cdef Py_ssize_t channel = t.each * t.whole if t.swapped else t.whole
    cdef Py_ssize_t output = t.whole if t.swapped else t.icg * t.whole
    cdef Panel some
    for chunk in range(first, end):
        group = min(t.group, t.icg - chunk * t.group)
        i = 0
        while i < group:
            c0 = chunk * t.group + i
            k = (chunk - first) * t.u_kc + i
            channels = min(vector, group - i)
            v = 0
            while v < p.vectors:
                some = some_of(t, p, v, sizeof(real))
                if v == 0 or some.phase == 0:
                    turn_weights(t, w + some.first * output + c0 * channel, some.count, channels, turned, width)
                transform_some(t, w, panel + some.offset + k * t.width, turned, width, &some, c0, channels, group)
                v += some.vectors
            i += vector


cdef inline void transform_some(
    const Task *t, const real *w, real *panel, const real *turned, Py_ssize_t width, const Panel *p, Py_ssize_t c0,
    Py_ssize_t channels, Py_ssize_t group,
) noexcept nogil:
    """Channels from `c0` on, turned to rows `width` apart, to `panel`, a chunk of `group` for each part of the kernel.
    """
    cdef Py_ssize_t vector = lanes_of(sizeof(real)), c, few, a
    cdef Py_ssize_t taps = t.whole, whole = t.icg * taps, each = vector * taps
    cdef Py_ssize_t asked = 0 if t.swapped else width
    cdef const Part *part
    cdef const real *ahead = w + p.first * whole        # of this panel or the next
    ahead += c0 * taps + each if c0 + vector < t.icg else t.width * whole
    turned += t.first[p.phase] * width
    c = 0
    while c < channels:
        few = channels if t.swapped else min(FEW_CHANNELS, channels - c)
        for a in range(c * asked // vector, (c + few) * asked // vector):   # pages apart: the hardware does not foresee
            fetch_near(ahead + a * whole, each * sizeof(real))              # so many rows
        for a in range(t.parts.count):
            part = &t.parts.part[a]
            winograd_weight(
                sizeof(real), t.rule_h if part.points_h > 1 else ONE, t.rule_w if part.points_w > 1 else ONE, few,
                p.vectors,
                turned + (c * taps + part.plane * t.tap_d + part.h * t.tap_h + part.w * t.tap_w) * width, taps * width,
                t.parts.h.jump * t.tap_h * width, t.parts.w.jump * t.tap_w * width, part.taps_h, part.taps_w,
                panel + part.matrix * t.u_point + ((0 if t.alone else a * group) + c) * t.width, t.width, t.u_point)
        c += few
