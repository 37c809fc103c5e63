"""Windows of images as columns, and back: `unfold` (im2col) and `fold` (col2im), in torch's shapes."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import NamedTuple

from fastconv import _cpu, _memory
from fastconv._arrays import (
    FIRST,
    KINDS,
    array,
    compute_dtype,
    dense,
    finish,
    float_dtype,
    layout,
    names_memory_errors,
    readable,
)
from fastconv._door import again, remember, settled
from fastconv._geometry import ConvGeometry, check_rank, check_size, conv_geometry, image_forms
from fastconv._sizes import freeze, frozen, per_axis
from fastconv._threads import MOST, get_num_threads
from fastconv._types import Array, ArrayLike, Padding, Size

SERIAL_ELEMENTS = 100_000  # columns below which a second thread costs more than it brings


class PatchPlan(NamedTuple):
    run: object  # kernel(geometry, x, out, 2, 0.0, threads)
    geometry: tuple
    sizes: ConvGeometry


@_cpu.remembers_kernels
@lru_cache(maxsize=256)
def plan_patches(function, image_shape, kernel_size, dilation, padding, stride, dtype, order=FIRST):
    """Geometry and kernel of windows over images (n, c, h, w) or (c, h, w) in the memory order of `order`."""
    dtype = compute_dtype(dtype)
    kernel = per_axis(function, "kernel_size", kernel_size, 2)
    channels = image_shape[-3]
    g = conv_geometry(
        function, 2, image_shape, (1, channels, *kernel), stride, padding, dilation, 1, "zeros", dtype.itemsize, order
    ).geometry
    check_size(function, (*image_shape[:-3], channels * prod(kernel), g.oh * g.ow))
    return PatchPlan(getattr(_cpu.kernel("patches"), function)[KINDS[dtype]], tuple(g), g)


def unfold(input: ArrayLike, kernel_size: Size, dilation: Size = 1, padding: Padding = 0, stride: Size = 1) -> Array:
    """Windows of images as columns, also called im2col.

    ``columns[n, (c * kh + i) * kw + j, y * ow + x] = input[n, c, y * sh - pt + i * dh, x * sw - pl + j * dw]``, and
    zero where that lies in the padding. The columns are as the weights of `conv2d` lie: ``weight.reshape(oc, -1) @
    columns`` is a convolution.

    Parameters
    ----------
    input : array_like, (n, c, h, w) or (c, h, w)
        float16, float32 or float64.
    kernel_size : int or 2 ints
        Extent of a window.
    dilation, padding, stride
        As in `conv2d`, names and pairs of padding included.

    Returns
    -------
    ndarray, (n, c * kh * kw, oh * ow) or (c * kh * kw, oh * ow)
        Of the input's dtype; oh and ow are the output sizes of `conv2d`.

    Raises
    ------
    TypeError
        The input is not floating, or a size is not an integer.
    ValueError
        The input has another rank, a size is out of range, or no window fits.
    MemoryError
        The result cannot be allocated.

    Notes
    -----
    The columns take kh * kw times the memory of the image; no other function of this package makes them.

    References
    ----------
    K. Chellapilla, S. Puri and P. Simard, "High performance convolutional neural networks for document processing",
    2006, hal-00112631.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> image = np.arange(6.0).reshape(1, 2, 3)
    >>> fastconv.unfold(image, (1, 2))
    array([[0., 1., 3., 4.],
           [1., 2., 4., 5.]])
    """
    settings = "unfold", kernel_size, dilation, padding, stride
    result = again(None, input, None, None, settings)
    return columns_of("unfold", settings, input) if result is None else result


def fold(
    input: ArrayLike, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Padding = 0, stride: Size = 1
) -> Array:
    """Columns summed back into images, also called col2im: the transpose of `unfold`.

    Each element of the result is the sum of the elements that `unfold`, of an image of this size, would have copied
    from there; what lies in the padding is dropped.

    Parameters
    ----------
    input : array_like, (n, c * kh * kw, oh * ow) or (c * kh * kw, oh * ow)
        float16, float32 or float64.
    output_size : int or 2 ints
        h and w of the images.
    kernel_size, dilation, padding, stride
        As in `unfold`.

    Returns
    -------
    ndarray, (n, c, h, w) or (c, h, w)
        Of the input's dtype; float16 is summed in float32.

    Raises
    ------
    TypeError
        The input is not floating, or a size is not an integer.
    ValueError
        A size is out of range, or the input has not the shape that `unfold` would have given.
    MemoryError
        The result cannot be allocated.

    References
    ----------
    K. Chellapilla, S. Puri and P. Simard, "High performance convolutional neural networks for document processing",
    2006, hal-00112631.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.fold(np.ones((2, 4)), (2, 3), (1, 2))
    array([[[1., 2., 1.],
            [1., 2., 1.]]])
    """
    settings = "fold", output_size, kernel_size, dilation, padding, stride
    result = again(None, input, None, None, settings)
    return images_of("fold", settings, input) if result is None else result


def most_threads(columns):
    """The most threads that are worth it."""
    return MOST if columns.size > SERIAL_ELEMENTS else 1


def run(plan, settings, input, x, out, columns, dtype):
    """Call the kernel, which is known from now on if it reads `x` as it was put in and writes what is returned."""
    threads = most_threads(columns)
    plan.run(plan.geometry, x, out, 2, 0.0, min(threads, get_num_threads()))
    if x is input and out.dtype == dtype:
        remember(out, plan, (2, 0.0), threads, x, None, None, settings)


@names_memory_errors
def columns_of(function, settings, input):
    """Arrays, plan and kernel of `unfold`."""
    settings = settled(settings)
    _, kernel_size, dilation, padding, stride = settings
    x = array(function, "input", input)
    dtype = float_dtype(function, input=x)
    check_rank(function, "input", x.shape, 2, image_forms(2, "c"))
    sizes = frozen(function, kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride)
    order = layout(x, 2)
    plan = plan_patches(function, x.shape, *sizes, dtype, order)
    g = plan.sizes
    columns = _memory.empty((*x.shape[:-3], g.ic * g.kh * g.kw, g.oh * g.ow), compute_dtype(dtype))
    if x.size:
        run(plan, settings, input, readable(x, 2, columns.dtype, order), columns, columns, dtype)
    else:
        columns[...] = 0
    return finish(columns, None, dtype)


@names_memory_errors
def images_of(function, settings, input):
    """Arrays, plan and kernel of `fold`."""
    settings = settled(settings)
    _, output_size, kernel_size, dilation, padding, stride = settings
    x = array(function, "input", input)
    dtype = float_dtype(function, input=x)
    check_rank(function, "input", x.shape, 2, {1: "(n, c * kh * kw, length)", 0: "(c * kh * kw, length)"})
    size = per_axis(function, "output_size", freeze(function, "output_size", output_size), 2, 0)
    sizes = frozen(function, kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride)
    taps = prod(per_axis(function, "kernel_size", sizes[0], 2))
    rows, length = x.shape[-2:]
    if rows % taps:
        raise ValueError(f"{function}: input of shape {x.shape} needs a multiple of {taps} rows, the kernel's elements")
    shape = (*x.shape[:-2], rows // taps, *size)
    plan = plan_patches(function, shape, *sizes, dtype)
    g = plan.sizes
    if length != g.oh * g.ow:
        raise ValueError(
            f"{function}: input of shape {x.shape} needs {g.oh} x {g.ow} = {g.oh * g.ow} columns for output_size "
            f"{size}, got {length}"
        )
    result = _memory.empty(shape, compute_dtype(dtype))
    if result.size:
        x = dense(x, result.dtype)
        run(plan, settings, input, x, result, x, dtype)
    return finish(result, None, dtype)
