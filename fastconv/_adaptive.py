"""The fronts of adaptive pooling, whose windows follow from the number of outputs."""

from __future__ import annotations

from functools import lru_cache
from math import prod

from fastconv import _cpu
from fastconv._arrays import array, float_dtype, is_one_axis, layout, names_memory_errors
from fastconv._door import again, settled
from fastconv._pool_geometry import adaptive_geometry
from fastconv._pool_plan import ordered_dtype, plan_kernel, pooled
from fastconv._sizes import flag, freeze
from fastconv._types import Array, ArrayLike, ArrayOrPair, Windows


@_cpu.remembers_kernels
@lru_cache(maxsize=1024)
def plan_adaptive(function, rank, shape, dtype, order, output_size, maximum, indices, one_axis):
    """Check all shapes and arguments of an adaptive pooling and choose its kernel."""
    pool = adaptive_geometry(function, rank, shape, output_size, maximum)
    if one_axis and max(pool.output) == 1:
        row = adaptive_geometry(function, 1, (*shape[:-rank], prod(shape[-rank:])), 1, maximum)
        pool = pool._replace(geometry=row.geometry)
    return plan_kernel(pool, rank, shape, dtype, order, indices)


def adaptive_pool(function, rank, input, output_size, maximum, return_indices=False):
    """Adaptive pooling of any rank."""
    settings = function, rank, output_size, maximum, return_indices
    result = again(None, input, None, None, settings)
    return by_plan(function, settings, input) if result is None else result


@names_memory_errors
def by_plan(function, settings, input):
    """The long way: arrays, plan, kernel, result."""
    settings = settled(settings)
    _, rank, output_size, maximum, return_indices = settings
    x = array(function, "input", input)
    dtype = ordered_dtype(function, input=x) if maximum else float_dtype(function, input=x)
    order = layout(x, rank)
    indices = flag(function, "return_indices", return_indices)
    size, one_axis = freeze(function, "output_size", output_size), is_one_axis(x, rank, order)
    plan = plan_adaptive(function, rank, x.shape, dtype, order, size, maximum, indices, one_axis)
    return pooled(plan, settings, input, x, dtype, order, indices=indices)


def adaptive_max_pool1d(input: ArrayLike, output_size: Windows, return_indices: bool = False) -> ArrayOrPair:
    """Largest element of each of `output_size` windows of a signal: `adaptive_max_pool2d` with one spatial axis.

    Parameters
    ----------
    input : array_like, (n, c, w) or (c, w)
        float16, float32, float64, int8, uint8, int16, uint16, int32 or int64.
    output_size, return_indices
        As in `adaptive_max_pool2d`, for one axis.

    Returns
    -------
    ndarray, (n, c, ow) or (c, ow), or a pair of these
        The maxima, and with `return_indices` their positions in the row, int64.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `adaptive_max_pool2d`.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.adaptive_max_pool1d(np.array([[1, 5, 2, 4, 3]]), 2)
    array([[5, 4]])
    """
    return adaptive_pool("adaptive_max_pool1d", 1, input, output_size, 1, return_indices)


def adaptive_max_pool2d(input: ArrayLike, output_size: Windows, return_indices: bool = False) -> ArrayOrPair:
    """Largest element of each of a given number of windows that cover the image.

    ``out[n, c, y, x] = max of input[n, c, y0:y1, x0:x1]``,
    ``y0 = floor(y * h / oh)``, ``y1 = ceil((y + 1) * h / oh)``, ``x0`` and ``x1`` alike.

    Parameters
    ----------
    input : array_like, (n, c, h, w) or (c, h, w)
        float16, float32, float64, int8, uint8, int16, uint16, int32 or int64, of any strides. The result has the memory
        order of the input.
    output_size : int, None, or a pair of these
        The number of windows along each axis, from 1 up; None keeps an axis as it is.
    return_indices : bool
        Return also where each maximum was.

    Returns
    -------
    ndarray, (n, c, oh, ow) or (c, oh, ow), or a pair of these
        The maxima, of the input's dtype; with `return_indices` also their flat indices ``y * w + x`` within the plane,
        int64, as `max_pool2d` has them.

    Raises
    ------
    TypeError
        `input` has another dtype (cast it), or an argument is of the wrong kind.
    ValueError
        A size is out of range, or the input has no elements along an axis.
    MemoryError
        The result cannot be allocated.

    Notes
    -----
    Windows overlap where the number of windows does not divide the axis. Their bounds are exact: integer arithmetic.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.adaptive_max_pool2d(np.arange(15).reshape(1, 3, 5), 2)
    array([[[ 7,  9],
            [12, 14]]])
    """
    return adaptive_pool("adaptive_max_pool2d", 2, input, output_size, 1, return_indices)


