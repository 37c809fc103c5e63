"""Gradients of weights by each of their kernels: minimal filtering, products along pixels, depthwise rows."""

import functools
import math

import numpy as np
import pytest

import fastconv
from fastconv import _cpu, _weight_choice, grad
from tests import data
from tests.grad_checks import taps_one_by_one
from tests.layouts import DENSE, LAYOUTS
from tests.together import together
from tests.tolerance import assert_within

# Enough channels and tiles for minimal filtering: ragged tiles and channels, groups, planes, more blocks than are
# summed at once, and taps along one axis only.
FILTERED = {
    "3x3": ((5, 18, 11, 13), (21, 18, 3, 3), {"padding": 1}),
    "3x3-full-groups": ((3, 32, 14, 9), (34, 16, 3, 3), {"padding": 2, "groups": 2}),
    "5x5": ((3, 16, 16, 17), (70, 16, 5, 5), {"padding": (2, 1)}),
    "1x3-dilated-alone": ((1, 17, 40, 17), (16, 17, 1, 3), {"dilation": (3, 1)}),
    "5x3": ((2, 16, 17, 19), (16, 16, 5, 3), {}),
    "k3": ((3, 70, 90), (18, 70, 3), {"padding": 1}),
    "3x3x3-stride-2": ((1, 16, 5, 15, 16), (17, 16, 3, 3, 3), {"padding": 1, "stride": (2, 1, 1)}),
    "many-tiles": ((8, 16, 58, 56), (16, 16, 3, 3), {"padding": 1}),
    "stride-2": ((2, 33, 64, 63), (35, 33, 3, 3), {"padding": 1, "stride": 2}),
    "stride-2-many-tiles": ((6, 32, 127, 128), (32, 32, 3, 3), {"stride": 2}),
    "stride-2-1": ((2, 34, 56, 31), (32, 34, 3, 3), {"padding": (1, 0), "stride": (2, 1)}),
    "3x1-stride-1-3": ((2, 32, 40, 61), (16, 32, 3, 1), {"padding": (1, 0), "stride": (1, 3)}),
    "groups-of-10": ((3, 50, 19, 18), (45, 10, 3, 3), {"padding": 1, "groups": 5}),
    "k5-groups-of-8": ((2, 88, 120), (88, 8, 5), {"padding": 2, "groups": 11}),
    "7x4": ((2, 17, 21, 22), (18, 17, 7, 4), {"padding": (3, 2)}),
    "k9": ((3, 20, 90), (18, 20, 9), {"padding": 4}),
    "4x4": ((4, 17, 22, 20), (18, 17, 4, 4), {"padding": 2}),
    "7x8-groups-of-10": ((3, 20, 31, 26), (20, 10, 7, 8), {"padding": 3, "groups": 2}),
    "dilated": ((3, 17, 26, 29), (18, 17, 3, 3), {"padding": 2, "dilation": (2, 3)}),
    "dilated-far": ((2, 18, 70, 131), (16, 18, 3, 3), {"padding": 12, "dilation": (7, 32)}),
    "5x7-dilated": ((3, 16, 38, 43), (17, 16, 5, 7), {"padding": (4, 6), "dilation": (3, 2)}),
    "k4-dilated": ((3, 20, 190), (18, 20, 4), {"padding": 9, "dilation": 5}),
    "3x3x3-few-planes": ((6, 16, 2, 14, 16), (17, 16, 3, 3, 3), {"padding": 1}),
    "dilated-stride-2-1": ((2, 34, 56, 33), (32, 34, 3, 3), {"stride": (2, 1), "dilation": (1, 4), "padding": (1, 4)}),
}


@functools.cache
def on_reals(name, make, dtype):
    """The exact gradient and the sum of magnitudes of one of these shapes, in a wider type."""
    shape, weight, sizes = (FILTERED | SUMMED | PIXELS)[name]
    x, g = make(shape, dtype), make(fastconv.conv_output_shape(shape, weight, **sizes), dtype, "flowing")
    return tuple(taps_one_by_one(*pair, weight, **sizes) for pair in ((x, g), (abs(x), abs(g))))


