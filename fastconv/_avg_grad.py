"""The gradient of average pooling: every window's share to all of its elements."""

from typing import NamedTuple

from fastconv import _cpu
from fastconv._arrays import (
    FIRST,
    KINDS,
    array,
    compute_dtype,
    dense_in,
    empty,
    finish,
    float_dtype,
    layout,
    names_memory_errors,
)
from fastconv._door import again, remember, settled
from fastconv._pool_geometry import check_row, full_size, pool_geometry
from fastconv._pool_plan import most_threads, threads_for
from fastconv._sizes import flag, freeze


class GradPlan(NamedTuple):
    run: object  # kernel(geometry, grad_output, out, rank, 0, threads)
    geometry: tuple


def plan_avg(function, rank, shape, grad_shape, kernel, stride, padding, ceil_mode, count_pad, divisor):
    """The geometry of the forward pooling, whose result must have the shape of grad_output."""
    pool = pool_geometry(function, rank, shape, kernel, stride, padding, 1, ceil_mode, 0, count_pad, divisor)
    expected = shape[:-rank] + pool.output
    if grad_shape != expected:
        raise ValueError(
            f"{function}: grad_output has shape {grad_shape}; the pooling of input_size {shape} has shape {expected}"
        )
    check_row(pool.geometry, 1)
    return tuple(pool.geometry)


def avg_pool(function, rank, grad_output, input_size, kernel_size, stride, padding, ceil_mode, count_pad, divisor):
    """The gradient of average pooling of any rank."""
    settings = function, rank, input_size, kernel_size, stride, padding, ceil_mode, count_pad, divisor
    result = again(None, grad_output, None, None, settings)
    return spread(function, settings, grad_output) if result is None else result


@names_memory_errors
def spread(function, settings, grad_output):
    """The long way: arrays, geometry, kernel, result."""
    settings = settled(settings)
    _, rank, input_size, kernel_size, stride, padding, ceil_mode, count_pad, divisor = settings
    g = array(function, "grad_output", grad_output)
    dtype = float_dtype(function, grad_output=g)
    shape = full_size(function, rank, input_size, g.shape)
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
        module = _cpu.kernel("avg_grad")
        plan = GradPlan((module.first if order == FIRST else module.last)[KINDS[kernel_dtype]], geometry)
        used = dense_in(g, rank, kernel_dtype, order)
        plan.run(geometry, used, result, rank, 0, threads_for(result.size))
        if used is grad_output and kernel_dtype == dtype:
            remember(result, plan, (rank, 0), most_threads(result.size), g, None, None, settings)
    return finish(result, None, dtype)
