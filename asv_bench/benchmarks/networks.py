"""Whole networks, one call for each layer as users make them, which also shows what memory between the calls costs.

Every convolution and pooling of VGG-16, ResNet-50 and MobileNetV2 (see `layers`) in its order, with its activation, one
feeding the next; what is no such layer is left out: additions of shortcuts, for which projections stand in, and the
classifier. The name of a network says how many images it takes.
"""

import timeit
from dataclasses import dataclass
from math import prod

import numpy as np

import fastconv

from . import oracle
from .common import data
from .layers import Layer, Pool

BOUND = 8  # in eps of the largest result, for each layer


@dataclass(frozen=True)
class Network:
    """A chain of (layer, activation): what it is called, and its steps."""

    name: str
    steps: tuple

    @property
    def input(self):
        return self.steps[0][0].input

    @property
    def flops(self):
        return sum(layer.flops for layer, _ in self.steps)

    @property
    def checked(self):
        """The images whose results are compared: the first and the last."""
        return slice(None, None, max(self.input[0] - 1, 1))


def chain(name, n, channels, size, plan):
    """The network of a plan: (output channels, kernel, stride, groups, activation) or (None, kernel, stride).

    The latter is a pooling.
    """
    steps, shape = [], (n, channels, size, size)
    for oc, kernel, stride, *rest in plan:
        if oc is None:
            layer, activation = Pool("pool", shape, kernel, stride, (kernel - 1) // 2), None
        else:
            groups, activation = rest
            layer = Layer("conv", shape, (oc, shape[1] // groups, kernel, kernel), stride, kernel // 2, 1, groups)
        steps.append((layer, activation))
        shape = layer.output
    return Network(f"{name} n={n}", tuple(steps))


def vgg16():
    for oc, times in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        yield from [(oc, 3, 1, 1, "relu")] * times
        yield None, 2, 2


def resnet50():
    yield 64, 7, 2, 1, "relu"
    yield None, 3, 2
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            stride, width = 2 if stage and not block else 1, 64 << stage
            yield from ((width, 1, 1, 1, "relu"), (width, 3, stride, 1, "relu"), (4 * width, 1, 1, 1, "relu"))


def mobilenetv2():
    yield 32, 3, 2, 1, "relu6"
    ic = 32
    for factor, oc, blocks, first in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for block in range(blocks):
            wide = factor * ic
            if factor > 1:
                yield wide, 1, 1, 1, "relu6"
            yield wide, 3, first if not block else 1, wide, "relu6"
            yield oc, 1, 1, 1, None
            ic = oc
    yield 1280, 1, 1, 1, "relu6"


PLANS = {"vgg16": vgg16, "resnet50": resnet50, "mobilenetv2": mobilenetv2}
NETWORKS = tuple(chain(name, n, 3, 224, plan()) for name, plan in PLANS.items() for n in (1, 8))
BY_NAME = {network.name: network for network in NETWORKS}


def arrays(network, dtype):
    """The input `x` and the weights `w0`, `w1`, ..., of a size that lets values neither grow nor vanish."""
    made = {"x": data(network.input, dtype, 1)}
    shapes = [layer.weight for layer, _ in network.steps if isinstance(layer, Layer)]
    for i, shape in enumerate(shapes):
        made[f"w{i}"] = data(shape, dtype, 2 + i) * np.dtype(dtype).type(np.sqrt(2 / prod(shape[1:])))
    return made


def run(network, arrays, conv, pool):
    """The result, by conv(layer, x, weight, activation) and pool(layer, x)."""
    x, weights = arrays["x"], iter([array for name, array in arrays.items() if name != "x"])
    for layer, activation in network.steps:
        x = pool(layer, x) if isinstance(layer, Pool) else conv(layer, x, next(weights), activation)
    return x


def conv(layer, x, weight, activation):
    options = {"stride": layer.stride, "padding": layer.padding, "groups": layer.groups}
    return fastconv.conv2d(x, weight, **options, activation=activation)


def pool(layer, x):
    return fastconv.max_pool2d(x, layer.kernel, layer.stride, layer.padding)


def exact(network, arrays):
    """The result in float64 of the images that are compared."""

    def conv(layer, x, weight, activation):
        y = oracle.conv(of(x, layer), x, weight)
        return y if activation is None else np.clip(y, 0, {"relu": np.inf, "relu6": 6}[activation])

    some = arrays | {"x": arrays["x"][network.checked].astype(np.float64)}
    return run(network, some, conv, lambda layer, x: oracle.pool(of(x, layer), x, "max"))


def of(x, layer):
    """The layer for so many images as `x` has."""
    return type(layer)(**{**vars(layer), "input": x.shape})


class Networks:
    """All layers of a network, one call after the other, the result checked."""

    timer = timeit.default_timer
    params = tuple(BY_NAME)
    param_names = ("network",)

    def setup(self, name):
        self.network = network = BY_NAME[name]
        self.arrays = arrays(network, "float32")
        expected = exact(network, self.arrays)
        scale = np.full(expected.shape, np.abs(expected).max())
        result = run(network, self.arrays, conv, pool)[network.checked]
        oracle.require(result, expected, scale, "float32", BOUND * len(network.steps))

    def time_network(self, name):
        run(self.network, self.arrays, conv, pool)
