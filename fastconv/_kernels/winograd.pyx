"""Winograd convolution: fewer products between transforms of input, weights and output.

Tiles of mh x mw outputs, of all images one after the other, are lines of a matrix for each of the nh * nw points:

    V[point][tile][k]      input, k = (chunk, part, channel)          the transforms are those of `winograd.h`; their
    U[point][k][lane]      weights of a panel of output channels      lanes are channels, whatever the memory order
    M[point][tile][lane] = V[point] . U[point]                      by `winograd_tile.h`

A part is some of the kernel's taps, to which strides, dilation and long kernels come down: see `winograd_runs.pxd`. So
that each point sums over neighbours, channels are summed a chunk at a time, all parts of each chunk. A single tap
beside pairs has one matrix of U for several points. Where a group's channels fill no vectors, lanes of the input are
those of all parts instead, without gaps: 12 lanes of 3 channels by 7x7 at stride 2.

One pass multiplies a block of tiles with a panel of output channels and transforms the products while they are in L2.
Either the weights are transformed beforehand and each block of input is used up while it is in cache, or, where they
are more than the input, the input is transformed beforehand and each panel of weights is used up:

    by blocks    for each block: transform V; for each panel: multiply, transform back       all of U in memory
    by panels    for each panel: transform U; for each block: multiply, transform back       all of V in memory

What comes beforehand each thread transforms for itself when it first needs it, unless that takes too much memory: a
line that another core wrote takes longer to come than to be computed, and its writer longer to write it again.

The order of each sum depends on K alone, so both give the same bits, for any number of images and threads.
Lavin & Gray 2015, arXiv:1509.09308.
"""

from libc.math cimport INFINITY
from libc.string cimport memset

from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.scratch cimport LINE, borrow, round_up
from fastconv._kernels.shape cimport LAYOUT, read_shape, read_strides, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.winograd cimport (
    NEAR_BYTES,
    OWN_BYTES,
    RESIDENT_BYTES,
    WINOGRAD_VECTORS,
    Panel,
    Task,
    few_tiles,
    plan,
    take_weights,
    turned_size,
)
from fastconv._kernels.winograd_few cimport multiply_few
from fastconv._kernels.winograd_panels cimport cuts_for, panel_at
from fastconv._kernels.winograd_product cimport multiply
from fastconv._kernels.winograd_rules cimport choose_rules
from fastconv._kernels.winograd_transforms cimport transform_input, transform_output
from fastconv._kernels.winograd_weights cimport transform_weight


cdef struct Call:
    const Task *t
    const void *x
    const void *w
    void *u                     # transformed weights,
    void *v                     # and input; NULL where each thread has its own, if any:
    Py_ssize_t own, held        # elements of a group of them, and before these room for the group of each panel
    const void *bias
    void *out
    Py_ssize_t parts            # of a block, for threads that are more than blocks,
    Py_ssize_t share            # and channels of input in each


cdef void multiply_panel(
    const Task *t, const real *v, const real *u, const real *bias, real *out, Py_ssize_t g, Py_ssize_t b,
    const Panel *p, Py_ssize_t first, Py_ssize_t end, real *m, real *strips,
) noexcept nogil:
    """Block `b` with chunks [first, end) of `p` of group `g`, and at the end of the depth to the output."""
    if not t.few:
        multiply(t, v, u, m, b, p, first, end)
    if end == t.chunks:
        transform_output(t, <const real *> m, bias, out, b, g, p, strips)


