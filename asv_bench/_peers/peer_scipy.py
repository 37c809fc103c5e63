"""SciPy on one image and one filter: the direct sum, and what `correlate` chooses."""

from scipy import signal

from .task import Contender


def THREADS(n):
    """These run on one thread."""


def contenders(task):
    layer = task.layer
    if task.op != "conv" or layer.input[:2] != (1, 1) or layer.weight[0] != 1 or layer.output[2:] != layer.input[2:]:
        return []
    image, kernel = task.plain["x"][0, 0], task.plain["w"][0, 0]
    functions = {"SciPy correlate": signal.correlate}
    if kernel.size <= 225:
        functions["SciPy correlate2d"] = signal.correlate2d
    return [
        Contender(name, lambda f=function: f(image, kernel, mode="same"), lambda out: out[None, None])
        for name, function in functions.items()
    ]
