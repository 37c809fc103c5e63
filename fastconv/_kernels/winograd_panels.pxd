"""Which output channels are in a panel of U, in a part of one, and in what transforms take at a time."""

from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.winograd cimport MANY, MOST_VECTORS, WINOGRAD_VECTORS, Panel, Task, vectors_of


cdef inline Panel panel_at(const Task *t, Py_ssize_t i, Py_ssize_t size) noexcept nogil:
    """Part `i` of all panels' parts: vectors are shared out evenly, to panels and then to parts."""
    cdef Panel p
    cdef Py_ssize_t vector = lanes_of(size), vectors = vectors_of(t, size), panel = i // t.cuts, part = i % t.cuts
    cdef Py_ssize_t whole = panel * vectors // t.panels, count = (panel + 1) * vectors // t.panels - whole
    p.offset = part * count // t.cuts
    p.vectors = (part + 1) * count // t.cuts - p.offset
    p.first = (whole + p.offset) * vector
    p.count = min(p.vectors * vector, t.ocg - p.first)
    p.offset *= vector
    p.phase = 0
    return p


cdef inline Panel some_of(const Task *t, const Panel *p, Py_ssize_t i, Py_ssize_t size) noexcept nogil:
    """From vector `i` on as many as transforms take at a time: of phases one."""
    cdef Panel some
    cdef Py_ssize_t vector = lanes_of(size), place = p.first // vector + i
    some.vectors = min(MOST_VECTORS if t.phases == 1 else 1, p.vectors - i)
    some.phase = place % t.phases
    some.first = place // t.phases * vector
    some.count = min(some.vectors * vector, t.each - some.first)
    some.offset = p.offset + i * vector
    return some


cdef inline Py_ssize_t cuts_for(const Task *t, Py_ssize_t panels, Py_ssize_t shares, Py_ssize_t size) noexcept nogil:
    """Parts of each panel as weights are packed, so that few panels are shared evenly, of a vector at least."""
    if panels % shares == 0 or panels >= MANY * shares:
        return 1
    return min(WINOGRAD_VECTORS // MOST_VECTORS, t.width // lanes_of(size))
