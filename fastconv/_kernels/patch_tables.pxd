"""Tables of what columns of windows hold, and planes that are sums of columns: see `patches.pyx`, and `pick.h` for how
they are read."""

from fastconv._kernels.heap cimport give_back
from fastconv._kernels.pack cimport ceil_div, end_inside, first_inside
from fastconv._kernels.scratch cimport borrow
from fastconv._kernels.shape cimport ConvShape, real
from fastconv._kernels.simd cimport lanes_of

cdef extern from "pick.h" nogil:
    ctypedef struct PickShape:
        Py_ssize_t groups, size, across, taps, plane
    ctypedef struct Picks:
        pass
    bint pick_fits(...) noexcept
    bint pick_table(...) noexcept
    void pick(...) noexcept
    void pick_rows(...) noexcept
    void pick_sums(...) noexcept
    void add_rows(...) noexcept

cdef enum:
    NARROW = 128            # bytes of a row, up to which whole planes are worth a table
    FEWEST = 64             # planes for which a table of one is made, or rows of windows, each of kh taps, for one of
    FEWEST_SUMMED = 128     # rows, and so many where these are summed;
    FEWEST_RUNS = 16        # times that several planes are gathered at once, for a table of these
    FULL = 4                # vectors of planes that are gathered at once, where there are so many times
    MANY = 512              # that a larger table costs nothing
    LEAST = 2               # elements that a vector of a short row of windows gives, to be worth its shuffle,
    LEAST_SUMMED = 3        # or to be added to others
    DEAR = 4                # copies or sums that an element of a table costs as much as
    STREAMS = 16            # planes of taps that are read side by side, row by row, where the columns
    FAR = 1 << 23           # are so many bytes that they come from memory

cdef enum:                  # ways, by a table but for the first:
    BY_TAPS = 0
    BY_ROWS = 1
    BY_SHORT_ROWS = 2       # of windows, less than a vector
    WHOLE = 3


cdef struct Table:
    Picks picks
    int way                 # how planes are gathered
    Py_ssize_t planes       # at once


cdef inline Py_ssize_t element(
    Py_ssize_t o, Py_ssize_t tap, Py_ssize_t s, Py_ssize_t d, Py_ssize_t p, Py_ssize_t size,
) noexcept nogil:
    """Along one axis, the element that a tap of window `o` reads, -1 outside."""
    cdef Py_ssize_t at = o * s + tap * d - p
    return at if 0 <= at < size else -1


cdef inline Py_ssize_t window(
    Py_ssize_t at, Py_ssize_t tap, Py_ssize_t s, Py_ssize_t d, Py_ssize_t p, Py_ssize_t out,
) noexcept nogil:
    """Along one axis, the window whose tap reads element `at`, -1 if there is none."""
    cdef Py_ssize_t o = at + p - tap * d
    return o // s if o >= 0 and o % s == 0 and o // s < out else -1


cdef inline Py_ssize_t inside_along(
    Py_ssize_t out, Py_ssize_t k, Py_ssize_t s, Py_ssize_t d, Py_ssize_t p, Py_ssize_t size,
) noexcept nogil:
    """Along one axis, how many taps of all windows read an element."""
    cdef Py_ssize_t tap, many = 0
    for tap in range(k):
        many += max(min(end_inside(tap * d - p, s, size), out) - first_inside(tap * d - p, s), <Py_ssize_t> 0)
    return many


cdef inline bint apart(const ConvShape *s) noexcept nogil:
    """Whether no element is in two windows, so that an image holds its columns in another order."""
    return (s.oh == 1 or (s.kh - 1) * s.dh < s.sh) and (s.ow == 1 or (s.kw - 1) * s.dw < s.sw)


cdef inline void unfolded(Py_ssize_t *at, const ConvShape *s, bint whole, Py_ssize_t size) noexcept nogil:
    """What every element of the columns is: of a plane, or for each tap `size` of the columns of one row."""
    cdef Py_ssize_t i, j, y, x, iy, ix
    for i in range(s.kh if whole else 1):
        for j in range(s.kw):
            for y in range(s.oh if whole else 1):
                iy = element(y, i, s.sh, s.dh, s.ph, s.ih) if whole else 0
                for x in range(s.ow):
                    ix = element(x, j, s.sw, s.dw, s.pw, s.iw)
                    at[x] = iy * s.iw + ix if iy >= 0 and ix >= 0 else -1
                at += s.ow
            for x in range(0 if whole else size - s.ow):
                at[x] = -1
            at += 0 if whole else size - s.ow


cdef inline void placed(Py_ssize_t *at, const ConvShape *s) noexcept nogil:
    """Which element of the columns every element of an image is, if windows are apart."""
    cdef Py_ssize_t i, j, y, x, iy, ix
    for i in range(s.ih * s.iw):
        at[i] = -1
    for i in range(s.kh):
        for j in range(s.kw):
            for y in range(s.oh):
                iy = element(y, i, s.sh, s.dh, s.ph, s.ih)
                for x in range(s.ow):
                    ix = element(x, j, s.sw, s.dw, s.pw, s.iw)
                    if iy >= 0 and ix >= 0:
                        at[iy * s.iw + ix] = ((i * s.kw + j) * s.oh + y) * s.ow + x


