"""Which convolutions Winograd's minimal filtering computes within the error bound, and which of them it makes faster.

`_kernels/winograd.h` has the transforms. A tile of m outputs along an axis of k taps takes m + k - 1 products there
instead of m * k, and all of its outputs share the rounding errors of the whole tile: an output is only as exact as
sum |x w| over its own window is large beside that of its neighbours.
"""

from typing import NamedTuple


class Rule(NamedTuple):
    """Minimal filtering along one axis."""

    outputs: int  # of a tile
    points: int  # products of a tile
    least_channels: int  # of a group, so that sums of unlike neighbours come close enough: asv_bench/accuracy.py
    most_padding: int  # beyond it, outputs at the edge see too few of their taps


RULES = {1: Rule(1, 1, 1, 0), 3: Rule(4, 6, 32, 1), 5: Rule(2, 6, 16, 2)}  # by taps
MOST_DEPTH = 5  # taps along d are summed as channels are
# Transforming the weights takes as long as the products of so many tiles: asv_bench/fit_methods.py
WEIGHT_TILES = 3.3
LEAST_GAIN = 1.2  # in multiply-adds, to be worth the transforms: asv_bench/fit_methods.py


def rejects(g):
    """Why Winograd cannot compute the geometry within 8 eps of |x| conv |w|; None if it can."""
    axes = ((g.kh, g.sh, g.dh, g.ph, g.ih, g.oh), (g.kw, g.sw, g.dw, g.pw, g.iw, g.ow))
    kernel = f"{g.kd}x{g.kh}x{g.kw}"
    if {g.kh, g.kw} not in ({3}, {5}, {1, 3}, {1, 5}) or g.kd > MOST_DEPTH:
        return f"kernels of {kernel} have no transform"
    for taps, stride, dilation, before, size, out in axes:
        rule = RULES[taps]
        if stride > 1:
            return "strided outputs share no products"
        if dilation > 1 < taps:
            return "dilated taps share no products"
        if max(before, out + taps - 1 - before - size) > rule.most_padding:
            return f"padding wider than {rule.most_padding} leaves outputs less exact than their few taps deserve"
        if size < taps // 2 + 1:
            return f"an axis of {size} leaves outputs less exact than their few taps deserve"
        if g.ic // g.groups < rule.least_channels:
            return f"groups of fewer than {rule.least_channels} input channels average out too little of the rounding"
    return None


def declines(g):
    """Why the transforms would cost more than the products they save; None if they do not."""
    tiles = g.od * -(-g.oh // RULES[g.kh].outputs) * -(-g.ow // RULES[g.kw].outputs)
    products = RULES[g.kh].points * RULES[g.kw].points * (tiles + WEIGHT_TILES)
    gain = g.od * g.oh * g.ow * g.kh * g.kw / products
    if gain < LEAST_GAIN:
        return f"{g.oh}x{g.ow} outputs fill too few tiles to pay for the transforms ({gain:.1f}x fewer products)"
    return None
