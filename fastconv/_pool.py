"""The fronts of max and average pooling, one for each rank."""

from __future__ import annotations

from fastconv._arrays import float_dtype
from fastconv._pool_plan import ordered_dtype, pool
from fastconv._sizes import flag, index
from fastconv._types import Array, ArrayLike, ArrayOrPair, Int, Padding, Size

MAXIMUM = (1, 0, None)  # the rule of `plan_pool`


def max_pool(function, rank, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, out):
    """Max pooling of any rank."""
    indices = flag(function, "return_indices", return_indices)
    return pool(
        function, rank, input, kernel_size, stride, padding, dilation, ceil_mode, MAXIMUM, ordered_dtype, out, indices
    )


def mean(function, count_include_pad, divisor_override):
    """The rule of `plan_pool` for average pooling."""
    count_pad = flag(function, "count_include_pad", count_include_pad)
    if divisor_override is not None:
        divisor_override = index(function, "divisor_override", divisor_override)
    return 0, count_pad, divisor_override


def max_pool1d(
    input: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Padding = 0, dilation: Size = 1,
    ceil_mode: bool = False, return_indices: bool = False, *, out: Array | None = None,
) -> ArrayOrPair:  # fmt: skip
    """Largest element of each window of a signal: `max_pool2d` with one spatial axis.

    ``out[n, c, x] = max over j of input[n, c, x * stride - before + j * dilation]``

    Parameters
    ----------
    input : array_like, (n, c, w) or (c, w)
        float16, float32, float64, int8, uint8, int16, uint16, int32 or int64.
    kernel_size, stride, padding, dilation, ceil_mode, return_indices, out
        As in `max_pool2d`, for one axis.

    Returns
    -------
    ndarray, (n, c, ow) or (c, ow), or a pair of these
        The maxima, and with `return_indices` their positions in the row, int64.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `max_pool2d`.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.max_pool1d(np.array([[1.0, 5.0, 2.0, 4.0, 4.0, 3.0]]), 2, return_indices=True)
    (array([[5., 4., 4.]]), array([[1, 3, 4]]))
    """
    return max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, out)


def max_pool2d(
    input: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Padding = 0, dilation: Size = 1,
    ceil_mode: bool = False, return_indices: bool = False, *, out: Array | None = None,
) -> ArrayOrPair:  # fmt: skip
    """Largest element of each window.

    ``out[n, c, y, x] = max over i, j of input[n, c, y * sh - top + i * dh, x * sw - left + j * dw]``

    for 0 <= i < kh and 0 <= j < kw, over the elements that exist: padding never wins.

    Parameters
    ----------
    input : array_like, (n, c, h, w) or (c, h, w)
        float16, float32, float64, int8, uint8, int16, uint16, int32 or int64, of any strides. The result has the memory
        order of the input: channels-last memory, ``np.moveaxis(images, -1, 1)``, is not copied.
    kernel_size : int or (int, int)
        The extent of a window.
    stride : int or (int, int), optional
        From one window to the next; by default `kernel_size`.
    padding : int, sequence or str
        One integer, one for each axis, one pair (before, after) for each axis, or "valid", "same", "same_lower" or
        "full". Smaller than the dilated kernel, ``dilation * (kernel_size - 1) + 1``.
    dilation : int or (int, int)
        From one element of a window to the next.
    ceil_mode : bool
        Round the number of windows up, but drop one that would start beyond the input and its padding before.
    return_indices : bool
        Return also where each maximum was.
    out : ndarray, optional
        Where to put the maxima: of their exact shape and dtype, with any strides; it may overlap `input`.

    Returns
    -------
    ndarray, (n, c, oh, ow) or (c, oh, ow), or a pair of these
        The maxima, of the input's dtype; with `return_indices` also their flat indices ``y * w + x`` within the
        plane, int64. Of equal elements the first counts. A window with NaN gives NaN, and the index of the first NaN.

    Raises
    ------
    TypeError
        `input` has another dtype (cast it), or an argument is of the wrong kind.
    ValueError
        A size is out of range, shapes do not fit, or a window would touch nothing but padding.
    MemoryError
        The result cannot be allocated.

    Notes
    -----
    ``oh = floor((h + top + bottom - dh * (kh - 1) - 1) / sh) + 1``, with `ceil_mode` the quotient rounded up.

    What the columns or the rows of a window come to is shared with the windows beside it where that is less work, some
    ``kh + kw`` steps in place of ``kh * kw`` [1]_. The result is the same for any number of threads.

    References
    ----------
    .. [1] Separable structuring elements: R. M. Haralick, S. R. Sternberg, X. Zhuang, "Image analysis using
       mathematical morphology", IEEE PAMI 9 (1987) 532-550, doi:10.1109/TPAMI.1987.4767941.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> x = np.array([[[3.0, 1.0, 0.0, 2.0], [0.0, 4.0, 2.0, 2.0]]])
    >>> fastconv.max_pool2d(x, 2)
    array([[[4., 2.]]])
    >>> fastconv.max_pool2d(x, 2, return_indices=True)[1]
    array([[[5, 3]]])
    """
    return max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, out)


