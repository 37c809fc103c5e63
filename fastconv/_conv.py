"""The fronts of convolution: one for each rank, all by way of `convolve`."""

from fastconv._arrays import (
    FIRST,
    array,
    check_out,
    dense,
    finish,
    five,
    float_dtype,
    layout,
    pad,
    readable,
    target,
)
from fastconv._plan import SERIAL_MACS, plan_conv
from fastconv._sizes import freeze, name
from fastconv._threads import get_num_threads


def convolve(
    function, rank, input, weight, bias, stride, padding, dilation, groups, padding_mode, activation, method, out
):
    """The way of every convolution: arrays, plan, kernel, result."""
    x, w = array(function, "input", input), array(function, "weight", weight)
    b = None if bias is None else array(function, "bias", bias)
    dtype = float_dtype(function, input=x, weight=w, bias=b)
    order = layout(x, rank) if x.ndim > rank else FIRST
    plan = plan_conv(
        function,
        rank,
        x.shape,
        w.shape,
        dtype,
        order,
        stride if type(stride) is int else freeze(function, "stride", stride),
        padding if type(padding) is int else freeze(function, "padding", padding),
        dilation if type(dilation) is int else freeze(function, "dilation", dilation),
        groups if type(groups) is int else freeze(function, "groups", groups),
        name(function, "padding_mode", padding_mode),
        activation if activation is None else name(function, "activation", activation),
        name(function, "method", method),
    )
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(f"{function}: bias must have shape {w.shape[:1]} for weight of shape {w.shape}, got {b.shape}")
    shape = x.shape[: x.ndim - rank - 1] + plan.output
    if out is not None:
        check_out(function, out, shape, dtype)
    result = target(out, shape, rank, plan.dtype, order, (x, w, b))
    if result.size:
        if plan.ahead is not None:
            x = pad(x, rank, plan.ahead, plan.pad_mode, order)
        x = readable(x, rank, plan.dtype, order)
        w = dense(w, plan.dtype)
        if b is not None:
            b = dense(b, plan.dtype)
        images = 1 if x.ndim == rank + 1 else x.shape[0]
        threads = get_num_threads() if plan.macs * images > SERIAL_MACS else 1
        plan.run(plan.geometry, five(x, rank), five(w, rank), b, five(result, rank), plan.clamp, threads)
    return finish(result, out, dtype)


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
           activation=None, method="auto", out=None):
    return convolve("conv1d", 1, input, weight, bias, stride, padding, dilation, groups, padding_mode, activation, method, out)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
           activation=None, method="auto", out=None):
    return convolve("conv2d", 2, input, weight, bias, stride, padding, dilation, groups, padding_mode, activation, method, out)


def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
           activation=None, method="auto", out=None):
    return convolve("conv3d", 3, input, weight, bias, stride, padding, dilation, groups, padding_mode, activation, method, out)