@pytest.mark.parametrize("name", FILTERED)
@together(layout=DENSE, make=(data.normal, data.positive))
def test_conv_weight_by_minimal_filtering(name, make, layout, dtype, cpu_level, monkeypatch):
    """Within 8 eps of the direct sums in a wider type; and filtered indeed, which the last bits show."""
    shape, weight, sizes = FILTERED[name]
    rank = len(shape) - 2
    weight_grad, conv = getattr(grad, f"conv{rank}d_weight"), fastconv.conv_output_shape
    x, g = make(shape, dtype), make(conv(shape, weight, **sizes), dtype, "flowing")
    laid = [LAYOUTS[layout](array, 1) for array in (x, g)]
    result = weight_grad(laid[0], weight, laid[1], **sizes)
    exact, size = on_reals(name, make, dtype)
    assert_within(result, exact, size, "auto")
    with monkeypatch.context() as patch:
        patch.setattr(_weight_choice, "LEAST_GAIN", math.inf)
        _cpu._forget()
        direct = weight_grad(laid[0], weight, laid[1], **sizes)
    _cpu._forget()
    assert_within(direct, exact, size, "direct")
    assert not np.array_equal(direct, result)


@pytest.mark.parametrize(("maps", "kernel"), [(2, 5), (3, 3), (3, 5), (7, 7), (4, 9)])
def test_conv_weight_of_taps_that_see_little(maps, kernel, dtype, cpu_level):
    """The errors of taps that see whole maps are not passed on to those that see a corner or nothing of them."""
    shape, weight, sizes = (32, 16, maps, maps), (16, 16, kernel, kernel), {"padding": kernel // 2}
    x, g = np.maximum(data.normal(shape, dtype), 0), data.positive(shape, dtype, "flowing")
    result = grad.conv2d_weight(x, weight, g, **sizes)
    assert_within(result, *(taps_one_by_one(*p, weight, **sizes) for p in ((x, g), (abs(x), abs(g)))), "auto")


@pytest.mark.parametrize("kernel", [(5, 5), (5, 4)])
@pytest.mark.parametrize("maps", [(13, 12), (28, 24)])
def test_conv_weight_of_more_taps_and_few_tiles(kernel, maps, dtype, cpu_level):
    """Errors of four and five taps average out over more tiles than those of three: over 36, filtered, they reached 11
    eps of the sum of magnitudes for rectified inputs and positive slopes."""
    padding, channels = tuple(taps // 2 for taps in kernel), 144
    shape, weight, sizes = (1, channels, *maps), (channels, channels // 3, *kernel), {"padding": padding, "groups": 3}
    x = np.maximum(data.normal(shape, dtype), 0)
    g = abs(data.normal(fastconv.conv_output_shape(shape, weight, **sizes), dtype, "flowing"))
    result = grad.conv2d_weight(x, weight, g, **sizes)
    assert_within(result, *(taps_one_by_one(*p, weight, **sizes) for p in ((x, g), (abs(x), abs(g)))), "auto")


SUMMED = {
    "patches": ((2, 33, 40, 41), (35, 33, 3, 4), {"padding": 1, "stride": 2}),
    "depthwise": ((2, 70, 23, 25), (70, 1, 3, 5), {"padding": 2, "groups": 70}),
    "depthwise-rows": ((3, 7, 85, 70), (7, 1, 3, 3), {"padding": 1, "groups": 7}),
    "groups": ((2, 24, 19, 18), (24, 8, 3, 3), {"padding": 1, "groups": 3}),
    "groups-by-turns": ((3, 84, 29, 31), (105, 4, 3, 3), {"padding": (1, 0), "stride": 2, "groups": 21}),
    "groups-in-many-blocks": ((2, 28, 155, 143), (35, 4, 2, 3), {"stride": 2, "groups": 7}),
    "groups-of-volumes": ((5, 45, 6, 7, 8), (36, 5, 2, 2, 2), {"stride": 2, "groups": 9}),
    "several-outputs-a-channel": ((2, 40, 23, 21), (120, 1, 5, 5), {"stride": 3, "groups": 40}),
    "rows": ((2, 3, 50, 47), (2, 3, 5, 5), {"padding": 2}),
    "pixels": ((37, 40, 1, 1), (36, 40, 3, 3), {"padding": 1}),
    "small-maps": ((41, 5, 6, 5), (35, 5, 3, 2), {"stride": 2}),
    "short-signals": ((23, 33, 9), (19, 33, 4), {"padding": 3, "dilation": 2}),
    "taps-that-see-parts": ((3, 26, 19, 17), (35, 26, 3, 3), {"padding": (15, 12), "dilation": (15, 12)}),
    "taps-that-see-parts-strided": ((2, 9, 21, 70), (19, 9, 3, 5), {"padding": (9, 36), "dilation": 18, "stride": 2}),
    "small-planes-and-padding": ((5, 13, 9, 2, 3), (35, 13, 3, 3, 3), {"padding": (3, 1, 1), "dilation": (4, 1, 1)}),
    "small-volumes": ((19, 14, 3, 4, 2), (21, 14, 3, 2, 2), {"padding": 1, "stride": (1, 2, 1)}),
    "passed-over": ((2, 24, 23, 29), (24, 8, 2, 3), {"stride": 5, "padding": (2, 4), "groups": 3}),
    "passed-over-between-taps": ((2, 9, 31, 33), (19, 9, 2, 2), {"stride": 5, "padding": 4, "dilation": 3}),
    "passed-over-far-taps": ((2, 9, 31, 33), (19, 9, 2, 2), {"stride": 4, "padding": 5, "dilation": 21}),
    "passed-over-rows": ((2, 7, 33, 85), (14, 1, 1, 2), {"stride": 4, "groups": 7}),
    "passed-over-depthwise": ((2, 32, 19, 21), (32, 1, 2, 2), {"stride": 4, "padding": 1, "groups": 32}),
    # parts of threads filled other tiles than all channels, and their taps were summed in another order
    "parts that fill tiles": ((2, 66, 292), (10, 33, 32), {"stride": 4, "padding": 16, "groups": 2}),
}


@pytest.mark.parametrize("name", SUMMED)
@together(layout=DENSE)
def test_conv_weight_of_images_summed_directly(name, layout, dtype, cpu_level, sums_directly):
    """On small integers exact: chains go through several images of few pixels, the last one through fewer, and sums lie
    by taps or by channels."""
    shape, weight, sizes = SUMMED[name]
    x = data.integers(shape, dtype)
    g = data.integers(fastconv.conv_output_shape(shape, weight, **sizes), dtype, "flowing", limit=4)
    weight_grad = getattr(grad, f"conv{len(shape) - 2}d_weight")
    expected = taps_one_by_one(x, g, weight, **sizes).astype(dtype)
    laid = [LAYOUTS[layout](array, 1) for array in (x, g)]
    data.assert_identical(weight_grad(laid[0], weight, laid[1], **sizes), expected)


# 1x1 kernels: images that are blocks of pixels and parts of one, more blocks than are summed at once, many channels on
# either side, tiles that are not full, strides, groups, ranks, pixels beside the image and none beside.
PIXELS = {
    "images": ((3, 80, 12, 13), (300, 80, 1, 1), {}),
    "small-images": ((11, 40, 7, 7), (70, 40, 1, 1), {}),
    "many-inputs": ((2, 530, 5, 9), (17, 530, 1, 1), {}),
    "many-outputs": ((2, 9, 16, 16), (530, 9, 1, 1), {}),
    "many-blocks": ((3, 6, 66, 67), (10, 6, 1, 1), {}),
    "many-small-images": ((300, 7, 5, 6), (9, 7, 1, 1), {}),
    "stride": ((3, 34, 15, 28), (21, 34, 1, 1), {"stride": (2, 3)}),
    "groups": ((2, 48, 9, 20), (72, 12, 1, 1), {"groups": 4, "stride": 2}),
    "signal": ((2, 24, 700), (33, 24, 1), {}),
    "volume": ((2, 20, 5, 7, 8), (21, 20, 1, 1, 1), {"stride": (1, 2, 1)}),
    "channels-a-kibibyte-apart": ((3, 256, 8, 9), (34, 256, 1, 1), {}),
    "few-channels": ((3, 3, 20, 9), (7, 3, 1, 1), {}),
    "padded": ((2, 20, 9, 10), (21, 20, 1, 1), {"padding": (1, 0), "stride": 2}),
}


@pytest.mark.parametrize("name", PIXELS)
@together(layout=DENSE)
def test_conv_weight_of_pixels(name, layout, dtype, cpu_level):
    """On small integers exact, of images of which others are beside and between the pixels, and NaN where one is."""
    shape, weight, sizes = PIXELS[name]
    weight_grad = getattr(grad, f"conv{len(shape) - 2}d_weight")
    wide = data.integers((*shape[:-1], shape[-1] + 5), dtype)
    x = wide[..., 3:-2]
    g = data.integers(fastconv.conv_output_shape(shape, weight, **sizes), dtype, "flowing", limit=4)
    expected = taps_one_by_one(x, g, weight, **sizes).astype(dtype)
    for image in (x, LAYOUTS[layout](x, 1)):
        data.assert_identical(weight_grad(image, weight, LAYOUTS[layout](g, 1), **sizes), expected)
    g[-1, 5] = np.nan
    result = weight_grad(LAYOUTS[layout](x, 1), weight, LAYOUTS[layout](g, 1), **sizes)
    expected[5] = np.nan
    data.assert_identical(result, expected)


@pytest.mark.parametrize("name", [*FILTERED, *SUMMED, *PIXELS])
@together(layout=DENSE)
def test_conv_weight_has_the_same_bits_for_any_number_of_threads(name, layout, dtype, gradients_are_shared):
    """Parts of the gradient differ with the threads, the blocks of pixels that are summed do not."""
    shape, weight, sizes = (FILTERED | SUMMED | PIXELS)[name]
    weight_grad = getattr(grad, f"conv{len(shape) - 2}d_weight")
    x, g = data.normal(shape, dtype), data.normal(fastconv.conv_output_shape(shape, weight, **sizes), dtype, "flowing")
    laid = [LAYOUTS[layout](array, 1) for array in (x, g)]
    with fastconv.num_threads(1):
        one = weight_grad(laid[0], weight, laid[1], **sizes)
    assert_within(one, *on_reals(name, data.normal, dtype), "auto")
    for threads in (2, 3, 7):
        with fastconv.num_threads(threads):
            assert weight_grad(laid[0], weight, laid[1], **sizes).tobytes() == one.tobytes()


@pytest.mark.parametrize(
    "sizes",
    [{}, {"stride": (2, 3), "padding": (2, 0)}, {"dilation": (9, 600), "padding": (9, 600)}],
    ids=["plain", "strided", "dilated"],
)
@together(layout=DENSE)
def test_conv_weight_of_blocks(sizes, layout, dtype, cpu_level, sums_directly):
    """More pixels in a row than a block has, more blocks than a level of sums takes, taps further apart than a block is
    wide: on small integers exact."""
    shape, weight = (2, 5, 61, 1100), (7, 5, 3, 3)
    x = data.integers(shape, dtype)
    g = data.integers(fastconv.conv_output_shape(shape, weight, **sizes), dtype, "flowing", limit=4)
    result = grad.conv2d_weight(LAYOUTS[layout](x, 1), weight, LAYOUTS[layout](g, 1), **sizes)
    data.assert_identical(result, taps_one_by_one(x, g, weight, **sizes).astype(dtype))


# Depthwise rows read in place: more than are taken at once, and more chains of sums than are added up at once; and
# those that are not: strides that differ, taps apart, planes of padding alone, rows shorter than a vector.
ROWS = {
    "plain": ((2, 3, 41, 150), {"padding": 1}),
    "stride-2": ((2, 3, 75, 91), {"padding": 1, "stride": 2}),
    "stride-2-3": ((3, 2, 31, 70), {"padding": (0, 2), "stride": (2, 3)}),
    "dilation": ((2, 4, 9, 40), {"padding": (1, 5), "dilation": (1, 5), "stride": (1, 2)}),
    "far-padding": ((1, 2, 3, 4), {"padding": 30}),
    "narrow": ((3, 5, 14, 12), {"padding": 1}),
    "narrow-stride-2": ((4, 5, 19, 20), {"padding": (3, 1), "stride": 2}),
    "one-row": ((2, 3, 3, 40), {}),
    "stride-2-padding-above": ((1, 66, 9, 33), {"padding": (4, 0), "stride": 2}),
    "many-chains": ((9, 2, 130, 131), {"padding": 1}),
}


@pytest.mark.parametrize("name", ROWS)
def test_conv_weight_of_depthwise_rows(name, dtype, cpu_level):
    """On small integers exact, and an infinite pixel reaches the taps that see it and no others."""
    shape, sizes = ROWS[name]
    weight, sizes = (shape[1], 1, 3, 3), sizes | {"groups": shape[1]}
    x = data.integers(shape, dtype)
    g = data.integers(fastconv.conv_output_shape(shape, weight, **sizes), dtype, "flowing")
    result = grad.conv2d_weight(x, weight, g, **sizes)
    data.assert_identical(result, taps_one_by_one(x, g, weight, **sizes).astype(dtype))
    for y, o in ((0, 0), (-1, -1), (shape[2] // 2, shape[3] // 2)):
        x[-1, -1, y, o] = np.inf
    g = abs(g) + 1
    with np.errstate(invalid="ignore"):
        expected = taps_one_by_one(x, g, weight, **sizes).astype(dtype)
    data.assert_identical(grad.conv2d_weight(x, weight, g, **sizes), expected)


def test_conv_weight_of_pixels_far_apart(dtype):
    """Padding and dilation of millions reach a few pixels only, and no scratch grows with them."""
    x, g = data.integers((1, 5, 3, 3), dtype), data.integers((1, 6, 3, 3), dtype, "flowing")
    far = 10**7
    result = grad.conv2d_weight(x, (6, 5, 3, 3), g, padding=far, dilation=far)
    expected = np.zeros((6, 5, 3, 3), dtype)
    expected[:, :, 1, 1] = np.einsum("noyx,ncyx->oc", g, x)
    data.assert_identical(result, expected)
