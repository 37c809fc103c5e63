"""Rings of channels, of `ring.h`."""

from fastconv._kernels.depthwise_last cimport depthwise_strip
from fastconv._kernels.shape cimport real

cdef extern from "ring.h" nogil:
    enum: RING_MOST, RING_WIDTH
    ctypedef struct ring_shape:
        Py_ssize_t size, parts, apart
    Py_ssize_t ring_width(size_t size)
    Py_ssize_t ring_lanes(size_t size, const ring_shape *ring)
    Py_ssize_t ring_pixels(Py_ssize_t size)
    void ring_strip(size_t size, Py_ssize_t px, const ring_shape *ring, const depthwise_strip *t,
                    const void *const *table, const void *w, void *out, Py_ssize_t vectors, Py_ssize_t valid)

cdef inline Py_ssize_t ring_of(ring_shape *ring, Py_ssize_t inputs, Py_ssize_t outputs) noexcept nogil:
    """The rings of groups of so many inputs and outputs; how many passes over the inputs there are."""
    cdef Py_ssize_t size = inputs, rest = outputs
    while rest > 0:
        size, rest = rest, size % rest
    ring.size, ring.parts, ring.apart = size, inputs // size, outputs
    return outputs // size


cdef inline void pack_rings(
    const ring_shape *ring, const real *w, const real *bias, Py_ssize_t taps, Py_ssize_t inputs, Py_ssize_t first,
    Py_ssize_t lanes, Py_ssize_t q, real *packed,
) noexcept nogil:
    """What a vector of lanes meets in pass q, of which lane 0 is channel `first`, counted round all `inputs`: biases,
    then (taps, products).

    The bias is that of the output with which a lane ends, in the first ring of a group.
    """
    cdef Py_ssize_t size = ring.size, group = size * ring.parts, width = ring_width(sizeof(real)), lane, c, o, r, tap
    cdef Py_ssize_t[RING_WIDTH * RING_MOST] source
    for lane in range(lanes):
        c = (first + lane) % inputs
        o = c // group * ring.apart + q * size
        c %= group
        if bias != NULL and c < size:
            packed[lane] = bias[o + c]
        for r in range(size):
            source[r * lanes + lane] = ((o + (c + r) % size) * group + c) * taps
    for tap in range(taps):
        for r in range(size):
            packed += width
            for lane in range(lanes):
                packed[lane] = w[source[r * lanes + lane] + tap]
