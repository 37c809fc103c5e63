"""Gradients of convolution over any rank: the forward geometry, grad_output checked against it, and the kernels.

    gradient of the input     a transposed convolution, by way of `_phases`
    gradient of the weight    a kernel that `_weight_choice` picks
    gradient of the bias      a sum

`fastconv.grad` makes them public.
"""

from functools import lru_cache, partial
from math import prod
from typing import NamedTuple

import numpy as np

from fastconv import _cpu, _memory, _weight_choice
from fastconv._arrays import (
    FIRST,
    KINDS,
    array,
    channels_last,
    compute_dtype,
    dense_in,
    finish,
    float_dtype,
    layout,
    names_memory_errors,
    readable,
)
from fastconv._depthwise import CHAIN
from fastconv._door import again, remember, settled
from fastconv._geometry import check_rank, conv_geometry, image_forms, weight_forms
from fastconv._phases import spread
from fastconv._plan import most_threads
from fastconv._reach import seen_taps
from fastconv._sizes import frozen, shape
from fastconv._threads import get_num_threads
from fastconv._transpose_geometry import Transposed
from fastconv._weight_axes import lesser

# Products in whose time a weight is copied that is among others; at 7x7 maps and taps 12 apart 49 * 8 are saved for it
COPIED = 64


def full_shape(function, name, value, rank, forms):
    """A shape argument as a tuple of plain integers from 0 up, of one of the ranks that `forms` describes."""
    sizes = shape(function, name, value)
    check_rank(function, name, sizes, rank, forms)
    return sizes


def forward(function, rank, input_shape, weight_shape, grad_shape, sizes, itemsize, last):
    """The convolution whose gradient is asked for; ValueError if `grad_shape` is not the shape of its result."""
    conv = conv_geometry(function, rank, input_shape, weight_shape, *sizes, "zeros", itemsize, last)
    expected = (*input_shape[: -rank - 1], *conv.output)
    if grad_shape != expected:
        raise ValueError(
            f"{function}: grad_output has shape {grad_shape}; the convolution of input {input_shape} with weight "
            f"{weight_shape} has shape {expected}"
        )
    return conv.geometry


def taps_of_input(g):
    """Slices of the taps, along d, h, w, that some output of `g` finds inside the input; all, unless that saves time.

    They do not depend on the batch, no more than the bits of its images do.
    """
    seen = tuple(map(seen_taps, g.axes))
    each, left = g.kd * g.kh * g.kw, prod(end - first for first, end in seen)
    inside = all(axis[5] >= first * axis[4] for axis, (first, _) in zip(g.axes, seen, strict=True))
    if not (left and inside and g.od * g.oh * g.ow * (each - left) >= COPIED * left):
        seen = ((0, axis[2]) for axis in g.axes)
    return tuple(slice(*taps) for taps in seen)


@lru_cache(maxsize=1024)
def transposed(g):
    """The transposed convolution that takes grad_output of the convolution `g` to the gradient of its input, and the
    taps whose weights it takes, of those along axes that there are."""
    taps = taps_of_input(g)
    crop = (axis[5] - some.start * axis[4] for axis, some in zip(g.axes, taps, strict=True))  # less zeros before it
    return Transposed(
        g.oc, g.ic, g.groups, (g.od, g.oh, g.ow), (g.id, g.ih, g.iw), tuple(some.stop - some.start for some in taps),
        (g.sd, g.sh, g.sw), (g.dd, g.dh, g.dw), tuple(crop),
    ), taps  # fmt: skip


class WeightPlan(NamedTuple):
    run: object  # kernel(geometry, x, grad_output, None, grad_weight, rank, like, threads)
    geometry: tuple
    dtype: np.dtype
    threads: int  # the most that are worth it
    packing: None = None  # of weights, beforehand; there are none


@_cpu.remembers_kernels
@lru_cache(maxsize=1024)
def plan_weight(function, rank, input_shape, weight_shape, grad_shape, sizes, dtype, order):
    """How to compute a weight gradient."""
    dtype = compute_dtype(dtype)
    g = forward(function, rank, input_shape, weight_shape, grad_shape, sizes, dtype.itemsize, order)
    images, kind = prod(input_shape[: -rank - 1]), KINDS[dtype]
    axes = lesser(g, images) if images else None
    kernel = _cpu.kernel(_weight_choice.kernel(axes.geometry if axes else g, images))
    put = _cpu.kernel("seen_taps").put[kind] if axes else None
    threads = most_threads(g.macs * images, prod(input_shape) + prod(grad_shape))
    return WeightPlan(partial(sum_weight, kernel.weight_grad[kind], axes, put), tuple(g), dtype, threads)


def sum_weight(kernel, axes, put, geometry, x, grad_output, _bias, result, rank, like, threads):
    """Write the gradient of the weight to `result`: over other `axes` if these are less, and by `put` from there.

    The arguments from `geometry` on are those of every kernel that the door knows.
    """
    if axes:
        axes.run(kernel, put, rank, x, grad_output, result, threads)
    else:
        kernel(geometry, x, grad_output, result, like, threads)


