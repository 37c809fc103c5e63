"""The gradient of average pooling: each gradient, over its divisor, to every element of its window.

    dx[z, y, x] = sum of g[o] / divisor[o] over the outputs o whose windows touch (z, y, x)

gathered row by row, so that each element is written once: first down the rows of g whose windows touch row (z, y) of
the input into one row v, then along v; `spread.h` has both, `spread_pairs.h` the common windows in registers. With
channels last a row is one of elements, unless a pixel is a vector or more: then it goes pixel by pixel.
Here are the tables that they follow, made once: which outputs touch what along each axis, and shares in place of
divisors. The rows of the input are divided into as many pieces of work as there are threads.
"""

from cython cimport floating
from libc.string cimport memcpy, memset
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport five, operand
from fastconv._kernels.scratch cimport borrow
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.spread_tables cimport (
    MOST_LANES, SPREAD_ROWS, Tables, laid, pairs_least, pieces_of, spread_plan, spread_rows,
)
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.window cimport Place, PoolShape, counts_along, divisor_of, pool_shape

cdef extern from "mix.h" nogil:
    void mix_rows(...) noexcept
    void mix_pixels(...) noexcept

cdef enum:
    MOST_OF_A_ROW = 6                  # terms of one row of outputs that are picked from where it lies
    MOST_TERMS = 9                     # of a plane that is one row of vectors
    TABLE = 16384                      # bytes of such a plane's table: half of an L1 cache


cdef struct Call:
    const PoolShape *s
    const Tables *t
    const void *g
    void *dx
    Py_ssize_t planes                  # as of `run`
    bint rows                          # rows of elements, else pixel by pixel
    Py_ssize_t shares                  # of their rows


cdef struct Needs:
    # of a call's tables and scratch
    Py_ssize_t lanes
    Py_ssize_t size, outputs           # elements of a plane of the input, and of its outputs
    bint rows, flat, picks             # rows of elements, planes as one row of vectors, lanes by a table
    Py_ssize_t pieces, terms           # of that table
    Py_ssize_t table, whole            # its elements, and those of shares of a plane
    Py_ssize_t scratch                 # elements of one thread
    Py_ssize_t numbers, elements       # in all


