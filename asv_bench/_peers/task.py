"""A task: one operation on one layer, with its data, its exact result and the size of its sum of products."""

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from benchmarks import networks, oracle, windows
from benchmarks.common import data, in_layout

EXACT = {
    "conv": lambda layer, a: oracle.conv(layer, a["x"], a["w"]),
    "conv_transpose": lambda layer, a: oracle.conv_transpose(layer, a["x"], a["w"]),
    "grad_input": lambda layer, a: oracle.grad_input(layer, a["grad"], a["w"]),
    "grad_weight": lambda layer, a: oracle.grad_weight(layer, a["grad"], a["x"]),
    "max_pool": lambda layer, a: oracle.pool(layer, a["x"], "max"),
    "avg_pool": lambda layer, a: oracle.pool(layer, a["x"], "avg"),
    "network": networks.exact,
} | {op: operation.exact for op, operation in windows.OPERATIONS.items()}
POOLS = ("max_pool", "avg_pool")
WITHOUT_WEIGHTS = (*POOLS, *windows.OPERATIONS)


@dataclass(frozen=True)
class Contender:
    """A way to do a task. `array` turns what `call` returns into a channels-first NumPy array.

    `weights_ready` says that the weights were packed or transformed before the clock started.
    """

    name: str
    call: callable
    array: callable = np.asarray
    ours: bool = False
    weights_ready: bool = False


@dataclass(frozen=True)
class Task:
    """One operation on one layer; its arrays are made once and shared by all contenders."""

    op: str
    layer: object
    dtype: str
    layout: str

    @property
    def name(self):
        if self.op in windows.OPERATIONS:
            return f"{self.layer.name} {self.op}"
        return f"{self.layer.name} {self.op.removeprefix('grad_')}" if "grad" in self.op else self.layer.name

    @property
    def rank(self):
        return len(self.layer.input) - 2

    @cached_property
    def arrays(self):
        """`x` in the task's memory layout, `w` and `grad` where the operation has them."""
        if self.op in windows.OPERATIONS:
            return windows.arrays(self.op, self.layer, self.dtype, self.layout)
        if self.op == "network":
            arrays = networks.arrays(self.layer, self.dtype)
            return arrays | {"x": in_layout(arrays["x"], self.layout)}
        arrays = {"x": in_layout(data(self.layer.input, self.dtype, 1), self.layout)}
        if self.op not in POOLS:
            arrays["w"] = data(self.layer.weight, self.dtype, 2)
        if "grad" in self.op:
            arrays["grad"] = in_layout(data(self.layer.output, self.dtype, 3), self.layout)
        return arrays

    @cached_property
    def plain(self):
        """The same arrays, channels first in memory, for those who know nothing else."""
        return {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}

    @cached_property
    def exact(self):
        return EXACT[self.op](self.layer, self.arrays)

    @cached_property
    def scale(self):
        """|x| conv |w|; of a pooling the mean of |x| over the window, of a network the largest result."""
        if self.op == "network":
            return np.full(self.exact.shape, np.abs(self.exact).max())
        op = "avg_pool" if self.op in POOLS else self.op
        return EXACT[op](self.layer, {name: np.abs(array) for name, array in self.arrays.items()})

    @property
    def flops(self):
        if self.op == "conv_transpose":
            return 2 * prod(self.layer.input) * prod(self.layer.weight[1:])
        return self.layer.flops

    @property
    def bytes(self):
        """What must be read and written at least: every array once."""
        return (sum(a.size for a in self.arrays.values()) + self.exact.size) * np.dtype(self.dtype).itemsize

    def verify(self, contender, method):
        """The error of a contender in eps of |x| conv |w|, and whether it is out of bounds.

        The bound of fastconv is what it documents. The others may use Winograd's algorithm or the FFT, whose errors
        are small beside the largest sums only: they are wrong where no rounding explains it, from the square root of
        eps of the largest sum.
        """
        result = contender.array(contender.call())
        if self.op == "network":
            result = result[self.layer.checked]
        error = oracle.error_in_eps(result, self.exact, self.scale, self.dtype)
        if not contender.ours:
            largest = np.sqrt(np.finfo(self.dtype).eps) * self.scale.max()
            return error, not np.abs(result - self.exact).max() <= largest
        if self.op in windows.OPERATIONS:
            return error, not error <= windows.OPERATIONS[self.op].bound
        if self.op == "network":
            return error, not error <= networks.BOUND * len(self.layer.steps)
        if self.op in POOLS:
            return error, not error <= oracle.pool_bound(self.op.removesuffix("_pool"), self.layer.kernel, self.rank)
        return error, not error <= (oracle.AUTO_BOUND if method == "auto" else oracle.DIRECT_BOUND)