def adaptive_max_pool3d(input: ArrayLike, output_size: Windows, return_indices: bool = False) -> ArrayOrPair:
    """Largest element of each of a given number of windows that cover a volume: `adaptive_max_pool2d` with three axes.

    Parameters
    ----------
    input : array_like, (n, c, d, h, w) or (c, d, h, w)
        float16, float32, float64, int8, uint8, int16, uint16, int32 or int64.
    output_size, return_indices
        As in `adaptive_max_pool2d`, for three axes.

    Returns
    -------
    ndarray, (n, c, od, oh, ow) or (c, od, oh, ow), or a pair of these
        The maxima, and with `return_indices` their flat indices ``(z * h + y) * w + x`` within the volume, int64.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `adaptive_max_pool2d`.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.adaptive_max_pool3d(np.arange(12).reshape(1, 2, 2, 3), (1, None, 1))
    array([[[[ 8],
             [11]]]])
    """
    return adaptive_pool("adaptive_max_pool3d", 3, input, output_size, 1, return_indices)


def adaptive_avg_pool1d(input: ArrayLike, output_size: Windows) -> Array:
    """Mean of each of `output_size` windows of a signal: `adaptive_avg_pool2d` with one spatial axis.

    Parameters
    ----------
    input : array_like, (n, c, w) or (c, w)
        float16, float32 or float64.
    output_size
        As in `adaptive_max_pool2d`, for one axis.

    Returns
    -------
    ndarray, (n, c, ow) or (c, ow)
        The means.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `adaptive_max_pool2d`.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.adaptive_avg_pool1d(np.array([[1.0, 5.0, 3.0, 4.0, 2.0]]), 2)
    array([[3., 3.]])
    """
    return adaptive_pool("adaptive_avg_pool1d", 1, input, output_size, 0)


def adaptive_avg_pool2d(input: ArrayLike, output_size: Windows) -> Array:
    """Mean of each of a given number of windows that cover the image: those of `adaptive_max_pool2d`.

    Parameters
    ----------
    input : array_like, (n, c, h, w) or (c, h, w)
        float16, float32 or float64, of any strides. The result has the memory order of the input.
    output_size : int, None, or a pair of these
        The number of windows along each axis, from 1 up; None keeps an axis as it is.

    Returns
    -------
    ndarray, (n, c, oh, ow) or (c, oh, ow)
        The means, of the input's dtype, summed as `avg_pool2d` does.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `adaptive_max_pool2d`.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.adaptive_avg_pool2d(np.arange(15.0).reshape(1, 3, 5), (1, 2))
    array([[[6., 8.]]])
    """
    return adaptive_pool("adaptive_avg_pool2d", 2, input, output_size, 0)


def adaptive_avg_pool3d(input: ArrayLike, output_size: Windows) -> Array:
    """Mean of each of a given number of windows that cover a volume: `adaptive_avg_pool2d` with three axes.

    Parameters
    ----------
    input : array_like, (n, c, d, h, w) or (c, d, h, w)
        float16, float32 or float64.
    output_size
        As in `adaptive_max_pool2d`, for three axes.

    Returns
    -------
    ndarray, (n, c, od, oh, ow) or (c, od, oh, ow)
        The means.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `adaptive_max_pool2d`.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.adaptive_avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 1)
    array([[[[3.5]]]])
    """
    return adaptive_pool("adaptive_avg_pool3d", 3, input, output_size, 0)