cdef const real *weights(const Call *c, Py_ssize_t g, Py_ssize_t i, real *scratch, real *turned) noexcept nogil:
    """The panel of part `i` of a group of U, of all threads or this one, which has those panels of the group that it
    needed last."""
    cdef const Task *t = c.t
    cdef Py_ssize_t *group = <Py_ssize_t *> scratch + i
    cdef real *u = scratch + c.held + i * t.u_size
    cdef Panel p
    if c.u != NULL:
        return <const real *> c.u + (g * t.panels + i // t.cuts) * t.u_size
    if group[0] != g:
        p = panel_at(t, i, sizeof(real))
        transform_weight(t, <const real *> c.w, u, turned, g, &p, 0, t.chunks)
        group[0] = g
    return u


cdef const real *inputs(const Call *c, Py_ssize_t g, real *scratch, real *strips) noexcept nogil:
    """All blocks of a group of V, in the same way."""
    cdef const Task *t = c.t
    cdef Py_ssize_t *group = <Py_ssize_t *> scratch
    cdef real *v = scratch + c.held
    cdef Py_ssize_t b
    if c.v != NULL:
        return <const real *> c.v + g * t.blocks * t.v_size
    if group[0] != g:
        for b in range(t.blocks):
            transform_input(t, <const real *> c.x, g, b, 0, t.icp, v + b * t.v_size, strips)
        group[0] = g
    return v


cdef void one_block(const Call *c, Py_ssize_t item, real *scratch) noexcept nogil:
    """A block of input with one of `parts` equal shares of the panels' parts."""
    cdef const Task *t = c.t
    cdef Py_ssize_t i, all_parts = t.panels * t.cuts, part = item % c.parts, b = item // c.parts
    cdef Py_ssize_t g = b // t.blocks
    cdef real *v = scratch + c.held + c.own
    cdef real *m = v + t.v_size
    cdef Panel p
    b = b % t.blocks
    transform_input(t, <const real *> c.x, g, b, 0, t.icp, v, m + t.m_size)
    for i in range(part * all_parts // c.parts, (part + 1) * all_parts // c.parts):
        p = panel_at(t, i, sizeof(real))
        multiply_panel(t, <const real *> v, weights(c, g, i, scratch, m + t.m_size), <const real *> c.bias,
                       <real *> c.out, g, b, &p, 0, t.chunks, m, m + t.m_size)


cdef void one_panel(const Call *c, Py_ssize_t item, real *scratch) noexcept nogil:
    """A part of a panel of output channels with all blocks, of `u` if it is there, else transformed here, some of its
    depth at a time."""
    cdef const Task *t = c.t
    cdef Py_ssize_t g = item // (t.panels * t.cuts), b, i, first, end
    cdef real *u = scratch + c.held + c.own
    cdef real *m = u if c.u != NULL else u + t.u_size
    cdef const real *v = inputs(c, g, scratch, m + t.m_size)
    cdef const real *panel = <const real *> c.u + item // t.cuts * t.u_size if c.u != NULL else u
    cdef Panel p = panel_at(t, item % (t.panels * t.cuts), sizeof(real))
    for i in range(ceil_div(t.chunks, t.u_chunks)):
        first = i * t.u_chunks
        end = min(first + t.u_chunks, t.chunks)
        if t.few:
            multiply_few(t, v, <const real *> c.w, m, &p, g, first, end, m + t.m_size)
        elif c.u == NULL:
            transform_weight(t, <const real *> c.w, u, m + t.m_size, g, &p, first, end)
        for b in range(t.blocks):
            multiply_panel(t, v + b * t.v_size, panel, <const real *> c.bias, <real *> c.out, g, b, &p, first, end,
                           m + b * t.m_block, m + t.m_size)


cdef void one_weight(const Call *c, Py_ssize_t item, real *scratch) noexcept nogil:
    """Transform the weights of a panel to `u`."""
    cdef const Task *t = c.t
    cdef Panel p = panel_at(t, item % t.panels, sizeof(real))
    transform_weight(t, <const real *> c.w, <real *> c.u + item * t.u_size, scratch, item // t.panels, &p, 0, t.chunks)


cdef void one_input(const Call *c, Py_ssize_t item, real *scratch) noexcept nogil:
    """Transform a share of the channels of a block of input to `v`."""
    cdef const Task *t = c.t
    cdef Py_ssize_t b = item // c.parts, first = item % c.parts * c.share
    transform_input(t, <const real *> c.x, b // t.blocks, b % t.blocks, first, min(first + c.share, t.icp),
                    <real *> c.v + b * t.v_size, scratch)


def panel_vectors():
    """Vectors of output channels that a panel of transformed weights has at most."""
    return WINOGRAD_VECTORS


def transforms_few(tuple geometry):
    """Whether weights that are not packed are transformed as one image is multiplied by them: `winograd_few.h`."""
    cdef Task t
    read_shape(&t.s, geometry)
    if t.s.ic * t.s.oc * t.s.od * t.s.oh * t.s.ow == 0:     # of which there are no blocks or panels to plan
        return False
    t.n = 1
    take_weights(&t, None)
    plan(&t, sizeof(float), True, False, 1)
    return bool(t.few)


def packed_layout(tuple geometry):
    """What the transformed weights depend on besides the weights and how they are split: the rules along both axes."""
    cdef Task t
    read_shape(&t.s, geometry)
    choose_rules(&t.s, &t.parts, &t.rule_h, &t.rule_w)
    return t.rule_h, t.rule_w


def packed_size(tuple geometry, real like, const Py_ssize_t[::1] swapped=None):
    """Elements that the transformed weights of a geometry take, of the type of `like`."""
    cdef Task t
    read_shape(&t.s, geometry)
    t.n = 1
    take_weights(&t, swapped)
    plan(&t, sizeof(real), False, True, 1)
    return t.s.groups * t.panels * t.u_size


def pack(tuple geometry, weight, real[:] packed, int threads, const Py_ssize_t[::1] swapped=None):
    """Transform the weights once, for calls of `conv` with any input; `packed` has `packed_size` elements."""
    cdef Task t
    cdef Call call
    cdef char *memory
    cdef Py_ssize_t each
    read_shape(&t.s, geometry)
    t.n = 1
    take_weights(&t, swapped)
    plan(&t, sizeof(real), False, True, 1)
    each = turned_size(&t, sizeof(real))
    memory = borrow("winograd", each * threads * sizeof(real))
    call.t, call.w, call.u = &t, first_of(weight), &packed[0]
    with nogil:
        each_piece(<Piece> one_weight[real], &call, t.s.groups * t.panels, threads, memory, each * sizeof(real))
    give_back(memory)


cdef inline bint choose_way(Call *c, Task *t, Py_ssize_t size, int threads, Py_ssize_t *each) noexcept nogil:
    """Plan by panels of weights if that is better, which it says, else by blocks of input.

    each : elements of what a thread uses up, besides what it keeps of the other operand, `c.own`
    """
    plan(t, size, True, c.u != NULL, threads)
    if c.u != NULL and few_tiles(t) and t.s.groups * t.panels * t.u_size * size > NEAR_BYTES:
        c.u = NULL
        plan(t, size, True, False, threads)
    if t.tiles <= t.panels * t.width and (
        c.u == NULL or t.s.groups * t.blocks * t.v_size * size <= RESIDENT_BYTES
    ):
        c.own = t.blocks * t.v_size
        each[0] = t.u_size if c.u == NULL else 0
        if c.u != NULL:
            t.cuts = cuts_for(t, t.s.groups * t.panels, threads, size)
        return True
    plan(t, size, False, c.u != NULL, threads)
    c.own = t.panels * t.u_size if c.u == NULL else 0
    c.parts = ceil_div(<Py_ssize_t> threads, t.s.groups * t.blocks)
    if c.u != NULL:
        t.cuts = cuts_for(t, t.panels, c.parts, size)
    c.parts = min(c.parts, t.panels * t.cuts)
    each[0] = t.v_size
    return False


cdef void transform_for_all(
    Call *c, bint by_panels, int threads, real *shared, char *own, Py_ssize_t each,
) noexcept nogil:
    """What comes beforehand, to `shared`: the input by shares of its channels, as one block may be all there is."""
    cdef const Task *t = c.t
    if by_panels:
        c.v = shared
        c.share = round_up(ceil_div(t.icp, threads), lanes_of(sizeof(real)))
        c.parts = ceil_div(t.icp, c.share)
        each_piece(<Piece> one_input[real], c, t.s.groups * t.blocks * c.parts, threads, own, each)
    else:
        c.u = shared
        each_piece(<Piece> one_weight[real], c, t.s.groups * t.panels, threads, own, each)


def conv(tuple geometry, input, weight, bias, output, real lo, real hi, int threads, packed=None,
         const Py_ssize_t[::1] swapped=None):
    """Convolve: as `conv` of `direct.pyx`, for what `fastconv._winograd` does not reject.

    packed : what `pack` made of w and this geometry, of any extents of input and output that take the same rules
    swapped : weight is (ic, oc of a phase, *kernel), of one group, and channels of output (phase, oc of a phase): how
        many taps that has, reversed; how far apart those that an output sees along d, h and w; the first of each phase
    """
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), each, shared = 0, i
    cdef Call call = Call(&t, x.data, w.data, first_of(packed), NULL, 0, 0, first_of(bias), out.data, 1, 0)
    cdef bint by_panels
    cdef char *scratch
    cdef char *own
    read_shape(&t.s, geometry)
    t.last = geometry[LAYOUT]
    t.n = x.shape[0]
    take_weights(&t, swapped)
    read_strides(&t.xn, x.shape, x.strides, size, t.last)
    t.clamp = lo > -INFINITY or hi < INFINITY
    t.lo, t.hi = lo, hi
    by_panels = choose_way(&call, &t, size, threads, &each)
    if threads > 1 and call.own * threads * size > OWN_BYTES:
        shared = round_up(t.s.groups * call.own * size, LINE)
        call.own = 0
    call.held = round_up(t.panels * sizeof(Py_ssize_t), LINE) // size
    each = round_up((call.held + call.own + each + t.m_size + max(2 * t.strip, turned_size(&t, size))) * size, LINE)
    scratch = borrow("winograd", shared + each * threads)
    own = scratch + shared
    with nogil:
        for i in range(threads):
            memset(own + i * each, 0xFF, call.held * size)      # no group
        if shared:
            transform_for_all(&call, by_panels, threads, <real *> scratch, own, each)
        if by_panels:
            each_piece(<Piece> one_panel[real], &call, t.s.groups * t.panels * t.cuts, threads, own, each)
        else:
            each_piece(<Piece> one_block[real], &call, t.s.groups * t.blocks * call.parts, threads, own, each)
    give_back(scratch)
