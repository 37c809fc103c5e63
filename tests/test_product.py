"""Convolution as a product, cut into blocks: where maps and channels are larger than one panel, stage or tile.

The tiny geometries of `cases.py` mostly fit one block; these cross its borders, which the number of threads moves.
"""

from functools import partial

import numpy as np
import pytest

import fastconv
from fastconv import _cpu
from fastconv._geometry import conv_geometry
from fastconv._methods import METHODS, choose
from tests import data
from tests.layouts import DENSE, LAYOUTS
from tests.product_checks import exact, on_integers
from tests.together import together

# name -> (input, weight, keywords); enough output channels that they are products and not filters
LAYERS = {
    "parts of a plane": ((1, 40, 47, 53), (13, 40, 3, 3), {"padding": 1}),
    "parts of a plane, strided": ((1, 23, 95, 97), (11, 23, 4, 3), {"padding": (2, 1), "stride": 2}),
    "parts of planes": ((1, 64, 4, 18, 18), (11, 64, 1, 2, 2), {}),
    "whole planes": ((2, 29, 9, 8, 7), (12, 29, 3, 3, 3), {"padding": 1}),
    "whole planes, strided": ((1, 30, 11, 9, 9), (9, 30, 3, 3, 3), {"padding": (1, 0, 1), "stride": (2, 1, 2)}),
    "many planes under a tall kernel": ((1, 1, 140, 64, 64), (64, 1, 1, 64, 64), {"padding": (1, 0, 0)}),
    "planes of one pixel": ((1, 70, 7, 3, 3), (13, 70, 2, 3, 3), {"stride": (2, 1, 1)}),
    "one pixel": ((3, 300, 2, 2), (23, 300, 2, 2), {}),
    "far taps": ((1, 9, 130, 140), (12, 9, 3, 3), {"dilation": 61}),
    "taps beyond the image": ((1, 30, 7, 6), (12, 30, 3, 3), {"dilation": 900, "padding": 900}),
    "rows of vectors": ((2, 7, 9, 64), (13, 7, 3, 3), {"padding": 1}),
    "rows of vectors, strided": ((1, 29, 23, 101), (13, 29, 5, 7), {"padding": (1, 3), "stride": (3, 2)}),
    "rows of vectors, grown": ((1, 31, 14, 43), (11, 31, 3, 3), {"padding": (2, 11), "dilation": (1, 2)}),
    "planes of vectors": ((1, 9, 5, 6, 32), (13, 9, 2, 3, 1), {"padding": (1, 0, 0), "stride": (1, 2, 1)}),
    "planes of vectors, strided": ((1, 9, 7, 6, 32), (13, 9, 2, 3, 1), {"padding": (1, 0, 0), "stride": (2, 2, 1)}),
    "rows side by side, padded": ((2, 3, 167, 165), (24, 3, 3, 3), {"padding": 1, "stride": 3}),
    **{f"rows of {w} pixels": ((1, 7, 5, w), (13, 7, 3, 3), {"padding": 1}) for w in (80, 93, 144, 150)},
    "rows wider than a block": ((1, 120, 3, 700), (12, 120, 2, 3), {"padding": (1, 2)}),
    "rows far wider than a block": ((1, 40, 1, 3001), (12, 40, 1, 9), {"padding": (0, 4), "dilation": (1, 3)}),
    "blocks shorter than a row": ((1, 20, 2, 25), (12, 20, 3, 3), {"padding": 1}),
    "channels in uneven stages": ((1, 83, 11, 12), (35, 83, 3, 3), {"padding": 1, "stride": 2}),
    "more taps than a block of K": ((1, 5, 33, 34), (11, 5, 19, 17), {"padding": 8}),
    "patches, a stride apart": ((2, 19, 40, 41), (21, 19, 2, 3), {"padding": 1, "stride": 9}),
    "patches side by side, of parts of a row": ((1, 10, 5, 2005), (401, 10, 5, 5), {"stride": 5}),
    "patches side by side, of one block": ((1, 12, 112, 98), (305, 12, 8, 7), {"stride": (8, 7)}),
    "planes side by side, in groups": ((2, 14, 12, 14, 46), (322, 7, 2, 3, 6), {"stride": (3, 2, 9), "groups": 2}),
    "pixels read from the beginning of a line": ((2, 75, 9, 32), (13, 75, 1, 1), {}),
    "blocks of pixels from the beginning of a line, less than a vector left": ((1, 290, 20, 28), (31, 290, 1, 1), {}),
    "pixels in place, less than a vector after whole tiles": ((2, 290, 12, 16), (31, 290, 1, 1), {}),
    "pixels in place, more than are taken at a time": ((1, 290, 40, 44), (13, 290, 1, 1), {}),
    "panels of pixels, the next of which are asked for": ((2, 290, 27, 41), (67, 290, 1, 1), {}),
    "pixels packed in passing": ((2, 75, 9, 29), (13, 75, 1, 1), {}),
    "blocks of pixels packed in passing": ((1, 290, 27, 29), (31, 290, 1, 1), {}),
    "pixels packed in passing, a few left": ((2, 350, 14, 14), (67, 350, 1, 1), {}),
    "panels of pixels of few channels": ((2, 60, 27, 41), (67, 60, 1, 1), {}),
    "pixels not packed in passing, for they meet in cache": ((1, 75, 32, 64), (13, 75, 1, 1), {}),
    "pixels a power of two apart": ((1, 512, 13, 14), (11, 512, 3, 3), {}),
    "pixels far apart, some never seen": ((1, 512, 50, 49), (17, 512, 2, 2), {"stride": 4, "dilation": 2}),
    "a large image": ((1, 40, 83, 85), (37, 40, 3, 3), {"stride": 3}),
    "a large image in groups": ((2, 128, 57, 61), (70, 64, 4, 3), {"stride": 4, "groups": 2}),
    "wide and strided": ((1, 128, 1, 2100), (11, 128, 1, 8), {"padding": (0, 5), "stride": (1, 3)}),
    **{f"stride {s}": ((1, 12, 43, 50), (14, 12, 5, 6), {"stride": s, "padding": 3}) for s in (3, 4, 5, 7)},
    **{f"{w} pixels": ((1, 280, 1, w), (11, 280, 1, 1), {}) for w in (1, 2, 3, 4, 5, 33, 49, 68)},
    **{f"{w} pixels, channels for lanes": ((2, 280, 1, w), (97, 280, 1, 1), {}) for w in (1, 9, 25, 49, 121)},
    "193 pixels of many products, channels for lanes": ((1, 1100, 1, 193), (96, 1100, 1, 1), {}),
    "neighbouring pixels, rows of few vectors": ((2, 19, 9, 11), (53, 19, 1, 1), {}),
    "neighbouring pixels, less than a vector": ((1, 5, 30, 31), (37, 5, 1, 1), {}),
    **{f"{oc} channels, halves of vectors": ((1, 37, 13, 11), (oc, 37, 1, 1), {}) for oc in (12, 17, 24)},
    "halves of vectors, strided": ((1, 9, 23, 22), (24, 9, 3, 3), {"stride": 2, "padding": 1}),
    "pixels of a row picked": ((2, 90, 19, 26), (37, 90, 1, 1), {"stride": (1, 2)}),
    "pixels picked, sums of many products": ((1, 300, 18, 21), (66, 300, 1, 1), {"stride": (2, 3)}),
    "pixels picked, in groups": ((2, 340, 12, 11), (40, 170, 1, 1), {"stride": 2, "groups": 2}),
    "pixels picked, rows of several vectors": ((2, 70, 9, 131), (37, 70, 1, 1), {"stride": 2}),
    "pixels of planes picked": ((1, 270, 3, 7, 190), (13, 270, 1, 1, 1), {"stride": (2, 1, 4)}),
    "pixels picked at a stride of many": ((1, 70, 9, 131), (37, 70, 1, 1), {"stride": (2, 9)}),
    "pixels picked, some of padding": ((1, 190, 9, 9), (35, 190, 1, 1), {"stride": 2, "padding": 1}),
    "channels of a tap together": ((1, 24, 14, 13, 15), (20, 24, 5, 5, 5), {"padding": (0, 1, 0), "stride": 2}),
    "channels of a tap together, of one block": ((1, 20, 21, 20), (37, 20, 5, 5), {}),
    "rows of taps in the padding": ((2, 40, 5, 12, 9), (34, 40, 3, 5, 3), {"padding": 2, "dilation": (2, 1, 1)}),
    "rows of few taps in the padding": ((1, 40, 13, 14), (24, 40, 5, 3), {"padding": (8, 1), "dilation": (4, 1)}),
    "short rows of taps in the padding": ((2, 10, 13, 14), (24, 10, 4, 4), {"padding": (6, 1), "dilation": (4, 1)}),
    "rows of taps in the padding, parts of rows": ((1, 24, 2, 3, 900), (17, 24, 3, 3, 5), {"padding": (1, 1, 2)}),
    "columns of taps in the padding": ((2, 40, 7, 13, 12), (34, 40, 3, 3, 3), {"padding": (2, 3, 4), "dilation": 3}),
    **{
        f"columns of taps in the padding, {name}": ((1, 48, 9, 8, 13), (oc, 48 // groups, 3, 4, 5), keywords)
        for name, oc, groups, keywords in (
            ("strided", 18, 1, {"padding": (2, 3, 4), "dilation": 2, "stride": (1, 1, 2)}),
            ("in groups", 57, 3, {"padding": (1, 3, 5), "dilation": (1, 1, 2), "groups": 3}),
        )
    },
    "small map": ((2, 30, 9, 9), (64, 30, 3, 3), {"padding": 1, "stride": 2}),
    "small maps of depth": ((1, 21, 5, 4, 5), (35, 21, 3, 2, 3), {"padding": (1, 0, 1)}),
    "small map in groups": ((2, 60, 7, 7), (96, 20, 3, 5), {"padding": 1, "groups": 3}),
    **{f"kernel on {w} pixels": ((1, 33, 6, w), (9, 33, 3, 2), {"padding": (1, 0)}) for w in (4, 5, 7, 9)},
}


@pytest.fixture(scope="module", params=LAYERS)
def layer(request):
    return on_integers(*LAYERS[request.param])


@together(layout=DENSE, threads=(1, 2, 3))
def test_products_in_blocks_are_exact(layer, layout, threads, dtype, cpu_level):
    """To the last bit, whatever blocks the number of threads makes."""
    x, w, keywords, expected = layer
    x = LAYOUTS[layout](x.astype(dtype), 1)
    out = np.full_like(x, np.nan, shape=expected.shape)
    with fastconv.num_threads(threads):
        for bias in (None, data.integers(w.shape[:1], dtype)):
            shift = 0 if bias is None else bias.reshape(-1, *(1,) * (w.ndim - 2))
            function = getattr(fastconv, f"conv{w.ndim - 2}d")
            function(x, w.astype(dtype), bias, **keywords, method="direct", activation="relu", out=out)
            data.assert_identical(out, np.maximum(expected + shift, 0).astype(dtype))


def geometry_of(name, last):
    input, weight, k = LAYERS[name]
    return conv_geometry(
        "conv", len(input) - 2, input, weight, k.get("stride", 1), k.get("padding", 0), k.get("dilation", 1),
        k.get("groups", 1), "zeros", 4, last,
    ).geometry  # fmt: skip


def test_layers_are_products():
    """None of these layers is computed by the kernel for few output channels."""
    for name in LAYERS:
        geometry = geometry_of(name, 0)
        taken, _ = choose(geometry, "direct")
        assert taken is METHODS[-1]
        assert taken.kernel(geometry) == "direct", name


@pytest.mark.parametrize("name", [name for name in LAYERS if "together" in name or "in the padding" in name])
def test_channels_of_a_tap_lie_together(name, cpu_level):
    """As the names of these layers say, of which others test nothing. One of 15 taps, fewer than it takes without
    padding, does for the rows in the padding alone."""
    geometry = geometry_of(name, 1)
    assert METHODS[-1].kernel(geometry) == "direct_last"
    assert min(_cpu.kernel("direct_last").packed_layout(tuple(geometry))) > 1


@pytest.mark.parametrize("name", [name for name in LAYERS if "columns of taps in the padding" in name])
@together()
def test_taps_that_columns_do_not_see(name, dtype, cpu_level):
    """Threads, and the other images, change no bit; an infinite weight meets zeros of the padding nevertheless."""
    input, weight, keywords = LAYERS[name]
    x, w = LAYOUTS["channels_last"](data.normal((2, *input[1:]), dtype), 1), data.normal(weight, dtype, "weight")
    function, keywords = getattr(fastconv, f"conv{w.ndim - 2}d"), {**keywords, "method": "direct"}
    with fastconv.num_threads(1):
        expected = function(x, w, **keywords)
    for threads in (2, 3):
        with fastconv.num_threads(threads):
            data.assert_identical(function(x, w, **keywords), expected)
    data.assert_identical(function(x[1:], w, **keywords), expected[1:])
    w[3, 2][(0,) * (w.ndim - 2)] = np.inf
    result = function(x, w, **keywords)
    assert np.isnan(result[:, 3]).any()
    np.testing.assert_array_equal(np.isnan(result), np.isnan(function(x, w, **{**keywords, "method": "im2col"})))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 21, 24, 31, 32, 33, 40, 47, 49, 63, 65])
