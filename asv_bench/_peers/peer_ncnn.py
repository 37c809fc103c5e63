"""ncnn: a network of one layer, read from a parameter file; weights are transformed when it is loaded."""

import tempfile
from pathlib import Path

import ncnn
import numpy as np

from .task import Contender

_threads = 1


def THREADS(n):
    global _threads
    _threads = n


def contenders(task):
    """Only what it is known for: one float32 image, dense square kernels."""
    layer = task.layer
    square = task.op == "conv" and task.rank == 2 and len(set(layer.weight[2:])) == len(set(layer.pads)) == 1
    if not square or task.dtype != "float32" or layer.input[0] != 1 or layer.groups != 1:
        return []
    net, image = load(task), ncnn.Mat(task.plain["x"][0])

    def call():
        extractor = net.create_extractor()
        extractor.input("x", image)
        return extractor.extract("y")[1]

    return [Contender("ncnn prepared", call, lambda out: np.array(out)[None], weights_ready=True)]


def load(task):
    """Single precision throughout; the file holds a zero that says "float32" and the weights."""
    layer, weight = task.layer, task.plain["w"]
    net = ncnn.Net()
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage", "bf16_packed"):
        setattr(net.opt, f"use_{option}", False)
    net.opt.num_threads = _threads
    size = (layer.weight[0], layer.weight[2], layer.dilation, layer.stride, layer.pads[0], 0, weight.size)
    line = " ".join(f"{key}={value}" for key, value in enumerate(size))
    with tempfile.TemporaryDirectory() as folder:
        param, model = Path(folder, "net.param"), Path(folder, "net.bin")
        param.write_text(f"7767517\n2 2\nInput x 0 1 x\nConvolution c 1 1 x y {line}\n")
        model.write_bytes(np.uint32(0).tobytes() + weight.tobytes())
        if net.load_param(str(param)) or net.load_model(str(model)):
            raise RuntimeError(f"ncnn refused {layer}")
    return net
