"""How `disjoint.pyx` divides its work, and where in the result outputs belong; distances are in elements."""

from fastconv._kernels.pack cimport ceil_div, copy_run
from fastconv._kernels.scratch cimport LINE, round_up
from fastconv._kernels.shape cimport ConvShape, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.tile cimport TILE_ROWS, tile_finish, tile_width

cdef extern from "woven_tile.h" nogil:
    Py_ssize_t tile_lines(Py_ssize_t ways)

cdef enum:
    WEIGHT_BYTES = 262144   # weights that stay in L2 while all pixels pass over them; larger ones are taken in chunks,
    TURNED = 64             # of so many rows,
    PANEL_BYTES = 524288    # and pass over pixels that stay there
    SHARES = 4              # blocks for each thread
    VECTORS = 4             # of the widest tile,
    WIDEST = 64             # and its columns


cdef struct Task:
    ConvShape s                             # of the convolution that this transposes: o is what is read, i the result
    Py_ssize_t n, icg, ocg
    Py_ssize_t xn, xc, xd, xh, xw           # strides of what is read, in elements
    bint flat                               # whose rows follow each other
    Py_ssize_t lines, rows                  # of a group: rows of the product are lines * kw
    Py_ssize_t pixels, left                 # of an image, and how many of them, the last, are fewer than a vector
    Py_ssize_t block, blocks                # pixels of a block, blocks of an image
    Py_ssize_t part, parts                  # lines that a thread takes at a time
    Py_ssize_t chunk                        # lines whose weights pass over a block at a time
    Py_ssize_t leading                      # from one row of turned weights to the next: an odd number of lines
    Py_ssize_t panel, turned                # of a thread's scratch: pixels, [tile][channel][width], and turned weights
    Py_ssize_t *line                        # of each line, where it begins in the result
    tile_finish finish


cdef struct Run:                            # pixels of a tile that are neighbours in a row
    Py_ssize_t y, z
    Py_ssize_t source, target, n            # of what they give in a line: where it is, belongs, and elements


cdef inline void plan(Task *t, Py_ssize_t size, int threads) noexcept nogil:
    """Blocks of pixels and chunks of weights that fit an L2, as many as threads share evenly if all weights do; lines
    are split if threads would go without work."""
    cdef Py_ssize_t width = tile_width(size), most = PANEL_BYTES // (size * t.icg) // width, items, tiles
    cdef Py_ssize_t images = t.n * t.s.groups
    cdef bint whole
    t.lines = t.ocg * t.s.kd * t.s.kh
    t.rows = t.lines * t.s.kw
    t.pixels = t.s.od * t.s.oh * t.s.ow
    t.left = t.pixels % lanes_of(size)
    if t.left > TILE_ROWS or t.rows < lanes_of(size):
        t.left = 0
    whole = t.rows * t.icg * size <= WEIGHT_BYTES
    if whole:
        tiles = ceil_div(SHARES * threads, images) if threads > 1 else 1
        most = max(t.pixels // tiles // width, 1)
    tiles = ceil_div(t.pixels, width)
    items = round_up(ceil_div(tiles, max(most, 1)) * images, threads if whole else 1)
    t.block = ceil_div(tiles, ceil_div(items, images)) * width
    t.blocks = ceil_div(t.pixels, t.block)
    items = images * t.blocks
    t.parts = threads if items < SHARES * threads and items % threads else 1
    t.part = round_up(ceil_div(t.lines, t.parts), tile_lines(t.s.kw))
    t.parts = ceil_div(t.lines, t.part)
    t.chunk = t.part if whole else min(TURNED // t.s.kw, t.part)
    t.leading = (ceil_div(t.icg * size, LINE) | 1) * LINE // size
    t.panel = t.icg * (width if t.chunk == t.part else t.block + width)     # `left` is a tile of its own,
    t.panel += t.icg * TILE_ROWS                                            # turned behind the others
    t.turned = round_up(t.chunk * t.s.kw * t.leading, LINE) if t.n * t.blocks == 1 and not whole else 0


cdef inline void place_lines(const Task *t, Py_ssize_t *line) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(t.lines):
        line[i] = ((i // (t.s.kd * t.s.kh) * t.s.id + i // t.s.kh % t.s.kd) * t.s.ih + i % t.s.kh) * t.s.iw


cdef inline Py_ssize_t place(const Task *t, Py_ssize_t p, Py_ssize_t n) noexcept nogil:
    """Where the lines of a pixel begin, from `t.line` on; -1 unless it and n - 1 after it, in one row, are whole."""
    cdef Py_ssize_t x = p % t.s.ow, y = p // t.s.ow % t.s.oh, z = p // (t.s.ow * t.s.oh)
    cdef Py_ssize_t left = x * t.s.sw - t.s.pw, top = y * t.s.sh - t.s.ph, front = z * t.s.sd - t.s.pd
    if (
        x + n > t.s.ow or min(left, top, front) < 0 or left + n * t.s.sw > t.s.iw or top + t.s.kh > t.s.ih
        or front + t.s.kd > t.s.id
    ):
        return -1
    return (front * t.s.ih + top) * t.s.iw + left


cdef inline Py_ssize_t cut(const Task *t, Py_ssize_t p, Py_ssize_t n, Py_ssize_t source, Run *runs) noexcept nogil:
    """The runs of pixels [p, p + n), what they give being at `source` of a line."""
    cdef Py_ssize_t end = p + n, count = 0, x, some, left
    while p < end:
        x = p % t.s.ow
        some = min(t.s.ow - x, end - p)
        left = x * t.s.sw - t.s.pw
        runs.y, runs.z = p // t.s.ow % t.s.oh * t.s.sh - t.s.ph, p // (t.s.ow * t.s.oh) * t.s.sd - t.s.pd
        runs.target = max(left, 0)
        runs.source = source + runs.target - left
        runs.n = min(left + some * t.s.sw, t.s.iw) - runs.target
        count += 1
        runs += 1
        source += some * t.s.sw
        p += some
    return count


cdef inline void copy_lines(const Task *t, const Run *runs, Py_ssize_t count, const real *woven, Py_ssize_t ldw,
                            Py_ssize_t first, Py_ssize_t lines, real *out) noexcept nogil:
    """Lines from `first` on, from the buffer to where they belong."""
    cdef Py_ssize_t i, a = first // t.s.kh % t.s.kd, h = first % t.s.kh, run
    cdef const Run *q
    for i in range(lines):
        for run in range(count):
            q = runs + run
            if 0 <= q.y + h < t.s.ih and 0 <= q.z + a < t.s.id:
                copy_run(out + t.line[first + i] + (q.z * t.s.ih + q.y) * t.s.iw + q.target, woven + i * ldw + q.source,
                         q.n, 1)
        h += 1
        if h == t.s.kh:
            h = 0
            a = a + 1 if a + 1 < t.s.kd else 0