cdef inline void folded(Py_ssize_t *at, const ConvShape *s, bint whole, Py_ssize_t size) noexcept nogil:
    """For each tap, of `size` elements, what is added to every element of an image, or of one of its rows."""
    cdef Py_ssize_t tap = 0, i, j, y, x, oy, ox
    for i in range(s.kh if whole else 1):
        for j in range(s.kw):
            for y in range(s.ih if whole else 1):
                oy = window(y, i, s.sh, s.dh, s.ph, s.oh) if whole else 0
                for x in range(s.iw):
                    ox = window(x, j, s.sw, s.dw, s.pw, s.ow)
                    at[tap * size + y * s.iw + x] = (tap * s.oh + oy) * s.ow + ox if oy >= 0 and ox >= 0 else -1
            tap += 1


cdef inline void repeated(Py_ssize_t *at, const PickShape *p, Py_ssize_t planes) noexcept nogil:
    """The table of one of so many planes for the others, too."""
    cdef Py_ssize_t one = p.size // planes, step = p.plane // planes, _tap, i
    for _tap in range(p.taps):
        for i in range(one, p.size):
            at[i] = at[i - one] + step if at[i - one] >= 0 else -1
        at += p.size


cdef inline PickShape shape_of_planes(const ConvShape *s, bint fold, Py_ssize_t planes) noexcept nogil:
    """Of the table of so many planes."""
    cdef PickShape p
    cdef Py_ssize_t image = planes * s.ih * s.iw, columns = planes * s.kh * s.kw * s.oh * s.ow
    p.groups, p.taps, p.across = 1, s.kh * s.kw if fold and not apart(s) else 1, 0
    p.size = image if fold else columns
    p.plane = columns if fold else image
    return p


cdef inline PickShape shape_of_rows(const ConvShape *s, bint fold, Py_ssize_t lanes) noexcept nogil:
    """Of the table of rows; short ones of windows as if they filled a vector."""
    cdef PickShape p
    if fold:
        p.groups, p.taps, p.size, p.across, p.plane = 1, s.kw, s.iw, 0, (s.kw - 1) * s.oh * s.ow + s.ow
    else:
        p.groups, p.taps, p.size, p.across, p.plane = s.kw, 1, max(s.ow, lanes), s.oh * s.ow, s.iw
    if not fold and s.ow < lanes:
        p.plane = max(s.iw, lanes)
    return p


cdef inline int lay_table(
    Table *t, const ConvShape *s, const PickShape *p, const real *like, bint fold, int way, Py_ssize_t planes,
) except -1:
    """Fill in a table that fits."""
    cdef Py_ssize_t *at = <Py_ssize_t *> borrow("fold" if fold else "unfold",
                                                p.groups * p.taps * p.size * sizeof(Py_ssize_t))
    if fold and way == WHOLE and apart(s):
        placed(at, s)
    elif fold:
        folded(at, s, way == WHOLE, p.size)
    else:
        unfolded(at, s, way == WHOLE, p.size)
    if way == WHOLE:
        repeated(at, p, planes)
    if pick_table(&t.picks, p, at, like):
        t.way, t.planes = way, planes
    give_back(at)
    return 0


cdef inline int make_table(
    Table *t, const ConvShape *s, const real *like, Py_ssize_t planes, Py_ssize_t most, bint fold,
) except -1:
    """How so many planes are gathered: at most `most` at once, 0 where their rows are not side by side."""
    cdef PickShape p
    cdef Py_ssize_t lanes = lanes_of(sizeof(real)), taps = s.kh * s.kw, pixels = s.oh * s.ow
    cdef Py_ssize_t across = inside_along(s.ow, s.kw, s.sw, s.dw, s.pw, s.iw)
    cdef Py_ssize_t all = across * inside_along(s.oh, s.kh, s.sh, s.dh, s.ph, s.ih)
    cdef Py_ssize_t least = min(taps * pixels, s.ih * s.iw)
    cdef Py_ssize_t together = max(ceil_div(lanes, least), min(ceil_div(FULL * lanes, least), planes // MANY))
    cdef bint far = planes * taps * pixels > FAR // <Py_ssize_t> sizeof(real)
    t.way, t.planes = BY_TAPS, 1
    p = shape_of_planes(s, fold, together)
    if together <= most and s.iw * <Py_ssize_t> sizeof(real) <= NARROW and pick_fits(&p, together * all, like):
        if planes >= (FEWEST if together == 1 else FEWEST_RUNS * together):
            if not fold or p.taps * p.size * DEAR <= all * planes:  # few windows leave most of it empty
                lay_table(t, s, &p, like, fold, WHOLE, together)
    if t.way == WHOLE:
        return 0
    p = shape_of_rows(s, fold, lanes)
    if not pick_fits(&p, across, like) or s.kh * s.oh * planes < (FEWEST_SUMMED if fold else FEWEST):
        return 0
    if fold and far and s.sw == 1 and taps > STREAMS:
        return 0
    if s.ow < lanes < (LEAST_SUMMED if fold else LEAST) * s.sw:
        return 0
    if fold and p.taps * p.size * DEAR > all * planes:
        return 0
    return lay_table(t, s, &p, like, fold, BY_ROWS if fold or s.ow >= lanes else BY_SHORT_ROWS, 1)
