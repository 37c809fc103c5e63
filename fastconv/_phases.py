"""Transposed convolution by phases: no column matrix, no scatter.

`_transpose_geometry` splits the outputs into residue classes, each an ordinary stride-1 convolution with some of the
taps; `_phase_plan` says which of them are output channels of one convolution. What a box of windows gives is computed
into small buffers, side by side, and interleaved into the result. At stride 1 there is one phase and nothing to
interleave: the convolution writes the result itself.
"""

from functools import partial
from itertools import accumulate, chain
from math import prod

import numpy as np

from fastconv import _memory
from fastconv._arrays import FIRST, channels_first, dense, empty, finish, five, in_copies, readable, target
from fastconv._geometry import INF, ConvGeometry
from fastconv._phase_plan import Gather, plan_phases
from fastconv._plan import COPIED, SERIAL_MACS
from fastconv._threads import get_num_threads

TOGETHER = 16  # pixels, a whole vector or several at every level and of either type


def spread(function, rank, g, x, weight, bias, dtype, order, shape, out):
    """The transposed convolution `g` of `x` (n, ic, *spatial) with `weight` (ic, oc // groups, *kernel).

    Arrays have been checked; `shape` is the result's, `out` where it may go or None.
    """
    plan = plan_phases(function, g, dtype, order)
    one = isinstance(plan.whole, Gather)
    many = x.ndim == rank + 2 and g.oc > 1 and x.dtype == plan.dtype and x.itemsize * (x.size + prod(shape)) > COPIED
    few_at_once = one and many and plan.order != order
    if out is None and plan.order != order:
        out = empty(shape, rank, dtype, order)
    order = order if few_at_once else plan.order
    result = target(out, shape, rank, plan.dtype, order, (x, weight, bias))
    if result.size:
        x5 = five(x if few_at_once else readable(x, rank, plan.dtype, order), rank)
        w5, result5 = five(dense(weight, plan.dtype), rank), five(result, rank)
        b = None if bias is None else dense(bias, plan.dtype)
        threads = get_num_threads() if plan.macs * x5.shape[0] > SERIAL_MACS else 1
        if one:
            run = partial(by_one_kernel, plan, w5, b, threads)
            in_copies(run, x5, result5, 3, max(COPIED, w5.nbytes)) if few_at_once else run(x5, result5)
            return finish(result, out, dtype)
        fill_gaps(plan, b, result5)
        if plan.whole:
            run, source, swapped = plan.whole
            if not swapped:
                (w5,) = turned_weights(plan, g, w5, Scratch(plan, len(x5)), threads)
            run.run(run.geometry, x5[(..., *source)], w5, b, result5, *run.clamp, threads)
        else:
            scratch = Scratch(plan, len(x5))
            turned = turned_weights(plan, g, w5, scratch, threads)
            interleave_boxes(plan, x5, turned, b, result5, scratch, threads)
            sum_corners(plan, x5, turned, b, result5, threads)
    return finish(result, out, dtype)


def fill_gaps(plan, b, result5):
    """Outputs that no tap reaches are biases."""
    if plan.gaps:
        result5[...] = 0 if b is None else b[:, None, None, None]


def by_one_kernel(plan, w5, b, threads, x5, result5):
    """All phases by the kernel that computes them by itself."""
    fill_gaps(plan, b, result5)
    plan.whole.run(tuple(plan.whole.geometry), x5, w5, b, result5, plan.dtype.type(0), threads)


class Scratch:
    """The memory of a call, in one piece."""

    def __init__(self, plan, n):
        self.results = min(n, plan.images) * plan.largest
        self.packed = {key: packed for key, packed in plan.packed.items() if packed.boxes > 1 or n > plan.images}
        weights = sum(map(prod, plan.weights)) + sum(packed.size for packed in self.packed.values())
        self.left = _memory.empty((weights + self.results,), plan.dtype)

    def take(self, size):
        taken, self.left = self.left[:size], self.left[size:]
        return taken


def turned_weights(plan, g, weight, scratch, threads):
    """For each of `plan.taps` the weights (oc * phases, ic // groups, *taps): (ic, oc // groups, *kernel) turned.

    The output channels count (oc, phase), or channels-last (phase, oc).
    """
    sizes = [prod(shape) for shape in plan.weights]
    turned = scratch.take(sum(sizes))
    if turned.size:
        together = tuple(chain.from_iterable([len(taps)] * len(taps) for taps in plan.taps))
        plan.turn(weight, turned, g.groups, tuple(chain.from_iterable(plan.taps)), together, plan.order, threads)
    ends = accumulate(sizes)
    return [turned[end - n : end].reshape(shape) for end, n, shape in zip(ends, sizes, plan.weights, strict=True)]


