"""Transposed convolution by phases: no column matrix, no scatter.

`_transpose_geometry` splits the outputs into residue classes, each an ordinary stride-1 convolution with some of the
taps. Here each becomes a plan of `_plan`, with the input cropped by views so that no padding is negative; the phases of
one row are computed side by side into small buffers and interleaved into the result. At stride 1 there is one phase and
nothing to interleave: the convolution writes the result itself.
"""

from functools import lru_cache
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from fastconv import _cpu
from fastconv._arrays import FIRST, compute_dtype, dense, finish, five, readable, target
from fastconv._plan import SERIAL_MACS, SPECIALISATION, ConvPlan, plan_conv
from fastconv._threads import get_num_threads
from fastconv._transpose_geometry import axis_phases, boxes

BUFFER_BYTES = 1 << 20  # of the outputs of a row's phases before they are interleaved: an L2 and a share of the L3


class Part(NamedTuple):
    """Some outputs of one phase."""

    plan: ConvPlan
    weight: int  # which of `PhasesPlan.taps`
    source: tuple  # slices of the input
    first: int  # along w
    shape: tuple  # (d, h, w)


class Box(NamedTuple):
    """Outputs that differ along w only in their phase, side by side."""

    target: tuple  # slices of the output, along w from the first output of any phase
    parts: tuple


class PhasesPlan(NamedTuple):
    dtype: np.dtype  # the kernels'
    boxes: tuple
    taps: tuple  # of each phase ((start, step, count), ...) per axis
    whole: bool  # one convolution gives the whole result
    gaps: bool  # some outputs have no product
    step: int  # along w between the outputs of one phase
    images: int  # to be computed at once
    macs: int  # of one image
    turn: object
    interleave: object


