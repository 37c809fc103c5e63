"""Convolution (cross-correlation, as in every network library) and its transpose.

    out[b, o, y, x] = bias[o] + sum over i, r, c of  weight[o, i, r, c] * padded[b, first + i, y*sh + r*dh, x*sw + c*dw]

with `first` the first input channel of the group that output channel o belongs to. Layouts: input (n, ic, *spatial),
weight (oc, ic // groups, *kernel), for the transpose (ic, oc // groups, *kernel). Source: V. Dumoulin and F. Visin, "A
guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285.
"""

import numpy as np

from reference._numbers import narrow, quiet, wide
from reference._padding import pad, pairs, per_axis
from reference._windows import count, slices

ACTIVATIONS = {
    None: lambda x: x,
    "relu": lambda x: np.maximum(x, 0),  # NumPy's maximum and minimum propagate NaN
    "relu6": lambda x: np.minimum(np.maximum(x, 0), 6),
}


def conv(
    input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1,
    *, padding_mode="zeros", activation=None, dtype=None,
):  # fmt: skip
    """Convolve `input` with `weight` over as many spatial axes as the weight has; `dtype` is the result's."""
    given = np.result_type(*(a for a in (input, weight, bias) if a is not None))
    kernel = weight.shape[2:]
    rank = len(kernel)
    if input.ndim == rank + 1:  # one image without a batch axis
        return conv(
            input[None], weight, bias, stride, padding, dilation, groups,
            padding_mode=padding_mode, activation=activation, dtype=dtype,
        )[0]  # fmt: skip
    stride, dilation = per_axis(stride, rank), per_axis(dilation, rank)
    sizes = input.shape[2:]
    amounts = pairs(padding, sizes, kernel, stride, dilation)
    spatial = [count(*axis) for axis in zip(sizes, kernel, stride, amounts, dilation, strict=True)]
    sum_type = wide(given)
    padded = pad(input.astype(sum_type), amounts, padding_mode)
    weight = weight.astype(sum_type)
    n, oc, icg = input.shape[0], weight.shape[0], weight.shape[1]
    out = np.zeros((n, oc, *spatial), sum_type)
    with quiet():
        for image, channel in np.ndindex(n, oc):
            first = channel // (oc // groups) * icg
            for position in np.ndindex(*spatial):
                where = slices(position, kernel, stride, dilation)
                window = padded[(image, slice(first, first + icg), *where)]
                out[(image, channel, *position)] = (window * weight[channel]).sum()
            if bias is not None:
                out[image, channel] += bias[channel]
    return narrow(ACTIVATIONS[activation](out), given if dtype is None else dtype)


def magnitude(input, weight, bias=None, *args, **kwargs):
    """``|input| conv |weight| + |bias|``: what rounding errors of a convolution are measured against."""
    size = None if bias is None else np.abs(bias)
    kwargs |= {"dtype": wide(np.result_type(input, weight)), "activation": None}
    return conv(np.abs(input), np.abs(weight), size, *args, **kwargs)


def conv_transpose(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *, dtype=None
):
    """Scatter each input element, times the kernel, over the output: the transpose of `conv` as a linear map.

    On each axis the scattered image has ``(size - 1) * stride + dilation * (kernel - 1) + 1 + output_padding``
    elements, of which `padding` crops some on both sides.
    """
    given = np.result_type(*(a for a in (input, weight, bias) if a is not None))
    kernel = weight.shape[2:]
    rank = len(kernel)
    if input.ndim == rank + 1:
        return conv_transpose(
            input[None], weight, bias, stride, padding, output_padding, groups, dilation, dtype=dtype
        )[0]
    stride, dilation, extra = (per_axis(v, rank) for v in (stride, dilation, output_padding))
    crops = pairs(padding, input.shape[2:], kernel, stride, dilation)
    n, ic, *sizes = input.shape
    ocg = weight.shape[1]
    scattered = [
        (size - 1) * s + d * (k - 1) + 1 + e
        for size, k, s, d, e in zip(sizes, kernel, stride, dilation, extra, strict=True)
    ]
    sum_type = wide(given)
    weight, input = weight.astype(sum_type), input.astype(sum_type)
    out = np.zeros((n, groups * ocg, *scattered), sum_type)
    with quiet():
        for image, channel in np.ndindex(n, ic):
            first = channel // (ic // groups) * ocg
            for position in np.ndindex(*sizes):
                where = slices(position, kernel, stride, dilation)
                value = input[(image, channel, *position)]
                out[(image, slice(first, first + ocg), *where)] += value * weight[channel]
        kept = tuple(slice(b, size - a) for size, (b, a) in zip(scattered, crops, strict=True))
        out = out[(slice(None), slice(None), *kept)]
        if bias is not None:
            out = out + np.reshape(bias, (-1,) + (1,) * rank)
    return narrow(out, given if dtype is None else dtype)
