"""Channels-last pixels of one vector, several windows of which are folded side by side, at every CPU level's width."""

import numpy as np
import pytest

import fastconv
import reference
from tests import data
from tests.layouts import channels_last

CHANNELS = (2, 4, 8, 16, 32, 64)  # one vector of some type at some level
WINDOWS = ((3, 2, 1), (2, 2, 0), (5, 3, 2), ((2, 1), 4, 0))

over_windows = pytest.mark.parametrize(("kernel", "stride", "padding"), WINDOWS, ids=str)


@over_windows
@pytest.mark.parametrize("kind", ["float32", "float64", "uint8", "int16", "int64"])
def test_maxima(kernel, stride, padding, kind, cpu_level):
    """Of rows of 3 to 15 windows, those at the edges apart."""
    for channels in CHANNELS:
        for width in (9, 19, 31):
            x = data.integers((1, channels, 7, width), key="beside")
            x = (x + 4 if kind == "uint8" else x).astype(kind)
            expected = reference.max_pool(x, kernel, stride, padding)
            data.assert_identical(fastconv.max_pool2d(channels_last(x, 1), kernel, stride, padding), expected)


@over_windows
def test_sums(kernel, stride, padding, dtype, cpu_level):
    for channels in CHANNELS:
        for width in (9, 31):
            x = data.integers((1, channels, 7, width), dtype, "beside")
            expected = reference.avg_pool(x, kernel, stride, padding, divisor_override=1)
            result = fastconv.avg_pool2d(channels_last(x, 1), kernel, stride, padding, divisor_override=1)
            data.assert_identical(result, expected)


def test_long_sums(dtype, cpu_level):
    """Sums of halves."""
    for channels in (4, 16):
        x = data.integers((1, channels, 17, 41), dtype, "beside")
        expected = reference.avg_pool(x, 14, 3, divisor_override=1)
        data.assert_identical(fastconv.avg_pool2d(channels_last(x, 1), 14, 3, divisor_override=1), expected)


def test_a_nan_anywhere(dtype, cpu_level):
    """In any column, those of nine windows among them that the last two steps of four have in common."""
    for channels in CHANNELS:
        clean = data.normal((1, channels, 3, 19), dtype)
        for column in range(19):
            x = clean.copy()
            x[0, column % channels, 1, column] = np.nan
            expected = reference.max_pool(x, 3, 2)
            assert np.isnan(expected).any()
            np.testing.assert_array_equal(fastconv.max_pool2d(channels_last(x, 1), 3, 2), expected)
