"""Windows of images as columns (im2col), and columns summed back into images (col2im): the two public functions.

    columns[c, i, j][y, x] = image[c][y * sh + i * dh - ph, x * sw + j * dw - pw]

Small planes are gathered whole by a table that is made once a call, others row by row (`pick.h`); rows too long for a
table are copied by the packing of the convolution kernels, and added to the rows they were read from, taps in order.
Work is split over channels, so no two threads write the same element.
"""

from libc.string cimport memset

from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport first_of, five, operand
from fastconv._kernels.pack cimport end_inside, first_inside, pack_columns
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.shape cimport ConvShape, read_shape, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport Piece, each_piece

cdef extern from "pick.h" nogil:
    ctypedef struct PickShape:
        Py_ssize_t groups, size, across, taps, plane
    ctypedef struct Picks:
        pass
    bint pick_fits(...) noexcept
    bint pick_table(...) noexcept
    void pick(...) noexcept
    void pick_sums(...) noexcept

cdef enum:
    NARROW = 128            # bytes of a row, up to which whole planes are worth a table
    FEWEST = 64             # planes for which a table of planes is made, and rows for one of rows
    LEAST = 3               # elements that a vector of a short row of windows gives, to be worth its shuffle
    DEAR = 4                # copies or sums that an element of a table costs as much as
    STREAMS = 16            # planes of taps that are read side by side, row by row, where the columns
    FAR = 1 << 23           # are so many bytes that they come from memory
    BY_ROWS = 1
    WHOLE = 2


cdef struct Call:
    const ConvShape *s
    const Picks *p
    int way                 # how planes are gathered by `p`, as `table` says
    const operand *images
    void *columns


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


cdef Py_ssize_t inside_along(
    Py_ssize_t out, Py_ssize_t k, Py_ssize_t s, Py_ssize_t d, Py_ssize_t p, Py_ssize_t size,
) noexcept nogil:
    """Along one axis, how many taps of all windows read an element."""
    cdef Py_ssize_t tap, many = 0
    for tap in range(k):
        many += max(min(end_inside(tap * d - p, s, size), out) - first_inside(tap * d - p, s), <Py_ssize_t> 0)
    return many


cdef void unfolded(Py_ssize_t *at, const ConvShape *s, bint whole) noexcept nogil:
    """What every element of the columns is, for each tap: of a plane, or of the columns of one row."""
    cdef Py_ssize_t i, j, y, x, iy, ix
    for i in range(s.kh if whole else 1):
        for j in range(s.kw):
            for y in range(s.oh if whole else 1):
                iy = element(y, i, s.sh, s.dh, s.ph, s.ih) if whole else 0
                for x in range(s.ow):
                    ix = element(x, j, s.sw, s.dw, s.pw, s.iw)
                    at[0] = iy * s.iw + ix if iy >= 0 and ix >= 0 else -1
                    at += 1


cdef bint apart(const ConvShape *s) noexcept nogil:
    """Whether no element is in two windows, so that an image holds its columns in another order."""
    return (s.oh == 1 or (s.kh - 1) * s.dh < s.sh) and (s.ow == 1 or (s.kw - 1) * s.dw < s.sw)


cdef void placed(Py_ssize_t *at, const ConvShape *s) noexcept nogil:
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


cdef void folded(Py_ssize_t *at, const ConvShape *s, bint whole) noexcept nogil:
    """For each tap, what is added to every element of an image, or of one of its rows."""
    cdef Py_ssize_t tap = 0, i, j, y, x, oy, ox
    for i in range(s.kh if whole else 1):
        for j in range(s.kw):
            for y in range(s.ih if whole else 1):
                oy = window(y, i, s.sh, s.dh, s.ph, s.oh) if whole else 0
                for x in range(s.iw):
                    ox = window(x, j, s.sw, s.dw, s.pw, s.ow)
                    at[0] = (tap * s.oh + oy) * s.ow + ox if oy >= 0 and ox >= 0 else -1
                    at += 1
            tap += 1


