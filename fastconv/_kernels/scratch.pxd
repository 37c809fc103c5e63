"""Scratch memory in whole cache lines, so that no two threads write to one; sizes are in bytes, lines start on one."""

from libc.stdlib cimport malloc

from fastconv._kernels.pack cimport ceil_div

cdef enum:
    LINE = 64    # bytes of a cache line


cdef inline Py_ssize_t round_up(Py_ssize_t v, Py_ssize_t multiple) noexcept nogil:
    return ceil_div(v, multiple) * multiple


cdef inline char *allocate(str kernel, Py_ssize_t bytes) except NULL:
    """Memory to be freed, with so many bytes from where it is `aligned` on; MemoryError that names the kernel."""
    cdef char *memory = <char *> malloc(bytes + LINE)
    if memory == NULL:
        raise MemoryError(f"{kernel}: no memory for {bytes} bytes of scratch")
    return memory


cdef inline char *aligned(char *memory) noexcept nogil:
    """The first line in allocated memory."""
    return <char *> round_up(<Py_ssize_t> memory, LINE)
