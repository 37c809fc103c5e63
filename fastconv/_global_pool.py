"""The fronts of global pooling, which is adaptive pooling to one output."""

from __future__ import annotations

from fastconv._adaptive import adaptive_pool
from fastconv._arrays import array
from fastconv._geometry import spatial_rank
from fastconv._types import Array, ArrayLike


def global_pool(function, input, maximum):
    """One value for each plane of (n, c, *spatial)."""
    x = array(function, "input", input)
    return adaptive_pool(function, spatial_rank(function, "input", x.shape), x, 1, maximum)


def global_max_pool(input: ArrayLike) -> Array:
    """Largest element of each plane of an input of one to three spatial axes, which stay, with size 1.

    Parameters
    ----------
    input : array_like, (n, c, *spatial)
        float16, float32, float64, int8, uint8, int16, uint16, int32 or int64.

    Returns
    -------
    ndarray, (n, c, 1, ...)
        The maxima; NaN where a plane has a NaN.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `adaptive_max_pool2d`.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.global_max_pool(np.arange(8).reshape(1, 2, 2, 2))
    array([[[[3]],
    <BLANKLINE>
            [[7]]]])
    """
    return global_pool("global_max_pool", input, 1)


def global_avg_pool(input: ArrayLike) -> Array:
    """Mean of each plane of an input of one to three spatial axes, which stay, with size 1.

    Parameters
    ----------
    input : array_like, (n, c, *spatial)
        float16, float32 or float64.

    Returns
    -------
    ndarray, (n, c, 1, ...)
        The means. The error does not grow with the plane: sums cascade.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `adaptive_max_pool2d`.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.global_avg_pool(np.arange(8.0).reshape(1, 2, 2, 2)).ravel()
    array([1.5, 5.5])
    """
    return global_pool("global_avg_pool", input, 0)
