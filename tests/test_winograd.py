"""Winograd convolution: what the tables of geometries do not ask of it."""

from functools import partial
from itertools import product

import numpy as np
import pytest
from scipy import signal

import fastconv
from fastconv.probe import WinogradStages
from tests import data
from tests.layouts import DENSE, LAYOUTS
from tests.tolerance import assert_within

KERNELS = ((3, 3), (5, 5), (1, 3), (5, 1))
over_kernels = pytest.mark.parametrize("kernel", KERNELS, ids=str)
over_layouts = pytest.mark.parametrize("layout", DENSE)


def operands(kernel, size=(13, 14), channels=(32, 18), make=data.normal, dtype="float32"):
    ic, oc = channels
    padding = tuple(k // 2 for k in kernel)
    return make((2, ic, *size), dtype), make((oc, ic, *kernel), dtype, "weight"), padding


@over_kernels
@over_layouts
def test_scipy(kernel, layout, dtype, cpu_level):
    """Each output is the sum of SciPy's correlations over the channels, within the bound."""
    x, w, padding = operands(kernel, dtype=dtype)

    same = partial(signal.correlate2d, mode="same")

    def expected(x, w):
        return np.array([[sum(map(same, image, one)) for one in w] for image in x])

    wide = np.longdouble if dtype == "float64" else np.float64
    exact, size = expected(x.astype(wide), w.astype(wide)), expected(np.abs(x).astype(wide), np.abs(w).astype(wide))
    result = fastconv.conv2d(LAYOUTS[layout](x, 1), w, padding=padding, method="winograd")
    assert_within(result, exact, size, "winograd")


def test_two_by_two_tiles_are_exact_on_integers(dtype, cpu_level):
    """Maps of two outputs take the transform with points 0, 1, -1, whose only fractions are halves and quarters."""
    x, w = data.integers((1, 32, 2, 2), dtype), data.integers((7, 32, 3, 3), dtype, "weight")
    exact = fastconv.conv2d(x, w, padding=1, method="direct")
    data.assert_identical(fastconv.conv2d(x, w, padding=1, method="winograd"), exact)


def test_corners_of_five_taps_on_positive_data(dtype, cpu_level):
    """Corners of 5x5 kernels padded by two see 9 of 25 taps: transformed with the others they reached 9.4 eps."""
    x, w = data.positive((1, 48, 35, 35), dtype), data.positive((64, 48, 5, 5), dtype, "weight")
    wide = np.longdouble if dtype == "float64" else np.float64
    result = fastconv.conv2d(x, w, padding=2, method="winograd")
    ends = {0: (slice(0, 3), slice(2, 5)), 34: (slice(32, 35), slice(0, 3))}  # output: pixels and taps
    for (y, (rows, kh)), (z, (cols, kw)) in product(ends.items(), repeat=2):
        exact = np.tensordot(w[:, :, kh, kw].astype(wide), x[0, :, rows, cols].astype(wide), 3)
        assert_within(result[0, :, y, z], exact, exact, "direct")


@over_layouts
@pytest.mark.parametrize("size", [(14, 13), (5, 6), (9, 2), (4, 33)], ids=str)
def test_tiles_cut_off_by_the_edge(size, layout, dtype, cpu_level):
    """The last tiles of a map that have one or two outputs take fewer products, in any mix along both axes."""
    x, w, padding = operands((3, 3), size, dtype=dtype)
    wide = np.longdouble if dtype == "float64" else np.float64
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))).astype(wide)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    exact, scale = (np.tensordot(a, b, ((1, 4, 5), (1, 2, 3))) for a, b in ((windows, w), (abs(windows), abs(w))))
    result = fastconv.conv2d(LAYOUTS[layout](x, 1), w, padding=padding, method="winograd")
    assert_within(result, *(np.moveaxis(a, -1, 1) for a in (exact, scale)), "winograd")


