"""fastconv as a contender, and once more with prepared weights where it has them."""

from functools import partial
from operator import attrgetter

from benchmarks import networks, windows

import fastconv

from .task import POOLS, Contender

THREADS = fastconv.set_num_threads


def contenders(task, method):
    if task.op == "network":
        run = partial(networks.run, task.layer, task.arrays, networks.conv, networks.pool)
        return [Contender("fastconv", run, ours=True)]
    name, arguments, options = what(task, method)
    run = partial(attrgetter(name)(fastconv), *arguments, **options)
    found = [Contender("fastconv", run, windows.taken(task.op), ours=True)]
    if task.op == "conv":
        x, weight = arguments
        prepared = partial(fastconv.prepare(weight, **options), x)
        found.append(Contender("fastconv prepared", prepared, ours=True, weights_ready=True))
    return found


def what(task, method):
    """Name, arguments and options of the call that does a task."""
    layer, rank = task.layer, task.rank
    if task.op in windows.OPERATIONS:
        name, arguments = windows.OPERATIONS[task.op].ours
        return name, *arguments(layer, task.arrays)
    x, weight, grad = (task.arrays.get(name) for name in ("x", "w", "grad"))
    if task.op in POOLS:
        options = {"count_include_pad": False} if task.op == "avg_pool" else {}
        return f"{task.op}{rank}d", (x, layer.kernel, layer.stride, layer.padding), options
    name, arguments = {
        "conv": (f"conv{rank}d", (x, weight)),
        "conv_transpose": (f"conv_transpose{rank}d", (x, weight)),
        "grad_input": (f"grad.conv{rank}d_input", (layer.input, weight, grad)),
        "grad_weight": (f"grad.conv{rank}d_weight", (x, layer.weight, grad)),
    }[task.op]
    options = {"stride": layer.stride, "padding": layer.pads, "dilation": layer.dilation, "groups": layer.groups}
    return name, arguments, options | ({"method": method} if task.op == "conv" else {})
