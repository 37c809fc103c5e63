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

    by runs       a few units of input at a time go from the image, or their spectra, to the output; each thread
                  transforms for itself the kernels of a group when it first needs them, unless they are many or
                  shares of the units uneven: then all kernels beforehand, and in the same region all units where
                  these are few and shared evenly so
    by kernels    all units transformed beforehand, where they are less; a kernel is transformed and used up in cache

Rounding errors of a block spread over all of it and over its neighbour, as do NaN and infinity. Blocks and pairs are
the same for any number of images and threads, and so are all bits. Oppenheim & Schafer, Discrete-Time Signal
Processing, 8.7.
"""

from fastconv._kernels.blocks cimport Task
from fastconv._kernels.fourier_plan cimport (
    RESIDENT_BYTES,
    Sizes,
    plan_own,
    read_arrays,
    read_sizes,
    read_task,
    run_of,
    run_start,
    transforms_are_even,
    whole_lines,
)
from fastconv._kernels.fourier_team cimport (
    Call,
    Run,
    channels_of,
    outputs_of,
    rows_of,
    run_at,
    run_of_item,
    share_run,
    share_transform,
    weights_of,
)
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.operand cimport first_of, five, operand
from fastconv._kernels.scratch cimport borrow
from fastconv._kernels.shape cimport at, real
from fastconv._kernels.spectra cimport choose_scales, multiply_run, transform_kernel, transform_run, transform_unit
from fastconv._kernels.team cimport Piece, each_piece


cdef void whole_kernel(const Task *t, const Sizes *s, const real *weight, Py_ssize_t q, real *block, real *rows,
                       real *to) noexcept nogil:
    """The scales and all channels of kernel `q` of the group that starts at `weight`."""
    cdef Py_ssize_t channel
    choose_scales(t, weight, q, to + s.unit)
    for channel in range(t.channels):
        transform_kernel(t, weight, q, channel, <const real *> to + s.unit, block, rows, to)


cdef inline Py_ssize_t *group_of(const Sizes *s, real *scratch) noexcept nogil:
    """At the end of a thread's scratch, the group whose kernels it has, or -1."""
    return <Py_ssize_t *> (scratch + s.each) - 1


cdef const real *kernels_of(const Call *c, Py_ssize_t g, real *scratch) noexcept nogil:
    """Spectra of a group's kernels, of all threads or this one, which has those of the group that it needed last."""
    cdef const Task *t = c.t
    cdef const Sizes *s = c.s
    cdef Py_ssize_t *group = group_of(s, scratch)
    cdef real *own = scratch + s.each - s.own
    cdef real *rows = rows_of(t, s, scratch)
    cdef const real *weight = weights_of(t, <const real *> c.weight, g)
    cdef Py_ssize_t q
    if s.own == 0:
        return <const real *> c.spectra + g * t.kernels * s.kernel
    if group[0] != g:
        for q in range(t.kernels):
            whole_kernel(t, s, weight, q, scratch, rows, own + q * s.kernel)
        group[0] = g
    return own


cdef void one_run(const Call *c, Py_ssize_t item, real *scratch) noexcept nogil:
    """A run of units, see `run_of_item`, with all kernels."""
    cdef const Task *t = c.t
    cdef const Sizes *s = c.s
    cdef Run r = run_of_item(c, item, scratch)
    cdef Py_ssize_t g = r.group % t.groups, channel, q
    cdef real *rows = rows_of(t, s, scratch)
    cdef const real *w = kernels_of(c, g, scratch)
    for channel in range(t.channels if c.units == NULL else 0):
        transform_run(t, channels_of(t, <const real *> c.x, r.group), channel, r.first, r.count, scratch, rows,
                      <real *> r.units, <real *> r.levels)
    for q in range(t.kernels):
        multiply_run(t, <const real *> r.units, <const real *> r.levels, r.first, r.count, w + q * s.kernel, q,
                     at(<const real *> c.bias, g * t.ocg), outputs_of(t, <real *> c.out, r.group), scratch, rows)


