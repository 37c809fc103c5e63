"""Which rules of `winograd_points.h` a convolution takes along each axis: what `fastconv._winograd` says in Python."""

from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.shape cimport ConvShape
from fastconv._kernels.winograd_runs cimport Axis, Part, Parts, split_kernel

cdef extern from "winograd_points.h" nogil:
    enum: ONE, F32, F42, F23, F43, F25, F34, E23, E32, E22, E12, HEAD, TAIL, TAIL2
    Py_ssize_t winograd_outputs(int rule)
    Py_ssize_t winograd_points(int rule)

cdef enum:
    FEW = 48                 # sums over fewer channels and parts: F43 is not exact enough, see `fastconv._winograd`,
    FEW_OF_PAIRS = 129       # nor is F42, or where one phase is alone and edges see half of the taps
    FEW_OF_LARGE = 32        # the same for LARGE maps, whose edges take little time to be summed directly
    LARGE = 4096
    SMALL = 2                # outputs along an axis up to which tiles of four are mostly padding


cdef inline int rule_for(const Axis *axis, bint small, bint few) noexcept nogil:
    if axis.taps == 3:
        return F23 if small else F43
    if axis.taps <= 2:
        return ONE if axis.taps == 1 else (F32 if few or axis.runs == 1 else F42)
    return F34 if axis.taps == 4 else F25


cdef inline void choose_rules(const ConvShape *s, Parts *parts, int *rule_h, int *rule_w) noexcept nogil:
    """Those along h and w, and how the kernel is split for them."""
    cdef Py_ssize_t high, wide, depth, few = FEW if s.oh * s.ow < LARGE else FEW_OF_LARGE
    cdef bint small
    split_kernel(parts, s)
    depth = s.ic // s.groups * parts.count
    high = ceil_div(s.oh, parts.h.every) * (s.kh > 1)
    wide = ceil_div(s.ow, parts.w.every) * (s.kw > 1)
    small = max(high, wide) <= SMALL
    rule_h[0] = rule_for(&parts.h, small or depth < few, depth < FEW_OF_PAIRS)
    rule_w[0] = rule_for(&parts.w, small, depth < FEW_OF_PAIRS)


cdef inline void choose_ends(
    const Axis *axis, int rule, Py_ssize_t size, Py_ssize_t outputs, Py_ssize_t before, int *head, int *tail,
) noexcept nogil:
    """The rules of the first and the last tile of an axis.

    A last tile that is not full has fewer points by F43 and F42; two taps alone have ends whose outermost output sees
    one tap, of several tiles. A single output there needs none: its tile has nothing at other points.
    """
    cdef Py_ssize_t along = ceil_div(outputs, axis.every), left = along % winograd_outputs(rule)
    head[0] = tail[0] = rule
    if rule == F43 and 1 <= left <= 2:
        tail[0] = E23
    elif rule == F42 and left > 0:
        tail[0] = E12 if left == 1 else (E22 if left == 2 else E32)
    elif rule == F32 and axis.taps == 2 and axis.runs == axis.step == 1 and along > winograd_outputs(rule):
        if before == 1:
            head[0] = HEAD
        if outputs - before == size and left != 1:
            tail[0] = TAIL2 if left == 2 else TAIL


cdef inline Py_ssize_t share_matrices(Parts *parts, int rule_h, int rule_w, bint *alone) noexcept nogil:
    """How many matrices U has: of each point with all parts, or of each part `alone` where F42 meets single taps.

    Those are the same at all points: its G leaves them as they are. Of 3x3 at stride 2 there are 36 instead of 81.
    """
    cdef bint once_h = rule_h == F42 and parts.h.longs < parts.h.runs
    cdef bint once_w = rule_w == F42 and parts.w.longs < parts.w.runs
    cdef Py_ssize_t matrices = 0, i
    cdef Part *part
    alone[0] = once_h or once_w
    for i in range(parts.count):
        part = &parts.part[i]
        part.points_h = 1 if once_h and part.taps_h == 1 else winograd_points(rule_h)
        part.points_w = 1 if once_w and part.taps_w == 1 else winograd_points(rule_w)
        part.matrix = matrices if alone[0] else 0
        matrices = part.matrix + part.points_h * part.points_w
    return matrices
