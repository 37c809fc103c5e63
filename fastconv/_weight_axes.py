"""Which axes and taps a gradient of weights is summed over: fewer, where some are the same sum or none.

    taps that see nothing but padding     have gradients of zero: the others are a smaller kernel
    axes without taps side by side        are one, as they lie in memory
    d with taps, h without                change places: kernels share what they copy, and filter minimally, along h

A gradient that is left as it is takes none of this.
"""

from itertools import chain
from math import prod
from typing import NamedTuple

from fastconv import _memory
from fastconv._arrays import channels_first, channels_last, five, readable
from fastconv._corners import part
from fastconv._geometry import ConvGeometry
from fastconv._reach import cut, seen_taps
from fastconv._sights import seen_products

NOTHING = (1, 1, 1, 1, 1, 0)  # an axis of one element
# By layers of one image and eight, those of volumes and of small planes among them (Zen 4, AVX-512, 2026-11-29):
PUT = 8  # products in whose time a weight is put among the others
CALL = 200_000  # in whose time arrays of other axes are made: without, small strided 1x1 layers took 1.3 to 1.6 times
APART = 1.1  # times as long take axes that might be one
SHARED = 0.8  # of the time of products is left where taps share what is copied


class Axes(NamedTuple):
    """How the arrays of a gradient become those of another one."""

    geometry: ConvGeometry
    inputs: tuple  # slices along d, h, w,
    sizes: tuple  # and what becomes of these axes
    outputs: tuple
    is_swapped: bool  # whether d and h have changed places then
    taps: tuple  # (first, end) along d, h, w
    is_cut: bool  # whether these are not all

    def read(self, x, rank, inputs, sizes):
        """`x` as an array of these axes; a copy where they do not lie side by side."""
        x, last = five(x, rank)[(..., *inputs)], self.geometry.last
        shape = (x.shape[0], *sizes, x.shape[1]) if last else (*x.shape[:2], *sizes)
        x = _memory.made_by((channels_last(x, 3) if last else x).reshape, shape)
        x = readable(channels_first(x, 3) if last else x, 3, x.dtype, last)
        return x.swapaxes(2, 3) if self.is_swapped else x

    def run(self, run, put, rank, x, g, result, threads):
        """The gradient of the weights, into `result`, by a kernel and what puts the taps of it among others."""
        t = self.geometry
        x, g = self.read(x, rank, self.inputs, self.sizes), self.read(g, rank, (), self.outputs)
        shape = t.oc, t.ic // t.groups, t.kd, t.kh, t.kw
        seen = _memory.empty(shape, result.dtype) if self.is_cut else result.reshape(shape)
        run(tuple(t), x, g, seen, 0.0, threads)
        if self.is_cut:
            put(result, self.taps, seen.ravel(), threads)


def is_plain(axis):
    """Whether each output of an axis sees the one element beside it."""
    size, outputs, taps, stride, _, before = axis
    return taps == 1 and size == outputs and not before and (stride == 1 or size == 1)


def together(axes, whole):
    """Three axes, the outermost of one element: those of one are left out, and neighbours without taps are one.

    whole : whether all of an axis of the input is seen, so that it lies side by side with the one before it
    """
    left = []
    for axis, is_whole in zip(axes, whole, strict=True):
        if left and is_plain(axis) and is_whole and is_plain(left[-1]):
            left[-1] = (left[-1][0] * axis[0],) * 2 + NOTHING[2:]
        elif axis[:3] != NOTHING[:3]:
            left.append(axis)
    return [NOTHING] * (3 - len(left)) + left


def way(g, taps, is_swapped=False):
    """The gradient `g` of these taps, (first, end) along d, h, w."""
    axes, inputs, whole = [], [], []
    for axis, (first, end) in zip(g.axes, taps, strict=True):
        left = cut(axis, first, end)
        _, some, before = part(left, slice(0, axis[1]))
        size = some.stop - some.start
        axes.append((size, *left[1:5], before))
        inputs.append(some)
        whole.append(size == axis[0])
    is_point = prod(axis[2] for axis in axes) == 1  # whose kernel sees what lies side by side
    d, h, w = axes if is_point else together(axes, whole)
    sizes, outputs = (tuple(axis[i] for axis in (d, h, w)) for i in (0, 1))
    d, h = (h, d) if is_swapped else (d, h)
    geometry = ConvGeometry(g.ic, g.oc, g.groups, *chain(*zip(d, h, w, strict=True)), *g[-2:])
    is_cut = any(end - first < axis[2] for axis, (first, end) in zip(g.axes, taps, strict=True))
    return Axes(geometry, tuple(inputs), sizes, outputs, is_swapped, taps, is_cut)


def products(g):
    """Of an output channel with an input channel: along d planes of padding are passed over."""
    return seen_products(g.axes[0]) * g.oh * g.ow * g.kh * g.kw


def cost(axes, g, images):
    """Of a way to sum `g`, in products of an output channel with an input channel; as it is where `axes` is None."""
    summed = axes.geometry if axes else g
    time = images * products(summed) * (1 if summed.kd > 1 else SHARED)
    if axes is None:
        return time * APART
    return time + CALL / (g.oc * g.ic // g.groups) + (PUT * g.kd * g.kh * g.kw if axes.is_cut else 0)


def swappable_taps(axes):
    """Taps along d and h, which may change places."""
    return axes.geometry.kd, axes.geometry.kh


def lesser(g, images):
    """How to sum the gradient `g`, a forward ConvGeometry, over other axes or fewer taps; None if as it is."""
    if not g.oc * g.ic:
        return None
    whole, seen = tuple((0, axis[2]) for axis in g.axes), tuple(map(seen_taps, g.axes))
    ways = [way(g, taps) for taps in (whole, *[seen] * (seen != whole)) if all(end for _, end in taps)]
    if g.id * g.kd > 1:
        ways += [way(g, some.taps, True) for some in ways if min(swappable_taps(some)) == 1 < max(swappable_taps(some))]
    ways = [None, *(some for some in ways if some.geometry[6:12] != g[6:12])]  # of other outputs or taps
    return min(ways, key=lambda some: cost(some, g, images))
