"""One thread and two on work of growing size: what the thresholds for waking a second thread rest on."""

import timeit

import fastconv

from . import layers
from .common import data

SIDES = (14, 28, 40, 56, 80, 112, 160, 224)
COUNTS = (1, 2)


class Threads:
    """3x3 convolutions of 16 channels, and of 32 by Winograd, and a 2x2 maximum over 16, on square images."""

    timer = timeit.default_timer
    params = (SIDES, COUNTS)
    param_names = ("side", "threads")

    def setup(self, side, threads):
        layer = layers.conv("threads", 16, side, 16, 3)
        self.x, self.weight = data(layer.input, "float32"), data(layer.weight, "float32")
        wide = layers.conv("threads", 32, side, 32, 3)
        self.x_wide, self.weight_wide = data(wide.input, "float32"), data(wide.weight, "float32")
        fastconv.set_num_threads(threads)
        self.time_conv2d(side, threads)
        self.time_winograd(side, threads)
        self.time_max_pool2d(side, threads)

    def time_conv2d(self, side, threads):
        fastconv.conv2d(self.x, self.weight, padding=1)

    def time_winograd(self, side, threads):
        fastconv.conv2d(self.x_wide, self.weight_wide, padding=1, method="winograd")

    def time_max_pool2d(self, side, threads):
        fastconv.max_pool2d(self.x, 2)
