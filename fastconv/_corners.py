"""Outputs that see little of the input beside the padding: they are summed directly, whatever computes the others.

Methods that transform blocks spread rounding errors evenly over a block, while the bound of an output is proportional
to its own sum |x w|. In the corners of a padded image that is the sum of few taps:

    share of its taps that an output sees = product over axes of the share along the axis       ##....##
                                                                                                #......#
    along one axis a method demands `least`; where two meet, boxes in the corners (#)           #......#
    cover the outputs that see less                                                             ##....##

Volumes padded along three axes have no boxes: their edges would be most of them, and kernels that extend along three
axes are small enough for `least` squared (asv_bench/accuracy.py).
"""

from itertools import product
from math import prod
from typing import NamedTuple

from fastconv._geometry import ConvGeometry


class Corner(NamedTuple):
    """Some outputs, as a convolution of some of the input."""

    outputs: tuple  # slices along d, h, w
    inputs: tuple
    geometry: ConvGeometry


def share(axis, position):
    """Which share of its taps the output at `position` sees along an axis of `ConvGeometry.axes`."""
    size, _, taps, stride, dilation, before = axis
    start = position * stride - before
    first, end = -min(start, 0), size - start
    return max(min(-(-end // dilation), taps) - -(-first // dilation), 0) / taps


def least_share(axis):
    """The least share along an axis: at one of its ends."""
    return min(share(axis, 0), share(axis, axis[1] - 1))


def ends(axis, least):
    """Ranges of positions at the two ends of an axis whose share is below `least`."""
    outputs = axis[1]
    before = next((i for i in range(outputs) if share(axis, i) >= least), outputs)
    after = next((i for i in range(outputs, before, -1) if share(axis, i - 1) >= least), before)
    return [slice(*pair) for pair in ((0, before), (after, outputs)) if pair[0] < pair[1]]


def too_little(g, least, axes):
    """Why corners cannot make up for what outputs see too little of, along `axes`; None if they can."""
    shares = [least_share(g.axes[i]) for i in axes]
    if min(shares) < least:
        return f"padding leaves {min(shares):.0%} of the taps to outputs at the edge, which share the errors of others"
    if prod(shares) < least**2:
        return f"padding leaves {prod(shares):.0%} of the taps to outputs in a corner, which share the errors of others"
    return None


def corners(g, least, axes):
    """The corners of a geometry that `too_little` does not object to; of three padded axes, none."""
    padded = [i for i in axes if least_share(g.axes[i]) < 1]
    if len(padded) != 2:
        return ()
    a, b = (g.axes[i] for i in padded)
    boxes = product(ends(a, least / least_share(b)), ends(b, least / least_share(a)))
    return tuple(corner(g, dict(zip(padded, box, strict=True))) for box in boxes)


def corner(g, box):
    """The convolution of the outputs in `box`, slices by axis."""
    parts = [part(axis, box.get(i, slice(0, axis[1]))) for i, axis in enumerate(g.axes)]
    outputs, inputs, before = zip(*parts, strict=True)
    (id, ih, iw), (od, oh, ow) = ([s.stop - s.start for s in slices] for slices in (inputs, outputs))
    pd, ph, pw = before
    return Corner(
        outputs, inputs, g._replace(id=id, ih=ih, iw=iw, od=od, oh=oh, ow=ow, pd=pd, ph=ph, pw=pw)
    )


def part(axis, outputs):
    """What outputs see of an axis: (outputs, inputs, zeros before)."""
    size, _, taps, stride, dilation, before = axis
    start = outputs.start * stride - before
    end = (outputs.stop - 1) * stride - before + (taps - 1) * dilation + 1
    return outputs, slice(min(max(start, 0), size), max(min(end, size), 0)), max(-start, 0)
