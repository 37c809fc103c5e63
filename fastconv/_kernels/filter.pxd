"""The filter tile of `filter.h`."""

cdef extern from "filter.h" nogil:
    enum: FILTER_ROWS
    ctypedef struct filter_shape:
        Py_ssize_t planes, plane, kh, kw, pitch, step, reach
        const Py_ssize_t *column
        Py_ssize_t out_pitch
        int clamp
        double lo, hi
    void filter_block(size_t size, const filter_shape *s, const void *staged, const void *w, double bias, void *out,
                      Py_ssize_t rows, Py_ssize_t cols)
