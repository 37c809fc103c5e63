"""Which convolutions take fewer operations by Fourier transforms, and in blocks of what size.

    out[o] = inverse of  sum over c of X[c] * conj(W[o, c])        overlap-save, block by block: `_kernels/fourier.pyx`

Each axis along which the kernel extends is cut into blocks of `size` elements that overlap by what the kernel spans; a
block gives the outputs whose windows lie in it. An axis that is one block need not hold the padding twice: windows that
leave it at its end come back in at its beginning, where as many zeros lie. A stride splits both operands into phases,
which are summed as channels are: only outputs that are wanted are transformed back. Of all ways to cut the axes, and of
both meanings that the two parts of a complex number may have, the one that takes the least time by `time` is taken.
(Oppenheim & Schafer, Discrete-Time Signal Processing, 8.7.)
All outputs of a block share its rounding errors: one is only as exact as sum |x w| over its own window is large beside
the others'.
"""

from functools import lru_cache
from itertools import product
from math import gcd, inf, log2, prod
from typing import NamedTuple

from fastconv import _corners, _direct
from fastconv._tuned import TUNED, tuned

MULTIPLE = 16  # of which extents of planes are multiples: the lanes of a vector of float32, and its rows
BLOCK = 2**20  # bytes that a unit and the spectra of its channels take beyond which they leave L2
BEYOND = 1.15  # times as much transforms then cost: asv_bench/peers.py --family large
MOST_LENGTHS = 12  # of blocks that are compared: 16 times the extent of small kernels is among them
PASSES = 4  # what staging, turning and storing cost beside a transform, in factors of two of its size
# What transforms and products cost where ways to cut are compared, at every level: the cuts that AVX2's own costs name
# take 1.2 times as long
CUTTING = TUNED[64, 32].fourier
# Products of an output, and of one beside padding, so that sums of unlike neighbours come close enough: over 25
# rectified inputs the largest error was 5.1 eps with 32 or more beside padding, 7 to 8.3 with 24 to 27 (2026-11-25)
LEAST_PRODUCTS = 64
LEAST_SEEN = 30
# Of its taps that an output must see beside padding along an axis, and where two meet: asv_bench/accuracy.py
LEAST_SHARE = 0.35
CORNER_SHARE = 0.25  # or it is summed directly; half a kernel of padding along both axes leaves as much


class Axis(NamedTuple):
    """How one axis is computed."""

    phases: int  # of the stride, that hold taps
    span: int  # taps of a phase, dilation's zeros among them
    size: int  # elements of a block; not transformed if the span is 1
    outputs: int  # that a block gives
    blocks: int


