"""Which inputs and taps of a transposed convolution meet in an output, along one axis."""


cdef struct Meeting:
    Py_ssize_t input, tap                   # an input and the tap that takes it to an output


cdef inline Py_ssize_t meet(
    Meeting *meetings, Py_ssize_t *counts, Py_ssize_t outputs, Py_ssize_t inputs, Py_ssize_t taps, Py_ssize_t stride,
    Py_ssize_t dilation, Py_ssize_t crop,
) noexcept nogil:
    """Fill in what meets in output o, `counts[o]` of them from `meetings[o * taps]` on; the most that do."""
    cdef Py_ssize_t o, k, i, most = 0
    for o in range(outputs):
        counts[o] = 0
        for k in range(taps):
            i = o + crop - k * dilation
            if i >= 0 and i % stride == 0 and i // stride < inputs:
                meetings[o * taps + counts[o]] = Meeting(i // stride, k)
                counts[o] += 1
        most = max(most, counts[o])
    return most
