"""Transposed convolution by phases: no column matrix, no scatter.

`_transpose_geometry` splits the outputs into residue classes, each an ordinary stride-1 convolution with some of the
taps. Here each becomes a plan of `_plan`, with the input cropped by views so that no padding is negative; phases that
read the same inputs are output channels of one convolution. What a box of outputs needs is computed into small buffers,
side by side, and interleaved into the result. At stride 1 there is one phase and nothing to interleave: the convolution
writes the result itself.
"""

from functools import lru_cache
from itertools import accumulate, chain, product
from math import prod
from typing import NamedTuple

import numpy as np

from fastconv import _cpu
from fastconv._arrays import FIRST, channels_first, compute_dtype, dense, empty, finish, five, readable, target
from fastconv._plan import SERIAL_MACS, SPECIALISATION, ConvPlan, plan_conv
from fastconv._threads import get_num_threads
from fastconv._transpose_geometry import axis_phases, boxes

BUFFER_BYTES = 1 << 20  # of the outputs of a box before they are interleaved: an L2 and a share of the L3


class Part(NamedTuple):
    """Some outputs of some phases: one convolution."""

    plan: ConvPlan
    weight: int  # which of `PhasesPlan.taps`
    source: tuple  # slices of the input
    shape: tuple  # (d, h, w) of the convolution's result
    phases: int  # the result's channels are (phase, oc)


class Rows(NamedTuple):
    """Outputs that differ along w only in their phase, to be interleaved."""

    target: tuple  # slices of the output, along w from the first output of any phase
    pieces: tuple  # (part of the box, phase in it, its first output along w, (d, h, w)) each


class Box(NamedTuple):
    parts: tuple
    rows: tuple


class PhasesPlan(NamedTuple):
    dtype: np.dtype  # the kernels'
    order: int  # the kernels' memory order
    boxes: tuple
    taps: tuple  # of each convolution, of each of its phases ((start, step, count), ...) per axis
    whole: bool  # one convolution gives the whole result
    gaps: bool  # some outputs have no product
    step: int  # along w between the outputs of one phase
    images: int  # to be computed at once
    macs: int  # of one image
    turn: object
    interleave: object


def classes(phases, merge):
    """Phases that read the same inputs, together: ((phase, ...), ...)."""
    found = {}
    for i, phase in enumerate(phases):
        found.setdefault((phase.taps, phase.shift) if merge else i, []).append(phase)
    return [tuple(some) for some in found.values()]


def clipped(box, phases):
    """The ranges of `box` as far as each axis' phase goes, or None if that is nothing."""
    ranges = tuple((j0, min(j1, a.count)) for (j0, j1), a in zip(box, phases, strict=True))
    return ranges if all(j0 < j1 for j0, j1 in ranges) else None


