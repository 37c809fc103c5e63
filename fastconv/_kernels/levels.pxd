"""Sums over many blocks: FAN of them are added up one after the other, FAN of these sums in the same way, and so on.

So the rounding error does not grow with the number of blocks (Higham 1993, doi:10.1137/0914050, pairwise summation in
wider steps). Blocks are added to the lowest of `levels` arrays of n elements; `carry` passes on what is full.
"""

from libc.string cimport memset

from fastconv._kernels.shape cimport real

cdef enum:
    FAN = 32                # sums that a level takes before they are passed on
    LEVELS = 4              # FAN chains, FAN^2, FAN^3 and all of them: 2^21 pixels until the last one is in use


cdef inline int levels_of(Py_ssize_t blocks, Py_ssize_t full) noexcept nogil:
    """How many levels so many blocks take, of which `full` fill the lowest."""
    cdef int levels = 1
    while full < blocks and levels < LEVELS:
        levels += 1
        full *= FAN
    return levels


cdef inline void add(real *to, const real *source, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        to[i] += source[i]


cdef inline void carry(real *sums, Py_ssize_t n, int levels, Py_ssize_t full, Py_ssize_t blocks) noexcept nogil:
    """After so many blocks: pass on every level that is full, the lowest of `full` blocks."""
    cdef int level = 0
    while level + 1 < levels and blocks % full == 0:
        add(sums + (level + 1) * n, sums + level * n, n)
        memset(sums + level * n, 0, n * sizeof(real))
        full *= FAN
        level += 1


cdef inline void add_levels(real *sums, Py_ssize_t n, int levels) noexcept nogil:
    """After all blocks: the whole sum is in the lowest level."""
    cdef int level
    for level in range(1, levels):
        add(sums, sums + level * n, n)
