"""Pooling: one number from each window of each plane.

A pooling is a list of windows for each axis, each window a list of the coordinates it reads. Regular pooling moves a
window by a stride; adaptive pooling cuts an axis of `size` elements into `out` windows [floor(o*size/out),
ceil((o+1)*size/out)), in integers; global pooling has one window that reads everything. What is left is to reduce the
elements in the product of one window from each axis. Layout: any leading axes, then the spatial axes.
"""

import itertools
import math

import numpy as np

from reference._numbers import narrow, quiet, wide
from reference._padding import pairs, per_axis
from reference._windows import coordinates, real


def rank_of(input, kernel_size):
    """Spatial axes: as many as a tuple names; all but two for an integer (a batch of images with channels)."""
    return input.ndim - 2 if isinstance(kernel_size, (int, np.integer)) else len(kernel_size)


def regular(sizes, kernel_size, stride, padding, dilation, ceil_mode):
    """Windows of each axis, coordinates in the padding included."""
    rank = len(sizes)
    kernel, dilation = per_axis(kernel_size, rank), per_axis(dilation, rank)
    stride = kernel if stride is None else per_axis(stride, rank)
    amounts = pairs(padding, sizes, kernel, stride, dilation)
    axes = zip(sizes, kernel, stride, amounts, dilation, strict=True)
    return [coordinates(*axis, ceil_mode) for axis in axes]


def adaptive(sizes, output_size):
    """Windows of adaptive pooling; None in `output_size` keeps an axis as it is."""
    wanted = (output_size,) * len(sizes) if output_size is None or isinstance(output_size, int) else output_size
    return [
        [list(range(o * size // out, -(-(o + 1) * size // out))) for o in range(out)]
        for size, out in ((size, size if out is None else out) for size, out in zip(sizes, wanted, strict=True))
    ]


def reduce_windows(input, windows, function, dtype):
    """Call ``function(plane, window)`` for each plane and each window; a window is one coordinate list an axis."""
    lead = input.shape[: input.ndim - len(windows)]
    out = np.zeros((*lead, *map(len, windows)), dtype)
    for plane in np.ndindex(*lead):
        for position in np.ndindex(*map(len, windows)):
            window = [axis[o] for axis, o in zip(windows, position, strict=True)]
            out[plane + position] = function(input[plane], window)
    return out


def largest(plane, window):
    """Flat index of the first largest element in the window; the first NaN, if there is one."""
    best = None
    for where in itertools.product(*window):
        value = plane[where]
        if best is None or value > plane[best] or (np.isnan(value) and not np.isnan(plane[best])):
            best = where
    if best is None:
        raise ValueError("a window that touches no element has no largest one")
    return np.ravel_multi_index(best, plane.shape)


def _max(input, windows, return_indices):
    indices = reduce_windows(input, windows, largest, np.int64)
    lead = indices.shape[: input.ndim - len(windows)]
    planes = input.reshape(*lead, math.prod(input.shape[len(lead) :]))
    values = np.take_along_axis(planes, indices.reshape(*lead, math.prod(indices.shape[len(lead) :])), axis=-1)
    values = values.reshape(indices.shape)
    return (values, indices) if return_indices else values


def max_pool(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Largest element of each window; padding is never the largest."""
    sizes = input.shape[input.ndim - rank_of(input, kernel_size) :]
    windows = regular(sizes, kernel_size, stride, padding, dilation, ceil_mode)
    return _max(input, list(map(real, windows, sizes)), return_indices)


def divisors(windows, sizes, count_include_pad, divisor_override):
    """What the sum of each window is divided by: an array over the output positions."""
    counted = windows if count_include_pad else list(map(real, windows, sizes))
    table = np.zeros(tuple(map(len, windows)), np.int64)
    for position in np.ndindex(*table.shape):
        elements = math.prod(len(axis[o]) for axis, o in zip(counted, position, strict=True))
        table[position] = elements if divisor_override is None else divisor_override
    return table


def avg_pool(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None,
    *, dilation=1, dtype=None,
):  # fmt: skip
    """Sum of each window over its number of elements; what hangs over the padded axis never counts."""
    sizes = input.shape[input.ndim - rank_of(input, kernel_size) :]
    windows = regular(sizes, kernel_size, stride, padding, dilation, ceil_mode)
    table = divisors(windows, sizes, count_include_pad, divisor_override)
    return narrow(_sums(input, list(map(real, windows, sizes))) / table, input.dtype if dtype is None else dtype)


def _sums(input, windows, term=lambda x: x):
    data = input.astype(wide(input.dtype))
    with quiet():
        return reduce_windows(data, windows, lambda plane, window: term(plane[np.ix_(*window)]).sum(), data.dtype)


def lp_pool(input, norm_type, kernel_size, stride=None, ceil_mode=False, *, padding=0, dilation=1, dtype=None):
    """``(sum |x| ** p) ** (1 / p)`` over each window."""
    sizes = input.shape[input.ndim - rank_of(input, kernel_size) :]
    windows = list(map(real, regular(sizes, kernel_size, stride, padding, dilation, ceil_mode), sizes))
    sums = _sums(input, windows, lambda x: np.abs(x) ** norm_type)
    return narrow(sums ** (1 / sums.dtype.type(norm_type)), input.dtype if dtype is None else dtype)


def adaptive_max_pool(input, output_size, return_indices=False):
    """Largest element of each of `output_size` windows, which may overlap."""
    sizes = input.shape[input.ndim - rank_of(input, output_size if output_size is not None else 1) :]
    return _max(input, adaptive(sizes, output_size), return_indices)


def adaptive_avg_pool(input, output_size, *, dtype=None):
    """Mean of each of `output_size` windows, which may overlap."""
    sizes = input.shape[input.ndim - rank_of(input, output_size if output_size is not None else 1) :]
    windows = adaptive(sizes, output_size)
    table = divisors(windows, sizes, True, None)
    return narrow(_sums(input, windows) / table, input.dtype if dtype is None else dtype)


def global_max_pool(input):
    """Largest element of each plane of an input (n, c, *spatial); spatial axes stay, with size 1."""
    return adaptive_max_pool(input, 1)


def global_avg_pool(input, *, dtype=None):
    """Mean of each plane of an input (n, c, *spatial); spatial axes stay, with size 1."""
    return adaptive_avg_pool(input, 1, dtype=dtype)


def max_unpool(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Put each element where `indices` says its plane had it, zeros elsewhere."""
    rank = rank_of(input, kernel_size)
    kernel = per_axis(kernel_size, rank)
    stride = kernel if stride is None else per_axis(stride, rank)
    lead, sizes = input.shape[: input.ndim - rank], input.shape[input.ndim - rank :]
    amounts = pairs(padding, sizes, kernel, stride, (1,) * rank)
    if output_size is None:
        axes = zip(sizes, kernel, stride, amounts, strict=True)
        output_size = [(size - 1) * s + k - before - after for size, k, s, (before, after) in axes]
    spatial = tuple(output_size)[-rank:]
    out = np.zeros((*lead, *spatial), input.dtype)
    for where in np.ndindex(*input.shape):
        out[where[: len(lead)] + np.unravel_index(indices[where], spatial)] = input[where]
    return out
