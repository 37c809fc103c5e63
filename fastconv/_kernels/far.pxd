"""Images that come from beyond the L2 cache, channels last: see `far.h`."""

from fastconv._kernels.window cimport PoolShape

cdef extern from "far.h" nogil:
    enum: FAR_PIXEL, FAR_CHUNK

cdef enum:
    # bytes of all images from which they are read in passes or asked for, us on Zen 4 (32 MiB of L3), AVX-512: maxima
    # of 2x2 over 9.2 MiB 167 in registers and 181 in passes, over 13.6 MiB 312 and 325, means 343 and 318, up to 1270
    # and 334 where others use the L3; 19.8 MiB 1259 and 755;
    FAR = 3 << 22
    # with places, over 9.2 MiB 528 and 397
    FAR_AT = 1 << 23


cdef inline Py_ssize_t fresh_taps(const PoolShape *s, Py_ssize_t n, Py_ssize_t pixel, Py_ssize_t far) noexcept nogil:
    """The taps of a row, which the window before lacks, of n images of pixels of so many bytes; all if windows share
    none, 0 if the images are smaller than `far`."""
    if not FAR_PIXEL <= pixel <= FAR_CHUNK or <double> n * s.id * s.ih * s.iw * pixel < far:
        return 0
    if s.adaptive or (s.kw - 1) * s.dw < s.sw:
        return max(s.iw, s.kw)
    return max(min(s.kw - 1, s.sw // s.dw), <Py_ssize_t> 1)
