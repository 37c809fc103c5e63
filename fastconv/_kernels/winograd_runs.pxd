"""How strides, dilation and long kernels become sums of convolutions of stride 1 by a few taps.

Along one axis of stride s and dilation d, with step = lcm(s, d), outputs step / s apart share their inputs through
taps step / d apart, and both lie `step` apart in the input. So each phase of the taps is a convolution of stride 1 of
every `step`-th pixel, and outputs fall into step / s classes, each a map of its own. Phases of more than five taps are
cut into runs of at most LONGEST, whose sizes differ by one at most:

    3 taps, s = 2       0 . 2    1                  7 taps              0 1 2 . . . .   3 4 5 6
    7 taps, s = 2       0 . 2 . 4 . 6   1 . 3 . 5   3 taps, d = 2       0 1 2              outputs 0 2 4 ..  1 3 5 ..

A part of the kernel is a run along h with one along w in a plane of d: the sums of all parts are added up as those of
channels are, at the points, before the transform back. A run one tap short of the longest is transformed as if its last
tap were zero, which is the only one at the last point, infinity. Parts are in an order in which those that a point has
are neighbours, L long and S short along h and w:

    LS  LL  SL  SS        infinity along h: LS LL, along w: LL SL, along both: LL
"""

from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.shape cimport ConvShape

cdef enum:
    LONGEST = 4         # taps of a run of a longer phase: those of five save less
    WHOLE = 5           # taps of a phase that are one run all the same: 36 products for 25 weights, not 121
    MOST_RUNS = 16      # along an axis
    MOST_PARTS = 64


cdef struct Axis:
    Py_ssize_t step, every, jump            # from one input, output, tap to the next in a tile
    Py_ssize_t taps, longs, runs            # of a long run; how many are long; how many there are
    Py_ssize_t start[MOST_RUNS]             # the first tap of each run, of the long ones first


cdef struct Part:
    Py_ssize_t plane, h, w                  # the first tap along each axis
    Py_ssize_t taps_h, taps_w
    Py_ssize_t points_h, points_w           # of its own: one where it is the same at all of them,
    Py_ssize_t matrix                       # and its first matrix of U


cdef struct Parts:
    Axis h, w
    Py_ssize_t count
    Py_ssize_t first_long_w, end_long_h, end_long_w     # where LL starts, where LL ends, where SL ends
    Part part[MOST_PARTS]


cdef inline Py_ssize_t least_common_multiple(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    cdef Py_ssize_t multiple = a
    while multiple % b:
        multiple += a
    return multiple


cdef inline void split_axis(Axis *a, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation) noexcept nogil:
    cdef Py_ssize_t runs, phase, i, of_phase, first, most, wanted
    a.step = least_common_multiple(stride, dilation) if taps > 1 else stride
    a.every = a.step // stride
    a.jump = a.step // dilation if taps > 1 else 1
    most = ceil_div(taps, a.jump)
    runs = 1 if most == WHOLE else ceil_div(most, LONGEST)
    a.taps = ceil_div(most, runs)
    a.runs = 0
    for wanted in range(a.taps, a.taps - 2, -1):
        for phase in range(min(a.jump, taps)):
            of_phase = ceil_div(taps - phase, a.jump)
            for i in range(runs):
                first = i * of_phase // runs
                if (i + 1) * of_phase // runs - first == wanted > 0:
                    a.start[a.runs] = phase + first * a.jump
                    a.runs += 1
        if wanted == a.taps:
            a.longs = a.runs


cdef inline void add_parts(Parts *p, Py_ssize_t planes, bint short_h, bint short_w) noexcept nogil:
    """Those whose runs along h and w are long or short."""
    cdef Py_ssize_t plane, i, j
    for plane in range(planes):
        for i in range(p.h.longs if short_h else 0, p.h.runs if short_h else p.h.longs):
            for j in range(p.w.longs if short_w else 0, p.w.runs if short_w else p.w.longs):
                p.part[p.count] = Part(plane, p.h.start[i], p.w.start[j], p.h.taps - short_h, p.w.taps - short_w,
                                       0, 0, 0)
                p.count += 1


cdef inline void split_kernel(Parts *p, const ConvShape *s) noexcept nogil:
    split_axis(&p.h, s.kh, s.sh, s.dh)
    split_axis(&p.w, s.kw, s.sw, s.dw)
    p.count = 0
    add_parts(p, s.kd, False, True)
    p.first_long_w = p.count
    add_parts(p, s.kd, False, False)
    p.end_long_h = p.count
    add_parts(p, s.kd, True, False)
    p.end_long_w = p.count
    add_parts(p, s.kd, True, True)


cdef inline void parts_at(
    const Parts *p, bint last_h, bint last_w, Py_ssize_t *first, Py_ssize_t *end,
) noexcept nogil:
    """Which parts a point has, by whether it is infinity along h and along w."""
    first[0] = p.first_long_w if last_w else 0
    end[0] = p.end_long_h if last_h else (p.end_long_w if last_w else p.count)
