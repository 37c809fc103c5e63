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


def axes(draw, sizes):
    """Size, kernel, stride, dilation and (before, after) of padding, each a tuple over 1 to 3 axes.

    Half of the time all axes are of one kind.
    """
    rank = draw(st.sampled_from((2, 2, 2, 1, 3)))
    common = draw(st.none() | st.sampled_from(KINDS))
    drawn = []
    for _ in range(rank):
        kernel, stride, dilation = draw(draw(st.sampled_from(KINDS)) if common is None else common)
        size, half = draw(st.sampled_from(sizes)), kernel // 2
        before, after = draw(st.sampled_from(((0, 0), (0, 0), (half, half), (kernel - 1, 0), (0, kernel + 1))))
        after += max(dilation * (kernel - 1) + 1 - size - before - after, 0)
        drawn.append((size, kernel, stride, dilation, (before, after)))
    return tuple(zip(*drawn, strict=True))


def outputs(size, stride, padding):
    """No fewer of a plane than there are."""
    return prod(1 + (s + sum(pair)) // step for s, step, pair in zip(size, stride, padding, strict=True))


@st.composite
def convolutions(draw, sizes, channels, most):
    """Rows `Conv` of any rank with at most so many outputs."""
    size, kernel, stride, dilation, padding = axes(draw, sizes)
    if draw(st.integers(0, 3)):
        groups, icg, ocg = (draw(st.sampled_from(values)) for values in ((1, 1, 2, 3), channels, channels))
    else:  # depthwise, of one output channel or more
        groups, icg, ocg = draw(st.sampled_from(channels)), 1, draw(st.sampled_from((1, 1, 2)))
    n = draw(st.sampled_from((1, 1, 2, 3)))
    assume(n * groups * ocg * outputs(size, stride, padding) <= most)
    shapes = (n, groups * icg, *size), (groups * ocg, icg, *kernel)
    return Conv("drawn", *shapes, stride, padding, dilation, groups, bias=draw(st.booleans()))


@st.composite
def poolings(draw, sizes, channels, most):
    """Rows `Pool` of any rank with at most so many outputs; padding is smaller than windows, which touch the image."""
    size, kernel, stride, dilation, padding = axes(draw, sizes)
    for s, k, step, d, (before, after) in zip(size, kernel, stride, dilation, padding, strict=True):
        last = d * (k - 1)
        assume(max(before, after) <= last)
        for start in range(-before, s + after - last, step):
            assume(any(0 <= start + tap * d < s for tap in range(k)))
    n, c = draw(st.sampled_from((1, 1, 2))), draw(st.sampled_from(channels))
    assume(n * c * outputs(size, stride, padding) <= most)
    return Pool("drawn", (n, c, *size), kernel, stride, padding, dilation)