def input_gradient(function, rank, input_size, weight, grad_output, stride, padding, dilation, groups):
    """Gradient of the input: the transposed convolution of grad_output."""
    settings = function, rank, input_size, stride, padding, dilation, groups
    result = again(None, grad_output, weight, None, settings)
    return input_gradient_by_plan(function, settings, weight, grad_output) if result is None else result


@names_memory_errors
def input_gradient_by_plan(function, settings, weight, grad_output):
    """The long way: arrays, geometry, phases."""
    settings = settled(settings)
    _, rank, input_size, stride, padding, dilation, groups = settings
    size = full_shape(function, "input_size", input_size, rank, image_forms(rank))
    w, g = array(function, "weight", weight), array(function, "grad_output", grad_output)
    dtype = float_dtype(function, weight=w, grad_output=g)
    sizes = frozen(function, stride=stride, padding=padding, dilation=dilation, groups=groups)
    geometry = forward(function, rank, size, w.shape, g.shape, sizes, dtype.itemsize, 0)
    whole, taps = transposed(geometry)
    return spread(settings, whole, taps[3 - rank :], g, w, None, dtype, layout(g, rank), size, None)


def weight_gradient(function, rank, input, weight_size, grad_output, stride, padding, dilation, groups):
    """Gradient of the weight: for each tap, the product of grad_output and the input that the tap has seen."""
    settings = function, rank, weight_size, stride, padding, dilation, groups
    result = again(None, input, grad_output, None, settings)
    return weight_gradient_by_plan(function, settings, input, grad_output) if result is None else result


@names_memory_errors
def weight_gradient_by_plan(function, settings, input, grad_output):
    """The long way: arrays, plan, kernel, result."""
    settings = settled(settings)
    _, rank, weight_size, stride, padding, dilation, groups = settings
    size = full_shape(function, "weight_size", weight_size, rank, weight_forms(rank))
    x, g = array(function, "input", input), array(function, "grad_output", grad_output)
    dtype = float_dtype(function, input=x, grad_output=g)
    check_rank(function, "input", x.shape, rank, image_forms(rank))
    order = layout(x, rank)
    sizes = frozen(function, stride=stride, padding=padding, dilation=dilation, groups=groups)
    plan = plan_weight(function, rank, x.shape, size, g.shape, sizes, dtype, order)
    result = _memory.empty(size, plan.dtype)
    if not x.size or not g.size:
        result[...] = 0
    elif result.size:
        used = readable(x, rank, plan.dtype, order), dense_in(g, rank, plan.dtype, order)
        plan.run(plan.geometry, *used, None, result, rank, 0.0, min(plan.threads, get_num_threads()))
        if plan.dtype == dtype and used[0] is x and used[1] is g:
            remember(result, plan, (rank, 0.0), plan.threads, x, g, None, settings)
    return finish(result, None, dtype)


@names_memory_errors
def bias_gradient(function, rank, grad_output):
    """Gradient of the bias: the sum over everything but channels, in float64."""
    g = array(function, "grad_output", grad_output)
    dtype = float_dtype(function, grad_output=g)
    check_rank(function, "grad_output", g.shape, rank, image_forms(rank, "oc"))
    with np.errstate(over="ignore", invalid="ignore"):
        g = sum_of_planes(g, rank) if layout(g, rank) == FIRST or not g.size else sum_of_pixels(g, rank)
    return finish(np.asarray(g), None, dtype)


def sum_of_planes(g, rank):
    """Over images and pixels of channels-first memory, each channel's, in float64.

    NumPy adds up an axis that lies side by side by halves, but several at once in a row, which only float32 is rough
    enough for; single ones cost a loop for each row of a map (512 channels of 7x7 took 5 times as long).
    """
    channels = g.ndim - rank - 1
    spatial = range(g.ndim - 1, channels, -1)
    for axes in ((*spatial, *range(channels)),) if g.itemsize < 8 else (*spatial, *range(channels)):
        g = g.sum(axes, dtype=np.float64)
    return g


def sum_of_pixels(g, rank):
    """The same of channels-last memory: of all pixels some long rows, which are added up, and so on.

    Chains are as short as in kernels: one of two million erred by 270 eps. Of short rows, such as 3 channels of 500x500
    along these, it took 17 to 20 times as long (2026-11-30).
    """
    pixels = channels_last(g, rank).reshape(-1, g.shape[g.ndim - rank - 1])
    while len(pixels) > CHAIN:
        row = len(pixels) // CHAIN
        rows = pixels[: CHAIN * row].reshape(CHAIN, -1).sum(0, dtype=np.float64)
        pixels = np.concatenate([rows.reshape(row, -1), pixels[CHAIN * row :]])
    return pixels.sum(0, dtype=np.float64)
