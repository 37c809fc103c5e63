"""The fronts of convolution: one for each rank, all by way of `convolve`."""

from __future__ import annotations

from fastconv._arrays import (
    array,
    check_out,
    check_shape_of_bias,
    dense,
    finish,
    float_dtype,
    layout,
    names_memory_errors,
    readable,
    target,
)
from fastconv._door import again, remember, settled
from fastconv._plan import plan_conv
from fastconv._sizes import freeze, name
from fastconv._threads import get_num_threads
from fastconv._types import Array, ArrayLike, Int, Padding, Size


def convolve(settings, input, weight, bias, out, pack=None):
    """The way of every convolution: known from an earlier call, or by its plan.

    settings : (function, rank, stride, padding, dilation, groups, padding_mode, activation, method)
    pack : pack(plan, weight) gives packed weights
    """
    result = again(pack, input, weight, bias, settings, out)
    return by_plan(settings[0], settings, input, weight, bias, out, pack) if result is None else result


@names_memory_errors
def by_plan(function, settings, input, weight, bias, out, pack):
    """The long way: arrays, plan, kernel, result."""
    settings = settled(settings)
    _, rank, stride, padding, dilation, groups, padding_mode, activation, method = settings
    x, w = array(function, "input", input), array(function, "weight", weight)
    b = None if bias is None else array(function, "bias", bias)
    dtype = float_dtype(function, input=x, weight=w, bias=b)
    order = layout(x, rank)
    plan = plan_conv(
        function,
        rank,
        x.shape,
        w.shape,
        dtype,
        order,
        freeze(function, "stride", stride),
        freeze(function, "padding", padding),
        freeze(function, "dilation", dilation),
        freeze(function, "groups", groups),
        name(function, "padding_mode", padding_mode),
        activation if activation is None else name(function, "activation", activation),
        name(function, "method", method),
    )
    check_shape_of_bias(function, b, w)
    if out is not None:
        check_out(function, out, plan.shape, dtype)
    result = target(out, plan.shape, rank, plan.dtype, order, (x, w, b))
    if result.size:
        x, w = readable(x, rank, plan.dtype, order), dense(w, plan.dtype)
        if b is not None:
            b = dense(b, plan.dtype)
        arguments = plan.geometry, x, w, b, result, *plan.clamp, min(plan.threads, get_num_threads())
        if pack is None or plan.packing is None:
            plan.run(*arguments)
        else:
            plan.run(*arguments, pack(plan, w))
        if plan.dtype == dtype and x is input and w is weight and b is bias:
            remember(result, plan, plan.clamp, plan.threads, x, w, b, settings, out=out)
    return finish(result, out, dtype)


def conv1d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: Int = 1,
    *,
    padding_mode: str = "zeros",
    activation: str | None = None,
    method: str = "auto",
    out: Array | None = None,
) -> Array:
    """Convolve sequences with kernels as neural networks do: cross-correlation, the kernel is not flipped.

    ``out[n, o, x] = bias[o] + sum over c, j of weight[o, c, j] * padded[n, c, x * stride + j * dilation]``

    Parameters
    ----------
    input : array_like, (n, ic, w) or (ic, w)
    weight : array_like, (oc, ic // groups, kw)
        float16, float32 or float64, both.
    bias, stride, padding, dilation, groups, padding_mode, activation, method, out
        As in `conv2d`, for one spatial axis.

    Returns
    -------
    ndarray, (n, oc, ow) or (oc, ow)
        Of the widest dtype among the operands.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`.

    See Also
    --------
    conv2d : every option in full, the output's size, methods and accuracy.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> series = np.array([[0, 1, 4, 9, 16]], np.float32)
    >>> fastconv.conv1d(series, np.array([[[-1, 1]]], np.float32))
    array([[1., 3., 5., 7.]], dtype=float32)
    """
    settings = "conv1d", 1, stride, padding, dilation, groups, padding_mode, activation, method
    return convolve(settings, input, weight, bias, out)


