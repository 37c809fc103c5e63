"""Taps that no output sees: a kernel that reaches far beyond a small map is a smaller one.

    7 outputs, 11 taps three apart, padded by 15        . . . . . 0 1 2 3 4 5 6 . . . . .     the image, every third
    the first output's taps, of which three see it      0     1     2     3     4     5       place of which is drawn
    the last one's                                      ...                                   by its number

Along an axis of size i, o outputs, stride s, dilation d and p zeros before, tap t of output x sees element
x * s + t * d - p. The taps before the first one that the last output finds inside the image, and those after the last
one that the first output does, meet nothing but padding, whatever the output. Without them fewer products are left, and
a smaller kernel, by whose geometry a method is chosen. A product with padding is zero, or NaN where the weight is
infinite or NaN: `_kernels/seen_taps.pyx` looks at the weights of these taps once.
"""

from math import prod
from typing import NamedTuple

from fastconv._corners import part
from fastconv._geometry import ConvGeometry

LEAST_PRODUCTS = 160  # of a sum: shorter ones have one order on any map, pieces of an image included
# Products in half the time in which a weight is read, and a row of those that are seen copied (Zen 4, AVX-512,
# 2026-11-29): batches share that, and prepared weights save it
READING = 2
ROW = 32


class Reach(NamedTuple):
    """What is left of a convolution."""

    geometry: ConvGeometry
    inputs: tuple  # slices along d, h, w
    taps: tuple  # (first, end) along d, h, w


def seen_taps(axis):
    """(first, end) of the taps of an axis of `ConvGeometry.axes` that some output may see; (0, 0) if there is none."""
    size, outputs, taps, stride, dilation, before = axis
    first = max(-(((outputs - 1) * stride - before) // dilation), 0)
    end = min(-(-(size + before) // dilation), taps)
    return (first, end) if first < end else (0, 0)


def reach(g):
    """The convolution by the taps that some output sees; None where too few are left out, or all, or sums are short."""
    taps = tuple(map(seen_taps, g.axes))
    counts = [end - first for first, end in taps]
    each, left = g.kd * g.kh * g.kw, prod(counts)
    cost = READING * each + ROW * counts[0] * counts[1]
    if not left or g.ic // g.groups * each < LEAST_PRODUCTS or g.od * g.oh * g.ow * (each - left) < cost:
        return None
    axes = [
        (size, outputs, count, stride, dilation if count > 1 else 1, before - first * dilation)
        for (size, outputs, _, stride, dilation, before), (first, _), count in zip(g.axes, taps, counts, strict=True)
    ]
    parts = [part(axis, slice(0, axis[1])) for axis in axes]
    inputs = tuple(seen for _, seen, _ in parts)
    id, ih, iw = (seen.stop - seen.start for seen in inputs)
    kd, kh, kw = counts
    dd, dh, dw = (axis[4] for axis in axes)
    pd, ph, pw = (before for _, _, before in parts)
    smaller = g._replace(id=id, ih=ih, iw=iw, kd=kd, kh=kh, kw=kw, dd=dd, dh=dh, dw=dw, pd=pd, ph=ph, pw=pw)
    return Reach(smaller, inputs, taps)
