"""Windows that are spans of rows, folded many at a time: whole planes and adaptive windows, channels-first."""

import numpy as np
import pytest

import fastconv
from tests import data
from tests.tolerance import assert_within

SIZES = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 49, 63, 64, 65, 127, 129, 256, 300, 5000)  # around vectors and sums
PLANES = ((1, 1), (1, 7), (2, 16), (3, 11), (1, 130))  # around the lanes of a vector
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "int64")


@pytest.mark.parametrize("planes", PLANES)
def test_whole_planes(planes, dtype, cpu_level):
    for size in SIZES:
        x = data.normal((*planes, size), dtype)
        data.assert_identical(fastconv.global_max_pool(x)[..., 0], x.max(2))
        wide = x.astype(np.longdouble)
        assert_within(fastconv.global_avg_pool(x)[..., 0], wide.mean(2), np.abs(wide).mean(2), "direct")


@pytest.mark.parametrize("name", INTEGERS)
def test_whole_planes_of_integers(name, cpu_level):
    limits = np.iinfo(name)
    for planes in PLANES:
        for size in SIZES:
            x = data.integers((*planes, size), np.float64).astype(name)
            x.flat[:: 3 * size + 1] = limits.max
            x.flat[1 :: 2 * size + 1] = limits.min
            data.assert_identical(fastconv.global_max_pool(x)[..., 0], x.max(2))


