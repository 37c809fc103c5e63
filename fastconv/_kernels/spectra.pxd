"""Spectra of units of input and of kernels, and their products: what `fourier.pyx` does for a run of units.

    unit     two real blocks as the two parts of a complex one: neighbours, or one alone and zeros
    kernel   the taps of one output and zeros, or of two neighbouring outputs
    run      a few units that share each load of a kernel's spectrum

Spectra lie in the order in which they are multiplied, of digits as transforms leave them:

    X [d, h / lanes, w] [channel] [unit of the run] [re, im] [lane]        W [d, h / lanes, w] [channel] [re, im] [lane]

Where a kernel is of two outputs, each has a scale, so that rounding errors of the one are small beside the other too: a
power of two that makes the sum of its taps' magnitudes about one, undone in the output. It follows the spectrum.

Most of the mean of each block, its level, is taken off before it is transformed, and what that adds to an output is put
back after: `levels` are [channel] [unit of the run] [re, im].
"""

from libc.math cimport INFINITY, frexp, ldexp
from libc.string cimport memset

from fastconv._kernels.blocks cimport Task, stage, stage_weight, store, sum_of_taps
from fastconv._kernels.fourier cimport (
    fourier_backward,
    fourier_forward,
    spectrum_product,
    spectrum_spread,
    spectrum_twist,
)
from fastconv._kernels.pack cimport ceil_div, zeros
from fastconv._kernels.shape cimport real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.turn cimport turn_block

cdef enum:
    CHAIN = 16      # levels that are added up in a row: all have one sign where it matters
    LARGEST = 100   # exponent of a scale, so that it and its inverse, divided by any block's points, are float32


cdef inline void twist(const Task *t, real *re, real *im, Py_ssize_t first, Py_ssize_t count,
                       bint back) noexcept nogil:
    """What stands between the columns and the rows of a line, at `count` rows from number `first` on."""
    cdef Py_ssize_t h
    if t.twist != NULL:
        for h in range(count):
            spectrum_twist(sizeof(real), t.w, re + h * t.ld, im + h * t.ld,
                           <const real *> t.twist + (first + h) * t.w, t.points, back)


