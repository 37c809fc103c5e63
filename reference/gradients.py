"""Gradients: where each output takes a product, the gradient gives each factor the other one times grad_output.

With ``out[b, o, y] += weight[o, i, r] * padded[b, first + i, y*s + r*d]`` for every b, o, y, i, r (see convolution.py):

    grad_padded[b, first + i, y*s + r*d] += weight[o, i, r] * grad_output[b, o, y]
    grad_weight[o, i, r]                 += padded[b, first + i, y*s + r*d] * grad_output[b, o, y]
    grad_bias[o]                         += grad_output[b, o, y]

and the gradient of the input is grad_padded without its padding. Pooling: the maximum passes its gradient to the
element it was, the mean divides its own among the elements of the window.
"""

import itertools

import numpy as np

from reference._numbers import narrow, quiet, wide
from reference._padding import pad, pairs, per_axis
from reference._windows import in_groups, one_after_another, real, slices
from reference.pooling import divisors, rank_of, regular


def conv_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1, *, dtype=None):
    """Gradient of the input of a convolution."""
    given = np.result_type(weight, grad_output)
    kernel = weight.shape[2:]
    rank = len(kernel)
    if grad_output.ndim == rank + 1:
        size = (1, *input_size)
        return conv_input(size, weight, grad_output[None], stride, padding, dilation, groups, dtype=dtype)[0]
    stride, dilation = per_axis(stride, rank), per_axis(dilation, rank)
    n, ic, *sizes = input_size
    amounts = pairs(padding, sizes, kernel, stride, dilation)
    padded_sizes = [size + before + after for size, (before, after) in zip(sizes, amounts, strict=True)]
    sum_type = wide(given)
    weight = in_groups(weight.astype(sum_type), 0, groups)
    grad_output = in_groups(grad_output.astype(sum_type), 1, groups)
    padded = np.zeros((n, groups, ic // groups, *padded_sizes), sum_type)
    with quiet():
        for position in np.ndindex(*grad_output.shape[3:]):
            seen = slices(position, kernel, stride, dilation)
            padded[(..., *seen)] += np.einsum("ngo,goi...->ngi...", grad_output[(..., *position)], weight)
    kept = tuple(slice(before, before + size) for size, (before, _) in zip(sizes, amounts, strict=True))
    return narrow(one_after_another(padded)[(..., *kept)], given if dtype is None else dtype)


def conv_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1, *, dtype=None):
    """Gradient of the weight of a convolution."""
    given = np.result_type(input, grad_output)
    kernel = weight_size[2:]
    rank = len(kernel)
    if input.ndim == rank + 1:
        batch = (input[None], weight_size, grad_output[None])
        return conv_weight(*batch, stride, padding, dilation, groups, dtype=dtype)
    stride, dilation = per_axis(stride, rank), per_axis(dilation, rank)
    sum_type = wide(given)
    amounts = pairs(padding, input.shape[2:], kernel, stride, dilation)
    padded = in_groups(pad(input.astype(sum_type), amounts), 1, groups)
    grad_output = in_groups(grad_output.astype(sum_type), 1, groups)
    grad = in_groups(np.zeros(weight_size, sum_type), 0, groups)
    with quiet():
        for position in np.ndindex(*grad_output.shape[3:]):
            window = padded[(..., *slices(position, kernel, stride, dilation))]
            grad += np.einsum("ngo,ngi...->goi...", grad_output[(..., *position)], window)
    return narrow(grad.reshape(weight_size), given if dtype is None else dtype)


def conv_bias(grad_output, *, rank, dtype=None):
    """Gradient of the bias: grad_output summed over everything but its channels; `rank` counts the spatial axes."""
    channels = grad_output.ndim - rank - 1
    data = np.moveaxis(grad_output.astype(wide(grad_output.dtype)), channels, 0)
    return narrow([plane.sum() for plane in data], grad_output.dtype if dtype is None else dtype)


def max_pool(grad_output, indices, input_size, *, rank, dtype=None):
    """Gradient of max pooling: each grad_output goes to the element that `indices` names in its plane."""
    lead, spatial = grad_output.shape[: grad_output.ndim - rank], tuple(input_size)[-rank:]
    grad = np.zeros((*lead, *spatial), wide(grad_output.dtype))
    for where in np.ndindex(*grad_output.shape):
        grad[where[: len(lead)] + np.unravel_index(indices[where], spatial)] += grad_output[where]
    return narrow(grad, grad_output.dtype if dtype is None else dtype)


def avg_pool(
    grad_output, input_size, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
    divisor_override=None, *, dtype=None,
):  # fmt: skip
    """Gradient of average pooling: each grad_output, over its divisor, goes to every element of its window."""
    rank = rank_of(grad_output, kernel_size)
    lead, sizes = grad_output.shape[: grad_output.ndim - rank], tuple(input_size)[-rank:]
    windows = regular(sizes, kernel_size, stride, padding, 1, ceil_mode)
    table = divisors(windows, sizes, count_include_pad, divisor_override)
    touched = list(map(real, windows, sizes))
    grad = np.zeros((*lead, *sizes), wide(grad_output.dtype))
    for position in np.ndindex(*table.shape):
        share = grad_output[(..., *position)].astype(grad.dtype) / table[position]
        for where in itertools.product(*(axis[o] for axis, o in zip(touched, position, strict=True))):
            grad[(..., *where)] += share
    return narrow(grad, grad_output.dtype if dtype is None else dtype)
