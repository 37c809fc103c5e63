"""Transposed convolution by phases: no column matrix, no scatter.

`_transpose_geometry` splits the outputs into residue classes, each an ordinary stride-1 convolution with some of the
taps; `_phase_plan` says which of them are output channels of one convolution. What a box of windows gives is computed
into small buffers, side by side, and interleaved into the result. At stride 1 there is one phase and nothing to
interleave: the convolution writes the result itself.
"""

from functools import partial
from itertools import accumulate
from math import inf
from typing import NamedTuple

import numpy as np

from fastconv import _memory
from fastconv._arrays import FIRST, channels_first, dense, empty, finish, five, in_copies, readable, target
from fastconv._door import remember
from fastconv._geometry import INF
from fastconv._phase_plan import OneKernel, Whole, plan_phases
from fastconv._plan import COPIED, most_threads
from fastconv._threads import get_num_threads


class SpreadPlan(NamedTuple):
    """What the door remembers of a transposed convolution."""

    run: object  # `compute`, of the first three, or a convolution
    geometry: object  # Transposed, or the convolution's
    packing: None = None  # of weights, beforehand; there is none


def spread(settings, g, taps, x, weight, bias, dtype, order, shape, out):
    """The transposed convolution `g` of `x` (n, ic, *spatial) with `weight` (ic, oc // groups, *kernel).

    Arrays have been checked; `shape` is the result's, `out` where it may go or None.

    settings : what calls like this are known by: the function's name, the rank, and whatever else g depends on
    taps : slices of the weights that are used, along the kernel's axes; () for all
    """
    function, rank, *_ = settings
    given = out
    plan = plan_phases(function, g, dtype, order)
    copied = plan.order != order and x.dtype == plan.dtype  # by `compute`, so that the door knows the call
    if out is None and plan.order != order:
        out = empty(shape, rank, dtype, order)
    order = order if copied else plan.order
    result = target(out, shape, rank, plan.dtype, order, (x, weight, bias))
    if result.size:
        source = readable(x, rank, plan.dtype, order)
        way, constants = SpreadPlan(partial(compute, plan, taps, copied), g), (None, None)
        if not copied and not taps and takes_all(plan, g, weight, bias):
            way, constants = SpreadPlan(plan.whole.plan.run, plan.whole.plan.geometry), plan.whole.plan.clamp
        threads = most_threads(plan.macs * (x.shape[0] if x.ndim == rank + 2 else 1), x.size + result.size)
        way.run(way.geometry, source, weight, bias, result, *constants, min(threads, get_num_threads()))
        if plan.dtype == dtype and source is x and (out is None or out is result):
            remember(result, way, constants, threads, x, weight, bias, settings, out=given)
    return finish(result, out, dtype)


def takes_all(plan, g, *arrays):
    """Whether one convolution takes the whole input, and these arrays, as they are."""
    if not isinstance(plan.whole, Whole) or not plan.whole.swapped or plan.gaps:
        return False
    whole = all(s.indices(n) == (0, n, 1) for s, n in zip(plan.whole.source, g.size, strict=True))
    return whole and all(a is None or dense(a, plan.dtype) is a for a in arrays)


def compute(plan, taps, copied, g, x, weight, bias, result, _lo, _hi, threads):
    """Write `result` by the kernels of `plan`; from `g` on arguments are those of every kernel that the door knows."""
    rank = weight.ndim - 2
    x5, result5, w5 = five(x, rank), five(result, rank), five(dense(weight[(..., *taps)], plan.dtype), rank)
    b = None if bias is None else dense(bias, plan.dtype)
    run = partial(by_one_kernel if isinstance(plan.whole, OneKernel) else by_convolutions, plan, g, w5, b, threads)
    if not copied:
        run(x5, result5)
    else:  # phases turn all weights for each piece of a batch
        in_copies(run, x5, result5, 3, FIRST, max(COPIED, w5.nbytes) if isinstance(plan.whole, OneKernel) else inf)


