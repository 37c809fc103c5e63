"""max_pool2d and avg_pool2d equal the definition and scipy.ndimage's filters, at every CPU level."""

import numpy as np
import pytest
from scipy import ndimage

import fastconv
from tests import data
from tests.cases import names
from tests.layouts import DENSE
from tests.pool_cases import POOL2D
from tests.pool_checks import AVERAGES, check_average_of_integers, check_average_of_reals, check_max
from tests.together import together

over_cases = pytest.mark.parametrize("case", POOL2D, ids=names(POOL2D))
INTEGER_TYPES = ("int8", "uint8", "int16", "uint16", "int32", "int64")


@over_cases
@together(layout=DENSE)
def test_max(case, dtype, cpu_level, layout):
    check_max(case, dtype, layout)


@over_cases
@together(layout=DENSE, integer_type=INTEGER_TYPES)
def test_max_of_integer_types(case, integer_type, cpu_level, layout):
    check_max(case, integer_type, layout)


@over_cases
@together(layout=DENSE, extra=AVERAGES)
def test_average_of_small_integers(case, dtype, cpu_level, layout, extra):
    check_average_of_integers(case, dtype, extra, layout)


@over_cases
@together(layout=DENSE, extra=AVERAGES)
def test_average_within_bound(case, dtype, cpu_level, layout, extra):
    check_average_of_reals(case, dtype, extra, layout)


def test_arguments_have_the_order_of_torch():
    """Positional calls; dilation is the fourth of max_pool2d and keyword-only in avg_pool2d."""
    input = data.integers((2, 3, 9, 9))
    by_position = fastconv.max_pool2d(input, 3, 2, 1, 2, True, True)
    by_name = fastconv.max_pool2d(
        input, kernel_size=3, stride=2, padding=1, dilation=2, ceil_mode=True, return_indices=True
    )
    for one, other in zip(by_position, by_name, strict=True):
        data.assert_identical(one, other)
    data.assert_identical(
        fastconv.avg_pool2d(input, 3, 2, 1, True, False, 5),
        fastconv.avg_pool2d(
            input, kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False, divisor_override=5
        ),
    )


def test_stride_is_the_kernel_unless_given():
    input = data.integers((1, 2, 7, 8))
    data.assert_identical(fastconv.max_pool2d(input, (3, 2)), fastconv.max_pool2d(input, (3, 2), (3, 2)))
    data.assert_identical(fastconv.avg_pool2d(input, (3, 2)), fastconv.avg_pool2d(input, (3, 2), (3, 2)))


@pytest.mark.parametrize("size", [(2, 2), (3, 3), (4, 3), (5, 5), (1, 6)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_scipy_maximum_filter(size, stride, dtype):
    """ndimage centres an even window with its larger half before: "same_lower"."""
    image = data.integers((11, 14), dtype, limit=50)
    expected = ndimage.maximum_filter(image, size, mode="constant", cval=-np.inf)[::stride, ::stride]
    padding = tuple((k // 2, (k - 1) // 2) for k in size)
    result = fastconv.max_pool2d(image[None], size, stride, padding)[0]
    data.assert_identical(result, expected)
    if stride == 1:
        data.assert_identical(fastconv.max_pool2d(image[None], size, 1, "same_lower")[0], expected)


@pytest.mark.parametrize("size", [(2, 2), (3, 3), (4, 3), (5, 5), (1, 6)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_scipy_uniform_filter(size, stride):
    """The mean with zeros around: count_include_pad. SciPy keeps running sums, hence a tolerance in float64."""
    image = data.normal((11, 14))
    expected = ndimage.uniform_filter(image, size, mode="constant", cval=0.0)[::stride, ::stride]
    padding = tuple((k // 2, (k - 1) // 2) for k in size)
    result = fastconv.avg_pool2d(image[None], size, stride, padding)[0]
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-14)


def test_uint8_minimum_is_a_value_and_no_padding():
    """An image of zeros in uint8, padded: the maximum is 0 and its index lies in the image."""
    values, indices = fastconv.max_pool2d(np.zeros((1, 1, 3, 3), np.uint8), 3, 2, 1, return_indices=True)
    np.testing.assert_array_equal(values, np.zeros((1, 1, 2, 2), np.uint8), strict=True)
    np.testing.assert_array_equal(indices[0, 0], [[0, 1], [3, 4]])
