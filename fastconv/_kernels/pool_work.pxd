"""How the rows of a pooling are computed, and what scratch that takes."""

from fastconv._kernels.flow_last cimport flow_columns
from fastconv._kernels.rows cimport Along, Steps, VECTOR_BYTES, span_lanes
from fastconv._kernels.split cimport can_split
from fastconv._kernels.window cimport PoolShape, Strides, count_of_all


cdef struct Work:
    # how rows are pooled, and how one thread's scratch is divided, in elements
    Py_ssize_t pixel                   # elements of a pixel
    bint apart                         # windows are taken apart
    Py_ssize_t count                   # the divisor's factor along the row, 0 where it is not the same for all outputs
    Py_ssize_t block, rows             # a step along: outputs of a row and rows at a time; 0: pixels are folded
    Py_ssize_t width                   # v
    Py_ssize_t slot                    # every sw-th pixel of v; 0: they are read where they lie
    Py_ssize_t beyond                  # what is read behind the last window, but for rows shorter than a vector
    Py_ssize_t pitch                   # v and its slots: the same of the next row
    Steps steps                        # of a step along
    Py_ssize_t spans                   # where the vectors of spans begin,
    Py_ssize_t lanes                   # and outputs that are made of them at a time; 0 for none
    Py_ssize_t flow                    # columns of `flow_last.h` at a time; 0 for none
    Py_ssize_t size                    # elements of it all
    Py_ssize_t fresh                   # taps of a row, of images from beyond the L2 cache: see `far.pxd`
    const Along *where                 # where windows lie along the row, each, unless there is a step along


cdef enum:
    ROWS = 32                          # of a step along, at most
    BLOCK = 1 << 14                    # bytes of v, of which blocks have about as many
    TAPS = 5                           # along a row, up to which a table takes less than squares in registers do
    ROW = 3 << 12                      # bytes of a row, of which those of a window fit the first cache or nearly so


cdef inline bint by_table(const PoolShape *s, Py_ssize_t pixel, Py_ssize_t size) noexcept nogil:
    """Whether vectors of pixels at a stride are picked by a table, each tap for itself, and need no slots."""
    cdef bint turned = pixel == 1 and s.kw > TAPS and s.sw != 3 and s.ow * size >= 2 * VECTOR_BYTES
    return can_split(pixel * size, s.sw) and not turned


cdef inline Work divide(const PoolShape *s, const Strides *t, Py_ssize_t size, bint last) noexcept nogil:
    """The scratch of one thread, for elements of `size` bytes."""
    cdef Work w
    cdef Py_ssize_t height = s.kd * s.kh, reach = (s.kw - 1) * s.dw, lanes = max(VECTOR_BYTES // size, <Py_ssize_t> 1)
    cdef bint dear
    w.where, w.fresh = NULL, 0
    w.pixel, w.count = t.channels if last else 1, count_of_all(s)
    w.block, w.rows, w.slot, w.lanes, w.beyond = 0, 1, 0, 0, 0
    # what is in the registers of one window costs half, except beside rows that stay in the first cache
    dear = s.sw > 1 or s.iw * w.pixel * size > ROW
    w.flow = flow_columns(s, t, size) if last else 0
    w.apart = not last or s.kd > 1 or not w.flow and (
        w.pixel < lanes if s.adaptive and height > 1 else not s.adaptive and (
            w.pixel < lanes or (1 + dear) * (s.iw * (height + 1) + s.ow * s.kw) < s.ow * height * s.kw))
    w.width = s.iw * w.pixel if w.apart else 0
    if w.apart and not s.adaptive and (s.sw == 1 or w.pixel < lanes):
        # windows of one row are read in place but for the ends of rows: blocks are of those, so that rows are many
        w.block = (BLOCK // 8 if height == 1 and (s.sw == 1 or by_table(s, w.pixel, size)) else BLOCK) // size
        w.block = min(s.ow, max(max(w.block // w.pixel, 2 * reach) // s.sw, <Py_ssize_t> 1))
        w.width = ((w.block - 1) * s.sw + reach + 1) * w.pixel + lanes
        if by_table(s, w.pixel, size):                     # up to a vector of pixels more is picked
            w.beyond = (lanes // w.pixel + 2) * s.sw * w.pixel + lanes
            w.width += w.beyond - lanes
        elif s.sw > 1:
            w.beyond = s.sw * w.pixel
            w.slot = (w.block + (0 if s.kw <= s.sw else reach // s.sw)) * w.pixel + lanes
    w.pitch = w.width + min(s.kw, s.sw) * w.slot
    if w.block:
        w.rows = min(max(BLOCK // size // w.pitch, <Py_ssize_t> 1), min(s.oh, <Py_ssize_t> ROWS))
        w.steps.count, w.steps.ldv, w.steps.ldt = s.kw, w.pitch, s.ow * w.pixel
    w.spans = w.rows * w.pitch
    if w.flow:
        w.spans = w.pixel
    if s.adaptive and not last and s.iw >= span_lanes(size):
        w.lanes = span_lanes(size)
    w.size = w.spans + w.lanes * (w.lanes + 1)
    w.size = (w.size + 127) // 128 * 128                   # threads write to cache lines of their own
    return w