@together()
def test_any_number_of_output_channels(channels, dtype, cpu_level):
    """Channels fill lanes of vectors, halves and ends of them; channels-last, nothing beside the output is written."""
    for kernel in (1, 3):
        x, w = data.integers((2, 21, 5, 7), dtype), data.integers((channels, 21, kernel, kernel), dtype, "weight")
        memory = np.full(64 + 70 * channels, np.nan, dtype)
        out = np.moveaxis(memory[32:-32].reshape(2, 5, 7, channels), -1, 1)
        keywords = {"padding": kernel // 2, "method": "direct"}
        fastconv.conv2d(LAYOUTS["channels_last"](x, 1), w, data.integers((channels,), dtype), **keywords, out=out)
        expected = exact(x, w, padding=kernel // 2) + data.integers((channels,), dtype)[:, None, None]
        data.assert_identical(out, expected.astype(dtype))
        assert np.isnan(memory[:32]).all()
        assert np.isnan(memory[-32:]).all()


@pytest.mark.parametrize("channels", [3, 8, 13, 16, 20, 24, 36, 56])
@together(layout=DENSE)
def test_ends_of_vectors_are_added_to(channels, layout, dtype, cpu_level):
    """Sums of several blocks of products start from a part of a vector, or half of one, and are clamped there."""
    x, w = data.integers((1, 70, 31, 29), dtype), data.integers((channels, 70, 3, 3), dtype, "weight")
    bias = data.integers((channels,), dtype)
    result = fastconv.conv2d(LAYOUTS[layout](x, 1), w, bias, stride=2, activation="relu", method="direct")
    data.assert_identical(result, np.maximum(exact(x, w, stride=2) + bias[:, None, None], 0).astype(dtype))


@pytest.mark.parametrize("depth", [9, 40, 280])
@pytest.mark.parametrize("channels", [13, 48, 65, 133])
@pytest.mark.parametrize("spatial", [(40, 24), (8, 8), (4, 8), (2, 8), (2, 4)], ids=str)
@together()
def test_addresses_change_no_bit(spatial, channels, depth, dtype, cpu_level):
    """Aligned rows of pixels may be read where they lie, others from a panel."""
    x, w = data.normal((2, depth, *spatial), dtype), data.normal((channels, depth, 1, 1), dtype, "weight")
    results = []
    for start in range(0, 64, 16):
        memory = np.zeros(x.nbytes + 128, np.uint8)
        first = start - memory.ctypes.data % 64 + 64
        moved = memory[first : first + x.nbytes].view(dtype).reshape(x.shape)
        moved[:] = x
        results.append(fastconv.conv2d(moved, w, method="direct"))
    for result in results[1:]:
        data.assert_identical(result, results[0])


@pytest.mark.parametrize("groups", [1, 4])
@together()
def test_images_one_pixel_wide(groups, dtype, cpu_level):
    """Along an axis of one element any stride will do: a channels-last column passed for channels-first rows of one
    pixel, and a 1x1 kernel took them for one row of neighbours. In gradients of weights alike."""
    x, w = data.integers((2, 24, 18, 1), dtype), data.integers((20, 24 // groups, 1, 1), dtype, "weight")
    g = data.integers((2, 20, 18, 1), dtype, "flowing")
    last, g_last = LAYOUTS["channels_last"](x, 1), LAYOUTS["channels_last"](g, 1)
    expected = fastconv.conv2d(x, w, groups=groups, method="direct")
    assert expected.any()
    data.assert_identical(fastconv.conv2d(last, w, groups=groups, method="direct"), expected)
    expected = fastconv.grad.conv2d_weight(x, w.shape, g, groups=groups)
    for operands in ((last, g), (x, g_last), (last, g_last)):
        data.assert_identical(fastconv.grad.conv2d_weight(operands[0], w.shape, operands[1], groups=groups), expected)


# name -> (input, weight, keywords): maps of which many pixels see padding, under enough channels
PADDED = {
    "rows": ((2, 40, 17, 17), (64, 40, 7, 1), {"padding": (3, 0)}),
    "columns": ((1, 70, 17, 13), (48, 70, 1, 7), {"padding": (0, 3)}),
    "both, strided": ((2, 90, 14, 14), (64, 90, 3, 3), {"padding": 1, "stride": 2}),
    "dilated": ((1, 50, 20, 22), (70, 50, 3, 3), {"padding": 4, "dilation": 4}),
    "mostly padding": ((1, 60, 5, 6), (64, 60, 3, 3), {"padding": 5, "dilation": 3}),
    "depth": ((1, 20, 4, 9, 8), (64, 20, 3, 3, 3), {"padding": 1}),
    "depth, mostly padding": ((2, 20, 5, 6, 4), (64, 20, 3, 3, 3), {"padding": (4, 2, 2), "dilation": (4, 2, 2)}),
    "depth, strided": ((1, 40, 9, 5, 5), (48, 40, 4, 2, 2), {"padding": (3, 1, 1), "stride": 2}),
    "too many kinds": ((1, 9, 12, 12), (64, 9, 7, 7), {"padding": 3}),
    "too many kinds of planes": ((1, 9, 7, 7, 8), (40, 9, 3, 4, 4), {"padding": (1, 3, 3)}),
    "groups": ((1, 120, 9, 9), (96, 60, 3, 3), {"padding": 1, "groups": 2}),
    "rows of depth": ((2, 24, 5, 12, 9), (20, 24, 5, 5, 3), {"padding": (2, 2, 1)}),
    "rows, dilated": ((1, 40, 13, 14), (24, 40, 5, 3), {"padding": (8, 1), "dilation": (4, 1)}),
}


@pytest.fixture(params=PADDED)
def padded(request, layout, dtype):
    """A convolution of a padded map, and its operands."""
    input, weight, keywords = PADDED[request.param]
    convolve = getattr(fastconv, f"conv{len(input) - 2}d")
    x, w = LAYOUTS[layout](data.normal(input, dtype), 1), data.normal(weight, dtype)
    return partial(convolve, method="direct", **keywords), x, w


@pytest.mark.parametrize("layout", DENSE)
@together(activation=(None, "relu", "relu6"), value=(np.nan, np.inf, -np.inf))
def test_padding_times_weights_that_are_not_finite(padded, layout, activation, value, cpu_level):
    """Taps that see padding are left out, but zero times infinity is NaN: of an output channel that has one, outputs
    beside the padding are what the padded map gives without padding. Others do not change a bit."""
    convolve, x, w = padded
    pads = convolve.keywords["padding"]
    pads = pads if isinstance(pads, tuple) else (pads,) * (x.ndim - 2)
    if not x.flags.c_contiguous:  # K may count otherwise without padding: sums have to be exact
        x, w = np.round(4 * x), np.round(4 * w)
    explicit = LAYOUTS[layout](np.pad(x, ((0, 0), (0, 0), *((p, p) for p in pads))), 1)
    finite = convolve(x, w, activation=activation)
    w = w.copy()
    w[5, 1, ..., 0, 0], w[-1, -1, ..., -1, -1] = value, value
    result = convolve(x, w, activation=activation)
    expected = partial(convolve, padding=0)(explicit, w, activation=activation)
    for channel in (5, len(w) - 1):
        np.testing.assert_array_equal(np.isnan(result[:, channel]), np.isnan(expected[:, channel]))
        np.testing.assert_array_equal(result[:, channel], expected[:, channel])
    data.assert_identical(np.delete(result, (5, len(w) - 1), 1), np.delete(finite, (5, len(w) - 1), 1))


@pytest.mark.parametrize("layout", DENSE)
@together()
def test_padding_changes_no_bit(padded, layout, cpu_level):
    """Nor do threads and images, which blocks depend on; prepared weights neither."""
    convolve, x, w = padded
    expected = convolve(x, w)
    options = {key: value for key, value in convolve.keywords.items() if key != "method"}
    data.assert_identical(fastconv.prepare(w, **options, method="direct")(x), expected)
    for threads in (2, 3):
        with fastconv.num_threads(threads):
            images = LAYOUTS[layout](np.concatenate([x, x, x]), 1)
            data.assert_identical(convolve(images, w)[-len(x) :], expected)


@pytest.mark.parametrize("layout", DENSE)
@together(bias=(None, 0.0, -0.0))
def test_padding_gives_no_zero_its_sign(padded, layout, bias, cpu_level):
    """Products that underflow leave -0.0, which a zero of the padding would have made 0.0, were it not left out."""
    convolve, x, w = padded
    tiny = np.finfo(x.dtype).tiny
    x, w = -tiny * np.abs(x), tiny * np.abs(w)
    bias = bias if bias is None else np.full(len(w), bias, x.dtype)
    expected = convolve(x, w, bias)
    assert not expected.any()
    for threads in (2, 3, 4):
        with fastconv.num_threads(threads):
            assert convolve(x, w, bias).tobytes() == expected.tobytes()
            images = LAYOUTS[layout](np.concatenate([x, x]), 1)
            assert convolve(images, w, bias)[: len(x)].tobytes() == expected.tobytes()
