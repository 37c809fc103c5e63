"""What the ways of a transposed convolution cost: as convolutions of its phases, and by each kernel for all of them.

A way's time is a sum over what there is to do (`Counts`), each at a price that depends on the kernel alone and was
fitted to the times of random layers (`_costs.Sum`). `c` is one of the convolutions, of stride 1, and `phases` how many
phases are its output channels: see `_phase_plan`.
"""

from functools import lru_cache
from itertools import chain
from math import prod
from typing import NamedTuple

from fastconv import _corners, _cpu, _fft, _winograd, _winograd_rows
from fastconv._arrays import FIRST, LAST
from fastconv._depthwise import CHAIN
from fastconv._geometry import ConvGeometry
from fastconv._methods import choose
from fastconv._sights import turned_products
from fastconv._transpose_geometry import are_disjoint
from fastconv._tuned import kernel as kernel_in_use
from fastconv._tuned import tuned
from fastconv._winograd_rules import RULES

# Multiply-adds in whose time a window in a corner is summed, an output of a phase: for each of its weights, and beside
CORNER, CORNER_CALL = 4, 50_000
WOVEN = (2, 3, 4)  # strides along w that `gather.h` and `woven_tile.h` weave
# Input channels of a group that it sums sooner than products of all pixels are added up: 16 to 1 channels by 4x4 at
# stride 2 on 28x28 take 46 us there and 17 by `overlap.pyx`, 4 to 1 12 and 13. Where no taps meet, kernels are
# products of more outputs than few: 8 groups of 4 to 8 channels by 3x3 at stride 3 took 1.2 times as long
GATHERED_CHANNELS = 8
FEW_OUTPUTS = 4  # a group, which fill little of the register tile
VECTOR_BYTES = 64  # the widest vector, which `gather_last.pyx` fills with channels
MOST_REACH = 64  # rows of all channels that taps along h may lie apart there: what a band stages
MOST_CLASSES = 64  # of outputs, by their distance modulo the strides, for each of which weights are packed
# The kernels with one product (`disjoint.pyx`, `overlap.pyx`): input channels of a group in a panel, which has all of
# them, the most bytes that the products of a volume have, whose planes are seen twice if they do not fit a box, and
# zeros between rows that are not more than the pixels of those
MOST_DEPTH, MOST_VOLUME, MOST_GAP = 2048, 393216, 16
# Bytes of a group's turned weights that an L2 keeps, and multiply-adds in whose time each one beyond comes back; those
# of phases are not charged, which a batch shares: 256 to 128 channels of 4x4 on 8x8 took 1.5 times as long in eights
KEPT_BYTES, FAR = 1 << 20, 25
TILES = {"winograd", "winograd_short"}  # kernels whose tiles lie along both axes, of one price
TRANSFORMS = {"_fft_conv": _fft.cost, "winograd_rows": _winograd_rows.cost}  # by kernel, those with costs of their own
PIXELS = 2  # of output for each weight of an output channel, up to which minimal filtering reads these where they lie


class Counts(NamedTuple):
    """What there is to do for an image; the fields are those of `_costs.Sum`."""

    product: int
    seen: int  # products of one output channel; of kernels for all phases, of one input channel: what is added up
    input: int
    weight: int
    output: int
    row: int  # of outputs of a channel, or channels-last, of a group
    group: int


