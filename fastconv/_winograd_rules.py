"""How an axis is split into short convolutions of stride 1, and by which minimal filtering each of them goes.

`_kernels/winograd_runs.pxd` splits them in the same way, and `_kernels/winograd_rules.pxd` has the same rules.
"""

from functools import lru_cache
from math import lcm, prod
from typing import NamedTuple


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
RULES = {  # by taps
    1: Rule(1, 1, 3), 2: Rule(4, 5, 9), 3: Rule(4, 6, 13), 4: Rule(3, 6, 8.6), 5: Rule(2, 6, 8),
}  # fmt: skip
TWO, THREE = Rule(2, 4, 3), Rule(3, 4, 5)  # three taps by tiles of two, and two by tiles of three
FEW = 48  # sums over fewer channels and parts take TWO along h,
FEW_OF_LARGE, LARGE = 32, 4096  # or than these, of so many outputs, whose edges take little time to be summed directly
FEW_OF_PAIRS = 129  # and than these THREE, as does a phase alone, whose outputs beside padding see half of the taps
SMALL = 2  # outputs along both axes up to which tiles of four would be mostly padding


def ceil_div(a, b):
    return -(-a // b)


@lru_cache(maxsize=64)  # a choice among kernels asks hundreds of times
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


@lru_cache(maxsize=64)
def depth(g):
    """Sums over so many channels of parts of the kernel are made at each point."""
    return g.ic // g.groups * prod(r.longs + r.shorts for r in map(runs, g.axes[1:]))


@lru_cache(maxsize=64)
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
    return tuple(found)


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


def single(split, rule):
    """Whether short runs of an axis are single taps, whose weights are the same at all points of pairs."""
    return split.taps == 2 and split.shorts > 0 and rule == RULES[2]
