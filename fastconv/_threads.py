"""How many threads a call may use: one number for the process, read at every call.

The start value is FASTCONV_NUM_THREADS, else the first number of OMP_NUM_THREADS, else the CPUs this process may use:
those of its affinity, and no more than a container's quota pays for.
The team of threads (`_kernels/team.pyx`) does not outlive a fork: in the child every call runs on its own thread alone.
BLAS, behind method "im2col", has its own rules: OpenBLAS does not survive a fork while another thread is inside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from fastconv._kernels import team
from fastconv._quota import quota
from fastconv._sizes import index, shown
from fastconv._types import Int

DIGITS = 20  # of a count that are read; Python refuses to convert thousands
MOST = team.MOST_THREADS  # more have never helped


def set_num_threads(n: Int) -> None:
    """Set the number of threads that each later call may use.

    Parameters
    ----------
    n : int
        From 1 up; counts beyond 256 are taken as 256. In a forked child calls run on one thread whatever `n` is.

    Raises
    ------
    TypeError, ValueError
        `n` is not an integer, or is less than 1.

    Examples
    --------
    >>> import fastconv
    >>> before = fastconv.get_num_threads()
    >>> fastconv.set_num_threads(1)
    >>> fastconv.get_num_threads()
    1
    >>> fastconv.set_num_threads(before)
    """
    global _threads
    _threads = _count("set_num_threads", n)


def get_num_threads() -> int:
    """Return the number of threads that a call may use.

    Returns
    -------
    int
        1 in a forked child, else what was set last.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.get_num_threads() >= 1
    True
    """
    return 1 if _forked else _threads


@contextmanager
def num_threads(n: Int) -> Iterator[None]:
    """Context manager: use `n` threads inside, and the earlier number again afterwards.

    Parameters
    ----------
    n : int
        As in `set_num_threads`. The number belongs to the process, not to the thread that sets it.

    Raises
    ------
    TypeError, ValueError
        As `set_num_threads`.

    Examples
    --------
    >>> import fastconv
    >>> with fastconv.num_threads(2):
    ...     fastconv.get_num_threads()
    2
    """
    global _threads
    before, _threads = _threads, _count("num_threads", n)
    try:
        yield
    finally:
        _threads = before


def _count(function, n):
    n = index(function, "n", n)
    if n < 1:
        raise ValueError(f"{function}: n must be at least 1, got {shown(n)}")
    return min(n, MOST)


def _initial(cpus):
    own = os.environ.get("FASTCONV_NUM_THREADS")
    if own:
        if not own.isascii() or not own.isdigit() or int(own[:DIGITS]) < 1:
            raise ValueError(f"FASTCONV_NUM_THREADS={own!r}: must be an integer from 1 up")
        return min(int(own[:DIGITS]), MOST)
    shared = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if shared.isascii() and shared.isdigit() and int(shared[:DIGITS]) > 0:
        return min(int(shared[:DIGITS]), MOST)
    return min(cpus, MOST)


def _allowed():
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cpus, quota() or cpus)


def _after_fork():
    global _forked
    _forked = True
    team.stay_alone()


_forked = False
_cpus = _allowed()
_threads = _initial(_cpus)
team.set_cores(_cpus)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
