"""What Fourier transforms must not let through: errors of other outputs, unread elements, far strides."""

import numpy as np
import pytest

import fastconv
from tests import data
from tests.conv_checks import attempt
from tests.tolerance import assert_within


@pytest.mark.parametrize("scale", [1e-2, 1e-6, 1e-30, 0.0], ids="{:g}".format)
def test_outputs_of_unlike_sizes(scale, dtype, cpu_level):
    """Two outputs share a transform: the smaller of them had the errors of the larger, 1480 eps at a scale of 1e-4."""
    x, w = data.few_bits(data.normal((1, 8, 40, 41), dtype)), data.few_bits(data.normal((5, 8, 9, 9), dtype, "weight"))
    w[1] *= scale
    w[4, 0, 0] = scale
    result, exact, size = (
        fastconv.conv2d(a.astype(kind), b.astype(kind), padding=2, method=method)
        for a, b, kind, method in (
            (x, w, dtype, "fft"), (x, w, "float64", "direct"), (abs(x), abs(w), "float64", "direct"),
        )
    )  # fmt: skip
    assert_within(result, exact, size, "fft", 2)
    assert scale > 0 or not result[0, 1].any()


@pytest.mark.parametrize("value", [np.nan, 1e20], ids=str)
@pytest.mark.parametrize(
    ("input", "weight", "arguments", "unread"),
    [
        ((1, 2, 30, 42), (3, 2, 5, 5), {"stride": 2}, np.s_[..., -1]),
        ((1, 2, 1000), (2, 2, 60), {"stride": 4, "dilation": 4}, np.s_[..., 1::4]),
        ((1, 2, 1001), (2, 2, 6), {"stride": 6, "dilation": 4}, np.s_[..., 1::2]),
    ],
    ids=["beyond the last window", "other phases", "other half"],
)
def test_elements_that_no_window_reads(input, weight, arguments, unread, value, dtype):
    """Each phase of the stride ends at its own last tap, and phases without taps are not transformed."""
    function = getattr(fastconv, f"conv{len(weight) - 2}d")
    x, w = data.normal(input, dtype), data.normal(weight, dtype, "weight")
    clean = function(x, w, **arguments, method="fft")
    x[unread] = value
    data.assert_identical(function(x, w, **arguments, method="fft"), clean)


def test_gaps_that_no_window_reads():
    with pytest.raises(ValueError, match="between taps of dilation 3 lie elements that no window reads"):
        fastconv.conv1d(np.ones((1, 1, 5)), np.ones((1, 1, 2)), dilation=3, method="fft")


@pytest.mark.parametrize("far", [2**21, 2**32, 2**40])
def test_far_strides(far):
    """As many phases as there are taps: their number was the stride, and the size of scratch wrapped around."""
    x, w = np.ones((1, 1, 4, 4, 4), np.float32), np.ones((1, 1, 3, 3, 3), np.float32)
    apart = {"stride": far, "dilation": far, "padding": (far, 0, 0) if far == 2**40 else far}
    result = attempt(fastconv.conv3d, x, w[:, :, :, :1, :1] if far == 2**40 else w, **apart, method="fft")
    if result is not None:
        np.testing.assert_allclose(result, 1, rtol=1e-6)


def test_long_transforms_are_chosen_at_once():
    """Lengths of thirteen passes were refused by the kernel, and tables of roots were made for `explain`."""
    for input, weight in (((1, 1, 3 * 10**8), (1, 1, 10**7)), ((1, 1, 2834352, 17), (1, 1, 1417176, 2))):
        assert fastconv.choose_method(input, weight) == "fft"


over_volumes = pytest.mark.parametrize(("size", "channels", "taps"), [(24, 1, 11), (20, 4, 7), (17, 3, 9)])


@over_volumes
def test_corners_of_volumes_are_summed_directly(size, channels, taps, dtype, cpu_level):
    """Padded along three axes, what sees too few taps is exact on small integers, which transforms are not."""
    x = data.integers((2, channels, size, size, size), dtype)
    w, padding = data.integers((2, channels, taps, taps, taps), dtype, "weight"), taps // 2
    assert fastconv.choose_method(x.shape, w.shape, padding=padding, dtype=dtype) == "fft"
    expected, result = fastconv.conv3d(x, w, padding=padding, method="direct"), fastconv.conv3d(x, w, padding=padding)
    ends = (..., *(slice(None, None, size - 1),) * 3)
    data.assert_identical(result[ends], expected[ends])


@over_volumes
def test_volumes_of_positive_data(size, channels, taps, cpu_level):
    x = data.positive((2, channels, size, size, size), "float32")
    w, padding = data.positive((2, channels, taps, taps, taps), "float32", "weight"), taps // 2
    exact = fastconv.conv3d(x.astype(np.float64), w.astype(np.float64), padding=padding, method="direct")
    out = np.full_like(exact, np.nan, np.float32)
    fastconv.conv3d(x, w, padding=padding, out=out)
    assert_within(out, exact, exact, "auto")


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
def test_non_finite_values_spread_over_their_image(value, dtype):
    x, w = data.normal((2, 1, 40, 41), dtype), data.normal((2, 1, 9, 9), dtype, "weight")
    clean = fastconv.conv2d(x, w, padding=4, method="fft")
    x[1, 0, 3, 4] = value
    result = fastconv.conv2d(x, w, padding=4, method="fft")
    assert not np.isfinite(result[1, :, :8, :9]).any()
    data.assert_identical(result[0], clean[0])
