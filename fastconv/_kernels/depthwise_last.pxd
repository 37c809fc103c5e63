"""The strip of output pixels of `depthwise_last.h`, and the table of pixels of a row of them."""

from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.shape cimport ConvShape

cdef extern from "depthwise_last.h" nogil:
    enum: STRIP_PIXELS
    ctypedef struct depthwise_strip:
        Py_ssize_t rows, row_step, kw, tap_step, pixel_step, shared, channels, out_step, spread
        int clamp
        double lo, hi
    Py_ssize_t strip_pixels(const depthwise_strip *t)
    void strip(size_t size, Py_ssize_t px, const depthwise_strip *t, const void *const *table, const void *w, void *out,
               Py_ssize_t vectors, Py_ssize_t valid)


cdef inline Py_ssize_t plan_row(depthwise_strip *t, const ConvShape *s, Py_ssize_t phases,
                                Py_ssize_t outputs) noexcept nogil:
    """Steps in a table of a kernel row's pixels by column, in one line for each phase (`dilated.pxd`); a line's length.

    A line's columns are s.dw apart where there are phases, else 1.
    """
    t.tap_step = s.dw if phases == 1 else 1
    t.pixel_step = s.sw if phases == 1 else s.sw * phases // s.dw
    t.shared = t.pixel_step if t.tap_step == 1 and t.pixel_step <= 2 and s.kw in (3, 5, 7) else 0
    return (ceil_div(outputs, phases) - 1) * t.pixel_step + (s.kw - 1) * t.tap_step + 1
