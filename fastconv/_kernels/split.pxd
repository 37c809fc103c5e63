"""Vectors of pixels at a stride, picked by a table: see `split.h`."""


cdef extern from "split.h" nogil:
    ctypedef struct Split:
        Py_ssize_t vectors
    bint can_split(Py_ssize_t pixel, Py_ssize_t stride) noexcept nogil
    void split_table(Split *s, Py_ssize_t pixel, Py_ssize_t stride) noexcept
    void pick_rows(size_t size, void *to, Py_ssize_t step, const void *source, Py_ssize_t source_step, Py_ssize_t rows,
                   Py_ssize_t n, Py_ssize_t stride, Py_ssize_t left, const Split *split) noexcept
