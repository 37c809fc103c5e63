"""The fronts of transposed convolution: one for each rank, all by way of `convolve_transposed`."""

from __future__ import annotations

from fastconv._arrays import FIRST, array, check_out, float_dtype, layout, names_memory_errors
from fastconv._documented import documented
from fastconv._door import again, settled
from fastconv._phases import spread
from fastconv._sizes import frozen
from fastconv._transpose_geometry import transposed_geometry
from fastconv._types import Array, ArrayLike, Int, Pairs, Size


def convolve_transposed(settings, input, weight, bias, out):
    """The way of every transposed convolution: known from an earlier call, or by its plan.

    settings : (function, rank, stride, padding, output_padding, groups, dilation)
    """
    result = again(None, input, weight, bias, settings, out)
    return by_plan(settings[0], settings, input, weight, bias, out) if result is None else result


@names_memory_errors
def by_plan(function, settings, input, weight, bias, out):
    """The long way: arrays, geometry, phases."""
    settings = settled(settings)
    _, rank, stride, padding, output_padding, groups, dilation = settings
    x, w = array(function, "input", input), array(function, "weight", weight)
    b = None if bias is None else array(function, "bias", bias)
    dtype = float_dtype(function, input=x, weight=w, bias=b)
    sizes = frozen(
        function, stride=stride, padding=padding, output_padding=output_padding, groups=groups, dilation=dilation
    )
    geometry = transposed_geometry(function, rank, x.shape, w.shape, *sizes)
    if b is not None and b.shape != (geometry.oc,):
        raise ValueError(
            f"{function}: bias must have shape {(geometry.oc,)} for weight of shape {w.shape} and "
            f"groups={geometry.groups}, got {b.shape}"
        )
    shape = (*x.shape[: x.ndim - rank - 1], geometry.oc, *geometry.output[3 - rank :])
    if out is not None:
        check_out(function, out, shape, dtype)
    order = layout(x, rank) if x.ndim > rank else FIRST
    return spread(settings, geometry, (), x, w, b, dtype, order, shape, out)


DOC = """Transposed convolution (cross-correlation, transposed) over {axes}: an image spread out by a kernel.

    The transpose, as a linear map, of `conv{rank}d` with the same weight, stride, padding, dilation and groups, and
    so its input gradient; also called deconvolution or fractionally strided convolution. Along each axis

        out[o] = bias + sum over i, t of  input[i] * weight[t]        with  i * stride + t * dilation = o + padding

    Parameters
    ----------
    input : array_like, (n, ic, {size}) or (ic, {size})
        float16, float32 or float64.
    weight : array_like, (ic, oc // groups, {kernel})
        Likewise; the channels of the input first.
    bias : array_like, (oc,), optional
        Likewise; added to each output channel.
    stride : int or one int per axis
        From 1 up: how far apart neighbouring inputs land.
    padding : int, one int per axis, or one (before, after) pair per axis
        Outputs cut off at each end, which is what `conv{rank}d` with this padding would have padded.
    output_padding : int or one int per axis
        Outputs added at the end, smaller than stride or dilation: of the several output sizes that `conv{rank}d` with
        this stride maps to the same input size, the one wanted.
    groups : int
        Divides the channels into this many independent transposed convolutions.
    dilation : int or one int per axis
        From 1 up: how far apart neighbouring taps land.
    out : ndarray, optional
        Where to write the result: exact shape and dtype, any strides; it may overlap the operands.

    Returns
    -------
    ndarray, (n, oc, {out}) or (oc, {out})
        Along each axis ``(in - 1) * stride - before - after + dilation * (kernel - 1) + 1 + output_padding``. Memory
        order follows the input: channels-last stays channels-last. The dtype is the widest of the operands; float16 is
        computed in float32.

    Raises
    ------
    TypeError
        An operand is not floating, or a size is not an integer.
    ValueError
        Shapes disagree, a size is out of range, or nothing is left of the result.
    MemoryError
        The result or the scratch memory cannot be allocated.

    Notes
    -----
    Outputs at the same distance modulo the stride are one ordinary convolution of stride 1 with some of the taps. These
    phases are computed as such and interleaved, or, where that takes less time, pixels are multiplied with all weights
    and what overlaps is added up, in pieces that stay in cache: there is no column matrix in memory. Accuracy, special
    values and the same bits for any number of threads are as for `conv{rank}d` with method="auto".

    References
    ----------
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285.
    W. Shi et al., "Is the deconvolution layer the same as a convolutional layer?", 2016, arXiv:1609.07009.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> image = np.ones((1, 1, {threes}), np.float32)
    >>> fastconv.conv_transpose{rank}d(image, np.ones((1, 1, {threes}), np.float32), stride=2)[{zeros}]
    array([1., 1., 2., 1., 2., 1., 1.], dtype=float32)
    """


@documented(1, DOC)
def conv_transpose1d(
    input: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, stride: Size = 1, padding: Pairs = 0,
    output_padding: Size = 0, groups: Int = 1, dilation: Size = 1, *, out: Array | None = None,
) -> Array:  # fmt: skip
    settings = "conv_transpose1d", 1, stride, padding, output_padding, groups, dilation
    return convolve_transposed(settings, input, weight, bias, out)


@documented(2, DOC)
def conv_transpose2d(
    input: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, stride: Size = 1, padding: Pairs = 0,
    output_padding: Size = 0, groups: Int = 1, dilation: Size = 1, *, out: Array | None = None,
) -> Array:  # fmt: skip
    settings = "conv_transpose2d", 2, stride, padding, output_padding, groups, dilation
    return convolve_transposed(settings, input, weight, bias, out)


@documented(3, DOC)
def conv_transpose3d(
    input: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, stride: Size = 1, padding: Pairs = 0,
    output_padding: Size = 0, groups: Int = 1, dilation: Size = 1, *, out: Array | None = None,
) -> Array:  # fmt: skip
    settings = "conv_transpose3d", 3, stride, padding, output_padding, groups, dilation
    return convolve_transposed(settings, input, weight, bias, out)
