"""Products with lanes along output channels: their pixels lie anywhere, and need not fill vectors.

    7 x 7 pixels are three vectors of 16 and one:       channels fill vectors, of which a tile has up to four:
    o [  16  ][  16  ][  16  ][1       ]                pixel [  16  ][  16  ][  16  ] ...

Rows of the tile are pixels then, as in `direct_last.pyx`. What a pixel sees through a tap lies at the sum of two
distances, which two tables hold: in the image, where no tap sees padding, or in a stage, a padded copy of what a block
of pixels sees of some channels. Nothing is copied once a tap, whatever the stride. The tile's columns are output
channels, of weights turned to (k, channel) a tile at a time, or beforehand; sums lie (tile, pixel, channel) in a buffer
until they are complete, and are turned then.
"""

from fastconv._kernels.across_cost cimport KC, STAGED_BYTES, channels_of, most_pixels, sorts
from fastconv._kernels.copy cimport copy_rows
from fastconv._kernels.pack cimport ceil_div, extend
from fastconv._kernels.product cimport (
    LINE, SMALL_MAP, Task, channels_collide, divide, is_uneven, round_up, split_channels
)
from fastconv._kernels.shape cimport ConvShape, at, real, sees_no_padding
from fastconv._kernels.sights cimport Sights, all_finite, list_taps, place_sights, sights_table, sort_pixels
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.stage cimport plan_stage, stage_block, stage_table
from fastconv._kernels.tile cimport CHUNK, TILE_ROWS, fetch_to_l2, tile_finish, tile_some, tile_taps
from fastconv._kernels.turn cimport clear_beside, turn_block

cdef enum:
    WIDEST = 64             # output channels of a tile at most
    TURNS_ALONE = 96        # pixels of a thread with which it turns all weights itself, sooner than share turned ones


