"""How Winograd convolution divides its work, and the transforms of `winograd.h`; distances are in elements."""

from fastconv._kernels.pack cimport ceil_div, clip
from fastconv._kernels.scratch cimport odd_lines, round_up
from fastconv._kernels.shape cimport ConvShape
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.winograd_rules cimport (
    F43,
    choose_ends,
    choose_rules,
    share_matrices,
    winograd_outputs,
    winograd_points,
)
from fastconv._kernels.winograd_runs cimport Axis, Parts

cdef extern from "winograd.h" nogil:
    enum: MOST_VECTORS
    void fetch_near(const void *p, Py_ssize_t bytes)
    void fetch_to_write(const void *p, Py_ssize_t bytes)
    void winograd_down(size_t size, int rule, Py_ssize_t cols, Py_ssize_t lo, Py_ssize_t hi, const void **rows,
                       const Py_ssize_t *step, void *to)
    void winograd_across(size_t size, int rule_h, int rule_w, Py_ssize_t lines, Py_ssize_t tiles, Py_ssize_t every,
                         Py_ssize_t near, const void *source, Py_ssize_t cols, void *to, Py_ssize_t point,
                         Py_ssize_t tile)
    void winograd_output(size_t size, int rule_h, int rule_w, Py_ssize_t vectors, const void *products,
                         Py_ssize_t point, const void *bias, int clamp, double lo, double hi, void *to,
                         Py_ssize_t row, Py_ssize_t pixel)

cdef extern from "winograd_few.h" nogil:
    Py_ssize_t FEW_TILES

cdef extern from "winograd_tile.h" nogil:
    Py_ssize_t WINOGRAD_VECTORS
    Py_ssize_t winograd_rows(Py_ssize_t nv)
    void winograd_tile(size_t size, Py_ssize_t rows, Py_ssize_t nv, Py_ssize_t kc, const void *a, Py_ssize_t lda,
                       const void *b, Py_ssize_t ldb, void *c, Py_ssize_t chain, int more, const void *next_a,
                       const void *next_b, Py_ssize_t step_b)

cdef enum:
    POINTS = 6
    KC = 128                 # of the sums over k at most,
    KC_BYTES = 16384         # and of U of a point for them: it stays in L1, that of all points in L2
    RUN = 16                 # tiles of a row transformed together, fewer at strides: their strip stays in L1
    BLOCK_BYTES = 327680     # of V for a block of tiles, with M about an L2
    LEAST_TILES = 18         # of a block, however many channels: what a line of U that is read is used for
    MOST_TILES = 64          # of a block: M is 36 * 32 * 4 * 64 bytes
    PRODUCTS_BYTES = 262144  # the most of M for several blocks, beside the weights of KC
    RESIDENT_BYTES = 16777216   # the most of V for all images,
    NEAR_BYTES = 16777216    # of packed U, more of which takes longer to come than few tiles take to transform it anew
    OWN_BYTES = 8388608      # and of U or V that threads transform for themselves, all of them together
    MANY = 4                 # panels for each thread, that need not be shared out evenly
    SHALLOW = 64             # up to this depth chains of products are short: an output is as exact as all products of
    SHALLOWEST = 16          # its tile are, and few channels average out too little of their errors
    SHORTEST_CHAIN = 6
    SHORT_CHAIN = 16
    LONG_CHAIN = 32


cdef struct Task:
    ConvShape s
    bint last
    Py_ssize_t n, icg, ocg
    Py_ssize_t xn, xc, xd, xh, xw                # strides of the input, in elements
    int rule_h, rule_w
    Py_ssize_t mh, mw, nh, nw                    # outputs and points of a tile along each axis
    Py_ssize_t th, tw, tiles                     # tiles along each axis; of all images
    int head_h, head_w, tail_h, tail_w           # the rules of the first and the last one,
    bint edge_h, edge_w                          # and whether that has fewer points
    Py_ssize_t inner, right, corner              # the first tiles of these parts of all tiles: see `run_at`
    Parts parts                                  # of the kernel
    bint packed                                  # lanes of the input are channels of all parts, else of one
    Py_ssize_t near                              # from one column to the next that a strip has, in the image
    Py_ssize_t run                               # tiles of a run at most
    Py_ssize_t icp, depth                        # channels in whole vectors; sums over all channels and parts
    bint alone                                   # each part has matrices of its own, else they lie together at a point
    Py_ssize_t matrices                          # of a panel of U
    Py_ssize_t group, kc, chunks                 # channels of a chunk of the depth; room for it; how many there are
    bint swapped                                 # weights are (ic, oc, *kernel), their taps the last one first;
    Py_ssize_t phases, each                      # channels of output are (phase, oc), so many of each phase, that see
    Py_ssize_t whole, tap_d, tap_h, tap_w        # of the kernel's taps, as reversed, those from `first` on so far apart
    const Py_ssize_t *first
    Py_ssize_t zero                              # the first of those that are not swapped
    bint few                                     # tiles: U is transformed as it is multiplied, and never in memory
    Py_ssize_t u_kc                              # room for a chunk in a matrix of U
    Py_ssize_t u_chunks                          # of a panel of U that are in memory at once
    Py_ssize_t block, blocks                     # tiles of a block; blocks
    Py_ssize_t panels, width, cuts               # of a group's output channels; elements of one; parts of each
    Py_ssize_t v_point, u_point, m_point         # from one point to the next, in elements: odd numbers of cache lines
    Py_ssize_t v_size, u_size, m_size            # of a block of V, a panel of U, a block of M, in elements
    Py_ssize_t m_block                           # from one block of M to the next; zero where only one is in memory
    Py_ssize_t strip                             # elements of a strip of input or output
    Py_ssize_t chain                             # products added up one after the other
    bint clamp
    double lo, hi


