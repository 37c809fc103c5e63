"""Gradient of depthwise weights of 3x3 taps, channels first: rows of grad_output against rows of the input.

    dw[c, i, j] = sum over images, y, o of  gout[c, y, o] * padded[c, y * sh + i, o * sw + j * dw]

Each channel is an image and a gradient of its own, and its planes lie dense in memory. The input rows under a band of
output are staged with their padding, split by the phase of the stride (`staged_rows.pxd`), and a vector along a row of
gout meets each of them where it is (`row_grad.h`): no pixel is turned, and nothing beyond L1 is written.

Each channel has nine vectors of sums through all images, chains of at most CHUNK products added up in the same way;
their lanes come together at the end, and after CHUNK chains, in long double. A part of the channels goes through the
images as they lie in memory. Work is split over channels only, so the order of every sum is the same for any number of
threads.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc

from fastconv._kernels.pack cimport ceil_div, clip, copy_run, zeros
from fastconv._kernels.shape cimport ConvShape, read_shape, real
from fastconv._kernels.staged_rows cimport StagedRows, split_phases, stage_rows

cdef extern from "row_grad.h" nogil:
    ctypedef struct band_shape:
        Py_ssize_t kh, kw, sh, pitch
        const Py_ssize_t *column
        Py_ssize_t cols
    Py_ssize_t band_lanes(size_t size)
    Py_ssize_t add_band(size_t size, const band_shape *s, Py_ssize_t rows, const void *g, Py_ssize_t g_pitch,
                        const void *x, void *total)
    void add_lanes(size_t size, Py_ssize_t taps, void *total, long double *sums)

cdef enum:
    STAGE_BYTES = 16384     # staged rows of a band: half of a 32 KiB L1, beside what is read and a plane's next rows
    TAPS = 9
    PART = 64               # channels of a part: sums of 36 KiB at AVX-512, in L2
    MANY = 32               # chains in a lane after which lanes are added up; a band adds no more than as many again
    LINE = 64               # bytes of a cache line


cdef struct Task:
    ConvShape s
    Py_ssize_t n
    Py_ssize_t xn, xc, xh                   # strides of the input, in elements; grad_output is dense
    Py_ssize_t rows, few, g_pitch           # of a band; whether a row of grad_output is copied to fill a vector
    Py_ssize_t channels                     # of a part
    Py_ssize_t sums, g_room, own            # elements of a thread's scratch: sums, rows of grad_output; all with stage
    StagedRows stage
    band_shape band


cdef Py_ssize_t one_plane(
    const Task *t, const real *x, const real *gout, real *total, long double *sums, Py_ssize_t chains, real *scratch,
) noexcept nogil:
    """Add a plane of one channel to its sums; of the chains in `total`, how many there are before and after."""
    cdef Py_ssize_t size = sizeof(real), y = 0, r, rows
    cdef real *stage = scratch + t.g_room
    cdef const real *g = scratch
    while y < t.s.oh:
        rows = min(t.rows, t.s.oh - y)
        stage_rows(&t.stage, &t.s, x, t.xh, y, 0, stage)
        if t.few:
            for r in range(rows):
                copy_run(scratch + r * t.g_pitch, gout + (y + r) * t.s.ow, t.s.ow, 1)
        else:
            g = gout + y * t.s.ow
        chains += add_band(size, &t.band, rows, g, t.g_pitch, stage, total)
        if chains >= MANY:
            add_lanes(size, TAPS, total, sums)
            chains = 0
        y += rows
    return chains


cdef void one_part(
    const Task *t, const real *x, const real *gout, real *dw, Py_ssize_t channels, real *scratch,
) noexcept nogil:
    """The taps of some channels, image by image, as they follow each other in memory."""
    cdef Py_ssize_t size = sizeof(real), each = TAPS * band_lanes(size), image, c, i, chains = 0, after = 0
    cdef real *total = scratch
    cdef long double *sums = <long double *> (scratch + t.channels * each)
    zeros(total, channels * each)
    for i in range(channels * TAPS):
        sums[i] = 0
    for image in range(t.n):
        for c in range(channels):
            after = one_plane(t, x + image * t.xn + c * t.xc, gout + (image * t.s.oc + c) * t.s.oh * t.s.ow,
                              total + c * each, sums + c * TAPS, chains, scratch + t.sums)
        chains = after          # the same for every channel
    for c in range(channels):
        add_lanes(size, TAPS, total + c * each, sums + c * TAPS)
    for i in range(channels * TAPS):
        dw[i] = <real> sums[i]


cdef void plan(Task *t, Py_ssize_t size, Py_ssize_t *column, int threads) noexcept nogil:
    """Bands of as many rows as fit the stage."""
    cdef Py_ssize_t line = LINE // size, lanes = band_lanes(size)
    t.stage.cols = t.s.ow
    split_phases(&t.stage, &t.s, column, line)
    t.rows = clip((STAGE_BYTES // (t.stage.pitch * size) - t.s.kh) // t.s.sh + 1, min(4, t.s.oh), t.s.oh)
    t.stage.staged = (t.rows - 1) * t.s.sh + t.s.kh
    t.stage.moving = t.rows < t.s.oh
    t.stage.split = False
    t.few = t.s.ow < lanes
    t.g_pitch = lanes if t.few else t.s.ow
    t.g_room = t.rows * lanes if t.few else 0
    t.channels = min(PART, ceil_div(t.s.oc, threads))
    t.sums = ceil_div(t.channels * TAPS * (lanes + <Py_ssize_t> sizeof(long double) // size), line) * line
    t.own = ceil_div(t.sums + t.g_room + t.stage.staged * t.stage.pitch + lanes, line) * line
    t.band.kh, t.band.kw, t.band.sh = t.s.kh, t.s.kw, t.s.sh
    t.band.pitch = t.stage.pitch
    t.band.column = column
    t.band.cols = t.s.ow


def weight_grad(
    tuple geometry,
    const real[:, :, :, :, :] x,
    const real[:, :, :, :, :] gout,
    real[:, :, :, :, ::1] dw,
    int threads,
):
    """Weight gradient of a depthwise convolution, kh == kw == 3, dh == 1, sh <= 2, id == kd == od == 1.

    Arguments as of `weight_grad.weight_grad`, channels-first.
    """
    cdef Task t
    cdef Py_ssize_t size = sizeof(real), c, item
    cdef Py_ssize_t table[3 * 3]
    cdef const real *xs = &x[0, 0, 0, 0, 0]
    cdef const real *gs = &gout[0, 0, 0, 0, 0]
    cdef real *to = &dw[0, 0, 0, 0, 0]
    cdef char *memory
    cdef real *scratch
    read_shape(&t.s, geometry)
    t.n = x.shape[0]
    t.xn, t.xc, t.xh = x.strides[0] // size, x.strides[1] // size, x.strides[3] // size
    t.stage.phase, t.stage.shift = table, table + 3
    plan(&t, size, table + 6, threads)
    memory = <char *> malloc(t.own * threads * size + LINE)
    if memory == NULL:
        raise MemoryError(f"row_grad: no memory for {t.own * threads * size} bytes of staged rows")
    scratch = <real *> (ceil_div(<Py_ssize_t> memory, LINE) * LINE)
    with nogil:
        zeros(scratch, t.own * threads)
        for item in prange(ceil_div(t.s.oc, t.channels), num_threads=threads, schedule="dynamic"):
            c = item * t.channels
            one_part(&t, xs + c * t.xc, gs + c * t.s.oh * t.s.ow, to + c * TAPS, min(t.channels, t.s.oc - c),
                     scratch + threadid() * t.own)
    free(memory)
