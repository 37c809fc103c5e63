"""The arrays that a kernel is called with, of `operand.h`."""

cdef extern from "operand.h":
    enum: OWN_RANK
    ctypedef struct operand:
        void *data
        Py_ssize_t shape[5]
        Py_ssize_t strides[5]
        int rank
    operand five(object array, int rank) except *
    void *first_of(object array) except? NULL
