"""Where the time of a Winograd convolution goes: each of its stages alone, over the blocks of the whole."""

import timeit

import numpy as np

import fastconv
from fastconv.probe import WinogradStages

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
