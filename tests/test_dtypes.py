"""Types: float16 is computed in float32 and rounded once, mixed ones go to float64, lists are arrays."""

import numpy as np
import pytest

import fastconv
import reference
from fastconv._arrays import copy
from tests import data
from tests.cases import CONV2D, row
from tests.conv_checks import assert_right, on_integers, run


@pytest.mark.parametrize(
    "name", ["3x3", "sum-of-585", "depthwise", "relu6", "7x7-stride-2", "reflect-1", "batch-0", "winograd-ragged"]
)
def test_float16_is_computed_in_float32(name, method):
    """Rounded once, at the end: equal to the exact sum of integers in float16, sums above 2048 included."""
    case = row(CONV2D, name)
    x, w, b = data.operands(case, data.integers, np.float16)
    result = run(case, x, w, b, method)
    assert_right(result, case, np.float16, method)
    out = data.filled_with_nan(on_integers(case).shape, np.float16)
    if result is not None:
        assert run(case, x, w, b, method, out=out) is out
        data.assert_identical(out, result)


def test_float16_overflows_to_infinity():
    x = np.full((1, 1, 2, 2), 300, np.float16)
    np.testing.assert_array_equal(fastconv.conv2d(x, x), np.full((1, 1, 1, 1), np.inf, np.float16), strict=True)


def test_float16_pooling():
    x = data.normal((2, 3, 7, 8), np.float16)
    data.assert_identical(fastconv.max_pool2d(x, 3, 2, 1), reference.max_pool(x, 3, 2, 1))
    # float32 sums of nine float16 numbers, rounded once more than the exact one: at most one unit apart
    exact = reference.avg_pool(x, 3, 2, 1, dtype=np.float64)
    result = fastconv.avg_pool2d(x, 3, 2, 1)
    assert result.dtype == np.float16
    np.testing.assert_allclose(result, exact, rtol=2.0**-10, atol=1e-6)


def assert_same_numbers(result, expected):
    """Equal, with the signs of zeros and of NaN."""
    np.testing.assert_array_equal(result, expected, strict=True)
    np.testing.assert_array_equal(np.signbit(result), np.signbit(expected))


def near_halves():
    """Every float16 as float32, the numbers in the middle between two, and what is beside each of those."""
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32).view(np.uint32)
    middles = np.concatenate([halves, halves + 2**12])  # of subnormal ones some are elsewhere: see below
    subnormal = (np.arange(2**12, dtype=np.float32) / 2**26).view(np.uint32)
    bits = np.concatenate([middles, subnormal, subnormal | 2**31])
    return np.concatenate([bits - 1, bits, bits + 1]).view(np.float32)


def test_float16_is_converted_as_numpy_does(cpu_level):
    """Vectors of the kernels: every float16, and float32 wherever their rounding changes; overflow, NaN and all."""
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    wide, numbers = np.empty(every.shape, np.float32), near_halves()
    copy(every, wide)
    assert_same_numbers(wide, every.astype(np.float32))
    narrow = np.empty(numbers.shape, np.float16)
    copy(numbers, narrow)
    with np.errstate(all="ignore"):
        assert_same_numbers(narrow, numbers.astype(np.float16))


VIEWS = {
    "whole": lambda x: x,
    "turned": lambda x: x.transpose(0, 2, 3, 1),
    "reversed": lambda x: x[:, ::-1],
    "cropped": lambda x: x[..., 1:],
    "one": lambda x: x[:, :1],
    "spread": lambda x: np.broadcast_to(x[:, :1], x.shape),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_float16_of_any_strides(view):
    """Only what has no gaps, in the same order on both sides, goes to vectors; all of it is converted, and no more."""
    x = view(data.normal((2, 8, 16, 17), np.float16))
    for out in (np.empty_like(x, np.float32), np.empty(x.shape, np.float32)):
        copy(x, out)
        np.testing.assert_array_equal(out, x.astype(np.float32), strict=True)


@pytest.mark.parametrize("kinds", [("float32", "float64"), ("float64", "float32"), ("float16", "float64")], ids=str)
def test_mixed_types_go_to_float64(kinds):
    """Nothing is rounded to the narrower type on the way."""
    x, w = data.positive((1, 3, 6, 6), kinds[0]), data.positive((5, 3, 3, 3), kinds[1])
    result = fastconv.conv2d(x, w)
    data.assert_identical(result, fastconv.conv2d(x.astype(np.float64), w.astype(np.float64)))
    with_bias = fastconv.conv2d(x.astype(np.float32), w.astype(np.float32), data.positive((5,), np.float64))
    assert with_bias.dtype == np.float64


def test_lists_are_arrays():
    """Nested lists of floats are taken as NumPy takes them: float64."""
    result = fastconv.conv2d([[[1.0, 2.0], [3.0, 4.0]]], [[[[1.0, -1.0]]]])
    data.assert_identical(result, np.array([[[-1.0], [-1.0]]]))
