"""Places of maxima where windows share no vectors: of few channels, last, of columns first, and of turned signals."""

import numpy as np
import pytest

import fastconv
import reference
from tests import data
from tests.layouts import channels_last

CHANNELS = (2, 3, 5, 7, 8, 12, 15)  # less than a vector, at some level
KINDS = ("float32", "float64", "int32", "int64")


def same(result, expected):
    for a, b in zip(result, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def adaptive(x, size):
    return reference.adaptive_max_pool(x, size, return_indices=True)


@pytest.mark.parametrize("kind", KINDS)
def test_few_channels_last(kind, cpu_level):
    """Vectors reach into later pixels, but not beyond the image; many elements are equal."""
    for channels in CHANNELS:
        x = data.integers((2, channels, 9, 11), kind, "few", 2)
        result = fastconv.adaptive_max_pool2d(channels_last(x, 1), (4, 5), return_indices=True)
        same(result, adaptive(x, (4, 5)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(5, 6), (1, 3), (12, 1), (4, 37)], ids=str)
def test_columns_first(size, kind, cpu_level):
    """The largest of each column, then of these; of equals in other rows and columns the first counts."""
    x = data.integers((1, 3, 12, 37), kind, "columns", 2)
    same(fastconv.adaptive_max_pool2d(x, size, return_indices=True), adaptive(x, size))
    upside_down = x[:, :, ::-1, :]
    same(fastconv.adaptive_max_pool2d(upside_down, size, return_indices=True), adaptive(upside_down, size))


@pytest.mark.parametrize("kind", KINDS)
def test_columns_of_short_rows(kind, cpu_level):
    """Vectors reach into the next row, those of the last rows are no vectors; upside down it lies before the image."""
    for width in (3, 7, 13):
        x = data.integers((2, 3, 5, 9, width), kind, "short", 2)
        for image in (x, x[..., ::-1, :], x[:, :, ::-1]):
            same(fastconv.adaptive_max_pool3d(image, (2, 4, 3), return_indices=True), adaptive(image, (2, 4, 3)))
        expected = reference.max_pool(x, (3, 4, 3), 2, (1, 2, 1), return_indices=True)
        same(fastconv.max_pool3d(x, (3, 4, 3), 2, (1, 2, 1), return_indices=True), expected)


@pytest.mark.parametrize("last", [False, True])
def test_a_nan_anywhere(last, dtype, cpu_level):
    """In any column, and a second one after it, above or below; the first in the order of places counts."""
    clean = data.normal((1, 5, 8, 35), dtype)
    for column in range(34):
        for rows in ((1, 5), (5, 1), (3, 3)):
            x = clean.copy()
            x[0, column % 5, rows[0], column] = np.nan
            x[0, column % 5, rows[1], column + 1] = np.nan
            x[0, column % 5, 7, 0] = np.inf
            image = channels_last(x, 1) if last else x
            same(fastconv.adaptive_max_pool2d(image, (2, 3), return_indices=True), adaptive(x, (2, 3)))


def test_negative_zero_is_no_larger(cpu_level):
    """Nor smaller: the first of both counts, with its sign."""
    x = np.full((1, 1, 4, 40), -1.0, np.float32)
    x[0, 0, 2, 3], x[0, 0, 1, 4] = 0.0, -0.0
    values, places = fastconv.adaptive_max_pool2d(x, (1, 2), return_indices=True)
    assert places[0, 0, 0, 0] == 44
    assert np.signbit(values[0, 0, 0, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_volumes(kind, cpu_level):
    x = data.integers((2, 3, 5, 6, 33), kind, "volumes", 2)
    for image in (x, channels_last(x, 1)):
        result = fastconv.adaptive_max_pool3d(image, (2, 4, 7), return_indices=True)
        same(result, adaptive(x, (2, 4, 7)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(13, 13, 5), (9, 8, 0), (7, 11, 3)])
def test_signals_far_apart(kernel, stride, padding, kind, cpu_level):
    """Of many channels they are turned, where no table picks what is a stride apart."""
    x = data.integers((2, 40, 101), kind, "signals", 2)
    expected = reference.max_pool(x, kernel, stride, padding, return_indices=True)
    same(fastconv.max_pool1d(x, kernel, stride, padding, return_indices=True), expected)


def test_dilated_pixels_of_few_channels(dtype, cpu_level):
    """The first of images in memory is read to its end and not beyond: what follows the last is not its own."""
    x = data.integers((3, 12, 26, 25), dtype, "dilated", 2)
    expected = reference.max_pool(x, 13, 13, 0, 2, return_indices=True)
    same(fastconv.max_pool2d(channels_last(x, 1), 13, 13, 0, 2, return_indices=True), expected)
