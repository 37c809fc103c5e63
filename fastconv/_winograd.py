"""Which convolutions Winograd's minimal filtering computes within the error bound, and which of them it makes faster.

`_kernels/winograd.h` has the transforms. A tile of m outputs along an axis of k taps takes m + k - 1 products there
instead of m * k, and all of its outputs share the rounding errors of the whole tile: an output is only as exact as
sum |x w| over its own window is large beside that of its neighbours. Strides, dilation and long kernels come down to
sums of such convolutions by a few taps: see `_winograd_rules`.
"""

from functools import lru_cache
from math import lcm, prod, sqrt

from fastconv import _corners, _direct, _fft, _winograd_rows
from fastconv._tuned import kernel as kernel_in_use
from fastconv._tuned import tuned, vector_lanes
from fastconv._winograd_rules import (
    MOST_PARTS,
    MOST_RUNS,
    RULES,
    along,
    ceil_div,
    depth,
    points,
    rules,
    runs,
    single,
    tile,
)
from fastconv._winograd_share import gain, starts, takes_one, tile_of

MOST_EVERY = 16  # classes of outputs along an axis, whose tiles stay together
# Channels and parts up to which lanes may be tiles, those of which L1 keeps a line of points, and so many more of them
# that products take twice as long: 64 to 128 channels of 3x3 on 112x112 took 1.14 times as long as by lanes along
# channels, 48 to 80 on 57x61 1.15 (Zen 5, 2026-12-01)
LONGEST_SHORT, KEPT_SHORT, BEYOND_SHORT = 64, 32, 128
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


def kernel(g):
    """The kernel that takes least: rows of pixels, transformed along h alone, or tiles along both axes, which are the
    lanes where sums at the points are short, else channels."""
    if goes_by_rows(g):
        return "winograd_rows"
    return "winograd_short" if is_short(g) else "winograd"


def goes_by_rows(g):
    """Whether few outputs are computed by rows of pixels."""
    return _winograd_rows.fits(g) and _winograd_rows.cost(g) < cost_of_tiles(g)


def is_short(g):
    """Whether lanes are tiles."""
    if not fits_short(g):
        return False
    costs = tuned().winograd.short
    few = costs.few if g.oc // g.groups <= tuned().winograd.lanes[4] else 1
    return cost_short(g) < cost_long(g) * (costs.packed if is_packed(g) else few)


def is_packed(g):
    """Whether lanes along channels are of several parts, since the channels of a group fill no vectors."""
    channels = g.ic // g.groups
    return depth(g) * g.kd > channels and channels % tuned().winograd.lanes[g.itemsize] > 0


def fits_short(g):
    """Whether they may be: tiles of six points along w and of one kind, whose pixels lie a stride apart."""
    h, w = map(runs, g.axes[1:])
    alone = h.taps == 2 and h.longs + h.shorts == 1  # whose ends have rules of their own
    sums = depth(g) * g.kd
    return not g.last and h.every == w.every == 1 and sums <= LONGEST_SHORT and rules(g)[1].points == 6 and not alone


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


def matrices(g):
    """Of transformed weights."""
    split = [(runs(axis), rule) for axis, rule in zip(g.axes[1:], rules(g), strict=True)]
    return prod(r.longs * rule.points + r.shorts if single(r, rule) else along(r, rule.points) for r, rule in split)


def corners(g):
    """Outputs to be summed directly afterwards."""
    return () if goes_by_rows(g) else corners_of_tiles(g)


def corners_of_tiles(g):
    """Those of tiles along both axes."""
    return found_corners(g, is_short(g))


@lru_cache(maxsize=16)
def found_corners(g, alike):
    """The same; `alike` : tiles at the end of an axis have as many points as others, as those that are lanes."""
    least = least_share(g)
    trust = sqrt(least * MOST_GAIN)
    split = {i: (g.axes[i], runs(g.axes[i]), rule) for i, rule in zip((1, 2), rules(g), strict=True)}

    def share(i, position):
        """Of its taps, or less where the edge cuts off a tile whose summands are larger than an output of it."""
        axis, apart, rule = split[i]
        seen = _corners.share(axis, position)
        if seen < 1 and takes_one(axis, apart, rule):
            return sqrt(seen)
        lost = gain(axis, apart, rule, position, alike) if rule.points > 1 else 0
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
    count = cost_short(g) if is_short(g) else cost_long(g)
    channels, found = g.ic // g.groups, corners_of_tiles(g)
    if corner is None:
        return count + _corners.cost(_corners.together(g, found))
    taps = g.kh * g.kw
    return count + channels * g.oc * sum(corner + (c.geometry.oh * c.geometry.ow - 1) * taps for c in found)


def cost_long(g):
    """The same by lanes along channels, without corners."""
    channels, outputs, sums = g.ic // g.groups, g.oc // g.groups, depth(g) * g.kd
    costs = tuned().winograd
    vector = costs.lanes[g.itemsize]
    parts = sums > channels
    strided = max(g.sh, g.sw) > 1
    transform = costs.packed_input if is_packed(g) else costs.strided_input if strided else costs.input
    lanes, panels = (ceil_div(outputs, unit) * unit for unit in (vector, 2 * vector))
    product = costs.product * (costs.alone if lanes == vector else 1)
    work = sums * (product * lanes + transform) + costs.output * lanes
    few = kernel_in_use("winograd").transforms_few(tuple(g))
    pairs = any(single(runs(axis), rule) for axis, rule in zip(g.axes[1:], rules(g), strict=True))
    point = costs.pair_point if pairs else costs.part_point if parts else costs.weight_point
    if few:  # of pairs beside the inputs' loads, which take longer
        point = 0 if pairs else costs.few_point
    weights = point * matrices(g) + costs.weight_tap * g.kh * g.kw
    return g.groups * (products(g) * work * channels / sums + channels * g.kd * panels * weights)


def cost_short(g):
    """The same by lanes along tiles, which lie in whole vectors with some between rows that are not there."""
    channels, outputs = g.kd * g.ic // g.groups, g.oc // g.groups
    costs, lanes = tuned().winograd.short, vector_lanes(g.itemsize)
    high, wide = (ceil_div(size, n) for size, n in zip((g.oh, g.ow), tile(g)[1:], strict=True))
    tiles = g.od * ceil_div(high * (wide + beyond(g.axes[2], rules(g)[1])), lanes) * lanes
    seen, computed = prod(tile(g)) * g.sh * g.sw, prod(rule.points for rule in rules(g)) * depth(g) * g.kd
    passed = kernel_in_use("winograd_short").pass_outputs()
    passes, vectors = (ceil_div(outputs, unit) * unit for unit in (passed, lanes))
    product = costs.product * (1 + max(depth(g) * g.kd - KEPT_SHORT, 0) / BEYOND_SHORT)
    work = passes * (product * channels * points(g) + costs.output * prod(tile(g))) + costs.input * computed
    weights = channels * vectors * costs.weight * matrices(g)
    return g.groups * (tiles * (work + costs.stage * channels * seen) + weights)


def beyond(axis, rule):
    """Tiles beside its own of which one sees pixels."""
    _, _, taps, stride, dilation, _ = axis
    split, step = runs(axis), lcm(stride, dilation)
    last = max(start for start, _ in starts(taps, step // dilation, split))
    return (last * dilation + (rule.points - 1) * step) // (rule.outputs * stride)