@pytest.mark.parametrize("channels", [16, 31])
def test_few_channels_are_exact_on_integers(channels, dtype, cpu_level):
    """Fewer channels than 32 average out too little of the errors of tiles of four: they take tiles of two."""
    x, w = data.integers((1, channels, 9, 10), dtype), data.integers((7, channels, 3, 3), dtype, "weight")
    exact = fastconv.conv2d(x, w, padding=1, method="direct")
    data.assert_identical(fastconv.conv2d(x, w, padding=1, method="winograd"), exact)


@over_kernels
@over_layouts
def test_more_threads_than_work(kernel, layout, dtype):
    """Both orders of the work, by blocks of tiles and by panels of channels, give the same bits."""
    for size, channels in (((33, 34), (32, 17)), ((5, 6), (150, 40))):
        x, w, padding = operands(kernel, size, channels, dtype=dtype)
        x = LAYOUTS[layout](x, 1)
        results = []
        for threads in (1, 2, 7, 16):
            with fastconv.num_threads(threads):
                results.append(fastconv.conv2d(x, w, padding=padding, method="winograd"))
        single = np.concatenate([fastconv.conv2d(image[None], w, padding=padding, method="winograd") for image in x])
        for other in (*results[1:], single):
            data.assert_identical(other, results[0])


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
def test_non_finite_values_spread_over_their_tiles(value, dtype):
    """What the documentation says: not beyond the tiles that see the value, and "auto" names the method."""
    x, w, padding = operands((3, 3), (24, 24), dtype=dtype)
    clean = fastconv.conv2d(x, w, padding=padding, method="winograd")
    x[0, 3, 9, 9] = value
    result = fastconv.conv2d(x, w, padding=padding, method="winograd")
    touched = ~np.isfinite(result)
    assert touched[0, :, 8:11, 8:11].all()
    assert not touched[1].any()
    touched[0, :, 8:12, 8:12] = False
    assert not touched.any()
    data.assert_identical(result[0, :, 12:, 12:], clean[0, :, 12:, 12:])
    assert fastconv.explain(x.shape, w.shape, padding=padding).method == "winograd"


@pytest.mark.parametrize(
    ("input", "weight", "arguments", "reason"),
    [
        ((1, 64, 14, 14), (8, 64, 7, 7), {"padding": 3}, "no transform"),
        ((1, 64, 14, 14), (8, 64, 3, 3), {"padding": 1, "stride": 2}, "strided"),
        ((1, 64, 14, 14), (8, 64, 3, 3), {"padding": 2, "dilation": 2}, "dilated"),
        ((1, 64, 14, 14), (8, 64, 3, 3), {"padding": 10}, "padding leaves 0%"),
        ((1, 64, 14, 14), (64, 1, 3, 3), {"padding": 1, "groups": 64}, "channels"),
        ((1, 64, 1, 14), (8, 64, 3, 3), {"padding": 1}, "padding"),
    ],
    ids=["kernel", "stride", "dilation", "padding", "channels", "one row"],
)
def test_says_why_not(input, weight, arguments, reason):
    with pytest.raises(ValueError, match=rf"conv2d: method='winograd' cannot compute .*{reason}"):
        fastconv.conv2d(np.ones(input, np.float32), np.ones(weight, np.float32), **arguments, method="winograd")
    assert reason in fastconv.explain(input, weight, **arguments).reasons["winograd"]


def test_small_maps_are_left_to_others():
    """512 channels on 3x3 maps: the weights' transform costs more than it saves."""
    explained = fastconv.explain((1, 512, 3, 3), (512, 512, 3, 3), padding=1)
    assert explained.method == "direct"
    assert "tiles" in explained.reasons["winograd"]


@over_kernels
@pytest.mark.parametrize("size", [(9, 14), (30, 45)])
def test_stages_apart_give_the_whole(kernel, size, dtype, cpu_level):
    """What the benchmarks time stage by stage is what `conv2d` runs, to the last bit; no padding makes corners here."""
    x, w, padding = operands(kernel, size, channels=(40, 70), dtype=dtype)
    padding = tuple(min(p, 1) for p in padding)
    stages = WinogradStages(x[:1], w, padding)
    stages.whole()
    data.assert_identical(stages.out, fastconv.conv2d(x[:1], w, padding=padding, method="winograd"))
