"""How `winograd_short.pyx` divides its work, and what a band of tiles goes through; distances are in elements.

Lanes are tiles. So that any vector of them is read at once, an image's rows and columns are sorted by what is left of
them in tiles, `mh * sh` rows and `mw * sw` columns apart, and a band of rows of tiles lies in one line:

    stage[plane, channel][row % high][column % wide][row // high * pitch + column // wide]

Pixel (i, j) of tile (ty, tx) is found from ty * pitch + tx on, at a distance that all tiles share. Between two rows of
tiles lie a few that are not there, since the last one reaches beyond it: what they give is not stored.
"""

from fastconv._kernels.pack cimport ceil_div, clip, copy_run, even, zeros
from fastconv._kernels.scratch cimport odd_lines, round_up
from fastconv._kernels.shape cimport real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.winograd cimport POINTS, SHALLOWEST, SHORT_CHAIN, Task
from fastconv._kernels.winograd_runs cimport Axis, Part, parts_at

cdef extern from "winograd_short.h" nogil:
    Py_ssize_t SHORT_OUTPUTS, SHORT_VECTORS, SHORT_HALF
    ctypedef struct ShortChain:
        Py_ssize_t before, whole, after
    void short_input(size_t size, int rule_h, Py_ssize_t vectors, const void *x, const Py_ssize_t *rows,
                     const Py_ssize_t *cols, void *v, Py_ssize_t half)
    void short_products(size_t size, int rule_w, Py_ssize_t vectors, const ShortChain *chain, Py_ssize_t chains,
                        const void *v, Py_ssize_t v_half, const void *u, Py_ssize_t u_half, void *y)
    void short_output(size_t size, int rule_h, int rule_w, Py_ssize_t vectors, Py_ssize_t outputs, const void *y,
                      const void *bias, bint clamp, double lo, double hi, void *to, Py_ssize_t output, Py_ssize_t row)
    void short_weights(size_t size, Py_ssize_t depth, const void *u, Py_ssize_t point, Py_ssize_t width, void *to)

cdef extern from "unweave.h" nogil:
    void unweave(size_t size, Py_ssize_t ways, const void *row, Py_ssize_t n, void *to, Py_ssize_t step)

cdef enum:
    STAGE_BYTES = 393216    # of a band, with V and U about an L2
    TOGETHER = 4            # blocks of outputs that share a line of points while it is in L1
    CHAIN = 8               # products added up one after the other where few are: 16 reached 9 eps
    MOST_CHAINS = 16
    MOST_ROWS = 32          # of tiles that a few vectors lie in


cdef struct ShortRun:
    Py_ssize_t source, to           # of the first line, in rows of tiles and in a plane
    Py_ssize_t n, lines


cdef struct Short:
    Task t
    Py_ssize_t high, wide           # rows and columns from one tile to the next
    Py_ssize_t below, beyond        # tiles further on that the last row and column of a tile reach
    Py_ssize_t rows, cols           # tiles of a band
    Py_ssize_t bands, segments      # of a plane
    Py_ssize_t pitch, stream        # from a row of tiles to the next in the stage, from a column to the next
    Py_ssize_t blocks, half, u_block    # of outputs of a group; from one half of a line of U to the next; a block of U
    Py_ssize_t line                 # a row of a band before it is sorted
    Py_ssize_t stage, v_size, y_size, out_size
    Py_ssize_t chains[2]            # of a line of points, the last of which has only the parts that are long along h
    ShortChain chain[2][MOST_CHAINS]


cdef inline Py_ssize_t reach(const Axis *axis, Py_ssize_t dilation, Py_ssize_t points) noexcept nogil:
    """The last pixel that a tile sees."""
    cdef Py_ssize_t last = 0, i
    for i in range(axis.runs):
        last = max(last, axis.start[i] * dilation)
    return last + (points - 1) * axis.step


cdef inline Py_ssize_t passes(const Short *s, Py_ssize_t rows, Py_ssize_t vector) noexcept nogil:
    """What a band of so many rows of tiles takes, in halves of a vector; one alone takes longer than its share."""
    cdef Py_ssize_t vectors = ceil_div(rows * s.pitch - s.beyond, vector)
    return 2 * vectors + vectors % SHORT_VECTORS


