"""Columns of patches for the product of channels-first images: where a tile reads them, and the panel it reads.

They are copied from a stage of the input (`stage.pxd`), or element by element where far taps would see too much of it;
turned from where they lie in the image where patches do not overlap; those of 1x1 kernels are copied from the image,
where whole tiles of few channels are read in place.
"""

from fastconv._kernels.across_cost cimport picks_pixels, rows_are_vectors
from fastconv._kernels.ahead cimport Next
from fastconv._kernels.copy cimport copy_rows, copy_tiles
from fastconv._kernels.mixed_tile cimport MIXED_VECTORS
from fastconv._kernels.pack cimport ceil_div, extend, pack_columns
from fastconv._kernels.product cimport (
    LINE, PANEL_BYTES, REREAD, WEIGHT_BYTES, Task, channels_collide, patch_pitch, round_up, short_vectors,
    turns_patches
)
from fastconv._kernels.rest cimport last_pixels, mixed_width, tiles_passed
from fastconv._kernels.shape cimport real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.split cimport can_split, pick_rows, split_table
from fastconv._kernels.stage cimport clear_beyond, copy_columns, first_column, plan_stage, stage_block, stage_table
from fastconv._kernels.tile cimport TILE_ROWS, tile_width
from fastconv._kernels.turn cimport clear_beside, turn_block

cdef enum:
    # Rows of 1x1 layers lie a plane apart, each on another page; a vector in two lines takes two loads. By vectors of
    # a whole line they are read in place for
    IN_PLACE = 12            # outputs, of sums of at most
    IN_PLACE_DEPTH = 64      # products, else for those of a tile's rows; where rows are whole vectors apart, so that
    ALIGNED_IN_PLACE = 64    # tiles begin with a line, for so many, but at most as many as products: else C is dear
    SHORT_IN_PLACE = 384     # bytes of a pixel's outputs with shorter vectors (peers.py, 1x1),
    SHORT_ACROSS = 128       # if rows are not aligned, so that every other vector lies in two lines
    ASKING_DEPTH = 16        # products of a sum from which on columns in place are asked for
    # Of sums of so many products columns are copied in passing; with vectors of half a line for outputs of more bytes
    PASSING_DEPTH = 64       # than SHORT_ACROSS, if rows are aligned,
    PASSING_BYTES = 256      # up to so many, with longer ones as long as their weights stay in L2
    PASSING_WEIGHTS = 524288
    PIECE_BYTES = 1048576    # of a block of pixels in place: few blocks, since nobody asks for their first columns
    STAGE_BYTES = 524288     # of a stage at most; what far dilated taps see is packed from the image


cdef struct Columns:
    # The first `whole` pixels of a block are read in place: `head` up to a boundary of vectors, whole tiles, and `end`
    # in a narrower one; `copied` ones lie in the panel, to which the first tile of rows copies `passed` of them if it
    # `packs` in passing; the `left` last ones have lanes along the depth.
    Py_ssize_t whole, head, end, copied, passed, left
    bint packs
    bint asks           # for columns in place, of sums that are long enough


cdef inline Py_ssize_t most_in_place(const Task *t, Py_ssize_t size) noexcept nogil:
    """Outputs for which columns are read in place, at most."""
    cdef Py_ssize_t most = IN_PLACE if t.depth <= IN_PLACE_DEPTH else TILE_ROWS
    if short_vectors(size):
        return (SHORT_IN_PLACE if t.aligned else SHORT_ACROSS) // size
    return max(most, min(<Py_ssize_t> ALIGNED_IN_PLACE, t.depth)) if t.aligned else most


cdef inline bint read_in_place(const Task *t, Py_ssize_t size) noexcept nogil:
    """Whether whole tiles of pixels are read from the image: patches are pixels, and too few channels, or too short
    sums, repay a panel."""
    return (t.flat and not t.deep and t.ocg <= most_in_place(t, size) and not channels_collide(t)
            and not packs_in_passing(t, size))


