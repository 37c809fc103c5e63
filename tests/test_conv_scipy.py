"""conv2d equals scipy.signal by name: correlate2d, convolve2d, correlate, convolve, every mode and boundary that maps.

SciPy's functions disagree on where an even kernel stands in mode "same": correlate2d puts (k - 1) // 2 elements before
(our "same"), convolve2d, correlate and convolve put k // 2 (our "same_lower"). On small integers all agree to the last
bit.
"""

import numpy as np
import pytest
from scipy import signal

import fastconv
from tests import data
from tests.together import together

IMAGE = (9, 11)
KERNELS = ((3, 3), (2, 2), (4, 3), (1, 5), (5, 5), (6, 2), (1, 1))
BOUNDARIES = {"fill": "zeros", "wrap": "circular", "symm": "symmetric"}

over_kernels = pytest.mark.parametrize("kernel", KERNELS, ids=str)
over_modes = pytest.mark.parametrize("mode", ["valid", "same", "full"])
over_boundaries = pytest.mark.parametrize("boundary", BOUNDARIES)


def ours(image, weight, method, **keywords):
    """One image and one kernel through conv2d."""
    return fastconv.conv2d(image[None, None], weight[None, None], method=method, **keywords)[0, 0]


def pair(kernel, dtype):
    return data.integers(IMAGE, dtype, "image"), data.integers(kernel, dtype, "kernel")


@over_kernels
@over_modes
@over_boundaries
@together()
def test_correlate2d(kernel, mode, boundary, dtype, exact_method):
    image, weight = pair(kernel, dtype)
    expected = signal.correlate2d(image, weight, mode, boundary)
    data.assert_identical(ours(image, weight, exact_method, padding=mode, padding_mode=BOUNDARIES[boundary]), expected)


@over_kernels
@over_modes
@over_boundaries
@together()
def test_convolve2d(kernel, mode, boundary, dtype, exact_method):
    image, weight = pair(kernel, dtype)
    expected = signal.convolve2d(image, weight, mode, boundary)
    padding = "same_lower" if mode == "same" else mode
    flipped = weight[::-1, ::-1]
    result = ours(image, flipped, exact_method, padding=padding, padding_mode=BOUNDARIES[boundary])
    data.assert_identical(result, expected)


@over_kernels
@over_modes
@together()
def test_correlate(kernel, mode, dtype, exact_method):
    image, weight = pair(kernel, dtype)
    padding = "same_lower" if mode == "same" else mode
    expected = signal.correlate(image, weight, mode, method="direct")
    data.assert_identical(ours(image, weight, exact_method, padding=padding), expected)


@over_kernels
@over_modes
@together()
def test_convolve(kernel, mode, dtype, exact_method):
    image, weight = pair(kernel, dtype)
    padding = "same_lower" if mode == "same" else mode
    expected = signal.convolve(image, weight, mode, method="direct")
    data.assert_identical(ours(image, weight[::-1, ::-1], exact_method, padding=padding), expected)


@over_kernels
@together()
def test_sum_over_channels(kernel, dtype, exact_method):
    """Several channels in and out: each output is the sum of SciPy's over the inputs."""
    image, weight = data.integers((3, *IMAGE), dtype, "image"), data.integers((7, 3, *kernel), dtype, "kernel")
    expected = np.array([
        sum(signal.correlate2d(plane, one, "valid") for plane, one in zip(image, filters, strict=True))
        for filters in weight
    ])  # fmt: skip
    data.assert_identical(fastconv.conv2d(image, weight, method=exact_method), expected)


@pytest.mark.parametrize("step", [(2, 2), (3, 1), (1, 4)], ids=str)
@together()
def test_stride_takes_every_step_th(step, dtype, exact_method):
    image, weight = pair((3, 3), dtype)
    expected = signal.correlate2d(image, weight, "full")[:: step[0], :: step[1]]
    data.assert_identical(ours(image, weight, exact_method, padding="full", stride=step), expected)


def test_dilation_is_a_kernel_with_zeros_between(dtype, exact_method):
    image, weight = pair((3, 3), dtype)
    spread = np.zeros((5, 7), dtype)
    spread[::2, ::3] = weight
    data.assert_identical(
        ours(image, weight, exact_method, dilation=(2, 3)), signal.correlate2d(image, spread, "valid")
    )


def test_photographic_data(exact_method):
    """Real numbers in float64, a 15x15 kernel: within 6 eps of the sum of magnitudes of SciPy's result, twice."""
    image, weight = data.positive((40, 50)), data.normal((15, 15))
    expected = signal.correlate2d(image, weight, "same")
    size = signal.correlate2d(image, np.abs(weight), "same")
    error = np.abs(ours(image, weight, exact_method, padding="same") - expected)
    assert np.all(error <= 2 * 8 * np.finfo(np.float64).eps * size)
    assert np.any(expected != 0)
