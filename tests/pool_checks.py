"""What pooling is checked for, over any rank: shared by the tests of one, two and three spatial axes."""

import functools

import numpy as np

import fastconv
import reference
from fastconv import _cpu
from fastconv._pool_geometry import pool_geometry
from tests.data import assert_identical, generator, integers, normal
from tests.layouts import LAYOUTS
from tests.tolerance import assert_within

AVERAGES = (
    {},
    {"count_include_pad": False},
    {"divisor_override": 5},
    {"count_include_pad": False, "divisor_override": 3},
)


def any_values(case, dtype):
    """Data for maxima: many equal values; integers from the whole range of their type, its lowest value included."""
    rng = generator("pool", case.input)
    if np.dtype(dtype).kind == "f":
        return np.floor(rng.exponential(2, case.input) - 3).astype(dtype)  # large values are rare: maxima differ
    info = np.iinfo(dtype)
    few = np.array([info.min, info.min + 1, info.max // 3, info.max - 1], dtype)
    return few[rng.choice(4, case.input, p=[0.7, 0.1, 0.1, 0.1])]


def options(case):
    """What follows input and kernel_size in a call, except what only one kind of pooling has."""
    return {"stride": case.stride, "padding": case.padding, "dilation": case.dilation, "ceil_mode": case.ceil_mode}


def windows(x, kernel, stride, padding, blank):
    """Every window of the last two axes, as two axes more; all are one number or one for each axis."""
    kernel, stride, padding = (np.broadcast_to(size, 2) for size in (kernel, stride, padding))
    padded = np.pad(x, ((0, 0),) * (x.ndim - 2) + tuple((p, p) for p in padding), constant_values=blank)
    view = np.lib.stride_tricks.sliding_window_view(padded, tuple(kernel), (-2, -1))
    return view[..., :: stride[0], :: stride[1], :, :]


@functools.cache
def largest(case, dtype):
    """Values and indices by the definition."""
    return reference.max_pool(any_values(case, dtype), case.kernel, **options(case), return_indices=True)


def check_max(case, dtype, layout="contiguous"):
    """Values and indices equal the definition's, with and without the indices asked for."""
    function = getattr(fastconv, f"max_pool{case.rank}d")
    input = LAYOUTS[layout](any_values(case, dtype), case.channel_axis)
    values, indices = largest(case, dtype)
    found, where = function(input, case.kernel, **options(case), return_indices=True)
    np.testing.assert_array_equal(where, indices, strict=True)
    np.testing.assert_array_equal(found, values, strict=True)
    np.testing.assert_array_equal(function(input, case.kernel, **options(case)), values, strict=True)
    assert values.size == 0 or len(np.unique(values)) > 1 or values.size < 4, "one value everywhere proves nothing"


@functools.cache
def _average(case, make, dtype, extra):
    input = make(case.input, dtype)
    exact = reference.avg_pool(input, case.kernel, **options(case), **dict(extra), dtype=reference.wide(dtype))
    size = reference.avg_pool(np.abs(input), case.kernel, **options(case), **dict(extra), dtype=reference.wide(dtype))
    return input, exact, size


def check_average_of_integers(case, dtype, extra, layout="contiguous"):
    """The exact sum over the divisor, rounded once: equal to the last bit."""
    input, exact, _ = _average(case, integers, dtype, tuple(extra.items()))
    function = getattr(fastconv, f"avg_pool{case.rank}d")
    result = function(LAYOUTS[layout](input, case.channel_axis), case.kernel, **options(case), **extra)
    assert_identical(result, exact.astype(dtype))


def check_average_of_reals(case, dtype, extra, layout="contiguous"):
    """Within the bound of a direct sum."""
    input, exact, size = _average(case, normal, dtype, tuple(extra.items()))
    function = getattr(fastconv, f"avg_pool{case.rank}d")
    result = function(LAYOUTS[layout](input, case.channel_axis), case.kernel, **options(case), **extra)
    assert result.dtype == dtype
    assert_within(result, exact, size, "direct")


def way_of_places(x, kernel, stride, padding=0, dilation=1):
    """By which way channels-first maxima of volumes are found with their places: "strips", "blocks" or "rows"."""
    geometry = pool_geometry("", 3, x.shape, kernel, stride, padding, dilation, False).geometry
    return _cpu.kernel("pool_at").way_of_first(tuple(geometry), x, 3)
