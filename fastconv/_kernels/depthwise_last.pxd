"""The strip of output pixels of `depthwise_last.h`."""

cdef extern from "depthwise_last.h" nogil:
    enum: STRIP_PIXELS
    ctypedef struct depthwise_strip:
        Py_ssize_t rows, row_step, kw, tap_step, pixel_step, shared, channels, out_step, spread
        int clamp
        double lo, hi
    Py_ssize_t strip_pixels(const depthwise_strip *t)
    void strip(size_t size, Py_ssize_t px, const depthwise_strip *t, const void *const *table, const void *w, void *out,
               Py_ssize_t vectors, Py_ssize_t valid)
