"""Nothing to compute: no images, no channels, no pixels but those of padding."""

import numpy as np
import pytest

import fastconv
from tests import data
from tests.array_checks import POOLINGS
from tests.conv_checks import attempt
from tests.together import together


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("shape", [(0, 3, 6, 7), (2, 0, 6, 7), (0, 6, 7), (0, 0, 6, 7)], ids=str)
def test_pooling_of_nothing_is_nothing(pooling, shape, dtype):
    assert getattr(fastconv, pooling)(np.zeros(shape, dtype), 2).shape == (*shape[:-2], 3, 3)


def test_pooling_indices_of_nothing():
    values, indices = fastconv.max_pool2d(np.zeros((0, 3, 6, 7), np.uint8), 2, return_indices=True)
    assert (values.shape, values.dtype) == ((0, 3, 3, 3), np.uint8)
    assert (indices.shape, indices.dtype) == ((0, 3, 3, 3), np.int64)


@pytest.mark.parametrize("spatial", [(9,), (5, 5), (3, 4, 5)], ids=len)
@pytest.mark.parametrize("outputs", [1, 4, 16, 40])
@together()
def test_no_input_channels_leave_the_bias(outputs, spatial, dtype, method, cpu_level):
    """A sum of no products is zero: the result is the bias, and not what the memory held.

    Of 16 outputs, and of 2 at AVX2, a stage of no channels divided by their number, which ended the process.
    """
    bias = data.integers((outputs,), dtype)
    out = data.filled_with_nan((2, outputs, *spatial), dtype)
    x, w = np.zeros((2, 0, *spatial), dtype), np.zeros((outputs, 0, *[3] * len(spatial)), dtype)
    convolve = getattr(fastconv, f"conv{len(spatial)}d")
    for image in (x, np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)):
        out.fill(np.nan)
        if attempt(convolve, image, w, bias, padding=1, method=method, out=out) is not None:
            data.assert_identical(out, np.broadcast_to(bias.reshape(-1, *[1] * len(spatial)), out.shape))


def test_many_taps_of_no_input_channels(dtype, cpu_level):
    """The table of what tiles read in the stage had those of one channel, behind its end."""
    x, w, bias = np.zeros((1, 0, 40, 64), dtype), np.zeros((4, 0, 31, 31), dtype), data.integers((4,), dtype)
    expected = np.broadcast_to(bias[:, None, None], (1, 4, 40, 64))
    data.assert_identical(fastconv.conv2d(x, w, bias, padding=15, method="direct"), expected)


@pytest.mark.parametrize("channels", [3, 200])
def test_no_output_channels(channels, dtype, cpu_level):
    """What minimal filtering of 200 channels costs was asked of a plan that divided by the number of its panels."""
    x, w = np.ones((2, channels, 5, 7), dtype), np.ones((0, channels, 3, 3), dtype)
    assert fastconv.conv2d(x, w).shape == (2, 0, 3, 5)


def test_gradient_of_no_channels_in_groups(dtype, cpu_level):
    """Lanes along a group's outputs, here of the transposed layer, were divided by their number."""
    w, g = np.ones((64, 0, 3, 3), dtype), np.ones((2, 64, 3, 5), dtype)
    assert fastconv.grad.conv2d_input((2, 0, 5, 7), w, g, groups=2).shape == (2, 0, 5, 7)
    assert fastconv.conv_transpose2d(g, w, groups=2).shape == (2, 0, 5, 7)


def test_image_of_padding_alone(dtype, method):
    """A spatial size of zero, padded: all products are zero, the result is the bias."""
    bias = data.integers((4,), dtype)
    x, w = np.zeros((1, 2, 0, 3), dtype), np.ones((4, 2, 2, 2), dtype)
    result = attempt(fastconv.conv2d, x, w, bias, padding=1, method=method)
    if result is not None:
        data.assert_identical(result, np.broadcast_to(bias[:, None, None], (1, 4, 1, 4)))


@pytest.mark.parametrize(("inputs", "outputs"), [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("spatial", [(1,), (1, 1), (1, 5), (5, 1), (5, 5), (1, 3, 1)], ids=str)
def test_gradients_of_no_weights(inputs, outputs, spatial, dtype):
    """Where some taps see nothing, what a call costs was divided by the number of channels."""
    rank = len(spatial)
    x, g = np.zeros((1, inputs, *spatial), dtype), np.zeros((1, outputs, *spatial), dtype)
    weight = outputs, inputs, *(3,) * rank
    assert getattr(fastconv.grad, f"conv{rank}d_weight")(x, weight, g, padding=1).shape == weight