@_cpu.remembers_kernels
@lru_cache(maxsize=256)
def plan_phases(function, g, dtype, order):
    """How to compute the `Transposed` geometry `g`; shapes have been checked."""
    dtype = compute_dtype(dtype)
    axes = [axis_phases(*axis) for axis in zip(g.size, g.output, g.kernel, g.stride, g.dilation, g.crop, strict=True)]
    gaps = any(len(phases) < min(s, o) for phases, s, o in zip(axes, g.stride, g.output, strict=True))
    whole = max(g.stride) == 1
    taps = tuple(tuple((a.tap, a.step, a.taps) for a in phases) for phases in product(*axes))
    names = {phases: i for i, phases in enumerate(product(*axes))}
    covers, depth, width = [], g.ic // g.groups, len(axes[2])
    for depth_phase, row_phase in product(*axes[:2]):
        counts = (depth_phase.count, row_phase.count, axes[2][0].count) if axes[2] else (0, 0, 0)
        most = prod(counts) * width * g.oc * dtype.itemsize if whole else BUFFER_BYTES
        for box in boxes(counts, width * g.oc * dtype.itemsize, most) if width else ():
            parts = []
            for w_phase in axes[2]:
                phases = (depth_phase, row_phase, w_phase)
                ranges = [(j0, min(j1, a.count)) for (j0, j1), a in zip(box, phases, strict=True)]
                windows = [a.window(*r, i) for a, r, i in zip(phases, ranges, g.size, strict=True)]
                if depth == 0 or None in windows:
                    gaps = True
                    continue
                size = tuple(hi - lo for lo, hi, _ in windows)
                kernel = tuple(a.taps for a in phases)
                plan = plan_conv(
                    function, 3, (1, g.ic, *size), (g.oc, depth, *kernel), dtype, order, 1,
                    tuple(p for _, _, p in windows), tuple(a.dilation for a in phases), g.groups, "zeros", None, "auto",
                )  # fmt: skip
                source = tuple(slice(lo, hi) for lo, hi, _ in windows)
                parts.append(Part(plan, names[phases], source, w_phase.first, tuple(j1 - j0 for j0, j1 in ranges)))
            if parts:
                outer = (
                    slice(a.first + j0 * s, a.first + (j1 - 1) * s + 1, s)
                    for a, (j0, j1), s in zip((depth_phase, row_phase), box, g.stride, strict=False)
                )
                covers.append(Box((*outer, slice(box[2][0] * g.stride[2], None)), tuple(parts)))
    kernels, kind = _cpu.kernel("phases"), SPECIALISATION[dtype.itemsize]
    largest = max((box_size(box) for box in covers), default=0) * g.oc * dtype.itemsize
    return PhasesPlan(
        dtype, tuple(covers), taps, whole, gaps, g.stride[2], max(BUFFER_BYTES // max(largest, 1), 1),
        sum(part.plan.macs for box in covers for part in box.parts), kernels.turn[kind], kernels.interleave[kind],
    )  # fmt: skip


def spread(function, rank, g, x, weight, bias, dtype, order, shape, out):
    """The transposed convolution `g` of `x` (n, ic, *spatial) with `weight` (ic, oc // groups, *kernel).

    Arrays have been checked; `shape` is the result's, `out` where it may go or None.
    """
    plan = plan_phases(function, g, dtype, order)
    result = target(out, shape, rank, plan.dtype, order, (x, weight, bias))
    if result.size:
        x5, w5 = five(readable(x, rank, plan.dtype, order), rank), five(dense(weight, plan.dtype), rank)
        b = None if bias is None else dense(bias, plan.dtype)
        result5 = five(result, rank)
        if plan.gaps:
            result5[...] = 0 if b is None else b[:, None, None, None]
        threads = get_num_threads() if plan.macs * x5.shape[0] > SERIAL_MACS else 1
        turned = [turned_weight(plan, g, w5, taps, threads) for taps in plan.taps]
        if plan.whole:
            for box in plan.boxes:
                convolve_part(box.parts[0], x5, turned, b, result5, threads)
        else:
            interleave_boxes(plan, g, x5, turned, b, result5, order, threads)
    return finish(result, out, dtype)


def turned_weight(plan, g, weight, taps, threads):
    """The weight of one phase: some taps of (ic, oc // groups, *kernel), reversed, as (oc, ic // groups, *taps)."""
    turned = np.empty((g.oc, g.ic // g.groups, *(count for _, _, count in taps)), plan.dtype)
    if turned.size:
        plan.turn(weight, turned, g.groups, taps, threads)
    return turned


def convolve_part(part, x, weights, bias, out, threads):
    run = part.plan
    run.run(run.geometry, x[(..., *part.source)], weights[part.weight], bias, out, run.clamp, threads)


def interleave_boxes(plan, g, x, weights, bias, result, order, threads):
    """Box after box, a few images at a time: each part into its buffer, then all of them into the result."""
    n = x.shape[0]
    largest = max((box_size(box) for box in plan.boxes), default=0)
    scratch = np.empty(min(n, plan.images) * largest * g.oc, plan.dtype)
    for first in range(0, n, plan.images):
        some = slice(first, min(first + plan.images, n))
        images = some.stop - first
        for box in plan.boxes:
            buffers, end = [], 0
            for part in box.parts:
                start, end = end, end + images * g.oc * prod(part.shape)
                buffers.append(buffer(scratch[start:end], images, g.oc, part.shape, order))
                convolve_part(part, x[some], weights, bias, buffers[-1], threads)
            firsts = tuple(part.first for part in box.parts)
            plan.interleave(tuple(buffers), firsts, plan.step, result[(some, slice(None), *box.target)], order, threads)


def box_size(box):
    return sum(prod(part.shape) for part in box.parts)


def buffer(flat, n, channels, shape, order):
    """`flat` as (n, c, d, h, w), dense in `order`."""
    if order == FIRST:
        return flat.reshape(n, channels, *shape)
    return np.moveaxis(flat.reshape(n, *shape, channels), -1, 1)
