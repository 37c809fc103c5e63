"""Gradient of the weights of a convolution of stride 1 by minimal filtering: fewer products over the same pixels.

A tile of grad_output slides over the input under it as a kernel over an image: its few positions are the taps.

    dw[oc, c] = sum over tiles of  A^T [ (G gout[oc] G^T) * (B^T x[c] B) ] A      for 3 x 3 taps a tile of 4 x 4 outputs
                                                                                  takes 36 products instead of 144
The transform back is linear, so tiles are summed before it: for each point a matrix product over tiles,

    U[point][tile][oc]     grad_output             M[point][oc][c] += U[point]^T . V[point]
    V[point][tile][c]      input                   dw = A^T M A,  once for FAN blocks of tiles

A part of dw, so many channels of both that M stays in L2, goes through all tiles, TILES at a time. Work is split over
elements of dw only, so the order of every sum is the same for any number of threads. Transforms: `winograd_points.h`.
Lavin & Gray 2015, arXiv:1509.09308.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from fastconv._kernels.outer cimport OUTER_ROWS, outer
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.scratch cimport LINE, aligned, allocate, round_up
from fastconv._kernels.shape cimport LAYOUT, read_shape, read_strides, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.tile cimport tile_width
from fastconv._kernels.turn cimport turn_block
from fastconv._kernels.weight_grad cimport even
from fastconv._kernels.winograd cimport (
    F25,
    F34,
    F43,
    F52,
    ONE,
    RUN,
    Run,
    Task,
    odd_lines,
    run_at,
    winograd_output,
    winograd_points,
    winograd_taps,
    winograd_weight,
)
from fastconv._kernels.winograd_transforms cimport transform_input

cdef enum:
    TILES = 48              # of a block
    FEW_TILES = 256         # up to which errors average out less, and chains of products are short
    SHORT_CHAIN = 16
    FAN = 24                # blocks until M is transformed back
    SUM_BYTES = 16384       # of M for one point
    CHANNELS = 64           # of the input in a part
    MOST_TAPS = 25
    PIXELS = 16             # of a tile of grad_output


cdef struct Grad:
    Task x                                       # how the input is transformed; its channels are those of a part
    int rule_h, rule_w                           # of the gradient
    Py_ssize_t icg, ocg, planes, taps            # taps of a plane of the kernel
    Py_ssize_t ic_part, ic_parts, oc_part, oc_parts
    Py_ssize_t chain
    Py_ssize_t u_point, m_point                  # from one point to the next, in elements: odd numbers of cache lines
    Py_ssize_t u_size, v_size, m_size, sums      # elements of U, V and M; of the sums of what M was transformed to


cdef inline int rule_for(Py_ssize_t taps) noexcept nogil:
    return ONE if taps == 1 else (F34 if taps == 3 else F52)


cdef inline int input_rule(int rule) noexcept nogil:
    return ONE if rule == ONE else (F43 if rule == F34 else F25)


cdef void plan_tiles(Grad *p, Py_ssize_t size) noexcept nogil:
    cdef Task *t = &p.x
    p.rule_h = rule_for(t.s.kh)
    p.rule_w = rule_for(t.s.kw)
    t.rule_h = input_rule(p.rule_h)
    t.rule_w = input_rule(p.rule_w)
    t.mh = winograd_taps(p.rule_h)
    t.mw = winograd_taps(p.rule_w)
    t.nh = winograd_points(p.rule_h)
    t.nw = winograd_points(p.rule_w)
    t.th = ceil_div(t.s.oh, t.mh)
    t.tw = ceil_div(t.s.ow, t.mw)
    t.tiles = t.right = t.corner = t.n * t.s.od * t.th * t.tw
    t.edge_h = t.edge_w = t.inner = 0       # all tiles are alike
    t.blocks = ceil_div(t.tiles, TILES)
    t.block = ceil_div(t.tiles, t.blocks)
    t.strip = (t.mw * RUN + t.nw) * t.nh * lanes_of(size)
    p.chain = SHORT_CHAIN if t.tiles <= FEW_TILES else t.block
    p.planes = t.s.kd
    p.taps = t.s.kh * t.s.kw
    t.s.kd = 1              # one plane of the kernel is one part


cdef void plan_parts(Grad *p, Py_ssize_t size, int threads) noexcept nogil:
    """Channels of a part so that M stays in L2 and every thread has as many parts."""
    cdef Task *t = &p.x
    cdef Py_ssize_t unit = lanes_of(size), parts, points = t.nh * t.nw
    p.icg = t.s.ic // t.s.groups
    p.ocg = t.s.oc // t.s.groups
    p.ic_part = even(p.icg, CHANNELS, unit)
    p.ic_parts = ceil_div(p.icg, p.ic_part)
    parts = ceil_div(p.ocg, SUM_BYTES // (size * p.ic_part))
    parts = ceil_div(round_up(parts * p.ic_parts * p.planes * t.s.groups, threads), p.ic_parts * p.planes * t.s.groups)
    p.oc_part = round_up(ceil_div(p.ocg, parts), unit)
    p.oc_parts = ceil_div(p.ocg, p.oc_part)
    t.depth = t.kc = p.ic_part
    t.v_point = odd_lines(t.block * p.ic_part, size)
    p.u_point = odd_lines(t.block * p.oc_part, size)
    p.m_point = odd_lines(p.oc_part * p.ic_part, size)
    p.v_size = points * t.v_point
    p.u_size = points * p.u_point
    p.m_size = points * p.m_point
    p.sums = p.oc_part * round_up(p.ic_part, tile_width(size)) * p.taps if t.blocks > FAN else 0


cdef void gather(
    const Grad *p, const real *gout, Py_ssize_t y, Py_ssize_t x, Py_ssize_t count, real *taps,
) noexcept nogil:
    """taps[pixel of the tile][lane] = `count` channels of grad_output, from the tile's corner (y, x) of a plane on."""
    cdef Py_ssize_t vector = lanes_of(sizeof(real)), rows = min(p.x.mh, p.x.s.oh - y), cols = min(p.x.mw, p.x.s.ow - x)
    cdef Py_ssize_t i, j, pixels = p.x.s.od * p.x.s.oh * p.x.s.ow
    cdef const real *row
    if rows * cols < p.x.mh * p.x.mw or count < vector:
        memset(taps, 0, p.x.mh * p.x.mw * vector * sizeof(real))
    for i in range(rows):
        if p.x.last:
            row = gout + ((y + i) * p.x.s.ow + x) * p.x.s.oc
            for j in range(cols):
                memcpy(taps + (i * p.x.mw + j) * vector, row + j * p.x.s.oc, count * sizeof(real))
        else:
            turn_block(sizeof(real), count, cols, gout + (y + i) * p.x.s.ow + x, pixels, taps + i * p.x.mw * vector,
                       vector)


