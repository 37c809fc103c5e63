"""Numbers: NaN and infinity follow IEEE and stay where they touch; the same bits for any split of the batch."""

import numpy as np
import pytest

import fastconv
from tests import data, truth
from tests.cases import CONV2D, row
from tests.conv_checks import run
from tests.layouts import DENSE, LAYOUTS
from tests.together import together
from tests.tolerance import SUMS_DIRECTLY

CONVS = [
    row(CONV2D, name)
    for name in (
        "3x3", "1x1", "7x7-stride-2", "same-even", "groups-2", "depthwise", "dilation-2", "batch-3", "relu", "relu6",
        "width-33", "sum-of-585", "circular-1", "stride-4-beyond-kernel",
    )
]  # fmt: skip
over_convs = pytest.mark.parametrize("case", CONVS, ids=lambda case: case.name)
NON_FINITE = (np.nan, np.inf, -np.inf)


@over_convs
@pytest.mark.parametrize("value", NON_FINITE, ids=str)
@together(layout=DENSE, method=SUMS_DIRECTLY)
def test_one_element_touches_its_windows_only(case, method, layout, value, dtype, cpu_level):
    """A NaN or infinity at each corner and in the middle; some weights are zero, and 0 * NaN is NaN all the same."""
    x, w, b = data.operands(case, data.integers, dtype)
    w = w * (data.integers(w.shape, dtype, "mask") > 0)
    for where in {(0,) * x.ndim, tuple(size - 1 for size in x.shape), tuple(size // 2 for size in x.shape)}:
        marked = x.copy()
        marked[where] = value
        expected = truth.conv(marked, w, b, **case.arguments())
        result = run(case, LAYOUTS[layout](marked, case.channel_axis), w, b, method)
        np.testing.assert_array_equal(result, expected, strict=True)


@pytest.mark.parametrize("value", NON_FINITE, ids=str)
@together(layout=DENSE, method=SUMS_DIRECTLY)
def test_non_finite_weight(method, layout, value, dtype, cpu_level):
    """Zeros in the image times an infinite weight are NaN; other output channels see nothing of it."""
    x = data.integers((2, 3, 6, 9), dtype) * (data.integers((2, 3, 6, 9), dtype, "mask") > 0)
    w = data.integers((7, 3, 3, 3), dtype)
    w[4, 1, 2, 0] = value
    result = fastconv.conv2d(LAYOUTS[layout](x, 1), w, method=method)
    np.testing.assert_array_equal(result, truth.conv(x, w), strict=True)
    assert np.isfinite(np.delete(result, 4, axis=1)).all()


@together(method=SUMS_DIRECTLY)
def test_non_finite_bias(method, dtype):
    x, w = data.integers((1, 3, 5, 5), dtype), data.integers((4, 3, 3, 3), dtype)
    bias = np.array([np.nan, np.inf, -np.inf, 1], dtype)
    np.testing.assert_array_equal(fastconv.conv2d(x, w, bias, method=method), truth.conv(x, w, bias), strict=True)


@pytest.mark.parametrize("activation", ["relu", "relu6"])
@together(method=SUMS_DIRECTLY)
def test_activation_keeps_nan(method, activation, dtype, cpu_level):
    """A clamp that is a pair of comparisons turns NaN into a bound; NumPy's and torch's do not."""
    x = np.array([np.nan, -np.inf, np.inf, -1, 3, 7] * 3, dtype).reshape(1, 1, 1, 18)
    result = fastconv.conv2d(x, np.ones((5, 1, 1, 1), dtype), activation=activation, method=method)
    top = np.inf if activation == "relu" else 6
    expected = np.array([np.nan, 0, top, 0, 3, min(7, top)] * 3, dtype)
    np.testing.assert_array_equal(result, np.broadcast_to(expected, (1, 5, 1, 18)), strict=True)


def check_largest(x, layout, *windows):
    """Maxima and their indices are those of the definition, which are returned."""
    expected = truth.max_pool(x, *windows, return_indices=True)
    result = fastconv.max_pool2d(LAYOUTS[layout](x, 1), *windows, return_indices=True)
    for one, other in zip(result, expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    return expected


@pytest.mark.parametrize("width", [4, 9, 17, 33])
@pytest.mark.parametrize("kernel", [(2, 2), (3, 3)])
@pytest.mark.parametrize("stride", [1, 2])
@together(layout=DENSE)
def test_max_propagates_nan_and_names_the_first(layout, width, kernel, stride, dtype, cpu_level):
    """Several NaN in one window, in every column: the index is the first one's, the others are not seen."""
    rng = data.generator(width, kernel, stride)
    x = data.integers((2, 3, 6, width), dtype)
    x[rng.random(x.shape) < 0.15] = np.nan
    values, _ = check_largest(x, layout, kernel, stride, 1)
    assert np.isnan(values).any()
    assert not np.isnan(values).all()
    np.testing.assert_array_equal(fastconv.max_pool2d(LAYOUTS[layout](x, 1), kernel, stride, 1), values)


@pytest.mark.parametrize("value", [np.nan, -np.inf], ids=str)
@together(layout=DENSE)
def test_max_of_a_window_of_one_value(value, layout, dtype, cpu_level):
    """All NaN or all -inf, with padding beside: the index is that of a real element, the first one."""
    check_largest(np.full((1, 3, 5, 9), value, dtype), layout, 3, 2, 1)


@together(layout=DENSE)
def test_max_of_infinities(layout, dtype, cpu_level):
    """+inf is the largest number, and is not padding."""
    rng = data.generator("infinities")
    x = rng.choice(np.array([-np.inf, np.inf, 1, 2], dtype), (1, 3, 7, 19), p=[0.7, 0.05, 0.2, 0.05])
    check_largest(x, layout, 3, 2, 1)


@together(layout=DENSE)
def test_signed_zeros_are_equal(layout, dtype, cpu_level):
    """-0.0 and 0.0 are equals: the first one's index."""
    x = data.generator("zeros").choice(np.array([-0.0, 0.0], dtype), (1, 3, 6, 18))
    _, indices = check_largest(x, layout, 2)
    assert len(np.unique(indices)) > 1


@pytest.mark.parametrize("value", NON_FINITE, ids=str)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("included", [True, False])
@together(layout=DENSE)
def test_average_is_not_a_running_sum(layout, value, stride, included, dtype, cpu_level):
    """NaN only where the window touches: a running sum would carry it to the end of the row."""
    x = data.integers((1, 3, 6, 19), dtype)
    x[0, 1, 2, 3] = x[0, 2, 0, 0] = value
    result = fastconv.avg_pool2d(LAYOUTS[layout](x, 1), 3, stride, 1, count_include_pad=included)
    expected = truth.avg_pool(x, 3, stride, 1, count_include_pad=included)
    np.testing.assert_array_equal(result, expected, strict=True)
    assert np.isfinite(result).mean() > 0.7


@over_convs
@together(layout=DENSE)
def test_same_bits_for_any_split_of_the_batch(case, method, layout, dtype, cpu_level):
    """An image in a batch of 5, alone, without a batch axis: real data, bits compared."""
    images = data.normal((5, *case.input[-3:]), dtype)
    _, w, b = data.operands(case, data.normal, dtype)
    images = LAYOUTS[layout](images, 1)
    whole = run(case, images, w, b, method)
    if whole is None:
        return
    parts = np.concatenate([run(case, part, w, b, method) for part in np.split(images, [1, 3])])
    single = np.stack([run(case, image, w, b, method) for image in images])
    data.assert_identical(parts, whole)
    data.assert_identical(single, whole)


@together(layout=DENSE)
def test_same_bits_for_any_split_of_the_batch_when_pooling(layout, dtype, cpu_level):
    images = LAYOUTS[layout](data.normal((5, 3, 9, 21), dtype), 1)
    whole = fastconv.avg_pool2d(images, 3, 2, 1)
    data.assert_identical(np.stack([fastconv.avg_pool2d(image, 3, 2, 1) for image in images]), whole)


def test_no_silent_wrap_around():
    """The largest values of each integer type come out as they are."""
    for name in ("int8", "uint8", "int16", "uint16", "int32", "int64"):
        info = np.iinfo(name)
        x = np.array([info.min, info.max, info.min, info.min], name).reshape(1, 1, 2, 2)
        np.testing.assert_array_equal(fastconv.max_pool2d(x, 2), np.array([[[[info.max]]]], name), strict=True)
