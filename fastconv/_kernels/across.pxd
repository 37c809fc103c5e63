"""Products of small maps: lanes along output channels, so that the pixels of a map need not fill vectors.

    7 x 7 pixels are three vectors of 16 and one:       channels are 32, 32, ...
    o [  16  ][  16  ][  16  ][1       ]                pixel [  32 channels  ][  32 channels  ] ...

Rows of the tile are pixels then, as in `direct_last.pyx`, but of a panel of columns, neighbours in each step of k; its
columns are output channels, of weights turned to (k, channel) a tile at a time, or beforehand. Until the last products
the sums of a tile's channels lie turned in their own place in the output. The order of every sum is that of `multiply`.
"""

from libc.string cimport memcpy

from fastconv._kernels.pack cimport ceil_div
from fastconv._kernels.product cimport round_up
from fastconv._kernels.shape cimport at, real
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.tile cimport TILE_ROWS, tile, tile_across, tile_finish, tile_width
from fastconv._kernels.turn cimport turn_block

cdef enum:
    SMALL = 128     # pixels, beyond which little is gained: 1x1 and 3x3 layers on maps of 4x4 to 14x14, 2026-11-25
    TURNING = 7     # pixels whose products take as long as turning a weight of float, half of double: the same


cdef inline bint wastes_lanes(Py_ssize_t pixels, Py_ssize_t channels, size_t size) noexcept nogil:
    """Whether idle lanes of pixels would cost more than those of channels and turning the weights."""
    cdef Py_ssize_t lanes = lanes_of(size), turning = TURNING * <Py_ssize_t> size // 4
    return pixels <= SMALL and (pixels + turning) * round_up(channels, lanes) <= round_up(pixels, lanes) * channels


cdef inline void multiply_pixels(
    bint by_k, Py_ssize_t pixels, Py_ssize_t channels, Py_ssize_t kc, const real *x, Py_ssize_t ldx, const real *b,
    real *c, Py_ssize_t ldc, const tile_finish *finish,
) noexcept nogil:
    """c[pixel][channel] (+)= patch of the pixel * b[k][channel] for the channels of a tile at most.

    x is [k][pixel] or, unless `by_k`, [pixel][k].
    """
    cdef Py_ssize_t width = tile_width(sizeof(real)), tiles = ceil_div(pixels, TILE_ROWS), i = 0, n, r
    cdef Py_ssize_t shorter = pixels // tiles, longer = pixels - shorter * tiles
    for n in range(tiles):
        r = shorter + (n < longer)
        if by_k:
            tile_across(sizeof(real), r, channels, kc, x + i, ldx, b, width, c + i * ldc, ldc, finish)
        else:
            tile(sizeof(real), r, channels, kc, x + i * ldx, ldx, b, width, c + i * ldc, ldc, finish)
        i += r


cdef inline void multiply_across(
    Py_ssize_t channels, Py_ssize_t pixels, Py_ssize_t kc, const real *w, const real *packed, Py_ssize_t depth,
    const real *x, Py_ssize_t ldx, real *turned, real *out, bint last, tile_finish finish,
) noexcept nogil:
    """out[channel][pixel] (+)= w[channel][k] * x[k][pixel], where k is one of `kc` of `depth`.

    packed : tiles of the weights, turned beforehand, or NULL
    turned : room for the weights of a tile or its sums
    last : there are no more products to come
    """
    cdef Py_ssize_t width = tile_width(sizeof(real)), o = 0, some
    cdef const real *bias = <const real *> finish.row_bias
    cdef const real *b = turned
    finish.row_bias = NULL
    while o < channels:
        some = min(width, channels - o)
        if packed == NULL:
            turn_block(sizeof(real), some, kc, w + o * depth, depth, turned, width)
        else:
            b = packed + o * depth
        finish.col_bias = at(bias, o)
        multiply_pixels(True, pixels, some, kc, x, ldx, b, out + o * pixels, some, &finish)
        if last:
            turn_block(sizeof(real), pixels, some, <const real *> (out + o * pixels), some, turned, pixels)
            memcpy(out + o * pixels, turned, some * pixels * sizeof(real))
        o += some
