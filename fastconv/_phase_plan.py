"""How a transposed convolution becomes ordinary ones: which phases share one, in which boxes, and by which kernels.

Phases that need as many taps may be output channels of one convolution: it reads the input once for all of them, and
they fill a register tile that a few channels would leave empty. Where they lie at unlike shifts it has some windows
more than each of them (`Windows`), so whether that is less work is counted.

A box is as many windows as fit a buffer in cache. Outputs that see too little of the input for a method that shares
rounding errors (`_corners`) are summed directly (`_phase_corners`). Sums of few products, and kernels no larger than
the stride, have kernels that write the result themselves (`own_kernels`), and so has one product whose results overlap;
which way is taken is decided by what each costs (`least_cost`).
"""

from functools import lru_cache, partial
from itertools import chain, product
from math import prod
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from fastconv import _cpu
from fastconv._arrays import FIRST, KINDS, LAST, compute_dtype
from fastconv._geometry import ConvGeometry
from fastconv._packing import packed_beforehand
from fastconv._phase_cost import (
    copies_cost,
    kernel_cost,
    own_kernels,
    phases_cost,
    transposed_by,
    unit,
    weight_bytes,
)
from fastconv._phase_parts import Planner, lying, phases_of, tap_ranges
from fastconv._phase_rows import table
from fastconv._plan import ConvPlan, plan_conv
from fastconv._transpose_geometry import boxes, leaves_gaps

BUFFER_BYTES = 1 << 19  # of the outputs of a box before they are interleaved: half of an L2
# As much as the weights, which each box reads again, up to a share of the L3: peers.py, batch8 dcgan and unet @14
MOST_BYTES = 1 << 22
BUNCH_BYTES = 1 << 21  # of the results of so many groups as are computed by themselves, where boxes would be a few rows
DISJOINT = ("disjoint", "disjoint_last")  # kernels that write what has a product


class Box(NamedTuple):
    """Some windows of all phases, computed together and then interleaved."""

    parts: tuple  # of `Part`; None for one that has no product
    table: np.ndarray  # where the parts' results go: `_phase_rows.table`
    kinds: int  # of rows of the result that the table has


class Whole(NamedTuple):
    """One convolution that writes the result itself."""

    plan: ConvPlan
    source: tuple  # slices of the input
    swapped: bool  # it takes the weights as they are, and turns them itself


class OneKernel(NamedTuple):
    """One kernel for all phases."""

    run: object  # spread(geometry, x, weight, bias, out, like, threads)
    geometry: ConvGeometry  # of the convolution that is transposed


class PhasesPlan(NamedTuple):
    dtype: np.dtype  # the kernels'
    order: int  # the kernels' memory order
    whole: object  # `Whole` or `OneKernel`, if one kernel writes the result itself
    boxes: tuple
    corners: tuple  # `Corners` of the parts that have any
    taps: tuple  # of each phase of each convolution ((start, step, count), ...), and how many phases are in that
    weights: tuple  # of each convolution, the size and the shape of its weights; 0 and () if it takes them as they lie
    packed: dict  # (weight, layout) -> `Packed`
    gaps: bool  # some outputs have no product
    step: int  # along w between the outputs of one phase
    images: int  # to be computed at once
    largest: int  # elements of the results of a box, for one image
    macs: int  # of one image
    bunches: int  # of groups, one after the other, of one of which is all but `gaps` and `macs`
    turn: object  # `phases.turn`, `phases.interleave` and `corners.sum_corners`, of the dtype
    interleave: object
    sum_corners: object


def costs(g, dtype, order):
    """Of each way in the memory order: (multiply-adds in whose time it is done, order, kernel or None for phases)."""
    planner = Planner(g, dtype, order)
    yield phases_cost(g, planner.convolutions(planner.ways())), order, None
    for kernel in own_kernels(g, dtype.itemsize, order):
        yield kernel_cost(kernel, g, dtype.itemsize, order), order, kernel


def least_cost(g, dtype, order):
    """The memory order and the kernel, None for phases, that take the least time for arrays in `order`."""
    ways = list(costs(g, dtype, order))
    if order == LAST:
        ways += [(cost + copies_cost(g), *way) for cost, *way in costs(g, dtype, FIRST)]
    return min(ways, key=itemgetter(0))[1:]


def by_one_kernel(kernel, g, dtype, order):
    """The plan that is one call."""
    geometry = transposed_by(g, dtype.itemsize, order)
    way = OneKernel(_cpu.kernel(kernel).spread[KINDS[dtype]], geometry)
    gaps = kernel in DISJOINT and leaves_gaps(g)
    return PhasesPlan(dtype, order, way, (), (), (), (), {}, gaps, 0, 0, 0, geometry.macs, 1, None, None, None)


