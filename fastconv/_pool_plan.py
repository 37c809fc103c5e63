"""The way that every pooling of windows takes: arrays, plan, kernel, result. Plans are cached and hold no arrays."""

from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from fastconv import _cpu
from fastconv._arrays import (
    FIRST,
    FLOATS,
    INTEGERS,
    KINDS,
    array,
    check_out,
    compute_dtype,
    empty,
    finish,
    in_singles,
    layout,
    names_memory_errors,
    readable,
    target,
)
from fastconv._door import again, remember, settled
from fastconv._pool_geometry import check_row, pool_geometry
from fastconv._sizes import flag, freeze
from fastconv._threads import get_num_threads

SERIAL = 65536  # input elements for which one more thread is worth waking (asv_bench, Threads)
ORDERED = FLOATS | INTEGERS  # what max pooling takes, each to itself
INDEX = np.dtype(np.int64)


class PoolPlan(NamedTuple):
    run: object  # kernel(geometry, x, out, rank, blank, threads), the places of maxima after `out` if there are any
    geometry: tuple
    dtype: np.dtype  # of the arrays that `run` takes
    output: tuple  # spatial
    blank: float | int  # what changes nothing: the lowest value, or zero


@_cpu.remembers_kernels
@lru_cache(maxsize=1024)
def plan_pool(function, rank, shape, dtype, order, kernel, stride, padding, dilation, ceil_mode, rule, indices):
    """Check all shapes and arguments of a pooling and choose its kernel. `rule` is (maximum, count_pad, divisor)."""
    pool = pool_geometry(function, rank, shape, kernel, stride, padding, dilation, ceil_mode, *rule)
    return plan_kernel(pool, rank, shape, dtype, order, indices)


def plan_kernel(pool, rank, shape, dtype, order, indices):
    """The kernel for a geometry in memory order `order`."""
    geometry, kernel_dtype = pool.geometry, compute_dtype(dtype) if dtype.kind == "f" else dtype
    check_row(geometry, 1 if order == FIRST else channels_of(shape, rank))
    module = _cpu.kernel("pool_at" if indices else "pool")
    run = (module.first if order == FIRST else module.last)[KINDS[kernel_dtype]]
    blank = lowest(kernel_dtype) if geometry.maximum else 0
    return of_halves(PoolPlan(run, tuple(geometry), kernel_dtype, pool.output, blank), dtype, order)


def of_halves(plan, dtype, order):
    """The plan of float32 for arrays of `dtype`: by copies if that is float16."""
    if dtype != np.float16:
        return plan
    return plan._replace(run=partial(in_singles, plan.run, _cpu.kernel("halves").convert, order), dtype=dtype)


def channels_of(shape, rank):
    """The channels of (n, c, *spatial) or (c, *spatial)."""
    return shape[-rank - 1] if len(shape) > rank else 1


def lowest(dtype):
    """The value that no other one is below."""
    return -np.inf if dtype.kind == "f" else int(np.iinfo(dtype).min)


def pool(
    function, rank, input, kernel_size, stride, padding, dilation, ceil_mode, rule, dtype_of, out=None, indices=False
):
    """Pool every window to one value; with `indices`, return also where each maximum was."""
    settings = function, rank, kernel_size, stride, padding, dilation, ceil_mode, rule, indices
    result = again(None, input, None, None, settings, out)
    return by_plan(function, settings, input, dtype_of, out) if result is None else result


@names_memory_errors
def by_plan(function, settings, input, dtype_of, out):
    """The long way: arrays, plan, kernel, result."""
    settings = settled(settings)
    _, rank, kernel_size, stride, padding, dilation, ceil_mode, rule, indices = settings
    x = array(function, "input", input)
    dtype = dtype_of(function, input=x)
    order = layout(x, rank)
    plan = plan_pool(
        function,
        rank,
        x.shape,
        dtype,
        order,
        freeze(function, "kernel_size", kernel_size),
        freeze(function, "stride", stride),
        freeze(function, "padding", padding),
        freeze(function, "dilation", dilation),
        flag(function, "ceil_mode", ceil_mode),
        rule,
        indices,
    )
    if out is not None:
        check_out(function, out, x.shape[:-rank] + plan.output, dtype)
    return pooled(plan, settings, input, x, dtype, order, out, indices)


def pooled(plan, settings, input, x, dtype, order, out=None, indices=False):
    """What `plan` makes of `x`, the array of `input`: its result, and where each maximum was if there are `indices`."""
    rank = settings[1]
    shape = x.shape[:-rank] + plan.output
    result = target(out, shape, rank, plan.dtype, order, (x,))
    places = empty(shape, rank, INDEX, order) if indices else None
    if result.size:
        x = readable(x, rank, plan.dtype, order)
        outputs, constants = (result, places) if indices else (result,), (rank, plan.blank)
        plan.run(plan.geometry, x, *outputs, *constants, threads_for(x.size))
        if plan.dtype == dtype and x is input:
            remember(result, plan, constants, most_threads(x.size), x, None, None, settings, places, out)
    result = finish(result, out, dtype)
    return (result, places) if indices else result


def most_threads(work):
    """The most threads that are worth waking for `work` elements to be looked at."""
    return 1 + work // SERIAL


def threads_for(work):
    """Threads for a call that looks at `work` elements."""
    return min(get_num_threads(), most_threads(work))


def ordered_dtype(function, input):
    """The dtype of a maximum: that of the input, in native byte order."""
    dtype = ORDERED.get(input.dtype) or ORDERED.get(input.dtype.newbyteorder("="))
    if dtype is None:
        names = ", ".join(known.name for known in ORDERED)
        raise TypeError(f"{function}: input has dtype {input.dtype}; cast it first, to one of {names}")
    return dtype
