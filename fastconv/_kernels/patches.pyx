"""Windows of images as columns (im2col), and columns summed back into images (col2im): the two public functions.

    columns[c, i, j][y, x] = image[c][y * sh + i * dh - ph, x * sw + j * dw - pw]

Small planes are gathered whole, several at once if they are smaller than a vector, by a table that is made once a call,
others row by row (`patch_tables.pxd`); rows too long for a table are copied by the packing of the convolution kernels,
and added to the rows they were read from, taps in order. Channels-last images are turned first, some at a time. Work is
split over channels, so no two threads write the same element.
"""

from libc.string cimport memset

from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport first_of, five, operand
from fastconv._kernels.pack cimport ceil_div, clip, end_inside, first_inside, pack_columns, zeros
from fastconv._kernels.patch_tables cimport (
    BY_ROWS, BY_SHORT_ROWS, WHOLE, Picks, Table, add_rows, element, make_table, pick, pick_rows, pick_sums,
    window,
)
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.shape cimport LAYOUT, ConvShape, read_shape, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.turn_images cimport turn_images

cdef enum:
    TURNED = 1 << 18        # bytes of channels-last images that are turned at a time, to stay in the L2 cache


cdef struct Call:
    const ConvShape *s
    const Table *table
    Py_ssize_t planes
    const void *images
    Py_ssize_t xn, xc, xh   # strides of images, in elements
    const void *end         # past their last element
    void *columns


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


cdef void unfold_short_rows(
    const ConvShape *s, const real *x, Py_ssize_t xh, const real *end, real *to, const Picks *p,
) noexcept nogil:
    """The columns of one channel, whose rows of windows are less than a vector: each is one, as far as the images go,
    whose rest the next one overwrites."""
    cdef Py_ssize_t pixels = s.oh * s.ow, lanes = lanes_of(sizeof(real)), i, j, top, bottom, safe
    cdef const real *behind = to + s.kh * s.kw * pixels
    cdef const real *row
    for i in range(s.kh):
        top = min(first_inside(i * s.dh - s.ph, s.sh), s.oh)
        bottom = clip(end_inside(i * s.dh - s.ph, s.sh, s.ih), top, s.oh)
        row = x + (top * s.sh + i * s.dh - s.ph) * xh
        safe = bottom
        while s.iw < lanes and safe > top and end - row < max((safe - 1 - top) * s.sh * xh, <Py_ssize_t> 0) + lanes:
            safe -= 1
        for j in range(s.kw):
            zeros(to, top * s.ow)
            pick_rows(to + top * s.ow, s.ow, behind, row, s.sh * xh, safe - top, p, j)
            if safe < bottom:
                pack_columns(s, x, 0, 0, xh, i * s.kw + j, i * s.kw + j + 1, safe * s.ow, bottom * s.ow,
                             to + safe * s.ow, pixels)
            zeros(to + bottom * s.ow, (s.oh - bottom) * s.ow)
            to += pixels


cdef void unfold_planes(const Call *c, Py_ssize_t item, real *_scratch) noexcept nogil:
    """The columns of the channels that are gathered at once, or of one; of fewer, which are left, one by one."""
    cdef const ConvShape *s = c.s
    cdef Py_ssize_t first = item * c.table.planes, many = min(c.table.planes, c.planes - first), i
    cdef Py_ssize_t taps = s.kh * s.kw, pixels = s.oh * s.ow
    cdef const real *x = <const real *> c.images + first // s.ic * c.xn + first % s.ic * c.xc
    cdef real *to = <real *> c.columns + first * taps * pixels
    if c.table.way == WHOLE and many == c.table.planes:
        pick(to, x, &c.table.picks)
    elif c.table.way == BY_ROWS:
        unfold_rows(s, x, c.xh, to, &c.table.picks)
    elif c.table.way == BY_SHORT_ROWS:
        unfold_short_rows(s, x, c.xh, <const real *> c.end, to, &c.table.picks)
    else:
        for i in range(many):
            pack_columns(s, x + i * s.ih * s.iw, 0, 0, c.xh, 0, taps, 0, pixels, to + i * taps * pixels, pixels)


cdef Py_ssize_t side_by_side(const Call *c) noexcept nogil:
    """How many planes lie side by side: 0 if not even the rows of one do."""
    cdef Py_ssize_t plane = c.s.ih * c.s.iw
    if c.s.ih > 1 and c.xh != c.s.iw:
        return 0
    return c.planes if (c.s.ic == 1 or c.xc == plane) and (c.planes == c.s.ic or c.xn == c.s.ic * plane) else 1


cdef const void *end_of(const operand *x, Py_ssize_t size) noexcept nogil:
    """Past the element of the highest address."""
    cdef const char *end = <const char *> x.data + size
    cdef Py_ssize_t axis
    for axis in range(5):
        end += max((x.shape[axis] - 1) * x.strides[axis], <Py_ssize_t> 0)
    return end


