"""Gradient of the weights of a convolution: a matrix product over pixels.

    dw[oc, k] = sum over images and pixels p of  gout[oc, p] * patch[k, p]        k < K, p < P as in `pack.pxd`

computed for a part of the K x oc elements at a time, PIXELS pixels after PIXELS pixels of all images in a row:

    channels-first   dw' (k, oc) += columns (k, pixels) . gout' (pixels, oc)     patches copied row by row,
    channels-last    dw (oc, k)  += gout' (oc, pixels) . rows (pixels, k)        grad_output turned: it is the smaller

Each block of PIXELS is summed on its own and FAN block sums are added up before they join the next level, so that the
rounding error does not grow with the number of pixels (Higham 1993, doi:10.1137/0914050, pairwise summation in wider
steps). Work is split over elements of dw only, so the order of every sum is the same for any number of threads.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from fastconv._kernels.pack cimport ceil_div, pack_columns, pack_rows
from fastconv._kernels.shape cimport LAYOUT, ConvShape, read_shape, real
from fastconv._kernels.tile cimport CHUNK, TILE_ROWS, tile, tile_finish, tile_width

cdef extern from "turn.h" nogil:
    void turn_block(size_t size, Py_ssize_t rows, Py_ssize_t cols, const void *source, Py_ssize_t ldf, void *to,
                    Py_ssize_t ldt)

cdef enum:
    PIXELS = 128            # of a block: 128 positive terms in a row err by 1.3 eps (rms), which blocks then average
    FAN = 32                # sums a level takes before it is passed on
    LEVELS = 4              # block, FAN, FAN^2 and all of them: 2^17 pixels until the last one is in use
    SUM_BYTES = 262144      # of the elements of dw in work: half of an L2, so that grad_output is turned less often
    PANEL_BYTES = 147456    # of the patches
    MOST_CHANNELS = 1024    # of the output in work
    LINE = 64               # bytes of a cache line


cdef struct Task:
    ConvShape s
    Py_ssize_t n, icg, ocg, depth, pixels           # depth is K, pixels is P
    Py_ssize_t xn, xc, xd, xh, xw                   # strides of the input, in elements
    Py_ssize_t parts, part, chunks, chunk           # parts of K and their size; chunks of ocg and their size
    Py_ssize_t panel, leading                       # elements of the patches in work, and of one of their rows
    Py_ssize_t turned                               # elements of grad_output, turned
    Py_ssize_t sums                                 # elements of one level
    int levels
    bint in_place                                   # channels-first, a patch is a pixel: rows are read where they lie


cdef inline Py_ssize_t round_up(Py_ssize_t v, Py_ssize_t multiple) noexcept nogil:
    return ceil_div(v, multiple) * multiple


cdef inline Py_ssize_t even(Py_ssize_t total, Py_ssize_t most, Py_ssize_t unit) noexcept nogil:
    """The size, a multiple of `unit`, of equal pieces of `total` none of which is larger than `most`."""
    return round_up(ceil_div(total, ceil_div(total, most)), unit)


cdef void plan_parts(Task *t, Py_ssize_t size, bint last, int threads) noexcept nogil:
    """Split dw so that the sums of a part and its patches stay in L2 and every thread has as many parts."""
    cdef Py_ssize_t width = tile_width(size), most, blocks = ceil_div(t.n * t.pixels, PIXELS)
    cdef Py_ssize_t channel_unit = TILE_ROWS if last else width, unit = width if last else TILE_ROWS
    t.chunk = even(t.ocg, MOST_CHANNELS, channel_unit)
    t.chunks = ceil_div(t.ocg, t.chunk)
    most = max(min(SUM_BYTES // (size * t.chunk), PANEL_BYTES // (size * PIXELS)) // unit, 1) * unit
    t.parts = ceil_div(t.depth, most)
    t.parts = ceil_div(round_up(t.parts * t.chunks * t.s.groups, threads), t.chunks * t.s.groups)
    t.part = round_up(ceil_div(t.depth, t.parts), unit)
    t.parts = ceil_div(t.depth, t.part)
    t.leading = round_up(t.part if last else PIXELS, LINE // size) + LINE // size   # not a power of two: all cache sets
    t.panel = (PIXELS if last else t.part) * t.leading + LINE // size   # a tile reads lanes beyond the last row
    t.turned = t.chunk * (PIXELS + LINE // size)
    t.sums = t.chunk * t.part
    t.levels = 1
    while blocks > 1 and t.levels < LEVELS:
        t.levels += 1
        blocks = ceil_div(blocks, FAN)


cdef inline Py_ssize_t share(Py_ssize_t total, Py_ssize_t most) noexcept nogil:
    """Rows of the first tile when `total` rows are split evenly into as few tiles of at most `most` as will do."""
    return ceil_div(total, ceil_div(total, most))


cdef void multiply(
    Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t kc, const real *a, Py_ssize_t lda, const real *b, Py_ssize_t ldb,
    Py_ssize_t b_tile, real *c, Py_ssize_t ldc,
) noexcept nogil:
    """C = A . B; `b_tile` is the distance in B from one tile's columns to the next one's."""
    cdef Py_ssize_t width = tile_width(sizeof(real))
    cdef Py_ssize_t t, i, j, r
    cdef tile_finish finish
    finish.accumulate = finish.clamp = 0
    finish.chain = CHUNK
    finish.row_bias = finish.col_bias = NULL
    for t in range(ceil_div(cols, width)):
        j = t * width
        i = 0
        while i < rows:
            r = share(rows - i, TILE_ROWS)
            tile(sizeof(real), r, min(width, cols - j), kc, a + i * lda, lda, b + t * b_tile, ldb,
                 c + i * ldc + j, ldc, &finish)
            i += r


cdef void turn_channels(
    const real *gout, Py_ssize_t plane, Py_ssize_t channels, Py_ssize_t n, Py_ssize_t offset, real *to,
) noexcept nogil:
    """to[channel tile][offset + p][lane] = gout[channel][p] for p < n, with zeros in the lanes beyond the channels."""
    cdef Py_ssize_t width = tile_width(sizeof(real))
    cdef Py_ssize_t t, c, p, lane, lanes
    cdef real *tile_of
    for t in range(ceil_div(channels, width)):
        c = t * width
        tile_of = to + c * PIXELS + offset * width
        lanes = min(width, channels - c)
        turn_block(sizeof(real), lanes, n, gout + c * plane, plane, tile_of, width)
        for lane in range(lanes, width):
            for p in range(n):
                tile_of[p * width + lane] = 0


cdef inline void add(real *to, const real *source, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        to[i] += source[i]


cdef void carry(const Task *t, real *sums, Py_ssize_t block) noexcept nogil:
    """After block number `block`: pass its sum on, and every level that is full."""
    cdef int level = 0
    while level + 1 < t.levels:
        add(sums + (level + 1) * t.sums, sums + level * t.sums, t.sums)
        if level:
            memset(sums + level * t.sums, 0, t.sums * sizeof(real))
            block = block // FAN
        if (block + 1) % FAN or level + 2 == t.levels:
            return
        level += 1


cdef real *total(const Task *t, real *sums) noexcept nogil:
    """All levels together."""
    cdef int level
    for level in range(1, t.levels - 1):
        add(sums + (level + 1) * t.sums, sums + level * t.sums, t.sums)
    return sums + (t.levels - 1) * t.sums


cdef void sum_pixels(
    const Task *t, const real *x, const real *gout, bint last, Py_ssize_t k0, Py_ssize_t k1, Py_ssize_t channels,
    real *panel, real *turned, real *sums,
) noexcept nogil:
    """Taps [k0, k1) of some channels over all images; x starts at the group, gout at the first of the channels."""
    cdef Py_ssize_t width = tile_width(sizeof(real)), turned_row = PIXELS + LINE // <Py_ssize_t> sizeof(real), leading
    cdef const real *columns = panel
    cdef Py_ssize_t block, q, image, p, n, done
    cdef const real *source
    memset(sums, 0, t.levels * t.sums * sizeof(real))
    for block in range(ceil_div(t.n * t.pixels, PIXELS)):
        q = block * PIXELS
        done = 0
        while done < PIXELS and q < t.n * t.pixels:     # a block goes on in the next image
            image = q // t.pixels
            p = q - image * t.pixels
            n = min(PIXELS - done, t.pixels - p)
            source = x + image * t.xn
            if last:
                pack_rows(&t.s, source, t.xd, t.xh, t.xw, k0, k1, p, p + n, panel + done * t.leading, t.leading)
                turn_block(sizeof(real), n, channels, gout + q * t.s.oc, t.s.oc, turned + done, turned_row)
            else:
                if t.in_place and done == 0 and n == min(PIXELS, t.n * t.pixels - q):     # the whole block
                    columns = source + k0 * t.xc + p
                    leading = t.xc
                else:
                    columns = panel
                    leading = t.leading
                    pack_columns(&t.s, source, t.xc, t.xd, t.xh, k0, k1, p, p + n, panel + done, t.leading)
                turn_channels(gout + image * t.s.oc * t.pixels + p, t.pixels, channels, n, done, turned)
            done += n
            q += n
        if last:
            multiply(channels, k1 - k0, done, <const real *> turned, turned_row, <const real *> panel, t.leading, width,
                     sums, t.part)
        else:
            multiply(k1 - k0, channels, done, columns, leading, <const real *> turned, width, PIXELS * width, sums,
                     t.chunk)
        carry(t, sums, block)


cdef void one_part(
    const Task *t, const real *x, const real *gout, real *dw, bint last, Py_ssize_t item, char *scratch,
) noexcept nogil:
    """One part of K and one chunk of the output channels of a group, into dw."""
    cdef Py_ssize_t chunk = item % t.chunks, part = item // t.chunks % t.parts, g = item // (t.chunks * t.parts)
    cdef Py_ssize_t k0 = part * t.part, k1 = min(k0 + t.part, t.depth)
    cdef Py_ssize_t first = chunk * t.chunk, channels = min(t.chunk, t.ocg - first), taps = t.depth // t.icg
    cdef Py_ssize_t k, o
    cdef real *panel = <real *> scratch
    cdef real *turned = panel + t.panel
    cdef real *sums = turned + t.turned
    first += g * t.ocg
    sum_pixels(t, x + g * t.icg * t.xc, gout + first * (1 if last else t.pixels), last, k0, k1, channels, panel, turned,
               sums)
    sums = total(t, sums)
    if not last:
        turn_block(sizeof(real), k1 - k0, channels, sums, t.chunk, dw + first * t.depth + k0, t.depth)
        return
    for o in range(channels):
        for k in range(k0, k1):
            dw[(first + o) * t.depth + k % t.icg * taps + k // t.icg] = sums[o * t.part + k - k0]


def weight_grad(
    tuple geometry,
    const real[:, :, :, :, :] x,
    const real[:, :, :, :, :] gout,
    real[:, :, :, :, ::1] dw,
    int threads,
):
    """Weight gradient of a convolution.

    geometry : ConvGeometry
    x : (n, ic, d, h, w), unit stride along w (channels-first) or c (channels-last), other strides free
    gout : (n, oc, od, oh, ow), dense in the layout of x, not empty
    dw : (oc, ic // groups, kd, kh, kw), not empty; every element is written, and neither x nor gout may overlap it
    """
    cdef Task t
    cdef bint last = geometry[LAYOUT]
    cdef Py_ssize_t size = sizeof(real), bytes_each, item
    cdef const real *xs = &x[0, 0, 0, 0, 0]
    cdef const real *gs = &gout[0, 0, 0, 0, 0]
    cdef real *to = &dw[0, 0, 0, 0, 0]
    cdef char *scratch
    cdef char *aligned
    read_shape(&t.s, geometry)
    t.n = x.shape[0]
    t.icg = t.s.ic // t.s.groups
    t.ocg = t.s.oc // t.s.groups
    t.depth = t.icg * t.s.kd * t.s.kh * t.s.kw
    t.pixels = t.s.od * t.s.oh * t.s.ow
    t.xn = x.strides[0] // size
    t.xc = x.strides[1] // size
    t.xd = x.strides[2] // size
    t.xh = x.strides[3] // size
    t.xw = x.strides[4] // size
    t.in_place = not last and _patch_is_pixel(&t)
    plan_parts(&t, size, last, threads)
    bytes_each = round_up((t.panel + t.turned + t.levels * t.sums) * size, LINE)
    scratch = <char *> malloc(bytes_each * threads + LINE)
    if scratch == NULL:
        raise MemoryError(f"weight_grad: no memory for {bytes_each * threads} bytes of scratch")
    aligned = <char *> round_up(<Py_ssize_t> scratch, LINE)
    for item in prange(t.s.groups * t.parts * t.chunks, num_threads=threads, nogil=True, schedule="dynamic"):
        one_part(&t, xs, gs, to, last, item, aligned + threadid() * bytes_each)
    free(scratch)


cdef bint _patch_is_pixel(const Task *t) noexcept nogil:
    """A 1x1 kernel at stride 1 without padding over pixels that lie side by side."""
    return (
        t.depth == t.icg and t.s.sd * t.s.sh * t.s.sw == 1 and t.s.pd == 0 and t.s.ph == 0 and t.s.pw == 0
        and t.pixels == t.s.id * t.s.ih * t.s.iw and t.xh == t.s.iw and t.xd == t.s.ih * t.s.iw
    )