cdef inline void forward_columns(const Task *t, real *re, Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    """Transform some columns of a unit along all axes but rows."""
    cdef Py_ssize_t d, h
    cdef real *im
    re += first
    im = re + t.d * t.plane
    if t.d > 1:
        for h in range(t.h):
            fourier_forward(sizeof(real), &t.transform[0], re + h * t.ld, im + h * t.ld, t.plane, count)
    for d in range(t.d):
        fourier_forward(sizeof(real), &t.transform[1], re + d * t.plane, im + d * t.plane, t.ld, count)


cdef inline void forward_rows(const Task *t, real *re, Py_ssize_t index, Py_ssize_t columns, real *rows, real *to,
                              Py_ssize_t apart, bint conjugate) noexcept nogil:
    """Transform a vector of rows, of the columns of a unit, to places `apart` vectors apart.

    columns : elements of a row that may not be zero; the others are not read
    """
    cdef Py_ssize_t lanes = lanes_of(sizeof(real)), each = 2 * lanes, high = t.h // lanes, h = index % high * lanes
    cdef real *im
    cdef bint at_once = apart == 2 and not conjugate
    re += index // high * t.plane + h * t.ld
    im = re + t.d * t.plane
    to += index * t.w * apart * lanes
    twist(t, re, im, h, lanes, False)
    if at_once:
        rows = to
    turn_block(sizeof(real), lanes, columns, re, t.ld, rows, each)
    turn_block(sizeof(real), lanes, columns, im, t.ld, rows + lanes, each)
    zeros(rows + columns * each, (t.w - columns) * each)
    fourier_forward(sizeof(real), &t.transform[2], rows, rows + lanes, each, lanes)
    if not at_once:
        spectrum_spread(sizeof(real), t.w, rows, to, apart, conjugate)


cdef inline void forward(const Task *t, real *re, Py_ssize_t columns, real *rows, real *to, Py_ssize_t apart,
                         bint conjugate) noexcept nogil:
    """Transform a unit, of whose rows all elements from `columns` on are zero."""
    cdef Py_ssize_t i
    forward_columns(t, re, 0, columns)
    for i in range(t.d * t.h // lanes_of(sizeof(real))):
        forward_rows(t, re, i, columns, rows, to, apart, conjugate)


cdef inline Py_ssize_t output_columns(const Task *t) noexcept nogil:
    """Of a block, those that hold outputs."""
    return t.w if t.line else t.axis[2].step


cdef inline void backward_rows(const Task *t, const real *x, const real *w, Py_ssize_t count, Py_ssize_t index,
                               real *blocks, real *rows) noexcept nogil:
    """A vector of rows of units of output, from the spectra of all channels and of a kernel for each."""
    cdef Py_ssize_t lanes = lanes_of(sizeof(real)), each = 2 * lanes, size = t.d * t.plane, high = t.h // lanes, _r
    cdef Py_ssize_t h = index % high * lanes, depth = index * t.w * t.channels * each
    cdef real *re = blocks + index // high * t.plane + h * t.ld
    spectrum_product(sizeof(real), count, t.channels, t.w, x + depth * count, w + depth, rows, t.w * each)
    for _r in range(count):
        fourier_backward(sizeof(real), &t.transform[2], rows, rows + lanes, each, lanes)
        turn_block(sizeof(real), t.w, lanes, rows, each, re, t.ld)
        turn_block(sizeof(real), t.w, lanes, rows + lanes, each, re + size, t.ld)
        twist(t, re, re + size, h, lanes, True)
        rows += t.w * each
        re += 2 * size


cdef inline void backward_columns(const Task *t, real *re, Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    """Transform some columns of a unit back along all axes but rows."""
    cdef Py_ssize_t d, h
    cdef real *im
    re += first
    im = re + t.d * t.plane
    for d in range(t.d):
        fourier_backward(sizeof(real), &t.transform[1], re + d * t.plane, im + d * t.plane, t.ld, count)
    if t.d > 1:
        for h in range(t.axis[1].step):
            fourier_backward(sizeof(real), &t.transform[0], re + h * t.ld, im + h * t.ld, t.plane, count)


cdef inline void stage_part(
    const Task *t, const real *x, Py_ssize_t c, Py_ssize_t unit, Py_ssize_t b, real *block, real *level,
) noexcept nogil:
    """Part `b`, 0 or 1, of channel `c` of a unit of the group of an image that starts at `x`, and its level."""
    cdef Py_ssize_t number = unit if t.two_outputs else 2 * unit + b, size = t.d * t.plane
    if number < t.blocks and not (t.two_outputs and b):
        level[b] = stage(t, x + c // t.phases * t.xc, c % t.phases, number, block + b * size)
    else:
        level[b] = 0
        memset(block + b * size, 0, size * sizeof(real))


cdef inline void transform_unit(
    const Task *t, const real *x, Py_ssize_t c, Py_ssize_t first, Py_ssize_t count, Py_ssize_t r, real *block,
    real *rows, real *to, real *levels,
) noexcept nogil:
    """Channel `c` of unit first + `r` of [first, first + count) of the group of an image that starts at `x`."""
    cdef Py_ssize_t b
    for b in range(2):
        stage_part(t, x, c, first + r, b, block, levels + 2 * (c * count + r))
    forward(t, block, t.w, rows, to + 2 * (c * count + r) * lanes_of(sizeof(real)), 2 * count * t.channels, False)


cdef inline void transform_run(
    const Task *t, const real *x, Py_ssize_t c, Py_ssize_t first, Py_ssize_t count, real *block, real *rows, real *to,
    real *levels,
) noexcept nogil:
    """Channel `c` of units [first, first + count) of a group of an image, which starts at `x`."""
    cdef Py_ssize_t r
    for r in range(count):
        transform_unit(t, x, c, first, count, r, block, rows, to, levels)


cdef inline void choose_scales(const Task *t, const real *w, Py_ssize_t q, real *scales) noexcept nogil:
    """What the outputs of kernel `q` of the group that starts at `w` are to be multiplied by."""
    cdef Py_ssize_t taps = t.icg * t.axis[0].taps * t.axis[1].taps * t.axis[2].taps, b, o
    cdef double size
    cdef int exponent
    scales[0] = scales[1] = 1
    if not t.two_outputs:
        return
    for b in range(2):
        o = 2 * q + b
        size = sum_of_taps(w + o * taps, taps, True) if o < t.ocg else 0
        if size == 0:
            scales[b] = 0
        elif size < INFINITY:       # and no NaN
            frexp(size, &exponent)
            scales[b] = <real> ldexp(1, max(min(exponent, LARGEST), -LARGEST))


cdef inline Py_ssize_t kernel_columns(const Task *t) noexcept nogil:
    """Of a block, those that may hold taps."""
    return t.w if t.line else t.axis[2].span


cdef inline void clear_row(const Task *t, real *block, Py_ssize_t row) noexcept nogil:
    """Zeros in the columns of a row of a unit that may hold taps, counted over (d, h)."""
    block += row // t.h * t.plane + row % t.h * t.ld
    zeros(block, kernel_columns(t))
    zeros(block + t.d * t.plane, kernel_columns(t))


cdef inline void stage_kernel(const Task *t, const real *w, Py_ssize_t q, Py_ssize_t c, const real *scales, real *block,
                              double *sums) noexcept nogil:
    """Channel `c` of kernel `q` of the group that starts at `w`, divided by the points of a block; sums of its taps."""
    cdef Py_ssize_t taps = t.axis[0].taps * t.axis[1].taps * t.axis[2].taps, size = t.d * t.plane
    cdef Py_ssize_t o = 2 * q if t.two_outputs else q, b
    cdef double[2] scale
    for b in range(2):
        scale[b] = 1.0 / t.points / (scales[b] if scales[b] else 1)
        sums[b] = 0
    w += (o * t.icg + c // t.phases) * taps
    sums[0] = stage_weight(t, w, c % t.phases, scale[0], block)
    if t.two_outputs and o + 1 < t.ocg:
        sums[1] = -stage_weight(t, w + t.icg * taps, c % t.phases, -scale[1], block + size)


cdef inline void keep_sums(const double *sums, real *to) noexcept nogil:
    """Exact sums of taps put back the level; `to` is where a channel's spectrum starts."""
    to[0] = <real> sums[0]
    to[lanes_of(sizeof(real))] = <real> sums[1]


cdef inline void transform_kernel(const Task *t, const real *w, Py_ssize_t q, Py_ssize_t c, const real *scales,
                                  real *block, real *rows, real *to) noexcept nogil:
    """The conjugate of a staged kernel's spectrum."""
    cdef double[2] sums
    cdef Py_ssize_t row
    to += 2 * c * lanes_of(sizeof(real))
    for row in range(t.d * t.h):
        clear_row(t, block, row)
    stage_kernel(t, w, q, c, scales, block, sums)
    forward(t, block, kernel_columns(t), rows, to, 2 * t.channels, True)
    keep_sums(sums, to)


cdef inline void put_part(
    const Task *t, const real *levels, Py_ssize_t unit, Py_ssize_t count, Py_ssize_t b, const real *w, Py_ssize_t q,
    const real *bias, real *out, const real *blocks,
) noexcept nogil:
    """Part `b`, 0 or 1, of a unit of output, one of `count`, to the outputs of the group that start at `out`.

    levels, blocks : of the unit
    """
    cdef Py_ssize_t c, part, lanes = lanes_of(sizeof(real)), o = 2 * q + b if t.two_outputs else q
    cdef Py_ssize_t number = unit if t.two_outputs else 2 * unit + b
    cdef const real *scales = w + 2 * t.channels * t.points
    cdef const real *level
    cdef double re, im, chain, lift = 0
    if o >= t.ocg or number >= t.blocks:
        return
    for part in range(ceil_div(t.channels, CHAIN)):
        chain = 0
        for c in range(part * CHAIN, min((part + 1) * CHAIN, t.channels)):
            level = levels + 2 * c * count
            re, im = w[2 * c * lanes], w[2 * c * lanes + lanes]
            chain += im * level[0] + re * level[1] if b else re * level[0] - im * level[1]
        lift += chain
    store(t, blocks + b * t.d * t.plane, number, scales[b], lift * t.points * scales[b],
          0 if bias == NULL else bias[o], out + o * t.oc)


cdef inline void multiply_run(
    const Task *t, const real *x, const real *levels, Py_ssize_t first, Py_ssize_t count, const real *w, Py_ssize_t q,
    const real *bias, real *out, real *blocks, real *rows,
) noexcept nogil:
    """Units [first, first + count) with kernel `q`, to the outputs of the group that start at `out`."""
    cdef Py_ssize_t i, r, b, size = t.d * t.plane
    for i in range(t.d * t.h // lanes_of(sizeof(real))):
        backward_rows(t, x, w, count, i, blocks, rows)
    for r in range(count):
        backward_columns(t, blocks + 2 * r * size, 0, output_columns(t))
        for b in range(2):
            put_part(t, levels + 2 * r, first + r, count, b, w, q, bias, out, <const real *> blocks + 2 * r * size)
