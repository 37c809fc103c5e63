"""The windows that have a way of their own, 3 x 3 and 2 x 2, on maps around the widths of vectors and their halves."""

import sys

import numpy as np
import pytest

import fastconv
from tests import data
from tests.pool_checks import windows
from tests.test_memory import alone_in_memory
from tests.test_pool_strided import WINDOWS as STRIDED
from tests.together import together

WINDOWS = ((3, 1, 1), (3, 1, 0), (3, 2, 1), (3, 2, 0), (2, 2, 0))  # kernel, stride, padding
over_windows = pytest.mark.parametrize(("kernel", "stride", "padding"), WINDOWS)
WIDTHS = (*range(3, 6), 7, 8, 9, 10, *range(13, 19), 24, 25, 31, 32, 33, 35, 40, 49, 64, 66, 129, 131, 513, 1025, 2061)


@over_windows
@together(kind=("float32", "float64", "int8", "uint16", "int64"))
def test_every_width(kernel, stride, padding, kind, cpu_level):
    for width in WIDTHS:
        x = data.generator(width).integers(0, 99, (2, 5, width)).astype(kind)
        blank = -np.inf if x.dtype.kind == "f" else np.iinfo(kind).min
        expected = windows(x, kernel, stride, padding, blank).max((-2, -1))
        np.testing.assert_array_equal(fastconv.max_pool2d(x, kernel, stride, padding), expected, strict=True)
        if x.dtype.kind == "f":
            expected = (windows(x, kernel, stride, padding, 0).sum((-2, -1)) / kernel**2).astype(kind)
            np.testing.assert_array_equal(fastconv.avg_pool2d(x, kernel, stride, padding), expected, strict=True)


@over_windows
@together(width=(7, 17, 35, 70))
def test_one_nan_anywhere(kernel, stride, padding, width, dtype, cpu_level):
    """The quick pass notices a NaN by its sum, wherever it lies: one plane of the batch for each place."""
    x = np.broadcast_to(data.normal((3, width), dtype), (3 * width, 3, width)).copy()
    x[np.arange(3 * width), np.arange(3 * width) // width, np.arange(3 * width) % width] = np.nan
    expected = windows(x, kernel, stride, padding, -np.inf).max((-2, -1))
    np.testing.assert_array_equal(fastconv.max_pool2d(x, kernel, stride, padding), expected)


@over_windows
@pytest.mark.parametrize(("height", "width"), [(3, 2051), (40, 70)])
@together()
def test_one_nan_in_long_rows_and_columns(kernel, stride, padding, height, width, dtype, cpu_level):
    """Inner vectors of a wide row see only themselves, its ends what lies beside them: every vector is tried."""
    plain = data.normal((1, height, width), dtype)
    for at in (*range(0, width, 31), *(edge + i for edge in (511, 1023, 1535, 2047) for i in range(-1, 4))):
        x = plain.copy()
        x[0, at % height, at % width] = np.nan
        expected = windows(x, kernel, stride, padding, -np.inf).max((-2, -1))
        np.testing.assert_array_equal(fastconv.max_pool2d(x, kernel, stride, padding), expected)


@over_windows
@together()
def test_infinities_of_both_signs_are_no_nan(kernel, stride, padding, dtype, cpu_level):
    """Their sum is NaN, which is a false alarm."""
    x = data.generator("infinities").choice(np.array([-np.inf, 1, np.inf], dtype), (2, 9, 37), p=[0.8, 0.1, 0.1])
    expected = windows(x, kernel, stride, padding, -np.inf).max((-2, -1))
    np.testing.assert_array_equal(fastconv.max_pool2d(x, kernel, stride, padding), expected, strict=True)


@over_windows
@together()
def test_the_careful_pass_picks_the_same_zero(kernel, stride, padding, dtype, cpu_level):
    """0 equals -0: which of them is the maximum must not depend on a NaN elsewhere, nor on the threads."""
    x = data.generator("zeros").choice(np.array([0.0, -0.0], dtype), (1, 64, 37))
    quick = np.signbit(fastconv.max_pool2d(x, kernel, stride, padding))
    x[0, -1, -1] = np.nan
    with fastconv.num_threads(1):
        careful = np.signbit(fastconv.max_pool2d(x, kernel, stride, padding))
    assert quick.any()
    assert not quick.all()
    np.testing.assert_array_equal(careful[:, :-2, :-2], quick[:, :-2, :-2])


@over_windows
@together(between=(1, 40))
def test_rows_apart(kernel, stride, padding, between, dtype, cpu_level):
    """A vector that is more than a row reads what lies between rows, too: what that holds must not show."""
    for width in (7, 13, 14, 27, 28, 29, 35):
        wide = np.full((3, 9, width + between), np.nan, dtype)
        wide[..., :width] = data.integers((3, 9, width), dtype)
        x = wide[..., :width]
        expected = windows(x, kernel, stride, padding, -np.inf).max((-2, -1))
        np.testing.assert_array_equal(fastconv.max_pool2d(x, kernel, stride, padding), expected, strict=True)
        means = fastconv.avg_pool2d(np.ascontiguousarray(x), kernel, stride, padding)
        data.assert_identical(fastconv.avg_pool2d(x, kernel, stride, padding), means)


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages by mprotect")
@pytest.mark.parametrize(("kernel", "stride", "padding"), [*WINDOWS, *STRIDED])
@together(end=("first", "last"))
def test_nothing_beside_the_array_is_read(kernel, stride, padding, end, dtype, cpu_level):
    """The array ends where memory ends: an access beyond it would end the process."""
    for width in (6, 8, 14, 16, 17, 28, 33, 35, 48, 1025):
        x = alone_in_memory(data.normal((1, 5, width), dtype), end)
        expected = windows(x, kernel, stride, padding, -np.inf).max((-2, -1))
        np.testing.assert_array_equal(fastconv.max_pool2d(x, kernel, stride, padding), expected)
        values, _ = fastconv.max_pool2d(x, kernel, stride, padding, return_indices=True)
        np.testing.assert_array_equal(values, expected)
