"""Which way channels-first maxima take whose places are asked for: see `pool_at.pyx`."""

from libc.stdint cimport int64_t

from fastconv._kernels.pool_at_work cimport BY_TAPS, divide
from fastconv._kernels.strips cimport VECTOR_BYTES, Strips
from fastconv._kernels.strips_at cimport strips_at_for
from fastconv._kernels.turned cimport Blocks, blocks_for
from fastconv._kernels.window cimport PoolShape, Strides

cdef enum:
    # bytes of vectors along rows of volumes, times the stride, turned if they are less: 3x3x3 of 256 of 8x8x8 at stride
    # 2 55 instead of 87 us, at stride 1 309, not 485; but 2x2x2 at stride 2 of 96 of 16x16x16 122, not 77
    SHORT = 64


cdef inline void choose(
    const PoolShape *s, Strides *t, Py_ssize_t *n, Py_ssize_t size, Strips *f, Blocks *b,
) noexcept nogil:
    """Which way planes go: in strips if these have bytes, else in blocks if these have channels, else row by row."""
    cdef bint wide = s.adaptive or s.sw > 1 and (          # single elements at a stride are dear
        s.kd * s.kh > 1 or divide(s, t, size, False).way == BY_TAPS)
    if n[0] > 1 and t.n == t.channels * t.c:               # planes of all images alike: the more, the fuller are blocks
        t.channels, n[0] = n[0] * t.channels, 1
    f[0] = strips_at_for(s, t, n[0], size)
    b[0] = blocks_for(s, t.channels, size, size + sizeof(int64_t), wide)
    if f.bytes and f.deep and b.channels and f.bytes < min(SHORT // s.sw, VECTOR_BYTES):
        f.bytes = 0
