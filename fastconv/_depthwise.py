"""How a depthwise layer of channels-first memory is summed: along rows where they lie, or along channels.

Rows fill vectors but for what is left of a row, and cost nothing to read; planes turned to channels-last memory fill
all lanes of a vector, and cost the turning. `asv_bench/peers.py --family depthwise` times both.
"""

from math import gcd

CHAIN = 64  # taps that either may add one after the other: the CHUNK of `simd.h`

SMALL = 14  # output columns up to which planes are turned
SMALL_STRIDED = 12  # and from which on 3x3 rows are read in place instead, a quarter of whose pixels are outputs
# Rows end in half vectors. Where more than a seventh as many of their lanes as there are outputs would be idle, planes
# are turned: 64 planes of 18x18 by 7x7 took 24 instead of 39 us, 26x26 47 instead of 57, 28x28 as long (2026-11-28)
HALF, IDLE = 8, 7
PLANE = 3136  # input pixels of a turned plane, which are to stay in the L2 cache
TABLE = 4096  # pixels of the padded plane, each with an entry in its table

LEAST_ROW = 9  # outputs of a row, so that a vector reaches no further than the next row does
LEAST_TAPS_ROW = 12  # and no further with a vector more at stride 2 and NEAR columns beside the image
LEAST_DILATED_ROW = 16  # the longest vector: neighbours in memory are rows of different phases
WIDEST = 2**30  # columns, which lanes of 32 bits count
NEAR = 6  # columns beside the image that a row may see, still of its neighbours in memory
TALL = (3, 5, 7)  # kernels whose columns of taps unroll
MOST_DILATED = 8  # rows from one tap to the next, each of a phase of its own
LEAST_IN_PHASE = 3  # rows
BAND = 8  # rows of output that `near_taps.h` sums at a time
WAYS, WAY = 8, 4096  # of an L1 cache, and bytes of each: at so many bytes from row to row only eight rows stay in it


def is_flat(g):
    """Whether every channel is a plane by itself, and its only result one."""
    return g.groups == g.ic == g.oc and g.id == g.kd == g.od == 1


def sees_near_rows(g):
    """Whether a depthwise layer has 3x3 taps that see their neighbours, and at most one column beside the image."""
    near = g.kh == g.kw == 3 and g.dh == g.dw == 1 and g.sh == g.sw <= 2
    return is_flat(g) and near and g.pw <= 1 and (g.ow - 1) * g.sw + 2 - g.pw <= g.iw and g.ow >= LEAST_ROW


def sees_near_taps(g):
    """Whether a depthwise layer has taps whose rows can be read where they lie, one column of taps after another."""
    strided = g.sh == g.sw == 2 and g.dh == g.dw == 1
    dilated = g.sh == g.sw == 1 and g.dh <= min(MOST_DILATED, g.oh // LEAST_IN_PHASE)
    after = (g.ow - 1) * g.sw + (g.kw - 1) * g.dw + 1 - g.pw - g.iw
    least = LEAST_TAPS_ROW if g.dh == 1 else LEAST_DILATED_ROW
    near = max(g.pw, after) <= NEAR and least <= g.ow and g.iw < WIDEST
    apart = gcd(g.iw * g.itemsize * g.dh, WAY)
    stay = (BAND - 1) * g.sh + g.kh <= WAYS * (WAY // apart)
    return is_flat(g) and g.kh in TALL and g.kh * g.kw <= CHAIN and (strided or dilated) and near and stay


def can_turn(g):
    """Whether there are enough planes to fill vectors, of a size that stays in cache."""
    padded = ((g.oh - 1) * g.sh + (g.kh - 1) * g.dh + 1) * ((g.ow - 1) * g.sw + (g.kw - 1) * g.dw + 1)
    return is_flat(g) and g.ic >= 8 and g.kh * g.kw <= CHAIN and g.ih * g.iw <= PLANE and padded <= TABLE


def kernel(g):
    """The kernel that takes a geometry of channels-first memory; None if it is none for these."""
    in_registers, taps = sees_near_rows(g), sees_near_taps(g)
    small = g.ow < SMALL_STRIDED if in_registers and g.sw == 2 else g.ow <= SMALL
    idle = taps and not in_registers and -g.ow % HALF * IDLE > g.ow
    if can_turn(g) and (small or idle):
        return "planes"
    return "near_rows" if in_registers or taps else None
