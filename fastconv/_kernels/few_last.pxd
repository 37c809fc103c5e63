"""The tile of few output channels of `few_last.h`."""

cdef extern from "few_last.h" nogil:
    enum: FEW_COLS
    ctypedef struct few_runs:
        const Py_ssize_t *at
        const Py_ssize_t *whole
        const Py_ssize_t *rest
        char *inside
        Py_ssize_t ahead
    ctypedef struct few_finish:
        void **out
        Py_ssize_t pixels
        bint dense, begins, clamp
        const void *bias
        double lo, hi
    Py_ssize_t few_rows(size_t size, Py_ssize_t cols)
    void few_tile(size_t size, Py_ssize_t cols, const void *const *pixels, const few_runs *runs, Py_ssize_t r0,
                  Py_ssize_t r1, const void *w, const few_finish *finish)
