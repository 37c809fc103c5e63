"""Places of maxima channels-last: windows of a row one after the other, each by one to four vectors of channels."""

import numpy as np
import pytest

import fastconv
import reference
from tests import data
from tests.layouts import channels_last

CHANNELS = (16, 23, 33, 48, 63, 100)  # one to seven vectors, at some level, the last of which may overlap
WINDOWS = ((3, 2, 1, 1), (2, 2, 0, 1), (5, 3, 2, 1), ((2, 1), 4, 0, 1), ((1, 3), 1, 1, 2))

over_windows = pytest.mark.parametrize(("kernel", "stride", "padding", "dilation"), WINDOWS, ids=str)


def padded(kernel, padding):
    """No more padding than half of each extent."""
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    return min(padding, height // 2), min(padding, width // 2)


def check(x, kernel, stride, padding, dilation):
    settings = kernel, stride, padded(kernel, padding), dilation
    expected = reference.max_pool(x, *settings, return_indices=True)
    result = fastconv.max_pool2d(channels_last(x, 1), *settings, return_indices=True)
    for a, b in zip(result, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@over_windows
@pytest.mark.parametrize("kind", ["float32", "float64", "int32", "int64"])
def test_rows(kernel, stride, padding, dilation, kind, cpu_level):
    """Of few windows and more, those at the edges apart; many elements are equal, and some the lowest of all."""
    for channels in CHANNELS:
        for width in (5, 14):
            x = data.integers((1, channels, 7, width), kind, "channels", 2)
            x[x == -2] = -np.inf if x.dtype.kind == "f" else np.iinfo(kind).min
            check(x, kernel, stride, padding, dilation)


def test_a_nan_anywhere(dtype, cpu_level):
    """In any tap of any window and any vector of its channels; two of them, the first of which counts."""
    for channels in CHANNELS:
        clean = data.normal((1, channels, 4, 9), dtype)
        for column in range(9):
            x = clean.copy()
            x[0, column * 11 % channels, 1:3, column] = np.nan
            check(x, 3, 2, 1, 1)


def test_adaptive_windows(cpu_level):
    """Each of its own size."""
    x = data.integers((2, 48, 11, 13), np.float32, "channels")
    expected = reference.adaptive_max_pool(x, (4, 5), return_indices=True)
    result = fastconv.adaptive_max_pool2d(channels_last(x, 1), (4, 5), return_indices=True)
    for a, b in zip(result, expected, strict=True):
        np.testing.assert_array_equal(a, b)
