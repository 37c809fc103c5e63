"""How Winograd convolution divides its work, and the transforms of `winograd.h`; distances are in elements."""

from fastconv._kernels.pack cimport ceil_div, clip
from fastconv._kernels.scratch cimport LINE, round_up
from fastconv._kernels.shape cimport ConvShape
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.turn cimport turn_block

cdef extern from "winograd.h" nogil:
    enum: ONE, F32, F23, F43, F25, F34, F52, EDGE
    void fetch_near(const void *p, Py_ssize_t bytes)
    void fetch_to_write(const void *p, Py_ssize_t bytes)
    Py_ssize_t winograd_outputs(int rule)
    Py_ssize_t winograd_taps(int rule)
    Py_ssize_t winograd_points(int rule)
    void winograd_down(size_t size, int rule, Py_ssize_t cols, Py_ssize_t lo, Py_ssize_t hi, const void **rows,
                       const Py_ssize_t *step, void *to)
    void winograd_across(size_t size, int rule_h, int rule_w, Py_ssize_t tiles, const void *source, Py_ssize_t cols,
                         void *to, Py_ssize_t point, Py_ssize_t tile)
    void winograd_weight(size_t size, int rule_h, int rule_w, Py_ssize_t vectors, const void *taps, void *to,
                         Py_ssize_t point)
    void winograd_output(size_t size, int rule_h, int rule_w, Py_ssize_t vectors, const void *products,
                         Py_ssize_t point, const void *bias, int clamp, double lo, double hi, void *to,
                         Py_ssize_t row, Py_ssize_t pixel)

cdef extern from "winograd_tile.h" nogil:
    Py_ssize_t WINOGRAD_ROWS
    Py_ssize_t winograd_width(size_t size)
    void winograd_tile(size_t size, Py_ssize_t rows, Py_ssize_t nv, Py_ssize_t kc, const void *a, Py_ssize_t lda,
                       const void *b, void *c, Py_ssize_t chain, int more, const void *next_a, const void *next_b,
                       Py_ssize_t step_b)

cdef enum:
    POINTS = 6
    KC = 128                 # of the sums over k: the weights of a panel, transformed for so many, stay in L2
    RUN = 16                 # tiles of a row of tiles transformed together: their strip stays in L1
    BLOCK_BYTES = 327680     # of V for a block of tiles, with M about an L2
    LEAST_TILES = 18         # of a block, however many channels: what a line of U that is read is used for
    MOST_TILES = 64          # of a block: M is 36 * 32 * 4 * 64 bytes
    PRODUCTS_BYTES = 262144  # the most of M for several blocks, beside the weights of KC
    RESIDENT_BYTES = 16777216   # the most of V for all images
    SHALLOW = 64             # up to this depth chains of products are short: an output is as exact as all products of
    SHORT_CHAIN = 16         # its tile are, and few channels average out too little of their errors
    LONG_CHAIN = 32
    FEW = 32                 # channels of a group below which F43 is not exact enough: `fastconv._winograd`
    SMALL = 2                # outputs along an axis up to which tiles of four are mostly padding


cdef struct Task:
    ConvShape s
    bint last
    Py_ssize_t n, icg, ocg
    Py_ssize_t xn, xc, xd, xh, xw                # strides of the input, in elements
    int rule_h, rule_w
    Py_ssize_t mh, mw, nh, nw, rh, rw            # outputs, points and taps of a tile along each axis
    Py_ssize_t th, tw, tiles                     # tiles along each axis; of all images
    bint edge_h, edge_w                          # whether the last tile along an axis takes EDGE
    Py_ssize_t inner, right, corner              # the first tiles of these parts of all tiles: see `run_at`
    Py_ssize_t icp, unit, depth                  # channels in whole vectors; kd vectors; kd * icp
    Py_ssize_t kc, chunks                        # of a sum over the depth that is added to the others; how many
    Py_ssize_t u_chunks                          # of a panel of U that are in memory at once
    Py_ssize_t block, blocks, panels             # tiles of a block; blocks; panels of a group's output channels
    Py_ssize_t v_point, u_point, m_point         # from one point to the next, in elements: odd numbers of cache lines
    Py_ssize_t v_size, u_size, m_size            # of a block of V, a panel of U, a block of M, in elements
    Py_ssize_t m_block                           # from one block of M to the next; zero where only one is in memory
    Py_ssize_t strip                             # elements of a strip of input or output
    Py_ssize_t chain                             # products added up one after the other
    bint clamp
    double lo, hi


cdef struct Run:
    Py_ssize_t image, z, ty, tx, count           # `count` tiles from (ty, tx) of a plane of output to the right
    int rule_h, rule_w


cdef inline Py_ssize_t odd_lines(Py_ssize_t elements, Py_ssize_t size) noexcept nogil:
    """At least so many elements in an odd number of cache lines: the points of one tile then fall into all sets."""
    return (ceil_div(elements * size, LINE) | 1) * LINE // size


