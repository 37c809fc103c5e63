"""Convolution by Fourier transforms: blocks of the image that overlap, each transformed, multiplied and put back.

    x -> [ block    ] -> X[c] --+                                            `fastconv._fft` says in what blocks
         [ + i block]           +-> Y[o] = sum over c of X[c] * conj(W[o, c]) -> y -> [ block    ] -> out
    w -> [ kernel   ] -> W -----+                                                     [ + i block]

Kernels are real, so that the two parts of a complex number never meet: the real part of a transform is one block, the
imaginary part its neighbour, and no transform needs to know that its input is real. Where kernels are many and blocks
few, a block is transformed alone, and the two parts are two outputs, whose kernels are transformed as one.

Rows are transformed a vector of them at a time, turned so that they are columns; a long line of h * w elements is a
plane whose columns, and then rows, are transformed, with a twist in between (Bailey 1990, FFTs in external or
hierarchical memory):

    X[kh + h * kw] = sum over jw of  e^(-2 pi i jw kh / (h w))  e^(-2 pi i jw kw / w)
                                     sum over jh of  e^(-2 pi i jh kh / h) x[jh w + jw]

    by runs       all kernels transformed beforehand; a few units of input at a time go from the image to the output
    by kernels    all units transformed beforehand, where they are less; a kernel is transformed and used up in cache

Rounding errors of a block spread over all of it and over its neighbour, as do NaN and infinity. Blocks and pairs are
the same for any number of images and threads, and so are all bits. Oppenheim & Schafer, Discrete-Time Signal
Processing, 8.7.
"""

from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY
from libc.stdlib cimport free

from fastconv._kernels.blocks cimport Task
from fastconv._kernels.fourier cimport FOURIER_PASSES, SPECTRUM_PAIRS, fourier
from fastconv._kernels.operand cimport first_of, five, operand
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.scratch cimport LINE, aligned, allocate, round_up
from fastconv._kernels.shape cimport at, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.spectra cimport multiply_run, transform_kernel, transform_run

cdef enum:
    L2_BYTES = 524288           # of a run's units, and by runs of the spectra of their channels
    RESIDENT_BYTES = 16777216   # of the spectra of all units, up to which kernels come one after the other


cdef struct Sizes:
    Py_ssize_t unit, kernel, work       # elements of the spectra of a unit's channels, of a kernel's; of one transform
    Py_ssize_t run, runs                # units in a run, and runs in a group of an image
    Py_ssize_t each                     # elements of a thread's scratch


cdef int read_transform(fourier *f, tuple plan) except -1:
    """(n, radices, roots) of `_fft_conv.passes`."""
    cdef Py_ssize_t i
    f.n, radices, roots = plan
    f.passes = len(radices)
    if f.passes > FOURIER_PASSES:
        raise ValueError(f"fft: no transform has {f.passes} passes")
    for i in range(f.passes):
        f.radix[i] = radices[i]
    f.roots = first_of(roots)
    f.count = roots.size
    return 0


cdef int read_task(Task *t, tuple plan, Py_ssize_t size) except -1:
    """The numbers and tables of `_fft_conv.Plan`."""
    cdef Py_ssize_t i
    t.icg, t.ocg, t.groups, t.line, t.two_outputs, extents, axes, transforms, twist = plan
    t.d, t.h, t.w = extents
    t.phases = t.blocks = 1
    for i in range(3):
        a = axes[i]
        t.axis[i].source, t.axis[i].size, t.axis[i].outputs, t.axis[i].taps, t.axis[i].stride = a[:5]
        t.axis[i].dilation, t.axis[i].before, t.axis[i].phases, t.axis[i].span = a[5:9]
        t.axis[i].block, t.axis[i].step, t.axis[i].blocks = a[9:]
        read_transform(&t.transform[i], transforms[i])
        t.phases *= t.axis[i].phases
        t.blocks *= t.axis[i].blocks
    t.channels = t.icg * t.phases
    t.points = t.d * t.h * t.w
    t.ld = t.w + LINE // size
    t.plane = t.h * t.ld + LINE // size
    t.twist = first_of(twist)
    t.units = t.blocks if t.two_outputs else ceil_div(t.blocks, 2)
    t.kernels = ceil_div(t.ocg, 2) if t.two_outputs else t.ocg
    return 0


