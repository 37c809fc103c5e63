"""Geometries drawn by hypothesis, as rows of `cases`: mostly at the edges of what kernels take for granted.

An axis is drawn as a whole, so that nearly every row is a geometry that exists: what windows do along it first, then
its size, most often one element or one of those around a vector's width, then padding for one window at least.
"""

from math import prod

from hypothesis import assume
from hypothesis import strategies as st

from tests.cases import Conv
from tests.pool_cases import Pool

# Of an axis, of channels, and the most outputs: SMALL for truths that are loops.
SMALL = {"sizes": (1, 1, 1, 2, 3, 4, 6, 9, 17), "channels": (1, 1, 2, 3, 5, 9), "most": 400}
LARGE = {"sizes": (1, 1, 2, 3, 7, 8, 15, 16, 33, 48, 70), "channels": (1, 1, 2, 4, 7, 16, 20, 33), "most": 50_000}

# Along an axis: (kernel, stride, dilation)
PIXEL = st.just((1, 1, 1))
NEIGHBOURS = st.tuples(st.sampled_from((2, 3, 3, 3, 5, 7)), st.sampled_from((1, 1, 2)), st.just(1))
STRIDE_BEYOND_KERNEL = st.tuples(st.integers(1, 3), st.integers(4, 6), st.just(1))
TAPS_APART = st.tuples(st.sampled_from((2, 3, 5)), st.integers(1, 3), st.sampled_from((2, 3, 7)))
LONG = st.tuples(st.integers(8, 12), st.integers(1, 2), st.just(1))
KINDS = (PIXEL, PIXEL, NEIGHBOURS, NEIGHBOURS, STRIDE_BEYOND_KERNEL, TAPS_APART, LONG)


def along_axes(draw, rank):
    """(kernel, stride, dilation) of each axis: half of the time all axes are of one kind."""
    kind = draw(st.none() | st.sampled_from(KINDS))
    return [draw(draw(st.sampled_from(KINDS)) if kind is None else kind) for _ in range(rank)]


def per_axis(items):
    return tuple(map(tuple, zip(*items, strict=True)))


def outputs(planes, size, padding, stride):
    """No fewer outputs than there are."""
    return planes * prod(1 + (s + sum(pair)) // step for s, pair, step in zip(size, padding, stride, strict=True))


@st.composite
def convolutions(draw, sizes, channels, most):
    """Rows `Conv` of any rank with at most so many outputs."""
    rank = draw(st.sampled_from((2, 2, 2, 1, 3)))
    kernel, stride, dilation = per_axis(along_axes(draw, rank))
    size = tuple(draw(st.sampled_from(sizes)) for _ in range(rank))
    padding = []
    for s, k, d in zip(size, kernel, dilation, strict=True):
        before, after = draw(st.sampled_from(((0, 0), (0, 0), (k // 2, k // 2), (k - 1, 0), (0, k + 1))))
        padding.append((before, after + max(d * (k - 1) + 1 - s - before - after, 0)))
    if draw(st.integers(0, 3)):
        groups, icg, ocg = (draw(st.sampled_from(values)) for values in ((1, 1, 2, 3), channels, channels))
    else:  # depthwise, of one output channel or more
        groups, icg, ocg = draw(st.sampled_from(channels)), 1, draw(st.sampled_from((1, 1, 2)))
    n = draw(st.sampled_from((1, 1, 2, 3)))
    assume(outputs(n * groups * ocg, size, padding, stride) <= most)
    shapes = (n, groups * icg, *size), (groups * ocg, icg, *kernel)
    return Conv("drawn", *shapes, stride, tuple(padding), dilation, groups, bias=draw(st.booleans()))


@st.composite
def poolings(draw, sizes, channels, most):
    """Rows `Pool` of any rank with at most so many outputs, whose windows all touch the image."""
    rank = draw(st.sampled_from((2, 2, 2, 1, 3)))
    kernel, stride, dilation = per_axis(along_axes(draw, rank))
    size = tuple(draw(st.sampled_from(sizes)) for _ in range(rank))
    padding = []
    for s, k, step, d in zip(size, kernel, stride, dilation, strict=True):
        before, after = draw(st.sampled_from(((0, 0), (0, 0), (k // 2, k // 2), (k - 1, 0), (0, k // 2))))
        short = max(d * (k - 1) + 1 - s - before - after, 0)
        before, after = before + short // 2, after + short - short // 2
        starts = range(-before, s + after - d * (k - 1), step)
        assume(all(any(0 <= start + tap * d < s for tap in range(k)) for start in starts))
        padding.append((before, after))
    shape = (draw(st.sampled_from((1, 1, 2))), draw(st.sampled_from(channels)), *size)
    assume(outputs(shape[0] * shape[1], size, padding, stride) <= most)
    return Pool("drawn", shape, kernel, stride, tuple(padding), dilation)
