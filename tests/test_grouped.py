"""Groups with lanes along their output channels: rests of vectors, lines and tiles that overlap, bands, slabs."""

import numpy as np
import pytest

from tests import data
from tests.layouts import DENSE, LAYOUTS
from tests.product_checks import ProductChecks, convolve, exact, kernels_taken, on_integers, same_bits_for_any_split
from tests.together import together

# name -> (input, weight, keywords): groups of 6 to 64 input channels, a rest of a vector, several lines of short rows
LAYERS = {
    "one tile": ((2, 24, 3, 14), (24, 8, 3, 3), {"padding": 1, "groups": 3}),
    "tiles overlap": ((1, 16, 5, 31), (16, 8, 3, 3), {"padding": 1, "groups": 2}),
    "strided tiles overlap": ((1, 24, 8, 45), (24, 8, 3, 3), {"padding": (1, 0), "stride": 2, "groups": 3}),
    "two lines": ((1, 48, 7, 7), (48, 24, 3, 3), {"padding": 1, "groups": 2}),
    "three lines": ((1, 24, 7, 5), (16, 12, 3, 3), {"groups": 2}),
    "strided lines": ((2, 36, 8, 7), (36, 12, 3, 3), {"padding": 1, "stride": 2, "groups": 3}),
    "one vector and a half": ((2, 24, 9, 11), (48, 12, 3, 3), {"padding": 1, "groups": 2}),
    "four vectors": ((1, 64, 7, 6), (64, 32, 3, 3), {"padding": 1, "stride": 2, "groups": 2}),
    "one pixel": ((2, 16, 1, 1), (16, 8, 3, 3), {"padding": 1, "groups": 2}),
    "one column": ((1, 12, 19, 3), (24, 6, 3, 3), {"groups": 2}),
    "no rows inside": ((1, 16, 2, 3), (16, 8, 3, 3), {"padding": 5, "groups": 2}),
    "two groups a vector": ((2, 48, 9, 9), (32, 12, 3, 3), {"padding": 1, "stride": 2, "groups": 4}),
    "rows of taps": ((1, 16, 12, 9), (24, 8, 5, 3), {"dilation": (2, 1), "stride": (3, 2), "groups": 2}),
    "one row of taps": ((1, 14, 400), (28, 7, 3), {"padding": 1, "groups": 2}),
    "bands": ((1, 80, 47, 61), (16, 40, 3, 3), {"padding": 1, "groups": 2}),
    "bands of lines": ((1, 128, 101, 15), (16, 64, 3, 3), {"stride": (1, 2), "groups": 2}),
    "images": ((5, 64, 7, 7), (96, 32, 3, 3), {"padding": 1, "groups": 2}),
    "wide": ((2, 128, 13, 12), (128, 64, 3, 3), {"padding": 1, "stride": 2, "groups": 2}),
    "volume": ((1, 26, 4, 5, 9), (16, 13, 2, 3, 3), {"padding": 1, "stride": (2, 1, 1), "groups": 2}),
}


@pytest.fixture(scope="module", params=LAYERS)
def layer(request):
    return on_integers(*LAYERS[request.param])


@pytest.mark.parametrize("layout", DENSE)
@pytest.mark.parametrize("name", LAYERS)
def test_layers_take_this_way(name, layout, monkeypatch):
    """Else the tests below would test another one."""
    assert kernels_taken(monkeypatch, layout, *LAYERS[name]) == ["grouped"]


class TestProducts(ProductChecks):
    """Of groups, by this way."""


@pytest.mark.parametrize("name", ["tiles overlap", "strided lines", "bands", "bands of lines", "images", "volume"])
@together(layout=DENSE)
def test_same_bits_for_any_split(name, layout, dtype, cpu_level):
    same_bits_for_any_split(*LAYERS[name], layout, (1, 2, 3, 5), dtype)


@pytest.mark.parametrize("each", [8, 12])  # channels of a group: of 8 two groups share a vector where these are longest
@pytest.mark.parametrize(("group", "channel"), [(0, 0), (0, -1), (1, 0), (1, -1)])
@together(layout=DENSE, value=(np.nan, np.inf, -np.inf))
def test_non_finite_values_stay_where_they_touch(group, channel, each, value, layout, dtype, cpu_level):
    x, w = data.integers((1, 2 * each, 7, 9), dtype), data.integers((2 * each, each, 3, 3), dtype, "weight")
    expected = exact(x, w, groups=2)
    x[0, group * each + channel % each, 3, 4] = value
    result = convolve(LAYOUTS[layout](x, 1), w, groups=2)
    touched = np.zeros(result.shape, bool)
    touched[0, group * each : (group + 1) * each, 1:4, 2:5] = True
    np.testing.assert_array_equal(result[~touched], expected[~touched])
    assert not np.isfinite(result[touched]).any()


@together(layout=DENSE, make=(data.normal, data.positive))
def test_within_the_bound(make, layout, dtype, cpu_level):
    """Nothing cancels in sums of positive products, over chains of 48."""
    x, w = make((1, 128, 5, 5), dtype), make((16, 64, 3, 3), dtype, "weight")
    wide = np.longdouble if dtype == "float64" else np.float64
    result = convolve(LAYOUTS[layout](x, 1), w, padding=1, groups=2)
    padded = np.pad(x[0].astype(wide), ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2)).transpose(1, 2, 0, 3, 4)
    windows = windows.reshape(25, 2, 576).transpose(1, 2, 0)
    rows = w.reshape(2, 8, 576).astype(wide)
    error = np.abs(result.reshape(2, 8, 25) - rows @ windows)
    assert (error <= 6 * np.finfo(dtype).eps * (np.abs(rows) @ np.abs(windows))).all()
