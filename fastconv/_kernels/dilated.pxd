"""Outputs whose dilated taps fall on common inputs.

Taps `dilation` apart see what neighbouring taps see of an image of every `dilation`-th row or column. So outputs that
lie a few phases apart are an image of their own, of which neighbours share loads as without dilation:

    dilation 2, stride 1    inputs 0 2 4 6 ...    outputs 0 2 4 ...    phase 0
                            inputs 1 3 5 7 ...    outputs 1 3 5 ...    phase 1
"""

from fastconv._kernels.pack cimport ceil_div

cdef enum:
    LEAST_SHARED = 3    # outputs of a phase that are worth being told apart
    MOST_PHASES = 4     # of rows by `filter.pyx`: eight of each stay in L1


cdef inline Py_ssize_t phases_of(Py_ssize_t stride, Py_ssize_t dilation, Py_ssize_t outputs) noexcept nogil:
    """How many phases there are: those of dilation / gcd; 1, which is none, where they would be too short.

    With p of them the outputs of a phase are stride * p inputs apart, a multiple of the dilation.
    """
    cdef Py_ssize_t phases = 1
    while phases * stride % dilation != 0 and phases * LEAST_SHARED <= outputs:
        phases += 1
    return phases if phases * LEAST_SHARED <= outputs else 1


cdef inline Py_ssize_t in_phase(Py_ssize_t outputs, Py_ssize_t phases, Py_ssize_t phase) noexcept nogil:
    """How many of the first outputs are in a phase."""
    if phases == 1:     # a division takes as long as an output of nine taps
        return outputs
    return ceil_div(outputs - phase, phases) if outputs > phase else 0
