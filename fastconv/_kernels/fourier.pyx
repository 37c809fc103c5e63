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

from cython.parallel cimport parallel, threadid

from fastconv._kernels.blocks cimport Task
from fastconv._kernels.fourier_plan cimport (
    RESIDENT_BYTES,
    Sizes,
    read_arrays,
    read_sizes,
    read_task,
    run_start,
    whole_lines,
)
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport first_of, five, operand
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.queue cimport Queue, claim, share_out
from fastconv._kernels.scratch cimport borrow
from fastconv._kernels.shape cimport at, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.spectra cimport (
    backward_columns,
    backward_rows,
    choose_scales,
    clear_row,
    forward_columns,
    forward_rows,
    keep_sums,
    kernel_columns,
    multiply_run,
    output_columns,
    put_part,
    stage_kernel,
    stage_part,
    transform_kernel,
    transform_run,
)


cdef inline const real *channels_of(const Task *t, const real *x, Py_ssize_t group) noexcept nogil:
    """The input of a group, counted over (image, group)."""
    return x + group // t.groups * t.xn + group % t.groups * t.icg * t.xc


cdef inline real *outputs_of(const Task *t, real *out, Py_ssize_t group) noexcept nogil:
    return out + group // t.groups * t.on + group % t.groups * t.ocg * t.oc


cdef inline const real *weights_of(const Task *t, const real *weight, Py_ssize_t g) noexcept nogil:
    return weight + g * t.ocg * t.icg * t.axis[0].taps * t.axis[1].taps * t.axis[2].taps


cdef inline real *rows_of(const Task *t, const Sizes *s, real *scratch) noexcept nogil:
    """Of a thread's scratch, what rows are turned in: behind the units of a run."""
    return scratch + 2 * s.run * t.d * t.plane


cdef void one_run(const Task *t, const Sizes *s, const real *x, const real *spectra, const real *bias, real *out,
                  Py_ssize_t item, real *scratch) noexcept nogil:
    """A run of units, counted over (image, group, run), with all kernels."""
    cdef Py_ssize_t group = item // s.runs, g = group % t.groups, c, q
    cdef Py_ssize_t first = run_start(t, s, item % s.runs), count = run_start(t, s, item % s.runs + 1) - first
    cdef real *rows = rows_of(t, s, scratch)
    cdef real *to = scratch + s.run * s.work
    cdef real *levels = to + s.run * s.unit
    for c in range(t.channels):
        transform_run(t, channels_of(t, x, group), c, first, count, scratch, rows, to, levels)
    for q in range(t.kernels):
        multiply_run(t, <const real *> to, <const real *> levels, first, count,
                     spectra + (g * t.kernels + q) * s.kernel, q, at(bias, g * t.ocg), outputs_of(t, out, group),
                     scratch, rows)


cdef void one_channel(const Task *t, const Sizes *s, const real *x, real *spectra, real *levels, Py_ssize_t item,
                      real *scratch) noexcept nogil:
    """A channel of a run, counted over (image, group, run, channel)."""
    cdef Py_ssize_t c = item % t.channels, run = item // t.channels, group = run // s.runs
    cdef Py_ssize_t first = run_start(t, s, run % s.runs), count = run_start(t, s, run % s.runs + 1) - first
    cdef Py_ssize_t unit = group * t.units + first
    transform_run(t, channels_of(t, x, group), c, first, count, scratch, rows_of(t, s, scratch),
                  spectra + unit * s.unit, levels + unit * 2 * t.channels)


cdef void one_kernel(const Task *t, const Sizes *s, const real *units, const real *levels, const real *weight,
                     const real *spectra, const real *bias, real *out, Py_ssize_t item, real *scratch) noexcept nogil:
    """A kernel, counted over (group, kernel), with all runs; transformed here unless `spectra` are there."""
    cdef Py_ssize_t g = item // t.kernels, q = item % t.kernels, image, run, c, first, unit
    cdef real *rows = rows_of(t, s, scratch)
    cdef real *own = scratch + s.run * s.work
    cdef const real *w = own
    if spectra != NULL:
        w = spectra + item * s.kernel
    else:
        weight = weights_of(t, weight, g)
        choose_scales(t, weight, q, own + s.unit)
        for c in range(t.channels):
            transform_kernel(t, weight, q, c, <const real *> own + s.unit, scratch, rows, own)
    for image in range(t.n):
        for run in range(s.runs):
            first = run_start(t, s, run)
            unit = (image * t.groups + g) * t.units + first
            multiply_run(t, units + unit * s.unit, levels + unit * 2 * t.channels, first,
                         run_start(t, s, run + 1) - first, w, q, at(bias, g * t.ocg),
                         outputs_of(t, out, image * t.groups + g), scratch, rows)


