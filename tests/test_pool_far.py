"""Channels-last images from beyond the L2 cache, which are read in passes or asked for (`far.h`): the same bits as of
their channels a few at a time, which are pixels too short for that."""

import numpy as np
import pytest

import fastconv
from tests import data

FEW = 48  # channels at a time: 192 or 384 bytes
# channels, height and width, 12 MiB and more: whole vectors, a last one that overlaps, the longest pixel
IMAGES = {
    "float32": ((512, 80, 80), (331, 100, 101), (1024, 56, 56)),
    "float64": ((256, 80, 80), (165, 100, 101), (512, 56, 56)),
}
WINDOWS = ((2, 2, 0), (3, 3, 1), (3, 2, 1), ((2, 3), (3, 1), (0, 1)), ((9, 8), 9, 2), (1, 2, 0))

over_windows = pytest.mark.parametrize(("kernel", "stride", "padding"), WINDOWS, ids=str)


def images(dtype):
    for channels, height, width in IMAGES[np.dtype(dtype).name]:
        x = data.normal((1, height, width, channels), dtype)
        yield np.moveaxis(x, -1, 1)


def in_parts(pool, x):
    """The results of `pool` for FEW channels at a time, side by side."""
    parts = [
        pool(np.moveaxis(np.ascontiguousarray(np.moveaxis(x[:, c : c + FEW], 1, -1)), -1, 1))
        for c in range(0, x.shape[1], FEW)
    ]
    return [np.concatenate(each, 1) for each in zip(*parts, strict=True)]


def assert_alike(pool, x):
    for result, expected in zip(pool(x), in_parts(pool, x), strict=True):
        data.assert_identical(result, expected)


@over_windows
def test_means(kernel, stride, padding, dtype, cpu_level):
    for x in images(dtype):
        assert_alike(lambda x: [fastconv.avg_pool2d(x, kernel, stride, padding)], x)
        assert_alike(lambda x: [fastconv.avg_pool2d(x, kernel, stride, padding, divisor_override=1)], x)


def test_means_of_all_pixels(dtype, cpu_level):
    """Long sums, of halves that have halves."""
    for x in images(dtype):
        assert_alike(lambda x: [fastconv.global_avg_pool(x)], x)
        assert_alike(lambda x: [fastconv.adaptive_avg_pool2d(x, (2, 3))], x)


@over_windows
def test_maxima(kernel, stride, padding, dtype, cpu_level):
    for x in images(dtype):
        assert_alike(lambda x: [fastconv.max_pool2d(x, kernel, stride, padding)], x)


@over_windows
def test_places(kernel, stride, padding, dtype, cpu_level):
    """Of few values too, the first of equals."""
    for x in images(dtype):
        assert_alike(lambda x: fastconv.max_pool2d(x, kernel, stride, padding, return_indices=True), x)
        few = np.moveaxis(np.round(np.moveaxis(x, 1, -1)), -1, 1)
        assert_alike(lambda x: fastconv.max_pool2d(x, kernel, stride, padding, return_indices=True), few)


@pytest.mark.parametrize("places", [False, True])
def test_a_nan_in_any_tap(places, dtype, cpu_level):
    """Of the window's taps and of the channels of a pixel, the first and the last vector among them."""
    x = next(images(dtype))
    for tap in range(4):
        for channel in (0, 5, x.shape[1] // 2, x.shape[1] - 1):
            x[0, channel, 10 + tap // 2, 20 + tap % 2] = np.nan
            result = fastconv.max_pool2d(x, 2, 2, return_indices=places)
            values = result[0] if places else result
            assert np.isnan(values[0, channel, 5, 10])
            assert np.isnan(values).sum() == 1
            if places:
                assert result[1][0, channel, 5, 10] == (10 + tap // 2) * x.shape[3] + 20 + tap % 2
            x[0, channel, 10 + tap // 2, 20 + tap % 2] = 0


@pytest.mark.parametrize("kind", ["uint8", "int16", "int64"])
def test_integers(kind, cpu_level):
    """Elements of other sizes, pixels of about as few bytes as are taken so, and of the most."""
    for pixel in (1100, 4096):
        channels = pixel // np.dtype(kind).itemsize
        x = data.integers((1, 60, (14 << 20) // 60 // pixel + 2, channels), key="far")
        x = np.moveaxis((x + 4 if kind == "uint8" else x).astype(kind), -1, 1)
        assert_alike(lambda x: [fastconv.max_pool2d(x, 2, 2)], x)
        assert_alike(lambda x: [fastconv.max_pool2d(x, 3, 2, 1)], x)


def test_batches_and_threads(dtype, cpu_level):
    """Images that are small alone have the same bits in a batch that is not, for any number of threads."""
    x = np.moveaxis(data.normal((5, 40, 41, 520), dtype), -1, 1)
    for kernel, stride in ((2, 2), (3, 2)):
        with fastconv.num_threads(1):
            alone = np.concatenate([fastconv.avg_pool2d(one[None], kernel, stride) for one in x])
        with fastconv.num_threads(3):
            data.assert_identical(fastconv.avg_pool2d(x, kernel, stride), alone)
