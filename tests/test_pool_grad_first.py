"""Gradients of maxima and unpooling, channels-first: windows of 2 x 2 next to each other are supposed where sizes allow
it, which the indices show; those of others count all the same."""

import numpy as np
import pytest

import fastconv
import reference
from tests import data

WIDTHS = (*range(1, 5), *range(11, 18), 23, 24, 25, 31, 32, 33, 40, 57)  # windows of a row, around widths of vectors
WINDOWS = ((2, 0, 0), (2, 0, 1), (3, 1, 0))  # kernel, padding, columns of no window

over_windows = pytest.mark.parametrize(("kernel", "padding", "more"), WINDOWS)


def drawn(key, planes, outputs, kernel, padding, size):
    """Indices at any taps of windows two apart, inside planes of `size`."""
    rng = data.generator(key, outputs)
    y, x = np.meshgrid(*(np.arange(n) * 2 - padding for n in outputs), indexing="ij")
    at = [
        np.clip(start + rng.integers(kernel, size=(1, planes, *outputs)), np.maximum(start, 0), extent - 1)
        for start, extent in ((y, size[0]), (x, size[1]))
    ]
    return at[0] * size[1] + at[1]


def check(g, indices, size):
    shape = (*g.shape[:2], *size)
    expected = reference.gradients.max_pool(g, indices, shape, rank=2)
    data.assert_identical(fastconv.grad.max_pool2d(g, indices, shape), expected)


@over_windows
def test_every_width(kernel, padding, more, dtype, cpu_level):
    for width in WIDTHS:
        for below in (0, more, more + 3):
            outputs, size = (4, width), (8 + below, 2 * width + more)
            indices = drawn("width", 2, outputs, kernel, padding, size)
            check(data.integers(indices.shape, dtype, "flowing"), indices, size)


@pytest.mark.parametrize("kind", ["float32", "float64", "int32"])
def test_unpooling(kind, cpu_level):
    """Zeros keep their sign, as they are put and not added."""
    for width in WIDTHS:
        for more in (0, 1):
            outputs, size = (4, width), (8 + more, 2 * width + more)
            indices = drawn("unpooling", 3, outputs, 2, 0, size)
            x = data.integers(indices.shape, kind, "flowing")
            x[0, 0, 3, 0] = -0.0
            result = fastconv.max_unpool2d(x, indices, 2, output_size=size)
            expected = np.zeros((1, 3, size[0] * size[1]), kind)
            np.put_along_axis(expected, indices.reshape(1, 3, -1), x.reshape(1, 3, -1), -1)
            data.assert_identical(result, expected.reshape(result.shape))
            assert np.signbit(result[0, 0].take(indices[0, 0, 3, 0])) == np.signbit(x[0, 0, 3, 0])


@over_windows
def test_an_index_elsewhere(kernel, padding, more, dtype, cpu_level):
    """One row or column beside its window, at each edge and between, or far away."""
    outputs, size = (5, 25), (11, 50 + more)
    right = drawn("elsewhere", 3, outputs, kernel, padding, size)
    g = data.integers(right.shape, dtype, "flowing")
    for y, x in ((0, 0), (0, 24), (2, 0), (2, 7), (2, 8), (2, 17), (2, 24), (4, 0), (4, 11), (4, 24)):
        first = 2 * y * size[1] + 2 * x
        for step in (-1, 2, size[1] - 1, size[1] + 2, -size[1], 2 * size[1], 150):
            if 0 <= first + step < size[0] * size[1]:
                indices = right.copy()
                indices[0, 1, y, x] = first + step
                check(g, indices, size)


@over_windows
@pytest.mark.parametrize("wrong", [-1, 2**32, 2**32 + 54, 2**33 + 54, 2**31, -(2**63), 2**63 - 1])
def test_outside(kernel, padding, more, wrong, dtype, cpu_level):
    """One index among many that are right is found, also where its lower half is right."""
    outputs, size = (5, 25), (10 + more, 50 + more)
    right = drawn("outside", 2, outputs, kernel, padding, size)
    g = data.integers(right.shape, dtype, "flowing")
    for y, x in ((0, 0), (0, 2), (0, 24), (1, 1), (2, 9), (4, 24)):
        indices = right.copy()
        indices[0, 1, y, x] = wrong
        with pytest.raises(ValueError, match="indices must be from 0 to"):
            fastconv.grad.max_pool2d(g, indices, (1, 2, *size))


@over_windows
def test_the_same_for_any_threads(kernel, padding, more, dtype, cpu_level):
    """Whatever way planes before them went, elements are sums in the order of the windows; sums of zeros have no sign,
    and a NaN stays where it belongs."""
    outputs, size = (9, 29), (18 + more, 58 + more)
    indices = drawn("threads", 7, outputs, kernel, padding, size)
    indices[0, 4, 0, 0] = 60  # this plane and those after it go another way
    g = data.normal(indices.shape, dtype)
    g[0, 2] = g[0, 5] = -0.0
    g[0, 3, 3, 3] = np.nan
    expected = np.zeros((7, size[0] * size[1]), dtype)
    for plane in range(7):
        np.add.at(expected[plane], indices[0, plane].ravel(), g[0, plane].ravel())
    assert np.isnan(expected).sum() == 1
    for threads in (1, 2, 3):
        with fastconv.num_threads(threads):
            result = fastconv.grad.max_pool2d(g, indices, (1, 7, *size))
        data.assert_identical(result, expected.reshape(result.shape))
        assert not np.signbit(result[result == 0]).any()
