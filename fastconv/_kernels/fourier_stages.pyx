"""The stages of `fourier.pyx` one at a time, for those who measure them: one image, one group, one thread.

    "weight"    spectra of all kernels
    "input"     spectra of all units, a run of them after the other
    "output"    from both to the output: products, transforms back and what the level adds
"""

from libc.math cimport INFINITY

from fastconv._kernels.blocks cimport Task
from fastconv._kernels.fourier_plan cimport Sizes, read_arrays, read_sizes, read_task, run_start
from fastconv._kernels.operand cimport first_of, five, operand
from fastconv._kernels.shape cimport real
from fastconv._kernels.spectra cimport choose_scales, multiply_run, transform_kernel, transform_run


def sizes(tuple plan, real like):
    """Elements of the spectra of kernels and of units, of levels, and of scratch, of the type of `like`."""
    cdef Task t
    cdef Sizes s
    read_task(&t, plan, sizeof(real))
    t.n = 1
    read_sizes(&t, sizeof(real), False, 1, &s)
    return t.kernels * s.kernel, t.units * s.unit, t.units * 2 * t.channels, s.each


def run(str stage, tuple plan, input, weight, real[::1] kernels, real[::1] units, real[::1] levels,
        real[::1] scratch, output):
    """Run one stage over the image."""
    cdef operand x = five(input, 3), out = five(output, 3)
    cdef const real *ws = <const real *> first_of(weight)
    cdef int which = ("weight", "input", "output").index(stage)
    cdef Py_ssize_t q, c, first, count, r
    cdef real *rows
    cdef real *to
    cdef Task t
    cdef Sizes s
    read_task(&t, plan, sizeof(real))
    read_arrays(&t, &x, &out, sizeof(real), -INFINITY, INFINITY)
    read_sizes(&t, sizeof(real), False, 1, &s)
    rows = &scratch[0] + 2 * s.run * t.d * t.plane
    with nogil:
        for q in range(t.kernels if which == 0 else 0):
            to = &kernels[0] + q * s.kernel
            choose_scales(&t, ws, q, to + s.unit)
            for c in range(t.channels):
                transform_kernel(&t, ws, q, c, <const real *> to + s.unit, &scratch[0], rows, to)
        for r in range(s.runs if which > 0 else 0):
            first = run_start(&t, &s, r)
            count = run_start(&t, &s, r + 1) - first
            for c in range(t.channels if which == 1 else 0):
                transform_run(&t, <const real *> x.data, c, first, count, &scratch[0], rows,
                              &units[0] + first * s.unit, &levels[0] + first * 2 * t.channels)
            for q in range(t.kernels if which == 2 else 0):
                multiply_run(&t, <const real *> &units[0] + first * s.unit,
                             <const real *> &levels[0] + first * 2 * t.channels, first, count,
                             <const real *> &kernels[0] + q * s.kernel, q, <const real *> NULL, <real *> out.data,
                             &scratch[0], rows)
