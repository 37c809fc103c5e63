"""Winograd convolution: how output channels are shared out."""

import numpy as np
import pytest

import fastconv
from tests import data
from tests.layouts import DENSE, LAYOUTS
from tests.tolerance import assert_within


@pytest.mark.parametrize("size", [(14, 14), (7, 40), (28, 28)], ids=str)
def test_panels_of_any_width(size, dtype, cpu_level):
    """Output channels are shared out to panels of up to four vectors, and few panels to threads by parts: any number of
    either gives an image of ones, in which each output is the sum of the taps that it sees."""
    x, window = np.ones((1, 48, *size), dtype), (slice(None), slice(None), slice(1, -1), slice(1, -1))
    for oc in (1, 16, 17, 33, 40, 48, 65, 80, 97, 144):
        w = data.normal((oc, 48, 3, 3), dtype, "weight")
        exact = np.broadcast_to(w.sum((1, 2, 3), np.longdouble)[:, None, None], (1, oc, size[0] - 2, size[1] - 2))
        scale = np.broadcast_to(abs(w).sum((1, 2, 3), np.longdouble)[:, None, None], exact.shape)
        conv, expected = fastconv.prepare(w, padding=1, method="winograd"), None
        for threads in (1, 2, 3, 7):
            with fastconv.num_threads(threads):
                results = fastconv.conv2d(x, w, padding=1, method="winograd"), conv(x)
            expected = results[0] if expected is None else expected
            for result in results:
                data.assert_identical(result, expected)
        assert_within(expected[window], exact, scale, "winograd")


@pytest.mark.parametrize(
    ("size", "channels", "groups", "stride"),
    [
        ((7, 8), (150, 70), 1, 1),
        ((4, 15), (48, 17), 1, 1),
        ((8, 7), (128, 66), 2, 1),
        ((14, 14), (150, 70), 1, 2),
        ((16, 13), (80, 17), 1, 2),
        ((15, 16), (128, 66), 2, 2),
        ((29, 5), (64, 17), 1, 2),  # one tile wide or high, so that not half of them end that axis
        ((6, 30), (64, 17), 1, 2),
        ((30, 7), (64, 17), 1, 2),
    ],
    ids=str,
)
@pytest.mark.parametrize("layout", DENSE)
def test_weights_of_four_tiles_are_transformed_as_they_are_multiplied(
    size, channels, groups, stride, layout, dtype, cpu_level
):
    """One image of four tiles has the bits of the same in a batch or by prepared weights, where these are in memory."""
    ic, oc = channels
    x, w = data.normal((3, ic, *size), dtype), data.normal((oc, ic // groups, 3, 3), dtype, "weight")
    arguments = {"padding": 1, "stride": stride, "groups": groups, "method": "winograd"}
    expected = fastconv.conv2d(LAYOUTS[layout](x, 1), w, **arguments)[:1]
    image = LAYOUTS[layout](x[:1], 1)
    data.assert_identical(fastconv.prepare(w, **arguments)(image), expected)
    for threads in (1, 2, 3):
        with fastconv.num_threads(threads):
            data.assert_identical(fastconv.conv2d(image, w, **arguments), expected)


def test_packed_weights_beyond_the_caches_are_transformed_anew_for_four_tiles(cpu_level):
    """Of 17 MiB; a batch reads the packed ones."""
    x, w = data.normal((2, 176, 8, 8), "float32"), data.normal((704, 176, 3, 3), "float32", "weight")
    conv = fastconv.prepare(w, padding=1, method="winograd")
    expected = conv(x)
    for threads in (1, 2, 5):
        with fastconv.num_threads(threads):
            data.assert_identical(conv(x[:1]), expected[:1])


def test_transposed_weights_of_four_tiles(dtype, cpu_level):
    """Those of a transposed convolution and of an input gradient lie the other way round, taps from the last one on."""
    x, w = data.normal((3, 150, 8, 7), dtype), data.normal((150, 70, 3, 3), dtype, "weight")
    expected = fastconv.conv_transpose2d(x, w, padding=1)[:1]
    data.assert_identical(fastconv.conv_transpose2d(x[:1], w, padding=1), expected)
    data.assert_identical(fastconv.grad.conv2d_input((1, 70, 8, 7), w, x[:1], padding=1), expected)
