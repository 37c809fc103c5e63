"""Which outputs of a transposed convolution's parts lie in corners: what `_kernels/corners.pyx` reads.

Outputs that see too little of the input for a method that shares rounding errors (`_corners`) are boxes of a part's
windows. Of the phases that are its output channels some have a window as an output, others lie beyond the result:

    windows of a part    # . . .          phase of shift 0    # . .        an output
                         . . . .                              . . .
                         . . . .          phase of shift 1    nothing: its first window is the second one
"""

from itertools import product
from typing import NamedTuple

import numpy as np


class Corners(NamedTuple):
    """The corners of a part, as `corners.sum_corners` takes them."""

    weight: int  # which of `PhasesPlan.weights`
    phases: int
    geometry: tuple  # of the part, but that its input is all of it and its stride the one between outputs of a phase
    table: np.ndarray  # of each corner the items of `Corner` in `_kernels/corners.pyx`, then of its `Place`s
    count: int  # of corners


def corners(g, some, box, part, boxes):
    """The `boxes` of the outputs of a part, of the classes `some` over the windows `box`, in the `Transposed` g."""
    items = []
    for outputs in boxes:
        ranges = [(u0 + cut.start, u0 + cut.stop) for (u0, _), cut in zip(box, outputs, strict=True)]
        found = list(places(g, some, ranges))
        first = (u0 + a.shift - (a.taps - 1) * a.dilation for a, (u0, _) in zip(some, ranges, strict=True))
        items += [*first, *(u1 - u0 for u0, u1 in ranges), len(found), *(item for place in found for item in place)]
    (id, ih, iw), (sd, sh, sw) = g.size, g.stride
    geometry = part.convolution._replace(id=id, ih=ih, iw=iw, sd=sd, sh=sh, sw=sw)
    return Corners(part.weight, part.phases, tuple(geometry), np.array(items, np.intp), len(boxes))


def places(g, some, ranges):
    """Of each phase of the classes `some` that has outputs in windows `ranges`: which it is, the windows before these
    and how many along each axis, and where the first goes."""
    for slot, phases in enumerate(product(*(a.phases for a in some))):
        spans = [a.outputs(phase, *r) for a, phase, r in zip(some, phases, ranges, strict=True)]
        if all(j0 < j1 for j0, j1, _ in spans):
            skips = (u - u0 for (_, _, u), (u0, _) in zip(spans, ranges, strict=True))
            to = (p.first + j0 * s for p, (j0, _, _), s in zip(phases, spans, g.stride, strict=True))
            yield slot, *skips, *(j1 - j0 for j0, j1, _ in spans), *to
