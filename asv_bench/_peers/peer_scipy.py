"""SciPy on one signal or image and one filter: the direct sum, its transforms, and what `correlate` chooses."""

import numpy as np
from scipy import signal

from .task import Contender

DIRECT_TAPS = 225  # beyond, the direct sum takes seconds


def THREADS(n):
    """These run on one thread."""


def contenders(task):
    layer = task.layer
    one = task.op == "conv" and layer.input[:2] == (1, 1) and layer.weight[0] == 1
    same = layer.output[2:] == layer.input[2:]
    if not one or (any(layer.pads) and not same):
        return []
    image, kernel, mode = task.plain["x"][0, 0], task.plain["w"][0, 0], "same" if same else "valid"
    backwards = np.ascontiguousarray(np.flip(kernel))
    calls = {
        "SciPy correlate": lambda: signal.correlate(image, kernel, mode),
        "SciPy fftconvolve": lambda: signal.fftconvolve(image, backwards, mode),
        "SciPy oaconvolve": lambda: signal.oaconvolve(image, backwards, mode),
    }
    if kernel.size <= DIRECT_TAPS and task.rank == 2:
        calls["SciPy correlate2d"] = lambda: signal.correlate2d(image, kernel, mode)
    return [Contender(name, call, lambda out: out[None, None]) for name, call in calls.items()]
