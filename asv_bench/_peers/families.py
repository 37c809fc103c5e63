"""The families of work: which operations on which layers make one table."""

from dataclasses import dataclass

from benchmarks import layers, networks, windows

from .task import Task


@dataclass(frozen=True)
class Family:
    """Operations x layers, in one memory layout and dtype unless the command line says otherwise."""

    ops: tuple
    layers: tuple
    layout: str = "first"
    dtype: str = "float32"
    without: tuple = ()  # modules of peers that would take minutes, or have no such thing


DOUBLE = (
    *layers.DENSE_3X3[:3],
    *layers.POINTWISE[1:3],
    *layers.FIRST[:1],
    *layers.DEPTHWISE[2:4],
    *layers.DENSE[:1],
    *layers.IMAGE[1:2],
)

FRAMEWORKS = ("peer_torch", "peer_onnxruntime", "peer_ncnn")  # these sum large kernels directly, some for seconds
FAMILIES = {
    "3x3": Family(("conv",), layers.DENSE_3X3),
    "1x1": Family(("conv",), layers.POINTWISE),
    "first": Family(("conv",), layers.FIRST),
    "depthwise": Family(("conv",), layers.DEPTHWISE),
    "dense": Family(("conv",), layers.DENSE),
    "image": Family(("conv",), layers.IMAGE),
    "large": Family(("conv",), (*layers.LARGE_KERNELS, *layers.TRANSFORMED_IMAGES), without=FRAMEWORKS),
    "signals": Family(("conv",), layers.SIGNALS, without=FRAMEWORKS),
    "tiny": Family(("conv",), layers.TINY),
    "float64": Family(("conv",), DOUBLE, dtype="float64"),
    "max-first": Family(("max_pool",), layers.POOLS),
    "max-last": Family(("max_pool",), layers.POOLS, layout="last"),
    "avg-first": Family(("avg_pool",), layers.POOLS),
    "avg-last": Family(("avg_pool",), layers.POOLS, layout="last"),
    "misc": Family(tuple(windows.OPERATIONS), layers.WINDOWS),
    "conv1d": Family(("conv",), layers.CONV1D),
    "conv3d": Family(("conv",), layers.CONV3D),
    "transposed": Family(("conv_transpose",), layers.TRANSPOSED),
    "gradients": Family(("grad_input", "grad_weight"), layers.GRADIENTS),
    "networks": Family(("network",), networks.NETWORKS, without=("peer_opencv", "peer_scipy", "peer_ncnn")),
}


def tasks(family, name_contains="", dtype=None, layout=None):
    """The tasks of one family whose layer's name contains a text."""
    return [
        Task(op, layer, dtype or family.dtype, layout or family.layout)
        for layer in family.layers
        for op in family.ops
        if name_contains in layer.name
    ]
