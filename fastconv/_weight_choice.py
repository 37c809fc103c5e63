"""Which kernel sums the gradient of the weights of a convolution.

row_grad         depthwise 3x3, rows read where they lie
tap_grad         a lane for each pixel of a row, tap by tap: few pairs of channels on long rows
point_grad       1x1 kernels: one product along pixels
pixel_grad       the same, channels last: outer products of pixels where they lie
winograd_grad    minimal filtering over tiles, where enough of them average its errors out
weight_grad      all others: outer products of pixels, a lane for each channel
"""

from math import ceil, prod
from typing import NamedTuple

from fastconv._depthwise import sees_near_rows
from fastconv._sights import seen_products
from fastconv._tuned import tuned


class Rule(NamedTuple):
    """Minimal filtering along one axis."""

    taps: int  # of a piece of the kernel
    outputs: int  # of a tile
    points: int  # products of a tile
    channels: int  # of a group, that repay the transforms
    noise: float  # times as many tiles average errors out as by three taps


# By stride; at stride 1 by other taps too, four of which, and seven and eight, are pieces of four, and five one piece.
RULES = {1: Rule(3, 4, 6, 8, 1), 2: Rule(3, 4, 9, 32, 1)}
FOUR, FIVE = Rule(4, 3, 6, 8, 1.4), Rule(5, 2, 6, 8, 2)
BY_TAPS = {4: FOUR, 5: FIVE, 7: FOUR, 8: FOUR}
MOST_APART = 32  # taps of dilated kernels, between which as many tiles begin side by side
# Errors average out over tiles: simulated, a rectified input with positive slopes reaches 11 eps of the sum of
# magnitudes over 4 tiles, 7 over 8, 5 over 32 and 3 over 196. More taps are less exact: of 5x5 such data reached 10 eps
# over 36 tiles, and 22 where slopes are rectified too, of 4x4 6 and 11, of 5x3 over 32 5.7 and 12; 2026-11-30.
LEAST_TILES = 32
# Of the outputs that the outermost taps see, which share the errors of others: 5x5 on maps of 3x3 see a ninth there,
# and rectified inputs reached 200 eps; taps that see nothing got other than zero. Of 0.44 to 0.48 rectified inputs with
# positive slopes reach 9 to 13 however many tiles there are, of 0.51 8, over 64 tiles 9 and over 256 7; 2026-11-29.
LEAST_SEEN = 0.5
LEAST_SEEN_BY_FEW, FALL = 0.64, 0.27  # of `LEAST_TILES`, and the power of their number by which that falls
LEAST_GAIN = 1.5  # in multiply-adds, to be worth the transforms: asv_bench/peers.py --family gradients
LEAST_CHANNELS = 16  # of all groups: a vector, so that few lanes are empty
MOST_ROWS, MOST_COLUMNS = 64, 1024  # what a kernel may reach, so that a band with its surroundings stays in L2
BAND = 128  # vectors of a row that a lane of `tap_grad.pyx` adds up: its TERMS
COPIED = 16  # its input channels that are copied together, channels-last


def is_alone(g):
    """Whether a channel of the input meets one of the output."""
    return 1 < g.groups == g.ic == g.oc


def stays_near(g):
    """Whether the copies that `tap_grad.pyx` makes stay in cache."""
    return max(g.sh, g.sw, (g.kh - 1) * g.dh) <= MOST_ROWS and (g.kw - 1) * g.dw <= MOST_COLUMNS


