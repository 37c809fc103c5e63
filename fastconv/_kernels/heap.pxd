"""Memory that is kept between calls; see `heap.pyx`. The GIL guards it, so these need it."""

cdef enum:
    LINE = 64       # bytes of a cache line, before and at the start of what is handed out
    PAGE = 4096     # in which what is large begins at a place of choice


cdef inline Py_ssize_t round_up(Py_ssize_t v, Py_ssize_t multiple) noexcept nogil:
    return (v + multiple - 1) // multiple * multiple


cdef void *take(Py_ssize_t bytes) noexcept
cdef void *take_at(Py_ssize_t bytes, Py_ssize_t place) noexcept
cdef void give_back(void *memory) noexcept
cdef void *resize(void *memory, Py_ssize_t bytes) noexcept
cdef bint is_large(Py_ssize_t bytes) noexcept
