"""Rows of windows folded into one, and what that row comes to along itself (`fold.h`, `along.h`, `spans.h`)."""

from fastconv._kernels.split cimport Split

cdef extern from "fold.h" nogil:
    enum: VECTOR_BYTES
    ctypedef struct FoldEnd:
        double by
        int kind
    FoldEnd fold_end(double by) noexcept
    ctypedef struct Fold:
        Py_ssize_t rows, row, taps, tap, ldt, fresh
    ctypedef struct FoldRun:
        Py_ssize_t from_ "from", taps, count, next
        FoldEnd end
    void fold_row(...) noexcept
    bint fold_windows(...) noexcept

cdef extern from "along.h" nogil:
    ctypedef struct Steps:
        const Py_ssize_t *taps
        Py_ssize_t count, n, ldv, ldt
        const Split *split
        const FoldEnd *ends
    void along(...) noexcept

cdef extern from "spans.h" nogil:
    ctypedef struct Along:
        Py_ssize_t start, taps, after
    Py_ssize_t span_lanes(Py_ssize_t size) noexcept
    void span(...) noexcept
    void spans(...) noexcept