cdef inline Py_ssize_t lines(Py_ssize_t elements, Py_ssize_t size) noexcept nogil:
    """`elements`, rounded up to whole cache lines."""
    return round_up(elements * size, LINE) // size


cdef void read_sizes(const Task *t, Py_ssize_t size, bint by_kernels, int threads, Sizes *s) noexcept nogil:
    s.unit = 2 * t.channels * t.points
    s.kernel = 2 * t.channels * t.points
    s.work = 2 * (t.d * t.plane + t.w * lanes_of(size))
    s.run = max(1, min(L2_BYTES // ((s.work + (0 if by_kernels else s.unit)) * size), SPECTRUM_PAIRS))
    if not by_kernels:
        s.run = max(1, min(s.run, t.n * t.groups * t.units // threads))
    s.runs = ceil_div(t.units, s.run)
    s.each = lines(s.run * s.work + (s.kernel if by_kernels else s.run * (s.unit + 2 * t.channels)), size)


cdef void one_run(const Task *t, const Sizes *s, const real *x, const real *spectra, const real *bias, real *out,
                  Py_ssize_t item, real *scratch) noexcept nogil:
    """A run of units, counted over (image, group, run), with all kernels."""
    cdef Py_ssize_t group = item // s.runs, image = group // t.groups, g = group % t.groups, c, q
    cdef Py_ssize_t first = item % s.runs * s.run, count = min(s.run, t.units - first)
    cdef real *rows = scratch + 2 * s.run * t.d * t.plane
    cdef real *to = scratch + s.run * s.work
    cdef real *levels = to + s.run * s.unit
    x += image * t.xn + g * t.icg * t.xc
    out += image * t.on + g * t.ocg * t.oc
    for c in range(t.channels):
        transform_run(t, x, c, first, count, scratch, rows, to, levels)
    for q in range(t.kernels):
        multiply_run(t, <const real *> to, <const real *> levels, first, count,
                     spectra + (g * t.kernels + q) * s.kernel, q, at(bias, g * t.ocg), out, scratch, rows)


cdef void one_channel(const Task *t, const Sizes *s, const real *x, real *spectra, real *levels, Py_ssize_t item,
                      real *scratch) noexcept nogil:
    """A channel of a run, counted over (image, group, run, channel)."""
    cdef Py_ssize_t c = item % t.channels, run = item // t.channels, group = run // s.runs
    cdef Py_ssize_t first = run % s.runs * s.run, unit = group * t.units + first
    transform_run(t, x + group // t.groups * t.xn + group % t.groups * t.icg * t.xc, c, first,
                  min(s.run, t.units - first), scratch, scratch + 2 * s.run * t.d * t.plane, spectra + unit * s.unit,
                  levels + unit * 2 * t.channels)


cdef void one_kernel(const Task *t, const Sizes *s, const real *units, const real *levels, const real *weight,
                     const real *spectra, const real *bias, real *out, Py_ssize_t item, real *scratch) noexcept nogil:
    """A kernel, counted over (group, kernel), with all runs; transformed here unless `spectra` are there."""
    cdef Py_ssize_t g = item // t.kernels, q = item % t.kernels, image, run, c, first, unit
    cdef real *rows = scratch + 2 * s.run * t.d * t.plane
    cdef real *own = scratch + s.run * s.work
    cdef const real *w = own
    if spectra != NULL:
        w = spectra + item * s.kernel
    else:
        weight += g * t.ocg * t.icg * t.axis[0].taps * t.axis[1].taps * t.axis[2].taps
        for c in range(t.channels):
            transform_kernel(t, weight, q, c, scratch, rows, own)
    for image in range(t.n):
        for run in range(s.runs):
            first = run * s.run
            unit = (image * t.groups + g) * t.units + first
            multiply_run(t, units + unit * s.unit, levels + unit * 2 * t.channels, first, min(s.run, t.units - first),
                         w, q, at(bias, g * t.ocg), out + image * t.on + g * t.ocg * t.oc, scratch, rows)


cdef void transform_kernels(const Task *t, const Sizes *s, const real *weight, real *spectra, real *scratch,
                            int threads) noexcept nogil:
    cdef Py_ssize_t item, taps = t.axis[0].taps * t.axis[1].taps * t.axis[2].taps
    for item in prange(t.groups * t.kernels * t.channels, num_threads=threads, schedule="dynamic"):
        transform_kernel(
            t, weight + item // t.channels // t.kernels * t.ocg * t.icg * taps, item // t.channels % t.kernels,
            item % t.channels, scratch + threadid() * s.each, scratch + threadid() * s.each + 2 * t.d * t.plane,
            spectra + item // t.channels * s.kernel)


def transform(tuple plan, weight, real[:] spectra, int threads):
    """Spectra of contiguous (oc, ic // groups, kd, kh, kw) weights."""
    cdef Task t
    cdef Sizes s
    cdef const real *ws = <const real *> first_of(weight)
    cdef char *memory
    read_task(&t, plan, sizeof(real))
    t.n = 0
    read_sizes(&t, sizeof(real), False, threads, &s)
    memory = allocate("fft", s.each * threads * sizeof(real))
    with nogil:
        transform_kernels(&t, &s, ws, &spectra[0], <real *> aligned(memory), threads)
    free(memory)


def convolve(tuple plan, input, weight, spectra, bias, output, real lo, real hi, int threads):
    """Convolve with the groups and outputs of `plan`; arguments as of `direct.conv`.

    spectra : what `transform` made of the weight, or None
    """
    cdef operand x = five(input, 3), out = five(output, 3)
    cdef Task t
    cdef Sizes s
    cdef Py_ssize_t size = sizeof(real), item, i, units, kernels, levels
    cdef const real *xs = <const real *> x.data
    cdef const real *ws = <const real *> first_of(weight)
    cdef const real *us = <const real *> first_of(spectra)
    cdef const real *bs = <const real *> first_of(bias)
    cdef real *os = <real *> out.data
    cdef bint by_kernels
    cdef char *memory
    cdef real *shared
    cdef real *scratch
    read_task(&t, plan, size)
    t.n, t.xn, t.xc = x.shape[0], x.strides[0] // size, x.strides[1] // size
    t.on, t.oc = out.strides[0] // size, out.strides[1] // size
    for i in range(3):
        t.axis[i].xs = x.strides[t.axis[i].source] // size
        t.axis[i].os = out.strides[t.axis[i].source] // size
    t.clamp = lo > -INFINITY or hi < INFINITY
    t.lo, t.hi = lo, hi
    units = t.n * t.groups * t.units
    kernels = t.groups * t.kernels
    by_kernels = units <= kernels and units * 2 * t.channels * t.points * size <= RESIDENT_BYTES
    read_sizes(&t, size, by_kernels, threads, &s)
    levels = lines(units * 2 * t.channels, size) if by_kernels else 0
    units = units * s.unit if by_kernels else (kernels * s.kernel if us == NULL else 0)     # elements of all spectra
    memory = allocate("fft", (levels + units + s.each * threads) * size)
    shared = <real *> aligned(memory)
    scratch = shared + levels + units
    with nogil:
        if by_kernels:
            for item in prange(t.n * t.groups * s.runs * t.channels, num_threads=threads, schedule="dynamic"):
                one_channel(&t, &s, xs, shared + levels, shared, item, scratch + threadid() * s.each)
            for item in prange(kernels, num_threads=threads, schedule="dynamic"):
                one_kernel(&t, &s, <const real *> shared + levels, <const real *> shared, ws, us, bs, os, item,
                           scratch + threadid() * s.each)
        else:
            if us == NULL:
                transform_kernels(&t, &s, ws, shared, scratch, threads)
                us = shared
            for item in prange(t.n * t.groups * s.runs, num_threads=threads, schedule="dynamic"):
                one_run(&t, &s, xs, us, bs, os, item, scratch + threadid() * s.each)
    free(memory)
