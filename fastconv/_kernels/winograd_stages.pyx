"""The stages of `winograd.pyx` one at a time, for those who measure them: one image, one group, one thread, by blocks.

    "weight"    U of all panels          "product"    M of some blocks and panels from V and U
    "input"     V of some blocks         "output"     the output of some blocks and panels from M

V and M have room for one block, and for one block and panel, as in the whole: a stage over several of them works on
what is in cache, and leaves the last. In the order input, product, output for each block the result is the whole's.
"""

from libc.math cimport INFINITY

from fastconv._kernels.operand cimport OWN_RANK, first_of, five, operand
from fastconv._kernels.shape cimport LAYOUT, read_shape, read_strides, real
from fastconv._kernels.winograd cimport Panel, Task, plan, take_weights, turned_size
from fastconv._kernels.winograd_panels cimport panel_at
from fastconv._kernels.winograd_product cimport multiply
from fastconv._kernels.winograd_runs cimport Axis
from fastconv._kernels.winograd_transforms cimport transform_input, transform_output
from fastconv._kernels.winograd_weights cimport transform_weight


cdef int begin(Task *t, tuple geometry, Py_ssize_t size) except -1:
    read_shape(&t.s, geometry)
    take_weights(t, None)
    t.last = geometry[LAYOUT]
    t.n = 1
    t.clamp = False
    t.lo, t.hi = -INFINITY, INFINITY
    plan(t, size, False, True, 1)
    return 0


def sizes(tuple geometry, real like):
    """How many blocks and panels there are, and elements of U, V, M and scratch, of the type of `like`."""
    cdef Task t
    begin(&t, geometry, sizeof(real))
    return (t.blocks, t.panels, t.panels * t.u_size, t.v_size, t.m_size,
            max(2 * t.strip, turned_size(&t, sizeof(real))))


def runs(tuple geometry):
    """How h and w are split, each (every, taps, longs, shorts): what `fastconv._winograd.runs` says in Python."""
    cdef Task t
    cdef Axis h, w
    begin(&t, geometry, sizeof(float))
    h, w = t.parts.h, t.parts.w
    return (h.every, h.taps, h.longs, h.runs - h.longs), (w.every, w.taps, w.longs, w.runs - w.longs)


def run(str stage, tuple geometry, tuple blocks, tuple panels, input, weight, real[::1] u, real[::1] v, real[::1] m,
        real[::1] scratch, output):
    """Run one stage over `blocks` and `panels`, each (first, end)."""
    cdef operand w = five(weight, OWN_RANK), x = five(input, w.rank), out = five(output, w.rank)
    cdef const real *xs = <const real *> x.data
    cdef const real *ws = <const real *> first_of(weight)
    cdef Py_ssize_t b, p, size = sizeof(real)
    cdef Py_ssize_t b0 = blocks[0], b1 = blocks[1], p0 = panels[0], p1 = panels[1]
    cdef int which = ("weight", "input", "product", "output").index(stage)
    cdef Task t
    cdef Panel panel
    begin(&t, geometry, size)
    read_strides(&t.xn, x.shape, x.strides, size, t.last)
    with nogil:
        for p in range(p0, p1 if which == 0 else p0):
            panel = panel_at(&t, p, size)
            transform_weight(&t, ws, &u[p * t.u_size], &scratch[0], 0, &panel, 0, t.chunks)
        for b in range(b0, b1 if which == 1 else b0):
            transform_input(&t, xs, 0, b, 0, t.icp, &v[0], &scratch[0])
        for b in range(b0, b1 if which > 1 else b0):
            for p in range(p0, p1):
                panel = panel_at(&t, p, size)
                if which == 2:
                    multiply(&t, <const real *> &v[0], <const real *> &u[p * t.u_size], &m[0], b, &panel, 0, t.chunks)
                else:
                    transform_output(&t, <const real *> &m[0], <const real *> NULL, <real *> out.data, b, 0, &panel,
                                     &scratch[0])
