"""Unfold (im2col) and fold (col2im): windows of an image as columns, and columns summed back into an image.

    input (n, c, h, w)  <->  columns (n, c * kh * kw, oh * ow)

Row ``(channel * kh + r) * kw + c`` of column ``y * ow + x`` is element (channel, y*sh - pt + r*dh, x*sw - pl + c*dw).
The two are transposes of one another as linear maps; fold after unfold multiplies each element by the number of windows
that read it.
"""

import math

import numpy as np

from reference._numbers import narrow, wide
from reference._padding import pad, pairs, per_axis
from reference._windows import count, slices


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """Windows of an input (n, c, h, w) or (c, h, w) as columns."""
    if input.ndim == 3:
        return unfold(input[None], kernel_size, dilation, padding, stride)[0]
    n, c, *sizes = input.shape
    kernel, stride, dilation = (per_axis(v, 2) for v in (kernel_size, stride, dilation))
    amounts = pairs(padding, sizes, kernel, stride, dilation)
    spatial = [count(*axis) for axis in zip(sizes, kernel, stride, amounts, dilation, strict=True)]
    padded = pad(input, amounts)
    columns = np.zeros((n, c * math.prod(kernel), math.prod(spatial)), input.dtype)
    for image, column in np.ndindex(n, math.prod(spatial)):
        where = slices(np.unravel_index(column, spatial), kernel, stride, dilation)
        columns[image, :, column] = padded[(image, slice(None), *where)].ravel()
    return columns


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Sum columns (n, c * kh * kw, length) into an image (n, c, *output_size)."""
    if input.ndim == 2:
        return fold(input[None], output_size, kernel_size, dilation, padding, stride)[0]
    sizes, kernel, stride, dilation = (per_axis(v, 2) for v in (output_size, kernel_size, stride, dilation))
    amounts = pairs(padding, sizes, kernel, stride, dilation)
    spatial = [count(*axis) for axis in zip(sizes, kernel, stride, amounts, dilation, strict=True)]
    n, c = input.shape[0], input.shape[1] // math.prod(kernel)
    padded_sizes = [size + before + after for size, (before, after) in zip(sizes, amounts, strict=True)]
    padded = np.zeros((n, c, *padded_sizes), wide(input.dtype))
    for image, column in np.ndindex(n, math.prod(spatial)):
        where = slices(np.unravel_index(column, spatial), kernel, stride, dilation)
        padded[(image, slice(None), *where)] += input[image, :, column].reshape(c, *kernel)
    kept = tuple(slice(before, before + size) for size, (before, _) in zip(sizes, amounts, strict=True))
    return narrow(padded[(slice(None), slice(None), *kept)], input.dtype)