def by_convolutions(plan, g, w5, b, threads, x5, result5):
    """The phases by convolutions, of some groups after the other."""
    fill_gaps(plan, b, result5)
    n = plan.bunches
    if n == 1:
        by_bunch(plan, g, w5, b, threads, x5, result5)
        return
    biases = [None] * n if b is None else np.split(b, n)
    for of_bunch in zip(np.split(w5, n), biases, np.split(x5, n, 1), np.split(result5, n, 1), strict=True):
        w, bias, x, result = of_bunch
        by_bunch(plan, g._replace(groups=g.groups // n), w, bias, threads, x, result)


def by_bunch(plan, g, w5, b, threads, x5, result5):
    """Those of one bunch."""
    if plan.whole:
        run, source, swapped = plan.whole
        if not swapped:
            ((size, _),) = plan.weights
            (w5,) = turned_weights(plan, g, w5, _memory.empty((size,), plan.dtype), threads)
        run.run(run.geometry, x5[(..., *source)], w5, b, result5, *run.clamp, threads)
        return
    scratch = Scratch(plan, len(x5))
    turned = turned_weights(plan, g, w5, scratch.take(sum([size for size, _ in plan.weights])), threads)
    interleave_boxes(plan, x5, turned, b, result5, scratch, threads)
    sum_corners(plan, x5, turned, b, result5, threads)


def fill_gaps(plan, b, result5):
    """Outputs that no tap reaches are biases; of channels-last memory a row of pixels at a time."""
    if not plan.gaps:
        return
    if b is None or plan.order == FIRST:
        result5[...] = 0 if b is None else b[:, None, None, None]
    else:
        row = np.tile(b, result5.shape[4])
        result5.transpose(0, 2, 3, 4, 1).reshape(-1, row.size)[...] = row


def by_one_kernel(plan, _, w5, b, threads, x5, result5):
    """All phases by the kernel that computes them by itself."""
    fill_gaps(plan, b, result5)
    plan.whole.run(tuple(plan.whole.geometry), x5, w5, b, result5, plan.dtype.type(0), threads)


class Scratch:
    """The memory of a call, in one piece."""

    def __init__(self, plan, n):
        self.results, self.itemsize = min(n, plan.images) * plan.largest, plan.dtype.itemsize
        self.packed = {key: packed for key, packed in plan.packed.items() if packed.boxes > 1 or n > plan.images}
        packed = [packed.size for packed in self.packed.values()]
        sizes = sum([size for size, _ in plan.weights]), *packed, self.results
        self.left = _memory.lines(sum(map(self.room, sizes)), plan.dtype)

    def room(self, size):
        return _memory.whole_lines(size, self.itemsize)

    def take(self, size):
        taken, self.left = self.left[:size], self.left[self.room(size) :]
        return taken


def turned_weights(plan, g, weight, turned, threads):
    """For each of `plan.weights` the weights (oc * phases, ic // groups, *taps): (ic, oc // groups, *kernel) turned,
    or these if it takes them.

    The output channels count (oc, phase), or channels-last (phase, oc).
    """
    if turned.size:
        plan.turn(weight, turned, g.groups, *plan.taps, plan.order, threads)
    found = zip(accumulate(size for size, _ in plan.weights), plan.weights, strict=True)
    return [turned[end - n : end].reshape(shape) if shape else weight for end, (n, shape) in found]


def repeated(bias, phases, apart):
    """The bias of each output channel of a convolution that computes so many phases."""
    if bias is None or phases == 1:
        return bias
    return np.tile(bias, phases) if apart else np.repeat(bias, phases)


def packed_weights(weights, scratch, threads):
    """By (weights, layout), those that serve several boxes, or a box of several runs of images."""
    packed = {}
    for key, (part, size, _) in scratch.packed.items():
        packed[key] = scratch.take(size)
        part.packing.pack(part.geometry, weights[part.weight], packed[key], threads)
    return packed


def interleave_boxes(plan, x, weights, bias, result, scratch, threads):
    """Box after box, a few images at a time: each part into its buffer, then all of them into the result."""
    n, order = x.shape[0], plan.order
    packed = packed_weights(weights, scratch, threads)
    parts = [part for box in plan.boxes for part in box.parts if part]
    biases = {(part.phases, part.apart): repeated(bias, part.phases, part.apart) for part in parts}
    results = scratch.take(scratch.results)
    for first in range(0, n, plan.images):
        count = min(plan.images, n - first)
        images = x if count == n else x[first : first + count]
        where = result if count == n else result[first : first + count]
        for parts, table, rows in plan.boxes:
            end = 0
            for part in parts:
                if part:
                    start, end = end, end + count * part.elements
                    key = (part.weight, part.packing.layout) if part.packing else None
                    ready = (packed[key],) if key in packed else ()
                    part.run(
                        part.geometry, images[part.source], weights[part.weight], biases[part.phases, part.apart],
                        buffer(results[start:end], count, part, order), -INF, INF, threads, *ready,
                    )  # fmt: skip
            if rows:
                plan.interleave(table, rows, plan.step, results, where, order, threads)


def sum_corners(plan, x, weights, bias, result, threads):
    """Outputs that see little of the input, over what the boxes made of them."""
    for some in plan.corners:
        plan.sum_corners(
            some.geometry, some.table, some.count, some.phases, x, weights[some.weight], bias, result, threads
        )


def buffer(flat, n, part, order):
    """`flat` as (n, c, d, h, w), dense in `order`."""
    if order == FIRST:
        return flat.reshape(n, *part.shape)
    return channels_first(flat.reshape(n, *part.shape[1:], part.shape[0]), 3)
