"""Pooling: each layer, reduction, dtype and memory layout is a point of its own, checked before it is timed."""

import timeit
from functools import partial
from operator import attrgetter

import numpy as np

import fastconv

from . import layers, oracle, windows
from .common import LAYOUTS, data, in_layout

REDUCTIONS = ("max", "avg")


class Pool2d:
    """`max_pool2d` and `avg_pool2d` (padding not counted)."""

    timer = timeit.default_timer
    params = (tuple(pool.name for pool in layers.POOLS), REDUCTIONS, ("float32", "float64"), LAYOUTS)
    param_names = ("layer", "reduce", "dtype", "layout")

    def setup(self, name, reduce, dtype, layout):
        self.layer = layer = layers.POOL_BY_NAME[name]
        self.x = in_layout(data(layer.input, dtype), layout)
        self.options = {} if reduce == "max" else {"count_include_pad": False}
        scale = oracle.pool(layer, abs(self.x), "avg")
        exact = oracle.pool(layer, self.x, reduce)
        rank = self.x.ndim - 2
        oracle.require(self.run(reduce), exact, scale, dtype, oracle.pool_bound(reduce, layer.kernel, rank))

    def run(self, reduce):
        layer = self.layer
        function = getattr(fastconv, f"{reduce}_pool{self.x.ndim - 2}d")
        return function(self.x, layer.kernel, layer.stride, layer.padding, **self.options)

    def time_pool2d(self, name, reduce, dtype, layout):
        self.run(reduce)


class PoolOfOtherRanks(Pool2d):
    """Sequences and volumes."""

    params = (tuple(pool.name for pool in layers.POOLS_OF_OTHER_RANKS), REDUCTIONS, ("float32",), LAYOUTS)


class MaxPool2dIndices(Pool2d):
    """The same with the flat index of each maximum."""

    params = (tuple(pool.name for pool in layers.POOLS), ("float32",), LAYOUTS)
    param_names = ("layer", "dtype", "layout")

    def setup(self, name, dtype, layout):
        super().setup(name, "max", dtype, layout)
        values, indices = self.run_indices()
        planes, flat = (a.reshape(*a.shape[:2], -1) for a in (self.x, indices))
        pointed_at = np.take_along_axis(planes, flat, axis=-1)
        np.testing.assert_array_equal(pointed_at.reshape(values.shape), values)

    def run_indices(self):
        layer = self.layer
        return fastconv.max_pool2d(self.x, layer.kernel, layer.stride, layer.padding, return_indices=True)

    def time_pool2d(self, name, dtype, layout):
        self.run_indices()


class Windows:
    """Global, adaptive and Lp pooling, unpooling, the gradients of pooling, `unfold` and `fold`."""

    timer = timeit.default_timer
    params = (tuple(layers.WINDOW_BY_NAME), tuple(windows.OPERATIONS), ("float32", "float64"), LAYOUTS)
    param_names = ("layer", "operation", "dtype", "layout")

    def setup(self, name, op, dtype, layout):
        layer, operation = layers.WINDOW_BY_NAME[name], windows.OPERATIONS[op]
        arrays = windows.arrays(op, layer, dtype, layout)
        function, of = operation.ours
        arguments, options = of(layer, arrays)
        self.run = partial(attrgetter(function)(fastconv), *arguments, **options)
        scale = operation.exact(layer, {name: np.abs(array) for name, array in arrays.items()})
        oracle.require(windows.taken(op)(self.run()), operation.exact(layer, arrays), scale, dtype, operation.bound)

    def time_windows(self, name, op, dtype, layout):
        self.run()
