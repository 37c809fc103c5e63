"""Arrays: any memory gives the same values, no operand is modified, results keep the input's memory order.

Data is small integers, so equal means equal to the last bit whichever way the kernel went.
"""

import numpy as np
import pytest

import fastconv
from tests import data, truth
from tests.array_checks import over_convs, over_poolings, over_pools
from tests.conv_checks import assert_right, attempt, run
from tests.layouts import LAYOUTS, channels_last
from tests.pool_checks import any_values, largest, options
from tests.together import together
from tests.tolerance import SUMS_DIRECTLY

in_any_memory = together(layout=LAYOUTS)


def copies(arrays):
    return [None if a is None else a.copy() for a in arrays]


def assert_unmodified(arrays, before):
    for array, copy in zip(arrays, before, strict=True):
        if array is not None:
            np.testing.assert_array_equal(array, copy)


@over_convs
@in_any_memory
def test_conv_of_input_in_any_memory(case, layout, dtype, method, cpu_level):
    x, w, b = data.operands(case, data.integers, dtype)
    x = LAYOUTS[layout](x, case.channel_axis)
    before = copies((x, w, b))
    assert_right(run(case, x, w, b, method), case, dtype, method)
    assert_unmodified((x, w, b), before)


@over_convs
@in_any_memory
def test_conv_of_weight_and_bias_in_any_memory(case, layout, dtype, method):
    x, w, b = data.operands(case, data.integers, dtype)
    w = LAYOUTS[layout](w, 1)
    b = LAYOUTS[layout](b, 0) if b is not None and layout != "transposed" else b
    before = copies((x, w, b))
    assert_right(run(case, x, w, b, method), case, dtype, method)
    assert_unmodified((x, w, b), before)


@over_pools
@over_poolings
@in_any_memory
def test_pool_in_any_memory(case, layout, pooling, dtype, cpu_level):
    x = LAYOUTS[layout](data.integers(case.input, dtype), case.channel_axis)
    before = x.copy()
    expected = getattr(truth, pooling[:-2])(before.astype(dtype), case.kernel, **options(case))
    data.assert_identical(getattr(fastconv, pooling)(x, case.kernel, **options(case)), expected)
    assert_unmodified([x], [before])


@over_pools
@together(layout=LAYOUTS, integer_type=("uint8", "int64"))
def test_indices_in_any_memory(case, layout, integer_type):
    x = LAYOUTS[layout](any_values(case, integer_type), case.channel_axis)
    values, indices = fastconv.max_pool2d(x, case.kernel, **options(case), return_indices=True)
    expected = largest(case, integer_type)
    np.testing.assert_array_equal(values, expected[0], strict=True)
    np.testing.assert_array_equal(indices, expected[1], strict=True)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (3,), (0, 1), (2, 3), (0, 1, 2, 3)], ids=str)
@together()
def test_broadcast_input(axes, dtype, method, cpu_level):
    """Strides of zero, as numpy.broadcast_to makes them; writing through one would change many elements."""
    shape = (2, 3, 6, 7)
    small = data.integers(tuple(1 if axis in axes else size for axis, size in enumerate(shape)), dtype)
    x = np.broadcast_to(small, shape)
    w = np.broadcast_to(data.integers((5, 1, 3, 3), dtype), (5, 3, 3, 3))
    b = np.broadcast_to(np.array(3, dtype), 5)
    expected = truth.conv(x, w, b, padding=1)
    result = attempt(fastconv.conv2d, x, w, b, padding=1, method=method)
    if method in SUMS_DIRECTLY:
        data.assert_identical(result, expected)
    data.assert_identical(fastconv.max_pool2d(x, 2), truth.max_pool(x, 2))
    data.assert_identical(fastconv.avg_pool2d(x, 2), truth.avg_pool(x, 2))


def results_of(x, dtype):
    """Every function of this file on a batch or an image with 3 channels."""
    w = data.integers((5, 3, 3, 3), dtype)
    yield fastconv.conv2d(x, w, padding=1)
    yield fastconv.conv2d(x, w[:, :, :1, :1])
    yield fastconv.conv2d(x, data.integers((3, 1, 3, 3), dtype), groups=3)
    yield fastconv.conv2d(x, w, padding=1, padding_mode="reflect")
    yield from fastconv.max_pool2d(x, 2, return_indices=True)
    yield fastconv.avg_pool2d(x, 3, 1)


@pytest.mark.parametrize("shape", [(2, 3, 6, 7), (1, 3, 6, 7), (3, 6, 7)], ids=str)
@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_memory_order_follows_the_input(shape, kind):
    """Contiguous in, contiguous out; channels-last in, channels-last out."""
    x = data.integers(shape, kind)
    for result in results_of(x, kind):
        assert result.flags.c_contiguous
    axis = len(shape) - 3
    for result in results_of(channels_last(x, axis), kind):
        assert np.moveaxis(result, axis, -1).flags.c_contiguous
