"""What all kernels know of the process's threads; see `queue.h`."""

cdef Py_ssize_t *alone_until() noexcept nogil    # until which microsecond calls stay on one thread, and for how many
