"""Narrow channels-first planes, which general windows pool channels-last: same values, the caller's memory order."""

import numpy as np
import pytest

import fastconv
import reference
from fastconv import grad
from tests import data
from tests.layouts import LAYOUTS
from tests.pool_checks import way_of_places
from tests.together import together

SIZES = {
    "images": (3, 40, 7, 9),
    "many channels": (2, 200, 7, 7),
    "large": (1, 33, 60, 30),
    "one image": (20, 5, 6),
    "wide": (2, 17, 3, 300),
}
CALLS = {
    "dilated": lambda x: fastconv.max_pool2d(x, 2, 1, dilation=2),
    "mean of 2x3": lambda x: fastconv.avg_pool2d(x, (2, 3), 1, (1, 0)),
    "indices": lambda x: fastconv.max_pool2d(x, 3, 2, 1, return_indices=True),
    "adaptive mean": lambda x: fastconv.adaptive_avg_pool2d(x, (2, 4)),
    "adaptive indices": lambda x: fastconv.adaptive_max_pool2d(x, (3, 2), return_indices=True),
    "norm": lambda x: fastconv.lp_pool2d(x, 1, (2, 3), 1),
    "gradient": lambda x: grad.avg_pool2d(x, (*x.shape[:-2], 2 * x.shape[-2], x.shape[-1] + 1), 2, (2, 1)),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CALLS)
@together()
def test_memory_order_is_the_callers(name, size, dtype, cpu_level):
    """In blocks of channels, and a second call in the memory that the first one left."""
    x = data.integers(SIZES[size], dtype)
    for sign in (1, -1):
        first, last = (
            result if isinstance(result, tuple) else (result,)
            for result in map(CALLS[name], (sign * x, LAYOUTS["channels_last"](sign * x, x.ndim - 3)))
        )
        for a, b in zip(first, last, strict=True):
            data.assert_identical(a, b)
            assert a.any()
            assert a.flags.c_contiguous
            assert np.moveaxis(b, -3, -1).flags.c_contiguous


def test_values_are_those_of_the_definition(dtype, cpu_level):
    x = data.integers((2, 19, 5, 6), dtype)
    window = {"kernel_size": (2, 3), "stride": (1, 2), "padding": (1, 0)}
    out = np.full((2, 19, 6, 2), np.nan, dtype)
    assert fastconv.avg_pool2d(x, **window, divisor_override=1, out=out) is out
    data.assert_identical(out, reference.avg_pool(x, **window, divisor_override=1).astype(dtype))
    values, places = fastconv.max_pool2d(x, **window, return_indices=True)
    expected, expected_places = reference.max_pool(x, **window, return_indices=True)
    data.assert_identical(values, expected)
    data.assert_identical(places, expected_places)


def test_integers(cpu_level):
    """Those of four and eight bytes are turned as well."""
    for name in ("int32", "int64", "int16", "uint8"):
        x = data.integers((2, 20, 5, 7), np.float64).astype(name)
        expected = reference.max_pool(x, 2, stride=1, dilation=2)
        data.assert_identical(fastconv.max_pool2d(x, 2, 1, dilation=2), expected)


@pytest.mark.parametrize("side", [16, 28])
def test_places_of_large_planes(side, dtype, cpu_level):
    """Volumes that are turned although they fill the first cache, of several images, and such as are too large."""
    x = data.integers((3, 6, side, side, side), dtype)
    assert way_of_places(x, 4, 4) == ("blocks" if side == 16 else "rows")
    count = side // 4
    windows = x.reshape(3, 6, count, 4, count, 4, count, 4).transpose(0, 1, 2, 4, 6, 3, 5, 7)
    windows = windows.reshape(3, 6, count, count, count, 64)
    for threads in (1, 3):
        with fastconv.num_threads(threads):
            out = np.full(windows.shape[:-1], np.nan, dtype)
            values, places = fastconv.max_pool3d(x, 4, return_indices=True, out=out)
        data.assert_identical(values, windows.max(-1))
        tap = np.unravel_index(windows.argmax(-1), (4, 4, 4))
        first = (4 * at + k for at, k in zip(np.indices((count,) * 3), tap, strict=True))
        np.testing.assert_array_equal(places, np.ravel_multi_index(tuple(first), (side,) * 3))
