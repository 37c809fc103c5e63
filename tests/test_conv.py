"""conv2d equals the definition: every method, type, CPU level and dense layout over the table of geometries."""

import numpy as np
import pytest

import fastconv
import reference
from fastconv._methods import METHODS
from tests import data
from tests.cases import CONV2D, names
from tests.conv_checks import check_integers, check_reals, run
from tests.layouts import DENSE
from tests.together import together

over_cases = pytest.mark.parametrize("case", CONV2D, ids=names(CONV2D))


@over_cases
@together(layout=DENSE)
def test_small_integers(case, dtype, method, cpu_level, layout):
    check_integers(case, dtype, method, layout)


@over_cases
@together(layout=DENSE, make=(data.normal, data.positive))
def test_error_bound(case, dtype, method, cpu_level, make, layout):
    check_reals(case, dtype, method, make, layout)


@pytest.mark.parametrize("name", [method.name for method in METHODS])
def test_each_method_takes_something(name):
    """A method that turned everything down would pass every test above."""
    assert any(run(case, *data.operands(case), name) is not None for case in CONV2D)


def test_arguments_have_the_order_of_torch():
    """Positional calls, as users of ``torch.nn.functional`` write them."""
    input, weight, bias = data.integers((1, 4, 9, 9)), data.integers((6, 2, 3, 3)), data.integers((6,))
    by_position = fastconv.conv2d(input, weight, bias, 2, 1, 2, 2)
    by_name = fastconv.conv2d(input, weight, bias, stride=2, padding=1, dilation=2, groups=2)
    data.assert_identical(by_position, by_name)
    assert by_position.shape == (1, 6, 4, 4)


def test_first_line_says_cross_correlation():
    assert "cross-correlat" in fastconv.conv2d.__doc__.splitlines()[0].lower()


def test_kernel_is_not_flipped():
    """A single one in the input comes out as the kernel, turned by half a turn: the mark of cross-correlation."""
    input = np.zeros((1, 1, 5, 5), np.float32)
    input[0, 0, 2, 2] = 1
    weight = np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)
    data.assert_identical(fastconv.conv2d(input, weight, padding=0), weight[:, :, ::-1, ::-1])


@pytest.mark.parametrize("kernel", [3, 4, 5, 7, 9, 10])
@pytest.mark.parametrize("stride", [1, 2])
@together()
def test_maps_of_fewer_rows_than_a_tile(kernel, stride, dtype, cpu_level):
    """Maps of 7, 8 and 14 rows went through tiles of ten, which took up to 1.7 times as long as tiles of eight."""
    for rows in range(1, 22):
        shape, padding = (1, 2, (rows - 1) * stride + kernel - 2, 11 * stride), 1
        x, w = data.integers(shape, dtype), data.integers((2, 2, kernel, 3), dtype)
        expected = reference.conv(x, w, stride=stride, padding=padding)
        out = data.filled_with_nan(expected.shape, dtype)
        data.assert_identical(fastconv.conv2d(x, w, None, stride, padding, method="direct", out=out), expected)
