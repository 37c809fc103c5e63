"""What kernels of Fourier transforms are told: a `_fft_conv.Plan` as structs, arrays, and how scratch is divided."""

from libc.math cimport INFINITY

from fastconv._kernels.blocks cimport Task
from fastconv._kernels.fourier cimport FOURIER_PASSES, SPECTRUM_PAIRS, fourier
from fastconv._kernels.operand cimport first_of, operand
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.scratch cimport LINE, round_up
from fastconv._kernels.simd cimport lanes_of

cdef enum:
    L2_BYTES = 524288           # of a run's units, and by runs of the spectra of their channels
    RESIDENT_BYTES = 16777216   # of the spectra of all units, up to which kernels come one after the other
    OWN_BYTES = 1048576         # of the spectra of kernels that a thread transforms for itself
    EVEN = 8                    # an eighth more than an even share of the units is uneven


cdef struct Sizes:
    Py_ssize_t unit, kernel, work       # elements of the spectra of a unit's channels, of a kernel's; of one transform
    Py_ssize_t run, runs                # units in a run at most, and runs in a group of an image
    Py_ssize_t each, own                # elements of a thread's scratch, and at its end of a group's kernels, if any


cdef inline int read_transform(fourier *f, tuple plan) except -1:
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


cdef inline int read_task(Task *t, tuple plan, Py_ssize_t size) except -1:
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


cdef inline int read_arrays(Task *t, const operand *x, const operand *out, Py_ssize_t size, double lo,
                            double hi) except -1:
    """Where the elements of input and output lie, and what the output is clamped to."""
    cdef Py_ssize_t i
    t.n, t.xn, t.xc = x.shape[0], x.strides[0] // size, x.strides[1] // size
    t.on, t.oc = out.strides[0] // size, out.strides[1] // size
    for i in range(3):
        t.axis[i].xs = x.strides[t.axis[i].source] // size
        t.axis[i].os = out.strides[t.axis[i].source] // size
    t.clamp = lo > -INFINITY or hi < INFINITY
    t.lo, t.hi = lo, hi
    return 0


cdef inline Py_ssize_t whole_lines(Py_ssize_t elements, Py_ssize_t size) noexcept nogil:
    """`elements`, rounded up to whole cache lines."""
    return round_up(elements * size, LINE) // size


cdef inline void read_sizes(const Task *t, Py_ssize_t size, bint by_kernels, int threads, Sizes *s) noexcept nogil:
    cdef Py_ssize_t groups = max(t.n * t.groups, <Py_ssize_t> 1)
    s.unit = 2 * t.channels * t.points
    s.kernel = s.unit + LINE // size        # with its scales
    s.work = 2 * (t.d * t.plane + t.w * lanes_of(size))
    s.run = max(1, min(L2_BYTES // ((s.work + (0 if by_kernels else s.unit)) * size), SPECTRUM_PAIRS))
    s.runs = ceil_div(t.units, s.run)
    if not by_kernels:                      # as many as threads share evenly
        s.runs = min(ceil_div(round_up(s.runs * groups, threads), groups), t.units)
    s.run = ceil_div(t.units, s.runs)
    s.own = 0
    s.each = whole_lines(s.run * s.work + (s.kernel if by_kernels else s.run * (s.unit + 2 * t.channels)), size)


cdef inline bint transforms_are_even(const Task *t, const Sizes *s, Py_ssize_t size, int threads) noexcept nogil:
    """Whether all transforms, of kernels and of units, are as even shares as if all threads shared those of kernels and
    took runs of units then, and few enough that what they write stays in cache."""
    cdef Py_ssize_t kernels = t.groups * t.kernels * t.channels, units = t.n * t.groups * t.units * t.channels
    cdef Py_ssize_t runs = t.n * t.groups * s.runs, alone = runs // threads * s.run * t.channels * threads
    return (threads > 1 and units * 2 * t.points * size <= threads * <Py_ssize_t> L2_BYTES
            and ceil_div(kernels + units, <Py_ssize_t> threads) * threads <= kernels + max(units, alone))


cdef inline Py_ssize_t run_start(const Task *t, const Sizes *s, Py_ssize_t run) noexcept nogil:
    """The first unit of a run: runs differ by one unit at most."""
    return run * t.units // s.runs


cdef inline Py_ssize_t units_before(const Task *t, const Sizes *s, Py_ssize_t item) noexcept nogil:
    """Units of all runs before run `item`, counted over (group, image, run)."""
    return item // s.runs * t.units + run_start(t, s, item % s.runs)


cdef inline bint units_are_even(const Task *t, const Sizes *s, int threads) noexcept nogil:
    """Whether no thread's share of the runs is an eighth more than an even share of the units."""
    cdef Py_ssize_t runs = t.n * t.groups * s.runs, most = 0, i
    for i in range(threads):
        most = max(most, units_before(t, s, runs * (i + 1) // threads) - units_before(t, s, runs * i // threads))
    return most * threads * EVEN <= t.n * t.groups * t.units * (EVEN + 1)


cdef inline Py_ssize_t run_of(const Task *t, const Sizes *s, Py_ssize_t unit) noexcept nogil:
    """The run that a unit is in; see `run_start`."""
    return ((unit + 1) * s.runs - 1) // t.units


cdef inline void plan_own(const Task *t, Py_ssize_t size, int threads, Sizes *s) noexcept nogil:
    """Whether each thread transforms a group's kernels for itself, by runs, and room for them, and for the group's
    number, some lines off, so that they meet the spectra of units in other sets of the cache."""
    cdef Py_ssize_t own = whole_lines(t.kernels * s.kernel, size) + 5 * LINE // size
    if threads > 1 and own * size <= OWN_BYTES and units_are_even(t, s, threads):
        s.own = own
        s.each += own
