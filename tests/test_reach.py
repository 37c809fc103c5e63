"""Kernels that reach far beyond a map: taps that no output sees are left out, and padding that single outputs see."""

from itertools import product
from math import gcd

import numpy as np
import pytest

import fastconv
from fastconv import _cpu, _reach
from fastconv._arrays import FIRST
from fastconv._geometry import conv_geometry
from fastconv._methods import lay_out
from fastconv._plan import plan_conv
from fastconv._reach import reach, seen_taps
from tests import data, truth
from tests.layouts import DENSE, LAYOUTS
from tests.product_checks import ProductChecks, on_integers, same_bits_for_any_split
from tests.together import together

# name -> (input, weight, keywords)
UNSEEN = {
    "from both ends": ((2, 5, 7, 6), (4, 5, 11, 9), {"padding": (15, 12), "dilation": 3}),
    "one tap is left": ((1, 19, 5, 4), (3, 19, 3, 3), {"padding": 7, "dilation": 7}),
    "a row of taps is left": ((1, 19, 4, 6), (3, 19, 3, 3), {"padding": (4, 1), "dilation": (4, 1)}),
    "strided": ((1, 4, 6, 7), (5, 4, 9, 9), {"padding": 8, "stride": (2, 3), "dilation": 2}),
    "groups": ((1, 8, 5, 5), (6, 4, 9, 9), {"padding": 8, "dilation": 2, "groups": 2}),
    "depthwise": ((2, 9, 6, 5), (9, 1, 15, 15), {"padding": 9, "groups": 9}),
    "depthwise, vectors of a row": ((1, 2, 19, 18), (2, 1, 5, 99), {"padding": (2, 49), "groups": 2}),
    "volume": ((1, 4, 3, 4, 4), (5, 4, 5, 5, 3), {"padding": (5, 4, 1), "dilation": (2, 2, 1)}),
    "signal": ((2, 3, 20), (4, 3, 65), {"padding": 32}),
}
# Pixels are sorted by what they see: some, or none that sees all
SORTED = {
    "none sees all": ((2, 61, 7, 7), (9, 61, 3, 3), {"dilation": 6, "padding": 6}),
    "none sees all, of many pixels": ((1, 61, 14, 14), (40, 61, 3, 3), {"dilation": 12, "padding": 12}),
    "kinds by the dozen": ((1, 9, 7, 7), (33, 9, 7, 7), {"dilation": 2, "padding": 6}),
    "some see nothing": ((1, 61, 5, 5), (9, 61, 3, 3), {"dilation": 3, "padding": 7}),
    "strided": ((1, 61, 9, 9), (9, 61, 3, 3), {"dilation": 8, "padding": 8, "stride": 2}),
}
# Stride and dilation have a factor, or a tap is single: elements between are passed over, along w only channels-last
THINNED = {
    "every other one": ((2, 5, 11, 12), (4, 5, 3, 3), {"padding": 2, "stride": 2, "dilation": 2}),
    "of unlike factors": (
        (1, 9, 13, 14),
        (9, 1, 3, 2),
        {"padding": (1, 5), "stride": (4, 3), "dilation": (2, 6), "groups": 9},
    ),
    "and taps that see nothing": ((1, 19, 5, 6), (3, 19, 5, 3), {"padding": 11, "stride": 2, "dilation": (6, 4)}),
    "thinned volume": (
        (1, 4, 5, 7, 8),
        (5, 4, 2, 3, 2),
        {"padding": (3, 2, 1), "stride": (4, 2, 3), "dilation": (4, 2, 3)},
    ),
    "single taps": ((2, 6, 13, 9, 14), (8, 6, 1, 1, 3), {"padding": (2, 0, 1), "stride": 3}),
    "thinned signal": ((2, 3, 40), (4, 3, 5), {"padding": 3, "stride": 6, "dilation": 4}),
}
LAYERS = UNSEEN | SORTED | THINNED