cdef inline bint packs_in_passing(const Task *t, Py_ssize_t size) noexcept nogil:
    """Whether the first tile of rows copies columns of the image to the panel, for few others that read them.

    It is one stripe, which the next overwrites. Not where channels collide: those that it asks for would meet in one
    set of the cache with those that it reads.
    """
    cdef Py_ssize_t few, most
    if lanes_of(size) * size == LINE:           # more than are read in place, of weights that L2 keeps
        few, most = most_in_place(t, size), PASSING_WEIGHTS // size // max(t.kc, 1)
    elif 2 * lanes_of(size) * size == LINE:
        few, most = SHORT_ACROSS // size if t.aligned else TILE_ROWS, PASSING_BYTES // size
    else:
        return False
    return (t.flat and not t.deep and t.depth >= PASSING_DEPTH and few < t.ocg <= most and not channels_collide(t)
            and (t.wide == tile_width(size) or t.wide == MIXED_VECTORS * lanes_of(size)))


cdef inline Py_ssize_t last_in_place(Py_ssize_t pixels, Py_ssize_t size) noexcept nogil:
    """Pixels of the last tile in place, a vector and more, where whole tiles would leave less than one; else 0."""
    cdef Py_ssize_t rest = pixels % tile_width(size)
    return rest + lanes_of(size) if 0 < rest < lanes_of(size) else 0


cdef inline Py_ssize_t panel_bytes(const Task *t, Py_ssize_t size) noexcept nogil:
    """What the pixels of a block take at most: weights that stay in L2 meet many small panels as fast."""
    cdef bint small = t.ocg * t.depth * size <= WEIGHT_BYTES and short_vectors(size)
    if read_in_place(t, size):
        return PANEL_BYTES if short_vectors(size) else PIECE_BYTES
    return PANEL_BYTES // 2 if small else PANEL_BYTES


cdef inline Py_ssize_t column(const Task *t, Py_ssize_t j) noexcept nogil:
    """Where column j of the panel is."""
    return j // t.wide * t.apart + j % t.wide


