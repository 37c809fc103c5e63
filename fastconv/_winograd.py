"""Which convolutions Winograd's minimal filtering computes within the error bound, and which of them it makes faster.

`_kernels/winograd.h` has the transforms. A tile of m outputs along an axis of k taps takes m + k - 1 products there
instead of m * k, and all of its outputs share the rounding errors of the whole tile: an output is only as exact as
sum |x w| over its own window is large beside that of its neighbours. Strides, dilation and long kernels come down to
sums of such convolutions by a few taps: `_kernels/winograd_runs.pxd` splits them, in the way that `runs` tells of here.
"""

from math import lcm, prod
from typing import NamedTuple

from fastconv import _corners, _fft


class Rule(NamedTuple):
    """Minimal filtering along one axis."""

    outputs: int  # of a tile
    points: int  # products of a tile


class Runs(NamedTuple):
    """How an axis is split into convolutions of stride 1: see `_kernels/winograd_runs.pxd`."""

    every: int  # from one output of a tile to the next
    taps: int  # of the longest run
    longs: int  # runs of as many
    shorts: int  # runs of one less


LONGEST, WHOLE = 4, 5  # taps of a run of a longer phase, and of a phase that is one run all the same
MOST_RUNS, MOST_PARTS = 16, 64  # along an axis, and of a kernel
MOST_EVERY = 16  # classes of outputs along an axis, whose tiles stay together
RULES = {1: Rule(1, 1), 2: Rule(3, 4), 3: Rule(4, 6), 4: Rule(3, 6), 5: Rule(2, 6)}  # by taps
RULES_OF_FEW = RULES | {3: Rule(2, 4)}  # for sums over fewer channels
FEW = 32
# Products of an output, so that sums of unlike neighbours come close enough: with tiles along one axis, along two, and
# of six points along two
LEAST_PRODUCTS = 80, 128, 144
# Of its taps that an output must see beside padding, or is summed directly: asv_bench/accuracy.py. The corners of 5x5
# kernels padded by two see 9 of 25, and positive data reached 9.4 eps there; 8x8 at stride 2 reached 11 eps in outputs
# that see 3/8, and 5x3 at stride 2 8.5 eps at 2/5.
LEAST_SHARE = 0.405
# The same for fewer products than these, times the maps of a dilated one, each of which has four corners
SHARE_OF_FEW, FEW_PRODUCTS = 0.65, 577
TRANSFORMED = (1, 2)  # axes
MOST_DEPTH = 5  # taps along d are summed as channels are
# What transforms take beside a product, asv_bench/fit_methods.py: of the input for each output channel, dearer where
# the channels of a group fill no vectors and lanes are those of several parts, and of the output for each sum
INPUT, PACKED_INPUT, OUTPUT = 16, 40, 8
# Of the weights, in tiles: of a kernel in one part, and of several by `tiled`. One is less than a call with few tiles
# takes, but batches share it and prepared weights save it: with 3, maps of 4x4 lost 2.5 there and gained 1.4 here.
WEIGHT_TILES, SPLIT_WEIGHT_TILES = 1.25, (6, 6, 20)
MANY_TAPS = 49  # of a kernel from which Fourier transforms may save more
CORNER = 90  # products in whose time a corner reads the weights once more
CORNER_CALL = 100_000  # multiply-adds in whose time it is called
LEAST_GAIN = 1.05  # in multiply-adds and what transforms take, to be worth it
VECTOR, PANEL = 16, 32  # channels that fill one


