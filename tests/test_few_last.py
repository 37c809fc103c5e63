"""Few output channels of channels-last images, lanes along input channels: rests of vectors, edges, long runs."""

import numpy as np
import pytest

import fastconv
from fastconv._tuned import measured
from tests import data
from tests.layouts import LAYOUTS
from tests.product_checks import ProductChecks, convolve, exact, kernels_taken, on_integers, same_bits_for_any_split
from tests.together import together

# name -> (input, weight, keywords): whole vectors and rests of them, tiles of 1 to 4 outputs and parts of up to 16
LAYERS = {
    "one output of whole vectors": ((1, 32, 13, 17), (1, 32, 1, 1), {}),
    "images": ((3, 64, 5, 7), (2, 64, 1, 1), {}),
    "a rest of a vector": ((1, 37, 13, 11), (1, 37, 1, 1), {}),
    "rows of taps": ((2, 24, 9, 11), (1, 24, 3, 3), {"padding": 1}),
    "rows of taps, strided": ((1, 48, 20, 23), (2, 48, 5, 5), {"stride": 4, "padding": 2}),
    "rows of taps with a rest": ((1, 41, 19, 21), (3, 41, 3, 5), {"stride": (2, 3), "padding": (0, 2)}),
    "far taps": ((1, 40, 17, 18), (1, 40, 3, 3), {"dilation": 3, "padding": 3, "stride": 2}),
    "four outputs": ((1, 128, 14, 13), (4, 128, 3, 3), {"stride": 3, "padding": 1}),
    "outputs in parts": ((1, 160, 22, 21), (5, 160, 3, 3), {"stride": 3}),
    "outputs in even parts": ((1, 320, 31, 23), (6, 320, 2, 2), {"stride": 2}),
    "more outputs": ((1, 256, 211), (9, 256, 5), {"padding": 2}),
    "more outputs, the last alone": ((1, 160, 22, 21), (13, 160, 3, 3), {"stride": 3}),
    "more outputs, uneven parts": ((1, 331, 17, 15), (10, 331, 3, 3), {"padding": 1}),
    "more outputs, in groups": ((2, 300, 14, 13), (22, 150, 3, 3), {"stride": 2, "groups": 2}),
    "groups": ((2, 136, 15, 14), (4, 34, 3, 3), {"stride": 2, "padding": 1, "groups": 4}),
    "groups of two outputs": ((1, 96, 16, 17), (4, 48, 4, 4), {"stride": 4, "groups": 2}),
    "runs longer than a chain": ((1, 1300, 4, 5), (1, 1300, 1, 1), {}),
    "rows of taps longer than a chain": ((1, 430, 9, 8), (2, 430, 3, 3), {"stride": 2, "padding": 1}),
    "no pixel inside": ((1, 33, 2, 3), (1, 33, 5, 5), {"padding": 3}),
    "a signal": ((2, 64, 211), (1, 64, 7), {"padding": 3}),
    "a volume": ((1, 40, 5, 6, 7), (2, 40, 2, 3, 3), {"padding": (0, 1, 1), "stride": (2, 1, 2)}),
}


PARTS = [name for name in LAYERS if name.startswith("outputs in")]  # taken where vectors have 32 bytes or less
MORE = [name for name in LAYERS if name.startswith("more outputs")]  # or 64, by cores that compute them whole


@pytest.fixture(scope="module", params=LAYERS)
def layer(request):
    return on_integers(*LAYERS[request.param])


@pytest.mark.parametrize("name", LAYERS)
def test_layers_take_this_way(name, monkeypatch, cpu_level):
    """Else the tests below would test another one."""
    taken = kernels_taken(monkeypatch, "channels_last", *LAYERS[name])
    whole = measured() == (64, 64)
    assert taken == ["few_last"] or (name in PARTS and cpu_level == "avx512") or (name in MORE and not whole)


class TestProducts(ProductChecks):
    """Of few outputs, by this way where channels are last."""


@pytest.mark.parametrize("name", LAYERS)
@together()
def test_same_bits_for_any_split(name, dtype, cpu_level):
    same_bits_for_any_split(*LAYERS[name], "channels_last", (1, 2, 3, 5), dtype)


@together(value=(np.nan, np.inf, -np.inf))
def test_non_finite_values_stay_where_they_touch(value, dtype, cpu_level):
    """What fills up a vector beyond the channels of a pixel are those of the next one, times zero."""
    x, w = data.integers((1, 21, 5, 9), dtype), data.integers((2, 21, 1, 1), dtype, "weight")
    expected = exact(x, w).astype(dtype)
    x[0, :, 2, 4] = value
    with np.errstate(invalid="ignore"):
        result = convolve(LAYOUTS["channels_last"](x, 1), w)
    expected[0, :, 2, 4] = result[0, :, 2, 4]
    np.testing.assert_array_equal(result, expected)
    assert not np.isfinite(result[0, :, 2, 4]).any()


@pytest.mark.parametrize("layer", [(16, 1, 1, 1), (64, 2, 1, 1), (16, 1, 3, 3)], ids=str)
@together()
def test_short_sums_of_a_piece_have_the_bits_of_the_whole(layer, dtype, cpu_level):
    """Whatever the size of either: the choice of this way does not look at it."""
    ic, oc, kernel, stride = layer
    x, w = data.normal((1, ic, 61, 67), dtype), data.normal((oc, ic, kernel, kernel), dtype)
    whole = fastconv.conv2d(LAYOUTS["channels_last"](x, 1), w, stride=stride, method="direct")
    for outputs in (3, 4, 9, 16):
        size = (outputs - 1) * stride + kernel
        piece = LAYOUTS["channels_last"](x[:, :, 3 : 3 + size, 6 : 6 + size], 1)
        part = slice(3 // stride, 3 // stride + outputs), slice(6 // stride, 6 // stride + outputs)
        data.assert_identical(fastconv.conv2d(piece, w, stride=stride, method="direct"), whole[(..., *part)])


def test_pixels_that_do_not_lie_side_by_side(cpu_level):
    """Taps of a row are one run of elements only where channels of other images do not lie between them."""
    x, w, b = data.normal((2, 40, 8, 9), "float32"), data.normal((2, 40, 3, 3), "float32"), data.normal((2,), "float32")
    dense = LAYOUTS["channels_last"](x, 1)
    expected = fastconv.conv2d(dense, w, b, padding=1, method="direct")
    part = np.moveaxis(np.moveaxis(np.concatenate([x, x], 1), 1, -1).copy(), -1, 1)[:, :40]
    data.assert_identical(fastconv.conv2d(part, w, b, padding=1, method="direct"), expected)


def test_prepared_weights_are_packed_once(cpu_level):
    """They were in each call: what a first one keeps is all that the next takes."""
    x = LAYOUTS["channels_last"](data.integers((1, 64, 5, 7), "float32"), 1)
    w, b = data.integers((2, 64, 1, 1), "float32", "weight"), data.integers((2,), "float32")
    conv = fastconv.prepare(w, b, method="direct")
    data.assert_identical(conv(x), convolve(x, w, b))
    (packed,) = conv._packed.values()
    packed[...] = 0
    np.testing.assert_array_equal(conv(x), np.broadcast_to(b[:, None, None], (1, 2, 5, 7)))