cdef inline void plan_columns(Task *t, Py_ssize_t size, Py_ssize_t *table) noexcept nogil:
    """What a panel of columns is made from, and its size; `table` is that of the stage."""
    cdef Py_ssize_t taps = t.s.kd * t.s.kh * t.s.kw, plane = t.s.oh * t.s.ow, channels, rows, planes
    cdef Py_ssize_t across = t.s.ow, most, k
    cdef bint in_rows = not t.deep and rows_are_vectors(&t.s, size)
    cdef Py_ssize_t unit = lanes_of(size) if in_rows else 1
    cdef bint in_place = read_in_place(t, size)
    cdef Py_ssize_t columns = t.wide if in_place else t.block
    t.left = 0 if t.deep else last_pixels(t.pixels, t.kc, size)
    if t.blocks == 1 and not in_place and (t.ocg >= REREAD or t.pixels < 2 * t.wide):   # few others copy wide tiles
        t.wide = mixed_width(t.pixels - t.left, t.left, size) or t.wide
    # room for a vector more, and an odd number of cache lines: the rows of a tile's columns then fall into all sets
    t.leading = patch_pitch(columns + lanes_of(size), size)
    t.apart = t.wide
    t.panel = 0 if t.deep and t.flat else round_up(t.kc * t.leading, LINE)
    if t.flat and not t.deep:
        t.leading = t.wide
        t.apart = patch_pitch(t.kc * t.wide, size)
        t.panel = ceil_div(columns, t.wide) * t.apart
    t.staged = 0
    t.row = NULL
    t.stage.split.vectors = 0
    if picks_pixels(&t.s) and can_split(size, t.s.sw):
        split_table(&t.stage.split, size, t.s.sw)
    if taps > 1 and (in_rows or t.deep or not turns_patches(&t.s, size)):
        channels = max(min((t.kc + taps - 2) // taps + 1, t.icg), 1)
        rows = min(t.s.oh, t.block // t.s.ow if t.block % t.s.ow == 0 else (t.block + t.s.ow - 2) // t.s.ow + 1)
        if t.span == t.s.ow:            # a block is a row or part of one
            rows, across = 1, min(across, t.block)
        planes = min(ceil_div(t.block, plane), t.s.od)
        most = STAGE_BYTES // size // channels
        if (unit > 1 and plan_stage(&t.stage, &t.s, size, table, planes, rows, across, most, unit)
                or plan_stage(&t.stage, &t.s, size, table, planes, rows, across, most)):
            t.staged = round_up(channels * t.stage.channel + tile_width(size), LINE)
            if in_rows:
                t.row = table + stage_table(&t.s)
                t.left = t.panel = 0
                for k in range(min(taps, t.depth)):
                    t.row[k] = t.stage.tap[k]
                extend(t.row, t.depth, taps, t.stage.channel)
    if t.left:
        t.patch = patch_pitch(t.kc, size)
        t.patches = t.left * t.patch


cdef inline Columns sort_columns(const Task *t, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t size) noexcept nogil:
    """How the pixels [p0, p1) of a block are read."""
    cdef Columns s
    cdef Py_ssize_t width = tile_width(size), pixels
    s.left = max(p1 - max(p0, t.pixels - t.left), 0)
    pixels = p1 - p0 - s.left
    s.whole = pixels if read_in_place(t, size) and pixels >= lanes_of(size) else 0
    s.head = width - t.lead if s.whole and p0 == 0 and t.lead > 0 and p1 - p0 >= 2 * width else 0
    s.end = last_in_place(s.whole - s.head, size)
    s.copied = pixels - s.whole
    s.packs = packs_in_passing(t, size)
    s.passed = tiles_passed(pixels, s.left, t.wide, size) * t.wide if s.packs else 0
    s.asks = s.whole > 0 and t.depth >= ASKING_DEPTH
    return s


cdef inline void pick_columns(
    const Task *t, const real *x, Py_ssize_t k0, Py_ssize_t k1, Py_ssize_t p0, Py_ssize_t p1, real *panel,
) noexcept nogil:
    """Pixels that a stride picks, row after row of output; up to a vector beyond one is written, too."""
    cdef Py_ssize_t plane = t.s.oh * t.s.ow, p = p0, y, o, n
    cdef const real *source
    while p < p1:
        y = p % plane // t.s.ow * t.s.sh
        o = p % t.s.ow * t.s.sw
        n = min(t.s.ow - p % t.s.ow, p1 - p)
        source = x + k0 * t.xc + p // plane * t.s.sd * t.xd + y * t.xh + o
        pick_rows(sizeof(real), panel + p - p0, t.leading, source, t.xc, k1 - k0, n, t.s.sw,
                  (k1 - k0 - 1) * t.xc + (t.s.ih - 1 - y) * t.xh + t.s.iw - o, &t.stage.split)
        p += n


cdef inline void turn_channel(
    const Task *t, const real *x, Py_ssize_t k0, Py_ssize_t k1, Py_ssize_t p0, Py_ssize_t p1, real *panel,
) noexcept nogil:
    """Taps [k0, k1) of one channel at `x`: rows of output one after the other, of each a row of taps at a time."""
    cdef Py_ssize_t plane = t.s.oh * t.s.ow, p = p0, k, n, some, row
    cdef const real *pixel
    while p < p1:
        n = min(t.s.ow - p % t.s.ow, p1 - p)
        pixel = x + p // plane * t.s.sd * t.xd + p % plane // t.s.ow * t.s.sh * t.xh + p % t.s.ow * t.s.sw
        k = k0
        while k < k1:
            row = k // t.s.kw
            some = min((row + 1) * t.s.kw, k1) - k
            turn_block(sizeof(real), n, some,
                       pixel + row // t.s.kh * t.s.dd * t.xd + row % t.s.kh * t.s.dh * t.xh + k - row * t.s.kw, t.s.sw,
                       panel + (k - k0) * t.leading + p - p0, t.leading)
            k += some
        p += n


cdef inline void turn_patches(
    const Task *t, const real *x, Py_ssize_t k0, Py_ssize_t k1, Py_ssize_t p0, Py_ssize_t p1, real *panel,
) noexcept nogil:
    """Patches as `turns_patches` wants them, turned from where they lie in the image, a channel after the other."""
    cdef Py_ssize_t taps = t.s.kd * t.s.kh * t.s.kw, k = k0, c, end
    while k < k1:
        c = k // taps
        end = min((c + 1) * taps, k1)
        turn_channel(t, x + c * t.xc, k - c * taps, end - c * taps, p0, p1, panel + (k - k0) * t.leading)
        k = end


cdef inline void fill_panel(
    const Task *t, const real *x, Py_ssize_t k0, Py_ssize_t k1, Py_ssize_t p0, Py_ssize_t p1, real *stage, real *panel,
) noexcept nogil:
    """Columns [p0, p1) of rows [k0, k1) of the patches, or the stage of them alone if the product reads that.

    p0 is the first pixel of a block if there is a stage.
    """
    cdef Py_ssize_t taps = t.s.kd * t.s.kh * t.s.kw, plane = t.s.oh * t.s.ow, c = k0 // taps
    cdef Py_ssize_t channels = (k1 - 1) // taps - c + 1
    cdef Py_ssize_t last = (p1 - p0) % t.wide
    if t.row == NULL:
        clear_beside(last, k1 - k0, t.leading, panel + column(t, p1 - p0 - last))
    if t.staged:
        stage_block(&t.stage, &t.s, x + c * t.xc, t.xc, t.xd, t.xh, channels, p0 // plane, p0 % plane // t.s.ow,
                    first_column(&t.stage, &t.s, p0), stage)
        clear_beyond(&t.stage, channels, stage)
        if t.row == NULL:
            copy_columns(&t.stage, &t.s, <const real *> stage, k0, k1, p0, p1, panel, t.leading)
    elif t.flat and t.leading == t.wide:
        copy_tiles(sizeof(real), panel, t.leading, t.apart, t.wide, x + k0 * t.xc + p0, t.xc, k1 - k0, p1 - p0)
    elif t.flat:
        copy_rows(sizeof(real), panel, t.leading, x + k0 * t.xc + p0, t.xc, k1 - k0, p1 - p0)
    elif picks_pixels(&t.s):
        pick_columns(t, x, k0, k1, p0, p1, panel)
    elif turns_patches(&t.s, sizeof(real)):
        turn_patches(t, x, k0, k1, p0, p1, panel)
    else:
        pack_columns(&t.s, x, t.xc, t.xd, t.xh, k0, k1, p0, p1, panel, t.leading)


cdef inline Next next_columns(
    const Task *t, const real *x, Py_ssize_t k0, Py_ssize_t k1, Py_ssize_t p0, Py_ssize_t p1,
) noexcept nogil:
    """Pixels that are packed after rows [k0, k1) of [p0, p1): the next rows of them, or the first of the next block.

    None with vectors of half a line, whose tiles have no instructions to spare (24 layers took 1.02 times as long).
    """
    cdef Py_ssize_t rows = min(t.kc, t.depth - k1), cols = p1 - p0, deep = max(k1 - k0, 1)
    if rows == 0:
        x, k1, rows, cols = x + p1 - p0, 0, t.kc, min(t.block, t.pixels - p1)
    if not t.flat or cols == 0 or short_vectors(sizeof(real)):
        rows = 0
    return Next(<const char *> (x + k1 * t.xc + p0), t.xc, rows, 0, rows, ceil_div(cols, deep) - 1)
