"""The way that every pooling of windows takes: arrays, plan, kernel, result. Plans are cached and hold no arrays."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fastconv import _cpu
from fastconv._arrays import (
    FIRST,
    FLOATS,
    array,
    check_out,
    compute_dtype,
    empty,
    finish,
    five,
    float_dtype,
    layout,
    names_memory_errors,
    readable,
    target,
)
from fastconv._door import again, remember
from fastconv._pool_geometry import check_row, pool_geometry
from fastconv._sizes import flag, freeze
from fastconv._threads import get_num_threads

INTEGERS = {np.dtype(t): np.dtype(t) for t in ("int8", "uint8", "int16", "uint16", "int32", "int64")}
SPECIALISATION = {"float32": "float", "float64": "double"} | {d.name: f"{d.name}_t" for d in INTEGERS}
SERIAL = 65536  # input elements for which one more thread is worth waking (asv_bench, Threads)
ORDERED = FLOATS | INTEGERS  # what max pooling takes, each to itself
INDEX = np.dtype(np.int64)


class PoolPlan(NamedTuple):
    run: object  # kernel(geometry, x, out, rank, blank, threads), or kernel(x, out, at, geometry, threads) with indices
    geometry: tuple
    dtype: np.dtype  # the kernel's
    output: tuple  # spatial
    blank: float | int  # what changes nothing: the lowest value, or zero


@_cpu.remembers_kernels
@lru_cache(maxsize=1024)
def plan_pool(function, rank, shape, dtype, order, kernel, stride, padding, dilation, ceil_mode, rule, indices):
    """Check all shapes and arguments of a pooling and choose its kernel. `rule` is (maximum, count_pad, divisor)."""
    pool = pool_geometry(function, rank, shape, kernel, stride, padding, dilation, ceil_mode, *rule)
    check_row(pool.geometry, 1 if order == FIRST else shape[-rank - 1])
    dtype = compute_dtype(dtype) if dtype.kind == "f" else dtype
    module = _cpu.kernel("pool_at" if indices else "pool")
    run = (module.first if order == FIRST else module.last)[SPECIALISATION[dtype.name]]
    blank = lowest(dtype) if pool.geometry.maximum else 0
    return PoolPlan(run, tuple(pool.geometry), dtype, pool.output, blank)


def lowest(dtype):
    """The value that no other one is below."""
    return -np.inf if dtype.kind == "f" else int(np.iinfo(dtype).min)


def pool(
    function, rank, input, kernel_size, stride, padding, dilation, ceil_mode, rule, dtype_of, out=None, indices=False
):
    """Pool every window to one value; with `indices`, return also where each maximum was."""
    settings = function, rank, kernel_size, stride, padding, dilation, ceil_mode, rule
    result = again(None, input, None, None, settings) if out is None and not indices else None
    return by_plan(function, settings, input, dtype_of, out, indices) if result is None else result


@names_memory_errors
def by_plan(function, settings, input, dtype_of, out, indices):
    """The long way: arrays, plan, kernel, result."""
    _, rank, kernel_size, stride, padding, dilation, ceil_mode, rule = settings
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
    shape = x.shape[:-rank] + plan.output
    if out is not None:
        check_out(function, out, shape, dtype)
    result = target(out, shape, rank, plan.dtype, order, (x,))
    at = empty(shape, rank, INDEX, order) if indices else None
    if result.size:
        x = readable(x, rank, plan.dtype, order)
        run_pool(plan, x, result, at, rank)
        if out is None and not indices and plan.dtype == dtype and x is input:
            remember(result, plan, (rank, plan.blank), most_threads(x.size), x, None, None, settings)
    result = finish(result, out, dtype)
    return (result, at) if indices else result


def run_pool(plan, x, result, at, rank):
    """The kernel of `plan`; `at` takes the places of the maxima, or is None."""
    if at is None:
        plan.run(plan.geometry, x, result, rank, plan.blank, threads_for(x.size))
    else:
        plan.run(five(x, rank), five(result, rank), five(at, rank), plan.geometry, threads_for(x.size))


def most_threads(work):
    """The most threads that are worth waking for `work` elements to be looked at."""
    return 1 + work // SERIAL


def threads_for(work):
    """Threads for a call that looks at `work` elements."""
    return min(get_num_threads(), most_threads(work))


def ordered_dtype(function, input):
    """The dtype of a maximum: that of the input, in native byte order."""
    known = ORDERED.get(input.dtype) or INTEGERS.get(input.dtype.newbyteorder("="))
    return known or float_dtype(function, input=input)