cdef struct Panel:
    Py_ssize_t first, count, vectors             # some of a group's output channels, that fill so many vectors,
    Py_ssize_t offset                            # in rows of U of their panel or in M, from such an element on
    Py_ssize_t phase                             # which they are of; of a whole panel vectors are (channels, phase)


cdef struct Run:
    Py_ssize_t image, z, ty, tx, count           # `count` tiles from (ty, tx) of a plane of output to the right
    int rule_h, rule_w
    Py_ssize_t first, end                        # those of `rule_w`; tiles at the ends of a row may have other rules


cdef inline Py_ssize_t vectors_of(const Task *t, Py_ssize_t size) noexcept nogil:
    """Vectors that the output channels of a group fill: those of each phase fill their own."""
    return t.phases * ceil_div(t.each, lanes_of(size))


cdef inline Run run_at(const Task *t, Py_ssize_t tile_index, Py_ssize_t end) noexcept nogil:
    """The tiles from `tile_index` to `end` that lie in one row of tiles, at most RUN of them.

    Tiles are counted part by part, each over all images, so that those which need a point are neighbours:

        1 1 1 2      0 bottom, 1 inner, 2 right, 3 corner; where the last tiles along an axis have three outputs or
        1 1 1 2      four, they are inner ones
        0 0 0 3      points that edges lack: along h parts 1 and 2 have them, along w parts 0 and 1
    """
    cdef Run r
    cdef Py_ssize_t low_rows = t.edge_h * t.parts.h.every, far_cols = t.edge_w * t.parts.w.every
    cdef bint low = tile_index < t.inner or tile_index >= t.corner, far = tile_index >= t.right
    cdef Py_ssize_t cols = far_cols if far else t.tw - far_cols, rows = low_rows if low else t.th - low_rows
    cdef Py_ssize_t first = (t.corner if low else t.right) if far else (0 if low else t.inner)
    cdef Py_ssize_t row = (tile_index - first) // cols, plane = row // rows
    r.tx = tile_index - first - row * cols
    r.ty = row - plane * rows
    r.count = min(min(cols - r.tx, end - tile_index), t.run)
    r.image = plane // t.s.od
    r.z = plane - r.image * t.s.od
    if far:
        r.tx += t.tw - far_cols
    if low:
        r.ty += t.th - low_rows
    r.rule_h = t.tail_h if low or r.ty == t.th - 1 else t.head_h if r.ty == 0 else t.rule_h
    r.rule_w = t.tail_w if far else t.rule_w
    r.first = r.tx == 0 and t.head_w != t.rule_w
    r.end = r.count - (r.tx + r.count == t.tw and t.tail_w != r.rule_w)
    return r


cdef inline int rule_along(const Task *t, const Run *r, Py_ssize_t j) noexcept nogil:
    """That of tile `j` of a run along w."""
    return t.head_w if j < r.first else r.rule_w if j < r.end else t.tail_w


cdef inline Py_ssize_t first_output(Py_ssize_t tile_index, Py_ssize_t outputs, Py_ssize_t every) noexcept nogil:
    """Where along an axis a tile starts: classes of outputs take turns."""
    return tile_index // every * every * outputs + tile_index % every


