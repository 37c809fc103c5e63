"""Which build of the kernels this machine runs.

Each kernel source is compiled once per CPU level (see `setup.py`); this module alone knows the levels by name, imports
the modules of the level in use, and reads FASTCONV_CPU, which forces one.
"""

import os
from contextlib import contextmanager
from importlib import import_module

from fastconv import _tuned
from fastconv._kernels import features

_AVAILABLE = features.supported()
_VECTORS = {"baseline": 16, "avx2": 32, "avx512": 64}  # bytes
_caches = []  # cache_clear of everything that remembers a kernel of the level in use


def available():
    """Levels that this machine can run, the best last."""
    return _AVAILABLE


def level():
    """The level whose kernels are in use."""
    return _level


def kernel(name):
    """The module of kernel `name` built for the level in use; a name with an underscore is a module in Python."""
    if name.startswith("_"):
        return import_module(f"fastconv.{name}")
    return import_module(f"fastconv._kernels.{name}_{_level}")


def remembers_kernels(cached):
    """Decorator: an `lru_cache` to be emptied when the level changes."""
    _caches.append(cached.cache_clear)
    return cached


@contextmanager
def override(name, datapath=None):
    """Use another level for a while, in every thread; for tests and benchmarks.

    datapath : choose by the costs of cores that multiply and add so many bytes of a vector at once, if not as before
    """
    global _level, _datapath
    before = _level, _datapath
    _level, _datapath = _checked(name, "level"), datapath or _datapath
    _changed()
    try:
        yield
    finally:
        _level, _datapath = before
        _changed()


def _changed():
    _tuned.take(_VECTORS[_level], _datapath, kernel)
    _forget()


def _forget():
    for clear in _caches:
        clear()


def _checked(name, source):
    if name not in _AVAILABLE:
        raise ValueError(f"{source}={name!r}: this machine runs the CPU levels {', '.join(_AVAILABLE)}")
    return name


_level = _checked(os.environ.get("FASTCONV_CPU") or _AVAILABLE[-1], "FASTCONV_CPU")
_datapath = features.datapath()
_changed()