cdef void transform_gout(
    const Grad *p, const real *gout, Py_ssize_t b, Py_ssize_t channels, real *u,
) noexcept nogil:
    """Block `b` of U; gout starts at the first of the channels."""
    cdef Py_ssize_t vector = lanes_of(sizeof(real)), plane = p.x.s.oh * p.x.s.ow, pixels = p.x.s.od * plane
    cdef Py_ssize_t first = b * p.x.block, end = min(first + p.x.block, p.x.tiles), i = first
    cdef Py_ssize_t j, c, x
    cdef const real *source
    cdef real taps[PIXELS * 16]
    cdef inline Run r
    while i < end:
        r = run_at(&p.x, i, end)
        source = gout + (r.image * pixels * p.x.s.oc + r.z * plane * (p.x.s.oc if p.x.last else 1))
        for j in range(ceil_div(channels, vector)):
            c = j * vector
            for x in range(r.tx, r.tx + r.count):
                gather(p, source + c * (1 if p.x.last else pixels), r.ty * p.x.mh, x * p.x.mw,
                       min(vector, channels - c), taps)
                winograd_weight(sizeof(real), p.rule_h, p.rule_w, 1, taps, u + (i - first + x - r.tx) * p.oc_part + c,
                                p.u_point)
        i += r.count


cdef void multiply(
    const Grad *p, const real *u, const real *v, real *m, Py_ssize_t tiles, Py_ssize_t outs, Py_ssize_t channels,
) noexcept nogil:
    """M += U^T . V for each point, `chain` tiles at a time."""
    cdef Py_ssize_t width = tile_width(sizeof(real)), pieces = ceil_div(outs, OUTER_ROWS)
    cdef Py_ssize_t _point, k, i, j, r, piece
    for _point in range(p.x.nh * p.x.nw):
        k = 0
        while k < tiles:
            j = 0
            while j < channels:
                i = 0
                for piece in range(pieces):
                    r = ceil_div(outs - i, pieces - piece)
                    outer(sizeof(real), r, channels - j, 1, min(p.chain, tiles - k), u + k * p.oc_part + i, p.oc_part,
                          0, v + k * p.ic_part + j, p.ic_part, 0, m + i * p.ic_part + j, p.ic_part)
                    i += r
                j += width
            k += p.chain
        u += p.u_point
        v += p.x.v_point
        m += p.m_point


