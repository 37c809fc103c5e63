"""Where the phases that a box of convolutions gives lie, and where they go: what `_kernels/phases.pyx` reads.

A row of the result is made of elements of every phase along w, each a run of unit stride in a part's own result:

    parts     a a a a   b b b b   c c c        skip is 0, or 1 where a row of a box starts in the middle of a period
    row         a b c a b c a b c a b          `n` periods from column `at` on are woven; what is left goes one by one
"""

from itertools import chain, product
from typing import NamedTuple

import numpy as np

from fastconv._arrays import LAST

WEAVE_MOST = 9  # phases along w that `_kernels/weave.h` takes at once


class Rows(NamedTuple):
    """Outputs that differ along w only, as `Rows` of `_kernels/phases.pyx`: where they are in the result."""

    z0: int
    dz: int
    d: int
    y0: int
    dy: int
    h: int
    at: int  # column from which on the phases are woven
    n: int  # elements of each
    pieces: int


class Stretch(NamedTuple):
    """What a part has of one phase along such a row, as `Stretch` of `_kernels/phases.pyx`."""

    first: int
    width: int
    skip: int  # elements before the woven ones
    before: int  # elements of an image that the parts before have
    each: int  # that its part has
    start: int  # its first element there
    c: int
    d: int
    h: int
    w: int
    run: int  # phases that are neighbours, channels-last


def table(*arguments):
    """The items of each Rows and its Stretches in a row, and how many Rows there are; arguments are those of `rows`."""
    found = list(rows(*arguments))
    return np.array([item for some, pieces in found for part in (some, *pieces) for item in part], np.intp), len(found)


def rows(g, order, box, outer, columns, parts):
    """Every phase of the classes `outer` along d and h with the classes `columns` along w: (Rows, its Stretches)."""
    (depths, heights), stride = outer, g.stride
    for (z, depth), (y, height) in product(enumerate(depths.phases), enumerate(heights.phases)):
        lines = [a.outputs(phase, *r) for a, phase, r in zip(outer, (depth, height), box, strict=False)]
        pieces, before = [], 0
        for some, part in zip(columns, parts, strict=True):
            for x, phase in enumerate(some.phases if part else ()):
                spans = [*lines, some.outputs(phase, *box[2])]
                if all(j0 < j1 for j0, j1, _ in spans):
                    slot = (z * len(heights.phases) + y) * len(some.phases) + x
                    where = [u - u0 for (_, _, u), (u0, _) in zip(spans, box, strict=True)]
                    j0, j1, _ = spans[2]
                    at = place(part, slot, where, g.oc)
                    pieces.append(Stretch(phase.first + j0 * stride[2], j1 - j0, 0, before, part.elements, *at, 1))
            before += part.elements if part else 0
        if pieces:
            at, n, pieces = (merged if order == LAST else woven)(sorted(pieces), stride[2])
            places = zip((depth, height), lines, stride, strict=False)
            extents = chain.from_iterable((a.first + j0 * s, s, j1 - j0) for a, (j0, j1, _), s in places)
            yield Rows(*extents, at, n, len(pieces)), pieces


def place(part, slot, where, oc):
    """Where a part has window `where` of the first channel of phase `slot`, and its strides along c d h w."""
    channels, depth, height, width = part.shape
    if part.convolution.last == LAST:
        start, c, w = slot * oc, oc, channels
    else:
        plane = depth * height * width
        start, c, w = slot * plane, part.phases * plane, 1
        if part.apart:
            start, c = slot * oc * plane, plane
    d, h = height * width * w, width * w
    return start + where[0] * d + where[1] * h + where[2] * w, c, d, h, w


def woven(pieces, step):
    """(column, elements, pieces): from which column on, and so many elements of each, all phases of a row are there."""
    if len(pieces) < step or step > WEAVE_MOST:
        return 0, 0, pieces
    at = max(p.first for p in pieces) - step + 1
    skipped = [p._replace(skip=-(-max(at - p.first, 0) // step)) for p in pieces]
    n = min(p.width - p.skip for p in skipped)
    if at < 0 or n < 1:
        return 0, 0, pieces
    return at, n, sorted(skipped, key=lambda p: p.first + p.skip * step)


def merged(pieces, step):
    """Phases whose channels are neighbours both in the part and in the result, together."""
    found = []
    for p in pieces:
        last = found[-1] if found else p
        ahead = last._replace(first=last.first + last.run, start=last.start + last.run * last.c)
        if found and p._replace(run=last.run) == ahead:
            found[-1] = last._replace(run=last.run + 1)
        else:
            found.append(p)
    return 0, 0, [p._replace(c=1) for p in found]
