"""Parts of the kernels on their own, for those who measure them: the register tile, the stages of transforms."""

from statistics import median
from time import perf_counter

import numpy as np

from fastconv import _cpu, _memory
from fastconv._arrays import FIRST, KINDS, five
from fastconv._fft_conv import with_tables
from fastconv._geometry import conv_geometry

ROUNDS = 9  # of each, alternating, so that a drift of the clock meets both
DEPTH = 256  # products a tile adds up, as in a panel of `direct.pyx`


def register_tile():
    """The core's multiply-add limit and the register tile's rate, measured in turn in one program.

    {dtype: (limit, tile)} in GFLOP/s: medians over alternating rounds of some milliseconds each.
    """
    probe, rates = _cpu.kernel("probe"), {}
    for dtype, kind in (("float32", "float"), ("float64", "double")):
        limit, tile = probe.limit[kind], probe.tiles[kind]
        pairs = [(_rate(limit, 0.0, 2_000_000), _rate(tile, 0.0, 8_000, DEPTH)) for _ in range(ROUNDS)]
        rates[dtype] = tuple(median(column) for column in zip(*pairs, strict=True))
    return rates


def _rate(function, *arguments):
    """GFLOP/s of one call, which returns how many operations it made."""
    start = perf_counter()
    operations = function(*arguments)
    return operations / (perf_counter() - start) * 1e-9


class WinogradStages:
    """One image's convolution with `method="winograd"` at stride 1, `padding` zeros around it, stage by stage.

    Corners that `fastconv._winograd.corners` has summed directly afterwards are left out.

    x : (1, ic, h, w), weight : (oc, ic, kh, kw), float32 or float64 both. `out` is the result, once `whole` has run.
    """

    STAGES = ("weight", "input", "product", "output")

    def __init__(self, x, weight, padding):
        conv = conv_geometry("conv2d", 2, x.shape, weight.shape, 1, padding, 1, 1, "zeros", x.itemsize, FIRST)
        kernel, kind = _cpu.kernel("winograd_stages"), KINDS[x.dtype]
        self.geometry, self.x, self.weight = tuple(conv.geometry), x, weight
        self.out = np.full((1, *conv.output), np.nan, x.dtype)
        self.blocks, self.panels, *sizes = kernel.sizes[kind](self.geometry, 0.0)
        self.memory = [_memory.lines(size, x.dtype) for size in sizes]
        self.kernel = kernel.run[kind]

    def run(self, stage, blocks=None, panels=None):
        """One stage, over all blocks and panels if not told otherwise."""
        blocks, panels = blocks or (0, self.blocks), panels or (0, self.panels)
        self.kernel(stage, self.geometry, blocks, panels, self.x, self.weight, *self.memory, self.out)

    def whole(self):
        """All stages, in the order that leaves the result."""
        self.run("weight")
        for b in range(self.blocks):
            self.run("input", (b, b + 1))
            for p in range(self.panels):
                self.run("product", (b, b + 1), (p, p + 1))
                self.run("output", (b, b + 1), (p, p + 1))


class FourierStages:
    """One image's convolution with `method="fft"` at stride 1, `padding` zeros around it, stage by stage.

    Corners that `fastconv._fft.corners` has summed directly afterwards are left out.

    x : (1, ic, *spatial), weight : (oc, ic, *kernel), of one dtype. `out` is the result, once `whole` has run.
    """

    STAGES = ("weight", "input", "output")

    def __init__(self, x, weight, padding):
        rank = weight.ndim - 2
        conv = conv_geometry("conv", rank, x.shape, weight.shape, 1, padding, 1, 1, "zeros", x.itemsize, FIRST)
        kernel, kind = _cpu.kernel("fourier_stages"), KINDS[x.dtype]
        self.plan, self.x, self.weight = tuple(with_tables(conv.geometry)), five(x, rank), weight
        self.out = np.full((1, *conv.output), np.nan, x.dtype)
        self.memory = [_memory.lines(size, x.dtype) for size in kernel.sizes[kind](self.plan, 0.0)]
        self.kernel = kernel.run[kind]

    def run(self, stage):
        """One stage."""
        out = five(self.out, self.weight.ndim - 2)
        self.kernel(stage, self.plan, self.x, self.weight, *self.memory, out)

    def whole(self):
        """All stages, in the order that leaves the result."""
        for stage in self.STAGES:
            self.run(stage)
