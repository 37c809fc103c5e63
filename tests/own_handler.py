"""A memory handler for NumPy's arrays, as a user may install one: libc's malloc, with a list of what it was asked."""

import ctypes
from contextlib import contextmanager

import numpy as np

NAME = "own"
SET_HANDLER = 304  # where NumPy's table of C functions has it (numpy/__multiarray_api.h)

_libc = ctypes.CDLL(None)
for _function in (_libc.malloc, _libc.calloc, _libc.realloc):
    _function.restype = ctypes.c_void_p
_SIZE, _POINTER = ctypes.c_size_t, ctypes.c_void_p
_KINDS = {
    "malloc": ctypes.CFUNCTYPE(_POINTER, _POINTER, _SIZE),
    "calloc": ctypes.CFUNCTYPE(_POINTER, _POINTER, _SIZE, _SIZE),
    "realloc": ctypes.CFUNCTYPE(_POINTER, _POINTER, _POINTER, _SIZE),
    "free": ctypes.CFUNCTYPE(None, _POINTER, _POINTER, _SIZE),
}
_used = []


class _Handler(ctypes.Structure):
    """PyDataMem_Handler of numpy/ndarraytypes.h."""

    _fields_ = (
        ("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("ctx", _POINTER), *_KINDS.items(),
    )  # fmt: skip


def _noted(name, function):
    def call(_, *arguments):
        _used.append(name)
        return function(*arguments)

    return call


_handler = _Handler(
    NAME.encode(), 1, None,
    _KINDS["malloc"](_noted("malloc", lambda size: _libc.malloc(_SIZE(size)))),
    _KINDS["calloc"](_noted("calloc", lambda many, size: _libc.calloc(_SIZE(many), _SIZE(size)))),
    _KINDS["realloc"](_noted("realloc", lambda memory, size: _libc.realloc(_POINTER(memory), _SIZE(size)))),
    _KINDS["free"](_noted("free", lambda memory, _: _libc.free(_POINTER(memory)))),
)  # fmt: skip


@contextmanager
def installed():
    """The handler in use; the value is the list of its functions that were called."""
    api, pythonapi = np._core._multiarray_umath._ARRAY_API, ctypes.pythonapi
    pythonapi.PyCapsule_GetPointer.restype = _POINTER
    pythonapi.PyCapsule_GetPointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
    pythonapi.PyCapsule_New.restype = ctypes.py_object
    pythonapi.PyCapsule_New.argtypes = (_POINTER, ctypes.c_char_p, _POINTER)
    table = ctypes.cast(pythonapi.PyCapsule_GetPointer(api, None), ctypes.POINTER(_POINTER))
    set_handler = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[SET_HANDLER])
    before = set_handler(pythonapi.PyCapsule_New(ctypes.addressof(_handler), b"mem_handler", None))
    try:
        yield _used
    finally:
        set_handler(before)
