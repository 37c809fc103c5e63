"""Windows of a few columns, a few columns apart, over channels-first planes (`strided.h`): which these are, and where
their rows lie."""

from libc.stdint cimport int64_t

from fastconv._kernels.heap cimport give_back
from fastconv._kernels.rows cimport FoldEnd, fold_end
from fastconv._kernels.scratch cimport borrow
from fastconv._kernels.strips cimport PIECES, STRIP_BLOCK, STRIP_LARGEST, STRIP_MEAN, parts_of, plane_of
from fastconv._kernels.team cimport Piece, each_piece
from fastconv._kernels.window cimport (
    Place, PoolShape, Strides, count_of_all, counts_along, divisor_of, number, place,
)

cdef extern from "strided.h" nogil:
    ctypedef struct StridedRow:
        Py_ssize_t from_ "from", depths, rows
        FoldEnd end
    ctypedef struct Strided:
        Py_ssize_t iw, ow, pw, taps, stride, kh, shared, depth, row, step, bytes, height, kd, fresh, fresh_depths
        int kind
        double blank
        int64_t lowest
        const StridedRow *rows
        const void *across
    Py_ssize_t strided_bytes(const Strided *s, Py_ssize_t size) noexcept
    void pool_strided(...) noexcept

cdef enum:
    STRIDED_LEAST = 12                 # outputs of a row, from which narrow planes are not turned for it
    LEAST_HEIGHT = 4                   # rows of outputs that are walked down together
    FAR = 1 << 20                      # bytes of images, from which on they come from beyond the second cache
    CHAIN = 64                         # elements of a column at most, which are added one after the other
    MOST_LANES = 16                    # of a vector, which is read of what divides a row, and may end beyond it


cdef inline Strided strided_for(const PoolShape *s, const Strides *t, Py_ssize_t n, Py_ssize_t size) noexcept nogil:
    """How n channels-first images of elements of `size` bytes are pooled, but for tables; `bytes` is 0 if these are
    other windows."""
    cdef Strided f
    f.iw, f.ow, f.pw, f.taps, f.stride, f.bytes = s.iw, s.ow, s.pw, s.kw, s.sw, 0
    f.depth, f.row, f.step, f.kh, f.shared = s.dd * t.d, s.dh * t.h, s.sh * t.h, s.kh, 0
    if s.kd == 1 and s.dh == 1 and s.sh < s.kh <= 2 * s.sh:
        f.shared = s.kh - s.sh
    f.kind = STRIP_LARGEST if s.maximum else STRIP_MEAN
    f.kd, f.fresh, f.fresh_depths = s.kd, 0, 0
    f.height = max(<Py_ssize_t> LEAST_HEIGHT, STRIP_BLOCK // (min(s.sh, s.ih) * s.iw * size))
    if <double> n * t.channels * s.id * s.ih * s.iw * size >= FAR:
        f.fresh, f.fresh_depths = min(s.sh, s.kh), min(s.sd, s.kd)
    f.rows, f.across = NULL, NULL
    if not s.adaptive and s.dw == 1 and max(s.kd, s.kh) <= CHAIN and s.kd * s.kh <= CHAIN:
        f.bytes = strided_bytes(&f, size)
    return f


cdef inline void lay_rows(StridedRow *rows, PoolShape *s, const Strides *t) noexcept nogil:
    """Where the windows of each row of outputs lie, and what divides their sums but for what differs along the row."""
    cdef Py_ssize_t z, o, count = count_of_all(s)
    cdef double by
    cdef Place at
    for z in range(s.od):
        for o in range(s.oh):
            at = place(s, z, o)
            by = 1 if s.maximum else divisor_of(s, at)
            rows.from_ = (at.z + at.i0 * s.dd) * t.d + (at.y + at.j0 * s.dh) * t.h
            rows.depths, rows.rows, rows.end = at.i1 - at.i0, at.j1 - at.j0, fold_end(by * count)
            if count == 0:
                rows.end.by = by
            rows += 1


cdef struct StridedPlanes:
    const Strided *f
    const Strides *t
    const void *x
    void *out
    Py_ssize_t rows                    # of outputs of a plane, in
    Py_ssize_t parts                   # so many parts,
    Py_ssize_t shares                  # of all of which threads take shares
    Py_ssize_t planes


cdef inline void strided_share(const StridedPlanes *c, Py_ssize_t i, number *_scratch) noexcept nogil:
    """Share i of all rows of outputs: parts of planes that follow each other."""
    cdef Py_ssize_t all = c.planes * c.parts, r, plane, part, first, last
    cdef Py_ssize_t begin = all * i // c.shares, stop = all * (i + 1) // c.shares
    cdef number *out = <number *> c.out
    cdef const number *end = out + (stop // c.parts * c.rows + stop % c.parts * c.rows // c.parts) * c.f.ow
    for r in range(begin, stop):
        plane, part = r // c.parts, r % c.parts
        first, last = part * c.rows // c.parts, (part + 1) * c.rows // c.parts
        pool_strided(
            c.f, plane_of(<const number *> c.x, c.t, plane), out + (plane * c.rows + first) * c.f.ow, first, last, end,
        )


cdef inline int in_strides(
    const number *x, number *out, Py_ssize_t n, const Strides *t, PoolShape *s, Strided *f, number blank, int threads,
) except -1:
    """Pool n images as `strided_for` says."""
    cdef Py_ssize_t planes = n * t.channels, rows = s.od * s.oh, parts = parts_of(planes, rows, threads)
    cdef StridedPlanes call = StridedPlanes(f, t, x, out, rows, parts, min(planes * parts, PIECES * threads), planes)
    cdef Py_ssize_t table = rows * <Py_ssize_t> sizeof(StridedRow)
    cdef char *shared = borrow("pooling", table + (s.ow + MOST_LANES) * <Py_ssize_t> sizeof(number))
    cdef number *across = <number *> (shared + table)
    cdef Py_ssize_t j
    f.rows = <const StridedRow *> shared
    f.blank, f.lowest = <double> blank, 0
    if number is not float and number is not double:
        f.lowest = <int64_t> blank
    with nogil:
        lay_rows(<StridedRow *> shared, s, t)
        if not s.maximum and count_of_all(s) == 0:
            counts_along(across, s)
            for j in range(s.ow, s.ow + MOST_LANES):
                across[j] = 1
            f.across = across
        each_piece(<Piece> strided_share[number], &call, call.shares, threads)
    give_back(shared)
    return 0
