"""Combining rows element by element, any number of them, by their largest or their sum.

Sums of many rows go through a cascade, so that rounding errors do not grow with the number of rows: GROUP rows make a
group, GROUP groups make an element of the next level, and so on, as digits of a counter carry. Up to GROUP * GROUP rows
need one level, which is the result itself; each further one takes a row of `spare`.

N. J. Higham, "The accuracy of floating point summation", SIAM J. Sci. Comput. 14 (1993) 783-799, doi:10.1137/0914050.
"""

from fastconv._kernels.window cimport number


cdef extern from "vectors.h" nogil:
    enum: GROUP
    void largest_of(...) noexcept
    void sum_of(...) noexcept
    void mean_of(...) noexcept

cdef extern from "fold.h" nogil:
    enum: FOLD_PLAIN
    enum: FOLD_DIVIDED
    enum: FOLD_SCALED
    ctypedef struct Fold:
        Py_ssize_t rows, row, taps, tap
    ctypedef struct FoldRun:
        Py_ssize_t from_ "from", taps, count, next
        double by
        int end
    void fold_row(...) noexcept
    void fold_windows(...) noexcept

cdef extern from "spans.h" nogil:
    ctypedef struct Along:
        Py_ssize_t start, taps, after
    Py_ssize_t span_lanes(Py_ssize_t size) noexcept
    void span(...) noexcept
    void spans(...) noexcept


cdef enum:
    DEEPEST = 8


cdef struct Cascade:
    int depth
    int filled[DEEPEST]                # groups in each level


cdef inline int depth_for(Py_ssize_t rows, bint maximum) noexcept nogil:
    """Levels for a sum of so many rows; a maximum has no rounding errors."""
    cdef int depth = 1
    while not maximum and rows > GROUP * GROUP and depth < DEEPEST:
        rows //= GROUP
        depth += 1
    return depth


cdef inline void begin(Cascade *c, int depth) noexcept nogil:
    cdef int level
    c.depth = depth
    for level in range(depth):
        c.filled[level] = 0


cdef inline void combine(
    number *to, const number **rows, int count, Py_ssize_t n, bint more, bint maximum,
) noexcept nogil:
    """to[j] = the largest or the sum of rows[0][j], ..., rows[count - 1][j], and of to[j] too if `more`."""
    if number is float or number is double:
        if not maximum:
            sum_of(to, rows, count, n, more)
            return
    largest_of(to, rows, count, n, more)


cdef inline void carry(number *to, number *spare, Py_ssize_t n, Cascade *c, int level) noexcept nogil:
    """Add `level` to the next one and empty it."""
    cdef const number *row = spare + level * n
    cdef number *up = to if level + 2 == c.depth else spare + (level + 1) * n
    combine(up, &row, 1, n, c.filled[level + 1] > 0, False)
    c.filled[level + 1] += 1
    c.filled[level] = 0


cdef inline void push(
    number *to, number *spare, Py_ssize_t n, Cascade *c, const number **rows, int count, bint maximum,
) noexcept nogil:
    """Take in `count` <= GROUP rows; `to` holds the result after the last ones, in `finish`."""
    cdef int level = 0
    combine(to if c.depth == 1 else spare, rows, count, n, c.filled[0] > 0, maximum)
    c.filled[0] += 1
    while level + 1 < c.depth and c.filled[level] == GROUP:
        carry(to, spare, n, c, level)
        level += 1


cdef inline void finish(
    number *to, number *spare, Py_ssize_t n, Cascade *c, const number **rows, int count, bint maximum, number by,
    const number *counts,
) noexcept nogil:
    """Take in the last rows, bring the levels together, and divide by `by`, and by counts[j] unless that is NULL.

    A `by` of zero divides by nothing.
    """
    cdef Py_ssize_t j
    cdef int level
    if number is float or number is double:
        if by != 0 and c.depth == 1 and c.filled[0] == 0:
            mean_of(to, rows, count, n, by, counts)
            return
    push(to, spare, n, c, rows, count, maximum)
    for level in range(c.depth - 1):
        if c.filled[level]:
            carry(to, spare, n, c, level)
    if number is float or number is double:
        if by != 0:
            for j in range(n):
                to[j] = to[j] / (by * counts[j] if counts != NULL else by)


cdef inline void shifted(
    number *to, const number *v, Py_ssize_t taps, Py_ssize_t step, Py_ssize_t n, number *spare, int depth, bint maximum,
    number by, const number *counts,
) noexcept nogil:
    """to[j] over v[j], v[j + step], ..., v[j + (taps - 1) * step], 0 <= j < n; divided as `finish` does."""
    cdef const number *rows[GROUP]
    cdef Cascade c
    cdef Py_ssize_t k
    cdef int count = 0
    begin(&c, depth)
    for k in range(taps):
        if count == GROUP:
            push(to, spare, n, &c, rows, count, maximum)
            count = 0
        rows[count] = v + k * step
        count += 1
    finish(to, spare, n, &c, rows, count, maximum, by, counts)


cdef inline void every(number *to, const number *v, Py_ssize_t step, Py_ssize_t n) noexcept nogil:
    """to[j] = v[j * step]; a constant step lets the compiler shuffle vectors."""
    cdef Py_ssize_t j
    if step == 2:
        for j in range(n):
            to[j] = v[2 * j]
    else:
        for j in range(n):
            to[j] = v[step * j]
