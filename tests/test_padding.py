"""Padding: every form says the same thing in its own words, and every mode is numpy.pad's of the name it maps to."""

import numpy as np
import pytest

import fastconv
from tests import data
from tests.cases import MODES
from tests.together import together

NUMPY_MODE = {
    "zeros": "constant", "reflect": "reflect", "symmetric": "symmetric", "replicate": "edge", "circular": "wrap",
}  # fmt: skip
PAIRS = (((1, 1), (2, 2)), ((0, 3), (1, 0)), ((3, 2), (0, 4)), ((0, 0), (0, 0)))


@pytest.fixture
def image(dtype):
    return data.integers((2, 3, 5, 6), dtype, "image")


@pytest.fixture
def weight(dtype):
    return data.integers((4, 3, 3, 2), dtype, "weight")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pairs", PAIRS, ids=str)
@together(last=(False, True))
def test_mode_is_numpy_pad(image, weight, mode, pairs, last, exact_method, cpu_level):
    """Padding inside conv2d equals padding by numpy.pad before it."""
    if last:
        image = np.moveaxis(np.moveaxis(image, 1, -1).copy(), -1, 1)
    padded = np.pad(image, ((0, 0), (0, 0), *pairs), NUMPY_MODE[mode])
    expected = fastconv.conv2d(padded.copy(order="C"), weight, method="direct")
    result = fastconv.conv2d(image, weight, padding=pairs, padding_mode=mode, method=exact_method)
    data.assert_identical(result, expected)


WIDEST = {"reflect": -1, "symmetric": 0, "replicate": 3, "circular": 0}  # a margin, of more than the image


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("mode", WIDEST)
@together(last=(False, True), batch=((), (2,)), step=(1, 2))
def test_widest_margins(rank, mode, dtype, last, batch, step, cpu_level):
    """As wide as a mode allows, on one side more than on the other, of images in one piece and of every other pixel."""
    size = (3, 4, 5)[:rank]
    whole = data.integers((*batch, 3, *(step * n for n in size)), dtype, "image")
    if last:
        whole = np.moveaxis(np.moveaxis(whole, len(batch), -1).copy(), -1, len(batch))
    image = whole[(..., *(slice(None, None, step),) * rank)]
    weight = data.integers((2, 3, *(2,) * rank), dtype, "weight")
    pairs = tuple((n + WIDEST[mode], n + WIDEST[mode] - 1) for n in size)
    padded = np.pad(image, ((0, 0),) * (len(batch) + 1) + pairs, NUMPY_MODE[mode])
    conv = getattr(fastconv, f"conv{rank}d")
    expected = conv(padded.copy(order="C"), weight, method="direct")
    with fastconv.num_threads(2):
        result = conv(image, weight, padding=pairs, padding_mode=mode, method="direct")
        known = conv(image, weight, padding=pairs, padding_mode=mode, method="direct")
    data.assert_identical(result, expected)
    data.assert_identical(known, expected)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (2, (2, 2)),
        ((1, 2), ((1, 1), (2, 2))),
        (0, "valid"),
        ([1, 0], ((1, 1), (0, 0))),
        (np.int64(1), 1),
        (np.array([1, 2]), (1, 2)),
        (np.array([[1, 0], [2, 3]]), ((1, 0), (2, 3))),
        ((1, (2, 0)), ((1, 1), (2, 0))),
        ("full", ((2, 2), (1, 1))),
        ("same", ((1, 1), (0, 1))),
        ("same_lower", ((1, 1), (1, 0))),
        (np.str_("same"), "same"),
    ],
    ids=str,
)
def test_forms_agree(image, weight, one, other):
    data.assert_identical(fastconv.conv2d(image, weight, padding=one), fastconv.conv2d(image, weight, padding=other))


def test_names_of_numpy_are_names(image, weight):
    """As integers of NumPy are integers: an item of an array of names was refused for not being a string."""
    names = {"padding_mode": "circular", "activation": "relu", "method": "direct"}
    expected = fastconv.conv2d(image, weight, padding=1, **names)
    result = fastconv.conv2d(image, weight, padding=1, **{key: np.str_(name) for key, name in names.items()})
    data.assert_identical(result, expected)


@pytest.mark.parametrize("name", ["same", "same_lower"])
@pytest.mark.parametrize("size", range(1, 10))
@together(kernel=(1, 2, 3, 4, 5), stride=(1, 2, 3, 4), dilation=(1, 2))
def test_same_gives_ceil_of_size_over_stride(name, size, kernel, stride, dilation):
    """The size that defines "same", for convolution and pooling; TensorFlow and ONNX have the same rule."""
    x = data.positive((1, 1, size, 2)) + 1
    out = fastconv.conv2d(x, data.integers((1, 1, kernel, 1)), stride=(stride, 1), dilation=dilation, padding=name)
    assert out.shape == (1, 1, -(-size // stride), 2)


@pytest.mark.parametrize("kernel", [2, 4])
def test_odd_element_of_same(kernel):
    """Where a lone one at the left edge ends up tells on which side the odd element went."""
    image = np.zeros((1, 1, 1, 6))
    image[..., 0] = 1
    weight = np.arange(1.0, kernel + 1).reshape(1, 1, 1, kernel)
    after = fastconv.conv2d(image, weight, padding="same")
    before = fastconv.conv2d(image, weight, padding="same_lower")
    assert after[0, 0, 0, 0] == (kernel - 1) // 2 + 1, "the odd one after: fewer elements before"
    assert before[0, 0, 0, 0] == kernel // 2 + 1, "the odd one before"


def test_padding_of_pooling_never_wins(dtype):
    """Negative data: a padding of zeros would be the largest, and would pull means towards zero."""
    image = -1 - data.positive((1, 2, 5, 5), dtype)
    assert np.all(fastconv.max_pool2d(image, 3, 1, 1) <= -1)
    without = fastconv.avg_pool2d(image, 3, 1, 1, count_include_pad=False)
    counted = fastconv.avg_pool2d(image, 3, 1, 1)
    assert np.all(without <= -1)
    assert counted[0, 0, 0, 0] > without[0, 0, 0, 0]
    np.testing.assert_allclose(counted[..., 0, 0] * 9, without[..., 0, 0] * 4, rtol=1e-6)
