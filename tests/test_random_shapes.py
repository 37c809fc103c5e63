"""Drawn geometries, mostly extreme, against the definition and, larger ones, against PyTorch where it is installed.

Data is small integers. What adds products up as they are gives the exact result to the last bit; methods that transform
their data come nearer to it than to any other integer. A geometry goes through every method that takes it, in every
memory layout; the dtype and the CPU level are drawn.
"""

import importlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastconv
from fastconv import _cpu
from fastconv._methods import NAMES
from tests import data
from tests.conv_checks import attempt
from tests.drawn import LARGE, SMALL, convolutions, poolings
from tests.grad_checks import of
from tests.layouts import LAYOUTS
from tests.tolerance import SUMS_DIRECTLY

repeatedly = settings(
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow],
)
drawn = given(draw=st.data(), dtype=st.sampled_from(["float32", "float64"]), level=st.sampled_from(_cpu.available()))


@pytest.fixture(params=[("reference", SMALL), ("torch", LARGE)], ids=lambda param: param[0])
def truth(request):
    """The module that says what is right, and how large the geometries are that it is asked about."""
    name, sizes = request.param
    if name == "torch":
        pytest.importorskip("torch")
    return importlib.import_module(f"tests.by_{name}"), sizes


@pytest.fixture(params=[True, False], ids=["direct", "auto"])
def exact(request):
    """Whether gradients are left to what sums directly."""
    if request.param:
        request.getfixturevalue("sums_directly")
    return request.param


def in_memory(*arrays):
    """Batches in every layout, after its name."""
    for name, layout in LAYOUTS.items():
        yield name, *(layout(array, 1) for array in arrays)


def assert_equal(result, expected, message, exact=True):
    """To the last bit, or to the nearest integer."""
    result = result if exact else np.rint(result)
    np.testing.assert_array_equal(result, expected.astype(result.dtype), message, strict=True)


def sizes_of(case):
    return {name: getattr(case, name) for name in ("stride", "padding", "dilation", "groups")}


@drawn
@repeatedly
def test_convolution(truth, draw, dtype, level):
    truth, most = truth
    case = draw.draw(convolutions(**most))
    x, w, b = data.operands(case, data.integers, dtype)
    expected = truth.convolution(case, x, w, b)
    with _cpu.override(level):
        for name, laid in in_memory(x):
            for method in (*NAMES, "auto"):
                result = attempt(getattr(fastconv, f"conv{case.rank}d"), laid, w, b, **sizes_of(case), method=method)
                if result is not None:
                    assert_equal(result, expected, f"{name} {method}", method in SUMS_DIRECTLY)


@drawn
@repeatedly
def test_gradients(truth, exact, draw, dtype, level):
    """Of the input, with a transposed convolution, which is the same map, of the weight and of the bias."""
    truth, most = truth
    case = draw.draw(convolutions(**most))
    x, w, _ = data.operands(case, data.integers, dtype)
    sizes = sizes_of(case)
    g = data.integers(fastconv.conv_output_shape(x.shape, w.shape, **sizes), dtype, "flowing")
    of_input, of_weight = truth.gradients(case, x, w, g)
    of_bias = g.sum((0, *range(2, g.ndim)))
    axes = zip(case.input[2:], case.weight[2:], case.stride, case.padding, case.dilation, strict=True)
    beyond = tuple((size + sum(pair) - d * (k - 1) - 1) % s for size, k, s, pair, d in axes)
    with _cpu.override(level):
        for name, laid, flowing in in_memory(x, g):
            assert_equal(of("conv", case, "_input")(x.shape, w, flowing, **sizes), of_input, f"{name} input", exact)
            transposed = getattr(fastconv, f"conv_transpose{case.rank}d")(flowing, w, output_padding=beyond, **sizes)
            assert_equal(transposed, of_input, f"{name} transposed", exact)
            slopes = of("conv", case, "_weight")(laid, w.shape, flowing, **sizes)
            assert_equal(slopes, of_weight, f"{name} weight", exact)
            assert_equal(of("conv", case, "_bias")(flowing), of_bias, f"{name} bias")


@drawn
@repeatedly
def test_pooling(truth, draw, dtype, level):
    """Maxima with and without their places, sums of windows, and gradients, which averages have without dilation."""
    truth, most = truth
    case = draw.draw(poolings(**most))
    x = data.integers(case.input, dtype, limit=9)
    maxima, where, sums = truth.pooling(case, x)
    g = data.integers(sums.shape, dtype, "flowing")
    of_maxima, of_sums = truth.pooling_gradients(case, x, where, g)
    max_pool, avg_pool = (getattr(fastconv, f"{kind}_pool{case.rank}d") for kind in ("max", "avg"))
    windows = case.kernel, case.stride, case.padding
    with _cpu.override(level):
        for name, laid, flowing, places in in_memory(x, g, where):
            found = max_pool(laid, *windows, case.dilation, return_indices=True)
            assert_equal(found[0], maxima, f"{name} maxima")
            assert_equal(found[1], where, f"{name} places")
            assert_equal(max_pool(laid, *windows, case.dilation), maxima, f"{name} maxima alone")
            assert_equal(avg_pool(laid, *windows, divisor_override=1, dilation=case.dilation), sums, f"{name} sums")
            assert_equal(of("max_pool", case)(flowing, places, x.shape), of_maxima, f"{name} gradient of maxima")
            if max(case.dilation) == 1:
                slopes = of("avg_pool", case)(flowing, x.shape, *windows, divisor_override=1)
                assert_equal(slopes, of_sums, f"{name} gradient of sums")
