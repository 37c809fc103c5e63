"""The gradient of average pooling: every window's share to all of its elements."""

from functools import lru_cache, partial

from fastconv import _cpu
from fastconv._arrays import LAST, array, compute_dtype, empty, finish, float_dtype, layout, readable
from fastconv._pool_geometry import pool_geometry
from fastconv._pool_plan import NARROW, SPECIALISATION, by_parts, threads_for, turns
from fastconv._sizes import flag, freeze
from fastconv._unpool import full_size, planes


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
        if turns(order, shape, rank, kernel_dtype, 2 * NARROW):
            by_parts(partial(spread, geometry, rank, LAST), [readable(g, rank, kernel_dtype, order)], [result], rank)
        else:
            spread(geometry, rank, order, g, result)
    return finish(result, None, dtype)


def spread(geometry, rank, order, g, result):
    """Add what belongs to each window to all of its elements."""
    dtype = result.dtype
    run = _cpu.kernel("avg_grad").spread[SPECIALISATION[dtype.name]]
    run(images(g, rank, order, dtype), images(result, rank, order, dtype), geometry, threads_for(result.size))


def images(x, rank, order, dtype):
    """`x` as (planes, pixels, step): each channel a plane of step 1, or each image one with its channels as step."""
    x = planes(x, rank, order, dtype)
    return x if order else x.reshape(-1, x.shape[-1], 1)
