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


cdef struct Runs:
    Py_ssize_t count                    # of outputs along an axis that see the same taps
    Py_ssize_t start[KINDS + 1]         # of each, its first output,
    Py_ssize_t first[KINDS]             # and which taps: [first, end)
    Py_ssize_t end[KINDS]
    Py_ssize_t whole                    # which of them sees all; or -1


cdef struct Sights:
    Py_ssize_t kinds
    Py_ssize_t start[KINDS + 1]         # of each kind, its first pixel in `spot` and `order`
    Py_ssize_t seen[KINDS]              # of each kind, how many taps it sees,
    Py_ssize_t sight[KINDS][6]          # and which: first and end of the kernel's planes, of its rows, of its columns
    Py_ssize_t *spot                    # of each pixel, in this order, its distance from the first one of the block
    Py_ssize_t *order                   # and which pixel it is
    Py_ssize_t *tap                     # of each kind, `most` apart: of each k that it sees, where the image has it
    Py_ssize_t *weight                  # and where the weights do
    Py_ssize_t most


cdef inline Py_ssize_t sights_table(Py_ssize_t pixels, Py_ssize_t products) noexcept nogil:
    """Items of the tables of a block."""
    return 2 * pixels + 2 * KINDS * products


cdef inline void place_sights(Sights *t, Py_ssize_t *table, Py_ssize_t pixels, Py_ssize_t products) noexcept nogil:
    t.spot, t.order, t.tap = table, table + pixels, table + 2 * pixels
    t.weight, t.most = t.tap + KINDS * products, products


cdef inline bint find_runs(
    Runs *t, Py_ssize_t first_output, Py_ssize_t end_output, Py_ssize_t size, Py_ssize_t taps, Py_ssize_t stride,
    Py_ssize_t dilation, Py_ssize_t before,
) noexcept nogil:
    """Those of [first_output, end_output); whether there are at most KINDS."""
    cdef Py_ssize_t output, first, end
    t.count, t.whole = 0, -1
    for output in range(first_output, end_output):
        first = min(first_inside(output * stride - before, dilation), taps)
        end = clip(end_inside(output * stride - before, dilation, size), first, taps)
        if t.count == 0 or first != t.first[t.count - 1] or end != t.end[t.count - 1]:
            if t.count == KINDS:
                return False
            if first == 0 and end == taps:
                t.whole = t.count
            t.start[t.count], t.first[t.count], t.end[t.count] = output, first, end
            t.count += 1
    t.start[t.count] = end_output
    return True


cdef inline bint find_kinds(Runs *along, const ConvShape *s, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil:
    """The runs of a block along d, h and w; whether they make less than KINDS, if need be without those along d."""
    cdef Py_ssize_t plane = s.oh * s.ow, z = p0 // plane, z_end = (p1 - 1) // plane + 1, y = 0, y_end = s.oh
    cdef bint few
    if z_end == z + 1:
        y, y_end = p0 % plane // s.ow, (p1 - 1) % plane // s.ow + 1
    if not (find_runs(along + 1, y, y_end, s.ih, s.kh, s.sh, s.dh, s.ph)
            and find_runs(along + 2, 0, s.ow, s.iw, s.kw, s.sw, s.dw, s.pw)):
        return False
    few = find_runs(along, z, z_end, s.id, s.kd, s.sd, s.dd, s.pd)
    if not few or along[0].count * along[1].count * along[2].count >= KINDS:
        along[0].count, along[0].start[0], along[0].start[1] = 1, z, z_end
        along[0].first[0], along[0].end[0], along[0].whole = 0, s.kd, 0
    return along[0].count * along[1].count * along[2].count < KINDS


cdef inline Py_ssize_t add_kind(
    Sights *t, const ConvShape *s, const Runs *along, Py_ssize_t a, Py_ssize_t i, Py_ssize_t j, Py_ssize_t p0,
    Py_ssize_t p1, const Py_ssize_t *spot,
) noexcept nogil:
    """The pixels of [p0, p1) in three runs, after those of other kinds; how many there are."""
    cdef const Runs *rows = along + 1
    cdef const Runs *columns = along + 2
    cdef Py_ssize_t *sight = t.sight[t.kinds]
    cdef Py_ssize_t z, y, x, p, to = t.start[t.kinds]
    sight[0], sight[1], sight[2], sight[3] = along.first[a], along.end[a], rows.first[i], rows.end[i]
    sight[4], sight[5] = columns.first[j], columns.end[j]
    t.seen[t.kinds] = (sight[1] - sight[0]) * (sight[3] - sight[2]) * (sight[5] - sight[4])
    for z in range(along.start[a], along.start[a + 1]):
        for y in range(rows.start[i], rows.start[i + 1]):
            p = (z * s.oh + y) * s.ow - p0
            for x in range(max(columns.start[j], -p), min(columns.start[j + 1], p1 - p0 - p)):
                t.spot[to], t.order[to] = spot[p + x], p + x
                to += 1
    t.start[t.kinds + 1] = to
    return to - t.start[t.kinds]


cdef inline bint sort_pixels(Sights *t, const ConvShape *s, Py_ssize_t p0, Py_ssize_t p1,
                             const Py_ssize_t *spot) noexcept nogil:
    """Whether kinds are worth being told apart; the first one sees all. `spot` has distances in the order of pixels."""
    cdef Py_ssize_t pixels = p1 - p0, taps = s.kd * s.kh * s.kw, a, i, j, some = 0, cost
    cdef Runs along[3]
    if not find_kinds(along, s, p0, p1):
        return False
    t.kinds = t.start[0] = t.start[1] = 0
    if along[0].whole >= 0 and along[1].whole >= 0 and along[2].whole >= 0:
        some = add_kind(t, s, along, along[0].whole, along[1].whole, along[2].whole, p0, p1, spot)
    if (pixels - some) * LEAST_GAIN < pixels:
        return False
    t.kinds, cost = 1, some * taps
    for a in range(along[0].count):
        for i in range(along[1].count):
            for j in range(along[2].count):
                if a == along[0].whole and i == along[1].whole and j == along[2].whole:
                    continue
                some = add_kind(t, s, along, a, i, j, p0, p1, spot)
                if some > 0:
                    cost += max(some, <Py_ssize_t> FEW) * t.seen[t.kinds]
                    t.kinds += 1
    return cost * LEAST_GAIN <= pixels * taps * (LEAST_GAIN - 1)


cdef inline Py_ssize_t seen_along(
    Py_ssize_t size, Py_ssize_t outputs, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation, Py_ssize_t before,
) noexcept nogil:
    """Of all outputs and taps along an axis, how many see the image."""
    cdef Py_ssize_t tap, first, seen = 0
    for tap in range(taps):
        first = min(first_inside(tap * dilation - before, stride), outputs)
        seen += clip(end_inside(tap * dilation - before, stride, size), first, outputs) - first
    return seen


cdef inline void list_taps(Sights *t, const ConvShape *s, const Py_ssize_t *row, Py_ssize_t channels,
                           Py_ssize_t width) noexcept nogil:
    """Fill the tables of taps, of one channel or more, whose k lie at `row`."""
    cdef Py_ssize_t kind, channel, a, i, j, n, k
    for kind in range(1, t.kinds):
        n = kind * t.most
        for channel in range(channels):
            for a in range(t.sight[kind][0], t.sight[kind][1]):
                for i in range(t.sight[kind][2], t.sight[kind][3]):
                    for j in range(t.sight[kind][4], t.sight[kind][5]):
                        k = ((channel * s.kd + a) * s.kh + i) * s.kw + j
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
