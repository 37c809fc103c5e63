"""Gradients of means under windows two columns apart, which have their own way, on maps around vector widths."""

import numpy as np
import pytest

import fastconv
import reference
from tests import data
from tests.tolerance import assert_within

WIDTHS = (3, 4, 5, 7, 8, 9, 14, 15, 16, 17, 23, 31, 32, 33, 40, 47, 56, 57)

over_windows = pytest.mark.parametrize(
    ("kernel", "padding"), [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2), ((1, 3), (0, 1)), ((5, 2), (2, 0))], ids=str
)


def shape_of_means(shape, **window):
    return reference.avg_pool(np.zeros(shape), **window).shape


@over_windows
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_every_width(kernel, padding, ceil_mode, dtype, cpu_level):
    """With divisor 1 exact on integers."""
    for width in WIDTHS:
        shape = (1, 2, 6 + width % 2, width)
        window = {"kernel_size": kernel, "stride": 2, "padding": padding, "ceil_mode": ceil_mode, "divisor_override": 1}
        g = data.integers(shape_of_means(shape, **window), dtype, "flowing")
        expected = reference.gradients.avg_pool(g, shape, **window)
        data.assert_identical(fastconv.grad.avg_pool2d(g, shape, **window), expected)


@over_windows
@pytest.mark.parametrize("width", [9, 32, 57])
def test_shares_that_differ(kernel, padding, width, dtype, cpu_level):
    """Each element has its window's divisor, and a NaN goes to its window alone."""
    shape = (1, 2, 7, width)
    window = {"kernel_size": kernel, "stride": 2, "padding": padding, "count_include_pad": False}
    g = data.integers(shape_of_means(shape, **window), dtype, "flowing")
    for place in (0, -1):
        g[0, 0, place, place] = np.nan
    exact = reference.gradients.avg_pool(g, shape, dtype=reference.wide(dtype), **window)
    size = reference.gradients.avg_pool(np.abs(g), shape, dtype=reference.wide(dtype), **window)
    result = fastconv.grad.avg_pool2d(g, shape, **window)
    touched = np.isnan(exact)
    assert touched.any()
    assert not touched.all()
    np.testing.assert_array_equal(np.isnan(result), touched)
    assert_within(*(np.where(touched, 0, a) for a in (result, exact, size)), "direct")


@pytest.mark.parametrize(("kernel", "padding"), [(2, 0), (3, 1)])
def test_threads_and_batches_agree(kernel, padding, dtype, cpu_level):
    """Threads meet within planes; what a vector writes beyond its row is no other thread's."""
    shape = (3, 31, 23, 57)
    window = {"kernel_size": kernel, "stride": 2, "padding": padding}
    g = data.generator(shape).standard_normal(shape_of_means(shape, **window)).astype(dtype)
    with fastconv.num_threads(1):
        expected = fastconv.grad.avg_pool2d(g, shape, **window)
        alone = fastconv.grad.avg_pool2d(g[1:2], (1, *shape[1:]), **window)
    np.testing.assert_array_equal(alone, expected[1:2])
    for threads in (2, 3):
        with fastconv.num_threads(threads):
            np.testing.assert_array_equal(fastconv.grad.avg_pool2d(g, shape, **window), expected)


def test_depths(dtype, cpu_level):
    """Each depth of a volume by rows of its own depth of outputs, or by none."""
    shape = (2, 3, 7, 6, 33)
    window = {"kernel_size": (2, 3, 3), "stride": (3, 2, 2), "padding": (0, 1, 1), "divisor_override": 1}
    g = data.integers(shape_of_means(shape, **window), dtype, "flowing")
    expected = reference.gradients.avg_pool(g, shape, **window)
    data.assert_identical(fastconv.grad.avg_pool3d(g, shape, **window), expected)