def ceil_div(a, b):
    return -(-a // b)


def runs(axis):
    """How an axis of `ConvGeometry.axes` is split."""
    _, _, taps, stride, dilation, _ = axis
    step = lcm(stride, dilation if taps > 1 else stride)
    jump = step // dilation if taps > 1 else 1
    most = ceil_div(taps, jump)
    cuts = 1 if most == WHOLE else ceil_div(most, LONGEST)
    longest = ceil_div(most, cuts)
    phases = (ceil_div(taps - phase, jump) for phase in range(min(jump, taps)))
    sizes = [(i + 1) * size // cuts - i * size // cuts for size in phases for i in range(cuts)]
    return Runs(step // stride, longest, sizes.count(longest), sizes.count(longest - 1) if longest > 1 else 0)


def depth(g):
    """Sums over so many channels of parts of the kernel are made at each point."""
    return g.ic // g.groups * prod(r.longs + r.shorts for r in map(runs, g.axes[1:]))


def rules(g):
    """Minimal filtering along h and w."""
    table = RULES_OF_FEW if depth(g) * g.kd < FEW else RULES
    return [table[runs(axis).taps] for axis in g.axes[1:]]


def tiled(g):
    """What tiles share errors along: 0 one axis, 1 two axes, 2 two axes by six points."""
    return min(1, g.kh - 1, g.kw - 1) + (min(rule.points for rule in rules(g)) > 4)


def averages_little(g):
    """Whether outputs need a larger share of their taps."""
    h, w = (runs(axis).every for axis in g.axes[1:])
    return tiled(g) == 2 and g.ic // g.groups * g.kh * g.kw < FEW_PRODUCTS * h * w


def shares(g):
    """The least share of its taps that an output must see, the axes, and whether edges may be summed directly."""
    few = averages_little(g)
    return SHARE_OF_FEW if few else LEAST_SHARE, TRANSFORMED, few


def rejects(g):
    """Why Winograd cannot compute the geometry within 8 eps of |x| conv |w|; None if it can."""
    h, w = map(runs, g.axes[1:])
    count_h, count_w = h.longs + h.shorts, w.longs + w.shorts
    if g.kd > MOST_DEPTH or max(count_h, count_w) > MOST_RUNS or g.kd * count_h * count_w > MOST_PARTS:
        return f"kernels of {g.kd}x{g.kh}x{g.kw} have no transform"
    if max(h.every, w.every) > MOST_EVERY:
        return f"dilation makes more than {MOST_EVERY} maps of each axis"
    if h.taps * w.taps == 1:
        return "taps along h and w share no inputs: there is nothing to transform"
    least = LEAST_PRODUCTS[tiled(g)]
    if g.ic // g.groups * g.kh * g.kw < least:
        return f"sums of fewer than {least} products, over all channels, average out too little of the rounding"
    return _corners.too_little(g, *shares(g))


def tile(g):
    """Outputs along d, h and w of which there are whole tiles."""
    h, w = (rule.outputs * runs(axis).every for rule, axis in zip(rules(g), g.axes[1:], strict=True))
    return 1, h, w


def points(g):
    """Products of a tile in a plane of d: short runs lack the last point."""
    split = zip(rules(g), map(runs, g.axes[1:]), strict=True)
    return prod(r.longs * rule.points + r.shorts * (rule.points - 1) for rule, r in split)


def products(g):
    """Of one input channel with one output channel."""
    return g.kd * points(g) * tiles(g)


def tiles(g):
    """How many there are."""
    every = [1, *(runs(axis).every for axis in g.axes[1:])]
    sizes = zip((g.od, g.oh, g.ow), tile(g), every, strict=True)
    return prod(ceil_div(outputs, whole) * each for outputs, whole, each in sizes)


def corners(g):
    """Outputs to be summed directly afterwards."""
    return _corners.corners(g, *shares(g))


def declines(g, corner=None):
    """Why the transforms would cost more than the products they save; None if they do not.

    corner : what a corner costs, in products; by default, to sum it directly with all of the weights
    """
    channels, outputs, sums = g.ic // g.groups, g.oc // g.groups, depth(g) * g.kd
    packed = sums > channels and channels % VECTOR
    transforms = (PACKED_INPUT if packed else INPUT) / outputs + OUTPUT / sums
    weights = SPLIT_WEIGHT_TILES[tiled(g)] if sums > channels else WEIGHT_TILES
    weights *= ceil_div(outputs, PANEL) * PANEL / outputs
    count = points(g) * (tiles(g) * (1 + transforms) + weights)
    found = corners(g)
    if corner is None:
        for c in _corners.together(g, found):
            count += CORNER + CORNER_CALL / (channels * g.oc) + c.geometry.oh * c.geometry.ow * g.kh * g.kw
    else:
        count += corner * len(found)
    gain = g.od * g.oh * g.ow * g.kh * g.kw / count
    if gain < LEAST_GAIN:
        return f"{g.oh}x{g.ow} outputs fill too few tiles to pay for the transforms ({gain:.1f}x less work)"
    if g.kh * g.kw >= MANY_TAPS and _fft.declines(g) is None and _fft.cost(g) < g.macs / gain:
        return f"Fourier transforms save more of {g.kh}x{g.kw} products"
    return None
