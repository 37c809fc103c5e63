"""unfold and fold: im2col and col2im in torch's shapes, transposes of one another, and convolution as one product."""

import numpy as np
import pytest

import fastconv
import reference
from tests import data
from tests.cases import CONV2D
from tests.layouts import LAYOUTS

CASES = [
    case
    for case in CONV2D
    if case.padding_mode == "zeros" and case.activation is None and case.groups == 1 and "width" not in case.name
    and not case.name.startswith(("channels-", "sum-of"))
]  # fmt: skip
over_cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def arguments(case):
    return {"kernel_size": case.weight[2:], "dilation": case.dilation, "padding": case.padding, "stride": case.stride}


@over_cases
@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_unfold(case, kind):
    x = data.integers(case.input, kind)
    data.assert_identical(fastconv.unfold(x, **arguments(case)), reference.unfold(x, **arguments(case)))


@over_cases
def test_fold(case, dtype):
    columns = data.integers(reference.unfold(np.zeros(case.input), **arguments(case)).shape, dtype)
    sizes = case.input[-2:]
    data.assert_identical(
        fastconv.fold(columns, sizes, **arguments(case)), reference.fold(columns, sizes, **arguments(case))
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory(layout, dtype):
    x = data.integers((2, 3, 6, 7), dtype)
    columns = reference.unfold(x, (2, 3), 1, 1, 2)
    data.assert_identical(fastconv.unfold(LAYOUTS[layout](x, 1), (2, 3), 1, 1, 2), columns)
    data.assert_identical(
        fastconv.fold(LAYOUTS[layout](columns, 1), (6, 7), (2, 3), 1, 1, 2),
        reference.fold(columns, (6, 7), (2, 3), 1, 1, 2),
    )


@over_cases
def test_fold_is_the_transpose_of_unfold(case, dtype):
    """<unfold(a), b> = <a, fold(b)>, exactly on integers."""
    a = data.integers(case.input, dtype, "a")
    unfolded = fastconv.unfold(a, **arguments(case))
    b = data.integers(unfolded.shape, dtype, "b")
    folded = fastconv.fold(b, case.input[-2:], **arguments(case))
    left, right = np.vdot(unfolded, b), np.vdot(a, folded)
    assert left == right
    assert left != 0 or case.input[0] == 0


@over_cases
def test_convolution_is_a_product_with_columns(case, dtype):
    """weight (oc, ic*kh*kw) @ columns, reshaped, is conv2d: the layout of the columns is that of the weights."""
    x, w, _ = data.operands(case, data.integers, dtype)
    product = w.reshape(len(w), -1) @ fastconv.unfold(x, **arguments(case))
    expected = fastconv.conv2d(x, w, None, **case.arguments(), method="direct")
    data.assert_identical(product.reshape(expected.shape), expected)


def test_fold_of_unfold_counts_windows(dtype):
    x = np.ones((1, 1, 4, 4), dtype)
    counts = fastconv.fold(fastconv.unfold(x, 3), 4, 3)
    expected = np.outer([1, 2, 2, 1], [1, 2, 2, 1]).astype(dtype)
    data.assert_identical(counts[0, 0], expected)


def test_arguments_have_the_order_of_torch():
    x = data.integers((1, 2, 9, 9))
    columns = fastconv.unfold(x, 3, 2, 1, 2)
    data.assert_identical(columns, fastconv.unfold(x, kernel_size=3, dilation=2, padding=1, stride=2))
    data.assert_identical(
        fastconv.fold(columns, 9, 3, 2, 1, 2),
        fastconv.fold(columns, output_size=(9, 9), kernel_size=3, dilation=2, padding=1, stride=2),
    )
