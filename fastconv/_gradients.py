"""Gradients of convolution over any rank: the forward geometry, grad_output checked against it, and the kernels.

    gradient of the input     a transposed convolution, by way of `_phases`
    gradient of the weight    minimal filtering over tiles, of 1x1 kernels a product along pixels, or sums of outer
                              products over pixels, or, depthwise and where an input channel meets few output
                              channels, products of rows
    gradient of the bias      a sum

`fastconv.grad` makes them public.
"""

from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np

from fastconv import _cpu, _memory
from fastconv._arrays import (
    FIRST,
    array,
    channels_first,
    channels_last,
    compute_dtype,
    dense,
    finish,
    float_dtype,
    layout,
    names_memory_errors,
    readable,
)
from fastconv._depthwise import sees_near_rows
from fastconv._geometry import check_rank, conv_geometry, image_forms, weight_forms
from fastconv._phases import spread
from fastconv._plan import SERIAL_MACS, SPECIALISATION
from fastconv._sizes import frozen, shape
from fastconv._threads import get_num_threads
from fastconv._transpose_geometry import Transposed
from fastconv._tuned import tuned

FEW_CHANNELS = 4  # a vector of them would be half empty
WORTH_TURNING = 8  # channels of a group: fewer are not turned in whole squares
# Minimal filtering by stride: taps of a piece of the kernel, outputs of a tile along an axis, its products, and the
# channels of a group that repay the transforms; five taps at stride 1 are one piece.
TILES = {1: (3, 4, 6, 8), 2: (3, 4, 9, 32)}
FIVE = (5, 2, 6, 8)
# Errors average out over tiles: simulated, a rectified input with positive slopes reaches 11 eps of the sum of
# magnitudes over 4 tiles, 7 over 8, 5 over 32 and 3 over 196.
LEAST_TILES = 32
# Of the outputs that the outermost taps see, which share the errors of others: 5x5 on maps of 3x3 see a ninth there,
# and rectified inputs reached 200 eps; taps that see nothing got other than zero.
LEAST_SEEN = 0.4
LEAST_GAIN = 1.5  # in multiply-adds, to be worth the transforms: asv_bench/peers.py --family gradients
LEAST_CHANNELS = 16  # of all groups: a vector, so that few lanes are empty
MOST_ROWS, MOST_COLUMNS = 64, 1024  # what a kernel may reach, so that a band with its surroundings stays in L2


def full_shape(function, name, value, rank, forms):
    """A shape argument as a tuple of plain integers from 0 up, of one of the ranks that `forms` describes."""
    sizes = shape(function, name, value)
    check_rank(function, name, sizes, rank, forms)
    return sizes


@lru_cache(maxsize=1024)
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


def transposed(g):
    """The transposed convolution that takes grad_output of the convolution `g` to the gradient of its input."""
    return Transposed(
        g.oc, g.ic, g.groups, (g.od, g.oh, g.ow), (g.id, g.ih, g.iw), (g.kd, g.kh, g.kw), (g.sd, g.sh, g.sw),
        (g.dd, g.dh, g.dw), (g.pd, g.ph, g.pw),
    )  # fmt: skip


def shares_little(g):
    """Whether an input channel meets too few output channels to fill a vector, and the copies of `tap_grad.pyx` fit.

    Not so where vectors run along other channels: of the input, channels-last and many; of both, depthwise.
    """
    if 1 < g.groups == g.ic == g.oc:
        return False
    near = max(g.sh, g.sw, (g.kh - 1) * g.dh) <= MOST_ROWS and (g.kw - 1) * g.dw <= MOST_COLUMNS
    return near and g.oc // g.groups <= FEW_CHANNELS and (not g.last or g.ic // g.groups <= FEW_CHANNELS)


def sees_pixels(g):
    """Whether the product of `point_grad.pyx` is to be taken: of 1x1 kernels, not padded, which share inputs."""
    if 1 < g.groups == g.ic == g.oc or (g.last and (tuned().outer or min(g.ic, g.oc) < WORTH_TURNING * g.groups)):
        return False
    inside = ((outputs - 1) * stride < size and not before for size, outputs, _, stride, _, before in g.axes)
    return g.kd * g.kh * g.kw == 1 and all(inside)


