"""Results in memory that is kept between calls: the blocks of `_kernels/heap.pyx` as NumPy's memory.

NumPy asks the handler in use for an array's data and remembers it in the array, which gives the data back to it from
wherever it dies (https://numpy.org/neps/nep-0049.html). So such an array owns its data as any other does. The handler
is in use while a large result is made, in this thread alone, and not where the user has one of their own.

FASTCONV_KEPT_MEMORY says how many MiB may be kept beyond what is in use, 0 for none.
"""

import os
import sys

import numpy as np
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_New
from libc.math cimport INFINITY
from libc.stdint cimport uint8_t
from libc.string cimport memset, strcpy

from fastconv._kernels cimport heap
from fastconv._kernels import heap as blocks

cdef extern from "numpy/arrayobject.h":
    ctypedef struct PyDataMemAllocator:
        void *ctx
        void *(*malloc)(void *, size_t) noexcept
        void *(*calloc)(void *, size_t, size_t) noexcept
        void *(*realloc)(void *, void *, size_t) noexcept
        void (*free)(void *, void *, size_t) noexcept

    ctypedef struct PyDataMem_Handler:
        char name[127]
        uint8_t version
        PyDataMemAllocator allocator

    PyObject *PyDataMem_DefaultHandler
    object PyDataMem_GetHandler()
    object PyDataMem_SetHandler(object)
    int _import_array() except -1

_import_array()

cdef enum:
    NEXT = 96       # bytes from stores just made to the loads that follow, of the next vector or the one after it
    ROWS = 10       # of input under a band, as near and as far as these lie to a row that is stored

DIGITS = 9      # of a number of MiB that are read


cdef Py_ssize_t place = heap.LINE       # in a page, of the next array


cdef void *take(void *context, size_t bytes) noexcept:
    return heap.take_at(<Py_ssize_t> bytes, place)


cdef void *take_zeros(void *context, size_t many, size_t bytes) noexcept:
    cdef void *memory
    if bytes and many > <size_t> -1 // bytes:
        return NULL
    memory = heap.take(<Py_ssize_t> (many * bytes))
    if memory != NULL:
        memset(memory, 0, many * bytes)
    return memory


cdef void *resize(void *context, void *memory, size_t bytes) noexcept:
    return heap.resize(memory, <Py_ssize_t> bytes)


cdef void give_back(void *context, void *memory, size_t bytes) noexcept:
    heap.give_back(memory)


cdef PyDataMem_Handler handler      # for ever, as the last array may outlive this module
strcpy(handler.name, "fastconv")
handler.version = 1
handler.allocator = PyDataMemAllocator(NULL, take, take_zeros, resize, give_back)
cdef object capsule = PyCapsule_New(&handler, "mem_handler", NULL)


cdef bint is_large(Py_ssize_t bytes) noexcept:
    """Whether a result of so many bytes is to be in kept memory, which takes NumPy 0.3 us."""
    return heap.is_large(bytes // 8)


cdef Py_ssize_t behind(Py_ssize_t row) noexcept:
    """How many bytes, of a page, a result of rows of so many bytes is best behind what it is computed from.

    Cores compare the last twelve bits of addresses first, and a load waits for a store just before it that has the
    same. Where as many rows are written as read, loads are NEXT bytes on from stores to up to ROWS rows above or below.
    """
    cdef Py_ssize_t best = 0, line, k, off
    cdef double least = INFINITY, lines, waits
    for line in range(heap.PAGE // heap.LINE):
        waits = 0
        for k in range(-ROWS, ROWS + 1):
            off = (line * heap.LINE - k * (row % heap.PAGE) - NEXT) & (heap.PAGE - 1)
            lines = <double> min(off, heap.PAGE - off) / heap.LINE
            waits += (ROWS + 1 - max(k, -k)) / (1 + lines * lines)
        if waits < least:
            best, least = line * heap.LINE, waits
    return best


cdef object lend(size_t at):
    """Let NumPy's arrays be of kept memory until `end` gets what this returns; None where the user's handler stays.

    at : the address that they begin at, modulo a page, to the nearest line
    """
    global place
    users = PyDataMem_GetHandler()
    place = heap.round_up(<Py_ssize_t> (at % heap.PAGE) - heap.LINE // 2, heap.LINE) or heap.PAGE
    if <PyObject *> users != PyDataMem_DefaultHandler:
        return None
    return PyDataMem_SetHandler(capsule)


cdef int end(object lent) except -1:
    if lent is not None:
        PyDataMem_SetHandler(lent)
    return 0


cdef made_at(size_t at, function, tuple arguments):
    lent = lend(at)
    try:
        return function(*arguments)
    finally:
        end(lent)


def made_by(function, *arguments):
    """What a function of NumPy returns, its arrays in kept memory."""
    return made_at(heap.LINE, function, arguments)


def empty(tuple shape, dtype, source=None):
    """`numpy.empty`, in kept memory where it is large, at a good distance from the array that it is computed from."""
    cdef double bytes = np.dtype(dtype).itemsize
    cdef size_t at = heap.LINE
    for n in shape:
        bytes *= n
    if bytes < 2.0 ** 62 and is_large(<Py_ssize_t> bytes):      # more is an error, NumPy's
        if source is not None:
            at = <size_t> source.ctypes.data + behind(shape[len(shape) - 1] * np.dtype(dtype).itemsize)
        return made_at(at, np.empty, (shape, dtype))
    return np.empty(shape, dtype)


def empty_like(array, dtype=None):
    """`numpy.empty_like`, in kept memory where the array is large."""
    return made_by(np.empty_like, array, dtype) if is_large(array.nbytes) else np.empty_like(array, dtype)


def whole_lines(Py_ssize_t elements, Py_ssize_t itemsize):
    """At least so many elements, in whole cache lines."""
    return heap.round_up(elements * itemsize, heap.LINE) // itemsize


def lines(Py_ssize_t elements, dtype):
    """So many elements from a cache line on, for what kernels read by vectors: of those that cross into the next line
    Ice Lake loads half as many a cycle."""
    memory = empty((elements + heap.LINE // np.dtype(dtype).itemsize,), dtype)
    start = -memory.ctypes.data % heap.LINE // memory.itemsize
    return memory[start : start + elements]


def _most_kept():
    text = os.environ.get("FASTCONV_KEPT_MEMORY")
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"FASTCONV_KEPT_MEMORY={text!r}: must be a number of MiB, an integer from 0 up")
    return min(int(text[:DIGITS]) << 20, sys.maxsize)


if _most_kept() is not None:
    blocks.keep_at_most(_most_kept())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=blocks.release)      # else every block written to after it would be copied
