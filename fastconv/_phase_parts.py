"""The convolutions of stride 1 that a transposed convolution comes down to: phases with as many taps share one.

channels-first    output channels count (oc, phase): the weights turned as they lie, phases a plane apart; or as
                  channels-last, where Winograd's method reads the weights in place (`reads_phases`)
channels-last     output channels count (phase, oc): the channels of an output pixel are neighbours
"""

from functools import partial
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from fastconv import _cpu
from fastconv._arrays import KINDS, LAST
from fastconv._geometry import ConvGeometry
from fastconv._packing import Packing, packing_of
from fastconv._phase_corners import corners
from fastconv._phase_cost import convolution_cost, method_of, reads_phases
from fastconv._transpose_geometry import axis_phases, classes


class Part(NamedTuple):
    """Some outputs of some phases: one convolution."""

    run: object  # kernel(geometry, x, weight, bias, out, lo, hi, threads[, packed])
    geometry: tuple  # a ConvGeometry as kernels take it
    packing: Packing | None
    weight: int  # which of `PhasesPlan.weights`
    source: tuple  # how to index the input
    phases: int
    elements: int  # of the result, for one image
    apart: bool  # its channels are (phase, oc), else (oc, phase)

    @property
    def shape(self):
        """(oc, d, h, w) of the result."""
        return self.geometry[1], *self.geometry[6:9]

    @property
    def convolution(self):
        return ConvGeometry(*self.geometry)


class Planner(NamedTuple):
    """What all parts of a plan have in common."""

    g: object  # Transposed
    dtype: np.dtype
    order: int

    def convolution(self, phases, sights):
        """The convolution of stride 1 that computes so many phases of what is seen along each axis."""
        names = ("size", "outputs", "taps", "dilation", "before")
        size, outputs, taps, dilation, before = (tuple(getattr(s, name) for s in sights) for name in names)
        return ConvGeometry(
            self.g.ic, phases * self.g.oc, self.g.groups, *size, *outputs, *taps, 1, 1, 1, *dilation, *before,
            self.dtype.itemsize, self.order,
        )  # fmt: skip

    def sights(self, some, ranges):
        """What windows `ranges` of the classes `some`, one of each per axis, see; None if that is nothing."""
        sights = [a.sight(*r, size) for a, r, size in zip(some, ranges, self.g.size, strict=True)]
        return None if None in sights or self.g.ic == 0 else sights

    def convolutions(self, ways):
        """All convolutions of classes along each axis, whole, each with how many phases it computes."""
        for some in product(*ways):
            sights = self.sights(some, [(0, a.count) for a in some])
            if sights:
                yield self.convolution(phases_of(some), sights), phases_of(some)

    def cost(self, ways):
        return sum(convolution_cost(*c) for c in self.convolutions(ways))

    def ways(self):
        """The classes of phases along each axis, those whose convolutions cost least."""
        axes = [axis_phases(*axis) for axis in zip(*self.g[3:], strict=True)]
        if self.order == LAST and self.g.groups > 1:  # the channels of several groups would not lie together
            return [classes(phases, lambda a: a.first) for phases in axes]
        ways = ([classes(phases, by) for phases in axes] for by in (lambda a: (a.taps, a.shift), lambda a: a.taps))
        return min(ways, key=self.cost)

    def part(self, some, box, weight, lie=None):
        """The convolution of the classes `some` over a box, of weights that `lie` so; None if it has no product."""
        sights = self.sights(some, box)
        if sights is None:
            return None
        geometry = self.convolution(phases_of(some), sights)
        phases, kind = phases_of(some), KINDS[self.dtype]
        kernel = _cpu.kernel(method_of(geometry, phases).kernel(geometry))
        packing = packing_of(kernel, geometry, kind)
        run = kernel.conv[kind]
        if lie is not None:
            run, packing = partial(run, swapped=lie), packing.of_swapped(lie)
        elements = geometry.oc * geometry.od * geometry.oh * geometry.ow
        source = (..., *(s.inputs for s in sights))
        apart = self.order == LAST or lie is not None
        return Part(run, tuple(geometry), packing, weight, source, phases, elements, apart)

    def takes_as_they_lie(self, some, found):
        """Whether the convolutions of the classes `some` over all boxes `found` do so with the weights."""
        sights = filter(None, (self.sights(some, box) for box in found))
        return all(reads_phases(self.g, self.convolution(phases_of(some), s), phases_of(some)) for s in sights)

    def corners(self, some, box, part):
        """The outputs in corners of a part, `Corners` if there are any."""
        found = method_of(part.convolution, part.phases).corners(part.convolution)
        return [corners(self.g, some, box, part, [corner.outputs for corner in found])] if found else []


def phases_of(some):
    """How many phases the classes `some`, one of each axis, have together."""
    return prod(len(a.phases) for a in some)


def tap_ranges(some):
    """((start, step, count) per axis) of the taps of every phase of the classes `some`."""
    return tuple(tuple((a.tap, a.step, a.taps) for a in phases) for phases in product(*(a.phases for a in some)))


def lying(g, ranges):
    """How phases that take such ranges of taps see the kernel of the `Transposed` g: `swapped` of `winograd.conv`."""
    lines = g.kernel[1] * g.kernel[2], g.kernel[2], 1
    steps = [step * line for (_, step, _), line in zip(ranges[0], lines, strict=True)]
    last = [[start + (count - 1) * step for start, step, count in some] for some in ranges]
    firsts = [sum((k - 1 - tap) * line for k, tap, line in zip(g.kernel, taps, lines, strict=True)) for taps in last]
    return np.array([prod(g.kernel), *steps, *firsts], np.intp)
