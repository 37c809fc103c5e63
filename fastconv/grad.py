"""Gradients of convolution and pooling, with the arguments of `torch.nn.grad`.

For ``out = conv2d(input, weight, bias, ...)`` and a loss that depends on `out`, `grad_output` is the loss's
derivative by each element of `out`; the functions here give its derivative by each element of `input`, `weight` and
`bias`, in one to three dimensions.
"""

from __future__ import annotations

from fastconv._documented import documented
from fastconv._gradients import bias_gradient, input_gradient, weight_gradient
from fastconv._pool_grad import avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d
from fastconv._types import Array, ArrayLike, Int, Padding, Shape, Size

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "conv1d_bias",
    "conv1d_input",
    "conv1d_weight",
    "conv2d_bias",
    "conv2d_input",
    "conv2d_weight",
    "conv3d_bias",
    "conv3d_input",
    "conv3d_weight",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]

RAISES = """TypeError
        An operand is not floating, or a size is not an integer.
    ValueError
        A size is out of range, or shapes disagree, grad_output's with that of the convolution's result included.
    MemoryError
        The result or the scratch memory cannot be allocated."""

INPUT = """Gradient of `conv{rank}d` by its input.

    ``grad_input[n, c, i] = sum of grad_output[n, o, p] * weight[o, c, t]`` over all o, p, t with
    ``p * stride + t * dilation - padding = i``: the transpose, as a linear map, of the convolution. Inputs that no
    window reads get zero.

    Parameters
    ----------
    input_size : sequence of ints
        Shape of the input, (n, ic, {size}) or (ic, {size}).
    weight : array_like, (oc, ic // groups, {kernel})
        float16, float32 or float64.
    grad_output : array_like, (n, oc, {out}) or (oc, {out})
        Likewise; of the shape of the convolution's result.
    stride, padding, dilation, groups
        As of the convolution, every form of padding included.

    Returns
    -------
    ndarray, of shape `input_size`
        In the memory order of grad_output; the dtype is the wider of the operands'.

    Raises
    ------
    {raises}

    Notes
    -----
    At stride 1 this is a convolution with the weights reversed and their channels swapped; at a larger one, as many
    convolutions as there are residues modulo the stride, side by side (see `conv_transpose{rank}d`). The errors are
    within those of `conv{rank}d`, and the bits are the same for any number of threads.

    References
    ----------
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> weight = np.ones((1, 1, {threes}))
    >>> grad.conv{rank}d_input((1, 1, {fours}), weight, np.ones((1, 1, {twos})))[{zeros}]
    array([1., 2., 2., 1.])
    """

WEIGHT = """Gradient of `conv{rank}d` by its weight.

    ``grad_weight[o, c, t] = sum over n, p of grad_output[n, o, p] * input[n, c, p * stride + t * dilation - padding]``,
    with zeros in the padding.

    Parameters
    ----------
    input : array_like, (n, ic, {size}) or (ic, {size})
        float16, float32 or float64.
    weight_size : sequence of ints
        Shape of the weight, (oc, ic // groups, {kernel}).
    grad_output : array_like, (n, oc, {out}) or (oc, {out})
        Likewise; of the shape of the convolution's result.
    stride, padding, dilation, groups
        As of the convolution, every form of padding included.

    Returns
    -------
    ndarray, of shape `weight_size`
        C-contiguous; the dtype is the wider of the operands'.

    Raises
    ------
    {raises}

    Notes
    -----
    Pixels of all images are summed in blocks, and the blocks' sums in blocks again, so that the error stays within ``6
    * eps * (|grad_output| conv |input|)`` for millions of pixels. Kernels at stride 1, up to 32 apart, and undilated
    ones at stride 2, with 16 channels or more (32 a group at stride 2) and enough pixels, are computed by minimal
    filtering: within 8 eps, and a value that is not finite spreads over the taps of its channel. Elsewhere products
    with padding may be left out, by rows, by columns or not at all as shapes have it: a value of grad_output that is
    not finite reaches every tap that sees an element of the input with it, and may reach the others of its channel. The
    order of every sum depends on the shapes alone: the bits are the same for any number of threads.

    References
    ----------
    K. Chellapilla, S. Puri and P. Simard, "High performance convolutional neural networks for document processing",
    2006, hal-00112631. N. Higham, "The accuracy of floating point summation", 1993, doi:10.1137/0914050. A. Lavin and
    S. Gray, "Fast algorithms for convolutional neural networks", 2015, arXiv:1509.09308.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> image = np.ones((1, 1, {fours}))
    >>> grad.conv{rank}d_weight(image, (1, 1, {threes}), np.ones((1, 1, {fours})), padding=1)[{zeros}]
    array({sums})
    """