cdef void fold(
    const Grad *p, const real *m, Py_ssize_t outs, Py_ssize_t channels, long double *sums, real *dw, bint done,
) noexcept nogil:
    """Transform M back: into dw if it is `done` and no sums are kept, else add to the sums, and then into dw."""
    cdef Py_ssize_t width = tile_width(sizeof(real)), whole = p.planes * p.taps, o, c, count, i
    cdef long double *some = sums
    cdef real strip[MOST_TAPS * 32]
    cdef real zeros[32]
    memset(zeros, 0, sizeof(zeros))
    memset(strip, 0, sizeof(strip))
    for o in range(outs):
        c = 0
        while c < channels:
            count = min(width, channels - c)
            winograd_output(sizeof(real), p.rule_h, p.rule_w, ceil_div(count, lanes_of(sizeof(real))),
                            m + o * p.ic_part + c, p.m_point, zeros, 0, 0, 0, strip, p.x.s.kw * width, width)
            if p.sums:
                for i in range(p.taps * width):
                    some[i] += strip[i]
                if done:
                    for i in range(p.taps * width):
                        strip[i] = <real> some[i]
                some += p.taps * width
            if done:
                turn_block(sizeof(real), p.taps, count, strip, width, dw + (o * p.icg + c) * whole, whole)
            c += width


cdef void one_part(
    const Grad *p, const real *x, const real *gout, real *dw, Py_ssize_t item, char *scratch, Py_ssize_t sums_bytes,
) noexcept nogil:
    """One plane of the kernel for some channels of a group, into dw."""
    cdef Py_ssize_t plane = item % p.planes, ic = item // p.planes % p.ic_parts
    cdef Py_ssize_t oc = item // (p.planes * p.ic_parts) % p.oc_parts, g = item // (p.planes * p.ic_parts * p.oc_parts)
    cdef Py_ssize_t c0 = ic * p.ic_part, channels = min(p.ic_part, p.icg - c0)
    cdef Py_ssize_t o0 = oc * p.oc_part, outs = min(p.oc_part, p.ocg - o0)
    cdef Py_ssize_t padded = round_up(channels, lanes_of(sizeof(real))), b, tiles
    cdef long double *sums = <long double *> scratch
    cdef real *u = <real *> (scratch + sums_bytes)
    cdef real *v = u + p.u_size
    cdef real *m = v + p.v_size
    cdef Task t = p.x
    t.icg = channels
    t.s.pd -= plane * t.s.dd
    x += (g * p.icg + c0) * t.xc
    o0 += g * p.ocg
    gout += o0 * (1 if t.last else t.s.od * t.s.oh * t.s.ow)
    dw += (o0 * p.icg + c0) * p.planes * p.taps + plane * p.taps
    memset(scratch, 0, sums_bytes)
    for b in range(t.blocks):
        if b % FAN == 0:
            memset(m, 0, p.m_size * sizeof(real))
        tiles = min(t.block, t.tiles - b * t.block)
        transform_input(&t, x, 0, b, 0, padded, v, m + p.m_size)
        transform_gout(p, gout, b, outs, u)
        multiply(p, <const real *> u, <const real *> v, m, tiles, outs, padded)
        if b % FAN == FAN - 1 or b == t.blocks - 1:
            fold(p, <const real *> m, outs, channels, sums, dw, b == t.blocks - 1)


def weight_grad(
    tuple geometry,
    const real[:, :, :, :, :] x,
    const real[:, :, :, :, :] gout,
    real[:, :, :, :, ::1] dw,
    int threads,
):
    """Weight gradient of a convolution of stride 1, undilated, of 1, 3 or 5 taps along h and w.

    Arguments as of `weight_grad.weight_grad`.
    """
    cdef Grad p
    cdef Py_ssize_t size = sizeof(real), bytes_each, sums_bytes, item
    cdef const real *xs = &x[0, 0, 0, 0, 0]
    cdef const real *gs = &gout[0, 0, 0, 0, 0]
    cdef real *to = &dw[0, 0, 0, 0, 0]
    cdef char *memory
    cdef char *scratch
    read_shape(&p.x.s, geometry)
    p.x.last = geometry[LAYOUT]
    p.x.n = x.shape[0]
    read_strides(&p.x.xn, x.shape, x.strides, size, p.x.last)
    plan_tiles(&p, size)
    plan_parts(&p, size, threads)
    sums_bytes = round_up(p.sums * sizeof(long double), LINE)
    bytes_each = sums_bytes + round_up((p.u_size + p.v_size + p.m_size + 2 * p.x.strip) * size, LINE)
    memory = allocate("winograd_grad", bytes_each * threads)
    scratch = aligned(memory)
    for item in prange(p.x.s.groups * p.planes * p.oc_parts * p.ic_parts, num_threads=threads, nogil=True,
                       schedule="dynamic"):
        one_part(&p, xs, gs, to, item, scratch + threadid() * bytes_each, sums_bytes)
    free(memory)
