"""The gradients of max and average pooling, which `fastconv.grad` makes public."""

from __future__ import annotations

from fastconv._arrays import array, float_dtype
from fastconv._avg_grad import avg_pool
from fastconv._door import settled
from fastconv._pool_geometry import full_size
from fastconv._scatter import known_result, scatter
from fastconv._types import Array, ArrayLike, Int, Padding, Shape, Size


def max_pool(function, rank, grad_output, indices, input_size):
    """The gradient of max pooling of any rank."""
    settings = function, rank, input_size
    result = known_result(grad_output, indices, settings)
    if result is not None:
        return result
    settings = settled(settings)
    input_size = settings[-1]
    g = array(function, "grad_output", grad_output)
    dtype = float_dtype(function, grad_output=g)
    shape = full_size(function, rank, input_size, g.shape)
    return scatter(function, "grad_output", settings, g, indices, shape[-rank:], dtype, True)


def max_pool1d(grad_output: ArrayLike, indices: ArrayLike, input_size: Shape) -> Array:
    """The gradient of `fastconv.max_pool1d`: `grad.max_pool2d` with one spatial axis.

    Parameters
    ----------
    grad_output, indices : array_like, (n, c, ow) or (c, ow)
        The gradient of the maxima, and the indices that `max_pool1d` returned.
    input_size : sequence of int
        The shape of the input, (n, c, w) or (c, w).

    Returns
    -------
    ndarray, of shape `input_size`
        The gradient of the input.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `grad.max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.max_pool1d(np.array([[1.0, 2.0]]), np.array([[1, 1]]), (1, 3))
    array([[0., 3., 0.]])
    """
    return max_pool("grad.max_pool1d", 1, grad_output, indices, input_size)


def max_pool2d(grad_output: ArrayLike, indices: ArrayLike, input_size: Shape) -> Array:
    """The gradient of `fastconv.max_pool2d`: each element of `grad_output` goes to where its maximum was.

    ``grad_input[n, c].ravel()[i] = sum of grad_output[n, c, y, x] over the y, x with indices[n, c, y, x] == i``

    Parameters
    ----------
    grad_output, indices : array_like, (n, c, oh, ow) or (c, oh, ow)
        The gradient of the maxima, float16, float32 or float64, and the indices that `max_pool2d` returned.
    input_size : sequence of int
        The shape of the input, (n, c, h, w) or (c, h, w).

    Returns
    -------
    ndarray, of shape `input_size`
        The gradient of the input, of the dtype and memory order of `grad_output`.

    Raises
    ------
    TypeError
        `grad_output` is not of a floating dtype, `indices` are not integers, or `input_size` is not a shape.
    ValueError
        An index lies outside its plane, or shapes do not fit.
    MemoryError
        The result cannot be allocated.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> x = np.array([[[3.0, 1.0, 0.0], [0.0, 4.0, 2.0]]])
    >>> values, indices = fastconv.max_pool2d(x, 2, 1, return_indices=True)
    >>> fastconv.grad.max_pool2d(np.ones_like(values), indices, x.shape)
    array([[[0., 0., 0.],
            [0., 2., 0.]]])
    """
    return max_pool("grad.max_pool2d", 2, grad_output, indices, input_size)


def max_pool3d(grad_output: ArrayLike, indices: ArrayLike, input_size: Shape) -> Array:
    """The gradient of `fastconv.max_pool3d`: `grad.max_pool2d` with three spatial axes.

    Parameters
    ----------
    grad_output, indices : array_like, (n, c, od, oh, ow) or (c, od, oh, ow)
        The gradient of the maxima, and the indices that `max_pool3d` returned.
    input_size : sequence of int
        The shape of the input, (n, c, d, h, w) or (c, d, h, w).

    Returns
    -------
    ndarray, of shape `input_size`
        The gradient of the input.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `grad.max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.max_pool3d(np.array([[[[7.0]]]]), np.array([[[[2]]]]), (1, 2, 1, 2))
    array([[[[0., 0.]],
    <BLANKLINE>
            [[7., 0.]]]])
    """
    return max_pool("grad.max_pool3d", 3, grad_output, indices, input_size)


def avg_pool1d(
    grad_output: ArrayLike, input_size: Shape, kernel_size: Size, stride: Size | None = None, padding: Padding = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Int | None = None,
) -> Array:  # fmt: skip
    """The gradient of `fastconv.avg_pool1d`: `grad.avg_pool2d` with one spatial axis.

    Parameters
    ----------
    grad_output : array_like, (n, c, ow) or (c, ow)
        The gradient of the means.
    input_size : sequence of int
        The shape of the input, (n, c, w) or (c, w).
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        Those of the pooling.

    Returns
    -------
    ndarray, of shape `input_size`
        The gradient of the input.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `grad.avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.avg_pool1d(np.array([[2.0, 4.0]]), (1, 3), 2, 1)
    array([[1., 3., 2.]])
    """
    return avg_pool(
        "grad.avg_pool1d", 1, grad_output, input_size, kernel_size, stride, padding, ceil_mode, count_include_pad,
        divisor_override,
    )  # fmt: skip


def avg_pool2d(
    grad_output: ArrayLike, input_size: Shape, kernel_size: Size, stride: Size | None = None, padding: Padding = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Int | None = None,
) -> Array:  # fmt: skip
    """The gradient of `fastconv.avg_pool2d`: each `grad_output`, over its divisor, goes to its whole window.

    ``grad_input[n, c, i, j] = sum of grad_output[n, c, y, x] / divisor[y, x] over the windows y, x that touch i, j``

    Parameters
    ----------
    grad_output : array_like, (n, c, oh, ow) or (c, oh, ow)
        The gradient of the means, float16, float32 or float64.
    input_size : sequence of int
        The shape of the input, (n, c, h, w) or (c, h, w).
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        Those of the pooling.

    Returns
    -------
    ndarray, of shape `input_size`
        The gradient of the input, of the dtype and memory order of `grad_output`.

    Raises
    ------
    TypeError
        `grad_output` is not of a floating dtype, or an argument is of the wrong kind.
    ValueError
        `grad_output` does not have the shape of the pooling's result, or the pooling itself would be refused.
    MemoryError
        The result cannot be allocated.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.avg_pool2d(np.array([[[4.0, 8.0]]]), (1, 2, 3), 2, 1)
    array([[[1., 3., 2.],
            [1., 3., 2.]]])
    """
    return avg_pool(
        "grad.avg_pool2d", 2, grad_output, input_size, kernel_size, stride, padding, ceil_mode, count_include_pad,
        divisor_override,
    )  # fmt: skip


def avg_pool3d(
    grad_output: ArrayLike, input_size: Shape, kernel_size: Size, stride: Size | None = None, padding: Padding = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Int | None = None,
) -> Array:  # fmt: skip
    """The gradient of `fastconv.avg_pool3d`: `grad.avg_pool2d` with three spatial axes.

    Parameters
    ----------
    grad_output : array_like, (n, c, od, oh, ow) or (c, od, oh, ow)
        The gradient of the means.
    input_size : sequence of int
        The shape of the input, (n, c, d, h, w) or (c, d, h, w).
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        Those of the pooling.

    Returns
    -------
    ndarray, of shape `input_size`
        The gradient of the input.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `grad.avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.avg_pool3d(np.array([[[[8.0]]]]), (1, 2, 2, 2), 2).sum()
    np.float64(8.0)
    """
    return avg_pool(
        "grad.avg_pool3d", 3, grad_output, input_size, kernel_size, stride, padding, ceil_mode, count_include_pad,
        divisor_override,
    )  # fmt: skip
