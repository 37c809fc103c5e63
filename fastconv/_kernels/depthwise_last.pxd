"""The strip of output pixels of `depthwise_last.h`, and the table of pixels of a row of them."""

from fastconv._kernels.dilated cimport phases_of
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.shape cimport ConvShape

cdef extern from "depthwise_last.h" nogil:
    enum: STRIP_PIXELS
    ctypedef struct depthwise_strip:
        Py_ssize_t rows, row_step, kw, tap_step, pixel_step, shared, channels, out_step, spread
        int clamp
        double lo, hi
        Py_ssize_t ahead, ahead_step
        const void *later
    int strip_shares(Py_ssize_t kw)
    Py_ssize_t strip_pixels(const depthwise_strip *t)
    void strip(size_t size, Py_ssize_t px, const depthwise_strip *t, const void *const *table, const void *w, void *out,
               Py_ssize_t vectors, Py_ssize_t valid)
    void strip_of_near(size_t size, Py_ssize_t px, const depthwise_strip *t, const void *const *table, const void *w,
                       void *out, Py_ssize_t vectors, Py_ssize_t valid)


cdef inline void swap_axes(ConvShape *s) noexcept nogil:
    """Columns for rows."""
    s.ih, s.iw = s.iw, s.ih
    s.oh, s.ow = s.ow, s.oh
    s.kh, s.kw = s.kw, s.kh
    s.sh, s.sw = s.sw, s.sh
    s.ph, s.pw = s.pw, s.ph
    s.dh, s.dw = s.dw, s.dh


cdef inline Py_ssize_t line_phases(const ConvShape *s, Py_ssize_t outputs) noexcept nogil:
    """Phases among neighbouring outputs, where those of a phase share what they load."""
    return phases_of(s.sw, s.dw, outputs) if strip_shares(s.kw) else 1


cdef inline Py_ssize_t plan_row(depthwise_strip *t, const ConvShape *s, Py_ssize_t phases,
                                Py_ssize_t outputs) noexcept nogil:
    """Steps in a table of a kernel row's pixels by column, in one line for each phase (`dilated.pxd`); a line's length.

    A line's columns are s.dw apart where there are phases, else 1.
    """
    t.tap_step = s.dw if phases == 1 else 1
    t.pixel_step = s.sw if phases == 1 else s.sw * phases // s.dw
    t.shared = t.pixel_step if t.tap_step == 1 and t.pixel_step <= (1 if s.kw == 2 else 2) and strip_shares(s.kw) else 0
    return (ceil_div(outputs, phases) - 1) * t.pixel_step + (s.kw - 1) * t.tap_step + 1
