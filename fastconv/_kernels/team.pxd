"""Pieces of work for the threads of all kernels; see `team.pyx`."""

cdef extern from "atomic.h" nogil:
    Py_ssize_t atomic_get(Py_ssize_t *p)
    Py_ssize_t atomic_add(Py_ssize_t *p, Py_ssize_t v)
    bint atomic_replace(Py_ssize_t *p, Py_ssize_t old, Py_ssize_t v)
    void PAUSE()

# What computes a piece of a call; its scratch, and what the call is, are of the kernel's own types, so that pieces are
# cast to this one: a fused function needs the fused type among its arguments.
ctypedef void (*Piece)(const void *call, Py_ssize_t piece, void *scratch) noexcept nogil

cdef void each_piece(Piece piece, const void *call, Py_ssize_t pieces, int threads, void *scratch=*,
                     Py_ssize_t each=*) noexcept nogil