def seen(axis):
    """The least share of an axis of outputs that a tap sees: the first one or the last."""
    size, outputs, taps, stride, dilation, before = axis
    places = ([o * stride + tap * dilation - before for o in (0, outputs - 1)] for tap in (0, taps - 1))
    lost = (max(-(first // stride), 0) + max((last - size) // stride + 1, 0) for first, last in places)
    return max(1 - max(lost) / outputs, 0)


def few_products(g, images):
    """Whether minimal filtering over tiles of all images is within 8 eps of |grad_output| conv |input|, and faster.

    g : the forward ConvGeometry; `images` the size of the batch, 1 without one
    """
    tiles = products = images * g.od
    least = 1
    for _, outputs, taps, stride, dilation, _ in g.axes[1:]:
        if taps == 1:
            tiles, products = tiles * outputs, products * outputs
        elif dilation == 1 and stride in TILES:
            piece, tile, points, channels = FIVE if (taps, stride) == (5, 1) else TILES[stride]
            tiles *= -(-outputs // tile)
            products *= -(-outputs // tile) * points * -(-taps // piece)
            least = max(least, channels)
        else:
            return False
    enough = min(g.oc, g.ic) >= max(LEAST_CHANNELS, least * g.groups)
    gains = images * g.od * g.oh * g.ow * g.kh * g.kw >= LEAST_GAIN * products
    return gains and enough and tiles >= LEAST_TILES and prod(map(seen, g.axes)) >= LEAST_SEEN


class WeightPlan(NamedTuple):
    run: object  # kernel(geometry, x, grad_output, grad_weight, like, threads)
    geometry: tuple
    dtype: np.dtype
    macs: int  # of one image


@_cpu.remembers_kernels
@lru_cache(maxsize=1024)
def plan_weight(function, rank, input_shape, weight_shape, grad_shape, sizes, dtype, order):
    """How to compute a weight gradient."""
    dtype = compute_dtype(dtype)
    g = forward(function, rank, input_shape, weight_shape, grad_shape, sizes, dtype.itemsize, order)
    if not g.last and g.ow <= MOST_COLUMNS and sees_near_rows(g):
        kernel = "row_grad"
    elif shares_little(g):
        kernel = "tap_grad"
    elif sees_pixels(g):
        kernel = "point_grad"
    else:
        kernel = "winograd_grad" if few_products(g, prod(input_shape[: -rank - 1])) else "weight_grad"
    run = _cpu.kernel(kernel).weight_grad[SPECIALISATION[dtype.itemsize]]
    return WeightPlan(run, tuple(g), dtype, g.macs)


@names_memory_errors
def input_gradient(function, rank, input_size, weight, grad_output, stride, padding, dilation, groups):
    """Gradient of the input: the transposed convolution of grad_output."""
    size = full_shape(function, "input_size", input_size, rank, image_forms(rank))
    w, g = array(function, "weight", weight), array(function, "grad_output", grad_output)
    dtype = float_dtype(function, weight=w, grad_output=g)
    sizes = frozen(function, stride=stride, padding=padding, dilation=dilation, groups=groups)
    geometry = forward(function, rank, size, w.shape, g.shape, sizes, dtype.itemsize, 0)
    return spread(function, rank, transposed(geometry), g, w, None, dtype, layout(g, rank), size, None)


@names_memory_errors
def weight_gradient(function, rank, input, weight_size, grad_output, stride, padding, dilation, groups):
    """Gradient of the weight: for each tap, the product of grad_output and the input that the tap has seen."""
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
        x, g = readable(x, rank, plan.dtype, order), dense_in(g, rank, plan.dtype, order)
        threads = get_num_threads() if plan.macs * (x.size // prod(x.shape[-rank - 1 :])) > SERIAL_MACS else 1
        plan.run(plan.geometry, x, g, result, 0.0, threads)
    return finish(result, None, dtype)


@names_memory_errors
def bias_gradient(function, rank, grad_output):
    """Gradient of the bias: the sum over everything but channels.

    In float64 and one axis after the other: NumPy's sum over several axes at once may add them all in a row.
    """
    g = array(function, "grad_output", grad_output)
    dtype = float_dtype(function, grad_output=g)
    check_rank(function, "grad_output", g.shape, rank, image_forms(rank, "oc"))
    with np.errstate(over="ignore", invalid="ignore"):
        for axis in (*range(g.ndim - 1, g.ndim - rank - 1, -1), *range(g.ndim - rank - 1)):
            g = g.sum(axis, dtype=np.float64)
    return finish(np.asarray(g), None, dtype)


def dense_in(x, rank, dtype, order):
    """`x` dense in the memory order of `order`; copied if it is not."""
    if order == FIRST:
        return dense(x, dtype)
    return channels_first(dense(channels_last(x, rank), dtype), rank)
