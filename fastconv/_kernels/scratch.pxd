"""Scratch memory in whole cache lines, so that no two threads write to one; sizes are in bytes, lines start on one."""

from fastconv._kernels.heap cimport take
from fastconv._kernels.pack cimport ceil_div

cdef enum:
    LINE = 64    # bytes of a cache line


cdef inline Py_ssize_t round_up(Py_ssize_t v, Py_ssize_t multiple) noexcept nogil:
    return ceil_div(v, multiple) * multiple


cdef inline char *borrow(str kernel, Py_ssize_t bytes) except NULL:
    """So many bytes from a line on, for `give_back`; MemoryError that names the kernel."""
    cdef char *memory = <char *> take(bytes)
    if memory == NULL:
        raise MemoryError(f"{kernel}: no memory for {bytes} bytes of scratch")
    return memory
