"""PyTorch, in both of its memory layouts."""

import torch
import torch.nn.functional as F
from benchmarks import networks, windows
from torch.nn import grad as G

from .task import Contender

THREADS = torch.set_num_threads
CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


def contenders(task):
    formats = {"torch": torch.contiguous_format}
    if task.rank in CHANNELS_LAST:
        formats["torch last"] = CHANNELS_LAST[task.rank]
    return [Contender(name, call(task, memory), windows.taken(task.op)) for name, memory in formats.items()]


def call(task, memory_format):
    layer, rank = task.layer, task.rank
    tensors = {n: in_format(torch.from_numpy(a), memory_format) for n, a in task.plain.items()}
    if task.op in windows.OPERATIONS:
        theirs = windows.OPERATIONS[task.op].theirs
        return inference(lambda: theirs(torch, layer, tensors))
    if task.op == "network":
        return inference(lambda: networks.run(layer, tensors, conv, pool))
    x, w, g = (tensors.get(name) for name in ("x", "w", "grad"))
    if task.op in ("max_pool", "avg_pool"):
        function = getattr(F, f"{task.op}{rank}d")
        options = {"count_include_pad": False} if task.op == "avg_pool" else {}
        return inference(lambda: function(x, layer.kernel, layer.stride, layer.padding, **options))
    options = {
        "stride": layer.stride,
        "padding": layer.pads,
        "dilation": layer.dilation,
        "groups": layer.groups,
    }
    calls = {
        "conv": lambda: getattr(F, f"conv{rank}d")(x, w, **options),
        "conv_transpose": lambda: getattr(F, f"conv_transpose{rank}d")(x, w, **options),
        "grad_input": lambda: getattr(G, f"conv{rank}d_input")(layer.input, w, g, **options),
        "grad_weight": lambda: getattr(G, f"conv{rank}d_weight")(x, layer.weight, g, **options),
    }
    return inference(calls[task.op])


def conv(layer, x, weight, activation):
    y = F.conv2d(x, weight, None, layer.stride, layer.padding, 1, layer.groups)
    return y if activation is None else getattr(F, activation)(y, inplace=True)


def pool(layer, x):
    return F.max_pool2d(x, layer.kernel, layer.stride, layer.padding)


def in_format(tensor, memory_format):
    """Columns have no memory format."""
    return tensor.contiguous(memory_format=memory_format) if tensor.ndim > 3 else tensor


def inference(run):
    """The same without autograd's bookkeeping."""
    return torch.inference_mode()(run)
