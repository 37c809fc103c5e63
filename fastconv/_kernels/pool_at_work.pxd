"""What vectors of maxima with their places hold, and what scratch that takes: see `pool_at.pyx`."""

from libc.stdint cimport INT32_MAX, int32_t, int64_t
from libc.string cimport memset

from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.split cimport Split, can_split, split_table
from fastconv._kernels.window cimport PoolShape, Strides, number


cdef extern from "largest_at.h" nogil:
    Py_ssize_t largest_lanes(Py_ssize_t size) noexcept

cdef enum:
    STAGED = 1 << 18                   # bytes of padded rows that a thread keeps at most
    FEW_LANES = 3                      # channels that are worth a vector
    FAR = 6                            # a stride at which a table of so many vectors takes 1.4 times as long as loads


cdef enum:                             # ways of a row of outputs
    BY_TAPS = 0
    ALONG = 1                          # by vectors along the row, of pixels and windows alike,
    PIXELS = 2                         # of the channels of one window,
    NARROW_PIXELS = 3                  # of all channels of one window and some lanes more,
    COLUMNS = 4                        # along the row, of columns of windows, which then are combined one by one


cdef struct Work:
    # what vectors hold, and how one thread's scratch is divided: places and distances of rows, then those rows
    int way
    Py_ssize_t pixel                   # elements of a pixel of theirs; a whole vector or more: each window has its own
    Py_ssize_t count                   # elements of the windows that share vectors; 0: outputs are computed one by one
    Py_ssize_t pitch                   # elements from one padded row to the next
    Py_ssize_t rows                    # of a window; so many places and distances, and so many padded rows
    Py_ssize_t lanes                   # of a vector
    Py_ssize_t size                    # bytes
    Py_ssize_t fresh                   # taps of a row, of images from beyond the L2 cache: see `far.pxd`
    const void *places                 # as `largest_at.h` has them
    const Split *split


cdef inline bint repay(const PoolShape *s, const Work *w, Py_ssize_t loads) noexcept nogil:
    """Whether vectors of windows along a row, each tap of which takes so many loads, are faster than one by one."""
    return (w.count + w.lanes - 1) // w.lanes * s.kw * (loads + 2) <= 3 * w.count * min(s.kw, s.iw)


cdef inline bint by_table(const PoolShape *s, const Work *w, Py_ssize_t size) noexcept nogil:
    """Whether pixels at a stride are picked by a table, which single elements take less without at some strides."""
    return can_split(w.pixel * size, s.sw) and not (w.pixel == 1 and (s.sw == 2 or s.sw >= FAR))


cdef inline int otherwise(const PoolShape *s, const Strides *t, Py_ssize_t lanes, bint last) noexcept nogil:
    """The way of windows that do not share vectors."""
    cdef bint upward = min(t.d, t.h) >= 0                  # so that what lies behind a row is more of the image
    if last and FEW_LANES <= t.channels < lanes and upward and t.w >= 0:
        return NARROW_PIXELS
    if not last and (s.iw >= lanes or upward) and s.kd * s.kh > 1 and s.iw <= 2 * s.ow * s.kw:
        return COLUMNS
    return BY_TAPS


cdef inline Work divide(const PoolShape *s, const Strides *t, Py_ssize_t size, bint last) noexcept nogil:
    """The scratch of one thread, for elements of `size` bytes."""
    cdef Work w
    cdef Py_ssize_t lanes = largest_lanes(size), loads = s.sw
    cdef double rows = <double> s.kd * s.kh, own           # nothing bounds the windows of ceil_mode
    memset(&w, 0, sizeof(w))
    w.pixel, w.lanes = t.channels if last else 1, lanes
    if lanes == 0 or size == 4 and <double> s.id * s.ih * s.iw > INT32_MAX:    # places are as wide as elements
        return w
    if w.pixel >= lanes:
        w.count = w.pixel
    elif not s.adaptive and t.w == w.pixel:
        w.count = s.ow * w.pixel
        w.pitch = max((s.ow - 1) * s.sw + 1 + (s.kw - 1) * s.dw, s.pw + s.iw) * w.pixel
        if s.sw == 1:
            w.pitch += lanes
        elif by_table(s, &w, size):
            loads += 1                                     # and up to a vector of pixels more
            w.pitch += (lanes // w.pixel + 2) * s.sw * w.pixel + lanes
        else:
            w.pitch += lanes * s.sw
            loads = loads if s.sw == 2 else lanes
        if w.pixel > 1 and s.sw > 1 and not by_table(s, &w, size) or not repay(s, &w, loads):
            w.count = 0
    if rows * (w.pitch * size + 16) > STAGED:
        w.count = 0
    w.way = (ALONG if w.pitch else PIXELS) if w.count else otherwise(s, t, lanes, last)
    if not w.count:
        w.pitch = 0
    own = (s.ow * t.channels + lanes if last else max(s.iw, lanes)) * (size + 8) if w.way > PIXELS else 0
    if own + rows * 16 > STAGED:
        w.way = BY_TAPS
    if w.way:
        w.rows = s.kd * s.kh
        w.size = (w.rows * (w.pitch * size + 16) + <Py_ssize_t> own + 127) // 128 * 128  # threads write to cache lines
    return w                                                                              # of their own


cdef inline void put(void *table, Py_ssize_t size, Py_ssize_t i, Py_ssize_t value) noexcept nogil:
    """table[i] of integers of `size` bytes."""
    if size == 4:
        (<int32_t *> table)[i] = <int32_t> value
    else:
        (<int64_t *> table)[i] = value


cdef inline Py_ssize_t tables(const Work *w, Py_ssize_t size) noexcept nogil:
    """Bytes of what all rows share: a table of a stride, and places of windows."""
    return round_up(<Py_ssize_t> sizeof(Split) + (w.pixel + w.lanes) * size, LINE)


cdef inline char *lay_out(Work *w, const PoolShape *s, Py_ssize_t own, number blank, int threads) except NULL:
    """What all rows share, and `own` bytes of scratch for each thread, with blanks where `w` has padded rows.

    The scratch begins behind the `tables`.
    """
    cdef Py_ssize_t size = sizeof(number), shared = tables(w, size), r, j
    cdef char *memory = borrow("pooling", shared + own * threads)
    cdef char *scratch = memory + shared
    memset(memory, 0, shared)
    w.places = memory + sizeof(Split)
    for j in range(w.pixel + w.lanes if w.pitch else 0):
        put(<void *> w.places, size, j, j // w.pixel * s.sw)
    if w.pitch and by_table(s, w, size):
        split_table(<Split *> memory, w.pixel * size, s.sw)
        w.split = <const Split *> memory
    for r in range(threads):
        for j in range(w.rows * w.pitch):
            (<number *> (scratch + r * own + w.rows * 16))[j] = blank
    return memory