cdef inline void plan_across(Task *t, Py_ssize_t size, int threads) noexcept nogil:
    """Split the work: few pixels, or those that need no stage, by channels: each block of them meets all weights.

    Unless whole tiles of channels are uneven shares, and pixels enough that each thread turns the weights for itself.
    """
    cdef Py_ssize_t most = most_pixels(&t.s, size)
    cdef Py_ssize_t unit = t.s.ow if t.s.ow <= most else TILE_ROWS
    cdef Py_ssize_t share = 2 * lanes_of(size)          # of the output channels: a tile or part of one
    cdef bint small = t.flat or t.pixels <= SMALL_MAP
    t.channels = channels_of(&t.s)
    t.kc = t.channels * (t.depth // t.icg)
    t.kc = ceil_div(t.kc, max(ceil_div(t.kc, KC + CHUNK), 1))        # whole channels, but of many taps
    divide(t, most // unit * unit, unit, share, 1 if small else threads)
    if small:
        split_channels(t, ceil_div(threads, t.n * t.s.groups * t.blocks), share)
        if t.flat and t.pixels >= threads * TURNS_ALONE and is_uneven(t, threads):
            divide(t, most // TILE_ROWS * TILE_ROWS, TILE_ROWS, share, threads)


cdef inline Py_ssize_t across_table(const Task *t) noexcept nogil:
    """Items of the tables that `find_across` fills."""
    return stage_table(&t.s) + t.channels * (t.depth // t.icg) + t.block


cdef inline Py_ssize_t across_scratch(const Task *t, Py_ssize_t size) noexcept nogil:
    """Elements of a thread's scratch."""
    cdef Py_ssize_t items = sights_table(t.block, t.kc) if t.ordered else 0
    return t.staged + t.panel + t.ordered + t.turned + round_up(items * <Py_ssize_t> sizeof(Py_ssize_t), LINE) // size


cdef inline void find_across(Task *t, Py_ssize_t size, Py_ssize_t *table) noexcept nogil:
    """Where each k and each pixel of a block lies, from the first ones on; blocks start a row, or are part of one."""
    cdef Py_ssize_t plane = t.s.oh * t.s.ow, taps = t.depth // t.icg, rows, columns, planes
    cdef Py_ssize_t tiles
    cdef Py_ssize_t dc = t.xc, dd = t.xd, dh = t.xh
    t.row, t.spot = table + stage_table(&t.s), table + stage_table(&t.s) + t.channels * taps
    t.staged = 0
    if not sees_no_padding(&t.s) or channels_collide(t):
        t.fine = t.s
        t.fine.sd = t.fine.sh = t.fine.sw = 1
        planes, rows = min(ceil_div(t.block, plane), t.s.od), min(ceil_div(t.block, t.s.ow), t.s.oh)
        columns = min(t.block, t.s.ow)
        plan_stage(&t.stage, &t.fine, size, table, (planes - 1) * t.s.sd + 1, (rows - 1) * t.s.sh + 1,
                   (columns - 1) * t.s.sw + 1, STAGED_BYTES)
        dc, dd, dh = t.stage.channel, t.stage.depth, t.stage.cols
        t.staged = round_up(t.channels * dc, LINE)
    t.row[0] = t.spot[0] = 0
    extend(t.row, t.s.kw, 1, t.s.dw)
    extend(t.row, t.s.kh * t.s.kw, t.s.kw, t.s.dh * dh)
    extend(t.row, taps, t.s.kh * t.s.kw, t.s.dd * dd)
    extend(t.row, t.channels * taps, taps, dc)
    extend(t.spot, min(t.s.ow, t.block), 1, t.s.sw)
    extend(t.spot, min(plane, t.block), t.s.ow, t.s.sh * dh)
    extend(t.spot, t.block, plane, t.s.sd * dd)
    tiles = ceil_div(t.part, t.width) + (t.part % t.width > 0) if t.kc < t.depth else 1   # a part begins within a tile
    t.panel = round_up(t.block * tiles * t.width, LINE)
    t.ordered = 0
    if sorts(&t.s) and t.kc == t.channels * taps and not sees_no_padding(&t.s):
        t.finish.chain = CHUNK // taps * taps           # whole channels: chains of all pixels end at the same k
        t.ordered = round_up(t.block * t.width, LINE)


cdef inline void multiply_tiles(
    Py_ssize_t pixels, Py_ssize_t channels, Py_ssize_t kc, const real *x, const Py_ssize_t *spot, const Py_ssize_t *tap,
    const real *b, Py_ssize_t width, const Py_ssize_t *weight, const real *later, Py_ssize_t ld, real *sums,
    const tile_finish *finish,
) noexcept nogil:
    """sums[pixel][channel] (+)= x[spot[pixel] + tap[k]] * b[k][channel] for the channels of a tile at most.

    width : from one k of b, or one pixel's sums, to the next one's
    weight : where each k is in b, or NULL if all are there
    later : rows of weights, `ld` apart, that are turned next, to be fetched; or NULL
    """
    cdef Py_ssize_t tiles = ceil_div(pixels, TILE_ROWS), i = 0, n, r
    cdef Py_ssize_t shorter = pixels // tiles, longer = pixels - shorter * tiles
    for n in range(tiles):
        r = shorter + (n < longer)
        if later != NULL and n < width:
            fetch_to_l2(later + n * ld, kc * sizeof(real))
        if weight == NULL:
            tile_taps(sizeof(real), r, channels, kc, x, spot + i, tap, b, width, sums + i * width, width, finish)
        else:
            tile_some(sizeof(real), r, channels, kc, x, spot + i, tap, b, weight, sums + i * width, width, finish)
        i += r


cdef inline void multiply_kinds(
    const Task *t, const Sights *sights, Py_ssize_t channels, Py_ssize_t kc, const real *x, const Py_ssize_t *tap,
    const real *b, const real *later, real *sums, tile_finish finish,
) noexcept nogil:
    """The same for pixels in the order of what they see, each with the taps that it sees; chains end where all do."""
    cdef Py_ssize_t width = t.width, taps = t.depth // t.icg, chain = finish.chain, kind, first, some
    cdef bint finite
    if sights.start[1] > 0:
        multiply_tiles(sights.start[1], channels, kc, x, sights.spot, tap, b, width, NULL, later, t.depth, sums,
                       &finish)
    if finish.clamp or sights.start[1] == 0:            # a sum, if there is one that was not clamped
        finite = all_finite(b, kc, channels, width)
    else:
        finite = all_finite(<const real *> sums, 1, channels, width)
    if not finite:
        first = sights.start[1]
        multiply_tiles(sights.start[sights.kinds] - first, channels, kc, x, sights.spot + first, tap, b, width, NULL,
                       NULL, 0, sums + first * width, &finish)
        return
    for kind in range(1, sights.kinds):
        first, some = sights.start[kind], sights.start[kind + 1] - sights.start[kind]
        finish.chain = max(chain // taps * sights.seen[kind], <Py_ssize_t> 1)
        multiply_tiles(some, channels, kc // taps * sights.seen[kind], x, sights.spot + first,
                       sights.tap + kind * sights.most, b, width, sights.weight + kind * sights.most, NULL, 0,
                       sums + first * width, &finish)


cdef inline void write_sums(
    const Task *t, const Sights *sights, Py_ssize_t pixels, Py_ssize_t channels, const real *sums, real *ordered,
    real *out,
) noexcept nogil:
    """out[channel][pixel] = sums[pixel][channel], which are in the order of `sights` unless there is one kind."""
    cdef Py_ssize_t width = t.width, p
    if sights.kinds > 1:
        for p in range(pixels):
            copy_rows(sizeof(real), ordered + sights.order[p] * width, 0, sums + p * width, 0, 1, width)
        sums = ordered
    turn_block(sizeof(real), pixels, channels, sums, width, out, t.pixels)


cdef inline void start_from(const real *bias, Py_ssize_t channels, real *start) noexcept nogil:
    """Biases, or zeros, of which none is -0.0: what a sum that has underflown to a zero started from gives it its sign.

    Else products with padding gave it, which some blocks leave out, and blocks depend on threads.
    """
    cdef Py_ssize_t i
    for i in range(channels):
        start[i] = (bias[i] if bias != NULL else 0) + <real> 0


cdef inline void multiply_block(
    const Task *t, const Sights *sights, Py_ssize_t c0, Py_ssize_t k0, Py_ssize_t k1, const real *x, const real *w,
    const real *packed, const real *bias, real *out, real *sums, Py_ssize_t pixels, Py_ssize_t o0, Py_ssize_t o1,
) noexcept nogil:
    """Products [k0, k1) of a block of pixels, at which `out` starts, with output channels [o0, o1).

    x : channel c0 of the image or the stage
    """
    cdef Py_ssize_t width = t.width, some, o = o0
    cdef real *ordered = sums + t.panel
    cdef real *turned = ordered + t.ordered
    cdef const real *b = turned
    cdef const real *later = NULL
    cdef const Py_ssize_t *tap = t.row + k0 - c0 * (t.depth // t.icg)
    cdef tile_finish finish = t.finish
    cdef real start[WIDEST]
    finish.accumulate = k0 > 0
    finish.clamp = t.finish.clamp and k1 == t.depth
    while o < o1:
        some = min(width - o % width, o1 - o)
        finish.col_bias = at(bias, o)
        if t.ordered and k0 == 0:
            start_from(at(bias, o), some, start)
            finish.col_bias = start
        if packed == NULL:
            clear_beside(some, k1 - k0, width, turned)
            turn_block(sizeof(real), some, k1 - k0, w + o * t.depth + k0, t.depth, turned, width)
            later = w + (o + some) * t.depth + k0 if o + some < o1 else NULL
        else:
            b = packed + o // width * width * t.depth + k0 * width + o % width
        if sights.kinds > 1:
            multiply_kinds(t, sights, some, k1 - k0, x, tap, b, later, sums, finish)
        else:
            multiply_tiles(pixels, some, k1 - k0, x, sights.spot, tap, b, width, NULL, later, t.depth, sums, &finish)
        if k1 == t.depth:
            write_sums(t, sights, pixels, some, <const real *> sums, ordered, out + o * t.pixels)
        if t.kc < t.depth:
            sums += pixels * width
        o += some


cdef inline void multiply_across(
    const Task *t, const real *x, const real *w, const real *packed, const real *bias, real *out, real *scratch,
    Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t o0, Py_ssize_t o1,
) noexcept nogil:
    """Pixels [p0, p1) of output channels [o0, o1) of one group, where x, w, packed, bias and out start.

    packed : tiles of the weights, turned beforehand, or NULL
    """
    cdef Py_ssize_t plane = t.s.oh * t.s.ow, taps = t.depth // t.icg, c0 = 0, c1, k0 = 0, k1
    cdef Py_ssize_t z = p0 // plane * t.s.sd, y = p0 % plane // t.s.ow * t.s.sh, left = p0 % t.s.ow * t.s.sw
    cdef const real *a = scratch
    cdef real *sums = scratch + t.staged
    cdef Sights sights
    sights.kinds = 1
    sights.spot = t.spot
    if t.ordered:
        place_sights(&sights, <Py_ssize_t *> (sums + t.panel + t.ordered + t.turned), t.block, t.kc)
        if sort_pixels(&sights, &t.s, p0, p1, t.spot):
            list_taps(&sights, &t.s, t.row, t.channels, t.width)
        else:
            sights.kinds = 1
            sights.spot = t.spot
    while c0 < t.icg:
        c1 = min(c0 + t.channels, t.icg)
        if t.staged:
            stage_block(&t.stage, &t.fine, x + c0 * t.xc, t.xc, t.xd, t.xh, c1 - c0, z, y, left, scratch)
        else:
            a = x + c0 * t.xc + z * t.xd + y * t.xh + left
        while k0 < c1 * taps:
            k1 = min(k0 + t.kc, c1 * taps)
            multiply_block(t, &sights, c0, k0, k1, a, w, packed, bias, out + p0, sums, p1 - p0, o0, o1)
            k0 = k1
        c0 = c1
