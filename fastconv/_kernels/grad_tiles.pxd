"""The transforms of gradients by minimal filtering: runs of tiles of the input or grad_output, channels as lanes.

Of a dilated kernel a tile has every dilation-th element, and as many tiles lie between each other as elements apart:

    dilation 2, tiles of 4       0 1 0 1 0 1 0 1 | 2 3 2 3 2 3 2 3 | ..       elements by the tile that they belong to
"""

from libc.string cimport memset

from fastconv._kernels.pack cimport ceil_div, clip
from fastconv._kernels.shape cimport real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.turn cimport pixels_of

cdef extern from "grad_points.h" nogil:
    enum: GRAD_ONE, GRAD_THREE, GRAD_FOUR, GRAD_FIVE, GRAD_STRIDED, GRAD_MOST, GRAD_MOST_TAPS
    Py_ssize_t grad_taps(int rule)
    Py_ssize_t grad_tile(int rule)
    Py_ssize_t grad_reads(int rule)
    Py_ssize_t grad_points(int rule)
    Py_ssize_t grad_sums(int rule)
    Py_ssize_t grad_sum(Py_ssize_t point)
    void grad_down(size_t size, int slopes, int rule, Py_ssize_t cols, Py_ssize_t lo, Py_ssize_t hi, const void **rows,
                   const Py_ssize_t *step, void *to)
    void grad_across(size_t size, int slopes, int rule, Py_ssize_t lines, Py_ssize_t tiles, const void *source,
                     Py_ssize_t cols, Py_ssize_t apart, Py_ssize_t first, Py_ssize_t advance, void *to,
                     Py_ssize_t point, Py_ssize_t tile)
    void grad_back(size_t size, int rule_h, int rule_w, const void *sums, Py_ssize_t sum, void *to, Py_ssize_t row,
                   Py_ssize_t tap)

cdef enum:
    RUN = 64                # columns that the tiles of a run lie apart at most: what they read stays near


cdef struct Side:                           # one factor of the products
    const void *start
    bint slopes                             # grad_output, not the input
    bint last
    int rule_h, rule_w
    Py_ssize_t n, c, d, h, w                # strides, in elements
    Py_ssize_t high, wide                   # of a plane
    Py_ssize_t reads_h, reads_w             # of a tile
    Py_ssize_t apart_h, apart_w             # from one of these to the next, and as many tiles that begin side by side
    Py_ssize_t step_h, step_w               # from so many tiles to the next
    Py_ssize_t top, left                    # zeros before the plane
    Py_ssize_t tile, point                  # from one tile of the result to the next, and from one point to the next


cdef inline int rule_for(Py_ssize_t taps, Py_ssize_t stride) noexcept nogil:
    """The rule with the fewest products, as `_weight_choice.TILES` has them."""
    if taps == 1:
        return GRAD_ONE
    if stride > 1:
        return GRAD_STRIDED
    if taps == 5:
        return GRAD_FIVE
    return GRAD_FOUR if taps in (4, 7, 8) else GRAD_THREE


cdef inline Py_ssize_t tiles_of(Py_ssize_t outputs, Py_ssize_t tile, Py_ssize_t apart) noexcept nogil:
    """Tiles along an axis; none of them begins beyond it."""
    return outputs // (tile * apart) * apart + min(outputs % (tile * apart), apart)


cdef inline Py_ssize_t start_of(Py_ssize_t tile, Py_ssize_t step, Py_ssize_t apart) noexcept nogil:
    return tile // apart * step + tile % apart


cdef inline Py_ssize_t run_of(const Side *s) noexcept nogil:
    return max(RUN // s.step_w, 1) * s.apart_w


cdef inline Py_ssize_t strip_of(const Side *s, Py_ssize_t size) noexcept nogil:
    """Elements of a run's rows, and as many for what they become along h."""
    cdef Py_ssize_t most = ceil_div(run_of(s) - 1, s.apart_w) * s.step_w + (s.reads_w - 1) * s.apart_w + 1
    return GRAD_MOST * most * lanes_of(size)


cdef inline void transform_run(
    const Side *s, const real *x, Py_ssize_t channels, bint inside, Py_ssize_t ty, Py_ssize_t tx, Py_ssize_t count,
    real *to, real *strips,
) noexcept nogil:
    """Tiles (ty, tx) and those right of it of a plane x of the first channel, zeros unless it is `inside` the volume.

    Lanes beside the channels are zeros.
    """
    cdef Py_ssize_t vector = lanes_of(sizeof(real)), c = 0, i, y, some
    cdef Py_ssize_t first = start_of(tx, s.step_w, s.apart_w), y0 = start_of(ty, s.step_h, s.apart_h) - s.top
    cdef Py_ssize_t cols = start_of(tx + count - 1, s.step_w, s.apart_w) - first + (s.reads_w - 1) * s.apart_w + 1
    cdef Py_ssize_t x0 = first - s.left
    cdef Py_ssize_t lo = clip(-x0, 0, cols), hi = clip(s.wide - x0, lo, cols)
    cdef real *raw = strips + strip_of(s, sizeof(real))
    cdef const real *row
    cdef const void *rows[GRAD_MOST]
    cdef Py_ssize_t step[GRAD_MOST]
    cdef real zeros[16]
    memset(zeros, 0, sizeof(zeros))
    while c < channels:
        some = min(vector, channels - c)
        for i in range(s.reads_h):
            rows[i], step[i] = zeros, 0
            y = y0 + i * s.apart_h
            if not (inside and 0 <= y < s.high and lo < hi):
                continue
            row = x + c * s.c + y * s.h + x0 * s.w
            rows[i] = pixels_of(row, s.w, s.c, s.last, some, cols, lo, hi, raw + i * cols * vector, &step[i])
        grad_down(sizeof(real), s.slopes, s.rule_h, cols, lo, hi, rows, step, strips)
        grad_across(sizeof(real), s.slopes, s.rule_w, grad_points(s.rule_h), count, strips, cols, s.apart_w,
                    tx % s.apart_w, s.step_w - s.apart_w + 1, to + c, s.point, s.tile)
        c += vector
