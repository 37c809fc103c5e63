"""Products of few tiles: each vector of weights is turned, then transformed in registers as it is multiplied."""

from fastconv._kernels.scratch cimport LINE
from fastconv._kernels.shape cimport real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.turn cimport clear_beside
from fastconv._kernels.winograd cimport Panel, Task, winograd_few
from fastconv._kernels.winograd_transforms cimport turn_weights


cdef inline void multiply_few(
    const Task *t, const real *v, const real *w, real *m, const Panel *p, Py_ssize_t g, Py_ssize_t first,
    Py_ssize_t end, real *turned,
) noexcept nogil:
    """M = V . U for each point, over chunks [first, end) of the depth of group `g`; M += from the second on."""
    cdef Py_ssize_t vector = lanes_of(sizeof(real)), taps = t.s.kh * t.s.kw, whole = t.icg * taps
    cdef Py_ssize_t chunk, i, group, lanes
    cdef Py_ssize_t channel = t.ocg * taps if t.swapped else taps, output = taps if t.swapped else whole
    cdef const real *source
    cdef const real *ahead
    w += g * t.ocg * whole
    for chunk in range(first, end):
        group = min(t.group, t.icg - chunk * t.group)
        for i in range(p.vectors):
            source = w + chunk * t.group * channel + (p.first + i * vector) * output
            lanes = min(vector, p.count - i * vector)
            clear_beside(lanes, group * taps, vector, turned)
            turn_weights(t, source, lanes, group, taps, turned, vector)
            if i + 1 < p.vectors:
                ahead = source + vector * output
            elif chunk + 1 < t.chunks:
                ahead = w + (chunk + 1) * t.group * channel + p.first * output
            else:
                ahead = w + (p.first + p.count) * output
            winograd_few(
                sizeof(real), group, turned, v + chunk * t.block * t.kc, t.v_point, t.kc, m + i * vector, t.m_point,
                p.vectors * vector, t.chain, chunk > 0, ahead, channel * sizeof(real),
                LINE if t.swapped else whole * <Py_ssize_t> sizeof(real))
