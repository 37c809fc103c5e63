"""Gradients of pooling in every rank: equal to the definition, transposes of the forward functions, slopes of them."""

import math
import re

import numpy as np
import pytest

import fastconv
import reference
from tests import data
from tests.grad_checks import inner, of, over
from tests.layouts import DENSE, LAYOUTS
from tests.pool_cases import POOL1D, POOL2D, POOL3D
from tests.pool_checks import AVERAGES
from tests.together import together
from tests.tolerance import assert_within

POOLS = POOL1D + POOL2D + POOL3D
AVERAGED = [case for case in POOLS if case.dilation == 1]


@over(POOLS)
@together(layout=DENSE)
def test_max_pool(case, layout, dtype):
    """Windows that overlap add up at their common maximum."""
    x = data.integers(case.input, dtype)
    window = {"kernel_size": case.kernel, "stride": case.stride, "padding": case.padding}
    _, indices = reference.max_pool(x, **window, dilation=case.dilation, ceil_mode=case.ceil_mode, return_indices=True)
    g = data.integers(indices.shape, dtype, "flowing")
    expected = reference.gradients.max_pool(g, indices, case.input, rank=case.rank)
    laid = [LAYOUTS[layout](array, case.channel_axis) for array in (g, indices)]
    result = of("max_pool", case)(*laid, case.input)
    data.assert_identical(result, expected)


@over(AVERAGED)
@together(layout=DENSE, extra=AVERAGES)
def test_avg_pool(case, layout, extra, dtype):
    arguments = {name: getattr(case, name) for name in ("stride", "padding", "ceil_mode")}
    arguments["kernel_size"] = case.kernel
    shape = reference.avg_pool(np.zeros(case.input), **arguments).shape
    g = data.integers(shape, dtype, "flowing")
    wide = {"dtype": reference.wide(dtype)} | arguments | extra
    exact = reference.gradients.avg_pool(g, case.input, **wide)
    size = reference.gradients.avg_pool(np.abs(g), case.input, **wide)
    result = of("avg_pool", case)(LAYOUTS[layout](g, case.channel_axis), case.input, **arguments, **extra)
    assert result.dtype == dtype
    assert_within(result, exact, size, "direct")


WAYS = {
    "planes in whole": ((2, 3, 7, 7), 3, 2, 1),
    "planes in whole, fewer outputs than a vector": ((2, 20, 7, 7), 7, 7, 0),
    "terms from several vectors of outputs": ((1, 2, 15, 15), 2, 2, 1),
    "narrow rows of more outputs than elements": ((1, 2, 5, 10), (3, 7), 1, (1, 6)),
    "rows": ((1, 3, 9, 41), 2, 2, 0),
    "rows with gaps": ((1, 2, 23, 50), 2, 3, 0),
    "two rows of outputs": ((1, 2, 21, 37), 3, 2, 1),
    "rows summed first": ((1, 2, 40, 37), 3, 1, 1),
    "rows summed first, strided": ((1, 2, 21, 70), 5, 2, 2),
    "stride beyond a vector": ((1, 2, 3, 90), (2, 30), (2, 29), 1),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count_include_pad", [False, True])
def test_avg_pool_ways(way, count_include_pad, dtype):
    """Each way through the kernel, and a NaN that goes to its window alone."""
    shape, kernel, stride, padding = WAYS[way]
    arguments = {"kernel_size": kernel, "stride": stride, "padding": padding, "count_include_pad": count_include_pad}
    g = data.integers(reference.avg_pool(np.zeros(shape), **arguments).shape, dtype, "flowing")
    g[0, 1, -1, 0] = np.nan
    exact = reference.gradients.avg_pool(g, shape, dtype=reference.wide(dtype), **arguments)
    size = reference.gradients.avg_pool(np.abs(g), shape, dtype=reference.wide(dtype), **arguments)
    result = fastconv.grad.avg_pool2d(g, shape, **arguments)
    touched = np.isnan(exact)
    assert touched.any()
    np.testing.assert_array_equal(np.isnan(result), touched)
    assert_within(np.where(touched, 0, result), np.where(touched, 0, exact), np.where(touched, 0, size), "direct")


@over([case for case in AVERAGED if math.prod(case.input)])
def test_avg_pool_adjoint(case):
    """<avg(x), g> = <x, gradient(g)>, with divisor 1 exact on integers."""
    arguments = {
        "kernel_size": case.kernel, "stride": case.stride, "padding": case.padding, "ceil_mode": case.ceil_mode,
        "divisor_override": 1,
    }  # fmt: skip
    x = data.integers(case.input)
    y = getattr(fastconv, f"avg_pool{case.rank}d")(x, **arguments)
    g = data.integers(y.shape, key="flowing")
    assert inner(y, g) == inner(x, of("avg_pool", case)(g, x.shape, **arguments)) != 0


@over([case for case in POOLS if math.prod(case.input)])
def test_max_pool_finite_differences(case):
    """Along a direction that changes no maximum, the outputs move by what the gradient says, exactly."""
    x = data.generator(case.input).permutation(math.prod(case.input)).reshape(case.input).astype(np.float64)
    window = {name: getattr(case, name) for name in ("stride", "padding", "dilation", "ceil_mode")}
    forward = getattr(fastconv, f"max_pool{case.rank}d")
    y, indices = forward(x, case.kernel, **window, return_indices=True)
    step = data.integers(x.shape, key="step", limit=4) / 16  # smaller than half the distance between two elements
    g = data.integers(y.shape, key="flowing")
    moved = forward(x + step, case.kernel, **window) - y
    assert inner(moved, g) == inner(step, of("max_pool", case)(g, indices, x.shape))
    assert moved.any()


@pytest.mark.parametrize("layout", DENSE)
def test_known_calls_look_at_their_indices(layout):
    """A call like an earlier one goes straight to the kernel, which must refuse an index there too, and write nothing
    outside: the values alone differ."""
    g = LAYOUTS[layout](data.integers((2, 3, 4, 4)), 1)
    for wrong in (64, -1, 2**62, -(2**63)):
        indices = LAYOUTS[layout](np.zeros((2, 3, 4, 4), np.int64), 1)
        for call in (
            lambda indices=indices: fastconv.grad.max_pool2d(g, indices, (2, 3, 8, 8)),
            lambda indices=indices: fastconv.max_unpool2d(g, indices, 2),
        ):
            indices[1, 2, 3, 3] = 0
            first = call()
            indices[1, 2, 3, 3] = wrong
            with pytest.raises(ValueError, match=re.escape(f"plane of size (8, 8), got {min(wrong, 0)} to")):
                call()
            indices[1, 2, 3, 3] = 0
            data.assert_identical(call(), first)
