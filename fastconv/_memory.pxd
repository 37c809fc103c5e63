"""See `_memory.pyx`."""

cdef bint is_large(Py_ssize_t bytes) noexcept
cdef Py_ssize_t behind(Py_ssize_t row) noexcept
cdef object lend(size_t at)
cdef int end(object lent) except -1
