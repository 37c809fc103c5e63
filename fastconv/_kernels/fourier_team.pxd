"""What pieces of a call of `fourier.pyx` share, and transforms by all threads, where these are more than there are runs
or channels of kernels: of one at a time, its rows, columns and parts."""

from fastconv._kernels.blocks cimport Task
from fastconv._kernels.fourier_plan cimport Sizes, run_start
from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.shape cimport at, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.spectra cimport (
    backward_columns,
    backward_rows,
    clear_row,
    forward_columns,
    forward_rows,
    keep_sums,
    kernel_columns,
    output_columns,
    put_part,
    stage_kernel,
    stage_part,
)
from fastconv._kernels.team cimport Piece, each_piece


cdef struct Call:
    const Task *t
    const Sizes *s
    const void *x
    const void *weight
    void *spectra               # of kernels
    const void *bias
    void *out
    void *units                 # spectra of all units, where they come before their products, or NULL,
    void *levels                # and their levels


cdef struct Forward:            # of one unit, by all threads
    const Task *t
    const Sizes *s
    void *block
    void *to
    Py_ssize_t columns, apart
    bint conjugate


cdef struct Run:                # of units, by all threads
    const Call *call
    void *blocks
    void *units                 # their spectra
    void *levels
    Py_ssize_t group, first, count
    Py_ssize_t number           # of what is transformed, counted over (channel, unit), or of a kernel


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


cdef inline void cleared_row(const Forward *f, Py_ssize_t i, real *_scratch) noexcept nogil:
    clear_row(f.t, <real *> f.block, i)


cdef inline void columns_forward(const Forward *f, Py_ssize_t i, real *_scratch) noexcept nogil:
    cdef Py_ssize_t lanes = lanes_of(sizeof(real))
    forward_columns(f.t, <real *> f.block, i * lanes, min(lanes, f.columns - i * lanes))


cdef inline void rows_forward(const Forward *f, Py_ssize_t i, real *scratch) noexcept nogil:
    forward_rows(f.t, <real *> f.block, i, f.columns, rows_of(f.t, f.s, scratch), <real *> f.to, f.apart, f.conjugate)


