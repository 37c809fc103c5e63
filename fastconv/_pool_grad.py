"""The gradients of max and average pooling, which `fastconv.grad` makes public."""

from functools import lru_cache

from fastconv import _cpu
from fastconv._arrays import array, compute_dtype, empty, finish, float_dtype, layout
from fastconv._pool_geometry import pool_geometry, spatial
from fastconv._pool_plan import SPECIALISATION, threads_for
from fastconv._sizes import flag, freeze, integer, is_integer, sequence
from fastconv._unpool import planes, scatter


def full_size(function, rank, input_size, grad_output):
    """`input_size` as a whole shape that goes with `grad_output`: (n, c, *spatial) or (c, *spatial)."""
    if is_integer(input_size):
        raise TypeError(f"{function}: input_size must be the shape of the input, got {input_size!r}")
    spatial(function, rank, grad_output.shape, "grad_output")
    items = sequence(function, "input_size", input_size, grad_output.ndim, "the shape of the input,")
    shape = tuple(integer(function, "input_size", item) for item in items)
    if shape[:-rank] != grad_output.shape[:-rank]:
        raise ValueError(
            f"{function}: input_size {shape} and grad_output of shape {grad_output.shape} differ in batch or channels"
        )
    if 0 in shape[-rank:]:
        raise ValueError(f"{function}: input_size {shape} has no elements along an axis")
    return shape


def max_pool(function, rank, grad_output, indices, input_size):
    """The gradient of max pooling of any rank."""
    g = array(function, "grad_output", grad_output)
    dtype = float_dtype(function, grad_output=g)
    shape = full_size(function, rank, input_size, g)
    return scatter(function, "grad_output", rank, g, indices, shape[-rank:], dtype, True)


@lru_cache(maxsize=1024)
def plan_avg(function, rank, shape, grad_shape, kernel, stride, padding, ceil_mode, count_pad, divisor):
    """The geometry of the forward pooling, whose result must have the shape of grad_output."""
    pool = pool_geometry(function, rank, shape, kernel, stride, padding, 1, ceil_mode, 0, count_pad, divisor)
    expected = shape[:-rank] + pool.output
    if grad_shape != expected:
        raise ValueError(
            f"{function}: grad_output has shape {grad_shape}, the pooling of input_size {shape} has shape {expected}"
        )
    return tuple(pool.geometry)


def avg_pool(function, rank, grad_output, input_size, kernel_size, stride, padding, ceil_mode, count_pad, divisor):
    """The gradient of average pooling of any rank."""
    g = array(function, "grad_output", grad_output)
    dtype = float_dtype(function, grad_output=g)
    shape = full_size(function, rank, input_size, g)
    geometry = plan_avg(
        function,
        rank,
        shape,
        g.shape,
        freeze(function, "kernel_size", kernel_size),
        freeze(function, "stride", stride),
        freeze(function, "padding", padding),
        flag(function, "ceil_mode", ceil_mode),
        flag(function, "count_include_pad", count_pad),
        freeze(function, "divisor_override", divisor),
    )
    order, kernel_dtype = layout(g, rank), compute_dtype(dtype)
    result = empty(shape, rank, kernel_dtype, order)
    if result.size:
        run = _cpu.kernel("avg_grad").spread[SPECIALISATION[kernel_dtype.name]]
        run(
            images(g, rank, order, kernel_dtype),
            images(result, rank, order, kernel_dtype),
            geometry,
            threads_for(result.size),
        )
    return finish(result, None, dtype)


def images(x, rank, order, dtype):
    """`x` as (planes, pixels, step): each channel a plane of step 1, or each image one with its channels as step."""
    x = planes(x, rank, order, dtype)
    return x if order else x.reshape(-1, x.shape[-1], 1)


def max_pool1d(grad_output, indices, input_size):
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
    TypeError, ValueError
        As `grad.max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.max_pool1d(np.array([[1.0, 2.0]]), np.array([[1, 1]]), (1, 3))
    array([[0., 3., 0.]])
    """
    return max_pool("grad.max_pool1d", 1, grad_output, indices, input_size)


def max_pool2d(grad_output, indices, input_size):
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

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[3.0, 1.0, 0.0], [0.0, 4.0, 2.0]]])
    >>> values, indices = fastconv.max_pool2d(x, 2, 1, return_indices=True)
    >>> fastconv.grad.max_pool2d(np.ones_like(values), indices, x.shape)
    array([[[0., 0., 0.],
            [0., 2., 0.]]])
    """
    return max_pool("grad.max_pool2d", 2, grad_output, indices, input_size)


def max_pool3d(grad_output, indices, input_size):
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
    TypeError, ValueError
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
    grad_output, input_size, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
    divisor_override=None,
):  # fmt: skip
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
    TypeError, ValueError
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
    grad_output, input_size, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
    divisor_override=None,
):  # fmt: skip
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
    grad_output, input_size, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
    divisor_override=None,
):  # fmt: skip
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
    TypeError, ValueError
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
