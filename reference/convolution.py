"""Convolution (cross-correlation, as in every network library) and its transpose.

    out[b, o, y, x] = bias[o] + sum over i, r, c of  weight[o, i, r, c] * padded[b, first + i, y*sh + r*dh, x*sw + c*dw]

with `first` the first input channel of the group that output channel o belongs to. Layouts: input (n, ic, *spatial),
weight (oc, ic // groups, *kernel), for the transpose (ic, oc // groups, *kernel). Source: V. Dumoulin and F. Visin, "A
guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285.
"""

import numpy as np

from reference._numbers import narrow, quiet, wide
from reference._padding import pad, pairs, per_axis
from reference._windows import count, in_groups, one_after_another, slices

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
    padded = in_groups(pad(input.astype(sum_type), amounts, padding_mode), 1, groups)
    weight = in_groups(weight.astype(sum_type), 0, groups)
    out = np.zeros((len(input), *weight.shape[:2], *spatial), sum_type)
    terms = tuple(range(-rank - 1, 0))  # of one output: the channels of a group, the taps
    with quiet():
        for position in np.ndindex(*spatial):
            window = padded[(..., *slices(position, kernel, stride, dilation))]
            out[(..., *position)] = (window[:, :, None] * weight).sum(axis=terms)
        out = one_after_another(out)
        if bias is not None:
            out += np.reshape(bias, (-1,) + (1,) * rank)
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
    sizes = input.shape[2:]
    crops = pairs(padding, sizes, kernel, stride, dilation)
    scattered = [
        (size - 1) * s + d * (k - 1) + 1 + e
        for size, k, s, d, e in zip(sizes, kernel, stride, dilation, extra, strict=True)
    ]
    sum_type = wide(given)
    weight, input = in_groups(weight.astype(sum_type), 0, groups), in_groups(input.astype(sum_type), 1, groups)
    out = np.zeros((len(input), groups, weight.shape[2], *scattered), sum_type)
    with quiet():
        for position in np.ndindex(*sizes):
            seen = slices(position, kernel, stride, dilation)
            out[(..., *seen)] += np.einsum("ngi,gio...->ngo...", input[(..., *position)], weight)
        kept = tuple(slice(b, size - a) for size, (b, a) in zip(scattered, crops, strict=True))
        out = one_after_another(out)[(..., *kept)]
        if bias is not None:
            out = out + np.reshape(bias, (-1,) + (1,) * rank)
    return narrow(out, given if dtype is None else dtype)