cdef inline void share_forward(const Forward *f, real *scratch, int threads) noexcept nogil:
    """`forward` by all threads: columns, then rows."""
    cdef Py_ssize_t lanes = lanes_of(sizeof(real))
    each_piece(<Piece> columns_forward[real], f, ceil_div(f.columns, lanes), threads)
    each_piece(<Piece> rows_forward[real], f, f.t.d * f.t.h // lanes, threads, scratch, f.s.each * sizeof(real))


cdef inline void share_transform(const Call *c, Py_ssize_t item, real *scratch, int threads) noexcept nogil:
    """`one_transform` by all threads, where transforms are fewer than they."""
    cdef const Task *t = c.t
    cdef Py_ssize_t kernel = item // t.channels, channel = item % t.channels
    cdef real *spectrum = <real *> c.spectra + kernel * c.s.kernel
    cdef real *to = spectrum + 2 * channel * lanes_of(sizeof(real))
    cdef Forward f = Forward(t, c.s, scratch, to, kernel_columns(t), 2 * t.channels, True)
    cdef double[2] sums
    each_piece(<Piece> cleared_row[real], &f, t.d * t.h, threads)
    stage_kernel(t, weights_of(t, <const real *> c.weight, kernel // t.kernels), kernel % t.kernels, channel,
                 <const real *> spectrum + c.s.unit, scratch, sums)
    share_forward(&f, scratch, threads)
    keep_sums(sums, to)


cdef inline const real *kernel_of(const Run *r, const real *spectra) noexcept nogil:
    return spectra + (r.group % r.call.t.groups * r.call.t.kernels + r.number) * r.call.s.kernel


cdef inline void part_staged(const Run *r, Py_ssize_t i, real *_scratch) noexcept nogil:
    cdef const Task *t = r.call.t
    stage_part(t, channels_of(t, <const real *> r.call.x, r.group), r.number // r.count,
               r.first + r.number % r.count, i, <real *> r.blocks, <real *> r.levels + 2 * r.number)


cdef inline void rows_back(const Run *r, Py_ssize_t i, real *scratch) noexcept nogil:
    backward_rows(r.call.t, <const real *> r.units, kernel_of(r, <const real *> r.call.spectra), r.count, i,
                  <real *> r.blocks, rows_of(r.call.t, r.call.s, scratch))


cdef inline void columns_back(const Run *r, Py_ssize_t i, real *_scratch) noexcept nogil:
    cdef const Task *t = r.call.t
    cdef Py_ssize_t lanes = lanes_of(sizeof(real)), columns = output_columns(t), pieces = ceil_div(columns, lanes)
    backward_columns(t, <real *> r.blocks + 2 * (i // pieces) * t.d * t.plane, i % pieces * lanes,
                     min(lanes, columns - i % pieces * lanes))


cdef inline void part_put(const Run *r, Py_ssize_t i, real *_scratch) noexcept nogil:
    cdef const Task *t = r.call.t
    put_part(t, <const real *> r.levels + 2 * (i // 2), r.first + i // 2, r.count, i % 2,
             kernel_of(r, <const real *> r.call.spectra), r.number,
             at(<const real *> r.call.bias, r.group % t.groups * t.ocg), outputs_of(t, <real *> r.call.out, r.group),
             <const real *> r.blocks + 2 * (i // 2) * t.d * t.plane)


cdef inline Run run_at(const Call *c, Py_ssize_t group, Py_ssize_t run, real *scratch) noexcept nogil:
    """A run of a group, counted over (image, group); where its spectra are, or are to be, in a thread's scratch."""
    cdef const Task *t = c.t
    cdef const Sizes *s = c.s
    cdef Run r
    cdef Py_ssize_t unit
    cdef real *to = scratch + s.run * s.work
    r.call, r.blocks, r.number = c, scratch, 0
    r.group, r.first = group, run_start(t, s, run)
    r.count = run_start(t, s, run + 1) - r.first
    r.units, r.levels = to, to + s.run * s.unit
    if c.units != NULL:
        unit = r.group * t.units + r.first
        r.units, r.levels = <real *> c.units + unit * s.unit, <real *> c.levels + unit * 2 * t.channels
    return r


cdef inline Run run_of_item(const Call *c, Py_ssize_t item, real *scratch) noexcept nogil:
    """A run, counted over (group, image, run), so that those that share kernels follow each other."""
    cdef Py_ssize_t image = item // c.s.runs % c.t.n, g = item // (c.s.runs * c.t.n)
    return run_at(c, image * c.t.groups + g, item % c.s.runs, scratch)


cdef inline void share_run(const Call *c, Py_ssize_t item, real *scratch, int threads) noexcept nogil:
    """`one_run` by all threads: of each unit, unless its spectra are there, parts, columns and rows, and back."""
    cdef const Task *t = c.t
    cdef const Sizes *s = c.s
    cdef Py_ssize_t lanes = lanes_of(sizeof(real)), i
    cdef Run r = run_of_item(c, item, scratch)
    cdef Forward f = Forward(t, s, scratch, r.units, t.w, 2 * r.count * t.channels, False)
    for i in range(t.channels * r.count if c.units == NULL else 0):
        r.number = i
        f.to = <real *> r.units + 2 * i * lanes
        each_piece(<Piece> part_staged[real], &r, 2, threads)
        share_forward(&f, scratch, threads)
    for i in range(t.kernels):
        r.number = i
        each_piece(<Piece> rows_back[real], &r, t.d * t.h // lanes, threads, scratch, s.each * sizeof(real))
        each_piece(<Piece> columns_back[real], &r, r.count * ceil_div(output_columns(t), lanes), threads)
        each_piece(<Piece> part_put[real], &r, 2 * r.count, threads)
