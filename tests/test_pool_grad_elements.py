"""Gradients of means with channels last: elements of a row as vectors where a pixel is no larger than one, whose lanes
are laid once for all columns that are alike, else vectors of one pixel's channels."""

from functools import cache

import numpy as np
import pytest

import fastconv
import reference
from tests import data
from tests.layouts import channels_last
from tests.tolerance import assert_within

CHANNELS = (*range(1, 9), 12, 15, 16, 17, 31, 33, 70)
WINDOWS = [(2, 2, 0), (3, 2, 1), (3, 3, 0), (5, 2, 2), (2, 3, 0), (4, 3, 1), (2, 1, 0), (3, 1, 1), (7, 5, 3)]

over_windows = pytest.mark.parametrize(("kernel", "stride", "padding"), WINDOWS)


def gradient(g, shape, **window):
    return getattr(fastconv.grad, f"avg_pool{len(shape) - 2}d")(channels_last(g, 1), shape, **window)


def shape_of_means(shape, **window):
    return reference.avg_pool(np.zeros(shape), **window).shape


@cache
def flowing(shape, kernel, stride, padding, ceil_mode):
    """Gradients of means and what comes of them, the same for all CPU levels and types: exact on integers."""
    g = data.integers(shape_of_means(shape, kernel_size=kernel, stride=stride, padding=padding, ceil_mode=ceil_mode))
    return g, reference.gradients.avg_pool(g, shape, kernel, stride, padding, ceil_mode, divisor_override=1)


def check(shape, dtype, kernel, stride, padding=0, ceil_mode=False):
    g, expected = flowing(shape, kernel, stride, padding, ceil_mode)
    window = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    data.assert_identical(gradient(g.astype(dtype), shape, divisor_override=1, **window), expected.astype(dtype))


@over_windows
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_every_number_of_channels(kernel, stride, padding, ceil_mode, dtype, cpu_level):
    """On rows of several periods and on rows of few columns, the last of which no window may touch."""
    for channels in CHANNELS:
        for width in (8, 39):
            check((1, channels, 7, width), dtype, kernel, stride, padding, ceil_mode)


@over_windows
def test_signals(kernel, stride, padding, dtype, cpu_level):
    """Of one row of outputs more terms are picked where they lie."""
    for channels in (1, 2, 3, 5, 16, 24):
        for length in (9, 150):
            check((2, channels, length), dtype, kernel, stride, padding)


@over_windows
def test_narrow_planes(kernel, stride, padding, dtype, cpu_level):
    """Whose rows of elements are shorter than a vector."""
    for channels, width in ((1, 7), (2, 7), (3, 5), (2, 4), (4, 3)):
        if kernel <= width + 2 * padding:
            check((3, channels, 9, width), dtype, kernel, stride, padding)


def test_volumes(dtype, cpu_level):
    for channels in (3, 16, 20):
        check((2, channels, 5, 6, 21), dtype, (2, 3, 3), (3, 2, 2), (0, 1, 1))
        check((1, channels, 5, 6, 21), dtype, (3, 2, 3), (1, 2, 3))


@over_windows
def test_shares_that_differ(kernel, stride, padding, dtype, cpu_level):
    """Each element has its window's divisor, and a NaN goes to the elements of its window and channel alone."""
    for channels in (1, 3, 7, 16, 19):
        shape = (1, channels, 9, 28)
        window = {"kernel_size": kernel, "stride": stride, "padding": padding, "count_include_pad": False}
        g = data.integers(shape_of_means(shape, **window), dtype, "flowing")
        g[0, 0, 0, 0] = g[0, -1, -1, -1] = np.nan
        exact = reference.gradients.avg_pool(g, shape, dtype=reference.wide(dtype), **window)
        size = reference.gradients.avg_pool(np.abs(g), shape, dtype=reference.wide(dtype), **window)
        result = gradient(g, shape, **window)
        touched = np.isnan(exact)
        assert touched.any()
        np.testing.assert_array_equal(np.isnan(result), touched)
        assert_within(*(np.where(touched, 0, a) for a in (result, exact, size)), "direct")


@over_windows
def test_threads_and_batches_agree(kernel, stride, padding, dtype, cpu_level):
    """Threads meet within images; what a vector writes beyond its row is no other thread's."""
    for channels in (3, 12, 20):
        shape = (3, channels, 23, 57)
        window = {"kernel_size": kernel, "stride": stride, "padding": padding}
        g = data.normal(shape_of_means(shape, **window), dtype)
        with fastconv.num_threads(1):
            expected = gradient(g, shape, **window)
            alone = gradient(g[1:2], (1, *shape[1:]), **window)
        np.testing.assert_array_equal(alone, expected[1:2])
        for threads in (2, 3):
            with fastconv.num_threads(threads):
                np.testing.assert_array_equal(gradient(g, shape, **window), expected)
