"""3 x 3 at stride 1 with channels last, whose rows are combined once, block by block of columns."""

import numpy as np
import pytest

import fastconv
from tests import data
from tests.test_pool_strips import windows
from tests.together import together

SIZES = (
    (1, 1, 300), (2, 3, 16), (3, 2, 267), (5, 4, 33), (7, 7, 130), (4, 61, 100), (9, 12, 515), (3, 5, 1500),
    (40, 9, 48),
)  # fmt: skip
PADDINGS = (0, 1, ((1, 0), (0, 1)), ((0, 1), (1, 0)), ((2, 2), (1, 1)))


def pairs(padding):
    return padding if isinstance(padding, tuple) else ((padding, padding),) * 2


def fits(height, width, padding):
    (top, bottom), (left, right) = pairs(padding)
    return height + top + bottom >= 3 and width + left + right >= 3


over_sizes = pytest.mark.parametrize(
    ("height", "width", "channels", "padding"),
    [(*size, padding) for size in SIZES for padding in PADDINGS if fits(*size[:2], padding)],
)


def padded(x, padding, blank):
    return np.pad(x, (*((0, 0),) * (x.ndim - 2), *pairs(padding)), constant_values=blank)


def pooled(pool, x, padding, **options):
    """Of `x`, channels first, with channels last in memory, into NaN or ones."""
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, -3, -1)), -1, -3)
    result = pool(last, 3, 1, padding, **options)
    out = np.empty_like(result)
    out.fill(np.nan if x.dtype.kind == "f" else 1)
    assert pool(last, 3, 1, padding, **options, out=out) is out
    np.testing.assert_array_equal(out, result, strict=True)
    return result


@over_sizes
@together(kind=("float32", "float64", "int8", "int64"))
def test_maxima(height, width, channels, padding, kind, cpu_level):
    x = data.generator(height, width).integers(-99, 99, (2, channels, height, width)).astype(kind)
    blank = -np.inf if x.dtype.kind == "f" else np.iinfo(kind).min
    expected = windows(padded(x, padding, blank), 3, 1, 0, blank).max((-2, -1))
    np.testing.assert_array_equal(pooled(fastconv.max_pool2d, x, padding), expected, strict=True)


@over_sizes
@pytest.mark.parametrize("count_pad", [True, False])
@together()
def test_means(height, width, channels, padding, count_pad, dtype, cpu_level):
    x = data.generator(height, width).integers(-99, 99, (2, channels, height, width)).astype(dtype)
    counted = padded(np.ones_like(x), padding, 1 if count_pad else 0)
    counts = windows(counted, 3, 1, 0, 0).sum((-2, -1))
    assert counts.all()
    expected = windows(padded(x, padding, 0), 3, 1, 0, 0).sum((-2, -1)) / counts
    found = pooled(fastconv.avg_pool2d, x, padding, count_include_pad=count_pad)
    np.testing.assert_array_equal(found, expected.astype(dtype), strict=True)
    by_four = pooled(fastconv.avg_pool2d, x, padding, count_include_pad=count_pad, divisor_override=4)
    np.testing.assert_array_equal(by_four, windows(padded(x, padding, 0), 3, 1, 0, 0).sum((-2, -1)) / 4)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("height", "width", "channels"), [(3, 4, 66), (4, 13, 67), (3, 14, 520)])
@together()
def test_one_nan_anywhere(height, width, channels, padding, dtype, cpu_level):
    """Each place in one image of the batch: rows and columns at the edge are the middle of no window."""
    places = height * width
    x = np.broadcast_to(data.normal((channels, height, width), dtype), (places, channels, height, width)).copy()
    at = np.arange(places)
    x[at, at * 7 % channels, at // width, at % width] = np.nan
    expected = windows(padded(x, padding, -np.inf), 3, 1, 0, 0).max((-2, -1))
    np.testing.assert_array_equal(pooled(fastconv.max_pool2d, x, padding), expected)


def test_infinities_and_zeros(dtype, cpu_level):
    """A sum of infinities is a false alarm; of equal zeros the same one counts whether there is a NaN elsewhere."""
    x = data.generator("infinities").choice(np.array([-np.inf, 1, np.inf], dtype), (2, 40, 9, 37), p=[0.8, 0.1, 0.1])
    expected = windows(padded(x, 1, -np.inf), 3, 1, 0, 0).max((-2, -1))
    np.testing.assert_array_equal(pooled(fastconv.max_pool2d, x, 1), expected, strict=True)
    x = data.generator("zeros").choice(np.array([0.0, -0.0], dtype), (1, 40, 19, 37))
    quick = np.signbit(pooled(fastconv.max_pool2d, x, 1))
    x[0, -1, -1, -1] = np.nan
    careful = np.signbit(pooled(fastconv.max_pool2d, x, 1))
    assert quick.any()
    assert not quick.all()
    np.testing.assert_array_equal(careful[:, :, :-2, :-2], quick[:, :, :-2, :-2])


def test_the_same_for_any_threads(dtype, cpu_level):
    x = data.normal((2, 48, 41, 57), dtype)
    with fastconv.num_threads(1):
        largest, mean = pooled(fastconv.max_pool2d, x, 1), pooled(fastconv.avg_pool2d, x, 1)
    for threads in (2, 3):
        with fastconv.num_threads(threads):
            data.assert_identical(pooled(fastconv.max_pool2d, x, 1), largest)
            data.assert_identical(pooled(fastconv.avg_pool2d, x, 1), mean)
            data.assert_identical(pooled(fastconv.avg_pool2d, x[1:], 1), mean[1:])


def test_volumes_and_pixels_apart(dtype, cpu_level):
    """Windows of one depth; and channels of more, where pixels do not lie next to each other."""
    x = data.integers((2, 3, 8, 10, 48), dtype)
    last = np.moveaxis(x, -1, 1)
    found = fastconv.max_pool3d(last, (1, 3, 3), 1, (0, 1, 1))
    for z in range(3):
        data.assert_identical(found[:, :, z], fastconv.max_pool2d(np.ascontiguousarray(last[:, :, z]), 3, 1, 1))
    deep = fastconv.max_pool3d(last, (9, 1, 1), 1, (4, 0, 0))
    data.assert_identical(deep, np.broadcast_to(last.max(2, keepdims=True), last.shape))
    part = np.moveaxis(x[:, 1, :, :, 5:45], -1, 1)
    data.assert_identical(fastconv.avg_pool2d(part, 3, 1, 1), fastconv.avg_pool2d(np.ascontiguousarray(part), 3, 1, 1))