def plan_part(function, g, dtype, order, box, some, weight):
    """The convolution of the phases `some`, a class per axis, over `box`; None if it has no product."""
    longest = [max(phases, key=lambda a: a.count) for phases in some]
    ranges = clipped(box, longest)
    windows = [a.window(*r, i) for a, r, i in zip(longest, ranges, g.size, strict=True)] if ranges else [None]
    if None in windows or g.ic == 0:
        return None
    size, padding = tuple(hi - lo for lo, hi, _ in windows), tuple(p for _, _, p in windows)
    phases, kernel = prod(map(len, some)), tuple(a.taps for a in longest)
    plan = plan_conv(
        function, 3, (1, g.ic, *size), (phases * g.oc, g.ic // g.groups, *kernel), dtype, order, 1, padding,
        tuple(a.dilation for a in longest), g.groups, "zeros", None, "auto",
    )  # fmt: skip
    source = tuple(slice(lo, hi) for lo, hi, _ in windows)
    return Part(plan, weight, source, tuple(j1 - j0 for j0, j1 in ranges), phases)


def plan_rows(g, box, outer, columns, parts):
    """Interleaving of every phase of the classes `outer` along d and h with the classes `columns` along w."""
    for depth, row in product(*outer):
        pieces = []
        for i, some in enumerate(columns):
            for a in some if parts[i] else ():
                slot = (outer[0].index(depth) * len(outer[1]) + outer[1].index(row)) * len(some) + some.index(a)
                ranges = clipped(box, (depth, row, a))
                if ranges:
                    pieces.append((a.first, i, slot, tuple(j1 - j0 for j0, j1 in ranges)))
        if pieces:
            lines = (
                slice(a.first + j0 * s, a.first + (min(j1, a.count) - 1) * s + 1, s)
                for a, (j0, j1), s in zip((depth, row), box, g.stride, strict=False)
            )
            where = (*lines, slice(box[2][0] * g.stride[2], None))
            yield Rows(where, tuple((i, slot, first, shape) for first, i, slot, shape in sorted(pieces)))


@_cpu.remembers_kernels
@lru_cache(maxsize=256)
def plan_phases(function, g, dtype, order):
    """How to compute the `Transposed` geometry `g`; shapes have been checked."""
    dtype = compute_dtype(dtype)
    axes = [axis_phases(*axis) for axis in zip(g.size, g.output, g.kernel, g.stride, g.dilation, g.crop, strict=True)]
    gaps = any(len(phases) < min(s, o) for phases, s, o in zip(axes, g.stride, g.output, strict=True))
    whole = max(g.stride) == 1
    merge = g.groups == 1  # the channels of several groups would not lie together
    depths, rows, columns = (classes(phases, merge) for phases in axes)
    taps, found = [], []
    for outer in product(depths, rows) if columns else ():
        weights = range(len(taps), len(taps) + len(columns))
        taps += [
            tuple(tuple((a.tap, a.step, a.taps) for a in phases) for phases in product(*outer, some))
            for some in columns
        ]
        element = g.oc * dtype.itemsize * prod(map(len, outer)) * len(axes[2])
        counts = [max(a.count for a in phases) for phases in (*outer, axes[2])]
        for box in boxes(counts, element, prod(counts) * element if whole else BUFFER_BYTES):
            parts = [
                plan_part(function, g, dtype, order, box, (*outer, some), w)
                for some, w in zip(columns, weights, strict=True)
            ]
            gaps = gaps or None in parts
            found.append(Box(tuple(parts), tuple(plan_rows(g, box, outer, columns, parts))))
    used = [part for box in found for part in box.parts if part]
    if any(part.plan.order != order for part in used):
        return plan_phases(function, g, dtype, FIRST)  # the convolutions would each copy their input
    kernels, kind = _cpu.kernel("phases"), SPECIALISATION[dtype.itemsize]
    largest = max(map(box_size, found), default=0) * g.oc * dtype.itemsize
    return PhasesPlan(
        dtype, order, tuple(found), tuple(taps), whole, gaps, g.stride[2], max(BUFFER_BYTES // max(largest, 1), 1),
        sum(part.plan.macs for part in used), kernels.turn[kind], kernels.interleave[kind],
    )  # fmt: skip


def spread(function, rank, g, x, weight, bias, dtype, order, shape, out):
    """The transposed convolution `g` of `x` (n, ic, *spatial) with `weight` (ic, oc // groups, *kernel).

    Arrays have been checked; `shape` is the result's, `out` where it may go or None.
    """
    plan = plan_phases(function, g, dtype, order)
    if out is None and plan.order != order:
        out = empty(shape, rank, dtype, order)
    order = plan.order
    result = target(out, shape, rank, plan.dtype, order, (x, weight, bias))
    if result.size:
        x5, w5 = five(readable(x, rank, plan.dtype, order), rank), five(dense(weight, plan.dtype), rank)
        b = None if bias is None else dense(bias, plan.dtype)
        result5 = five(result, rank)
        if plan.gaps:
            result5[...] = 0 if b is None else b[:, None, None, None]
        threads = get_num_threads() if plan.macs * x5.shape[0] > SERIAL_MACS else 1
        turned = turned_weights(plan, g, w5, threads)
        if plan.whole:
            for part in (part for box in plan.boxes for part in box.parts if part):
                convolve_part(part, x5, turned, b, result5, threads)
        else:
            interleave_boxes(plan, g, x5, turned, b, result5, threads)
    return finish(result, out, dtype)


def turned_weights(plan, g, weight, threads):
    """For each of `plan.taps` the weights (phases * oc, ic // groups, *taps): (ic, oc // groups, *kernel) turned."""
    shapes = [(len(taps) * g.oc, g.ic // g.groups, *(count for _, _, count in taps[0])) for taps in plan.taps]
    sizes = [prod(shape) for shape in shapes]
    turned = np.empty(sum(sizes), plan.dtype)
    if turned.size:
        plan.turn(weight, turned, g.groups, tuple(chain.from_iterable(plan.taps)), threads)
    ends = accumulate(sizes)
    return [turned[end - size : end].reshape(shape) for end, size, shape in zip(ends, sizes, shapes, strict=True)]


def convolve_part(part, x, weights, bias, out, threads):
    run = part.plan
    b = bias if bias is None or part.phases == 1 else np.tile(bias, part.phases)
    run.run(run.geometry, x[(..., *part.source)], weights[part.weight], b, out, *run.clamp, threads)


def interleave_boxes(plan, g, x, weights, bias, result, threads):
    """Box after box, a few images at a time: each part into its buffer, then all of them into the result."""
    n = x.shape[0]
    scratch = np.empty(min(n, plan.images) * max(map(box_size, plan.boxes), default=0) * g.oc, plan.dtype)
    for first in range(0, n, plan.images):
        some = slice(first, min(first + plan.images, n))
        for box in plan.boxes:
            buffers, end = [], 0
            for part in box.parts:
                if part is None:
                    buffers.append(None)
                    continue
                channels = part.phases * g.oc
                start, end = end, end + (some.stop - first) * channels * prod(part.shape)
                buffers.append(buffer(scratch[start:end], some.stop - first, channels, part.shape, plan.order))
                convolve_part(part, x[some], weights, bias, buffers[-1], threads)
            for rows in box.rows:
                pieces = tuple(piece(buffers[i], slot, g.oc, shape) for i, slot, _, shape in rows.pieces)
                firsts = tuple(first_output for _, _, first_output, _ in rows.pieces)
                where = result[(some, slice(None), *rows.target)]
                plan.interleave(pieces, firsts, plan.step, where, plan.order, threads)


def box_size(box):
    """Pixels of one channel and one image that the parts of a box have."""
    return sum(part.phases * prod(part.shape) for part in box.parts if part)


def buffer(flat, n, channels, shape, order):
    """`flat` as (n, c, d, h, w), dense in `order`."""
    if order == FIRST:
        return flat.reshape(n, channels, *shape)
    return channels_first(flat.reshape(n, *shape, channels), 3)


def piece(result, slot, channels, shape):
    """What one phase has in a part's result."""
    d, h, w = shape
    return result[:, slot * channels : (slot + 1) * channels, :d, :h, :w]
