"""For how long a thread of `team.pyx` looks for what it waits for: in time, since a pause takes 13 ns on Ice Lake and
30 on Zen 3, and by the manual 140 cycles on Skylake."""

from fastconv._kernels.thread cimport clock_seconds

cdef enum:
    PAUSES = 32     # from one look at the clock, of 30 ns, to the next


cdef struct Patience:
    Py_ssize_t looks            # so far
    double begun, seconds       # when the clock was first looked at, or -1, and how long after that the last look is


cdef inline Patience patience(int microseconds) noexcept nogil:
    cdef Patience p
    p.looks, p.seconds, p.begun = 0, 1e-6 * microseconds, -1
    return p


cdef inline bint waits(Patience *p) noexcept nogil:
    """Whether a thread is to look once more, by the clock that it looks at after some pauses."""
    cdef double now
    p.looks += 1
    if p.looks % PAUSES:
        return p.seconds > 0
    now = clock_seconds()
    if p.begun < 0:
        p.begun = now
    return 0 <= now - p.begun < p.seconds
