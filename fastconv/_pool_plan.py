"""The way that every pooling of windows takes: arrays, plan, kernel, result. Plans are cached and hold no arrays."""

from functools import lru_cache
from itertools import accumulate, product
from threading import local
from typing import NamedTuple

import numpy as np

from fastconv import _cpu
from fastconv._arrays import (
    FIRST,
    FLOATS,
    array,
    channels_first,
    check_out,
    compute_dtype,
    copy,
    empty,
    finish,
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
# Channels-first planes with rows of at most so many bytes are turned for the gradient of a mean: with so many channels
# or more, vectors along them serve all windows alike (asv_bench, Windows; peers.py --family misc).
NARROW = 128
CHANNELS = 16
PART = 2**19  # bytes of a copy, or so many as 16 channels of one image take
_copies = local()  # each thread's memory for copies, kept: for the system to map it anew costs more than to pool


class PoolPlan(NamedTuple):
    run: object  # kernel(geometry, x, out, rank, blank, threads), the places of maxima after `out` if there are any
    geometry: tuple
    dtype: np.dtype  # the kernel's
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
    dtype, geometry = compute_dtype(dtype) if dtype.kind == "f" else dtype, pool.geometry
    check_row(geometry, 1 if order == FIRST else channels_of(shape, rank))
    module = _cpu.kernel("pool_at" if indices else "pool")
    run = (module.first if order == FIRST else module.last)[SPECIALISATION[dtype.name]]
    return PoolPlan(run, tuple(geometry), dtype, pool.output, lowest(dtype) if geometry.maximum else 0)


def channels_of(shape, rank):
    """The channels of (n, c, *spatial) or (c, *spatial)."""
    return shape[-rank - 1] if len(shape) > rank else 1


def turns(order, shape, rank, dtype, narrow=NARROW):
    """Whether arrays in memory order `order` are computed channels-last all the same."""
    wide = channels_of(shape, rank) >= CHANNELS and dtype.itemsize >= 4
    return order == FIRST and wide and shape[-1] * dtype.itemsize <= narrow


def lowest(dtype):
    """The value that no other one is below."""
    return -np.inf if dtype.kind == "f" else int(np.iinfo(dtype).min)


def pool(
    function, rank, input, kernel_size, stride, padding, dilation, ceil_mode, rule, dtype_of, out=None, indices=False
):
    """Pool every window to one value; with `indices`, return also where each maximum was."""
    settings = function, rank, kernel_size, stride, padding, dilation, ceil_mode, rule, indices
    result = again(None, input, None, None, settings) if out is None else None
    return by_plan(function, settings, input, dtype_of, out) if result is None else result


@names_memory_errors
def by_plan(function, settings, input, dtype_of, out):
    """The long way: arrays, plan, kernel, result."""
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
        if out is None and plan.dtype == dtype and x is input:
            remember(result, plan, constants, most_threads(x.size), x, None, None, settings, places)
    result = finish(result, out, dtype)
    return (result, places) if indices else result


def by_parts(run, inputs, outputs, rank):
    """Run a channels-last kernel on channels-first arrays, on some images or some channels of one at a time."""
    arrays = [a if a.ndim == rank + 2 else a[np.newaxis] for a in (*inputs, *outputs)]
    n, channels = arrays[0].shape[:2]
    room = max(PART // max(a[:1, :1].nbytes for a in arrays), 1)  # channels
    images = max(room // channels, 1)
    step = channels if room >= channels else max(room // CHANNELS, 1) * CHANNELS
    for i, c in product(range(0, n, images), range(0, channels, step)):
        parts = [a[i : i + images, c : c + step] for a in arrays]
        last = channels_last_copies(parts, rank)
        for part, turned in zip(parts[: len(inputs)], last, strict=False):
            copy(part, turned)
        run(*last)
        for part, turned in zip(parts[len(inputs) :], last[len(inputs) :], strict=True):
            copy(turned, part)


def channels_last_copies(parts, rank):
    """Room for a channels-last copy of each array: this thread's memory until the next call."""
    starts = [0, *accumulate(-(-part.nbytes // 64) * 64 for part in parts)]
    memory = getattr(_copies, "memory", None)
    if memory is None or len(memory) < starts[-1]:
        memory = np.empty(starts[-1], np.uint8)
        if len(memory) <= 2 * PART:
            _copies.memory = memory
    copies = []
    for start, part in zip(starts, parts, strict=False):
        shape = (part.shape[0], *part.shape[2:], part.shape[1])
        copies.append(channels_first(memory[start : start + part.nbytes].view(part.dtype).reshape(shape), rank))
    return copies


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
