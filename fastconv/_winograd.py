"""Which convolutions Winograd's minimal filtering computes within the error bound, and which of them it makes faster.

`_kernels/winograd.h` has the transforms. A tile of m outputs along an axis of k taps takes m + k - 1 products there
instead of m * k, and all of its outputs share the rounding errors of the whole tile: an output is only as exact as
sum |x w| over its own window is large beside that of its neighbours. Strides, dilation and long kernels come down to
sums of such convolutions by a few taps: `_kernels/winograd_runs.pxd` splits them, in the way that `runs` tells of here.
"""

from functools import lru_cache
from math import lcm, prod, sqrt
from typing import NamedTuple

from fastconv import _corners, _direct, _fft, _winograd_rows
from fastconv._tuned import kernel as kernel_in_use
from fastconv._tuned import tuned
from fastconv._winograd_share import gain, takes_one, tile_of


class Rule(NamedTuple):
    """Minimal filtering along one axis."""

    outputs: int  # of a tile
    points: int  # products of a tile
    noise: float  # see `least_share`


class Runs(NamedTuple):
    """How an axis is split into convolutions of stride 1: see `_kernels/winograd_runs.pxd`."""

    every: int  # from one output of a tile to the next
    taps: int  # of the longest run
    longs: int  # runs of as many
    shorts: int  # runs of one less


LONGEST, WHOLE = 4, 5  # taps of a run of a longer phase, and of a phase that is one run all the same
MOST_RUNS, MOST_PARTS = 16, 64  # along an axis, and of a kernel
MOST_EVERY = 16  # classes of outputs along an axis, whose tiles stay together
RULES = {  # by taps
    1: Rule(1, 1, 3), 2: Rule(4, 5, 9), 3: Rule(4, 6, 13), 4: Rule(3, 6, 8.6), 5: Rule(2, 6, 8),
}  # fmt: skip
TWO, THREE = Rule(2, 4, 3), Rule(3, 4, 5)  # three taps by tiles of two, and two by tiles of three
FEW = 48  # sums over fewer channels and parts take TWO along h,
FEW_OF_LARGE, LARGE = 32, 4096  # or than these, of so many outputs, whose edges take little time to be summed directly
FEW_OF_PAIRS = 129  # and than these THREE, as does a phase alone, whose outputs beside padding see half of the taps
SMALL = 2  # outputs along both axes up to which tiles of four would be mostly padding
# Products of an output, so that sums of unlike neighbours come close enough: with tiles along one axis, along two, and
# of six points along two; and of one beside padding, since the sum of fewer may by chance be small
LEAST_PRODUCTS = 80, 128, 144
LEAST_SEEN = 64
# Of its taps that an output must see beside padding, or is summed directly, even where sums are long: errors of
# positive data do not average out. The corners of 5x5 kernels padded by two see 9 of 25 and reached 9.4 eps there; 8x8
# at stride 2 reached 11 eps in outputs that see 3/8, and 5x3 at stride 2 8.5 eps at 2/5.
LEAST_SHARE = 0.405
# Most that `gain` may be along both axes where that share is enough: 4.8 reached 9.9 eps of positive data, 3.2 8.6, and
# 2.1 still 8.1 where sums are short; more where a larger share of the taps is asked for, which are such sums.
MOST_GAIN = 2.6
MOST_DEPTH = 5  # taps along d are summed as channels are
LEAST_GAIN = 1  # in multiply-adds of the direct sum, to be worth it
MANY_TAPS = 25  # of a kernel from which Fourier transforms may save more


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
    h, w = map(runs, g.axes[1:])
    small = max(ceil_div(g.oh, h.every) * (g.kh > 1), ceil_div(g.ow, w.every) * (g.kw > 1)) <= SMALL
    few = FEW if g.oh * g.ow < LARGE else FEW_OF_LARGE
    sums = depth(g) * g.kd
    found = []
    for r, by_two in ((h, small or sums < few), (w, small)):
        by_three = r.taps == 2 and (sums < FEW_OF_PAIRS or r.longs + r.shorts == 1)
        found.append(THREE if by_three else TWO if r.taps == 3 and by_two else RULES[r.taps])
    return found


def tiled(g):
    """What tiles share errors along: 0 one axis, 1 two axes, 2 two axes by six points."""
    return min(1, g.kh - 1, g.kw - 1) + (min(rule.points for rule in rules(g)) > 4)


def summed(g):
    """Products of an output which sees no padding along h and w."""
    return g.ic // g.groups * g.kd * g.kh * g.kw * _corners.least_share(g.axes[0])


def least_share(g):
    """Of its taps along h and w, that an output must see.

    Rounding errors of a tile average out over its products, and all of its outputs share them: in eps of an output's
    own sum they are 8 * sqrt(noise / products) / share. Over 10^8 outputs of rectified inputs and normal weights the
    largest are (2026-11-28), where `noise` is the product of the rules' along both axes.
    """
    noise, products = prod(rule.noise for rule in rules(g)), summed(g)
    return max(LEAST_SHARE, sqrt(noise / products), LEAST_SEEN / products)


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
    if summed(g) < least or least_share(g) > 1:
        return f"sums of fewer than {least} products, over all channels, average out too little of the rounding"
    shares = [_corners.least_share(axis) for axis in g.axes[1:]]
    alone = sum(corner.geometry.oh * corner.geometry.ow for corner in corners_of_tiles(g))
    if min(shares) < LEAST_SHARE and 2 * alone > g.oh * g.ow:
        return f"padding leaves {min(shares):.0%} of the taps to outputs at the edge, which share the errors of others"
    return None