cdef void one_unit(const Call *c, Py_ssize_t item, real *scratch) noexcept nogil:
    """A channel of a unit, counted over (image, group, unit, channel)."""
    cdef const Task *t = c.t
    cdef Py_ssize_t channel = item % t.channels, number = item // t.channels, unit = number % t.units
    cdef Run r = run_at(c, number // t.units, run_of(t, c.s, unit), scratch)
    transform_unit(t, channels_of(t, <const real *> c.x, r.group), channel, r.first, r.count, unit - r.first, scratch,
                   rows_of(t, c.s, scratch), <real *> r.units, <real *> r.levels)


cdef void one_kernel(const Call *c, Py_ssize_t item, real *scratch) noexcept nogil:
    """A kernel, counted over (group, kernel), with all runs; transformed here unless `spectra` are there."""
    cdef const Task *t = c.t
    cdef const Sizes *s = c.s
    cdef Py_ssize_t g = item // t.kernels, q = item % t.kernels, image, run, first, unit
    cdef real *rows = rows_of(t, s, scratch)
    cdef real *own = scratch + s.run * s.work
    cdef const real *w = own
    cdef const real *weight = weights_of(t, <const real *> c.weight, g)
    if c.spectra != NULL:
        w = <const real *> c.spectra + item * s.kernel
    else:
        whole_kernel(t, s, weight, q, scratch, rows, own)
    for image in range(t.n):
        for run in range(s.runs):
            first = run_start(t, s, run)
            unit = (image * t.groups + g) * t.units + first
            multiply_run(t, <const real *> c.units + unit * s.unit, <const real *> c.levels + unit * 2 * t.channels,
                         first, run_start(t, s, run + 1) - first, w, q, at(<const real *> c.bias, g * t.ocg),
                         outputs_of(t, <real *> c.out, image * t.groups + g), scratch, rows)


cdef void one_scale(const Call *c, Py_ssize_t item, real *_scratch) noexcept nogil:
    """The scales of a kernel, counted over (group, kernel)."""
    choose_scales(c.t, weights_of(c.t, <const real *> c.weight, item // c.t.kernels), item % c.t.kernels,
                  <real *> c.spectra + item * c.s.kernel + c.s.unit)


cdef void one_transform(const Call *c, Py_ssize_t item, real *scratch) noexcept nogil:
    """A channel of a kernel, counted over (group, kernel, channel)."""
    cdef const Task *t = c.t
    cdef Py_ssize_t kernel = item // t.channels
    cdef real *to = <real *> c.spectra + kernel * c.s.kernel
    transform_kernel(t, weights_of(t, <const real *> c.weight, kernel // t.kernels), kernel % t.kernels,
                     item % t.channels, <const real *> to + c.s.unit, scratch, scratch + 2 * t.d * t.plane, to)


cdef void one_forward(const Call *c, Py_ssize_t item, real *scratch) noexcept nogil:
    """A channel of a kernel, or then of a unit."""
    cdef Py_ssize_t kernels = c.t.groups * c.t.kernels * c.t.channels
    if item < kernels:
        one_transform(c, item, scratch)
    else:
        one_unit(c, item - kernels, scratch)


cdef void transform_kernels(const Call *c, real *scratch, int threads) noexcept nogil:
    """With all units, where there is room for their spectra."""
    cdef Py_ssize_t kernels = c.t.groups * c.t.kernels, transforms = kernels * c.t.channels, item
    each_piece(<Piece> one_scale[real], c, kernels, threads)
    if c.units != NULL:
        transforms += c.t.n * c.t.groups * c.t.units * c.t.channels
        each_piece(<Piece> one_forward[real], c, transforms, threads, scratch, c.s.each * sizeof(real))
    elif transforms >= threads:
        each_piece(<Piece> one_transform[real], c, transforms, threads, scratch, c.s.each * sizeof(real))
    else:
        for item in range(transforms):
            share_transform(c, item, scratch, threads)


def transform(tuple plan, weight, real[:] spectra, int threads):
    """Spectra of contiguous (oc, ic // groups, kd, kh, kw) weights."""
    cdef Task t
    cdef Sizes s
    cdef Call call = Call(&t, &s, NULL, first_of(weight), &spectra[0], NULL, NULL, NULL, NULL)
    cdef char *memory
    read_task(&t, plan, sizeof(real))
    t.n = 0     # no units, so that a run is one
    read_sizes(&t, sizeof(real), False, threads, &s)
    memory = borrow("fft", s.each * threads * sizeof(real))
    with nogil:
        transform_kernels(&call, <real *> memory, threads)
    give_back(memory)


cdef void by_runs(Call *c, real *spectra, real *scratch, int threads) noexcept nogil:
    """All runs, after kernels are transformed, to `spectra`, unless they have been or each thread does that itself."""
    cdef const Task *t = c.t
    cdef const Sizes *s = c.s
    cdef Py_ssize_t runs = t.n * t.groups * s.runs, alone = runs, item
    for item in range(threads if s.own else 0):
        group_of(s, scratch + item * s.each)[0] = -1
    if c.spectra == NULL and s.own == 0:
        c.spectra = spectra
        transform_kernels(c, scratch, threads)
    if s.own == 0 and max(t.channels, t.kernels) < threads:
        alone = runs // threads * threads
    each_piece(<Piece> one_run[real], c, alone, threads, scratch, s.each * sizeof(real))
    for item in range(alone, runs):
        share_run(c, item, scratch, threads)


def convolve(tuple plan, input, weight, spectra, bias, output, real lo, real hi, int threads):
    """Convolve with the groups and outputs of `plan`; arguments as of `direct.conv`.

    spectra : what `transform` made of the weight, or None
    """
    cdef operand x = five(input, 3), out = five(output, 3)
    cdef Task t
    cdef Sizes s
    cdef Call call = Call(&t, &s, x.data, first_of(weight), first_of(spectra), first_of(bias), out.data, NULL, NULL)
    cdef Py_ssize_t size = sizeof(real), units, kernels, levels = 0, held = 0, spectra_of_kernels = 0, each
    cdef bint by_kernels
    cdef real *shared
    cdef real *scratch
    read_task(&t, plan, size)
    read_arrays(&t, &x, &out, size, lo, hi)
    units = t.n * t.groups * t.units
    kernels = t.groups * t.kernels
    by_kernels = units <= kernels > 1 and units * 2 * t.channels * t.points * size <= RESIDENT_BYTES
    read_sizes(&t, size, by_kernels, threads, &s)
    if not by_kernels and call.spectra == NULL:
        plan_own(&t, size, threads, &s)
    if by_kernels or call.spectra == NULL and s.own == 0 and transforms_are_even(&t, &s, size, threads):
        levels = whole_lines(units * 2 * t.channels, size)
        held = units * s.unit                               # elements of spectra
    if not by_kernels and call.spectra == NULL and s.own == 0:
        spectra_of_kernels = kernels * s.kernel
    each = s.each * size
    shared = <real *> borrow("fft", (levels + held + spectra_of_kernels) * size + each * threads)
    scratch = shared + levels + held + spectra_of_kernels
    if held:
        call.levels, call.units = shared, shared + levels
    with nogil:
        if by_kernels:
            each_piece(<Piece> one_unit[real], &call, units * t.channels, threads, scratch, each)
            each_piece(<Piece> one_kernel[real], &call, kernels, threads, scratch, each)
        else:
            by_runs(&call, shared + levels + held, scratch, threads)
    give_back(shared)
