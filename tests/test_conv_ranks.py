"""conv1d and conv3d: the same promises as conv2d, over the same tables of methods, types, levels and layouts."""

import numpy as np
import pytest
from scipy import signal

import fastconv
from tests import data
from tests.cases import CONV1D, CONV3D, row
from tests.conv_checks import assert_right, check_integers, check_reals, on_integers, run
from tests.layouts import DENSE, LAYOUTS, WRITABLE
from tests.together import together

CONVS = CONV1D + CONV3D
over_cases = pytest.mark.parametrize("case", CONVS, ids=lambda case: f"{case.rank}d-{case.name}")
SOME = [
    row(CONV1D, "k3"), row(CONV1D, "k4-stride-3"), row(CONV1D, "depthwise"), row(CONV1D, "unbatched"),
    row(CONV3D, "3x3x3"), row(CONV3D, "1x1x1"), row(CONV3D, "groups-2"), row(CONV3D, "unbatched"),
    row(CONV1D, "winograd-3"), row(CONV1D, "winograd-5"), row(CONV3D, "winograd-strided-depth"),
]  # fmt: skip
over_some = pytest.mark.parametrize("case", SOME, ids=lambda case: f"{case.rank}d-{case.name}")


@over_cases
@together(layout=DENSE)
def test_small_integers(case, dtype, method, cpu_level, layout):
    check_integers(case, dtype, method, layout)


@over_cases
@together(make=(data.normal, data.positive))
def test_error_bound(case, dtype, method, cpu_level, make):
    check_reals(case, dtype, method, make)


@over_some
@together(layout=LAYOUTS)
def test_input_in_any_memory(case, layout, dtype, method):
    x, w, b = data.operands(case, data.integers, dtype)
    x = LAYOUTS[layout](x, case.channel_axis)
    before = x.copy()
    assert_right(run(case, x, w, b, method), case, dtype, method)
    np.testing.assert_array_equal(x, before)


@over_some
@together(layout=WRITABLE)
def test_out(case, layout, dtype, method):
    out = WRITABLE[layout](data.filled_with_nan(on_integers(case).shape, dtype), case.channel_axis)
    result = run(case, *data.operands(case, data.integers, dtype), method, out=out)
    assert result is out or result is None
    assert_right(result, case, dtype, method)


@over_some
@together(kind=("float16", "float32", "float64"))
def test_memory_order_follows_the_input(case, kind):
    x, w, b = data.operands(case, data.integers, kind)
    assert run(case, x, w, b, "auto").flags.c_contiguous
    result = run(case, LAYOUTS["channels_last"](x, case.channel_axis), w, b, "auto")
    assert np.moveaxis(result, case.channel_axis, -1).flags.c_contiguous


@over_some
@together()
def test_same_bits_for_any_split_of_the_batch(case, method, dtype):
    images = data.normal((4, *case.input[-case.rank - 1 :]), dtype)
    _, w, b = data.operands(case, data.normal, dtype)
    whole = run(case, images, w, b, method)
    if whole is not None:
        data.assert_identical(np.stack([run(case, image, w, b, method) for image in images]), whole)


@pytest.mark.parametrize("mode", ["valid", "same", "full"])
@pytest.mark.parametrize("taps", [1, 2, 3, 8, 9])
@together()
def test_scipy_correlate_of_signals(mode, taps, dtype, exact_method):
    x, w = data.integers((40,), dtype), data.integers((taps,), dtype, "taps")
    padding = "same_lower" if mode == "same" else mode
    result = fastconv.conv1d(x[None], w[None, None], padding=padding, method=exact_method)[0]
    data.assert_identical(result, signal.correlate(x, w, mode, method="direct"))


@pytest.mark.parametrize("mode", ["valid", "same", "full"])
@pytest.mark.parametrize("kernel", [(3, 3, 3), (2, 3, 4), (1, 1, 2)], ids=str)
@together()
def test_scipy_correlate_of_volumes(mode, kernel, dtype, exact_method):
    x, w = data.integers((5, 6, 7), dtype), data.integers(kernel, dtype, "kernel")
    padding = "same_lower" if mode == "same" else mode
    result = fastconv.conv3d(x[None], w[None, None], padding=padding, method=exact_method)[0]
    data.assert_identical(result, signal.correlate(x, w, mode, method="direct"))


def test_lower_ranks_are_images_one_pixel_high(dtype, exact_method):
    """One implementation over any rank: conv1d is conv2d of one row, conv2d is conv3d of one slice, bit for bit."""
    x, w = data.normal((2, 3, 30), dtype), data.normal((5, 3, 4), dtype)
    as_image = fastconv.conv2d(x[:, :, None], w[:, :, None], stride=(1, 2), padding=(0, 3), method=exact_method)
    data.assert_identical(fastconv.conv1d(x, w, stride=2, padding=3, method=exact_method), as_image[:, :, 0])
    x, w = data.normal((2, 3, 9, 11), dtype), data.normal((5, 3, 3, 2), dtype)
    as_volume = fastconv.conv3d(x[:, :, None], w[:, :, None], stride=(1, 2, 1), padding=(0, 1, 0), method=exact_method)
    data.assert_identical(fastconv.conv2d(x, w, stride=(2, 1), padding=(1, 0), method=exact_method), as_volume[:, :, 0])


@pytest.mark.parametrize("function", ["conv1d", "conv3d"])
def test_first_line_says_cross_correlation(function):
    assert "cross-correlat" in getattr(fastconv, function).__doc__.splitlines()[0].lower()


def test_a_plane_of_padding_is_not_the_plane_beside_it(dtype, cpu_level):
    """The only plane of outputs sees the zeros before the only plane of the image, which had been read for them."""
    x, w = data.integers((1, 33, 1, 3, 6), dtype), data.integers((33, 1, 1, 1, 1), dtype, "weight")
    b = data.integers((33,), dtype, "bias")
    result = fastconv.conv3d(x, w, b, stride=2, padding=((1, 0), (1, 5), (1, 4)), groups=33)
    data.assert_identical(result, np.broadcast_to(b[:, None, None, None], result.shape).copy())
