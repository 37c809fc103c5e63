"""What all kernels know of the process's threads; a module of no level, since there must be only one."""

cdef Py_ssize_t alone[2]
alone[0] = alone[1] = 0


cdef Py_ssize_t *alone_until() noexcept nogil:
    return alone
