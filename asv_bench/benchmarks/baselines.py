"""SciPy on the same work: the yardstick that a reader of the history can compare with."""

import timeit

import numpy as np
from scipy import ndimage, signal

from . import layers
from .common import data
from .conv import LARGE

IMAGES = tuple(layer.name for layer in layers.IMAGE)


class SciPyImage:
    """One image and one filter: `image kxk @1024` of the convolution benchmarks."""

    timer = timeit.default_timer
    params = (IMAGES, ("signal.correlate2d", "signal.correlate", "ndimage.correlate"))
    param_names = ("layer", "function")

    def setup(self, name, function):
        layer = layers.BY_NAME[name]
        self.image = data(layer.input, "float32", seed=1)[0, 0]
        self.kernel = data(layer.weight, "float32", seed=2)[0, 0]
        self.run = {
            "signal.correlate2d": lambda: signal.correlate2d(self.image, self.kernel, mode="same"),
            "signal.correlate": lambda: signal.correlate(self.image, self.kernel, mode="same"),
            "ndimage.correlate": lambda: ndimage.correlate(self.image, self.kernel, mode="constant"),
        }[function]
        self.run()

    def time_filter(self, name, function):
        self.run()


class SciPyPool:
    """Pooling as `scipy.ndimage` can say it: the filter at every pixel, then every stride-th of them."""

    timer = timeit.default_timer
    params = (tuple(pool.name for pool in layers.POOLS), ("max", "avg"))
    param_names = ("layer", "reduce")

    def setup(self, name, reduce):
        self.layer = layers.POOL_BY_NAME[name]
        self.x = data(self.layer.input, "float32")
        self.filter = {"max": ndimage.maximum_filter, "avg": ndimage.uniform_filter}[reduce]

    def time_filter(self, name, reduce):
        layer = self.layer
        self.filter(self.x, size=(1, 1, layer.kernel, layer.kernel))[:, :, :: layer.stride, :: layer.stride]


class SciPyLarge:
    """Transforms by SciPy: what `conv.LargeKernels` times."""

    timer = timeit.default_timer
    params = (tuple(layer.name for layer in LARGE), ("fftconvolve", "oaconvolve"))
    param_names = ("layer", "function")

    def setup(self, name, function):
        layer = layers.ANY[name]
        self.image = data(layer.input, "float32", seed=1)[0, 0]
        self.kernel = np.flip(data(layer.weight, "float32", seed=2)[0, 0])
        self.mode = "same" if any(layer.pads) else "valid"
        self.function = getattr(signal, function)
        self.time_transform(name, function)

    def time_transform(self, name, function):
        self.function(self.image, self.kernel, self.mode)
