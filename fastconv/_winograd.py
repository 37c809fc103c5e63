"""Which convolutions Winograd's minimal filtering computes within the error bound, and which of them it makes faster.

`_kernels/winograd.h` has the transforms. A tile of m outputs along an axis of k taps takes m + k - 1 products there
instead of m * k, and all of its outputs share the rounding errors of the whole tile: an output is only as exact as
sum |x w| over its own window is large beside that of its neighbours.
"""

from math import prod
from typing import NamedTuple

from fastconv import _corners


class Rule(NamedTuple):
    """Minimal filtering along one axis."""

    outputs: int  # of a tile
    points: int  # products of a tile
    least_channels: int  # of a group, so that sums of unlike neighbours come close enough: asv_bench/accuracy.py


RULES = {1: Rule(1, 1, 1), 2: Rule(3, 4, 32), 3: Rule(4, 6, 32), 5: Rule(2, 6, 16)}  # by taps
RULES_OF_FEW = RULES | {3: Rule(2, 4, 16)}  # for fewer channels
FEW = 32
# Of its taps that an output must see beside padding, or is summed directly: asv_bench/accuracy.py. The corners of 5x5
# kernels padded by two see 9 of 25, and positive data reached 9.4 eps there.
LEAST_SHARE = 0.37
TRANSFORMED = (1, 2)  # axes
MOST_DEPTH = 5  # taps along d are summed as channels are
# Transforming the weights takes as long as the products of so many tiles: asv_bench/fit_methods.py
WEIGHT_TILES = 1
CORNER = 90  # products in whose time a corner reads the weights once more: asv_bench/fit_methods.py
LEAST_GAIN = 1.2  # in multiply-adds, to be worth the transforms: asv_bench/fit_methods.py
# Times as much where channels are few, which fill vectors of so many, since tiles of two gain little. With 16-16 @28
# Winograd took 0.6, with 24-24 @56 0.8, with 17-33 @55x61 1.4 times as long as the direct sum (2026-11-25).
GAIN_OF_FEW = 1.5
VECTOR = 16


def rules(g):
    """Minimal filtering by taps."""
    return RULES_OF_FEW if g.ic // g.groups < FEW else RULES


def rejects(g):
    """Why Winograd cannot compute the geometry within 8 eps of |x| conv |w|; None if it can."""
    if g.kh not in RULES or g.kw not in RULES or g.kh * g.kw == 1 or g.kd > MOST_DEPTH:
        return f"kernels of {g.kd}x{g.kh}x{g.kw} have no transform"
    for _, _, taps, stride, dilation, _ in g.axes[1:]:
        if stride > 1:
            return "strided outputs share no products"
        if dilation > 1 < taps:
            return "dilated taps share no products"
        least = rules(g)[taps].least_channels
        if g.ic // g.groups < least:
            return f"groups of fewer than {least} input channels average out too little of the rounding"
    return _corners.too_little(g, LEAST_SHARE, TRANSFORMED)


def tile(g):
    """Outputs of a tile along d, h and w."""
    return 1, rules(g)[g.kh].outputs, rules(g)[g.kw].outputs


def points(g):
    """Products of a tile."""
    return rules(g)[g.kh].points * rules(g)[g.kw].points


def products(g):
    """Of one input channel with one output channel."""
    return g.kd * points(g) * prod(-(-o // m) for o, m in zip((g.od, g.oh, g.ow), tile(g), strict=True))


def corners(g):
    """Outputs to be summed directly afterwards."""
    return _corners.corners(g, LEAST_SHARE, TRANSFORMED)


def declines(g, corner=None):
    """Why the transforms would cost more than the products they save; None if they do not.

    corner : what a corner costs, in products; by default, to sum it directly with all of the weights
    """
    h, w, channels = rules(g)[g.kh], rules(g)[g.kw], g.ic // g.groups
    tiles = g.od * -(-g.oh // h.outputs) * -(-g.ow // w.outputs)
    count = h.points * w.points * (tiles + WEIGHT_TILES)
    for c in corners(g):
        count += CORNER + c.geometry.oh * c.geometry.ow * g.kh * g.kw if corner is None else corner
    gain, least = g.od * g.oh * g.ow * g.kh * g.kw / count, LEAST_GAIN
    if channels < FEW and 3 in (g.kh, g.kw):
        gain *= channels / (-(-channels // VECTOR) * VECTOR)
        least *= GAIN_OF_FEW
    if gain < least:
        return f"{g.oh}x{g.ow} outputs fill too few tiles to pay for the transforms ({gain:.1f}x fewer products)"
    return None