def tile(g):
    """Outputs along d, h and w of which there are whole tiles."""
    h, w = (rule.outputs * runs(axis).every for rule, axis in zip(rules(g), g.axes[1:], strict=True))
    return 1, h, w


def points(g):
    """Products of a tile in a plane of d: short runs lack the last point."""
    return prod(along(r, rule.points) for rule, r in zip(rules(g), map(runs, g.axes[1:]), strict=True))


def along(split, points):
    """Products of a tile along an axis."""
    return split.longs * points + split.shorts * (points - 1)


def products(g):
    """Of one input channel with one output channel."""
    count = g.kd * g.od
    for rule, axis in zip(rules(g), g.axes[1:], strict=True):
        split = runs(axis)
        tiles, left = divmod(ceil_div(axis[1], split.every), rule.outputs)
        fewer = rule == RULES[2]  # prices of the others were fitted to whole tiles
        last = len(tile_of(rule, split.taps, left)[1]) + 1 if left and fewer else rule.points
        count *= split.every * (tiles * along(split, rule.points) + (left > 0) * along(split, last))
    return count


def single(split, rule):
    """Whether short runs of an axis are single taps, whose weights are the same at all points of pairs."""
    return split.taps == 2 and split.shorts > 0 and rule == RULES[2]


def matrices(g):
    """Of transformed weights."""
    split = [(runs(axis), rule) for axis, rule in zip(g.axes[1:], rules(g), strict=True)]
    return prod(r.longs * rule.points + r.shorts if single(r, rule) else along(r, rule.points) for r, rule in split)


def kernel(g):
    """The kernel that takes less: tiles of both axes, or rows of pixels, transformed along h alone."""
    return "winograd_rows" if goes_by_rows(g) else "winograd"


def goes_by_rows(g):
    """Whether few outputs are computed so."""
    return _winograd_rows.fits(g) and _winograd_rows.cost(g) < cost_of_tiles(g)


def corners(g):
    """Outputs to be summed directly afterwards."""
    return () if goes_by_rows(g) else corners_of_tiles(g)


@lru_cache(maxsize=16)
def corners_of_tiles(g):
    """Those of tiles along both axes."""
    least = least_share(g)
    trust = sqrt(least * MOST_GAIN)
    split = {i: (g.axes[i], runs(g.axes[i]), rule) for i, rule in zip((1, 2), rules(g), strict=True)}

    def share(i, position):
        """Of its taps, or less where the edge cuts off a tile whose summands are larger than an output of it."""
        axis, apart, rule = split[i]
        seen = _corners.share(axis, position)
        if seen < 1 and takes_one(axis, apart, rule):
            return sqrt(seen)
        lost = gain(axis, apart, rule, position) if rule.points > 1 else 0
        return trust / lost if lost * seen > trust else seen

    return _corners.corners(g, least, (1, 2), edges=True, trusted=share, reach=max(tile(g)))


def declines(g, corner=None, share=1):
    """Why the transforms would cost more than the products they save; None if they do not.

    corner : what a corner costs, in products; by default, to sum it directly with all of the weights
    share : of what all that costs by itself, which it takes here
    """
    work = share * cost(g, corner)
    direct = _winograd_rows.direct_cost(g) if goes_by_rows(g) else _direct.cost(g)
    if direct < LEAST_GAIN * work:
        return f"the direct sum takes {direct / work:.2g} of the time of transforms and their products"
    if g.kh * g.kw >= MANY_TAPS and _fft.declines(g) is None and _fft.cost(g) < work:
        return f"Fourier transforms save more of {g.kh}x{g.kw} products"
    return None


def cost(g, corner=None):
    """Multiply-adds in whose time `declines` believes the geometry to be computed."""
    return _winograd_rows.cost(g) if goes_by_rows(g) else cost_of_tiles(g, corner)


def cost_of_tiles(g, corner=None):
    """The same by tiles along both axes."""
    channels, outputs, sums = g.ic // g.groups, g.oc // g.groups, depth(g) * g.kd
    costs = tuned().winograd
    vector = costs.lanes[g.itemsize]
    parts = sums > channels
    packed, strided = parts and channels % vector, max(g.sh, g.sw) > 1
    transform = costs.packed_input if packed else costs.strided_input if strided else costs.input
    lanes, panels = (ceil_div(outputs, unit) * unit for unit in (vector, 2 * vector))
    product = costs.product * (costs.alone if lanes == vector else 1)
    work = sums * (product * lanes + transform) + costs.output * lanes
    few = kernel_in_use("winograd").transforms_few(tuple(g))
    pairs = any(single(runs(axis), rule) for axis, rule in zip(g.axes[1:], rules(g), strict=True))
    point = costs.pair_point if pairs else costs.part_point if parts else costs.weight_point
    if few:  # of pairs beside the inputs' loads, which take longer
        point = 0 if pairs else costs.few_point
    weights = point * matrices(g) + costs.weight_tap * g.kh * g.kw
    count = g.groups * (products(g) * work * channels / sums + channels * g.kd * panels * weights)
    if corner is None:
        return count + _corners.cost(_corners.together(g, corners_of_tiles(g)))
    taps = g.kh * g.kw
    found = corners_of_tiles(g)
    return count + channels * g.oc * sum(corner + (c.geometry.oh * c.geometry.ow - 1) * taps for c in found)
