"""The pixels of a block in the order of what they see of an image, so that taps which see padding cost nothing.

    3x3 taps, one row and one column of padding      a b b b c      nine kinds of pixels: those of a see four of the
                                                     d e e e f      taps, those of b six, those of e all; each kind
                                                     d e e e f      is a run of pixels of its own, with a table of the
                                                     g h h h i      taps it sees

A product with a zero of the padding changes no bit of a sum, unless the weight is infinite or NaN. Then no sum of a
pixel that sees all taps is finite: that of one tells; where none does, the weights.
"""

from fastconv._kernels.pack cimport clip, end_inside, first_inside
from fastconv._kernels.shape cimport ConvShape, real

cdef enum:
    KINDS = 64          # of pixels, at most
    LEAST_GAIN = 40     # one product in so many must be saved
    FEW = 3             # pixels that take no longer than one


cdef struct Sights:
    Py_ssize_t kinds
    Py_ssize_t start[KINDS + 1]         # of each kind, its first pixel in `spot` and `order`
    Py_ssize_t seen[KINDS]              # of each kind, how many taps it sees,
    Py_ssize_t sight[KINDS][4]          # and which: rows [0, 1) and columns [2, 3) of the kernel
    Py_ssize_t *kind                    # of each pixel of a block
    Py_ssize_t *spot                    # of each pixel, in this order, its distance from the first one of the block
    Py_ssize_t *order                   # and which pixel it is
    Py_ssize_t *tap                     # of each kind, `most` apart: of each k that it sees, where the image has it
    Py_ssize_t *weight                  # and where the weights do
    Py_ssize_t most


cdef inline Py_ssize_t sights_table(Py_ssize_t pixels, Py_ssize_t products) noexcept nogil:
    """Items of the tables of a block."""
    return 3 * pixels + 2 * KINDS * products


cdef inline void place_sights(Sights *t, Py_ssize_t *table, Py_ssize_t pixels, Py_ssize_t products) noexcept nogil:
    t.kind, t.spot, t.order, t.tap = table, table + pixels, table + 2 * pixels, table + 3 * pixels
    t.weight, t.most = t.tap + KINDS * products, products


cdef inline Py_ssize_t kind_of(Sights *t, const ConvShape *s, Py_ssize_t y, Py_ssize_t x) noexcept nogil:
    """The kind of a pixel, a new one if need be; KINDS if there are too many."""
    cdef Py_ssize_t top = y * s.sh - s.ph, left = x * s.sw - s.pw, kind = 0
    cdef Py_ssize_t i0 = min(first_inside(top, s.dh), s.kh), i1 = clip(end_inside(top, s.dh, s.ih), i0, s.kh)
    cdef Py_ssize_t j0 = min(first_inside(left, s.dw), s.kw), j1 = clip(end_inside(left, s.dw, s.iw), j0, s.kw)
    while kind < t.kinds and not (t.sight[kind][0] == i0 and t.sight[kind][1] == i1
                                  and t.sight[kind][2] == j0 and t.sight[kind][3] == j1):
        kind += 1
    if kind == t.kinds < KINDS:
        t.sight[kind][0], t.sight[kind][1], t.sight[kind][2], t.sight[kind][3] = i0, i1, j0, j1
        t.seen[kind] = (i1 - i0) * (j1 - j0)
        t.kinds += 1
    return kind


cdef inline bint sort_pixels(Sights *t, const ConvShape *s, Py_ssize_t p0, Py_ssize_t p1,
                             const Py_ssize_t *spot) noexcept nogil:
    """Whether kinds are worth being told apart; the first one sees all. `spot` has distances in the order of pixels."""
    cdef Py_ssize_t y = p0 % (s.oh * s.ow) // s.ow, x = p0 % s.ow, pixels = p1 - p0, p, kind, to = 0, cost = 0
    cdef Py_ssize_t top = first_inside(-s.ph, s.sh), bottom = end_inside((s.kh - 1) * s.dh - s.ph, s.sh, s.ih)
    cdef Py_ssize_t all = 0, left = first_inside(-s.pw, s.sw), right = end_inside((s.kw - 1) * s.dw - s.pw, s.sw, s.iw)
    t.kinds = 1
    t.seen[0] = s.kh * s.kw
    t.sight[0][0], t.sight[0][1], t.sight[0][2], t.sight[0][3] = 0, s.kh, 0, s.kw
    for p in range(pixels):
        t.kind[p] = 0
        if not (top <= y < bottom and left <= x < right):
            t.kind[p] = kind_of(t, s, y, x)
        if t.kind[p] == KINDS:
            return False
        all += t.kind[p] == 0
        x += 1
        if x == s.ow:
            x = 0
            y = y + 1 if y + 1 < s.oh else 0
    if (pixels - all) * LEAST_GAIN < pixels:
        return False
    for kind in range(t.kinds):
        t.start[kind] = to
        for p in range(pixels):
            if t.kind[p] == kind:
                t.spot[to], t.order[to] = spot[p], p
                to += 1
        cost += max(to - t.start[kind], <Py_ssize_t> FEW) * t.seen[kind]
    t.start[t.kinds] = to
    return cost * LEAST_GAIN <= pixels * s.kh * s.kw * (LEAST_GAIN - 1)


cdef inline Py_ssize_t seen_along(
    Py_ssize_t size, Py_ssize_t outputs, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation, Py_ssize_t before,
) noexcept nogil:
    """Of all outputs and taps along an axis, how many see the image."""
    cdef Py_ssize_t tap, first, seen = 0
    for tap in range(taps):
        first = min(first_inside(tap * dilation - before, stride), outputs)
        seen += clip(end_inside(tap * dilation - before, stride, size), first, outputs) - first
    return seen


cdef inline void list_taps(Sights *t, const ConvShape *s, const Py_ssize_t *row, Py_ssize_t planes,
                           Py_ssize_t width) noexcept nogil:
    """Fill the tables of taps: for `planes` of the kernel, of one channel or more, whose k lie at `row`."""
    cdef Py_ssize_t kind, plane, i, j, n, k
    for kind in range(1, t.kinds):
        n = kind * t.most
        for plane in range(planes):
            for i in range(t.sight[kind][0], t.sight[kind][1]):
                for j in range(t.sight[kind][2], t.sight[kind][3]):
                    k = (plane * s.kh + i) * s.kw + j
                    t.tap[n], t.weight[n] = row[k], k * width
                    n += 1


cdef inline bint all_finite(const real *p, Py_ssize_t rows, Py_ssize_t n, Py_ssize_t step) noexcept nogil:
    """Whether n elements of all rows are, which are `step` apart."""
    cdef Py_ssize_t r, i
    cdef int bad = 0
    cdef real zero = 0                  # of the type: by 0 alone elements become doubles first
    if n == step:
        rows, n = 1, rows * n
    for r in range(rows):
        for i in range(n):
            bad |= p[r * step + i] * zero != zero
    return not bad
