"""Gradients of maxima with channels last, which go to the taps of their windows: those are learned from the indices."""

import numpy as np
import pytest

import fastconv
import reference
from tests import data
from tests.layouts import channels_last

# few are not worth vectors; of more, some are whole ones
CHANNELS = (1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 70)


def gradient(g, indices, shape):
    """With channels last, of arrays laid out so, which a call like an earlier one takes as they lie."""
    return fastconv.grad.max_pool2d(channels_last(g, 1), channels_last(indices, 1), shape)


def drawn(key, shape, outputs, taps, stride):
    """Indices at some taps of each window, counted from its place in a map of `shape`, as far as that has them."""
    rng = data.generator(key, shape)
    n, c, h, w = shape
    y, x = np.meshgrid(np.arange(outputs[0]) * stride, np.arange(outputs[1]) * stride, indexing="ij")
    tap = np.array(taps)[rng.integers(len(taps), size=(n, c, *outputs))]
    return np.minimum(y + tap[..., 0], h - 1) * w + np.minimum(x + tap[..., 1], w - 1)


def check(shape, indices, dtype, key):
    g = data.integers(indices.shape, dtype, key)
    expected = reference.gradients.max_pool(g, indices, shape, rank=2)
    data.assert_identical(gradient(g, indices, shape), expected)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_every_width(kernel, stride, dtype, cpu_level):
    """Of vectors and what is left of them; 3 x 3 taps are more than are taken together."""
    outputs = 5, 6
    taps = [(i, j) for i in range(kernel) for j in range(kernel)]
    for channels in CHANNELS:
        shape = (2, channels, 5 * stride + kernel - 1, 6 * stride + 1)
        check(shape, drawn("every", shape, outputs, taps, stride), dtype, "flowing")


def test_taps_on_the_way(dtype, cpu_level):
    """Rows of windows that each have a tap more than those before, the last ones too many and far behind."""
    shape, outputs = (1, 51, 24, 12), (12, 6)
    indices = drawn("way", shape, outputs, [(0, 0)], 2)
    for row, more in ((2, (1, 1)), (4, (5, 3)), (7, (0, 1)), (10, (0, 2)), (11, (0, 3))):
        later = drawn(row, shape, outputs, [(0, 0), more], 2)
        indices[:, :, row:] = later[:, :, row:]
    check(shape, indices, dtype, "flowing")
    check(shape, indices[:, :, :10], dtype, "flowing")


def test_anywhere(dtype, cpu_level):
    """Indices that no pooling gives: all of a map, one place for all windows, from behind."""
    shape, outputs = (2, 53, 6, 7), (3, 4)
    anywhere = data.generator("anywhere").integers(0, 42, (2, 53, *outputs))
    check(shape, anywhere, dtype, "flowing")
    check(shape, np.full_like(anywhere, 41), dtype, "flowing")
    check(shape, np.broadcast_to(41 - np.arange(12).reshape(3, 4), anywhere.shape).copy(), dtype, "flowing")


@pytest.mark.parametrize("wrong", [42, -1, 2**32, 2**32 + 8, 2**31, -(2**63), 2**63 - 1])
def test_outside(wrong, dtype, cpu_level):
    """One index among many that are right is found, in a vector or behind it, also where its lower half is right."""
    shape = (1, 51, 6, 7)
    right = drawn("outside", shape, (3, 3), [(0, 0), (0, 1), (1, 0), (1, 1)], 2)
    g = data.integers(right.shape, dtype)
    gradient(g, right, shape)
    for c, y, x in ((0, 0, 0), (5, 0, 1), (18, 2, 2), (50, 2, 2), (3, 2, 0)):
        indices = right.copy()
        indices[0, c, y, x] = wrong
        with pytest.raises(ValueError, match="indices must be from 0 to 41"):
            gradient(g, indices, shape)


def test_one_sum_for_any_threads(dtype, cpu_level):
    """Channels are shared out among threads; sums that round keep the order of the windows, a NaN its place."""
    shape = (2, 150, 21, 22)
    taps = [(0, 0), (0, 1), (1, 0), (1, 1)]
    indices = drawn("threads", shape, (20, 21), taps, 1)
    g = data.normal(indices.shape, dtype)
    g[0, 40, 3, 3] = np.nan
    with fastconv.num_threads(1):
        expected = gradient(g, indices, shape)
    first = fastconv.grad.max_pool2d(g, indices, shape)
    assert np.isnan(expected).sum() == 1
    np.testing.assert_array_equal(expected, first)
    for threads in (2, 3):
        with fastconv.num_threads(threads):
            np.testing.assert_array_equal(gradient(g, indices, shape), expected)


def test_volumes_and_signals(dtype, cpu_level):
    x = data.integers((2, 49, 4, 5, 6), dtype)
    for rank, shape, kernel in ((3, x.shape, (1, 2, 2)), (3, x.shape, (2, 1, 2)), (1, (2, 49, 120), 3)):
        image = channels_last(x.reshape(shape), 1)
        y, indices = getattr(fastconv, f"max_pool{rank}d")(image, kernel, 1, return_indices=True)
        g = channels_last(data.integers(y.shape, dtype, "flowing"), 1)
        expected = reference.gradients.max_pool(g, indices, shape, rank=rank)
        data.assert_identical(getattr(fastconv.grad, f"max_pool{rank}d")(g, indices, shape), expected)