cdef inline void set_band(Short *s, Py_ssize_t size, int threads) noexcept nogil:
    """Rows of tiles that fill vectors well, as many as the stage has room for and threads leave, or half; long rows are
    cut."""
    cdef const Task *t = &s.t
    cdef Py_ssize_t streams = t.s.kd * t.icg * s.high * s.wide, most = STAGE_BYTES // (streams * size), rows, taken
    cdef Py_ssize_t vector = lanes_of(size), least = 0, planes = t.n * t.s.od * t.s.groups
    s.cols = even(t.tw, max(most // (1 + s.below) - s.beyond, vector * SHORT_VECTORS), 1)
    s.segments = ceil_div(t.tw, s.cols)
    s.pitch = s.cols + s.beyond
    planes *= s.segments
    most = clip(min(most // s.pitch - s.below, ceil_div(t.th * planes, threads)), 1, t.th)
    for rows in range(most, most // 2, -1):
        taken = ceil_div(ceil_div(t.th, rows) * planes, threads) * passes(s, rows, vector)      # by the slowest
        if least == 0 or taken < least:
            least = taken
            s.rows = rows
    s.bands = ceil_div(t.th, s.rows)
    s.stream = odd_lines((s.rows + s.below) * s.pitch + vector, size)
    s.stage = streams * s.stream
    s.line = round_up(s.pitch, vector) * s.wide


cdef inline void set_chains(Short *s) noexcept nogil:
    """Chains of the sums of a line of points, cut where parts begin or end that infinity along w has."""
    cdef const Task *t = &s.t
    cdef Py_ssize_t which, first, end, depth, k, start, stop, length
    cdef ShortChain *chain
    for which in range(2):
        parts_at(&t.parts, which, False, &first, &end)
        depth = end * t.icg
        first = min(t.parts.first_long_w * t.icg, depth)
        end = min(t.parts.end_long_w * t.icg, depth)
        length = even(depth, CHAIN if t.depth <= SHALLOWEST else SHORT_CHAIN, 1)
        s.chains[which] = ceil_div(depth, length)
        for k in range(s.chains[which]):
            start, stop = k * length, min((k + 1) * length, depth)
            chain = &s.chain[which][k]
            chain.before = max(min(first, stop) - start, 0)
            chain.whole = max(min(end, stop) - max(first, start), 0)
            chain.after = stop - start - chain.before - chain.whole


cdef inline void plan_short(Short *s, Py_ssize_t size, int threads) noexcept nogil:
    """What follows from the task, which is planned."""
    cdef const Task *t = &s.t
    cdef Py_ssize_t vector = lanes_of(size)
    s.high, s.wide = t.mh * t.s.sh, t.mw * t.s.sw
    s.below = reach(&t.parts.h, t.s.dh, t.nh) // s.high
    s.beyond = reach(&t.parts.w, t.s.dw, t.nw) // s.wide
    s.blocks = ceil_div(t.ocg, SHORT_OUTPUTS)
    s.half = t.depth * SHORT_HALF * SHORT_OUTPUTS
    s.u_block = 2 * t.nh * s.half
    set_band(s, size, threads)
    set_chains(s)
    s.t.cuts = min(ceil_div(<Py_ssize_t> threads, t.panels), t.width // vector)
    s.v_size = 2 * t.nh * t.depth * SHORT_HALF * SHORT_VECTORS * vector
    s.y_size = TOGETHER * t.nh * t.mw * SHORT_OUTPUTS * SHORT_VECTORS * vector
    s.out_size = SHORT_OUTPUTS * t.mh * t.mw * SHORT_VECTORS * vector


cdef inline void stage_band(
    const Short *s, const real *x, Py_ssize_t z, Py_ssize_t ty, Py_ssize_t tx, real *stage, real *line,
) noexcept nogil:
    """What the band from tile (ty, tx) of plane z on sees of a group of an image, which starts at x."""
    cdef const Task *t = &s.t
    cdef Py_ssize_t plane, c, y, i, iz, x0 = tx * s.wide - t.s.pw, y0 = ty * s.high - t.s.ph
    cdef Py_ssize_t rows = (s.rows - 1) * s.high + reach(&t.parts.h, t.s.dh, t.nh) + 1
    cdef Py_ssize_t lo = clip(-x0, 0, s.line), hi = clip(t.s.iw - x0, lo, s.line)
    cdef const real *row
    cdef real *to
    zeros(line, lo)
    zeros(line + hi, s.line - hi)
    for plane in range(t.s.kd):
        iz = z * t.s.sd + plane * t.s.dd - t.s.pd
        for c in range(t.icg):
            row = x + c * t.xc + iz * t.xd + y0 * t.xh + x0 + lo
            to = stage
            for y in range(rows):
                if 0 <= iz < t.s.id and 0 <= y0 + y < t.s.ih:
                    copy_run(line + lo, row, hi - lo, 1)
                    unweave(sizeof(real), s.wide, line, s.pitch, to, s.stream)
                else:
                    for i in range(s.wide):
                        zeros(to + i * s.stream, s.pitch)
                row += t.xh
                to += s.wide * s.stream
                if to == stage + s.high * s.wide * s.stream:
                    stage += s.pitch
                    to = stage
            stage += s.high * s.wide * s.stream - (rows // s.high) * s.pitch


cdef inline void transform_tiles(
    const Short *s, const real *stage, Py_ssize_t vectors, real *v,
) noexcept nogil:
    """V of `vectors` of tiles, the first of which is where `stage` starts."""
    cdef const Task *t = &s.t
    cdef Py_ssize_t vector = lanes_of(sizeof(real)), step = SHORT_HALF * vectors * vector, a, c, i, place
    cdef Py_ssize_t rows[POINTS]
    cdef Py_ssize_t cols[POINTS]
    cdef const Part *part
    cdef const real *seen
    for a in range(t.parts.count):
        part = &t.parts.part[a]
        for i in range(t.nh):
            place = part.h * t.s.dh + i * t.parts.h.step
            rows[i] = place % s.high * s.wide * s.stream + place // s.high * s.pitch
        for i in range(t.nw):
            place = part.w * t.s.dw + i * t.parts.w.step
            cols[i] = place % s.wide * s.stream + place // s.wide
        for c in range(t.icg):
            seen = stage + (part.plane * t.icg + c) * s.high * s.wide * s.stream
            short_input(sizeof(real), t.rule_h, vectors, seen, rows, cols, v, t.depth * step)
            v += step


cdef inline void multiply_blocks(
    const Short *s, const real *v, const real *u, Py_ssize_t blocks, Py_ssize_t vectors, real *y,
) noexcept nogil:
    """Y of some blocks of outputs, line by line of the points."""
    cdef const Task *t = &s.t
    cdef Py_ssize_t vector = lanes_of(sizeof(real)), i, b, which
    cdef Py_ssize_t line = t.mw * SHORT_OUTPUTS * vectors * vector, half = t.depth * SHORT_HALF * vectors * vector
    for i in range(t.nh):
        which = i == t.nh - 1
        for b in range(blocks):
            short_products(sizeof(real), t.rule_w, vectors, s.chain[which], s.chains[which], v + 2 * i * half, half,
                           u + b * s.u_block + 2 * i * s.half, s.half, y + (b * t.nh + i) * line)


cdef inline Py_ssize_t find_runs(
    const Short *s, Py_ssize_t tile, Py_ssize_t end, Py_ssize_t ty, Py_ssize_t tx, ShortRun *runs,
) noexcept nogil:
    """Where outputs of tiles [tile, end) of a band from (ty, tx) on lie in rows of them and in their plane."""
    cdef const Task *t = &s.t
    cdef Py_ssize_t y = tile // s.pitch, first = tile - y * s.pitch, place = tile, count = 0, x
    while place < end:
        x = (tx + first) * t.mw
        runs[count].lines = clip(t.s.oh - (ty + y) * t.mh, 0, t.mh)
        runs[count].n = min((min(end - place, s.cols - first)) * t.mw, t.s.ow - x)
        runs[count].source = (place - tile) * t.mw
        runs[count].to = (ty + y) * t.mh * t.s.ow + x
        count += runs[count].n > 0
        place += s.pitch - first
        y += 1
        first = 0
    return count


cdef inline void store_runs(
    const Short *s, const ShortRun *runs, Py_ssize_t count, const real *rows, Py_ssize_t row, real *out,
) noexcept nogil:
    """Rows of outputs, `row` apart, to their plane."""
    cdef Py_ssize_t r, i
    for r in range(count):
        for i in range(runs[r].lines):
            copy_run(out + runs[r].to + i * s.t.s.ow, rows + runs[r].source + i * row, runs[r].n, 1)
