"""The fronts of unpooling."""

from __future__ import annotations

from fastconv._arrays import array
from fastconv._door import settled
from fastconv._pool_geometry import spatial, unpooled_size
from fastconv._pool_plan import ordered_dtype
from fastconv._scatter import known_result, scatter
from fastconv._sizes import frozen
from fastconv._types import Array, ArrayLike, Pairs, Size


def max_unpool(function, rank, input, indices, kernel_size, stride, padding, output_size):
    """Unpooling of any rank."""
    settings = function, rank, kernel_size, stride, padding, output_size
    result = known_result(input, indices, settings)
    if result is not None:
        return result
    settings = settled(settings)
    *_, kernel_size, stride, padding, output_size = settings
    x = array(function, "input", input)
    dtype = ordered_dtype(function, input=x)
    if 0 in spatial(function, rank, x.shape):
        raise ValueError(f"{function}: input has no elements along an axis, its shape is {x.shape}")
    sizes = frozen(function, kernel_size=kernel_size, stride=stride, padding=padding, output_size=output_size)
    size = unpooled_size(function, rank, x.shape, *sizes)
    return scatter(function, "input", settings, x, indices, size, dtype, False)


def max_unpool1d(
    input: ArrayLike, indices: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Pairs = 0,
    output_size: Size | None = None,
) -> Array:  # fmt: skip
    """Put maxima back where they were in a signal: `max_unpool2d` with one spatial axis.

    Parameters
    ----------
    input, indices : array_like, (n, c, ow) or (c, ow)
        What `max_pool1d` returned with `return_indices`.
    kernel_size, stride, padding, output_size
        As in `max_unpool2d`, for one axis.

    Returns
    -------
    ndarray, (n, c, w) or (c, w)
        The maxima at their places, zeros elsewhere.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `max_unpool2d`.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.max_unpool1d(np.array([[5.0, 4.0]]), np.array([[1, 3]]), 2)
    array([[0., 5., 0., 4.]])
    """
    return max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: ArrayLike, indices: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Pairs = 0,
    output_size: Size | None = None,
) -> Array:  # fmt: skip
    """Put maxima back where they were.

    ``out[n, c].ravel()[indices[n, c, y, x]] = input[n, c, y, x]``

    and zero elsewhere; of equal indices the last one counts.

    Parameters
    ----------
    input, indices : array_like, (n, c, oh, ow) or (c, oh, ow)
        What `max_pool2d` returned with `return_indices`.
    kernel_size, stride, padding
        Those of the pooling, which give the size of the result; padding as integers or pairs.
    output_size : sequence of int, optional
        The size itself, (h, w) or the whole shape: a stride above one leaves it open.

    Returns
    -------
    ndarray, (n, c, h, w) or (c, h, w)
        The maxima at their places, zeros elsewhere; of the dtype and memory order of `input`.

    Raises
    ------
    TypeError
        `input` has a dtype that `max_pool2d` does not take, `indices` are not integers, or an argument is of the wrong
        kind.
    ValueError
        An index lies outside its plane, a size is out of range, or shapes do not fit.
    MemoryError
        The result cannot be allocated.

    Notes
    -----
    Without `output_size`, ``h = (oh - 1) * sh + kh - top - bottom``.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> x = np.array([[[3.0, 1.0, 0.0, 2.0], [0.0, 4.0, 2.0, 2.0]]])
    >>> fastconv.max_unpool2d(*fastconv.max_pool2d(x, 2, return_indices=True), 2)
    array([[[0., 0., 0., 2.],
            [0., 4., 0., 0.]]])
    """
    return max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: ArrayLike, indices: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Pairs = 0,
    output_size: Size | None = None,
) -> Array:  # fmt: skip
    """Put maxima back where they were in a volume: `max_unpool2d` with three spatial axes.

    Parameters
    ----------
    input, indices : array_like, (n, c, od, oh, ow) or (c, od, oh, ow)
        What `max_pool3d` returned with `return_indices`.
    kernel_size, stride, padding, output_size
        As in `max_unpool2d`, for three axes.

    Returns
    -------
    ndarray, (n, c, d, h, w) or (c, d, h, w)
        The maxima at their places, zeros elsewhere.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `max_unpool2d`.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.max_unpool3d(np.array([[[[9]]]]), np.array([[[[3]]]]), (1, 2, 2))
    array([[[[0, 0],
             [0, 9]]]])
    """
    return max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)