def conv2d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: Int = 1,
    *,
    padding_mode: str = "zeros",
    activation: str | None = None,
    method: str = "auto",
    out: Array | None = None,
) -> Array:
    """Convolve images with kernels as neural networks do: cross-correlation, the kernel is not flipped.

    ``out[n, o, y, x] = bias[o] + sum over c, i, j of
    weight[o, c, i, j] * padded[n, c, y * sh + i * dh, x * sw + j * dw]``,
    c over the input channels of the group that output channel o belongs to.

    Parameters
    ----------
    input : array_like, (n, ic, h, w) or (ic, h, w)
        float16, float32 or float64. Any strides; never modified. An array whose channels are last in memory, such as
        ``np.moveaxis(images, -1, 1)``, is computed as it lies.
    weight : array_like, (oc, ic // groups, kh, kw)
    bias : array_like, (oc,), optional
        float16, float32 or float64 too; added to each output channel.
    stride, dilation : int or one int per axis, in elements, from 1 up
    padding : int, one int per axis, one (before, after) pair per axis, or a name
        "valid" none; "same" the output has ceil(size / stride) elements, the odd one of padding after; "same_lower" the
        odd one before; "full" dilation * (k - 1) on both sides.
    groups : int
        Divides the channels: output channel o sees the ic // groups input channels of its group.
    padding_mode : {"zeros", "reflect", "symmetric", "replicate", "circular"}
        What the padding holds: `numpy.pad`'s constant 0, reflect, symmetric, edge, wrap.
    activation : {None, "relu", "relu6"}
        Clamp the result to [0, inf) or [0, 6] before it is stored; NaN stays NaN.
    method : {"auto", "winograd", "fft", "im2col", "direct"}
        How to compute it. `explain` tells what "auto" takes and why.
    out : ndarray, optional
        Written and returned; of the result's exact shape and dtype, any strides. It may overlap the inputs.

    Returns
    -------
    ndarray, (n, oc, oh, ow) or (oc, oh, ow)
        Of the widest dtype among the operands. Channels are last in memory if they are in `input`.

    Raises
    ------
    TypeError
        An operand is not of a floating dtype, a size is not an integer, a name is not a string.
    ValueError
        Shapes, sizes or names that do not fit; the message shows them.
    MemoryError
        The result or scratch cannot be allocated. Nothing is written to `out` on any other error, nor on this one
        unless what lacks is scratch of a later part.

    Notes
    -----
    ``oh = (h + before + after - dilation * (kh - 1) - 1) // stride + 1``, likewise ow.

    "direct" multiplies packed patches in a register tile, or slides along rows where few output channels share one;
    "im2col" builds columns in cache-sized panels for SciPy's BLAS; "winograd" transforms input and weights so that
    kernels of a few taps take two to four times fewer products, strided, dilated and longer ones as sums of such;
    "fft" transforms blocks of the image, for kernels of 5x5 and larger, the more the larger they are. float16 is
    computed in float32, rounded once.

    The result is within c * eps * (abs(input) conv abs(weight)) of the exact one, c being 6 for methods that sum
    products as they are and 8 for what "auto" takes besides: on layers of networks and on images, "winograd" measures
    up to 5.4, "fft" up to 2.3 (5.5 and 6.3 on positive data with positive weights). There an output shares the rounding
    errors of its tile of 4x4 or of its block, and is only as exact as the largest in it; asked for by name, "fft" is
    within 8 eps of the largest in the channel. The bits do not depend on the number of threads nor on how a batch is
    split ("im2col": for one BLAS thread). NaN and infinity follow IEEE 754: an output is NaN only where its window
    touches one or meets 0 * inf, and padding multiplies as zeros do; "winograd" spreads them over their tiles, "fft"
    over two of its blocks or outputs.

    References
    ----------
    Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> image = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    >>> box = np.full((1, 1, 3, 3), 1 / 9, np.float32)
    >>> fastconv.conv2d(image, box).round(3)
    array([[[ 5.,  6.],
            [ 9., 10.]]], dtype=float32)
    >>> fastconv.conv2d(image, box, stride=2, padding="same").shape
    (1, 2, 2)
    """
    settings = "conv2d", 2, stride, padding, dilation, groups, padding_mode, activation, method
    return convolve(settings, input, weight, bias, out)


def conv3d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: Int = 1,
    *,
    padding_mode: str = "zeros",
    activation: str | None = None,
    method: str = "auto",
    out: Array | None = None,
) -> Array:
    """Convolve volumes with kernels as neural networks do: cross-correlation, the kernel is not flipped.

    ``out[n, o, z, y, x] = bias[o] + sum over c, a, i, j of
    weight[o, c, a, i, j] * padded[n, c, z * sd + a * dd, y * sh + i * dh, x * sw + j * dw]``

    Parameters
    ----------
    input : array_like, (n, ic, d, h, w) or (ic, d, h, w)
    weight : array_like, (oc, ic // groups, kd, kh, kw)
        float16, float32 or float64, both.
    bias, stride, padding, dilation, groups, padding_mode, activation, method, out
        As in `conv2d`, for three spatial axes.

    Returns
    -------
    ndarray, (n, oc, od, oh, ow) or (oc, od, oh, ow)
        Of the widest dtype among the operands.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`.

    See Also
    --------
    conv2d : every option in full, the output's size, methods and accuracy.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> volume = np.ones((2, 4, 4, 4), np.float32)
    >>> fastconv.conv3d(volume, np.ones((1, 2, 3, 3, 3), np.float32)).shape
    (1, 2, 2, 2)
    """
    settings = "conv3d", 3, stride, padding, dilation, groups, padding_mode, activation, method
    return convolve(settings, input, weight, bias, out)
