"""Rows of pixels that share what they load, `_kernels/filter.pyx`: where they take less than the register tile."""

from math import gcd

from fastconv import _depthwise
from fastconv._sights import is_long, turned_products
from fastconv._tuned import tuned, vector_lanes

MOST_PHASES = 4  # of dilated rows that share what they load,
LEAST_SHARED = 3  # and rows of one: `_kernels/dilated.pxd`

STAGE = 2**21  # elements that `filter.pyx` may stage for one block, for which far dilated taps would want more; of long
# sums bytes, which come back from L3: 1024 to 4 channels of 4x4 at stride 2 on 40x40 took 4.4 times the tile's time


def has_neighbours(g):
    """Whether rows of output see rows of input side by side: under dilated taps those of a phase, if rows fill vectors
    and phases have enough of them. Short sums have one order on any map, so that its size must not decide."""
    room = not is_long(g) or (g.ow >= vector_lanes(g.itemsize) and g.oh >= g.dh * LEAST_SHARED)
    return g.dh == 1 or (g.dh <= MOST_PHASES and gcd(g.sh, g.dh) == 1 and room)


def shares_rows(g):
    """Whether rows repay being shared: not for single taps, which are a product as they lie (5 times as fast).

    Short sums have one order on any map. For longer ones the lanes count that the end of a row leaves idle, the rows
    that far taps see, padding, for which the tile has a copy made that a stride wants anyway, or leaves it out, and
    copies of patches.
    Of rows that a stride splits only the columns that taps see are staged.
    """
    if g.kd * g.kh * g.kw == 1 < g.ic // g.groups:
        return False
    costs, taps = tuned().rows, g.kh * g.kw
    shared = g.sh <= 2 and g.kh in costs.heights and has_neighbours(g)
    products = taps + costs.load * _depthwise.loads_of_rows(g) if shared else costs.alone * taps
    each = products + costs.store / max(g.ic // g.groups * g.kd, 1)
    dear = g.groups > 1 and (g.kh > 2 or max(g.sh, g.sw) > 1)  # 8 to 8 channels of 1x2 take 0.4 of the time of rows,
    dear = dear or (g.ic == g.groups > 1 and g.oc // g.groups <= min(g.kw, 2))  # but 192 signals by one tap 1.5 times
    tile, staged = costs.tile * taps + (costs.group if dear else 0), costs.stage * g.sh * min(g.sw, g.kw)
    if is_long(g):
        staged *= ((g.oh - 1) * g.sh + (g.kh - 1) * g.dh + 1) / max(g.oh * g.sh, 1)
        each *= _depthwise.vectors_of_row(g) * (tuned().planes.vector // g.itemsize) / max(g.ow, 1)
        tile = long_tile(g) * taps
        tile *= turned_products(g) / max(g.macs, 1)
    return g.oc // g.groups * each + staged <= tile


def long_tile(g):
    """What a tap of a long sum takes by the register tile, which reads rows of two vectors and more where they are
    staged."""
    costs = tuned().rows
    if g.ow < 2 * vector_lanes(g.itemsize):
        return costs.copied_tile
    return costs.padded_tile if g.sw == 1 and (g.pd or g.ph or g.pw) else costs.long_tile


def stages_little(g):
    """Whether the input rows under one block of output stay small: as many as its tallest tile and its kernel span."""
    rows = 8 * g.sh + (g.kh - 1) * g.dh + 1
    row = min(g.kw, g.sw) * (min(g.ow, 2048) + (g.kw - 1) * g.dw // g.sw + 1)
    return (g.ic // g.groups) * g.kd * rows * row * (g.itemsize if is_long(g) else 1) <= STAGE
