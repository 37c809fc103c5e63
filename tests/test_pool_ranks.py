"""Max and average pooling of one and three axes: the same promises as of two."""

import numpy as np
import pytest
from scipy import ndimage

import fastconv
from tests import data, truth
from tests.layouts import DENSE, LAYOUTS
from tests.pool_cases import POOL1D, POOL3D
from tests.pool_checks import AVERAGES, check_average_of_integers, check_average_of_reals, check_max
from tests.together import together

POOLS = POOL1D + POOL3D
over_cases = pytest.mark.parametrize("case", POOLS, ids=lambda case: f"{case.rank}d-{case.name}")
KINDS = ("float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "int64")


@over_cases
@together(layout=DENSE, kind=KINDS)
def test_max(case, kind, cpu_level, layout):
    check_max(case, kind, layout)


@over_cases
@together(layout=LAYOUTS)
def test_max_in_any_memory(case, layout):
    check_max(case, "float32", layout)


@over_cases
@together(layout=DENSE, extra=AVERAGES)
def test_average(case, dtype, cpu_level, layout, extra):
    check_average_of_integers(case, dtype, extra, layout)
    check_average_of_reals(case, dtype, extra, layout)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_scipy_filters_of_signals(size):
    x = data.integers((3, 25))
    result = fastconv.max_pool1d(x, size, 1, "same_lower")
    data.assert_identical(result, ndimage.maximum_filter1d(x, size, mode="constant", cval=-np.inf))
    mean = fastconv.avg_pool1d(x, size, 1, "same_lower")
    np.testing.assert_allclose(mean, ndimage.uniform_filter1d(x, size, mode="constant"), rtol=0, atol=1e-13)


@pytest.mark.parametrize("size", [(3, 3, 3), (2, 3, 4), (1, 2, 1)], ids=str)
def test_scipy_filters_of_volumes(size):
    x = data.integers((5, 6, 7))
    result = fastconv.max_pool3d(x[None], size, 1, "same_lower")[0]
    data.assert_identical(result, ndimage.maximum_filter(x, size, mode="constant", cval=-np.inf))
    mean = fastconv.avg_pool3d(x[None], size, 1, "same_lower")[0]
    np.testing.assert_allclose(mean, ndimage.uniform_filter(x, size, mode="constant"), rtol=0, atol=1e-13)


@pytest.mark.parametrize("rank", [1, 3])
def test_nan(rank, dtype):
    """The first NaN of a window, in every position of a volume."""
    x = data.integers((2, 3, *(7,) * rank), dtype)
    x[data.generator(rank).random(x.shape) < 0.1] = np.nan
    result = getattr(fastconv, f"max_pool{rank}d")(x, 3, 2, 1, return_indices=True)
    expected = truth.max_pool(x, 3, 2, 1, return_indices=True)
    for one, other in zip(result, expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    assert np.isnan(expected[0]).any()


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("pooling", ["max_pool", "avg_pool"])
def test_out(rank, pooling, dtype):
    x = data.integers((2, 3, *(6,) * rank), dtype)
    out = data.filled_with_nan((2, 3, *(3,) * rank), dtype)
    assert getattr(fastconv, f"{pooling}{rank}d")(x, 2, out=out) is out
    data.assert_identical(out, getattr(truth, pooling)(x, 2))


def test_windows_that_begin_before_the_first_plane(dtype, cpu_level):
    """Of a window of which one plane is in the volume, rows are read as they lie: once from the plane before the first.

    The volume is part of a larger one, whose other planes would show.
    """
    volume = np.full((1, 2, 5, 3, 20), 99.0, dtype)
    volume[:, :, 2:4] = x = data.integers((1, 2, 2, 3, 20), dtype)
    window = {"kernel_size": (2, 2, 1), "stride": 1, "padding": (1, 1, 0)}
    result = fastconv.max_pool3d(volume[:, :, 2:4], **window, return_indices=True)
    for one, other in zip(result, truth.max_pool(x, **window, return_indices=True), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 0), (2, 2, 0)], ids=str)
def test_depths_that_no_window_is_at(kernel, stride, padding, dtype, cpu_level):
    """Strips of rows went over every depth of the input and wrote beyond the outputs, which were of every third."""
    x = data.integers((2, 3, 7, 9, 40), dtype)
    window = (1, kernel, kernel), (3, stride, stride), (0, padding, padding)
    data.assert_identical(fastconv.max_pool3d(x, *window), truth.max_pool(x, *window))
    average = fastconv.avg_pool3d(x, *window, divisor_override=1)
    data.assert_identical(average, truth.avg_pool(x, *window, divisor_override=1).astype(dtype))
