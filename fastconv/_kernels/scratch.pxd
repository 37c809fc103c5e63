"""Scratch memory in whole cache lines, so that no two threads write to one; sizes are in bytes, lines start on one."""

from fastconv._kernels.heap cimport LINE, give_back, round_up, take


cdef inline Py_ssize_t odd_lines(Py_ssize_t elements, Py_ssize_t size) noexcept nogil:
    """At least so many elements in an odd number of cache lines: what lies so far apart falls into all sets."""
    return (round_up(elements * size, LINE) | LINE) // size


cdef inline char *borrow(str kernel, Py_ssize_t bytes) except NULL:
    """So many bytes from a line on, for `give_back`; MemoryError that names the kernel."""
    cdef char *memory = <char *> take(bytes)
    if memory == NULL:
        raise MemoryError(f"{kernel}: no memory for {bytes} bytes of scratch")
    return memory


cdef inline char *borrow_more(str kernel, Py_ssize_t bytes, void *held) except NULL:
    """The same for who has borrowed `held` before, which is given back where there is no more."""
    try:
        return borrow(kernel, bytes)
    except MemoryError:
        give_back(held)
        raise
