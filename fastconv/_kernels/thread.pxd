"""Threads of the system and Python's locks, for `team.pyx`."""

cdef extern from "thread.h" nogil:
    bint thread_begins(void (*run)(void *) noexcept nogil, void *argument)
    ctypedef struct Times:
        double wall, core
    Times thread_times()
    double clock_seconds()
    int this_core()
    void leave_core(int core, int least)
    # Locks, of which only to allocate one needs the GIL:
    ctypedef void *PyThread_type_lock
    enum: WAIT_LOCK
    PyThread_type_lock PyThread_allocate_lock()
    int PyThread_acquire_lock(PyThread_type_lock lock, int wait)
    void PyThread_release_lock(PyThread_type_lock lock)


cdef inline PyThread_type_lock held_lock() except NULL:
    """A new lock, that is held."""
    cdef PyThread_type_lock lock = PyThread_allocate_lock()
    if lock == NULL:
        raise MemoryError("fastconv: no lock for a thread")
    PyThread_acquire_lock(lock, WAIT_LOCK)
    return lock
