"""Memory that is kept between calls; see `heap.pyx`. The GIL guards it, so these need it."""

cdef void *take(Py_ssize_t bytes) noexcept
cdef void give_back(void *memory) noexcept
cdef void *resize(void *memory, Py_ssize_t bytes) noexcept
cdef bint is_large(Py_ssize_t bytes) noexcept