def lengths(multiple, least):
    """The shortest lengths of transforms from `least` on: factors of 2 and 3 times `multiple`."""
    first = multiple
    while first < least:
        first *= 2
    threes = (multiple * 3**j for j in range(MOST_LENGTHS))
    found = {three << i for three in threes for i in range((first << MOST_LENGTHS // 2).bit_length())}
    return sorted(n for n in found if n >= least)[:MOST_LENGTHS]


def cuts(multiple, size, outputs, taps, stride, dilation, before):
    """Ways to cut an axis into blocks, none of which is worse than another one of shorter blocks.

    An axis that is not cut may hold the padding once.
    """
    phases, span = min(taps, stride // gcd(stride, dilation)), spanned(taps, stride, dilation)
    if span == 1:
        return [Axis(phases, 1, 1, 1, outputs)]
    once = min(shared(size, outputs, span, stride, before), span - 1, outputs - 1)
    ways = [(n, min(n - span + 1, outputs)) for n in lengths(multiple, span + 1)]
    ways += [(lengths(multiple, outputs + span - 1 - once)[0], outputs)]
    result, least = [], inf
    for n, step in sorted(ways, key=lambda way: (way[0], -way[1])):
        blocks = -(-outputs // step)
        if n * blocks < least:
            least = n * blocks
            result.append(Axis(phases, span, n, step, blocks))
    return result


def spanned(taps, stride, dilation):
    """Taps that a phase of the stride spans, dilation's zeros among them."""
    return -(-((taps - 1) * dilation + 1) // stride)


def shared(size, outputs, span, stride, before):
    """Zeros that every phase of an axis has both before and after its elements."""
    length = outputs + span - 1
    return max(0, min(before // stride, length - -(-(size + before) // stride)))


class Cut(NamedTuple):
    """How a geometry is computed."""

    axes: tuple  # of `Axis`, along d, h and w
    two_outputs: bool  # whether the two parts of a complex number are two outputs, not two blocks


@lru_cache(maxsize=1024)
def best(g):
    """The cut whose transforms take the least time, those of kernels as much as others.

    Fitted along with what else a call does to weights, KERNEL would have so many short blocks that they take longer.
    """
    last = [i for i, (_, _, taps, stride, dilation, _) in enumerate(g.axes) if spanned(taps, stride, dilation) > 1]
    multiples = dict.fromkeys(last[-2:], MULTIPLE) if len(last) > 1 else dict.fromkeys(last, MULTIPLE**2)
    ways = product(*(cuts(multiples.get(i, 1), *a) for i, a in enumerate(g.axes)))
    costs = [table[g.itemsize] for table in (CUTTING.transform, CUTTING.transform, CUTTING.product)]
    return min((Cut(*way) for way in product(ways, (False, True))), key=lambda cut: time(g, cut, *costs))


def rejects(g):
    """Why Fourier transforms cannot compute the geometry; None if they can."""
    if all(spanned(taps, stride, dilation) == 1 for _, _, taps, stride, dilation, _ in g.axes):
        return "windows that do not overlap have nothing in common to transform"
    if g.ic == 0:
        return "without input channels there is nothing to transform"
    for _, outputs, taps, stride, dilation, _ in g.axes:
        phases = stride // gcd(stride, dilation)
        if taps > phases and phases * dilation // stride > outputs:
            return f"between taps of dilation {dilation} lie elements that no window reads"
    return None


def declines(g):
    """Why the direct sum is faster, or exacter than the bound allows to give up; None if it is neither."""
    if g.macs < tuned().fourier.start[g.itemsize]:
        return f"the direct sum's {g.macs:,} multiply-adds take less time than to set up a transform"
    products = g.ic // g.groups * g.kd * g.kh * g.kw
    if products < LEAST_PRODUCTS or products * least_seen(g) < LEAST_SEEN:
        return f"sums of {products * least_seen(g):.0f} to {products} products average out too little of the rounding"
    if slower(g):
        return f"transforms would take {cost(g) / _direct.cost(g):.1f} times as long as the direct sum"
    if least_seen(g) < CORNER_SHARE:
        return f"padding leaves {least_seen(g):.0%} of the taps to outputs in a corner, which share others' errors"
    return _corners.too_little(g, LEAST_SHARE, (0, 1, 2))


def least_seen(g):
    """The least share of its taps that an output sees which is not summed directly."""
    shares = sorted(_corners.least_share(axis) for axis in g.axes)
    covered = shares[1] < 1 == shares[2] or prod(shares[:2]) >= CORNER_SHARE
    return max(prod(shares), CORNER_SHARE) if covered else prod(shares)


def corners(g):
    """Outputs to be summed directly afterwards; none where they are so many that "auto" would not have come here."""
    return () if _corners.too_little(g, LEAST_SHARE, (0, 1, 2)) else _corners.corners(g, CORNER_SHARE, (0, 1, 2))


def operations(g, cut):
    """Of units of input and output and of kernels, elements transformed times factors of two in a block; products."""
    inputs, outputs = g.ic // g.groups * prod(a.phases for a in cut.axes), g.oc // g.groups
    block, units = prod(a.size for a in cut.axes), prod(a.blocks for a in cut.axes)
    if cut.two_outputs:
        outputs = -(-outputs // 2)
    else:
        units = -(-units // 2)
    each = g.groups * block * (log2(block) + PASSES)
    if 2 * g.itemsize * block * (inputs + 1) > BLOCK:
        each *= BEYOND
    return (inputs + outputs) * units * each, inputs * outputs * each, g.groups * inputs * outputs * units * block


def time(g, cut, *costs):
    """What a cut takes at these costs of a unit's transform, of a kernel's, and of a product, besides setting out."""
    return sum(cost * number for cost, number in zip(costs, operations(g, cut), strict=True))


def slower(g):
    """Whether transforms take more time than the direct sum."""
    return g.macs < tuned().fourier.start[g.itemsize] or cost(g) > _direct.cost(g)


def cost(g):
    """What transforms take, and the direct sum of corners after them, in multiply-adds of the direct sum."""
    costs, size = tuned().fourier, g.itemsize
    transform = costs.transform[size] * (costs.last if g.last else 1)
    transforms = time(g, best(g), transform, costs.kernel[size], costs.product[size])
    return costs.start[size] + transforms + _corners.cost(corners(g))