cdef void transform_kernels(const Task *t, const Sizes *s, const real *weight, real *spectra, real *scratch,
                            int threads) noexcept nogil:
    cdef Queue queue
    cdef Py_ssize_t item, kernels = t.groups * t.kernels
    share_out(&queue, kernels, threads)
    with parallel(num_threads=queue.threads):
        while (item := claim(&queue, threadid())) >= 0:
            choose_scales(t, weights_of(t, weight, item // t.kernels), item % t.kernels,
                          spectra + item * s.kernel + s.unit)
    if kernels * t.channels < threads:
        for item in range(kernels * t.channels):
            share_transform(t, s, weight, item, spectra, scratch, threads)
        return
    share_out(&queue, kernels * t.channels, threads)
    with parallel(num_threads=queue.threads):
        while (item := claim(&queue, threadid())) >= 0:
            one_transform(t, s, weight, item, spectra, scratch + threadid() * s.each)


cdef void one_transform(const Task *t, const Sizes *s, const real *weight, Py_ssize_t item, real *spectra,
                        real *scratch) noexcept nogil:
    """A channel of a kernel, counted over (group, kernel, channel)."""
    cdef Py_ssize_t kernel = item // t.channels
    cdef real *to = spectra + kernel * s.kernel
    transform_kernel(t, weights_of(t, weight, kernel // t.kernels), kernel % t.kernels, item % t.channels,
                     <const real *> to + s.unit, scratch, scratch + 2 * t.d * t.plane, to)


cdef void share_transform(const Task *t, const Sizes *s, const real *weight, Py_ssize_t item, real *spectra,
                          real *scratch, int threads) noexcept nogil:
    """The same by all threads, where transforms are fewer than they."""
    cdef Queue queue
    cdef Py_ssize_t kernel = item // t.channels, c = item % t.channels, i
    cdef const real *scales = spectra + kernel * s.kernel + s.unit
    cdef real *to = spectra + kernel * s.kernel + 2 * c * lanes_of(sizeof(real))
    cdef double[2] sums
    share_out(&queue, t.d * t.h, threads)
    with parallel(num_threads=queue.threads):
        while (i := claim(&queue, threadid())) >= 0:
            clear_row(t, scratch, i)
    stage_kernel(t, weights_of(t, weight, kernel // t.kernels), kernel % t.kernels, c, scales, scratch, sums)
    share_forward(t, s, scratch, kernel_columns(t), to, 2 * t.channels, True, threads)
    keep_sums(sums, to)


cdef void share_forward(const Task *t, const Sizes *s, real *scratch, Py_ssize_t columns, real *to, Py_ssize_t apart,
                        bint conjugate, int threads) noexcept nogil:
    """`forward` of the unit in `scratch` by all threads: columns, then rows."""
    cdef Queue queue
    cdef Py_ssize_t lanes = lanes_of(sizeof(real)), i
    share_out(&queue, ceil_div(columns, lanes), threads)
    with parallel(num_threads=queue.threads):
        while (i := claim(&queue, threadid())) >= 0:
            forward_columns(t, scratch, i * lanes, min(lanes, columns - i * lanes))
    share_out(&queue, t.d * t.h // lanes, threads)
    with parallel(num_threads=queue.threads):
        while (i := claim(&queue, threadid())) >= 0:
            forward_rows(t, scratch, i, columns, rows_of(t, s, scratch + threadid() * s.each), to, apart, conjugate)


cdef void share_run(const Task *t, const Sizes *s, const real *x, const real *spectra, const real *bias, real *out,
                    Py_ssize_t item, real *scratch, int threads) noexcept nogil:
    """`one_run` by all threads: of each unit, parts, columns and rows, and back."""
    cdef Queue queue
    cdef Py_ssize_t group = item // s.runs, first = run_start(t, s, item % s.runs)
    cdef Py_ssize_t count = run_start(t, s, item % s.runs + 1) - first
    cdef Py_ssize_t lanes = lanes_of(sizeof(real)), size = t.d * t.plane, columns = output_columns(t)
    cdef Py_ssize_t pieces = ceil_div(columns, lanes), c, r, q, i
    cdef real *to = scratch + s.run * s.work
    cdef real *levels = to + s.run * s.unit
    cdef const real *w
    for c in range(t.channels):
        for r in range(count):
            share_out(&queue, 2, threads)
            with parallel(num_threads=queue.threads):
                while (i := claim(&queue, threadid())) >= 0:
                    stage_part(t, channels_of(t, x, group), c, first + r, i, scratch, levels + 2 * (c * count + r))
            share_forward(t, s, scratch, t.w, to + 2 * (c * count + r) * lanes, 2 * count * t.channels, False, threads)
    for q in range(t.kernels):
        w = spectra + (group % t.groups * t.kernels + q) * s.kernel
        share_out(&queue, t.d * t.h // lanes, threads)
        with parallel(num_threads=queue.threads):
            while (i := claim(&queue, threadid())) >= 0:
                backward_rows(t, <const real *> to, w, count, i, scratch, rows_of(t, s, scratch + threadid() * s.each))
        share_out(&queue, count * pieces, threads)
        with parallel(num_threads=queue.threads):
            while (i := claim(&queue, threadid())) >= 0:
                backward_columns(t, scratch + 2 * (i // pieces) * size, i % pieces * lanes,
                                 min(lanes, columns - i % pieces * lanes))
        share_out(&queue, 2 * count, threads)
        with parallel(num_threads=queue.threads):
            while (i := claim(&queue, threadid())) >= 0:
                put_part(t, <const real *> levels + 2 * (i // 2), first + i // 2, count, i % 2, w, q,
                         at(bias, group % t.groups * t.ocg), outputs_of(t, out, group),
                         <const real *> scratch + 2 * (i // 2) * size)


def transform(tuple plan, weight, real[:] spectra, int threads):
    """Spectra of contiguous (oc, ic // groups, kd, kh, kw) weights."""
    cdef Task t
    cdef Sizes s
    cdef const real *ws = <const real *> first_of(weight)
    cdef char *memory
    read_task(&t, plan, sizeof(real))
    t.n = 0     # no units, so that a run is one
    read_sizes(&t, sizeof(real), False, threads, &s)
    memory = borrow("fft", s.each * threads * sizeof(real))
    with nogil:
        transform_kernels(&t, &s, ws, &spectra[0], <real *> memory, threads)
    give_back(memory)


def convolve(tuple plan, input, weight, spectra, bias, output, real lo, real hi, int threads):
    """Convolve with the groups and outputs of `plan`; arguments as of `direct.conv`.

    spectra : what `transform` made of the weight, or None
    """
    cdef Queue queue
    cdef operand x = five(input, 3), out = five(output, 3)
    cdef Task t
    cdef Sizes s
    cdef Py_ssize_t size = sizeof(real), item, units, kernels, levels, held, runs, alone
    cdef const real *xs = <const real *> x.data
    cdef const real *ws = <const real *> first_of(weight)
    cdef const real *us = <const real *> first_of(spectra)
    cdef const real *bs = <const real *> first_of(bias)
    cdef real *os = <real *> out.data
    cdef bint by_kernels
    cdef real *shared
    cdef real *scratch
    read_task(&t, plan, size)
    read_arrays(&t, &x, &out, size, lo, hi)
    units = t.n * t.groups * t.units
    kernels = t.groups * t.kernels
    by_kernels = units <= kernels > 1 and units * 2 * t.channels * t.points * size <= RESIDENT_BYTES
    read_sizes(&t, size, by_kernels, threads, &s)
    levels = whole_lines(units * 2 * t.channels, size) if by_kernels else 0
    held = units * s.unit if by_kernels else (kernels * s.kernel if us == NULL else 0)      # elements of spectra
    shared = <real *> borrow("fft", (levels + held + s.each * threads) * size)
    scratch = shared + levels + held
    with nogil:
        if by_kernels:
            share_out(&queue, t.n * t.groups * s.runs * t.channels, threads)
            with parallel(num_threads=queue.threads):
                while (item := claim(&queue, threadid())) >= 0:
                    one_channel(&t, &s, xs, shared + levels, shared, item, scratch + threadid() * s.each)
            share_out(&queue, kernels, threads)
            with parallel(num_threads=queue.threads):
                while (item := claim(&queue, threadid())) >= 0:
                    one_kernel(&t, &s, <const real *> shared + levels, <const real *> shared, ws, us, bs, os, item,
                               scratch + threadid() * s.each)
        else:
            if us == NULL:
                transform_kernels(&t, &s, ws, shared, scratch, threads)
                us = shared
            runs = t.n * t.groups * s.runs
            alone = runs if max(t.channels, t.kernels) >= threads else runs // threads * threads
            share_out(&queue, alone, threads)
            with parallel(num_threads=queue.threads):
                while (item := claim(&queue, threadid())) >= 0:
                    one_run(&t, &s, xs, us, bs, os, item, scratch + threadid() * s.each)
            for item in range(alone, runs):
                share_run(&t, &s, xs, us, bs, os, item, scratch, threads)
    give_back(shared)