@pytest.mark.parametrize("windows", [1, 2, 5, 30, 64])
def test_adaptive_windows(windows, dtype, cpu_level):
    """Shorter and longer than a vector, at both ends of rows, and with nothing beyond a row of the last plane."""
    for width in (16, 17, 56, 64, 200):
        x = data.normal((2, 3, 7, width), dtype)
        bounds = [(o * width // windows, -(-(o + 1) * width // windows)) for o in range(windows)]
        tops = [(o * 7 // 3, -(-(o + 1) * 7 // 3)) for o in range(3)]
        parts = [[x[:, :, a:b, c:d] for c, d in bounds] for a, b in tops]
        largest = np.stack([np.stack([p.max((2, 3)) for p in row], -1) for row in parts], -2)
        data.assert_identical(fastconv.adaptive_max_pool2d(x, (3, windows)), largest)
        means, sizes = (
            np.stack([np.stack([f(p.astype(np.longdouble)).mean((2, 3)) for p in row], -1) for row in parts], -2)
            for f in (np.array, np.abs)
        )
        assert_within(fastconv.adaptive_avg_pool2d(x, (3, windows)), means, sizes, "direct")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_its_window(bad, dtype, cpu_level):
    """Spans are loaded with their neighbours, which must not count: neither NaN nor infinity times zero."""
    for width in (33, 49, 130, 300, 5000):
        for at in (0, 5, width // 2, width - 1):
            x = data.normal((1, 20, width), dtype)
            x[0, 7, at] = bad
            expected = np.where(np.arange(20) == 7, bad, 0)
            with np.errstate(invalid="ignore"):
                mean, largest = fastconv.global_avg_pool(x)[0, :, 0], fastconv.global_max_pool(x)[0, :, 0]
                parts = fastconv.adaptive_avg_pool1d(x, 3)[0]
            assert (np.isfinite(mean) == np.isfinite(expected)).all()
            data.assert_identical(largest, x[0].max(1))
            touched = [o * width // 3 <= at < -(-(o + 1) * width // 3) for o in range(3)]
            assert (np.isfinite(parts[7]) != touched).all()
            assert np.isfinite(np.delete(parts, 7, 0)).all()


def test_zeros_keep_their_sign(dtype, cpu_level):
    """What fills a vector up is the zero that changes no sum."""
    for width in (33, 49):
        mean = fastconv.global_avg_pool(np.full((1, 4, width), -0.0, dtype))
        assert np.signbit(mean).all()


def test_planes_whose_axes_are_not_one(dtype, cpu_level):
    """Rows with gaps, reversed ones, and images whose pixels are apart."""
    x = data.integers((2, 20, 6, 40), dtype)
    for view in (x[:, :, :, :35], x[:, :, ::2], x[:, :, ::-1], x[:, :, :, ::-1], x[:, :, :, :1], x[:, ::2]):
        last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        for y in (view, last[tuple(slice(0, n) for n in view.shape)], last[:, :, ::-1, ::-1], last[..., ::2]):
            data.assert_identical(fastconv.global_max_pool(y)[..., 0, 0], y.max((2, 3)))
            values, places = fastconv.adaptive_max_pool2d(y, 1, return_indices=True)
            data.assert_identical(values[..., 0, 0], y.max((2, 3)))
            data.assert_identical(places[..., 0, 0], y.reshape(*y.shape[:2], -1).argmax(2))
            assert fastconv.adaptive_max_pool2d(y, 1).strides == fastconv.max_pool2d(y, y.shape[2:]).strides


@pytest.mark.parametrize("spatial", [(8, 1), (1, 8), (1, 8, 1), (3, 4, 1), (5, 1, 1)], ids=str)
def test_planes_that_end_in_an_axis_of_one(spatial, dtype, cpu_level):
    """NumPy tells kernels other strides of axes of one element than its own: a column of pixels was read as if it lay
    along the last axis, at distances that were not its own."""
    last = data.integers((1, *spatial, 3), dtype)
    for x in (np.moveaxis(last, -1, 1), np.moveaxis(last, -1, 1)[0], np.moveaxis(last, -1, 1)[:, :2]):
        axes = tuple(range(-len(spatial), 0))
        expected = x.max(axis=axes, keepdims=True)
        if x.ndim == len(axes) + 2:
            data.assert_identical(fastconv.global_max_pool(x), expected)
        adaptive = getattr(fastconv, f"adaptive_max_pool{len(spatial)}d")
        values, places = adaptive(x, 1, return_indices=True)
        data.assert_identical(values, expected)
        np.testing.assert_array_equal(places.ravel(), x.reshape(*x.shape[: x.ndim - len(axes)], -1).argmax(-1).ravel())
        mean = getattr(fastconv, f"adaptive_avg_pool{len(spatial)}d")(x, 1)
        np.testing.assert_allclose(mean, x.mean(axis=axes, keepdims=True), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int16", "int32"])
def test_places_in_long_rows(dtype, cpu_level):
    """Taps of long rows of large planes are passed over many at a time, unless one is larger or NaN."""
    x = np.zeros((1, 3, 9, 300), dtype)
    x[0, 1, 2, 290:] = 5  # beyond the last whole piece of a row, the first of equals
    x[0, 2, 5, 40], x[0, 2, 8, 200] = 5, 7
    if np.dtype(dtype).kind == "f":
        x[0, 0] = -x[0, 0]  # zeros are equal: the first one, whatever its sign
        x[0, 0, 4, 77] = 0
    for windows in (1, (1, 3), (3, 1)):
        values, places = fastconv.adaptive_max_pool2d(x, windows, return_indices=True)
        assert_first_largest(x, values, places)
    if np.dtype(dtype).kind == "f":
        x[0, :, 6, [31, 64]] = np.nan
        values, places = fastconv.adaptive_max_pool2d(x, 1, return_indices=True)
        assert np.isnan(values).all()
        assert (places == 6 * 300 + 31).all()


def assert_first_largest(x, values, places):
    """Windows of a whole number of rows and columns each."""
    down, across = (size // n for size, n in zip(x.shape[2:], values.shape[2:], strict=True))
    for c, y, z in np.ndindex(values.shape[1:]):
        window = x[0, c, y * down : (y + 1) * down, z * across : (z + 1) * across]
        row, column = divmod(int(window.argmax()), across)
        assert places[0, c, y, z] == (y * down + row) * x.shape[3] + z * across + column
        assert values[0, c, y, z] == window[row, column]
        assert np.signbit(values[0, c, y, z]) == np.signbit(window[row, column])
