"""Transposing a block in registers: see `turn.h`; sizes and distances are in elements."""

cdef extern from "turn.h" nogil:
    void turn_block(size_t size, Py_ssize_t rows, Py_ssize_t cols, const void *source, Py_ssize_t ldf, void *to,
                    Py_ssize_t ldt)
