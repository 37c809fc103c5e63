"""See `_memory.pyx`."""

cdef bint is_large(Py_ssize_t bytes) noexcept
cdef object lend()
cdef int end(object lent) except -1
