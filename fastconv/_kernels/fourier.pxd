"""Transforms of columns, of `fourier.h`, and what is done with spectra, of `spectrum.h`."""

cdef extern from "fourier.h" nogil:
    enum: FOURIER_PASSES
    ctypedef struct fourier:
        Py_ssize_t n, passes
        Py_ssize_t radix[40]
        const void *roots
        Py_ssize_t count
    void fourier_forward(size_t size, const fourier *t, void *re, void *im, Py_ssize_t ld, Py_ssize_t columns)
    void fourier_backward(size_t size, const fourier *t, void *re, void *im, Py_ssize_t ld, Py_ssize_t columns)

cdef extern from "spectrum.h" nogil:
    enum: SPECTRUM_PAIRS
    void spectrum_product(size_t size, Py_ssize_t pairs, Py_ssize_t channels, Py_ssize_t n, const void *x,
                          const void *w, void *to, Py_ssize_t apart)
    void spectrum_spread(size_t size, Py_ssize_t n, const void *x, void *to, Py_ssize_t step, int conjugate)
    void spectrum_twist(size_t size, Py_ssize_t n, void *re, void *im, const void *roots, Py_ssize_t apart, int back)
    double row_sum(size_t size, Py_ssize_t n, const void *x, Py_ssize_t step)
