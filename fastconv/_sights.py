"""Which outputs the taps along an axis find inside the input; an axis is one of `ConvGeometry.axes`.

And what a direct sum is left with where its pixels are sorted by that.
"""

from math import prod

from fastconv._depthwise import CHAIN

SORTED = 160  # products of a sum from which on pixels may be sorted by what they see: `_kernels/shape.pxd`,
KINDS = 64  # into fewer kinds than these: `_kernels/sights.pxd`

# Pixels whose products take as long as to turn a weight where pixels are sorted: channels-last, 3x3 to 7x7 on maps of
# 2x2 to 7x7 took up to 2.8 times as long without it (Zen 4, AVX-512, 2026-11-29)
TURNED = 16


def views(axis):
    """Of each tap along an axis, which outputs it finds inside the input: [first, end)."""
    size, outputs, taps, stride, dilation, before = axis
    for start in range(-before, taps * dilation - before, dilation):
        first, end = -(start // stride), -((start - size) // stride)
        yield min(max(first, 0), outputs), min(max(end, 0), outputs)


def seen_products(axis):
    """Of all taps of an axis with the outputs that find them inside the input."""
    return sum(max(end - first, 0) for first, end in views(axis))


def whole_along(axis):
    """How many outputs see all of their taps."""
    seen = tuple(views(axis))
    return max(seen[-1][1] - seen[0][0], 0)


def seen_along(axis):
    """The share of its taps that an output sees in the mean."""
    return seen_products(axis) / (axis[1] * axis[2])


def kinds_along(axis):
    """How many runs of outputs see the same taps."""
    return 1 + len({bound for view in views(axis) for bound in view} - {0, axis[1]})


def is_long(g):
    """Whether a sum has so many products that its order may depend on the map."""
    return g.ic // g.groups * g.kd * g.kh * g.kw >= SORTED


def products(g):
    """Multiply-adds of channels-first memory, at least one, without those of padding where no output sees all taps.

    Pixels are sorted by what they see, if need be not by planes: `_kernels/sights.pxd`.
    """
    beyond = any((taps - 1) * dilation >= size for size, _, taps, _, dilation, _ in g.axes)
    if not beyond or g.kd * g.kh * g.kw > CHAIN or not is_long(g):
        return g.macs
    kinds = [kinds_along(axis) for axis in g.axes]
    if kinds[1] * kinds[2] >= KINDS:
        return g.macs
    return max(g.macs * prod(map(seen_along, g.axes if prod(kinds) < KINDS else g.axes[1:])), 1)


def turned_products(g):
    """`products` and the weights that are turned where pixels are sorted, in as many products."""
    seen = products(g)
    turned = TURNED * g.macs / max(g.od * g.oh * g.ow, 1) if seen < g.macs else 0
    return min(seen + turned, g.macs)