cdef inline Py_ssize_t most(Py_ssize_t out, Py_ssize_t k, Py_ssize_t s) noexcept nogil:
    """The outputs that touch an element along one axis, at most."""
    return min(out, (k - 1) // s + 1)


cdef void reached(Py_ssize_t *count, Py_ssize_t size, Py_ssize_t out, Py_ssize_t s, Py_ssize_t start) noexcept nogil:
    """How many of the places start, start + s, ..., `out` in all, are at or before each element."""
    cdef Py_ssize_t i = 0, o, place
    for o in range(out):
        place = min(start + o * s, size)
        while i < place:
            count[i] = o
            i += 1
    while i < size:
        count[i] = out
        i += 1


cdef void touching(
    Py_ssize_t *begin, Py_ssize_t *end, Py_ssize_t size, Py_ssize_t out, Py_ssize_t k, Py_ssize_t s, Py_ssize_t p,
) noexcept nogil:
    """The outputs along one axis whose windows touch each element i: o * s - p <= i < o * s - p + k."""
    reached(begin, size, out, s, k - p)
    reached(end, size, out, s, -p)


cdef bint shares(floating *by, floating *along, PoolShape *s, Py_ssize_t step) noexcept nogil:
    """The shares of each row of outputs and of each column, of `step` elements; whether all are equal."""
    cdef Py_ssize_t a, b, o, e
    cdef floating share
    cdef Place at
    cdef bint equal = True
    for a in range(s.od):
        for b in range(s.oh):
            at.z, at.y = a * s.sd - s.pd, b * s.sh - s.ph
            by[a * s.oh + b] = <floating> (1 / divisor_of(s, at))
            equal = equal and by[a * s.oh + b] == by[0]
    counts_along(along, s)
    for o in range(s.ow):
        along[o] = 1 / along[o]
        equal = equal and along[o] == along[0]
    for o in range(s.ow - 1 if step > 1 else -1, -1, -1):  # from behind, as elements lie further on than columns
        share = along[o]
        for e in range(o * step, (o + 1) * step):
            along[e] = share
    return equal


cdef void by_elements(
    const floating *g, floating *dx, floating *v, const PoolShape *s, const Tables *t, Py_ssize_t begin, Py_ssize_t end,
    Py_ssize_t planes,
) noexcept nogil:
    """The input's rows from `begin` to `end`, counted over (planes, id, ih), as rows of elements."""
    cdef Py_ssize_t size = s.od * s.oh * t.p.ow, r = begin, y, z
    cdef const floating *g_end = g + planes * size
    cdef floating *dx_end = dx + end * t.p.iw
    while r < end:
        y, z = r % s.ih, r // s.ih % s.id
        r += spread_rows(
            dx + r * t.p.iw, <const floating *> dx_end, &t.p, g + r // s.ih // s.id * size, g_end, t.d0[z], t.d1[z], y,
            min(s.ih, y + end - r), v + t.p.before,
        ) - y


cdef void planes_first(
    const floating *g, floating *dx, const spread_plan *p, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t planes,
) noexcept nogil:
    """The planes from `begin` to `end`, each in whole."""
    spread_rows(
        dx + begin * p.iw, <const floating *> dx + end * p.iw, p, g, g + planes * p.ow, 0, 1, begin, end, NULL,
    )


cdef void by_pixels(
    const floating *g, floating *dx, floating *v, const PoolShape *s, const Tables *t, Py_ssize_t begin, Py_ssize_t end,
) noexcept nogil:
    """The input's rows from `begin` to `end`, over (images, id, ih), pixel by pixel."""
    cdef Py_ssize_t line = t.p.ow, width = t.p.iw, r, a, y, z
    cdef const floating *by = <const floating *> t.p.by
    cdef const floating *along = <const floating *> t.p.along
    cdef const floating *plane
    cdef floating *to
    for r in range(begin, end):
        y, z = r % s.ih, r // s.ih % s.id
        to = dx + r * width
        if r > begin and y > 0 and t.h0[y] == t.h0[y - 1] and t.h1[y] == t.h1[y - 1]:
            memcpy(to, to - width, width * sizeof(floating))
            continue
        plane = g + r // s.ih // s.id * s.od * s.oh * line
        if t.d0[z] == t.d1[z]:
            memset(v, 0, line * sizeof(floating))
        for a in range(t.d0[z], t.d1[z]):
            mix_rows(
                v, plane + (a * s.oh + t.h0[y]) * line, line, by + a * s.oh + t.h0[y], t.h1[y] - t.h0[y], line,
                a > t.d0[z],
            )
        mix_pixels(to, <const floating *> v, along, t.w0, t.w1, s.iw, t.p.step)


cdef void one_share(const Call *c, Py_ssize_t i, floating *scratch) noexcept nogil:
    """Share i of all rows."""
    cdef Py_ssize_t rows = c.planes if c.t.p.plane else c.planes * c.s.id * c.s.ih
    cdef Py_ssize_t begin = rows * i // c.shares, end = rows * (i + 1) // c.shares
    cdef const floating *g = <const floating *> c.g
    cdef floating *dx = <floating *> c.dx
    if c.t.p.plane:
        planes_first(g, dx, &c.t.p, begin, end, c.planes)
    elif c.rows:
        by_elements(g, dx, scratch, c.s, c.t, begin, end, c.planes)
    else:
        by_pixels(g, dx, scratch, c.s, c.t, begin, end)


cdef void plan_rows(Tables *t, const PoolShape *s, Py_ssize_t step, Py_ssize_t lanes, size_t item) noexcept nogil:
    """What the plan says of windows and rows, before there are tables."""
    cdef bint few                      # terms
    t.most_h, t.most_w = most(s.oh, s.kh, s.sh), most(s.ow, s.kw, s.sw)
    t.width, t.out = s.iw, s.ow
    t.p.step, t.p.iw, t.p.oh, t.p.ow, t.p.pw = step, s.iw * step, s.oh, s.ow * step, s.pw * step
    t.p.stride, t.p.kw = s.sw, s.kw
    few = t.most_w <= 2 and t.most_h <= 2 or t.most_w <= MOST_OF_A_ROW and t.most_h == 1 and s.sw > 1
    t.p.direct = few and most(s.od, s.kd, s.sd) == 1
    t.p.pairs = step == 1 and t.p.direct and s.sw == 2 and (s.kw == 2 or s.kw == 3) and s.pw <= 1
    t.p.pairs = t.p.pairs and s.ow >= pairs_least(item)
    t.p.before = (s.kw - 1) * step if s.sw == 1 and not t.p.direct else 0
    t.p.pitch = t.p.before + max(s.ow, s.iw + s.pw) * step + lanes


cdef bint fits(const Tables *t, const PoolShape *s, Py_ssize_t lanes, size_t item) noexcept nogil:
    """Whether planes are narrow and small enough to be rows of vectors."""
    cdef Py_ssize_t size = s.ih * t.p.iw, terms = t.most_h * t.most_w
    if s.id * s.od != 1 or t.p.iw >= lanes or size < lanes or terms > MOST_TERMS:
        return False
    return pieces_of(size, lanes) * lanes * terms * <Py_ssize_t> item <= TABLE


cdef Needs needs_of(const Tables *t, const PoolShape *s, Py_ssize_t lanes, size_t item, int threads) noexcept nogil:
    """What the plan `t` needs, in elements of `item` bytes."""
    cdef Needs n
    n.lanes, n.size, n.outputs = lanes, s.ih * t.p.iw, s.oh * t.p.ow
    n.rows = t.p.step < lanes
    n.flat = fits(t, s, lanes, item)
    n.picks = n.flat or n.rows and not t.p.pairs and (s.sw > 1 or t.p.direct)
    n.pieces = pieces_of(n.size if n.flat else t.p.iw, lanes) if n.picks else 0
    n.terms = t.most_h * t.most_w if n.flat else t.most_w
    n.table = n.pieces * n.terms * lanes
    n.whole = n.outputs + lanes if n.flat else 0
    n.scratch = t.p.ow if not n.rows else 0 if t.p.direct else t.p.pitch * SPREAD_ROWS
    n.scratch = (n.scratch + 127) // 128 * 128
    n.numbers = 2 * (s.id + s.ih + s.iw) + n.pieces * (1 + n.terms)
    n.elements = s.od * s.oh + t.p.ow + lanes + MOST_LANES + n.table + n.whole + n.scratch * threads
    return n


cdef void place(Tables *t, const PoolShape *s, const Needs *n, Py_ssize_t *index) noexcept nogil:
    """The tables of places, from `index` on."""
    t.d0, t.d1, t.h0, t.h1 = index, index + s.id, index + 2 * s.id, index + 2 * s.id + s.ih
    t.w0, t.w1 = t.h1 + s.ih, t.h1 + s.ih + s.iw
    t.p.begin, t.p.end, t.p.base = t.h0, t.h1, t.w1 + s.iw
    t.p.picks = <const void *const *> (t.w1 + s.iw + n.pieces * n.terms)
    touching(t.d0, t.d1, s.id, s.od, s.kd, s.sd, s.pd)
    touching(t.h0, t.h1, s.ih, s.oh, s.kh, s.sh, s.ph)
    if n.picks or not n.rows:
        touching(t.w0, t.w1, s.iw, s.ow, s.kw, s.sw, s.pw)


cdef bint lay_planes(Tables *t, const Needs *n, floating *by, floating *whole, floating *pick) noexcept nogil:
    """Make planes rows of vectors, whose `whole` shares are those of rows and columns; False if that cannot be."""
    cdef const floating *along = <const floating *> t.p.along
    cdef Py_ssize_t i, j
    for i in range(t.p.oh):
        for j in range(t.p.ow):
            whole[i * t.p.ow + j] = by[i] * along[j]
    if not laid(t, pick, n.size, n.outputs, n.terms, n.lanes):
        return False
    t.p.iw, t.p.ow, t.p.direct, t.p.pairs = n.size, n.outputs, True, False
    t.p.along, by[0] = whole, 1
    return True


cdef floating *lay(Tables *t, PoolShape *s, const Needs *n, floating *by) noexcept nogil:
    """The tables of shares and lanes, from `by` on, and where they end."""
    cdef floating *along = by + s.od * s.oh
    cdef floating *pick = <floating *> ((<size_t> (along + t.p.ow + n.lanes) + 63) // 64 * 64)
    cdef floating *whole = pick + n.table
    t.p.by, t.p.along = by, along
    t.p.equal = shares(by, along, s, t.p.step if n.rows else 1)
    t.p.plane = n.flat and lay_planes(t, n, by, whole, pick)
    if n.picks and not t.p.plane:
        laid(t, pick, t.p.iw, t.p.ow, t.most_w, n.lanes)
    return whole + n.whole


cdef int run(
    const floating *g, floating *dx, Py_ssize_t planes, Py_ssize_t step, PoolShape *s, int threads,
) except -1:
    """`planes` of one channel and step 1, or images and step their channels."""
    cdef Py_ssize_t lanes = lanes_of(sizeof(floating)), bytes
    cdef Tables t
    cdef Needs n
    cdef Py_ssize_t *index
    cdef floating *scratch
    cdef Call call = Call(s, &t, g, dx, planes, step < lanes, threads)
    s.sw = min(s.sw, s.iw + s.pw)      # no second window touches the row then either
    plan_rows(&t, s, step, lanes, sizeof(floating))
    n = needs_of(&t, s, lanes, sizeof(floating), threads)
    bytes = n.numbers * sizeof(Py_ssize_t) + n.elements * sizeof(floating)
    index = <Py_ssize_t *> borrow("avg_pool", bytes)
    memset(index, 0, bytes)
    with nogil:
        place(&t, s, &n, index)
        scratch = lay(&t, s, &n, <floating *> (index + n.numbers))
        each_piece(<Piece> one_share[floating], &call, threads, threads, scratch, n.scratch * sizeof(floating))
    give_back(index)
    return 0


def first(tuple geometry, input, output, int rank, floating like, int threads):
    """The gradient `input` of the outputs into `output`, that of the inputs: (n, c, *spatial), without n too.

    Both are C-contiguous, of the type of `like`, not empty; the geometry has dilation 1. All of `output` is written.
    """
    cdef operand g = five(input, rank), dx = five(output, rank)
    cdef PoolShape s = pool_shape(geometry)
    run(<const floating *> g.data, <floating *> dx.data, g.shape[0] * g.shape[1], 1, &s, threads)


def last(tuple geometry, input, output, int rank, floating like, int threads):
    """The same with channels last in memory."""
    cdef operand g = five(input, rank), dx = five(output, rank)
    cdef PoolShape s = pool_shape(geometry)
    run(<const floating *> g.data, <floating *> dx.data, g.shape[0], g.shape[1], &s, threads)
