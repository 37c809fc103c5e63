"""How far outputs at the ends of an axis are from their own sum, where all products of a tile are alike.

Rounding errors of random data average out; those of positive data are in proportion to what is added up at each point

    out[j] = sum over the points a of  a^j * M[a],        M[a] = sum over the runs of  (B^T d)[a] * (G g)[a]

and these sums, of a tile that the edge cuts off, are larger than their sum is: with four taps and a tile that sees
three pixels, then zeros, 3 = -0.1 + 8.4 - 0.9 - 2.5 - 2.0. For inputs and taps of one, sums of products are known here.
"""

from functools import lru_cache
from itertools import pairwise
from math import lcm, prod, sqrt

A, B = sqrt(1 / 2), sqrt(2)
P, Q = 1 / 2, 5 / 4
POINTS = {1: (), 4: (0, 1, -1), 5: (P, -P, Q, -Q), 6: (0, A, -A, B, -B)}  # and infinity: `_kernels/winograd_points.h`
WHOLE = 4  # outputs of a tile, of which the last one may lack some:
EDGES = {2: {1: (P,), 2: (P, -P), 3: (P, -P, Q)}, 3: {2: (0, A, -A)}}  # by taps and outputs, fewer points


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


def tile_of(rule, taps, left):
    """Outputs of a tile with which an axis has so many left, and its points but infinity."""
    edges = EDGES.get(taps, {}) if rule.outputs == WHOLE else {}
    outputs = min((fewer for fewer in edges if left <= fewer), default=rule.outputs)
    return outputs, edges.get(outputs) or POINTS[rule.points]


def takes_one(axis, split, rule):
    """Whether an output that sees one of two taps, at either end of an axis of several tiles, is that product alone:
    HEAD and TAIL in `_kernels/winograd_points.h`."""
    size, outputs, taps, stride, dilation, before = axis
    alone = taps == stride + dilation == 2 and split.longs == 1
    return alone and before <= 1 and outputs - before <= size and outputs > rule.outputs


@lru_cache(maxsize=4096)
def gain(axis, split, rule, position, alike=False):
    """The root of the squares of an output's summands beside the output, at a position along an axis.

    alike : tiles at the end have as many points as others
    """
    size, outputs, taps, stride, dilation, before = axis
    step = lcm(stride, dilation)
    place, index = position % split.every, position // split.every
    j = index % rule.outputs
    left = rule.outputs if alike else -(-outputs // split.every) - (index - j)
    width, points = tile_of(rule, split.taps, left)
    rows, scales = lines(points)
    first = (place + (index - j) * split.every) * stride - before
    sums = [0.0] * len(rows)
    for start, count in starts(taps, step // dilation, split):
        seen = [i for i in range(len(rows)) if 0 <= first + start * dilation + i * step < size]
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