cdef PickShape pick_shape(const ConvShape *s, bint fold, bint whole) noexcept nogil:
    """The shape of the table of planes, or of rows."""
    cdef PickShape p
    cdef Py_ssize_t image = s.ih * s.iw if whole else s.iw, pixels = s.oh * s.ow, taps = s.kh * s.kw if whole else s.kw
    p.groups, p.size, p.across, p.taps, p.plane = taps, pixels if whole else s.ow, pixels, 1, image
    if fold:
        p.taps = 1 if whole and apart(s) else taps
        p.groups, p.size, p.across, p.plane = 1, image, 0, (taps - 1) * pixels + p.size
    elif whole:
        p.groups, p.size, p.across = 1, taps * pixels, 0
    return p


cdef int table(Picks *p, const ConvShape *s, const real *like, Py_ssize_t planes, bint fold, bint gaps) except -1:
    """WHOLE or BY_ROWS: how so many planes are gathered by the table `p`, which is then filled in; else 0."""
    cdef PickShape shape
    cdef Py_ssize_t *at
    cdef Py_ssize_t size, across = inside_along(s.ow, s.kw, s.sw, s.dw, s.pw, s.iw)
    cdef Py_ssize_t down = inside_along(s.oh, s.kh, s.sh, s.dh, s.ph, s.ih)
    cdef Py_ssize_t lanes = lanes_of(sizeof(real))
    cdef bint far = planes * s.kh * s.kw * s.oh * s.ow > FAR // <Py_ssize_t> sizeof(real)
    cdef int way = 0
    cdef bint whole
    for whole in (True, False):
        shape = pick_shape(s, fold, whole)
        if way or not pick_fits(&shape, across * (down if whole else 1), like):
            continue
        if whole and (gaps or s.iw * <Py_ssize_t> sizeof(real) > NARROW) or (1 if whole else s.oh) * planes < FEWEST:
            continue
        if fold and not whole and far and s.sw == 1 and s.kh * s.kw > STREAMS:
            continue
        if fold and not whole and s.ow < lanes < LEAST * s.sw:
            continue
        size = shape.groups * shape.taps * shape.size
        if fold and size * DEAR > across * down * planes:  # few windows leave most of it empty
            continue
        at = <Py_ssize_t *> borrow("fold" if fold else "unfold", size * sizeof(Py_ssize_t))
        if fold and whole and apart(s):
            placed(at, s)
        elif fold:
            folded(at, s, whole)
        else:
            unfolded(at, s, whole)
        if pick_table(p, &shape, at, like):
            way = WHOLE if whole else BY_ROWS
        give_back(at)
    return way


cdef void unfold_rows(const ConvShape *s, const real *x, Py_ssize_t xh, real *to, const Picks *p) noexcept nogil:
    """The columns of one channel, row by row of windows."""
    cdef Py_ssize_t i, j, y, iy, pixels = s.oh * s.ow
    for i in range(s.kh):
        for y in range(s.oh):
            iy = element(y, i, s.sh, s.dh, s.ph, s.ih)
            if iy >= 0:
                pick(to + y * s.ow, x + iy * xh, p)
            else:
                for j in range(s.kw):
                    memset(to + j * pixels + y * s.ow, 0, s.ow * sizeof(real))
        to += s.kw * pixels


cdef void unfold_channel(const Call *c, Py_ssize_t item, real *_scratch) noexcept nogil:
    """The columns of one channel."""
    cdef const ConvShape *s = c.s
    cdef Py_ssize_t size = sizeof(real), taps = s.kh * s.kw, pixels = s.oh * s.ow
    cdef Py_ssize_t xc = c.images.strides[1] // size, xh = c.images.strides[3] // size
    cdef const real *x = <const real *> c.images.data + item // s.ic * (c.images.strides[0] // size) + item % s.ic * xc
    cdef real *to = <real *> c.columns + item * taps * pixels
    if c.way == WHOLE:
        pick(to, x, c.p)
    elif c.way == BY_ROWS:
        unfold_rows(s, x, xh, to, c.p)
    else:
        pack_columns(s, x, xc, 0, xh, 0, taps, 0, pixels, to, pixels)