def time_of_taps(g):
    """Of `tap_grad.pyx` for one image, in products of a vector of pixels; rows that are no whole vectors cost as much.

    Channels-first an input channel is by itself, and grad_output copied once for each.
    """
    costs, inputs = tuned().weight_grad, g.ic // g.groups
    vectors = g.oh * ceil(g.ow / (costs.vector // g.itemsize))
    sums = g.oc * inputs * g.kh * g.kw * (vectors + costs.band * ceil(vectors / BAND))
    rows = g.ic * ((g.oh - 1) * g.sh + (g.kh - 1) * g.dh + 1) * min(g.sw, g.kw)
    rows += g.oc * (ceil(inputs / COPIED) if g.last else inputs) * g.oh
    return g.od * g.kd * (sums + costs.row * rows)


def time_of_pixels(g):
    """Of outer products, in the same unit: neighbouring taps of all input channels are rows of a tile."""
    costs, together = tuned().weight_grad, g.kw if g.dw == 1 else 1
    lanes = costs.vector // g.itemsize
    if is_alone(g):
        each = costs.lanes * g.kh * g.kw * ceil(g.oc / lanes) + costs.pixel * ceil(g.oc / (2 * lanes))
    else:
        tiles = g.kh * g.kw // together * ceil(g.ic // g.groups * together / costs.rows)
        each = g.groups * ceil(g.oc // g.groups / (2 * lanes)) * (costs.tile * tiles + costs.pixel)
    return g.od * g.kd * g.oh * g.ow * each


def sees_pixels(g):
    """Whether `point_grad.pyx` or `pixel_grad.pyx` can be taken: of 1x1 kernels, not padded, which share inputs."""
    inside = ((outputs - 1) * stride < size and not before for size, outputs, _, stride, _, before in g.axes)
    return g.kd * g.kh * g.kw == 1 and not is_alone(g) and all(inside)


def seen(axis):
    """The least share of an axis of outputs that a tap sees: the first one or the last."""
    size, outputs, taps, stride, dilation, before = axis
    places = ([o * stride + tap * dilation - before for o in (0, outputs - 1)] for tap in (0, taps - 1))
    lost = (max(-(first // stride), 0) + max((last - size) // stride + 1, 0) for first, last in places)
    return max(1 - max(lost) / outputs, 0)


def tiles_of(outputs, tile, dilation):
    """Tiles along an axis, each of every dilation-th output: see `grad_tiles.pxd`."""
    whole, rest = divmod(outputs, tile * dilation)
    return whole * dilation + min(rest, dilation)


def few_products(g, images):
    """Whether minimal filtering over tiles of all images is within 8 eps of |grad_output| conv |input|, and faster.

    g : the forward ConvGeometry; `images` the size of the batch, 1 without one
    """
    products = images * g.od
    tiles = products * seen(g.axes[0])  # along d each tap has sums of its own
    least = 1
    for _, outputs, taps, stride, dilation, _ in g.axes[1:]:
        if taps == 1:
            tiles, products = tiles * outputs, products * outputs
        elif (dilation == 1 and stride in RULES) or (stride == 1 and dilation <= MOST_APART):
            rule = BY_TAPS.get(taps, RULES[1]) if stride == 1 else RULES[stride]
            along = tiles_of(outputs, rule.outputs, dilation)
            tiles *= along / rule.noise
            products *= along * rule.points * -(-taps // rule.taps)
            least = max(least, rule.channels)
        else:
            return False
    enough = min(g.oc, g.ic) >= max(LEAST_CHANNELS, least * g.groups)
    gains = images * g.od * prod(map(seen_products, g.axes[1:])) >= LEAST_GAIN * products
    least_seen = max(LEAST_SEEN, LEAST_SEEN_BY_FEW * (LEAST_TILES / max(tiles, LEAST_TILES)) ** FALL)
    return gains and enough and tiles >= LEAST_TILES and prod(map(seen, g.axes[1:])) >= least_seen


def kernel(g, images):
    """The module of `_kernels` that takes the gradient of `images` images; g is the forward ConvGeometry."""
    if not g.last and g.ow <= MOST_COLUMNS and sees_near_rows(g):
        return "row_grad"
    points = sees_pixels(g)
    if stays_near(g) and time_of_taps(g) < time_of_pixels(g) * (tuned().weight_grad.points if points else 1):
        return "tap_grad"
    if points:
        few = max(g.ic, g.oc) <= tuned().weight_grad.in_place * g.groups
        return "pixel_grad" if g.last and few else "point_grad"
    return "winograd_grad" if few_products(g, images) else "weight_grad"