def max_pool3d(
    input: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Padding = 0, dilation: Size = 1,
    ceil_mode: bool = False, return_indices: bool = False, *, out: Array | None = None,
) -> ArrayOrPair:  # fmt: skip
    """Largest element of each window of a volume: `max_pool2d` with three spatial axes.

    ``out[n, c, z, y, x] = max over i, j, k of
    input[n, c, z * sd - front + i * dd, y * sh - top + j * dh, x * sw - left + k * dw]``

    Parameters
    ----------
    input : array_like, (n, c, d, h, w) or (c, d, h, w)
        float16, float32, float64, int8, uint8, int16, uint16, int32 or int64.
    kernel_size, stride, padding, dilation, ceil_mode, return_indices, out
        As in `max_pool2d`, for three axes.

    Returns
    -------
    ndarray, (n, c, od, oh, ow) or (c, od, oh, ow), or a pair of these
        The maxima, and with `return_indices` their flat indices ``(z * h + y) * w + x`` within the volume, int64.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `max_pool2d`.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.max_pool3d(np.arange(16).reshape(1, 2, 2, 4), 2)
    array([[[[13, 15]]]])
    """
    return max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, out)


def avg_pool1d(
    input: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Padding = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Int | None = None, *, dilation: Size = 1,
    out: Array | None = None,
) -> Array:  # fmt: skip
    """Mean of each window of a signal: `avg_pool2d` with one spatial axis.

    ``out[n, c, x] = sum over j of input[n, c, x * stride - before + j * dilation] / count``

    Parameters
    ----------
    input : array_like, (n, c, w) or (c, w)
        float16, float32 or float64.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation, out
        As in `avg_pool2d`, for one axis.

    Returns
    -------
    ndarray, (n, c, ow) or (c, ow)
        The means.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `avg_pool2d`.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.avg_pool1d(np.array([[1.0, 5.0, 2.0, 4.0, 4.0, 3.0]]), 2)
    array([[3. , 3. , 3.5]])
    """
    rule = mean("avg_pool1d", count_include_pad, divisor_override)
    return pool("avg_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, rule, float_dtype, out)


def avg_pool2d(
    input: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Padding = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Int | None = None, *, dilation: Size = 1,
    out: Array | None = None,
) -> Array:  # fmt: skip
    """Mean of each window.

    ``out[n, c, y, x] = sum over i, j of input[n, c, y * sh - top + i * dh, x * sw - left + j * dw] / count``

    for 0 <= i < kh and 0 <= j < kw, where elements of the padding are zero.

    Parameters
    ----------
    input : array_like, (n, c, h, w) or (c, h, w)
        float16, float32 or float64, of any strides; memory order as in `max_pool2d`.
    kernel_size, stride, padding, ceil_mode
        As in `max_pool2d`.
    count_include_pad : bool
        Whether elements of the padding count. What `ceil_mode` adds beyond the padding never does.
    divisor_override : int, optional
        Divide by this, not by the count.
    dilation : int or (int, int)
        From one element of a window to the next.
    out : ndarray, optional
        Where to put the means: of their exact shape and dtype, with any strides; it may overlap `input`.

    Returns
    -------
    ndarray, (n, c, oh, ow) or (c, oh, ow)
        The means, of the input's dtype. One is NaN where its window touches a NaN, and nowhere else.

    Raises
    ------
    TypeError
        `input` has another dtype (cast it), or an argument is of the wrong kind.
    ValueError
        A size is out of range, shapes do not fit, a window would touch nothing but padding, or `divisor_override`
        is 0.
    MemoryError
        The result cannot be allocated.

    Notes
    -----
    The number of windows is that of `max_pool2d`. Sums are taken in the input's precision (float16 in float32), in an
    order that depends on the geometry and on how the input lies in memory, and divided once: the result is the same for
    any number of threads, and exact for small integers.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> x = np.array([[[3.0, 1.0, 0.0, 2.0], [0.0, 4.0, 2.0, 2.0]]])
    >>> fastconv.avg_pool2d(x, 2)
    array([[[2. , 1.5]]])
    >>> fastconv.avg_pool2d(x, 2, padding=1, count_include_pad=False)
    array([[[3. , 0.5, 2. ],
            [0. , 3. , 2. ]]])
    """
    rule = mean("avg_pool2d", count_include_pad, divisor_override)
    return pool("avg_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, rule, float_dtype, out)


def avg_pool3d(
    input: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Padding = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Int | None = None, *, dilation: Size = 1,
    out: Array | None = None,
) -> Array:  # fmt: skip
    """Mean of each window of a volume: `avg_pool2d` with three spatial axes.

    ``out[n, c, z, y, x] = sum over i, j, k of
    input[n, c, z * sd - front + i * dd, y * sh - top + j * dh, x * sw - left + k * dw] / count``

    Parameters
    ----------
    input : array_like, (n, c, d, h, w) or (c, d, h, w)
        float16, float32 or float64.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation, out
        As in `avg_pool2d`, for three axes.

    Returns
    -------
    ndarray, (n, c, od, oh, ow) or (c, od, oh, ow)
        The means.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `avg_pool2d`.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.avg_pool3d(np.arange(16.0).reshape(1, 2, 2, 4), 2)
    array([[[[6.5, 8.5]]]])
    """
    rule = mean("avg_pool3d", count_include_pad, divisor_override)
    return pool("avg_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, rule, float_dtype, out)
