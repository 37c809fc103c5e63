"""What messages say to who passes something else than was meant: each was met by a first user, and misled."""

import re

import numpy as np
import pytest

import fastconv

IMAGE, WEIGHT = np.ones((2, 3, 8, 9), np.float32), np.ones((4, 3, 3, 3), np.float32)
SIGNAL, TAPS = np.ones((1, 1, 9), np.float32), np.ones((1, 1, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fastconv.conv_output_shape(IMAGE, WEIGHT), r"conv_output_shape: input_shape\[0\] must be an integer"),
        (lambda: fastconv.explain((1, 3.0, 8), (1, 3, 3)), r"explain: input_shape\[1\] must be an integer, got 3.0"),
        (
            lambda: fastconv.grad.conv2d_input(IMAGE, WEIGHT, IMAGE),
            r"grad.conv2d_input: input_size\[0\] must be an integer, got array",
        ),
    ],
)
def test_what_is_wrong_about_a_shape_is_one_of_its_sizes(call, message):
    """An array in place of its shape was told that "input_size must be an integer", which it must not be."""
    with pytest.raises(TypeError, match=message):
        call()


def test_a_flat_pair_for_one_axis_is_told_the_form_of_pairs():
    """Causal padding, `(4, 0)` of a signal, "must be one integer or pair per axis, 1 integers"."""
    with pytest.raises(ValueError, match=r"a \(before, after\) pair for each axis, 1 in all, got 2: \(4, 0\)"):
        fastconv.conv1d(SIGNAL, TAPS, padding=(4, 0))
    with pytest.raises(ValueError, match=r"padding must be pairs of 2 integers, got 3: \(4, 0, 0\)"):
        fastconv.conv1d(SIGNAL, TAPS, padding=((4, 0, 0),))
    with pytest.raises(ValueError, match="stride must be an integer or one for each axis, 1 in all, got 2"):
        fastconv.conv1d(SIGNAL, TAPS, stride=(1, 1))


@pytest.mark.parametrize("function", [fastconv.conv2d, fastconv.conv_transpose2d])
def test_images_whose_channels_are_last_are_told_how_to_pass_them(function):
    """Images as files hold them, (h, w, 3), were told the shapes only."""
    image, weight = np.ones((8, 9, 3), np.float32), np.ones((3, 3, 3, 3), np.float32)
    with pytest.raises(ValueError, match=r"moveaxis\(input, -1, -3\)$"):
        function(image, weight)
    assert function(np.moveaxis(image, -1, -3), weight).shape[0] == 3
    with pytest.raises(ValueError, match=r"got input of shape \(2, 8, 9\)$"):
        function(image[..., :2].transpose(2, 0, 1), weight)


def test_a_name_where_padding_has_none_is_told_so():
    """padding="same" of a transposed convolution "must be an integer", as if pairs were none either."""
    for call in (
        lambda: fastconv.conv_transpose2d(IMAGE, WEIGHT[:3], padding="same"),
        lambda: fastconv.max_unpool2d(IMAGE, np.zeros(IMAGE.shape, int), 2, padding="same"),
    ):
        with pytest.raises(TypeError, match="padding must be integers or pairs of them, no name, got 'same'"):
            call()
    with pytest.raises(ValueError, match=r"padding must be an integer, or an integer or a .* 2 in all, got 3"):
        fastconv.conv_transpose2d(IMAGE, WEIGHT[:3], padding=(1, 2, 3))


def test_a_method_that_costs_more_is_told_how_much():
    """31x31 taps were not for Winograd since "482x482 outputs fill too few tiles to pay (0.0x less work)"."""
    reason = fastconv.explain((1, 1, 512, 512), (1, 1, 31, 31)).reasons["winograd"]
    ratio = re.match(r"the direct sum takes (\S+) of the time", reason)
    assert ratio
    assert 0 < float(ratio[1]) < 1