cdef int unfold_first(Call *c, Table *t, const operand *x, const real *like, int threads) except -1:
    """Channels-first images."""
    cdef Py_ssize_t size = sizeof(real)
    c.images, c.end = x.data, end_of(x, size)
    c.xn, c.xc, c.xh = x.strides[0] // size, x.strides[1] // size, x.strides[3] // size
    make_table(t, c.s, like, c.planes, side_by_side(c), False)
    with nogil:
        each_piece(<Piece> unfold_planes[real], c, ceil_div(c.planes, t.planes), threads)
    return 0


cdef int unfold_last(Call *c, Table *t, const operand *x, const real *like, int threads) except -1:
    """Channels-last images, turned some at a time."""
    cdef Py_ssize_t size = sizeof(real), plane = c.s.ih * c.s.iw, image = c.s.ic * plane, n = x.shape[0], first = 0
    cdef Py_ssize_t some = min(max(TURNED // (image * size), <Py_ssize_t> 1), n)
    cdef real *turned = <real *> borrow("unfold", some * image * size)
    c.images, c.end = turned, turned + some * image
    c.xn, c.xc, c.xh = image, plane, c.s.iw
    try:
        make_table(t, c.s, like, some * c.s.ic, some * c.s.ic, False)
        with nogil:
            while first < n:
                some = min(some, n - first)
                c.planes = some * c.s.ic
                turn_images(<const real *> (<const char *> x.data + first * x.strides[0]), x.shape, x.strides, some,
                            turned, False, threads)
                each_piece(<Piece> unfold_planes[real], c, ceil_div(c.planes, t.planes), threads)
                c.columns = <real *> c.columns + c.planes * c.s.kh * c.s.kw * c.s.oh * c.s.ow
                first += some
    finally:
        give_back(turned)
    return 0


def unfold(tuple geometry, input, output, int rank, real like, int threads):
    """The input (n, c, h, w) or (c, h, w) into columns (n, c * kh * kw, oh * ow), both maybe without n.

    The input has unit stride along w, or along c as its layout says. Neither is empty, they do not overlap and are of
    the type of `like`; `rank` is 2, the columns are contiguous.
    """
    cdef ConvShape s
    cdef Table t
    cdef operand x = five(input, rank)
    cdef Call call = Call(&s, &t, 0, NULL, 0, 0, 0, NULL, first_of(output))
    read_shape(&s, geometry)
    call.planes = x.shape[0] * s.ic
    if geometry[LAYOUT]:
        unfold_last(&call, &t, &x, &like, threads)
    else:
        unfold_first(&call, &t, &x, &like, threads)


cdef void fold_taps(const ConvShape *s, const real *columns, real *image) noexcept nogil:
    """The taps of one channel into its plane."""
    cdef Py_ssize_t i, j, left, right, top, bottom, row, column
    memset(image, 0, s.ih * s.iw * sizeof(real))
    for i in range(s.kh):
        row = i * s.dh - s.ph
        top = min(first_inside(row, s.sh), s.oh)
        bottom = clip(end_inside(row, s.sh, s.ih), top, s.oh)
        for j in range(s.kw):
            column = j * s.dw - s.pw
            left = min(first_inside(column, s.sw), s.ow)
            right = clip(end_inside(column, s.sw, s.iw), left, s.ow)
            add_rows(image + (top * s.sh + row) * s.iw + left * s.sw + column, s.sh * s.iw, s.sw,
                     columns + top * s.ow + left, s.ow, bottom - top, right - left)
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


cdef void fold_planes(const Call *c, Py_ssize_t item, real *scratch) noexcept nogil:
    """The planes that are gathered at once, or one; of fewer, which are left, one after the other."""
    cdef const ConvShape *s = c.s
    cdef Py_ssize_t first = item * c.table.planes, many = min(c.table.planes, c.planes - first), i
    cdef Py_ssize_t plane = s.ih * s.iw, taps = s.kh * s.kw * s.oh * s.ow
    cdef const real *columns = <const real *> c.columns + first * taps
    cdef real *image = <real *> c.images + first * plane
    if c.table.way == WHOLE and many == c.table.planes:
        pick_sums(image, &columns, 1, &c.table.picks)
    elif c.table.way == BY_ROWS:
        fold_rows(s, columns, image, &c.table.picks, <const real **> scratch)
    else:
        for i in range(many):
            fold_taps(s, columns + i * taps, image + i * plane)


def fold(tuple geometry, input, output, int rank, real like, int threads):
    """Columns (n, c * kh * kw, oh * ow) into images (n, c, h, w), or both without n: every element.

    Both are contiguous, not empty, do not overlap and are of the type of `like`; `rank` is 2.
    """
    cdef ConvShape s
    cdef Table t
    cdef operand images = five(output, rank)
    cdef Py_ssize_t own = 0
    cdef char *rows = NULL
    cdef Call call = Call(&s, &t, images.shape[0] * images.shape[1], images.data, 0, 0, 0, NULL, first_of(input))
    read_shape(&s, geometry)
    make_table(&t, &s, &like, call.planes, call.planes, True)
    if t.way == BY_ROWS:
        own = round_up(s.kh * sizeof(real *), LINE)     # threads that write to one line wait for each other
        rows = borrow("fold", own * threads)
    with nogil:
        each_piece(<Piece> fold_planes[real], &call, ceil_div(call.planes, t.planes), threads, rows, own)
    give_back(rows)
