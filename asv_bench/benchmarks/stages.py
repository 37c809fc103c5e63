"""Where the time of convolutions by transforms goes: each of their stages alone, over the blocks of the whole."""

import timeit

import numpy as np

import fastconv
from fastconv.probe import FourierStages, WinogradStages

from . import layers
from .common import data

LAYERS = (
    "resnet50 3x3 64-64 @56", "resnet50 3x3 256-256 @14", "resnet50 3x3 512-512 @7", "unet 3x3 32-32 @200x176",
)  # fmt: skip


class Stages:
    """What both have in common."""

    timer = timeit.default_timer
    param_names = ("layer", "stage", "dtype")

    def prepare(self, kind, name, dtype, method):
        """Run the stages once; returns what they and the whole make of the layer."""
        layer = layers.ANY[name]
        x, weight = data(layer.input, dtype, seed=1), data(layer.weight, dtype, seed=2)
        self.stages = kind(x, weight, layer.pads)
        self.stages.whole()
        function = getattr(fastconv, f"conv{layer.rank}d")
        return self.stages.out, function(x, weight, padding=layer.pads, method=method)


class Winograd(Stages):
    """The transforms of weights, input and output, and the products between them."""

    params = (LAYERS, WinogradStages.STAGES, ("float32", "float64"))

    def setup(self, name, stage, dtype):
        apart, whole = self.prepare(WinogradStages, name, dtype, "winograd")
        inner = (..., slice(1, -1), slice(1, -1))  # what sees padding may be summed directly in the whole
        np.testing.assert_array_equal(apart[inner], whole[inner])
        np.testing.assert_allclose(apart, whole, rtol=0, atol=1e-5 * np.abs(whole).max())

    def time_stage(self, name, stage, dtype):
        self.stages.run(stage)


class Fourier(Stages):
    """The transforms of kernels and of input, and what is made of both."""

    params = (("image 31x31 @1024", "image 127x127 @256", "signal k1000 @16000"), FourierStages.STAGES,
              ("float32", "float64"))  # fmt: skip

    def setup(self, name, stage, dtype):
        apart, whole = self.prepare(FourierStages, name, dtype, "fft")
        corners = apart != whole
        np.testing.assert_allclose(apart[corners], whole[corners], rtol=0, atol=1e-3 * np.abs(whole).max())
        assert corners.mean() < 0.1

    def time_stage(self, name, stage, dtype):
        self.stages.run(stage)
