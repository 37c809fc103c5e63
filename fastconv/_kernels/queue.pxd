"""Pieces of work for threads: each takes its own share first, and then what others have left; see `queue.h`.

    share_out(&queue, pieces, threads)
    with parallel(num_threads=queue.threads):
        while (piece := claim(&queue, threadid())) >= 0:
            ...

Not by `prange`, whose variable outlives the loop: for that gcc has all threads wait for each other before the first
piece, though one that slept takes 30 us to wake.
"""

from fastconv._kernels.team cimport alone_until

cdef extern from "queue.h" nogil:
    ctypedef struct Queue:
        int threads             # that are to come, no more than were asked for
    void queue_fill(Queue *queue, Py_ssize_t pieces, int threads, Py_ssize_t *alone)
    void queue_late(Py_ssize_t *alone, Py_ssize_t since, Py_ssize_t now)
    Py_ssize_t claim(Queue *queue, int thread)


cdef inline void share_out(Queue *queue, Py_ssize_t pieces, int threads) noexcept nogil:
    queue_fill(queue, pieces, threads, alone_until())
