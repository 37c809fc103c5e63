"""Putting values where indices say, or adding them up there: for unpooling, and the gradient of max pooling."""

import math
from typing import NamedTuple

import numpy as np

from fastconv import _cpu
from fastconv._arrays import (
    KINDS,
    LAST,
    array,
    compute_dtype,
    dense_in,
    empty,
    finish,
    layout,
    names_memory_errors,
)
from fastconv._door import again, remember
from fastconv._pool_plan import INDEX, most_threads, threads_for

HALF_WORD = np.dtype(np.int16)  # as which float16 is moved


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
    kernel_dtype = compute_dtype(dtype) if dtype.kind == "f" and add else dtype  # what is moved stays as it is
    result = empty(x.shape[:-rank] + tuple(size), rank, kernel_dtype, order)
    outside = False
    if x.size and result.size:
        kind = KINDS[HALF_WORD if kernel_dtype == np.float16 else kernel_dtype]
        plan = ScatterPlan(_cpu.kernel("scatter").scatter[kind], (add, order == LAST))
        values, places = dense_in(x, rank, kernel_dtype, order), dense_in(index, rank, INDEX, order)
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