@_cpu.remembers_kernels
@lru_cache(maxsize=64)  # a plan asks several times of each of its convolutions
def method_of(c, phases):
    """How to compute the convolution `c`: as "auto", but that corners cost less, and transforms of phases."""
    corner = corner_cost(c, phases) / max(c.ic // c.groups * c.oc, 1)
    share = tuned().transposed.minimal if phases > 1 and fills_vectors(c, phases) else 1
    winograd = _winograd.rejects(c) is None and _winograd.declines(c, corner, share) is None
    return choose(c, "winograd" if winograd else "auto")[0]


def fills_vectors(c, phases):
    """Whether the output channels of a phase in the convolution `c` fill the vectors of one group."""
    lanes = tuned().winograd.lanes[c.itemsize]
    return c.groups == 1 and 4 * c.oc >= 3 * lanes * phases * -(-c.oc // (lanes * phases))


def corner_cost(c, phases, windows=1):
    """Multiply-adds in whose time a corner of so many windows of the convolution `c` is summed."""
    return CORNER * windows * c.oc // phases * (c.ic // c.groups) * c.kd * c.kh * c.kw + CORNER_CALL


def corners_cost(c, phases, corners):
    """The same of several, which may be whole edges."""
    sizes = [(corner.geometry.od, corner.geometry.oh, corner.geometry.ow) for corner in corners]
    return sum(corner_cost(c, phases, prod(size)) for size in sizes)


def by_winograd(c, phases):
    """Whether the convolution `c` is computed by tiles along both axes."""
    method = method_of(c, phases)
    return method.kernel(c) in TILES


def taps(c, phases):
    """Of the weights that the convolution `c` multiplies with: of the kernel, or of its transform."""
    return c.kd * _winograd.points(c) if by_winograd(c, phases) else c.kd * c.kh * c.kw


def weight_bytes(c, phases):
    """Of those weights."""
    return c.oc * c.ic // c.groups * taps(c, phases) * c.itemsize


def unit(c, phases):
    """Windows along each axis that boxes should be multiples of: tiles."""
    kernel = method_of(c, phases).kernel(c)
    if kernel == "winograd_rows":
        return 1, RULES[c.kh].outputs, 1
    return _winograd.tile(c) if kernel in TILES else (1, 1, 1)


def time_of(kernel, counts):
    """Multiply-adds in whose time a kernel is done with these."""
    return sum(price * count for price, count in zip(tuned().transposed.sums[kernel], counts, strict=True))


def convolution_cost(c, phases, strided=True):
    """Multiply-adds in whose time the convolution `c` of so many phases is computed.

    strided : whether it is of a stride, whose weights are turned beforehand and whose corners `_phase_corners` sums
    """
    method, call = method_of(c, phases), tuned().transposed.call
    kernel, winograd, corners = method.kernel(c), by_winograd(c, phases), method.corners(c)
    if kernel in TRANSFORMS:
        return TRANSFORMS[kernel](c) + call
    kernel = "winograd" if winograd else kernel
    inputs, rows = c.ic // c.groups, c.od * c.oh
    seen = _winograd.products(c) if winograd else rows * c.ow * c.kd * c.kh * c.kw
    idle = 1
    made = turned_products(c) / max(c.macs, 1) if kernel == "direct" else 1  # others meet padding
    if kernel == "depthwise_last":  # lanes are channels, which may be fewer
        idle = max(tuned().planes.vector // c.itemsize / c.ic, 1)
    few = max(tuned().last.lanes[c.itemsize] * c.groups / max(c.oc, 1), 1) if kernel == "direct_last" else 1
    turns_itself = winograd and not strided and c.groups == 1 and not corners  # weights, as it transforms them
    weights = c.oc * inputs * taps(c, phases) * (tuned().transposed.swapped if turns_itself else 1)
    counts = Counts(
        c.oc * inputs * seen * idle * few * made, c.ic * seen, c.ic * c.id * c.ih * c.iw, weights,
        c.oc * rows * c.ow * idle, (c.groups if c.last else c.oc) * rows, c.groups,
    )  # fmt: skip
    beside = corners_cost(c, phases, corners) if strided else _corners.cost(_corners.together(c, corners))
    if winograd and not strided and not turns_itself:  # at a stride prices of weights have this in them
        beside += turning_cost(c.oc * inputs * c.kd * c.kh * c.kw)
    return time_of(kernel, counts) + call + beside


def reads_phases(g, c, phases):
    """Whether the convolution `c` of some phases of the `Transposed` g reads their weights where they lie.

    For each panel of their channels all taps of the kernel are turned, which should be its phases' and no other's, and
    a vector of outputs is written at a time, which takes longer: 64 to 64 channels by 4x4 on 56x56 1.02 times as long,
    by 6x6 at stride 3 from 96 to 48, nine phases, 1.05 times.
    """
    method = method_of(c, phases)
    if not fills_vectors(c, phases) or method.kernel(c) != "winograd" or method.corners(c):
        return False
    taps = c.kd * c.kh * c.kw
    shared = phases <= kernel_in_use("winograd").panel_vectors() and 2 * phases * taps >= prod(g.kernel)
    return shared and c.od * c.oh * c.ow <= PIXELS * c.ic * taps


def turning_cost(weights):
    """Multiply-adds in whose time so many weights are turned."""
    return tuned().transposed.sums["direct"].weight * weights


def less_in_rows(c, phases):
    """What share of the cost of `c` it takes if `filter.pyx` has rows of vectors that are whole but for a sixteenth."""
    lanes = tuned().planes.vector // c.itemsize
    whole = c.ow >= 2 * lanes and -c.ow % lanes * 16 <= c.ow
    return tuned().transposed.whole_rows if whole and method_of(c, phases).kernel(c) == "filter" else 1


def far(g, itemsize):
    """Multiply-adds in whose time weights are read again that had left the L2 after they were turned."""
    return FAR * max(g.oc * (g.ic // g.groups) * prod(g.kernel) - g.groups * (KEPT_BYTES // itemsize), 0)


def phases_cost(g, convolutions):
    """The same of all phases of the `Transposed` g, of a stride interleaved afterwards.

    Weights that no output sees, as most of one pixel with padding, are turned with their neighbours.
    """
    costs, strided, found = tuned().transposed, max(g.stride) > 1, list(convolutions)
    woven = costs.woven * g.oc * prod(g.output) + costs.call if strided else 0
    seen = sum(c.oc * (c.ic // c.groups) * c.kd * c.kh * c.kw for c, _ in found)
    unseen = turning_cost(g.oc * (g.ic // g.groups) * prod(g.kernel) - seen)
    return sum(convolution_cost(*c, strided) * (1 if strided else less_in_rows(*c)) for c in found) + woven + unseen


def own_kernels(g, itemsize, order):
    """The kernels that compute all phases by themselves."""
    depth = g.ic // g.groups
    if depth == 0:
        return
    products = depth * prod(-(-k // s) for k, s in zip(g.kernel, g.stride, strict=True))
    few = products <= CHAIN and max(g.stride) > 1 and prod(g.stride) <= MOST_CLASSES
    if order == LAST:
        if few and g.groups == g.ic >= VECTOR_BYTES // itemsize:
            yield "gather_last"
        whole = g.crop[2] == 0 and (g.size[2] - 1) * g.stride[2] + g.kernel[2] <= g.output[2]  # of a row of results
        filled = 4 * run_of(g) > 3 * (tuned().planes.vector // itemsize)
        if depth <= MOST_DEPTH and max(g.stride) > 1 and whole and filled and are_disjoint(g):
            yield "disjoint_last"
        return
    shared = g.oc // g.groups <= FEW_OUTPUTS or not are_disjoint(g)
    alone = depth == 1 or (depth <= GATHERED_CHANNELS and shared)
    near = depth * (g.kernel[1] - 1) * g.dilation[1] <= MOST_REACH and g.dilation[2] == 1
    if few and g.stride[2] in WOVEN and alone and near:
        yield "gather"
    if depth > MOST_DEPTH:
        return
    if g.kernel[2] == g.stride[2] in WOVEN and are_disjoint(g):
        yield "disjoint"
    volume = prod(g.size) * prod(g.kernel) * itemsize if g.size[0] > 1 else 0
    gap = (g.kernel[2] - 1) * g.dilation[2] // g.stride[2]
    if volume <= MOST_VOLUME and gap <= max(g.size[2], MOST_GAP):
        yield "overlap"


def kernel_cost(kernel, g, itemsize, last):
    """The same of a kernel for all phases."""
    inputs, pixels, weights = g.ic // g.groups, prod(g.size), g.oc * prod(g.kernel)
    rows = prod(g.output[:2])
    counts = Counts(
        inputs * weights * pixels, weights * pixels, g.ic * pixels, inputs * weights, g.oc * prod(g.output),
        (g.groups if last else g.oc) * rows, g.groups,
    )  # fmt: skip
    if kernel == "disjoint_last":
        counts = by_runs(counts, g, itemsize)
    turned = far(g, itemsize) if kernel == "disjoint" else 0
    way = {"overlap": way_of_overlap, "gather": way_of_gather}.get(kernel, lambda *_: kernel)(g, itemsize)
    return time_of(way, counts) + turned + tuned().transposed.call


def transposed_by(g, itemsize, order):
    """The convolution that the `Transposed` g transposes, as kernels for all phases take it."""
    return ConvGeometry(g.oc, g.ic, g.groups, *g.output, *g.size, *chain(*g[5:]), itemsize, order)


def way_of_overlap(g, itemsize):
    """By whose price that kernel computes an image: "pixel", where each product is an output or none, one of its own
    where results are added up with lanes along output channels, or "overlap"."""
    if prod(g.size) == 1:
        return "pixel"
    channels = kernel_in_use("overlap").adds_channels(tuple(transposed_by(g, itemsize, FIRST)), itemsize)
    return "overlap_channels" if channels else "overlap"


def way_of_gather(g, itemsize):
    """By whose price that kernel computes an image: "gather_down" where it goes down the columns of planes."""
    down = kernel_in_use("gather").goes_down(tuple(transposed_by(g, itemsize, FIRST)))
    return "gather_down" if down else "gather"


def run_of(g):
    """Neighbouring results of a pixel that `disjoint_last.pyx` has as lanes: of a kernel's row, if there is one group.

    Three quarters of a vector or less are not worth it: 64 to 3 channels of 2x2 on 64x64 took 1.4 times as long.
    """
    return g.oc // g.groups * (g.kernel[2] if g.groups == 1 else 1)


def by_runs(counts, g, itemsize):
    """Counts of that kernel: for products the lanes of vectors that runs fill, for rows the runs."""
    run, lanes = run_of(g), tuned().planes.vector // itemsize
    runs = g.oc * prod(g.kernel) // run * prod(g.size)
    return counts._replace(product=g.ic // g.groups * runs * -(-run // lanes) * lanes, row=runs)


def copies_cost(g):
    """The same of copying channels-last pixels and outputs; one channel lies alike either way."""
    costs = tuned().transposed
    back = costs.copied_back if g.oc > 1 else 1
    return costs.copied * g.ic * prod(g.size) + back * g.oc * prod(g.output) + costs.call
