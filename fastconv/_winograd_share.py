"""How far outputs at the ends of an axis are from their own sum, where all products of a tile are alike.

Rounding errors of random data average out; those of positive data are in proportion to what is added up at each point

    out[j] = sum over the points a of  a^j * M[a],        M[a] = sum over the runs of  (B^T d)[a] * (G g)[a]

and these sums, of a tile that the edge cuts off, are larger than their sum is: with four taps and a tile that sees
three pixels, then zeros, 3 = -0.1 + 8.4 - 0.9 - 2.5 - 2.0. For inputs and taps of one, sums of products are known here.
"""

from functools import lru_cache
from itertools import pairwise
from math import lcm, prod, sqrt
from typing import NamedTuple

A, B = sqrt(1 / 2), sqrt(2)
POINTS = {1: (), 4: (0, 1, -1), 6: (0, A, -A, B, -B)}  # and infinity: `_kernels/winograd_points.h`
EDGE = 2  # outputs of a tile at an end of an axis, of three taps, that has four of the six points:
HEAD_POINTS, TAIL_POINTS = (0, B, -B), (0, A, -A)


@lru_cache(maxsize=16)
def lines(points):
    """B^T, and what G divides by; infinity comes last."""

    def polynomial(roots):
        found = [1]
        for root in roots:
            found = [high - root * low for high, low in zip([0, *found], [*found, 0], strict=True)]
        return found

    others = [[b for b in points if b != a] for a in points]
    scales = [prod(a - b for b in some) for a, some in zip(points, others, strict=True)]
    return [*([*polynomial(some), 0] for some in others), polynomial(points)], [*scales, 1]


class Tile(NamedTuple):
    """Neighbouring outputs of a class that are made of the same products."""

    first: int
    outputs: int
    points: tuple  # but for infinity


def tile_of(index, count, rule, guarded):
    """The tile of output `index` of a class of `count`: as `cut_axis` of `_kernels/winograd.pxd` cuts an axis."""
    whole, head, tail = rule.outputs, 0, 0
    if rule.taps == 3 and rule.points == 6:
        head = EDGE * (guarded and count > EDGE)
        rest = (count - head - 1) % whole + 1
        tail = rest if rest <= EDGE or head else 0
    if index < head:
        return Tile(0, EDGE, HEAD_POINTS)
    start = head if index < count - tail else count - tail
    outputs, points = (whole, POINTS[rule.points]) if index < count - tail else (EDGE, TAIL_POINTS)
    return Tile(index - (index - start) % outputs, outputs, points)


@lru_cache(maxsize=4096)
def gain(axis, split, rule, guarded, position):
    """The root of the squares of an output's summands beside the output, at a position along an axis."""
    size, outputs, taps, stride, dilation, before = axis
    step = lcm(stride, dilation)
    place, index = position % split.every, position // split.every
    first, width, points = tile_of(index, -(-outputs // split.every), rule, guarded)
    j = index - first
    rows, scales = lines(points)
    start = (place + first * split.every) * stride - before
    sums = [0.0] * len(rows)
    for run, count in starts(taps, step // dilation, split):
        seen = [i for i in range(len(rows)) if 0 <= start + run * dilation + i * step < size]
        for i, (row, scale) in enumerate(zip(rows, scales, strict=True)):
            weight = sum(points[i] ** k for k in range(count)) if i < len(points) else count == split.taps
            sums[i] += sum(row[k] for k in seen) * weight / scale
    powers = [*(a**j for a in points), j == width - 1]
    summands = [power * part for power, part in zip(powers, sums, strict=True)]
    return sqrt(sum(part**2 for part in summands)) / max(abs(sum(summands)), 0.5)


@lru_cache(maxsize=256)
def starts(taps, jump, split):
    """The first tap of each run, and how many it has."""
    phases, found = min(jump, taps), []
    cuts = (split.longs + split.shorts) // phases
    for phase in range(phases):
        size = -(-(taps - phase) // jump)
        bounds = [i * size // cuts for i in range(cuts + 1)]
        found += [(phase + lo * jump, hi - lo) for lo, hi in pairwise(bounds) if hi > lo]
    return tuple(found)
