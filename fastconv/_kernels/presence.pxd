"""Whether a worker of `team.pyx` has a core to itself: how long it missed one of late, and if it is on its caller's.

Linux may put a thread that it wakes on the core of who woke it, though another is free, and leave both there for
seconds: a call then takes as long as on one thread, or longer by what they do twice.
"""

from fastconv._kernels.thread cimport Times, leave_core, this_core, thread_times

cdef enum:
    # Microseconds
    MISSED = 1000           # for which a worker may miss the core and still look for work,
    MOST_MISSED = 30000     # and that it remembers
    STAYS = 10000           # for which it does not leave a core again: to go takes tens
    FORGETS = 8             # times as long as a worker missed the core, it has forgotten that


cdef struct Presence:
    Times last              # when the worker looked at the clock
    double missed, left     # seconds for which it missed the core of late; when it left one


cdef inline double still_missed(double missed, double wall, double core) noexcept nogil:
    """For how long a worker missed the core of late: `wall` seconds later, in `core` of which it had one or slept."""
    return min(max(missed + wall - core - wall / FORGETS, 0), 1e-6 * MOST_MISSED)


cdef inline Presence begins() noexcept nogil:
    cdef Presence p
    p.last = thread_times()
    p.missed, p.left = 0, p.last.wall - 1e-6 * STAYS
    return p


cdef inline bint has_core(Presence *p) noexcept nogil:
    """Whether the worker hardly missed the core until now."""
    cdef Times now = thread_times()
    p.missed = still_missed(p.missed, now.wall - p.last.wall, now.core - p.last.core)
    p.last = now
    return p.missed < 1e-6 * MISSED


cdef inline void has_slept(Presence *p) noexcept nogil:
    cdef Times now = thread_times()
    p.missed = still_missed(p.missed, now.wall - p.last.wall, now.wall - p.last.wall)
    p.last = now


cdef inline void leave_caller(Presence *p, int core, int workers) noexcept nogil:
    """Go to another core if the worker is on this one of a caller's, unless it left one a moment ago or other cores are
    fewer than `workers`: 255 on two cores would crowd on one."""
    cdef double now
    if core == this_core():
        now = thread_times().wall
        if now - p.left >= 1e-6 * STAYS:
            leave_core(core, workers)
            p.left = now
