"""Transposed convolution and gradients of convolution: each layer and dtype is a point, checked before it is timed."""

import timeit
from functools import partial

import numpy as np

import fastconv

from . import layers, oracle
from .common import data

DTYPES = ("float32", "float64")
UP = {layer.name: layer for layer in layers.TRANSPOSED}
DOWN = {layer.name: layer for layer in layers.GRADIENTS}


def options(layer):
    return {"stride": layer.stride, "padding": layer.pads, "groups": layer.groups}


class Transposed:
    """`conv_transpose1d` to `conv_transpose3d`."""

    timer = timeit.default_timer
    params = (tuple(UP), DTYPES)
    param_names = ("layer", "dtype")

    def setup(self, name, dtype):
        self.layer = layer = UP[name]
        self.x, self.weight = data(layer.input, dtype, seed=1), data(layer.weight, dtype, seed=2)
        exact = oracle.conv_transpose(layer, self.x, self.weight)
        scale = oracle.conv_transpose(layer, np.abs(self.x), np.abs(self.weight))
        oracle.require(self.run(), exact, scale, dtype, oracle.AUTO_BOUND)

    def run(self):
        function = getattr(fastconv, f"conv_transpose{self.layer.rank}d")
        return function(self.x, self.weight, **options(self.layer))

    def time_conv_transpose2d(self, name, dtype):
        self.run()


class Gradients:
    """`grad.conv1d_input` to `grad.conv3d_weight`; those of the bias: `BiasGradients`."""

    timer = timeit.default_timer
    params = (tuple(DOWN), ("input", "weight"), DTYPES)
    param_names = ("layer", "gradient", "dtype")

    def setup(self, name, gradient, dtype):
        layer = DOWN[name]
        x, weight, grad = (data(shape, dtype, i) for i, shape in enumerate((layer.input, layer.weight, layer.output)))
        function = getattr(fastconv.grad, f"conv{layer.rank}d_{gradient}")
        if gradient == "input":
            self.run = lambda: function(layer.input, weight, grad, **options(layer))
            sums = [oracle.grad_input(layer, g, w) for g, w in ((grad, weight), (np.abs(grad), np.abs(weight)))]
        else:
            self.run = lambda: function(x, layer.weight, grad, **options(layer))
            sums = [oracle.grad_weight(layer, g, a) for g, a in ((grad, x), (np.abs(grad), np.abs(x)))]
        oracle.require(self.run(), *sums, dtype, oracle.AUTO_BOUND)

    def time_gradient(self, name, gradient, dtype):
        self.run()


class BiasGradients:
    """`grad.conv1d_bias` to `grad.conv3d_bias`."""

    timer = timeit.default_timer
    params = (("batch8 3x3 64-64 @56", "batch4 audio k3 128-128 @4000", "batch2 video 3x3x3 32-32 @8x56x56"), DTYPES)
    param_names = ("layer", "dtype")

    def setup(self, name, dtype):
        layer = DOWN[name]
        grad = data(layer.output, dtype, seed=1)
        self.run = partial(getattr(fastconv.grad, f"conv{layer.rank}d_bias"), grad)
        others = (0, *range(2, grad.ndim))
        exact, scale = (a.sum(others, np.longdouble) for a in (grad, np.abs(grad)))
        oracle.require(self.run(), exact, scale, dtype, oracle.DIRECT_BOUND)

    def time_gradient(self, name, dtype):
        self.run()
