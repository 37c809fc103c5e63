"""The tables of `spread.h`, for windows that are not the common ones: which output a lane takes of each term."""

from cython cimport floating
from libc.string cimport memcpy

cdef extern from "spread.h" nogil:
    enum: SPREAD_ROWS
    ctypedef struct spread_plan:
        Py_ssize_t pieces, terms, joint
        const Py_ssize_t *at
        const Py_ssize_t *base
        const void *pick
        Py_ssize_t iw, oh, ow
        const Py_ssize_t *begin
        const Py_ssize_t *end
        Py_ssize_t plane, direct, pairs, pitch, before, stride, kw, pw, equal
        const void *by
        const void *along
    Py_ssize_t spread_rows(...) noexcept
    Py_ssize_t pairs_least(size_t size) noexcept

cdef enum:
    MOST_LANES = 16                    # of a vector


cdef struct Tables:
    # of the outputs that touch each element along d, h and w the first and the one past the last
    Py_ssize_t *d0
    Py_ssize_t *d1
    Py_ssize_t *h0
    Py_ssize_t *h1
    Py_ssize_t *w0
    Py_ssize_t *w1
    spread_plan p
    Py_ssize_t most_h, most_w          # outputs that touch an element
    Py_ssize_t step                    # elements of a pixel
    Py_ssize_t size                    # elements of one thread's scratch


cdef inline void lane(floating *to, Py_ssize_t value) noexcept nogil:
    """`value` as an integer as wide as an element."""
    cdef int narrow = <int> value
    cdef long long wide = value
    if floating is float:
        memcpy(to, &narrow, sizeof(narrow))
    else:
        memcpy(to, &wide, sizeof(wide))


cdef inline Py_ssize_t term(
    const Tables *t, Py_ssize_t y, Py_ssize_t x, Py_ssize_t below, Py_ssize_t right, bint plane,
) noexcept nogil:
    """The output that touches (y, x), so many below and right of the first that does; -1 if that one does not."""
    cdef Py_ssize_t b = t.h0[y] + below if plane else 0, o = t.w0[x] + right
    return b * t.p.ow + o if o < t.w1[x] and (not plane or b < t.h1[y]) else -1


cdef inline bint lay(
    Py_ssize_t *at, Py_ssize_t *base, floating *pick, const Tables *t, Py_ssize_t size,
    Py_ssize_t outputs, Py_ssize_t terms, Py_ssize_t lanes, bint joint,
) noexcept nogil:
    """The vectors of the `size` elements of a row or a plane, of so many outputs, and the terms of each.

    False if a vector takes a term, or with `joint` any terms, from outputs that are no vector.
    """
    cdef Py_ssize_t ys[MOST_LANES]
    cdef Py_ssize_t xs[MOST_LANES]
    cdef Py_ssize_t j, k, i, o, low = 0, own, first = 0
    cdef bint plane = size > t.p.iw
    for j in range((size + lanes - 1) // lanes):
        at[j] = first = max(<Py_ssize_t> 0, min(j * lanes, size - lanes))
        own = min(lanes, size - first)
        for i in range(own):
            ys[i], xs[i] = (first + i) // t.p.iw, (first + i) % t.p.iw
        for k in range(terms):
            if k == 0 or not joint:
                low = outputs
            for i in range(own):
                o = term(t, ys[i], xs[i], k // t.most_w, k % t.most_w, plane)
                low = min(low, o) if o >= 0 else low
            base[k] = max(<Py_ssize_t> 0, min(low, outputs - lanes))
        for k in range(terms):
            low = base[terms - 1] if joint else base[k]
            base[k] = low
            for i in range(own):
                o = term(t, ys[i], xs[i], k // t.most_w, k % t.most_w, plane)
                if o - low >= lanes:
                    return False
                lane(pick + i, o - low if o >= 0 else -1)
            pick += lanes
        base += terms
    return True


cdef inline bint laid(
    Tables *t, floating *pick, Py_ssize_t size, Py_ssize_t outputs, Py_ssize_t terms, Py_ssize_t lanes,
) noexcept nogil:
    """The table of vectors, jointly if that can be; False if it cannot be at all."""
    cdef Py_ssize_t *at = <Py_ssize_t *> t.p.at
    cdef Py_ssize_t *base = <Py_ssize_t *> t.p.base
    t.p.pieces, t.p.terms = (size + lanes - 1) // lanes, terms
    t.p.joint = lay(at, base, pick, t, size, outputs, terms, lanes, True)
    return t.p.joint or lay(at, base, pick, t, size, outputs, terms, lanes, False)
