"""Depthwise layers with channels last: rows from beyond the second cache, and channels that fill no vector."""

import numpy as np
import pytest

import fastconv
from tests import data, truth
from tests.layouts import LAYOUTS
from tests.together import together

# name -> (input, weight, keywords): images of more than 1 MiB, or of half as much each
LAYERS = {
    "rest of a strip": ((1, 40, 83, 81), (40, 1, 3, 3), {"padding": 1}),
    "strided": ((1, 44, 85, 77), (44, 1, 3, 3), {"padding": 1, "stride": 2}),
    "rows left out": ((1, 48, 100, 60), (48, 1, 1, 3), {"stride": (3, 1)}),
    "dilated": ((1, 24, 120, 95), (24, 1, 5, 5), {"padding": 4, "dilation": 2}),
    "several images": ((3, 136, 33, 33), (272, 1, 3, 3), {"padding": 1}),
    "axes swapped": ((1, 64, 70, 60), (64, 1, 7, 1), {"padding": (3, 0)}),
    "wide kernel": ((1, 32, 92, 92), (32, 1, 4, 4), {"padding": 3}),
    "volume": ((1, 24, 8, 38, 38), (24, 1, 3, 3, 3), {"padding": 1}),
}


@pytest.mark.parametrize("name", LAYERS)
@together()
def test_rows_asked_for_ahead(name, dtype, cpu_level):
    """Integers, whose sums are exact, give the bits of channels-first memory; what is asked for ends with the image."""
    input, weight, keywords = LAYERS[name]
    x, w = data.integers(input, dtype), data.integers(weight, dtype)
    convolve = {4: fastconv.conv2d, 5: fastconv.conv3d}[len(input)]
    expected = convolve(x, w, groups=input[1], **keywords)
    result = convolve(LAYOUTS["channels_last"](x, 1), w, groups=input[1], **keywords)
    assert np.count_nonzero(expected) > expected.size // 2
    np.testing.assert_array_equal(result, expected, strict=True)


@pytest.mark.parametrize("channels", [2, 3, 5, 8, 13])
@pytest.mark.parametrize(
    "keywords",
    [{}, {"stride": 2, "padding": 1}, {"stride": (1, 3)}, {"dilation": 2, "padding": 3}, {"stride": 2, "dilation": 3}],
    ids=str,
)
@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 3), (5, 1), (2, 4)], ids=str)
@together(layout=("channels_last", "channels_last_cropped", "channels_of_many"))
def test_fewer_channels_than_lanes(kernel, keywords, channels, layout, dtype, cpu_level):
    """A vector reaches behind its pixel, into what is none of its business: NaN beside each image, but in its memory,
    comes to nothing, nor is anything written there."""
    x, w = data.integers((2, channels, 15, 29), dtype), data.integers((channels, 1, *kernel), dtype, "weight")
    b = data.integers((channels,), dtype, "bias")
    x[:, :, -1, -1] = np.nan
    seen = LAYOUTS[layout](x, 1)
    expected = fastconv.conv2d(x, w, b, groups=channels, **keywords)
    np.testing.assert_array_equal(fastconv.conv2d(seen, w, b, groups=channels, **keywords), expected, strict=True)
    beside = LAYOUTS["channels_last"](np.full((2, channels + 1, *expected.shape[2:]), 7, dtype), 1)
    fastconv.conv2d(seen, w, b, groups=channels, out=beside[:, :channels], **keywords)
    np.testing.assert_array_equal(beside[:, :channels], expected)
    assert (beside[:, channels] == 7).all()


@pytest.mark.parametrize("taps", range(1, 11))
@pytest.mark.parametrize("stride", [1, 2, 3])
@together(channels=(16, 21))
def test_rows_of_taps_of_any_number(taps, stride, channels, dtype, cpu_level):
    """Each has a function for each number of pixels at the end of a row, up to a strip of twelve."""
    w, b = data.integers((channels, 1, 2, taps), dtype, "weight"), data.integers((channels,), dtype, "bias")
    for pixels in range(1, 27):
        x = data.integers((1, channels, 3, (pixels - 1) * stride + taps), dtype)
        expected = truth.conv(x, w, b, stride=stride, groups=channels)
        out = LAYOUTS["channels_last"](np.full_like(expected, np.nan), 1)
        fastconv.conv2d(LAYOUTS["channels_last"](x, 1), w, b, stride, groups=channels, out=out)
        np.testing.assert_array_equal(out, expected, strict=True)


@pytest.mark.parametrize("stride", [2**50, 2**60, 2**61, 2**62 - 1])
@together()
def test_a_stride_beyond_the_image_lengthens_no_table(stride, dtype, cpu_level):
    """Of one output it is of no matter."""
    x, w = LAYOUTS["channels_last"](data.integers((1, 3, 3), dtype), 1), data.integers((3, 1, 2), dtype, "weight")
    result = fastconv.conv1d(x, w, stride=stride, padding=1, groups=3)
    data.assert_identical(result, truth.conv(x, w, stride=5, padding=1, groups=3))


@together(layout=("channels_last", "channels_last_cropped", "channels_of_many"))
def test_images_of_one_pixel_have_the_bits_of_a_batch(layout, dtype, cpu_level):
    """Nothing tells the memory order of one such image; a batch of them, a crop, has strides that do."""
    x, w = data.normal((2, 64, 1), dtype), data.normal((64, 1, 5), dtype, "weight")
    x, keywords = LAYOUTS[layout](x, 1), {"stride": 6, "dilation": 4, "groups": 64}
    b = data.normal((64,), dtype, "bias")
    batch = fastconv.conv_transpose1d(x, w, b, **keywords)
    data.assert_identical(batch, np.stack([fastconv.conv_transpose1d(image, w, b, **keywords) for image in x]))


def test_a_stride_beyond_memory_has_outputs_of_padding(dtype, cpu_level):
    """All but the first; 2**58 elements times channels wrapped around, and a kernel divided by zero."""
    x, w = data.integers((1, 16, 3), dtype), data.integers((16, 16, 2), dtype, "weight")
    result = fastconv.conv1d(x, w, stride=2**58, padding=((0, 2**59),))
    data.assert_identical(result, truth.conv(x, w, stride=5, padding=((0, 9),)))
