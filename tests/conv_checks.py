"""What a convolution is checked for, over any rank: shared by the tests of conv1d, conv2d and conv3d."""

import functools
import re

import numpy as np

import fastconv
import reference
from tests.data import assert_identical, integers, operands
from tests.layouts import LAYOUTS
from tests.tolerance import SUMS_DIRECTLY, assert_within

TAKES_EVERYTHING = ("direct", "auto")


def attempt(function, *arguments, method, **keywords):
    """Call conv1d, conv2d or conv3d; None where the method says that it does not take the geometry."""
    try:
        return function(*arguments, method=method, **keywords)
    except ValueError as error:
        if method in TAKES_EVERYTHING:
            raise
        if not re.match(rf"{function.__name__}: method='{method}' cannot compute this geometry: \w+ \w+", str(error)):
            raise
        return None


def run(case, input, weight, bias, method, **keywords):
    """`attempt` a row."""
    function = getattr(fastconv, f"conv{case.rank}d")
    return attempt(function, input, weight, bias, **case.arguments(), method=method, **keywords)


@functools.cache
def on_integers(case):
    """The exact result on small integers, in float64."""
    return reference.conv(*operands(case), **case.arguments())


@functools.cache
def on_reals(case, make, dtype):
    """The exact result and the sum of magnitudes, both in a type wider than `dtype`."""
    data = operands(case, make, dtype)
    exact = reference.conv(*data, **case.arguments(), dtype=reference.wide(dtype))
    arguments = {name: value for name, value in case.arguments().items() if name != "activation"}
    return exact, reference.magnitude(*data, **arguments)


def assert_right(result, case, dtype, method):
    """On small integers: equal to the last bit, or within the bound for methods that transform their data.

    None, where the method did not take the geometry, has nothing to be compared.
    """
    if result is None:
        return
    if method in SUMS_DIRECTLY:
        assert_identical(result, on_integers(case).astype(dtype))
    else:
        assert result.dtype == dtype
        assert_within(result, *on_reals(case, integers, dtype), method, case.rank)


def check_integers(case, dtype, method, layout="contiguous"):
    """A row on small integers."""
    input, weight, bias = operands(case, integers, dtype)
    assert_right(run(case, LAYOUTS[layout](input, case.channel_axis), weight, bias, method), case, dtype, method)


def check_reals(case, dtype, method, make, layout="contiguous"):
    """Within the bound on real data."""
    input, weight, bias = operands(case, make, dtype)
    result = run(case, LAYOUTS[layout](input, case.channel_axis), weight, bias, method)
    if result is not None:
        assert result.dtype == np.dtype(dtype)
        assert_within(result, *on_reals(case, make, dtype), method, case.rank)
