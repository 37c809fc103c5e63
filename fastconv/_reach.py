"""What outputs see of a map, and by which taps: a kernel that reaches far beyond a small one is a smaller kernel.

    7 outputs, 11 taps three apart, padded by 15        . . . . . 0 1 2 3 4 5 6 . . . . .     the image, every third
    the first output's taps, of which three see it      0     1     2     3     4     5       place of which is drawn
    the last one's                                      ...                                   by its number

Along an axis of size i, o outputs, stride s, dilation d and p zeros before, tap t of output x sees element
x * s + t * d - p. The taps before the first one that the last output finds inside the image, and those after the last
one that the first output does, meet nothing but padding, whatever the output. Without them fewer products are left, and
a smaller kernel, by whose geometry a method is chosen. A product with padding is zero, or NaN where the weight is
infinite or NaN: `_kernels/seen_taps.pyx` looks at the weights of these taps once.

Elements that no tap sees, between those that do, are left out along d and h, and channels-last along w, where a step
from pixel to pixel costs nothing: with f = gcd(s, d), or s under one tap, and r = -p mod f, outputs see x[r::f] alone,
at stride s / f and dilation d / f. Kernels of one tap in all pass over them as they are. Short sums do so on any map,
since what is left tells the kernel that takes them.
"""

from itertools import chain
from math import gcd, prod
from typing import NamedTuple

from fastconv._corners import part
from fastconv._direct import fits_few
from fastconv._geometry import ConvGeometry
from fastconv._sights import is_long

# Products in half the time in which a weight is read, and a row of those that are seen copied (Zen 4, AVX-512,
# 2026-11-29): batches share that, and prepared weights save it
READING = 2
ROW = 32
# Elements of an image from which a view of those between others repays its making, a microsecond: up to 12544 it took
# 1.0 to 1.6 times as long as none, from 25088 on 0.6 to 1.2 times (3x3 of 4 to 256 channels; Zen 4, AVX-512,
# 2026-11-29), under single taps at 27700 1.15 times
LEAST_THINNED = 30_000
FAR = 2**32  # taps apart whose distance in bytes, times channels and taps, may not fit 64 bits


class Reach(NamedTuple):
    """What is left of a convolution."""

    geometry: ConvGeometry
    inputs: tuple  # slices along d, h, w
    taps: tuple  # (first, end) along d, h, w
    is_cut: bool  # whether these are not all


def seen_taps(axis):
    """(first, end) of the taps of an axis of `ConvGeometry.axes` that some output may see; (0, 0) if there is none."""
    size, outputs, taps, stride, dilation, before = axis
    first = max(-(((outputs - 1) * stride - before) // dilation), 0)
    end = min(-(-(size + before) // dilation), taps)
    return (first, end) if first < end else (0, 0)


def leaves_out(g, taps):
    """Whether to sum by these taps alone: enough are left out, and not all, and sums are long.

    Shorter ones have one order on any map, pieces of an image included.
    """
    counts = [end - first for first, end in taps]
    each, left = g.kd * g.kh * g.kw, prod(counts)
    cost = READING * each + ROW * counts[0] * counts[1]
    return left and is_long(g) and g.od * g.oh * g.ow * (each - left) >= cost


def cut(axis, first, end):
    """An axis whose taps are [first, end)."""
    size, outputs, _, stride, dilation, before = axis
    return size, outputs, end - first, stride, dilation if end - first > 1 else 1, before - first * dilation


def thinned(axis, inputs):
    """An axis and the slice of what its outputs see, without the elements that stride and dilation both pass over."""
    size, outputs, taps, stride, dilation, before = axis
    every = gcd(stride, dilation) if taps > 1 else stride
    start = -before % every
    size = -(-max(size - start, 0) // every)
    axis = size, outputs, taps, stride // every, max(dilation // every, 1), -(-before // every)
    return axis, slice(inputs.start + start, inputs.stop, every)


def thins_rows(g):
    """Whether a step from pixel to pixel costs nothing: not where few outputs have taps side by side in one run."""
    return g.last and not (g.groups == 1 < g.kw and fits_few(g))


def reach(g):
    """The convolution of what is seen, by the taps that see it; None where these are all."""
    whole, seen = tuple((0, axis[2]) for axis in g.axes), tuple(map(seen_taps, g.axes))
    taps = seen if leaves_out(g, seen) else whole
    if max(g.dd, g.dh, g.dw) >= FAR:  # at least one tap, which may see nothing
        far = ((first, max(end, first + 1)) for first, end in seen)
        taps = tuple(f if axis[4] >= FAR else t for axis, f, t in zip(g.axes, far, taps, strict=True))
    each = g.kd * g.kh * g.kw
    repays = each > 1 and (not is_long(g) or g.ic * g.id * g.ih * g.iw >= LEAST_THINNED)
    axes, inputs = [], []
    for axis, (first, end), thin in zip(g.axes, taps, (repays, repays, repays and thins_rows(g)), strict=True):
        _, seen, before = part(cut(axis, first, end), slice(0, axis[1]))
        axis = seen.stop - seen.start, *cut(axis, first, end)[1:5], before
        axis, seen = thinned(axis, seen) if thin else (axis, seen)
        axes.append(axis)
        inputs.append(seen)
    if taps == whole and all(seen.step is None or seen.step == 1 for seen in inputs):
        return None
    fields = zip(*axes, strict=True)
    return Reach(ConvGeometry(g.ic, g.oc, g.groups, *chain(*fields), *g[-2:]), tuple(inputs), taps, taps != whole)
