"""From shapes and arguments to what will run: method, kernel, geometry. Cached, since it looks at no data.

A call with the shapes of an earlier one finds its plan in one dictionary look-up. Plans hold no arrays.
"""

from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np

from fastconv import _corners, _cpu, _door
from fastconv._arrays import KINDS, compute_dtype, empty, five, in_copies
from fastconv._geometry import ACTIVATIONS, conv_geometry
from fastconv._methods import DIRECT, NAMES, lay_out
from fastconv._packing import SeenWeights, packing_of
from fastconv._reach import reach
from fastconv._sizes import one_of
from fastconv._threads import MOST

# Multiply-adds from which a second thread brings more than it costs, and as how many an element of input or output
# counts besides. Random layers of 2 to 400 us, 350 of a kind, took longer than on the better of one thread and two by,
# cores near and far: forward 6 and 3%, by outputs alone 7 and 3; transposed 4 and 5, by products alone 8 and 6;
# gradients of weights 7 and 3, by products alone 11 and 3; of inputs 5 and 4, by products alone 7 and 2.
SERIAL_MACS, ELEMENT_MACS = 1_000_000, 20
COPIED = 2**21  # bytes of images that are copied to another memory order at a time, and of their results
_cpu.remembers_kernels(_door)


class ConvPlan(NamedTuple):
    run: object  # kernel(geometry, x, weight, bias, out, *clamp, threads[, packed])
    geometry: tuple
    dtype: np.dtype  # the kernel's
    order: int  # the memory order of what `run` takes and writes
    output: tuple  # (oc, *spatial)
    shape: tuple  # of the result: (n, oc, *spatial) or (oc, *spatial)
    clamp: tuple  # (lo, hi)
    macs: int  # of one image
    threads: int  # the most that are worth it
    method: str
    reasons: dict  # method -> why it was not taken
    packing: object  # Packing, SeenWeights, or None where weights are used as they are


@_cpu.remembers_kernels
@lru_cache(maxsize=1024)
def plan_conv(
    function, rank, input_shape, weight_shape, dtype, order, stride, padding, dilation, groups, mode, activation, method
):
    """Check all shapes and arguments of a convolution and choose how to compute it; ValueError where they do not fit.

    input_shape, weight_shape : (n, ic, *spatial) or (ic, *spatial), and (oc, ic // groups, *kernel)
    dtype : of the result, float16 to float64
    order : the input's memory order, FIRST or LAST
    stride, padding, dilation, groups : frozen, see `_sizes`
    mode, activation, method : names, as `conv2d` takes them; None for no activation
    """
    dtype = compute_dtype(dtype)
    one_of(function, "activation", activation, ACTIVATIONS)
    one_of(function, "method", method, ("auto", *NAMES))
    conv = conv_geometry(
        function, rank, input_shape, weight_shape, stride, padding, dilation, groups, mode, dtype.itemsize, order
    )
    seen = reach(conv.geometry)
    try:
        geometry, taken, reasons = lay_out(seen.geometry if seen else conv.geometry, method)
    except ValueError as reason:
        raise ValueError(f"{function}: method={method!r} cannot compute this geometry: {reason}") from None
    kernel, kind = _cpu.kernel(taken.kernel(geometry)), KINDS[dtype]
    run = with_corners(kernel.conv[kind], _corners.together(geometry, taken.corners(geometry)), kind)
    packing = packing_of(kernel, geometry, kind)
    if geometry.last != order:
        run = by_copies(run, geometry.last)
    if seen:
        cut = SeenWeights(tuple(weight_shape[:2]), seen.taps, packing, kind) if seen.is_cut else None
        run, packing = within(run, seen.inputs, cut), cut or packing
    if conv.ahead:
        run = with_margins(run, rank, mode, conv.ahead, order)
    batch = input_shape[: -rank - 1]
    return ConvPlan(
        run,
        tuple(geometry),
        dtype,
        order,
        conv.output,
        batch + conv.output,
        ACTIVATIONS[activation],
        conv.geometry.macs,
        most_threads(geometry.macs * prod(batch), prod(input_shape) + prod(batch + conv.output)),
        taken.name,
        reasons,
        packing,
    )


def most_threads(macs, elements):
    """The most threads that are worth it for all images; one where a second costs more than it brings.

    elements : of input and output together; for a gradient of weights, of what it reads
    """
    return MOST if macs + ELEMENT_MACS * elements > SERIAL_MACS else 1


def by_copies(run, order):
    """`run`, of memory in `order`, for input and output in the other one: a few images at a time, in one memory."""

    def copied(geometry, x, weight, bias, out, lo, hi, threads, *packed):
        def of_copies(source, result):
            run(geometry, source, weight, bias, result, lo, hi, threads, *packed)

        in_copies(of_copies, x, out, weight.ndim - 2, order, COPIED)

    return copied


def within(run, inputs, weights):
    """`run` of the `inputs` that taps see; `weights`, `SeenWeights` or None, are cut to these."""

    def seen(geometry, x, weight, bias, out, lo, hi, threads, *packed):
        rank = weight.ndim - 2
        x, weight, out = five(x, rank)[(..., *inputs)], five(weight, rank), five(out, rank)
        if weights:
            weight, bias, packed = weights.cut(weight, bias, packed, threads)
        run(geometry, x, weight, bias, out, lo, hi, threads, *packed)

    return seen


def with_margins(run, rank, mode, widths, order):
    """`run` of the input with margins of `widths`, (before, after) along each axis, that `mode` fills from it."""
    fill = _cpu.kernel("margins").fill
    before = (0,) * (3 - rank) + tuple(first for first, _ in widths)

    def padded(geometry, x, weight, bias, out, lo, hi, threads, *packed):
        size = (n + first + after for n, (first, after) in zip(x.shape[-rank:], widths, strict=True))
        source = empty((*x.shape[:-rank], *size), rank, x.dtype, order)
        fill(x, source, rank, order, mode, before, threads)
        run(geometry, source, weight, bias, out, lo, hi, threads, *packed)

    return padded


def with_corners(run, corners, kind):
    """`run`, and after it the direct sum of `corners`, by the kernels of Cython's type `kind`."""
    if not corners:
        return run
    sums = [(corner, _cpu.kernel(DIRECT.kernel(corner.geometry)).conv[kind]) for corner in corners]

    def both(geometry, x, weight, bias, out, lo, hi, threads, *packed):
        run(geometry, x, weight, bias, out, lo, hi, threads, *packed)
        rank = weight.ndim - 2
        x, weight, out = five(x, rank), five(weight, rank), five(out, rank)
        for (outputs, inputs, part), direct in sums:
            shape = (len(x), part.oc, part.od, part.oh, part.ow)
            result = empty(shape, 3, out.dtype, part.last)
            direct(tuple(part), x[(..., *inputs)], weight, bias, result, lo, hi, threads)
            out[(..., *outputs)] = result

    return both
