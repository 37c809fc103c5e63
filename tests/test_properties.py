"""Properties over drawn geometries: whatever hypothesis thinks of equals the definition, or is refused by both."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
import reference
from tests import data
from tests.cases import MODES
from tests.layouts import LAYOUTS
from tests.tolerance import SUMS_DIRECTLY

few = st.integers(1, 4)
small = st.integers(0, 3)
layouts = st.sampled_from(sorted(LAYOUTS))
dtypes = st.sampled_from(["float32", "float64"])


def axes(values, rank=2):
    """One integer, or one for each axis."""
    return values | st.tuples(*(values,) * rank)


def paddings(rank=2):
    """Every form of padding."""
    pairs = st.tuples(*(st.tuples(small, small),) * rank)
    return axes(small, rank) | pairs | st.sampled_from(["valid", "same", "same_lower", "full"])


@st.composite
def convolutions(draw):
    """Shapes and arguments of a convolution that mostly exists."""
    groups = draw(st.integers(1, 3))
    icg, ocg = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 12)))
    shape = (groups * icg, *size)
    if draw(st.booleans()):
        shape = (draw(st.integers(0, 3)), *shape)
    return {
        "input": shape,
        "weight": (groups * ocg, icg, *draw(st.tuples(few, few))),
        "bias": draw(st.booleans()),
        "arguments": {
            "stride": draw(axes(few)),
            "padding": draw(paddings()),
            "dilation": draw(axes(st.integers(1, 3))),
            "groups": groups,
            "padding_mode": draw(st.sampled_from(["zeros", *MODES])),
            "activation": draw(st.sampled_from([None, None, "relu", "relu6"])),
        },
    }


def refused(call, *args, **kwargs):
    """The result, or None where the arguments are refused."""
    try:
        return call(*args, **kwargs)
    except ValueError:
        return None


@pytest.mark.parametrize("method", [*SUMS_DIRECTLY, "auto"])
@given(case=convolutions(), layout=layouts, dtype=dtypes)
def test_conv2d(method, case, layout, dtype):
    x = data.integers(case["input"], dtype, "x")
    w = data.integers(case["weight"], dtype, "w")
    b = data.integers(case["weight"][:1], dtype, "b") if case["bias"] else None
    expected = refused(reference.conv, x, w, b, **case["arguments"])
    result = refused(fastconv.conv2d, LAYOUTS[layout](x, x.ndim - 3), w, b, **case["arguments"], method=method)
    if result is None and case["arguments"]["padding_mode"] != "zeros":
        return  # padding wider than the image: the definition goes on, fastconv refuses (tests/test_padding.py)
    assert (result is None) == (expected is None)
    if expected is not None:
        np.testing.assert_array_equal(result, expected, strict=True)


@st.composite
def poolings(draw):
    """Shapes and arguments of a pooling that mostly exists."""
    return {
        "input": (draw(few), draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(1, 20))),
        "kernel_size": draw(axes(few)),
        "stride": draw(st.none() | axes(few)),
        "padding": draw(paddings()),
        "dilation": draw(axes(st.integers(1, 3))),
        "ceil_mode": draw(st.booleans()),
    }


@given(case=poolings(), layout=layouts, dtype=st.sampled_from(["float32", "float64", "uint8", "int16", "int64"]))
def test_max_pool2d(case, layout, dtype):
    shape = case.pop("input")
    x = data.generator(shape).integers(0, 5, shape).astype(dtype)
    result = refused(fastconv.max_pool2d, LAYOUTS[layout](x, 1), **case, return_indices=True)
    expected = refused(reference.max_pool, x, **case, return_indices=True)
    if result is None:
        return _assert_refused_rightly(case, shape, expected)
    for one, other in zip(result, expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    return None


@given(
    case=poolings(), layout=layouts, dtype=dtypes,
    include=st.booleans(), divisor=st.none() | st.integers(1, 9),
)  # fmt: skip
def test_avg_pool2d(case, layout, dtype, include, divisor):
    shape = case.pop("input")
    x = data.integers(shape, dtype)
    case |= {"count_include_pad": include, "divisor_override": divisor}
    result = refused(fastconv.avg_pool2d, LAYOUTS[layout](x, 1), **case)
    if result is None:
        case = {name: case[name] for name in ("kernel_size", "stride", "padding", "dilation", "ceil_mode")}
        return _assert_refused_rightly(case, shape, refused(reference.max_pool, x, **case))
    np.testing.assert_array_equal(result, reference.avg_pool(x, **case), strict=True)
    return None


def _assert_refused_rightly(case, shape, expected):
    """Refused are geometries with a window in padding alone, with no window, and padding as large as the kernel."""
    if expected is None or isinstance(case["padding"], str):
        return
    kernel, dilation = (reference._padding.per_axis(case[name], 2) for name in ("kernel_size", "dilation"))
    amounts = reference._padding.pairs(case["padding"], shape[2:], kernel, kernel, dilation)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    assert any(max(pair) >= span for pair, span in zip(amounts, spans, strict=True)), case


@given(case=convolutions(), dtype=dtypes)
def test_a_stride_takes_every_step_th_of_stride_one(case, dtype):
    """Bit for bit on small integers, for any geometry with explicit padding."""
    arguments = case["arguments"] | {"padding": 2, "padding_mode": "zeros"}
    x, w = data.integers(case["input"], dtype), data.integers(case["weight"], dtype)
    dense = refused(fastconv.conv2d, x, w, **(arguments | {"stride": 1}))
    if dense is not None:
        steps = reference._padding.per_axis(arguments["stride"], 2)
        np.testing.assert_array_equal(fastconv.conv2d(x, w, **arguments), dense[..., :: steps[0], :: steps[1]])


@given(case=convolutions(), dtype=dtypes)
def test_groups_are_convolutions_side_by_side(case, dtype):
    arguments = case["arguments"]
    groups = arguments["groups"]
    x, w = data.integers(case["input"], dtype), data.integers(case["weight"], dtype)
    whole = refused(fastconv.conv2d, x, w, **arguments)
    if whole is not None:
        parts = [
            fastconv.conv2d(part, filters, **(arguments | {"groups": 1}))
            for part, filters in zip(np.split(x, groups, axis=-3), np.split(w, groups), strict=True)
        ]
        np.testing.assert_array_equal(np.concatenate(parts, axis=-3), whole)
