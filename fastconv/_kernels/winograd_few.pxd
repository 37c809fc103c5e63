"""Products of few tiles: each vector of weights is turned, then transformed in registers as it is multiplied."""

from fastconv._kernels.scratch cimport LINE
from fastconv._kernels.shape cimport real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.winograd cimport POINTS, Panel, Task, tiles_at
from fastconv._kernels.winograd_runs cimport Part
from fastconv._kernels.winograd_weights cimport turn_weights

cdef extern from "winograd_few.h" nogil:
    void winograd_few(size_t size, Py_ssize_t kc, const void *taps, const void *a, Py_ssize_t a_point, Py_ssize_t lda,
                      void *c, Py_ssize_t c_point, Py_ssize_t ldc, Py_ssize_t chain, int more, const void *ahead,
                      Py_ssize_t step, Py_ssize_t apart)

cdef extern from "winograd_pairs.h" nogil:
    double winograd_pair_factor(Py_ssize_t line)
    void winograd_pairs(size_t size, bint pair_h, bint pair_w, Py_ssize_t tiles, bint lacks, double factor,
                        Py_ssize_t kc, const void *taps, const void *const *a, Py_ssize_t lda, void *const *c,
                        Py_ssize_t ldc, Py_ssize_t chain, bint more, bint more_infinite, const void *ahead,
                        Py_ssize_t step)


cdef inline void multiply_pairs(
    const Task *t, const real *v, const real *turned, real *m, const Panel *p, Py_ssize_t group, bint more,
    const real *ahead, Py_ssize_t channel, Py_ssize_t output,
) noexcept nogil:
    """A chunk of `group` channels of one vector of weights: for each part of the kernel the lines of points it has."""
    cdef Py_ssize_t width = p.vectors * lanes_of(sizeof(real)), a, y, x, first, end, tiles, asked = 0
    cdef const Part *part
    cdef const real *taps
    cdef const void *left[POINTS]
    cdef void *to[POINTS]
    cdef bint pair_h
    for a in range(t.parts.count):
        part = &t.parts.part[a]
        for y in range(t.nh - 2 + part.taps_h):
            pair_h = part.taps_h == 2 and y < t.nh - 1
            taps = turned + (part.h * t.s.kw + part.w) * lanes_of(sizeof(real))
            if part.taps_h == 2 and not pair_h:         # infinity has the second tap alone
                taps += t.parts.h.jump * t.s.kw * lanes_of(sizeof(real))
            for x in range(t.nw):
                tiles_at(t, y, x, &first, &end)
                left[x] = v + (y * t.nw + x) * t.v_point + first * t.kc + a * group
                to[x] = m + (y * t.nw + x) * t.m_point + first * width
                if x == 0:
                    tiles = end - first
            winograd_pairs(
                sizeof(real), pair_h, part.taps_w == 2, tiles, t.edge_w, winograd_pair_factor(y), group, taps, left,
                t.kc, to, width, t.chain, more or a > 0, more or a > t.parts.first_long_w,
                ahead + asked * output, channel * sizeof(real))
            asked += 1


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
            turn_weights(t, source, lanes, group, turned, vector)
            if i + 1 < p.vectors:
                ahead = source + vector * output
            elif chunk + 1 < t.chunks:
                ahead = w + (chunk + 1) * t.group * channel + p.first * output
            else:
                ahead = w + (p.first + p.count) * output
            if t.alone:
                multiply_pairs(t, v + chunk * t.block * t.kc, turned, m + i * vector, p, group, chunk > 0, ahead,
                               channel, output)
            else:
                winograd_few(
                    sizeof(real), group, turned, v + chunk * t.block * t.kc, t.v_point, t.kc, m + i * vector,
                    t.m_point, p.vectors * vector, t.chain, chunk > 0, ahead, channel * sizeof(real),
                    LINE if t.swapped else whole * <Py_ssize_t> sizeof(real))