def repeated(bias, phases, order):
    """The bias of each output channel of a convolution that computes so many phases."""
    if bias is None or phases == 1:
        return bias
    return np.repeat(bias, phases) if order == FIRST else np.tile(bias, phases)


def packed_weights(plan, weights, scratch, threads):
    """By (weights, layout), those that serve several boxes, or a box of several runs of images."""
    packed = {}
    for key, (part, size, _) in scratch.packed.items():
        packed[key] = scratch.take(size)
        part.packing.pack(part.geometry, weights[part.weight], packed[key], threads)
    return packed


def interleave_boxes(plan, x, weights, bias, result, scratch, threads):
    """Box after box, a few images at a time: each part into its buffer, then all of them into the result."""
    n, order = x.shape[0], plan.order
    packed = packed_weights(plan, weights, scratch, threads)
    biases = {part.phases: repeated(bias, part.phases, order) for box in plan.boxes for part in box.parts if part}
    results = scratch.take(scratch.results)
    for first in range(0, n, plan.images):
        count = min(plan.images, n - first)
        images = x if count == n else x[first : first + count]
        where = result if count == n else result[first : first + count]
        for parts, table, kinds in plan.boxes:
            end = 0
            for part in parts:
                if part:
                    start, end = end, end + count * part.elements
                    key = (part.weight, part.packing.layout) if part.packing else None
                    ready = (packed[key],) if key in packed else ()
                    part.run(
                        part.geometry, images[part.source], weights[part.weight], biases[part.phases],
                        buffer(results[start:end], count, part, order), -INF, INF, threads, *ready,
                    )  # fmt: skip
            if kinds:
                plan.interleave(table, kinds, plan.step, results, where, order, threads)


def sum_corners(plan, x, weights, bias, result, threads):
    """Outputs that see little of the input, over what the boxes made of them.

    One output that sees one pixel is a row of a matrix product: such rows of all images become images of TOGETHER
    pixels, however few, since the order of a sum depends on how many pixels an image has.
    """
    n = len(x)
    for part, targets in plan.corners:
        if part is None:
            for where in targets:
                result[where] = 0 if bias is None else bias[:, None, None, None]
            continue
        seen, geometry = x[part.source], part.geometry
        single = part.shape[1:] == seen.shape[2:] == (1, 1, 1)
        if single:
            seen = together(seen, plan)
            geometry = tuple(ConvGeometry(*geometry)._replace(iw=TOGETHER, ow=TOGETHER))
        corner = empty((len(seen), part.shape[0], *geometry[6:9]), 3, plan.dtype, plan.order)
        biases = repeated(bias, part.phases, plan.order)
        part.run(geometry, seen, weights[part.weight], biases, corner, -INF, INF, threads)
        if single:
            corner = corner.transpose(0, 4, 1, 2, 3).reshape(-1, part.shape[0], 1, 1, 1)[:n]
        for phase, where in enumerate(targets):
            result[where] = corner[:, of_phase(phase, part, plan.order)]


def of_phase(phase, part, order):
    """The output channels of one of the phases that a part computes."""
    channels = part.shape[0] // part.phases
    return slice(phase, None, part.phases) if order == FIRST else slice(phase * channels, (phase + 1) * channels)


def together(seen, plan):
    """Images of one pixel as images of TOGETHER pixels, the last one's with zeros after them."""
    n, channels = seen.shape[:2]
    pixels = empty((-(-n // TOGETHER), channels, 1, 1, TOGETHER), 3, plan.dtype, plan.order)
    pixels[-1] = 0
    for image, first in enumerate(range(0, n, TOGETHER)):
        some = seen[first : first + TOGETHER, :, 0, 0, 0]
        pixels[image, :, 0, 0, : len(some)] = some.T
    return pixels


def buffer(flat, n, part, order):
    """`flat` as (n, c, d, h, w), dense in `order`."""
    if order == FIRST:
        return flat.reshape(n, *part.shape)
    return channels_first(flat.reshape(n, *part.shape[1:], part.shape[0]), 3)
