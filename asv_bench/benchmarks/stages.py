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


class Winograd:
    """The transforms of weights, input and output, and the products between them."""

    timer = timeit.default_timer
    params = (LAYERS, WinogradStages.STAGES, ("float32", "float64"))
    param_names = ("layer", "stage", "dtype")

    def setup(self, name, stage, dtype):
        layer = layers.BY_NAME[name]
        x, weight = data(layer.input, dtype, seed=1), data(layer.weight, dtype, seed=2)
        self.stages = WinogradStages(x, weight, layer.pads)
        self.stages.whole()
        np.testing.assert_array_equal(
            self.stages.out, fastconv.conv2d(x, weight, padding=layer.pads, method="winograd"))

    def time_stage(self, name, stage, dtype):
        self.stages.run(stage)


class Fourier:
    """The transforms of kernels and of input, and what is made of both."""

    timer = timeit.default_timer
    params = (("image 31x31 @1024", "image 127x127 @256", "signal k1000 @16000"), FourierStages.STAGES,
              ("float32", "float64"))  # fmt: skip
    param_names = ("layer", "stage", "dtype")

    def setup(self, name, stage, dtype):
        layer = layers.ANY[name]
        x, weight = data(layer.input, dtype, seed=1), data(layer.weight, dtype, seed=2)
        self.stages = FourierStages(x, weight, layer.pads)
        self.stages.whole()
        function = getattr(fastconv, f"conv{layer.rank}d")
        whole = function(x, weight, padding=layer.pads, method="fft")
        corners = self.stages.out != whole
        np.testing.assert_allclose(self.stages.out[corners], whole[corners], rtol=0, atol=1e-3 * np.abs(whole).max())
        assert corners.mean() < 0.1

    def time_stage(self, name, stage, dtype):
        self.stages.run(stage)
