"""Rows of maxima with their places, by vectors: see `pool_at.pyx`."""

from libc.stdint cimport int64_t
from libc.string cimport memcpy

from fastconv._kernels.pool_at_work cimport Work
from fastconv._kernels.split cimport Split
from fastconv._kernels.tap_by_tap cimport one_output, row_by_taps
from fastconv._kernels.window cimport (
    Place, PoolShape, Strides, alike_from, number, start_along, taps_along, taps_below,
)

cdef extern from "largest_at.h" nogil:
    ctypedef struct Windows:
        const void *x
        Py_ssize_t rows
        const Py_ssize_t *from_ "from"
        const int64_t *keys
        Py_ssize_t taps, tap, key, next
        const Split *split
        Py_ssize_t pixel
        int64_t index, step
        const void *places
        Py_ssize_t before
        const void *blank
        Py_ssize_t fresh
    void largest_at(...) noexcept
    void largest_channels(...) noexcept


cdef inline Windows windows_at(
    const Place *at, const Strides *t, const PoolShape *s, const Work *w, Py_ssize_t *scratch,
) noexcept nogil:
    """The windows of a row of outputs, but for where each is along it, read from the image."""
    cdef Py_ssize_t *start = scratch
    cdef int64_t *keys = <int64_t *> (start + w.rows)
    cdef Py_ssize_t i, j
    cdef Windows f
    f.rows, f.from_, f.keys, f.split, f.fresh = 0, start, keys, w.split, w.fresh
    f.pixel, f.step, f.places, f.before = w.pixel, s.sw, w.places, s.pw
    f.taps, f.tap, f.key, f.next = s.kw, s.dw * t.w, s.dw, s.sw
    for i in range(at.i0, at.i1):
        for j in range(at.j0, at.j1):
            start[f.rows] = (at.z + i * s.dd) * t.d + (at.y + j * s.dh) * t.h
            keys[f.rows] = ((at.z + i * s.dd) * s.ih + at.y + j * s.dh) * s.iw
            f.rows += 1
    return f


cdef inline void row_along(
    const number *x, number *out, int64_t *index, Place at, const Strides *t, const PoolShape *s, const Work *w,
    number *scratch, const number *blank,
) noexcept nogil:
    """One row of outputs of the plane x, or of the image, whose windows are at `at`, by vectors along the row."""
    cdef Py_ssize_t *start = <Py_ssize_t *> scratch
    cdef number *staged = <number *> (start + 2 * w.rows) + s.pw * w.pixel
    cdef Py_ssize_t r
    cdef Windows f = windows_at(&at, t, s, w, start)
    f.x, f.index, f.blank = x, -s.pw, blank
    if s.pw > 0 or f.split != NULL or (s.ow - 1) * s.sw + (s.kw - 1) * s.dw >= s.iw or w.count < w.lanes:
        for r in range(f.rows):
            memcpy(staged + r * w.pitch, x + start[r], s.iw * w.pixel * sizeof(number))
            start[r] = r * w.pitch
        f.x = staged - s.pw * w.pixel
    largest_at(out, index, &f, w.count)


cdef inline void row_of_pixels(
    const number *x, number *out, int64_t *index, Place at, const Strides *t, const PoolShape *s, const Work *w,
    number *scratch,
) noexcept nogil:
    """One row of outputs of the image x, whose windows are at `at`, by vectors of channels."""
    cdef Py_ssize_t j = 0, u, kw, k0, many
    cdef Windows f = windows_at(&at, t, s, w, <Py_ssize_t *> scratch)
    f.next = s.sw * t.w
    while j < s.ow:
        u, kw = start_along(s, j), taps_along(s, j)
        k0 = taps_below(0, u, kw, s.dw)
        f.index = u + k0 * s.dw
        f.x, f.taps = x + f.index * t.w, taps_below(s.iw, u, kw, s.dw) - k0
        many = alike_from(s, j, f.taps)
        largest_channels(out, index, &f, many)
        out += many * w.count
        index += many * w.count
        j += many


cdef inline void row_of_narrow_pixels(
    const number *x, number *out, int64_t *index, Place at, const Strides *t, const PoolShape *s, const Work *w,
    number *scratch,
) noexcept nogil:
    """The same of fewer channels than a vector has lanes, which reaches into the pixels and windows that follow: into
    these before they are written, into those as long as there are some."""
    cdef Py_ssize_t channels = t.channels, end = (s.id - 1) * t.d + (s.ih - 1) * t.h + (s.iw - 1) * t.w + channels
    cdef int64_t *places = <int64_t *> (<char *> scratch + w.rows * 16)
    cdef number *best = <number *> (places + s.ow * channels + w.lanes)
    cdef Py_ssize_t j, c, u, kw, k0
    cdef Windows f = windows_at(&at, t, s, w, <Py_ssize_t *> scratch)
    end -= f.from_[f.rows - 1] + w.lanes
    f.pixel = w.lanes
    for j in range(s.ow):
        u, kw = start_along(s, j), taps_along(s, j)
        k0 = taps_below(0, u, kw, s.dw)
        f.index = u + k0 * s.dw
        f.x, f.taps = x + f.index * t.w, taps_below(s.iw, u, kw, s.dw) - k0
        if f.index * t.w + (f.taps - 1) * f.tap <= end:
            largest_channels(best + j * channels, places + j * channels, &f, 1)
            continue
        for c in range(j * channels, (j + 1) * channels):
            one_output(best + c, places + c, x + c - j * channels, t, s, &at, u, kw)
    memcpy(out, best, s.ow * channels * sizeof(number))
    memcpy(index, places, s.ow * channels * sizeof(int64_t))


cdef inline bint is_first(number v, int64_t place, number largest, int64_t most) noexcept nogil:
    """Whether v, or the first NaN, is larger than what is the largest so far, or is as large and comes before it."""
    if number is float or number is double:
        if v != v:
            return largest == largest or place < most
    return v > largest or v == largest and place < most


cdef inline void row_by_columns(
    const number *x, number *out, int64_t *index, Place at, const Strides *t, const PoolShape *s, const Work *w,
    number *scratch, const number *blank,
) noexcept nogil:
    """One row of outputs of the plane x, whose windows are at `at`: what each column comes to by vectors along the row,
    then windows of these one by one. Vectors reach into the next row, if there is one that ends no sooner."""
    cdef Py_ssize_t columns = max(s.iw, w.lanes), j, k, first, end, column
    cdef int64_t *places = <int64_t *> (<char *> scratch + w.rows * 16)
    cdef number *best = <number *> (places + columns)
    cdef Windows f = windows_at(&at, t, s, w, <Py_ssize_t *> scratch)
    if s.iw < columns and f.from_[f.rows - 1] + columns > (s.id - 1) * t.d + (s.ih - 1) * t.h + s.iw:
        row_by_taps(x, out, index, at, t, s, 1)
        return
    f.x, f.blank, f.index, f.before, f.taps, f.next, f.step = x, blank, 0, 0, 1, 1, 1
    largest_at(best, places, &f, columns)
    for j in range(s.ow):
        first, end = start_along(s, j), taps_along(s, j)
        end, k = taps_below(s.iw, first, end, s.dw), taps_below(0, first, end, s.dw)
        column = first + k * s.dw
        out[j], index[j] = best[column], places[column]
        for k in range(k + 1, end):
            column = first + k * s.dw
            if is_first(best[column], places[column], out[j], index[j]):
                out[j], index[j] = best[column], places[column]
