"""Winograd convolution: how output channels are shared out."""

import numpy as np
import pytest

import fastconv
from tests import data
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
