"""Rows of pixels of a group, of `group_rows.h`."""

cdef extern from "group_rows.h" nogil:
    enum: GROUP_LINES, GROUP_PIXEL, GROUP_SUMS, GROUP_TAPS
    ctypedef struct group_shape:
        Py_ssize_t channels, slab, kd, kh, depth, reach, step, out_line, out_pixel
        int clamp
        double lo, hi
    Py_ssize_t group_share(size_t size, Py_ssize_t groups, Py_ssize_t n)
    Py_ssize_t group_lanes(size_t size, Py_ssize_t n)
    Py_ssize_t group_pixel(size_t size, Py_ssize_t share)
    void group_weave(size_t size, void *to, const void *source, Py_ssize_t step, Py_ssize_t n)
    void group_copy(size_t size, void *to, Py_ssize_t slab, const void *source, Py_ssize_t step, Py_ssize_t pixels,
                    Py_ssize_t n)
    void group_tile(size_t size, Py_ssize_t lanes, Py_ssize_t share, Py_ssize_t lines, Py_ssize_t cols, Py_ssize_t sw,
                    const group_shape *s, const void *staged, const void *w, const void *bias, void *out)
