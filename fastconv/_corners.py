"""Outputs that see little of the input beside the padding: they are summed directly, whatever computes the others.

Methods that transform blocks spread rounding errors evenly over a block, while the bound of an output is proportional
to its own sum |x w|. In the corners of a padded image that is the sum of few taps:

    share of its taps that an output sees = product over axes of the share along the axis       ##....##
                                                                                                #......#
    along one axis a method demands `least`; where two meet, boxes in the corners (#)           #......#
    cover the outputs that see less                                                             ##....##

Where errors average out less, boxes along the edges cover what sees too little along one axis. Of volumes padded along
three axes boxes cover the eight corners, not the edges, which would be most of them.
"""

from functools import partial
from itertools import chain, product
from math import prod
from typing import NamedTuple

from fastconv._geometry import ConvGeometry

CALL = 250_000  # multiply-adds in whose time a corner is called, and each of its groups brought to where it is summed


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


def outermost(span, reach):
    """The positions of a span (first, end) that may see less than others do, from either end on."""
    first, end = span
    return range(first, min(first + reach, end)), range(end - 1, max(end - 1 - reach, first - 1), -1)


def sighted(axis):
    """The outputs [first, end) of an axis that are not beyond all of the input, before it or after."""
    size, outputs, taps, stride, dilation, before = axis
    first = max(-(((taps - 1) * dilation - before) // stride), 0)
    return first, min(-(-(size + before) // stride), outputs)


def ends(axis, seen, least, span, reach=1):
    """The parts of a span (first, end) of an axis: ([those at its ends where `seen` is below `least`], the rest).

    It is below where an output sees nothing. These are passed over, since padding may make any number of them.

    reach : positions in turn that are not, after which none is
    """
    first, end = span
    first_seen, end_seen = sighted(axis)

    def depth(positions):
        below = 0
        for n, i in enumerate(positions):
            if seen(i) < least:
                below = n + 1
            elif n >= below + reach - 1:
                break
        return below

    start = min(max(first, first_seen), end)
    before = start + depth(range(start, end))
    stop = max(min(end, end_seen), before)
    after = stop - depth(range(stop - 1, before - 1, -1))
    return [pair for pair in ((first, before), (after, end)) if pair[0] < pair[1]], (before, after)


def too_little(g, least, axes):
    """Why corners cannot make up for what outputs see too little of, along `axes`; None if they can."""
    shares = [least_share(g.axes[i]) for i in axes]
    if min(shares) < least:
        return f"padding leaves {min(shares):.0%} of the taps to outputs at the edge, which share the errors of others"
    if prod(shares) < least**2:
        return f"padding leaves {prod(shares):.0%} of the taps to outputs in a corner, which share the errors of others"
    return None


def corners(g, least, axes, edges=False, trusted=None, reach=1):
    """The corners of a geometry that `too_little` does not object to; of three padded axes, where all of them meet.

    edges : boxes along the edges too, of what sees less than `least` along one axis
    trusted : what to take for the share, of an axis and a position along it; see `ends` for `reach`
    """
    along = {i: partial(trusted, i) if trusted else partial(share, g.axes[i]) for i in axes}
    spans = {i: (0, g.axes[i][1]) for i in axes}
    padded = [i for i in axes if min(map(along[i], chain(*outermost(spans[i], reach)))) < 1]
    boxes, left = [], {i: spans[i] for i in padded}
    for i in padded if edges else ():
        outer, inner = ends(g.axes[i], along[i], least, left[i], reach)
        boxes += [left | {i: span} for span in outer if all(first < end for first, end in left.values())]
        left[i] = inner
    if len(padded) > 1 and all(first < end for first, end in left.values()):
        seen = {i: min(map(along[i], chain(*outermost(left[i], reach)))) for i in padded}
        others = {i: prod(seen[j] for j in padded if j != i) for i in padded}
        spans = [ends(g.axes[i], along[i], least / others[i], left[i], reach)[0] for i in padded]
        boxes += [dict(zip(padded, some, strict=True)) for some in product(*spans)]
    return tuple(corner(g, {i: slice(*span) for i, span in box.items()}) for box in boxes)


def corner(g, box):
    """The convolution of the outputs in `box`, slices by axis."""
    parts = [part(axis, box.get(i, slice(0, axis[1]))) for i, axis in enumerate(g.axes)]
    outputs, inputs, before = zip(*parts, strict=True)
    (id, ih, iw), (od, oh, ow) = ([s.stop - s.start for s in slices] for slices in (inputs, outputs))
    pd, ph, pw = before
    return Corner(outputs, inputs, g._replace(id=id, ih=ih, iw=iw, od=od, oh=oh, ow=ow, pd=pd, ph=ph, pw=pw))


def cost(some):
    """Multiply-adds in whose time these are summed."""
    return sum(CALL * c.geometry.groups + c.geometry.macs for c in some)


def part(axis, outputs):
    """What outputs see of an axis: (outputs, inputs, zeros before)."""
    size, _, taps, stride, dilation, before = axis
    start = outputs.start * stride - before
    end = (outputs.stop - 1) * stride - before + (taps - 1) * dilation + 1
    return outputs, slice(min(max(start, 0), size), max(min(end, size), 0)), max(-start, 0)


def together(g, some):
    """The corners of a geometry; four of one output each as one convolution, whose stride leads from end to end.

    The weights are then read once, not four times: 64 to 64 channels take 19 us instead of 45 (2026-11-28).
    """
    single = all(c.geometry.od == c.geometry.oh == c.geometry.ow == 1 for c in some)
    if len(some) != 4 or not single or g.od > 1 or min(g.oh, g.ow) < 2:  # of one row, edges are single outputs too
        return some
    far = g._replace(oh=2, ow=2, sh=g.sh * (g.oh - 1), sw=g.sw * (g.ow - 1))
    everywhere = slice(0, g.id), slice(0, g.ih), slice(0, g.iw)
    return (Corner((slice(0, 1), slice(0, g.oh, g.oh - 1), slice(0, g.ow, g.ow - 1)), everywhere, far),)
