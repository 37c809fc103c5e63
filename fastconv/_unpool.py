"""The fronts of unpooling, and putting values where indices say, which the gradient of max pooling does too."""

import math
from typing import NamedTuple

from fastconv import _cpu
from fastconv._arrays import (
    FIRST,
    LAST,
    array,
    channels_first,
    channels_last,
    compute_dtype,
    dense,
    empty,
    finish,
    layout,
    names_memory_errors,
)
from fastconv._door import again, remember, settled
from fastconv._pool_geometry import spatial, unpooled_size
from fastconv._pool_plan import INDEX, SPECIALISATION, most_threads, ordered_dtype, threads_for
from fastconv._sizes import frozen, shape


class ScatterPlan(NamedTuple):
    run: object  # kernel(geometry, x, index, None, out, rank, 0, threads)
    geometry: tuple  # (add, last)
    packing: None = None  # of weights; there are none


def known_result(x, indices, settings):
    """The result of a call like an earlier one, or None; also where an index lies outside, which the long way says."""
    try:
        return again(None, x, indices, None, settings)
    except IndexError:
        return None


@names_memory_errors
def scatter(function, name, settings, x, indices, size, dtype, add):
    """Values `x` to their places in zeros of spatial shape `size`, or added there; `name` is the caller's for x.

    `settings` are what the call will be known by, the function's name and rank first.
    """
    rank = settings[1]
    index = array(function, "indices", indices)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{function}: indices must be integers, got dtype {index.dtype}")
    if index.shape != x.shape:
        raise ValueError(f"{function}: indices have shape {index.shape}, {name} has shape {x.shape}")
    order = layout(x, rank)
    kernel_dtype = compute_dtype(dtype) if dtype.kind == "f" else dtype
    result = empty(x.shape[:-rank] + tuple(size), rank, kernel_dtype, order)
    outside = False
    if x.size and result.size:
        plan = ScatterPlan(_cpu.kernel("scatter").scatter[SPECIALISATION[kernel_dtype.name]], (add, order == LAST))
        values, places = whole(x, rank, order, kernel_dtype), whole(index, rank, order, INDEX)
        try:
            plan.run(plan.geometry, values, places, None, result, rank, 0, threads_for(result.size))
        except IndexError:
            outside = True
        if values is x and places is indices and kernel_dtype == dtype and not outside:
            remember(result, plan, (rank, 0), most_threads(result.size), x, index, None, settings)
    else:
        outside = index.size > 0
        result[...] = 0
    if outside:
        raise ValueError(
            f"{function}: indices must be from 0 to {math.prod(size) - 1}, flat in a plane of size {size}, "
            f"got {index.min()} to {index.max()}"
        )
    return finish(result, None, dtype)


def whole(x, rank, order, dtype):
    """`x` itself or a copy that is contiguous, with channels last in memory in that order, aligned and of `dtype`."""
    if order == FIRST:
        return dense(x, dtype)
    view = channels_last(x, rank)
    same = dense(view, dtype)
    return x if same is view else channels_first(same, rank)


def full_size(function, rank, input_size, grad_output):
    """`input_size` as a whole shape that goes with `grad_output`: (n, c, *spatial) or (c, *spatial)."""
    size = shape(function, "input_size", input_size)
    spatial(function, rank, grad_output.shape, "grad_output")
    if size[:-rank] != grad_output.shape[:-rank]:
        raise ValueError(
            f"{function}: input_size {size} and grad_output of shape {grad_output.shape} differ in batch or channels"
        )
    if 0 in size[-rank:]:
        raise ValueError(f"{function}: input_size {size} has no elements along an axis")
    return size


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


def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
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
    TypeError, ValueError
        As `max_unpool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.max_unpool1d(np.array([[5.0, 4.0]]), np.array([[1, 3]]), 2)
    array([[0., 5., 0., 4.]])
    """
    return max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
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

    Notes
    -----
    Without `output_size`, ``h = (oh - 1) * sh + kh - top - bottom``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[3.0, 1.0, 0.0, 2.0], [0.0, 4.0, 2.0, 2.0]]])
    >>> fastconv.max_unpool2d(*fastconv.max_pool2d(x, 2, return_indices=True), 2)
    array([[[0., 0., 0., 2.],
            [0., 4., 0., 0.]]])
    """
    return max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
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
    TypeError, ValueError
        As `max_unpool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.max_unpool3d(np.array([[[[9]]]]), np.array([[[[3]]]]), (1, 2, 2))
    array([[[[0, 0],
             [0, 9]]]])
    """
    return max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)
