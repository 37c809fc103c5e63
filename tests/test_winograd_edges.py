"""Outputs at the edges of a map, which Winograd's method has summed directly where its tiles are not exact enough."""

import numpy as np
import pytest

import fastconv
from tests import data
from tests.tolerance import assert_within


@pytest.mark.parametrize("rows_last", [False, True])
def test_edges_of_one_row_are_no_corners(rows_last, dtype, cpu_level):
    """Four single outputs, two at each end of a row, had been taken for the corners of a map."""
    x, w = data.integers((1, 128, 3, 8), dtype), data.integers((32, 128, 4, 4), dtype, "weight")
    padding, stride = ((1, 1), (3, 3)), (4, 1)
    if rows_last:
        x, w, padding, stride = x.swapaxes(2, 3), w.swapaxes(2, 3), padding[::-1], stride[::-1]
    result = fastconv.conv2d(x, w, stride=stride, padding=padding, method="winograd")
    ends = [0, 1, -2, -1]
    expected = fastconv.conv2d(x, w, stride=stride, padding=padding, method="direct")
    axis = 2 if rows_last else 3
    data.assert_identical(result.take(ends, axis), expected.take(ends, axis))


@pytest.mark.parametrize(
    ("channels", "kernel", "size", "padding", "geometry"),
    [
        (24, (4, 5), (26, 16), ((2, 2), (6, 6)), {"dilation": 3}),
        (96, (3, 4), (23, 24), ((2, 2), (0, 2)), {"dilation": 2}),
        (28, (9, 5), (45, 45), ((4, 4), (2, 2)), {"stride": 2}),
        (32, (4, 4), (17, 17), 1, {}),
    ],
    ids=str,
)
def test_tiles_that_an_edge_cuts_off_on_positive_data(channels, kernel, size, padding, geometry, cpu_level):
    """What is added up at the points is larger there than an output: these reached 11.7, 8.6, 8.3 and 9.7 eps."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, w = rng.random((4, channels, *size), np.float32), rng.random((64, channels, *kernel), np.float32)
        exact = fastconv.conv2d(*(a.astype(np.float64) for a in (x, w)), padding=padding, method="direct", **geometry)
        assert_within(fastconv.conv2d(x, w, padding=padding, **geometry), exact, exact, "auto")


@pytest.mark.parametrize(("stride", "size"), [(1, 9), (2, 14)])
@pytest.mark.parametrize("channels", [16, 24, 32, 40, 43, 48, 65, 80, 96])
def test_every_output_of_many_rectified_images(channels, stride, size, cpu_level):
    """Corners of 65 channels, which see 4 of 9 taps, reached 8.9 eps over as many seeds, edges of 32 channels 8.8.

    Those of 43 reached 9.4 at the baseline level alone, whose products and sums are rounded one after the other.
    """
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x = np.maximum(rng.standard_normal((16, channels, size, size), np.float32), 0)
        w = rng.standard_normal((96, channels, 3, 3), np.float32)
        wide = [a.astype(np.float64) for a in (x, w)]
        exact, scale = (
            fastconv.conv2d(*some, stride=stride, padding=1, method="direct")
            for some in (wide, [np.abs(a) for a in wide])
        )
        result = fastconv.conv2d(x, w, stride=stride, padding=1, method="winograd")
        assert_within(result, exact, scale, "winograd")


@pytest.mark.parametrize("kind", ["normal", "rectified"])
def test_edges_of_few_channels(kind, dtype):
    """Edges of 7x7 kernels padded by three see 28 of 49 taps: transformed with the others they reached 9.4 eps."""
    rng = np.random.default_rng(1)
    for _ in range(4):
        x, w = rng.standard_normal((1, 3, 64, 64)).astype(dtype), rng.standard_normal((64, 3, 7, 7)).astype(dtype)
        x = np.maximum(x, 0) if kind == "rectified" else x
        wide = [a.astype(np.float64) for a in (x, w)]
        exact, scale = (
            fastconv.conv2d(*some, stride=2, padding=3, method="direct") for some in (wide, map(np.abs, wide))
        )
        result = fastconv.conv2d(x, w, stride=2, padding=3, method="winograd")
        assert_within(result, exact, scale, "winograd")
        rows, columns = np.s_[..., :1, :], np.s_[..., :1]
        for edge in (rows, columns):
            assert_within(result[edge], exact[edge], scale[edge], "direct")


def test_infinity_beyond_a_single_tap_does_not_touch_its_tile(dtype, cpu_level):
    """Pixel 25 is transformed with the tile of outputs 8 to 11, but at a point that a single tap lacks."""
    x, w = data.normal((1, 40, 40, 40), dtype), data.normal((4, 40, 3, 3), dtype, "weight")
    clean = fastconv.conv2d(x, w, stride=2, method="winograd")
    x[0, 3, 25, 25] = np.inf
    result = fastconv.conv2d(x, w, stride=2, method="winograd")
    assert not np.isfinite(result[0, :, 12, 12]).any()
    for whole in (clean, result):
        whole[0, :, 12:16, 12:16] = 0
    data.assert_identical(result, clean)
