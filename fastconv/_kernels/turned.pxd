"""Narrow channels-first planes as channels-last images: so many channels at a time that all stays in the first cache.

    channel 0  a b c ...           pixel 0  a A ..          A row of a few pixels fills less than a vector, so vectors
    channel 1  A B C ...    ->     pixel 1  b B ..          run along channels instead: planes are turned in registers
    ...                            pixel 2  c C ..          (`turn.h`), pooled, and what results is turned back.

No one reads what becomes of the lanes beyond the last channel.
"""

from fastconv._kernels.turn cimport turn_block
from fastconv._kernels.window cimport PoolShape, Strides, number

# Measured: asv_bench, Windows; peers.py --family misc, max-first, avg-first.
cdef enum:
    NARROW = 128            # bytes of a row, up to which it is turned
    FEWEST = 16             # channels that are worth it, and of which a block has a multiple
    ROOM = 1 << 16          # bytes of a block: more than the first cache, but each block costs a call for each output
    MOST = 1 << 18          # bytes of the smallest block;
    MOST_WIDE = 1 << 20     # of places at a stride: 4x4x4 of 32 planes of 16x16x16 took 28 instead of 147 us


cdef struct Blocks:
    Py_ssize_t channels     # of a block; 0: planes are pooled as they lie
    Py_ssize_t count        # blocks of an image
    Py_ssize_t source, result                   # pixels of a plane, before and after


cdef inline Blocks blocks_for(
    const PoolShape *s, Py_ssize_t channels, Py_ssize_t size, Py_ssize_t made, bint wide,
) noexcept nogil:
    """How planes of elements of `size` bytes are turned, whose outputs take `made` bytes; also `wide` ones if so."""
    cdef Blocks b
    cdef double bytes = <double> FEWEST * (<double> s.id * s.ih * s.iw * size + <double> s.od * s.oh * s.ow * made)
    cdef Py_ssize_t sixteens = (channels + FEWEST - 1) // FEWEST, together
    b.channels, b.count, b.source, b.result = 0, 0, s.id * s.ih * s.iw, s.od * s.oh * s.ow
    if size < 4 or channels < FEWEST or s.iw * size > NARROW and not wide or bytes > (MOST_WIDE if wide else MOST):
        return b
    together = max(<Py_ssize_t> (ROOM / bytes), 1)
    b.count = (sixteens + together - 1) // together
    b.channels = (sixteens + b.count - 1) // b.count * FEWEST
    return b


cdef inline Strides turned_strides(const Blocks *b, const PoolShape *s) noexcept nogil:
    """Those of a block once it is turned."""
    cdef Strides t
    t.n, t.c, t.w, t.channels = 0, 1, b.channels, b.channels
    t.h = s.iw * t.w
    t.d = s.ih * t.h
    return t


cdef inline void turn_in(
    const Blocks *b, Py_ssize_t item, const number *x, const Strides *t, const PoolShape *s, number *to,
) noexcept nogil:
    """Turn block `item` of all, counted over the images; lanes beyond the last channel are zeros, so that no one meets
    a NaN of someone else's."""
    cdef Py_ssize_t first = item % b.count * b.channels, channels = min(b.channels, t.channels - first), z, y
    x += item // b.count * t.n + first * t.c
    for z in range(b.source if channels < b.channels else 0):
        for y in range(channels, b.channels):
            to[z * b.channels + y] = 0
    if (s.ih == 1 or t.h == s.iw) and (s.id == 1 or t.d == s.ih * s.iw):
        y = 0
        while y < channels:                                # a few planes at a time stay in the first cache meanwhile
            z = min(<Py_ssize_t> FEWEST, channels - y)
            turn_block(sizeof(number), z, b.source, x + y * t.c, t.c, to + y, b.channels)
            y += z
        return
    for z in range(s.id):
        for y in range(s.ih):
            turn_block(sizeof(number), channels, s.iw, x + z * t.d + y * t.h, t.c, to, b.channels)
            to += s.iw * b.channels


cdef inline void turn_out(
    const Blocks *b, Py_ssize_t item, Py_ssize_t channels, const number *pixels, number *out,
) noexcept nogil:
    """Turn what block `item` came to back to planes: its own among those of images of so many channels."""
    cdef Py_ssize_t first = item % b.count * b.channels
    out += (item // b.count * channels + first) * b.result
    turn_block(sizeof(number), b.result, min(b.channels, channels - first), pixels, b.channels, out, b.result)
