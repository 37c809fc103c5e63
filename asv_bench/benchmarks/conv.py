"""Convolution: each layer, method and dtype is a point of its own, checked before it is timed."""

import timeit

import numpy as np

import fastconv

from . import layers, oracle
from .common import LAYOUTS, data, in_layout

METHODS = ("direct", "im2col", "winograd")
DIRECT = ("direct", "im2col")
TIMED = (
    "resnet50 3x3 64-64 @56",
    "resnet50 3x3 256-256 @14",
    "resnet50 3x3 512-512 @7",
    "vgg16 3x3 64-64 @224",
    "unet 3x3 32-32 @200x176",
    "resnet50 1x1 64-256 @56",
    "resnet50 1x1 1024-256 @14",
    "resnet50 1x1 s2 256-512 @56",
    "resnet50 7x7 s2 3-64 @224",
    "vit 16x16 s16 3-768 @224",
    "mobilenetv2 dw 3x3 144 @56",
    "mobilenetv2 dw 3x3 s2 96 @112",
    "convnext dw 7x7 96 @56",
    "resnext 3x3 g32 128-128 @56",
    "resnet50 3x3 s2 128-128 @56",
    "inception 1x7 192-192 @17",
    "atrous 3x3 d2 256-256 @28",
    "odd 3x3 17-33 @55x61",
    "image 3x3 @1024",
    "image 5x5 @1024",
    "image 11x11 @1024",
    "tiny 3x3 1-16 @28",
)


LARGE = (*layers.LARGE_KERNELS, *layers.TRANSFORMED_IMAGES[:3], *layers.SIGNALS)


class Conv:
    """One layer ready to run: arrays, a checked and warmed-up call. The base of the classes that asv sees."""

    timer = timeit.default_timer

    def prepare(self, name, method, dtype, layout="first"):
        self.layer = layer = layers.ANY[name]
        self.x = in_layout(data(layer.input, dtype, seed=1), layout)
        self.weight = data(layer.weight, dtype, seed=2)
        self.options = {
            "stride": layer.stride,
            "padding": layer.pads,
            "dilation": layer.dilation,
            "groups": layer.groups,
            "method": method,
        }
        self.function = getattr(fastconv, f"conv{layer.rank}d")
        try:
            self.run()
        except ValueError as reason:  # asv's way of saying that there is no such point
            raise NotImplementedError(reason) from None
        bound = oracle.DIRECT_BOUND if method in DIRECT else oracle.AUTO_BOUND
        scale = oracle.conv(layer, np.abs(self.x), np.abs(self.weight))
        oracle.require(self.run(), oracle.conv(layer, self.x, self.weight), scale, dtype, bound)

    def run(self):
        return self.function(self.x, self.weight, **self.options)


class Conv2d(Conv):
    """Each method, channels first; Winograd where it takes the layer."""

    params = (TIMED, METHODS, ("float32", "float64"))
    param_names = ("layer", "method", "dtype")

    def setup(self, name, method, dtype):
        self.prepare(name, method, dtype)

    def time_conv2d(self, name, method, dtype):
        self.run()


class Conv2dAuto(Conv):
    """What a user gets without asking, in both memory layouts."""

    params = (TIMED, LAYOUTS)
    param_names = ("layer", "layout")

    def setup(self, name, layout):
        self.prepare(name, "auto", "float32", layout)

    def time_conv2d(self, name, layout):
        self.run()


class OtherRanks(Conv):
    """Sequences and volumes, as "auto" computes them."""

    params = (tuple(layer.name for layer in (*layers.CONV1D, *layers.CONV3D)), ("float32", "float64"))
    param_names = ("layer", "dtype")

    def setup(self, name, dtype):
        self.prepare(name, "auto", dtype)

    def time_conv(self, name, dtype):
        self.run()


class LargeKernels(Conv):
    """Where transforms take over from the direct sum: `baselines.SciPyLarge` is SciPy on the same work."""

    params = (tuple(layer.name for layer in LARGE), ("direct", "fft", "auto"))
    param_names = ("layer", "method")
    timeout = 300

    def setup(self, name, method):
        self.prepare(name, method, "float32")

    def time_conv(self, name, method):
        self.run()


class Prepared(Conv):
    """The stages of a convolution apart: preparing the weights, the call with prepared weights, and both in one."""

    params = (
        (
            "resnet50 3x3 64-64 @56", "resnet50 3x3 256-256 @14", "resnet50 3x3 512-512 @7", "vgg16 3x3 512-512 @28",
            "image 31x31 @1024",
        ),
    )  # fmt: skip
    param_names = ("layer",)

    def setup(self, name):
        self.prepare(name, "auto", "float32")
        self.prepared = fastconv.prepare(self.weight, **self.options)
        assert np.array_equal(self.prepared(self.x), self.run())

    def time_whole(self, name):
        self.run()

    def time_prepared_call(self, name):
        self.prepared(self.x)

    def time_preparing_and_call(self, name):
        fastconv.prepare(self.weight, **self.options)(self.x)


class Rate(Conv):
    """GFLOP/s of the large dense layers, counted as direct multiplications and additions."""

    params = (("resnet50 3x3 64-64 @56", "resnet50 1x1 64-256 @56", "resnet50 7x7 s2 3-64 @224"), METHODS)
    param_names = ("layer", "method")
    unit = "GFLOP/s"

    def setup(self, name, method):
        self.prepare(name, method, "float32")

    def track_conv2d(self, name, method):
        seconds = min(timeit.repeat(self.run, number=3, repeat=7)) / 3
        return self.layer.flops / seconds / 1e9


class Memory(Conv):
    """Peak memory of one call: input, weight, output and whatever scratch the method needs.

    asv counts the whole process, so nothing but the call may allocate: the check is left to the timed classes.
    """

    params = (("vgg16 3x3 64-64 @224", "resnet50 1x1 64-256 @56", "image 31x31 @1024"), (*METHODS, "fft"))
    param_names = ("layer", "method")

    def setup(self, name, method):
        layer = layers.BY_NAME[name]
        taken = layer.weight[2] != 1 if method == "fft" else layer.weight[2] == 3 or method != "winograd"
        if not taken:
            raise NotImplementedError(f"{method} does not take {name}")
        self.x, self.weight = np.ones(layer.input, np.float32), np.ones(layer.weight, np.float32)
        self.options = {"stride": layer.stride, "padding": layer.pads, "method": method}

        self.function = fastconv.conv2d

    def peakmem_conv2d(self, name, method):
        self.run()