cdef inline void tiles_at(
    const Task *t, Py_ssize_t i, Py_ssize_t j, Py_ssize_t *first, Py_ssize_t *end,
) noexcept nogil:
    """Which tiles have point (i, j)."""
    cdef bint lacks_h = winograd_points(t.tail_h) - 1 <= i < t.nh - 1
    cdef bint lacks_w = winograd_points(t.tail_w) - 1 <= j < t.nw - 1
    first[0] = t.inner if lacks_h else 0
    end[0] = t.right if lacks_w else (t.corner if lacks_h else t.tiles)


cdef inline void set_rules(Task *t, int rule_h, int rule_w, Py_ssize_t mh, Py_ssize_t mw) noexcept nogil:
    """Rules and outputs of a tile along both axes, and how many tiles there are, all of them alike."""
    t.rule_h = t.head_h = t.tail_h = rule_h
    t.rule_w = t.head_w = t.tail_w = rule_w
    t.mh, t.mw = mh, mw
    t.nh = winograd_points(rule_h)
    t.nw = winograd_points(rule_w)
    t.th = ceil_div(ceil_div(t.s.oh, t.parts.h.every), mh) * t.parts.h.every
    t.tw = ceil_div(ceil_div(t.s.ow, t.parts.w.every), mw) * t.parts.w.every
    t.tiles = t.right = t.corner = t.n * t.s.od * t.th * t.tw
    t.edge_h = t.edge_w = t.inner = 0
    t.near = t.s.sw if t.packed else 1
    t.run = max(RUN * t.near // t.parts.w.step, 1) * t.parts.w.every
    t.strip = strip_columns(t, t.run, t.nw) * (t.nh + t.packed)     # with a row to be turned


cdef inline Py_ssize_t strip_columns(const Task *t, Py_ssize_t tiles, Py_ssize_t points) noexcept nogil:
    """Columns that a run of tiles sees, of all parts or, where they are lanes, of each."""
    cdef const Axis *w = &t.parts.w
    cdef Py_ssize_t reach = 0, i
    for i in range(0 if t.packed else w.runs):
        reach = max(reach, w.start[i] * t.s.dw)
    return reach + (((tiles // w.every - 1) * t.mw + points - 1) * w.step + (w.every - 1) * t.s.sw) // t.near + 1


cdef inline void set_ends(Task *t) noexcept nogil:
    """Let the first and the last tiles along an axis take rules of their own, the last ones fewer points."""
    cdef Py_ssize_t planes = t.n * t.s.od, high, wide
    choose_ends(&t.parts.h, t.rule_h, t.s.ih, t.s.oh, t.s.ph, &t.head_h, &t.tail_h)
    choose_ends(&t.parts.w, t.rule_w, t.s.iw, t.s.ow, t.s.pw, &t.head_w, &t.tail_w)
    t.edge_h = winograd_points(t.tail_h) < t.nh
    t.edge_w = winograd_points(t.tail_w) < t.nw
    high = t.edge_h * t.parts.h.every
    wide = t.edge_w * t.parts.w.every
    t.inner = planes * high * (t.tw - wide)
    t.right = planes * t.th * (t.tw - wide)
    t.corner = t.tiles - planes * high * wide


cdef inline Py_ssize_t shared_panels(const Task *t, bint all_at_once, int threads) noexcept nogil:
    """At least as many panels of a group as there are, of which few are shared evenly: those of all groups by all
    threads where V is in memory, else those of one block."""
    cdef Py_ssize_t groups = t.s.groups if all_at_once else 1, panels = t.panels
    cdef Py_ssize_t shares = threads if all_at_once else ceil_div(threads, t.s.groups * t.blocks)
    while groups * panels % shares and groups * panels < MANY * shares:
        panels += 1
    return panels


cdef inline bint few_tiles(const Task *t) noexcept nogil:
    """Whether there are as many tiles as `winograd_few.h` takes, all of whose points are needed, or `winograd_pairs.h`,
    of which half lack the last points along an axis if any do, and weights have no other taps."""
    if t.tiles != FEW_TILES or t.whole != t.s.kd * t.s.kh * t.s.kw:
        return False
    if t.alone:
        return (t.right in (FEW_TILES // 2, FEW_TILES) and t.corner - t.inner in (FEW_TILES // 2, FEW_TILES)
                and t.s.kd == 1 and t.s.kh == t.s.kw == 3 and t.parts.h.jump == t.parts.w.jump == 2
                and min(winograd_points(t.tail_h), winograd_points(t.tail_w)) >= 4)
    return t.rule_h == t.rule_w == F43 and t.parts.count == 1 and not (t.edge_h or t.edge_w)


cdef inline void plan(Task *t, Py_ssize_t size, bint all_at_once, bint packed, int threads) noexcept nogil:
    """Everything that follows from the geometry, the number of images and the size of an element.

    `all_at_once` where V of all images is in memory, `packed` where all of U is. Blocks are as many as threads share
    evenly, unless they became too small for that; where U is not packed, so are panels. Chunks of the depth, and with
    them the order of sums, stay those of panels as U is packed.
    """
    cdef Py_ssize_t vector = lanes_of(size), vectors, most, even, every, some
    t.icg = t.s.ic // t.s.groups
    t.ocg = t.s.oc // t.s.groups
    t.each = t.ocg // t.phases
    choose_rules(&t.s, &t.parts, &t.rule_h, &t.rule_w)
    t.packed = t.parts.count > 1 and t.icg % vector > 0
    set_rules(t, t.rule_h, t.rule_w, winograd_outputs(t.rule_h), winograd_outputs(t.rule_w))
    set_ends(t)
    t.matrices = share_matrices(&t.parts, t.rule_h, t.rule_w, &t.alone)
    every = t.parts.w.every
    t.icp = vector if t.packed else round_up(t.icg, vector)
    t.depth = t.parts.count * t.icg
    vectors = vectors_of(t, size)
    t.panels = ceil_div(vectors, WINOGRAD_VECTORS)
    t.width = ceil_div(vectors, t.panels) * vector
    t.cuts = 1
    t.group = t.icg
    if not t.packed:
        some = ceil_div(t.icg if t.alone else t.depth, min(KC, KC_BYTES // (t.width * size)))
        t.group = round_up(ceil_div(t.icg, some), vector)
    t.kc = round_up(t.parts.count * t.group, vector)
    t.u_kc = round_up(t.group, vector) if t.alone else t.kc
    t.chunks = ceil_div(t.icg, t.group)
    t.chain = LONG_CHAIN if t.depth > SHALLOW else (SHORT_CHAIN if t.depth > SHALLOWEST else SHORTEST_CHAIN)
    most = BLOCK_BYTES // (t.nh * t.nw * t.chunks * t.kc * size)
    most = MOST_TILES if all_at_once else clip(most, LEAST_TILES, MOST_TILES)
    t.blocks = ceil_div(t.tiles, most)
    if not all_at_once:
        even = ceil_div(round_up(t.blocks * t.s.groups, threads), t.s.groups)
        t.blocks = max(t.blocks, min(even, t.tiles // LEAST_TILES))
    t.block = round_up(ceil_div(t.tiles, t.blocks), every)      # a row's classes of outputs stay together
    t.blocks = ceil_div(t.tiles, t.block)
    if not packed:
        t.panels = min(shared_panels(t, all_at_once, threads), vectors)
        t.width = ceil_div(vectors, t.panels) * vector
    t.v_point = odd_lines(t.block * t.chunks * t.kc, size)
    t.m_point = odd_lines(t.block * t.width, size)
    t.v_size = t.nh * t.nw * t.v_point
    t.m_size = t.nh * t.nw * t.m_point
    t.m_block = 0
    t.u_chunks = t.chunks
    if all_at_once and not packed and t.blocks * t.m_size * size <= PRODUCTS_BYTES:
        t.m_block = t.m_size
        t.m_size *= t.blocks
        t.u_chunks = 1
    t.u_point = odd_lines(t.u_chunks * t.u_kc * t.width, size)
    t.few = all_at_once and not packed and few_tiles(t)
    t.u_size = 0 if t.few else t.matrices * t.u_point
    t.strip = max(t.strip * vector, t.mh * t.mw * t.run * MOST_VECTORS * vector)


cdef inline Py_ssize_t turned_size(const Task *t, Py_ssize_t size) noexcept nogil:
    """Elements that the weights of a chunk or a vector of channels take while they are transformed."""
    cdef Py_ssize_t lanes = lanes_of(size), channels = min(t.icg, lanes)
    if t.phases == 1:
        channels = t.group if t.few else channels * MOST_VECTORS
    return channels * t.whole * lanes


cdef inline void take_weights(Task *t, const Py_ssize_t[::1] swapped):
    """How weights lie, as `conv` is told, if they are swapped."""
    t.swapped, t.phases, t.zero = swapped is not None, 1, 0
    t.first, t.whole = &t.zero, t.s.kd * t.s.kh * t.s.kw
    t.tap_d, t.tap_h, t.tap_w = t.s.kh * t.s.kw, t.s.kw, 1
    if t.swapped:
        t.whole, t.tap_d, t.tap_h, t.tap_w = swapped[0], swapped[1], swapped[2], swapped[3]
        t.first, t.phases = &swapped[4], swapped.shape[0] - 4
