"""Vectors, of `simd.h`."""

cdef extern from "simd.h" nogil:
    Py_ssize_t lanes_of(size_t size)    # elements of `size` bytes in a vector