BIAS = """Gradient of `conv{rank}d` by its bias: grad_output summed over all but its channels.

    ``grad_bias[o] = sum over n, p of grad_output[n, o, p]``

    Parameters
    ----------
    grad_output : array_like, (n, oc, {out}) or (oc, {out})
        float16, float32 or float64.

    Returns
    -------
    ndarray, (oc,)
        Of grad_output's dtype; summed in float64.

    Raises
    ------
    TypeError
        grad_output is not floating.
    ValueError
        grad_output has another rank.
    MemoryError
        What float64 sums need cannot be allocated.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.conv{rank}d_bias(np.ones((1, 2, {fours})))
    array([{count}., {count}.])
    """


@documented(1, INPUT, raises=RAISES)
def conv1d_input(
    input_size: Shape, weight: ArrayLike, grad_output: ArrayLike, stride: Size = 1, padding: Padding = 0,
    dilation: Size = 1, groups: Int = 1,
) -> Array:  # fmt: skip
    return input_gradient("grad.conv1d_input", 1, input_size, weight, grad_output, stride, padding, dilation, groups)


@documented(1, WEIGHT, raises=RAISES, sums="[3., 4., 3.]")
def conv1d_weight(
    input: ArrayLike, weight_size: Shape, grad_output: ArrayLike, stride: Size = 1, padding: Padding = 0,
    dilation: Size = 1, groups: Int = 1,
) -> Array:  # fmt: skip
    return weight_gradient("grad.conv1d_weight", 1, input, weight_size, grad_output, stride, padding, dilation, groups)


@documented(1, BIAS, count=4)
def conv1d_bias(grad_output: ArrayLike) -> Array:
    return bias_gradient("grad.conv1d_bias", 1, grad_output)


@documented(2, INPUT, raises=RAISES)
def conv2d_input(
    input_size: Shape, weight: ArrayLike, grad_output: ArrayLike, stride: Size = 1, padding: Padding = 0,
    dilation: Size = 1, groups: Int = 1,
) -> Array:  # fmt: skip
    return input_gradient("grad.conv2d_input", 2, input_size, weight, grad_output, stride, padding, dilation, groups)


@documented(2, WEIGHT, raises=RAISES, sums="[ 9., 12.,  9.]")
def conv2d_weight(
    input: ArrayLike, weight_size: Shape, grad_output: ArrayLike, stride: Size = 1, padding: Padding = 0,
    dilation: Size = 1, groups: Int = 1,
) -> Array:  # fmt: skip
    return weight_gradient("grad.conv2d_weight", 2, input, weight_size, grad_output, stride, padding, dilation, groups)


@documented(2, BIAS, count=16)
def conv2d_bias(grad_output: ArrayLike) -> Array:
    return bias_gradient("grad.conv2d_bias", 2, grad_output)


@documented(3, INPUT, raises=RAISES)
def conv3d_input(
    input_size: Shape, weight: ArrayLike, grad_output: ArrayLike, stride: Size = 1, padding: Padding = 0,
    dilation: Size = 1, groups: Int = 1,
) -> Array:  # fmt: skip
    return input_gradient("grad.conv3d_input", 3, input_size, weight, grad_output, stride, padding, dilation, groups)


@documented(3, WEIGHT, raises=RAISES, sums="[27., 36., 27.]")
def conv3d_weight(
    input: ArrayLike, weight_size: Shape, grad_output: ArrayLike, stride: Size = 1, padding: Padding = 0,
    dilation: Size = 1, groups: Int = 1,
) -> Array:  # fmt: skip
    return weight_gradient("grad.conv3d_weight", 3, input, weight_size, grad_output, stride, padding, dilation, groups)


@documented(3, BIAS, count=64)
def conv3d_bias(grad_output: ArrayLike) -> Array:
    return bias_gradient("grad.conv3d_bias", 3, grad_output)