@_cpu.remembers_kernels
@lru_cache(maxsize=1024)
def plan_phases(function, g, dtype, order):
    """How to compute the transposed convolution `g`, of one image."""
    dtype = compute_dtype(dtype)
    order, kernel = least_cost(g, dtype, order)
    if kernel:
        return by_one_kernel(kernel, g, dtype, order)
    n = bunches(g, dtype.itemsize) if order == FIRST and max(g.stride) > 1 else 1
    plan = by_convolutions(function, g._replace(ic=g.ic // n, oc=g.oc // n, groups=g.groups // n), dtype, order)
    return plan._replace(macs=n * plan.macs, bunches=n)


def bunches(g, itemsize):
    """Into how many the groups are divided."""
    most = -(-g.oc * prod(g.output) * itemsize // BUNCH_BYTES)
    return next((n for n in range(most, g.groups) if g.groups % n == 0), g.groups)


def by_convolutions(function, g, dtype, order):
    """The plan that is convolutions of phases."""
    planner = Planner(g, dtype, order)
    ways = planner.ways()
    convolutions = list(planner.convolutions(ways))
    kernels, kind = _cpu.kernel("phases"), KINDS[dtype]
    gaps = any(sum(len(a.phases) for a in way) < min(s, o) for way, s, o in zip(ways, g.stride, g.output, strict=True))
    taps, found, outermost, whole, images, largest = [], [], [], None, 1, 0
    if max(g.stride) == 1:
        whole = whole_convolution(function, planner, ways)
        gaps = gaps or whole is None
        taps = [] if whole and whole.swapped else [tap_ranges(some) for some in product(*ways)]
    else:
        room = min(max(BUFFER_BYTES, sum(weight_bytes(*c) for c in convolutions)), MOST_BYTES)
        for outer in product(*ways[:2]) if ways[2] else ():
            found += planned_boxes(planner, outer, ways[2], room, taps, outermost)
        gaps = gaps or any(None in box.parts for box in found)
        largest = max((sum(part.elements for part in box.parts if part) for box in found), default=0)
        images = max(room // max(largest * dtype.itemsize, 1), 1)
    macs = whole.plan.macs if whole else sum(part.convolution.macs for box in found for part in box.parts if part)
    shapes = ((len(some) * g.oc, g.ic // g.groups, *(n for _, _, n in some[0])) if some else () for some in taps)
    weights, together = (
        tuple((prod(shape) if shape else 0, shape) for shape in shapes),
        tuple(len(s) for s in taps for _ in s),
    )
    parts = [p for box in found for p in box.parts if p and p.packing] if len(found) > 1 else ()
    packed = packed_beforehand(parts, dtype.type(0))
    return PhasesPlan(
        dtype, order, whole, tuple(found), tuple(outermost), (tuple(chain(*taps)), together), weights, packed, gaps,
        g.stride[2], images, largest, macs, 1, kernels.turn[kind], kernels.interleave[kind],
        _cpu.kernel("corners").sum_corners[kind],
    )  # fmt: skip


def whole_convolution(function, planner, ways):
    """The convolution that writes the whole result, of stride 1; None if it has no product."""
    g, some = planner.g, [way[0] for way in ways if way]
    sights = planner.sights(some, [(0, a.count) for a in some]) if len(some) == 3 else None
    if sights is None:
        return None
    after = (s.outputs + (s.taps - 1) * s.dilation - s.before - s.size for s in sights)
    plan = plan_conv(
        function, 3, (1, g.ic, *(s.size for s in sights)), (g.oc, g.ic // g.groups, *(s.taps for s in sights)),
        planner.dtype, planner.order, 1, tuple((s.before, zeros) for s, zeros in zip(sights, after, strict=True)),
        tuple(s.dilation for s in sights), g.groups, "zeros", None, "auto",
    )  # fmt: skip
    kernel = _cpu.kernel("winograd").conv[KINDS[planner.dtype]]  # no corners beside it
    swapped = plan.run is kernel and g.groups == 1 and tap_ranges(some) == (tuple((0, 1, k) for k in g.kernel),)
    if swapped:
        plan = plan._replace(run=partial(kernel, swapped=lying(g, tap_ranges(some))))
    return Whole(plan, tuple(s.inputs for s in sights), swapped)


def planned_boxes(planner, outer, columns, room, taps, outermost):
    """Boxes over the classes `outer` along d and h and all `columns` along w; adds to `taps` and the `outermost`
    outputs."""
    groups = [(*outer, some) for some in columns]
    weights = range(len(taps), len(taps) + len(groups))
    counts = [*(a.count for a in outer), max(a.count for a in columns)]
    units = [unit(*c) for c in planner.convolutions([*([a] for a in outer), columns])] or [(1, 1, 1)]
    element = planner.g.oc * planner.dtype.itemsize * sum(map(phases_of, groups))
    found = list(boxes(counts, list(map(max, zip(*units, strict=True))), element, room))
    lie = [lying(planner.g, tap_ranges(a)) if planner.takes_as_they_lie(a, found) else None for a in groups]
    taps += [tap_ranges(some) if as_it is None else () for some, as_it in zip(groups, lie, strict=True)]
    for box in found:
        parts = [planner.part(some, box, *of) for some, *of in zip(groups, weights, lie, strict=True)]
        for some, part in zip(groups, parts, strict=True):
            outermost.extend(planner.corners(some, box, part) if part else ())
        yield Box(tuple(parts), *table(planner.g, planner.order, box, outer, columns, parts))
