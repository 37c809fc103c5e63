"""Vectors of pixels at a stride, picked by a table: see `split.h`."""


cdef extern from "split.h" nogil:
    ctypedef struct Split:
        Py_ssize_t vectors
    bint can_split(Py_ssize_t pixel, Py_ssize_t stride) noexcept
    void split_table(Split *s, Py_ssize_t pixel, Py_ssize_t stride) noexcept