def unfold(tuple geometry, input, output, int rank, real like, int threads):
    """The input (n, c, h, w) or (c, h, w), of unit stride along w, into columns (n, c * kh * kw, oh * ow), both maybe
    without n.

    Neither is empty, they do not overlap and are of the type of `like`; `rank` is 2, the columns are contiguous.
    """
    cdef ConvShape s
    cdef Picks p
    cdef operand x = five(input, rank)
    cdef Py_ssize_t size = sizeof(real), planes
    cdef Call call = Call(&s, &p, 0, &x, first_of(output))
    read_shape(&s, geometry)
    planes = x.shape[0] * s.ic
    call.way = table(&p, &s, <const real *> x.data, planes, False, s.ih > 1 and x.strides[3] // size != s.iw)
    with nogil:
        each_piece(<Piece> unfold_channel[real], &call, planes, threads)


cdef void add_row(real *to, const real *source, Py_ssize_t n, Py_ssize_t stride) noexcept nogil:
    cdef Py_ssize_t i
    if stride == 1:
        for i in range(n):
            to[i] += source[i]
    else:
        for i in range(n):
            to[i * stride] += source[i]


cdef void fold_taps(const ConvShape *s, const real *columns, real *image) noexcept nogil:
    """The taps of one channel into its plane."""
    cdef Py_ssize_t i, j, y, iy, lo, hi, offset
    memset(image, 0, s.ih * s.iw * sizeof(real))
    for i in range(s.kh):
        for j in range(s.kw):
            offset = j * s.dw - s.pw
            lo = min(first_inside(offset, s.sw), s.ow)
            hi = min(end_inside(offset, s.sw, s.iw), s.ow)
            for y in range(s.oh):
                iy = element(y, i, s.sh, s.dh, s.ph, s.ih)
                if iy >= 0 and lo < hi:
                    add_row(image + iy * s.iw + lo * s.sw + offset, columns + y * s.ow + lo, hi - lo, s.sw)
            columns += s.oh * s.ow


cdef void fold_rows(
    const ConvShape *s, const real *columns, real *image, const Picks *p, const real **rows,
) noexcept nogil:
    """The plane of one channel, row by row; `rows` has place for kh."""
    cdef Py_ssize_t i, y, oy, many
    for y in range(s.ih):
        many = 0
        for i in range(s.kh):
            oy = window(y, i, s.sh, s.dh, s.ph, s.oh)
            if oy >= 0:
                rows[many] = columns + (i * s.kw * s.oh + oy) * s.ow
                many += 1
        pick_sums(image + y * s.iw, rows, many, p)


cdef void fold_channel(const Call *c, Py_ssize_t item, real *scratch) noexcept nogil:
    """The plane of one channel."""
    cdef const ConvShape *s = c.s
    cdef const real *columns = <const real *> c.columns + item * s.kh * s.kw * s.oh * s.ow
    cdef real *image = <real *> c.images.data + item * s.ih * s.iw
    if c.way == WHOLE:
        pick_sums(image, &columns, 1, c.p)
    elif c.way == BY_ROWS:
        fold_rows(s, columns, image, c.p, <const real **> scratch)
    else:
        fold_taps(s, columns, image)


def fold(tuple geometry, input, output, int rank, real like, int threads):
    """Columns (n, c * kh * kw, oh * ow) into images (n, c, h, w), or both without n: every element.

    Both are contiguous, not empty, do not overlap and are of the type of `like`; `rank` is 2.
    """
    cdef ConvShape s
    cdef Picks p
    cdef operand images = five(output, rank)
    cdef Py_ssize_t planes = images.shape[0] * images.shape[1], own = 0
    cdef char *rows = NULL
    cdef Call call = Call(&s, &p, 0, &images, first_of(input))
    read_shape(&s, geometry)
    call.way = table(&p, &s, <const real *> images.data, planes, True, False)
    if call.way == BY_ROWS:
        own = round_up(s.kh * sizeof(real *), LINE)     # threads that write to one line wait for each other
        rows = borrow("fold", own * threads)
    with nogil:
        each_piece(<Piece> fold_channel[real], &call, planes, threads, rows, own)
    give_back(rows)