cdef inline Run run_at(const Task *t, Py_ssize_t tile_index, Py_ssize_t end) noexcept nogil:
    """The tiles from `tile_index` to `end` that lie in one row of tiles, at most RUN of them.

    Tiles are counted part by part, each over all images, so that those which need a point are neighbours:

        1 1 1 2      0 bottom, 1 inner, 2 right, 3 corner; where the last tiles along an axis have three outputs or
        1 1 1 2      four, they are inner ones
        0 0 0 3      points that EDGE lacks: along h parts 1 and 2 have them, along w parts 0 and 1
    """
    cdef inline Run r
    cdef bint low = tile_index < t.inner or tile_index >= t.corner, far = tile_index >= t.right
    cdef Py_ssize_t cols = 1 if far else t.tw - t.edge_w, rows = 1 if low else t.th - t.edge_h
    cdef Py_ssize_t first = (t.corner if low else t.right) if far else (0 if low else t.inner)
    cdef Py_ssize_t row = (tile_index - first) // cols, plane = row // rows
    r.tx = t.tw - 1 if far else tile_index - first - row * cols
    r.ty = t.th - 1 if low else row - plane * rows
    r.image = plane // t.s.od
    r.z = plane - r.image * t.s.od
    r.count = 1 if far else min(min(cols - r.tx, end - tile_index), <Py_ssize_t> RUN)
    r.rule_h = EDGE if low else t.rule_h
    r.rule_w = EDGE if far else t.rule_w
    return r


cdef inline void part_at(const Task *t, Py_ssize_t point, Py_ssize_t *first, Py_ssize_t *end) noexcept nogil:
    """Which tiles have the point."""
    cdef Py_ssize_t i = point // t.nw, j = point - i * t.nw
    cdef bint lacks_h = t.edge_h and 3 <= i <= 4, lacks_w = t.edge_w and 3 <= j <= 4
    first[0] = t.inner if lacks_h else 0
    end[0] = t.right if lacks_w else (t.corner if lacks_h else t.tiles)


cdef inline int rule_for(Py_ssize_t taps, bint small) noexcept nogil:
    if taps == 3:
        return F23 if small else F43
    return ONE if taps == 1 else (F32 if taps == 2 else F25)


cdef inline void choose_rules(Task *t) noexcept nogil:
    cdef bint small = (max(t.s.oh * (t.s.kh > 1), t.s.ow * (t.s.kw > 1)) <= SMALL
                       or t.s.ic // t.s.groups < FEW)
    t.rule_h = rule_for(t.s.kh, small)
    t.rule_w = rule_for(t.s.kw, small)


cdef inline void plan(Task *t, Py_ssize_t size, bint all_at_once, bint packed, int threads) noexcept nogil:
    """Everything that follows from the geometry, the number of images and the size of an element.

    `all_at_once` where V of all images is in memory, `packed` where all of U is. Blocks are as many as threads share
    evenly, unless they became too small for that.
    """
    cdef Py_ssize_t width = winograd_width(size), most, planes, even
    t.icg = t.s.ic // t.s.groups
    t.ocg = t.s.oc // t.s.groups
    choose_rules(t)
    t.mh = winograd_outputs(t.rule_h)
    t.mw = winograd_outputs(t.rule_w)
    t.nh = winograd_points(t.rule_h)
    t.nw = winograd_points(t.rule_w)
    t.rh = winograd_taps(t.rule_h)
    t.rw = winograd_taps(t.rule_w)
    t.th = ceil_div(t.s.oh, t.mh)
    t.tw = ceil_div(t.s.ow, t.mw)
    planes = t.n * t.s.od
    t.tiles = planes * t.th * t.tw
    t.edge_h = t.rule_h == F43 and 1 <= t.s.oh % 4 <= 2
    t.edge_w = t.rule_w == F43 and 1 <= t.s.ow % 4 <= 2
    t.inner = planes * t.edge_h * (t.tw - t.edge_w)
    t.right = planes * t.th * (t.tw - t.edge_w)
    t.corner = t.tiles - planes * t.edge_h * t.edge_w
    t.icp = round_up(t.icg, lanes_of(size))
    t.unit = t.s.kd * lanes_of(size)
    t.depth = t.s.kd * t.icp
    t.kc = round_up(ceil_div(t.depth, ceil_div(t.depth, KC)), t.unit)
    t.chunks = ceil_div(t.depth, t.kc)
    t.panels = ceil_div(t.ocg, width)
    t.chain = SHORT_CHAIN if t.depth <= SHALLOW else LONG_CHAIN
    most = BLOCK_BYTES // (t.nh * t.nw * t.depth * size)
    most = MOST_TILES if all_at_once else clip(most, LEAST_TILES, MOST_TILES)
    t.blocks = ceil_div(t.tiles, most)
    if not all_at_once:
        even = ceil_div(round_up(t.blocks * t.s.groups, threads), t.s.groups)
        t.blocks = max(t.blocks, min(even, t.tiles // LEAST_TILES))
    t.block = ceil_div(t.tiles, t.blocks)
    t.blocks = ceil_div(t.tiles, t.block)
    t.v_point = odd_lines(t.block * t.chunks * t.kc, size)
    t.m_point = odd_lines(t.block * width, size)
    t.v_size = t.nh * t.nw * t.v_point
    t.m_size = t.nh * t.nw * t.m_point
    t.m_block = 0
    t.u_chunks = t.chunks
    if all_at_once and not packed and t.blocks * t.m_size * size <= PRODUCTS_BYTES:
        t.m_block = t.m_size
        t.m_size *= t.blocks
        t.u_chunks = 1
    t.u_point = odd_lines(t.u_chunks * t.kc * width, size)
    t.u_size = t.nh * t.nw * t.u_point
    t.strip = max((t.mw * RUN + t.nw) * t.nh * lanes_of(size), t.mh * t.mw * RUN * width)


cdef inline Py_ssize_t turned_size(const Task *t, Py_ssize_t size) noexcept nogil:
    """Elements that the weights of a vector of channels take while they are transformed."""
    return t.unit * t.rh * t.rw * winograd_width(size)
