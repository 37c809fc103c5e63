"""The tables of `spread.h`, for windows that are not the common ones: which output a lane takes of each term.

Elements are those of all channels of a pixel, which are fewer than lanes. After as many vectors as are a number of
strides the same lanes come again, which are laid once.
"""

from cython cimport floating
from libc.string cimport memcpy

cdef extern from "spread.h" nogil:
    enum: SPREAD_ROWS
    ctypedef struct spread_plan:
        Py_ssize_t terms, joint
        const Py_ssize_t *base
        const void *const *picks
        Py_ssize_t step, iw, oh, ow
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
    Py_ssize_t width, out              # pixels of a row of the input and of the outputs


cdef struct Row:
    # what the table is of
    Py_ssize_t size, outputs           # elements of a row of the input, or of a plane, and of its outputs
    Py_ssize_t terms, lanes
    Py_ssize_t period, further         # vectors after which lanes are the same, and how many outputs these lie apart
    bint plane


cdef inline void lane(floating *to, Py_ssize_t value) noexcept nogil:
    """`value` as an integer as wide as an element."""
    cdef int narrow = <int> value
    cdef long long wide = value
    if floating is float:
        memcpy(to, &narrow, sizeof(narrow))
    else:
        memcpy(to, &wide, sizeof(wide))


cdef struct Touched:
    # of the elements of a vector: the first output that touches it, and how many do along w and h
    Py_ssize_t own                     # elements that there are
    Py_ssize_t[MOST_LANES] first
    Py_ssize_t[MOST_LANES] right
    Py_ssize_t[MOST_LANES] below


cdef inline Py_ssize_t pieces_of(Py_ssize_t size, Py_ssize_t lanes) noexcept nogil:
    """The vectors of `size` elements."""
    return (size + lanes - 1) // lanes


cdef inline Row row_of(
    const Tables *t, Py_ssize_t size, Py_ssize_t outputs, Py_ssize_t terms, Py_ssize_t lanes,
) noexcept nogil:
    cdef Row r = Row(size, outputs, terms, lanes, t.p.stride * t.p.step, t.p.step, size > t.p.iw)
    while r.period % lanes:            # which is a power of 2
        r.period *= 2
        r.further *= 2
    r.period //= lanes
    return r


cdef inline bint repeats(const Tables *t, const Row *r, const Py_ssize_t *base, Py_ssize_t j) noexcept nogil:
    """Whether vector j, whose terms begin at `base`, has the lanes of the one a period before.

    It does where both lie inside the row, no output that would touch them is missing at its ends, and the outputs of
    their terms are vectors.
    """
    cdef Py_ssize_t k, step = t.p.step, x0 = (j - r.period) * r.lanes // step, x1 = ((j + 1) * r.lanes - 1) // step
    if j < r.period or r.plane or (j + 1) * r.lanes > r.size:
        return False
    if x0 < t.p.kw - 1 - t.p.pw // step or x1 + t.p.pw // step >= t.out * t.p.stride:
        return False
    for k in range(r.terms):
        if base[k - r.period * r.terms] + r.further > r.outputs - r.lanes:
            return False
    return True


cdef inline void touch(Touched *v, const Tables *t, const Row *r, Py_ssize_t at) noexcept nogil:
    """What touches the elements from `at` on."""
    cdef Py_ssize_t step = t.p.step, c = at % step, x = at // step % t.width, y = at // step // t.width, i
    v.own = min(r.lanes, r.size - at)
    for i in range(v.own):
        v.first[i] = ((t.h0[y] if r.plane else 0) * t.out + t.w0[x]) * step + c
        v.right[i], v.below[i] = t.w1[x] - t.w0[x], t.h1[y] - t.h0[y] if r.plane else 1
        c += 1
        if c == step:
            c, x = 0, x + 1
        if x == t.width:
            x, y = 0, y + 1


cdef inline Py_ssize_t term(const Touched *v, const Tables *t, Py_ssize_t i, Py_ssize_t k) noexcept nogil:
    """Which element of the outputs is term k of lane i: k counts to the right, then below. -1 if there is none."""
    cdef Py_ssize_t o = k, b = 0
    while o >= t.most_w:
        o, b = o - t.most_w, b + 1
    if i >= v.own or o >= v.right[i] or b >= v.below[i]:
        return -1
    return v.first[i] + b * t.p.ow + o * t.p.step


cdef inline Py_ssize_t lowest(
    const Touched *v, const Tables *t, const Row *r, Py_ssize_t begin, Py_ssize_t end,
) noexcept nogil:
    """The first output of the terms begin to end; where there is none, one that moves on with the elements."""
    cdef Py_ssize_t i, k, o, low = r.outputs
    for k in range(begin, end):
        for i in range(v.own):
            o = term(v, t, i, k)
            low = o if 0 <= o < low else low
    return max(<Py_ssize_t> 0, min(low if low < r.outputs else v.first[0], r.outputs - r.lanes))


cdef inline bint lay(
    const void **picks, Py_ssize_t *base, floating *pick, const Tables *t, const Row *r, bint joint,
) noexcept nogil:
    """The vectors of a row or a plane, and the terms of each.

    False if a vector takes a term, or with `joint` any terms, from outputs that are no vector.
    """
    cdef Py_ssize_t j, k, i, o
    cdef Touched v
    for j in range(pieces_of(r.size, r.lanes)):
        if repeats(t, r, base, j):
            picks[j] = picks[j - r.period]
            for k in range(r.terms):
                base[k] = base[k - r.period * r.terms] + r.further
            base += r.terms
            continue
        picks[j] = pick
        touch(&v, t, r, max(<Py_ssize_t> 0, min(j * r.lanes, r.size - r.lanes)))
        for k in range(r.terms):
            if k == 0 or not joint:
                base[k] = lowest(&v, t, r, k, r.terms if joint else k + 1)
            else:
                base[k] = base[0]
            for i in range(r.lanes):
                o = term(&v, t, i, k)
                if o - base[k] >= r.lanes:
                    return False
                lane(pick, o - base[k] if o >= 0 else -1)
                pick += 1
        base += r.terms
    return True


cdef inline bint laid(
    Tables *t, floating *pick, Py_ssize_t size, Py_ssize_t outputs, Py_ssize_t terms, Py_ssize_t lanes,
) noexcept nogil:
    """The table of vectors, jointly if that can be; False if it cannot be at all."""
    cdef const void **picks = <const void **> t.p.picks
    cdef Py_ssize_t *base = <Py_ssize_t *> t.p.base
    cdef Row r = row_of(t, size, outputs, terms, lanes)
    t.p.terms = terms
    t.p.joint = lay(picks, base, pick, t, &r, True)
    return t.p.joint or lay(picks, base, pick, t, &r, False)