@pytest.fixture(scope="module", autouse=True)
def images_of_any_size_are_thinned():
    """As if making a view took no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_reach, "LEAST_THINNED", 0)
        _cpu._forget()
        yield
    _cpu._forget()


@pytest.fixture(scope="module", params=LAYERS)
def layer(request):
    return on_integers(*LAYERS[request.param])


class TestProducts(ProductChecks):
    """Of taps that some output sees alone."""


def geometry(input, weight, keywords, last=0):
    sizes = (keywords.get(name, least) for name, least in (("stride", 1), ("padding", 0), ("dilation", 1)))
    groups = keywords.get("groups", 1)
    return conv_geometry("", len(weight) - 2, input, weight, *sizes, groups, "zeros", 4, last).geometry


@pytest.mark.parametrize("name", UNSEEN)
def test_taps_are_left_out(name):
    g = geometry(*UNSEEN[name])
    left = reach(g)
    assert left.geometry.macs < g.macs
    assert (left.geometry.od, left.geometry.oh, left.geometry.ow) == (g.od, g.oh, g.ow)


@pytest.mark.parametrize("name", [name for name in SORTED if name != "some see nothing"])
def test_taps_that_one_output_sees_stay(name):
    left = reach(geometry(*SORTED[name]))
    assert left is None or not left.is_cut


@pytest.mark.parametrize("name", THINNED)
def test_elements_between_are_passed_over(name):
    left = reach(geometry(*THINNED[name], last=1))
    assert all(gcd(stride, dilation) == 1 or taps == 1 for _, _, taps, stride, dilation, _ in left.geometry.axes)
    assert any(seen.step > 1 for seen in left.inputs)
    first = reach(geometry(*THINNED[name]))
    if len(THINNED[name][1]) > 3:  # along d and h as channels-last
        assert any(seen.step for seen in first.inputs[:2])
        assert first.inputs[2].step is None


AXES = tuple(product((1, 3, 7), (1, 2, 5, 8), (1, 2, 3), (1, 3), (0, 1, 5, 9), (0, 2, 9)))


def test_taps_of_few_outputs_channels_last_stay_side_by_side(cpu_level):
    """Of every second pixel taps lay apart that were counted as one run, so that all pixels were copied: 12 to 2
    channels by 3x7 two apart at stride 4 on 128x128 took 92 us, and 28 with rows alone left out."""
    for oc, groups, steps in (2, 1, [2, None]), (12, 1, [2, 2]), (2, 2, [2, 2]):
        sizes = {"stride": 4, "dilation": 2, "groups": groups}
        seen = reach(geometry((1, 12, 128, 128), (oc, 12 // groups, 3, 7), sizes, last=1)).inputs
        assert [axis.step for axis in seen[1:]] == steps


def test_taps_that_are_seen_are_counted():
    """Tap by tap: the first and the last that some output sees; between outputs a stride may skip some."""
    fewer = 0
    for size, taps, stride, dilation, before, after in AXES:
        outputs = (size + before + after - dilation * (taps - 1) - 1) // stride + 1
        if outputs < 1:
            continue
        seen = [t for t in range(taps) if any(0 <= x * stride + t * dilation - before < size for x in range(outputs))]
        first, end = seen_taps((size, outputs, taps, stride, dilation, before))
        assert set(seen) <= set(range(first, end))
        if seen and stride <= size:
            assert (first, end) == (seen[0], seen[-1] + 1)
        fewer += end - first < taps
    assert fewer > 20


@pytest.mark.parametrize("name", LAYERS)
@together(layout=DENSE)
def test_same_bits_for_any_split(name, layout, dtype, cpu_level):
    same_bits_for_any_split(*LAYERS[name], layout, (1, 2, 3), dtype)


@pytest.mark.parametrize("name", ["from both ends", "one tap is left", "groups", "none sees all", "kinds by the dozen"])
@together(layout=DENSE, value=(np.nan, np.inf, -np.inf), bias=(False, True))
def test_padding_multiplies_as_zeros_do(name, bias, value, layout, exact_method, dtype, cpu_level):
    """An infinite or NaN weight that meets padding makes an output NaN, though its tap is left out; others are not."""
    input, weight, keywords = LAYERS[name]
    x, w = data.integers(input, dtype), data.integers(weight, dtype, "weight")
    b = data.integers(weight[:1], dtype, "bias") if bias else None
    for tap in ((0, 0), tuple(size // 2 for size in weight[2:])):
        spoilt = w.copy()
        spoilt[(1, 2, *tap)] = value
        expected = truth.conv(x, spoilt, b, **keywords)
        assert not np.isfinite(expected[:, 1]).any()
        assert np.isfinite(np.delete(expected, 1, 1)).all()
        laid = LAYOUTS[layout](x, 1)
        convolve = getattr(fastconv, f"conv{len(weight) - 2}d")
        np.testing.assert_array_equal(convolve(laid, spoilt, b, **keywords, method=exact_method), expected)
        prepared = fastconv.prepare(spoilt, b, **keywords, method=exact_method)
        np.testing.assert_array_equal(prepared(laid), expected)


@together(layout=DENSE)
def test_strides_may_pass_over_the_image(layout, dtype, cpu_level):
    """Every tap lies beyond it at all outputs, which are biases."""
    x, w = data.integers((1, 19, 5, 1), dtype), data.integers((17, 19, 3, 7), dtype, "weight")
    b = data.integers((17,), dtype, "bias")
    keywords = {"stride": (1, 3), "padding": (7, 19), "dilation": (1, 3)}
    result = fastconv.conv2d(LAYOUTS[layout](x, 1), w, b, **keywords)
    data.assert_identical(result, truth.conv(x, w, b, **keywords))


def test_other_modes_of_padding_see_all_taps(dtype):
    """What they pad with is no zero."""
    x, w = data.integers((1, 5, 7, 6), dtype), data.integers((4, 5, 11, 9), dtype, "weight")
    result = fastconv.conv2d(x, w, padding=9, padding_mode="replicate")
    data.assert_identical(result, truth.conv(x, w, padding=9, padding_mode="replicate"))


def test_weights_are_cut_once_for_all_maps_that_see_the_same_taps():
    """What is prepared depends on the taps, not on the map."""
    plans = [
        plan_conv(
            "conv2d", 2, (1, 19, size, size), (3, 19, 3, 3), np.dtype("f4"), FIRST, 1, 7, 7, 1, "zeros", None, "direct"
        )
        for size in (5, 6, 9)
    ]
    assert plans[0].packing == plans[1].packing != plans[2].packing


def test_short_sums_keep_their_order():
    """Pieces of an image have the bits of the whole: so few products are added up in one order on any map."""
    assert reach(geometry((1, 2, 7, 7), (4, 2, 7, 7), {"padding": 9, "dilation": 3})) is None
    assert reach(geometry((1, 4, 7, 7), (4, 4, 7, 7), {"padding": 9, "dilation": 3})) is not None


def test_channels_last_is_copied_where_sorted_pixels_see_little():
    """Atrous pyramids: 256 channels of 3x3, 12 apart, on 14x14 took 2.5 ms as they lay, 0.6 ms in copies."""
    keywords = {"padding": 12, "dilation": 12}
    assert lay_out(geometry((1, 256, 14, 14), (256, 256, 3, 3), keywords, 1))[0].last == 0
    assert lay_out(geometry((1, 256, 33, 33), (256, 256, 3, 3), keywords, 1))[0].last == 1


@pytest.mark.parametrize("channels", [3, 64])
@pytest.mark.parametrize("distance", [2**40, 2**58, 2**60])
@together(layout=DENSE)
def test_taps_farther_apart_than_memory_reaches(distance, channels, layout, dtype, cpu_level):
    """Channels-last, the distance in bytes wrapped around: taps that see padding alone read the image."""
    x = LAYOUTS[layout](data.integers((2, channels, 5, 3), dtype), 1)
    w, bias = data.integers((16, channels, 3, 3), dtype), data.integers((16,), dtype)
    far = {"dilation": (1, distance), "method": "direct"}
    middle = fastconv.conv2d(x, w[..., 1:2], bias, padding=(1, 0), method="direct")
    data.assert_identical(fastconv.conv2d(x, w, bias, padding=(1, distance), **far), middle)
    last = fastconv.conv2d(x, w[..., 2:], bias, padding=(1, 0), method="direct")
    data.assert_identical(fastconv.conv2d(x, w, bias, padding=((1, 1), (2 * distance, 0)), **far), last)
    one = fastconv.conv2d(x, w, bias, padding=((1, 1), (2 * distance - 2, 0)), **far)
    data.assert_identical(one, last[..., 2:])
    w[3, 0, 0, 0] = np.inf
    between = fastconv.conv2d(x, w[..., :2], bias, padding=((1, 1), (distance // 2, distance // 2)), **far)
    expected = np.broadcast_to(bias[:, None, None], between.shape[1:]).copy()
    expected[3] = np.nan
    np.testing.assert_array_equal(between, np.broadcast_to(expected, between.shape))


def test_short_sums_of_a_piece_pass_over_the_same_elements(dtype, cpu_level):
    """Large images alone had a view of what is seen, by whose strides another kernel was taken than for a piece."""
    x, w = data.normal((1, 17, 105, 29), dtype), data.normal((1, 17, 1, 3), dtype)
    settings = {"stride": (4, 1), "dilation": (1, 2), "method": "direct"}
    whole = fastconv.conv2d(LAYOUTS["channels_last"](x, 1), w, **settings)
    piece = fastconv.conv2d(LAYOUTS["channels_last"](x[:, :, :69, :19], 1), w, **settings)
    data.assert_identical(piece, whole[:, :, : piece.shape[2], : piece.shape[3]])
