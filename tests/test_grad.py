"""Gradients of convolution in every rank: equal to the definition, transposes of the forward functions, slopes of them.

Adjoint identities: for a map y = f(x) that is linear in x, <f(x), g> = <x, grad(g)> for every x and g; on small
integers both sides are exact, so they are equal and not nearly so. Finite differences ask the forward function alone.
"""

import functools
import math

import numpy as np
import pytest

import fastconv
import reference
from fastconv import grad
from tests import data
from tests.cases import CONV1D, CONV2D, CONV3D, row
from tests.grad_checks import inner, of, over
from tests.layouts import DENSE, LAYOUTS, channels_last
from tests.together import together
from tests.tolerance import assert_within

CONVS = [
    case
    for case in CONV1D + CONV2D + CONV3D
    if case.padding_mode == "zeros" and case.activation is None and not case.name.startswith(("width-1", "k101"))
]


def arguments(case):
    return {name: getattr(case, name) for name in ("stride", "padding", "dilation", "groups")}


def flowing(case, dtype, make=data.integers):
    """A gradient of the output's shape."""
    x, w, _ = (a if a is None else np.empty(a.shape) for a in data.operands(case))
    shape = fastconv.conv_output_shape(x.shape, w.shape, **arguments(case))
    return make(shape, dtype, "flowing")


@functools.cache
def on_integers(case):
    """The exact gradients of the input and of the weight on small integers, in float64."""
    (x, w, _), g, slopes = data.operands(case), flowing(case, np.float64), reference.gradients
    return slopes.conv_input(x.shape, w, g, **arguments(case)), slopes.conv_weight(x, w.shape, g, **arguments(case))


@over(CONVS)
@together(layout=DENSE)
def test_conv_input(case, layout, dtype, cpu_level, sums_directly):
    _, w, _ = data.operands(case, data.integers, dtype)
    g = flowing(case, dtype)
    expected = on_integers(case)[0].astype(dtype)
    result = of("conv", case, "_input")(case.input, w, LAYOUTS[layout](g, case.channel_axis), **arguments(case))
    data.assert_identical(result, expected)


@over(CONVS)
@together(layout=DENSE)
def test_conv_weight(case, layout, dtype, cpu_level, sums_directly):
    x, _, _ = data.operands(case, data.integers, dtype)
    g = flowing(case, dtype)
    expected = on_integers(case)[1].astype(dtype)
    laid = [LAYOUTS[layout](array, case.channel_axis) for array in (x, g)]
    result = of("conv", case, "_weight")(laid[0], case.weight, laid[1], **arguments(case))
    if case.input[0] == 0:
        np.testing.assert_array_equal(result, expected, strict=True)  # no images, no slope
    else:
        data.assert_identical(result, expected)


@over(CONVS)
@together(layout=DENSE)
def test_conv_bias(case, layout, dtype):
    g = flowing(case, dtype)
    expected = reference.gradients.conv_bias(g, rank=case.rank)
    laid = LAYOUTS[layout](g, case.channel_axis)
    np.testing.assert_array_equal(of("conv", case, "_bias")(laid), expected, strict=True)
    assert expected.any() or case.input[0] == 0


@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize("shape", [(3, 65_537), (2, 1, 129), (2, 3, 64), (1, 2, 100, 90)])
def test_gradients_of_biases_are_sums_of_short_chains(shape, order, dtype):
    """Pixels of channels-last signals were added up in one row: two million of one sign erred by 270 eps."""
    g = data.positive(shape, dtype)
    channels = 1 if len(shape) > 2 else 0
    rank = len(shape) - channels - 1
    exact = np.array([math.fsum(part.ravel()) for part in np.moveaxis(g, channels, 0)], reference.wide(dtype))
    result = getattr(grad, f"conv{rank}d_bias")(channels_last(g, channels) if order == "last" else g)
    assert_within(result, exact, exact, "auto")


@over(CONVS)
@together()
def test_error_bounds(case, dtype):
    """Sums of real products, with the factor of "auto"."""
    x, w, _ = data.operands(case, data.normal, dtype)
    g = flowing(case, dtype, data.normal)
    if g.size == 0:
        return
    wide = {"dtype": reference.wide(dtype)} | arguments(case)
    slopes = reference.gradients
    assert_within(
        of("conv", case, "_input")(x.shape, w, g, **arguments(case)),
        slopes.conv_input(x.shape, w, g, **wide), slopes.conv_input(x.shape, abs(w), abs(g), **wide), "auto",
    )  # fmt: skip
    assert_within(
        of("conv", case, "_weight")(x, w.shape, g, **arguments(case)),
        slopes.conv_weight(x, w.shape, g, **wide), slopes.conv_weight(abs(x), w.shape, abs(g), **wide), "auto",
    )  # fmt: skip
    bias = {"dtype": wide["dtype"], "rank": case.rank}
    assert_within(
        of("conv", case, "_bias")(g), slopes.conv_bias(g, **bias), slopes.conv_bias(abs(g), **bias), "auto"
    )  # fmt: skip


@over(CONVS)
@together()
def test_conv_adjoint(case, dtype, sums_directly):
    """<conv(x, w), g> = <x, input gradient> = <w, weight gradient>; with a bias of b, <b, bias gradient> more."""
    x, w, b = data.operands(case._replace(bias=True), data.integers, dtype)
    g = flowing(case, dtype)
    forward = getattr(fastconv, f"conv{case.rank}d")
    total = inner(forward(x, w, None, **arguments(case)), g)
    assert inner(x, of("conv", case, "_input")(x.shape, w, g, **arguments(case))) == total
    assert inner(w, of("conv", case, "_weight")(x, w.shape, g, **arguments(case))) == total
    assert inner(forward(x, w, b, **arguments(case)), g) == total + inner(b, of("conv", case, "_bias")(g))
    assert total != 0 or g.size == 0


SLOPES = [
    row(CONV2D, "3x3"), row(CONV2D, "dilation-2-stride-2"), row(CONV2D, "groups-3-stride-2"),
    row(CONV1D, "k4-stride-3"), row(CONV3D, "stride-2-1-3"),
]  # fmt: skip


@over(SLOPES)
def test_conv_finite_differences(case):
    """The sum of squares of the output, moved along a random direction in float64: a quadratic, so central
    differences are exact but for rounding."""
    x, w, b = data.operands(case._replace(bias=True), data.normal)
    forward = getattr(fastconv, f"conv{case.rank}d")

    def loss(x, w, b):
        return float((forward(x, w, b, **arguments(case)) ** 2).sum() / 2)

    g = forward(x, w, b, **arguments(case))
    dx, dw, db = (data.normal(a.shape, key="direction") for a in (x, w, b))
    for step, slope in (
        ((dx, 0, 0), inner(dx, of("conv", case, "_input")(x.shape, w, g, **arguments(case)))),
        ((0, dw, 0), inner(dw, of("conv", case, "_weight")(x, w.shape, g, **arguments(case)))),
        ((0, 0, db), inner(db, of("conv", case, "_bias")(g))),
    ):
        h = 1e-3
        ahead, back = (loss(*(a + sign * h * s for a, s in zip((x, w, b), step, strict=True))) for sign in (1, -1))
        assert math.isclose((ahead - back) / (2 * h), slope, rel_tol=1e-7)
        assert slope != 0


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
def test_non_finite_gradients_stay_where_they_touch(value, dtype):
    w, g = data.integers((3, 2, 3, 3), dtype), data.integers((1, 3, 5, 6), dtype, "flowing")
    w *= data.integers(w.shape, dtype, "mask") > 0
    g[0, 1, 2, 3] = value
    shape = (1, 2, 5, 6)
    expected = reference.gradients.conv_input(shape, w, g, padding=1)
    np.testing.assert_array_equal(grad.conv2d_input(shape, w, g, padding=1), expected, strict=True)
    x = data.integers(shape, dtype)
    expected = reference.gradients.conv_weight(x, w.shape, g, padding=1)
    np.testing.assert_array_equal(grad.conv2d_weight(x, w.shape, g, padding=1), expected, strict=True)


def test_float16_is_computed_in_float32():
    w, g = data.integers((300, 2, 3, 3), np.float16), data.integers((1, 300, 4, 5), np.float16, "flowing")
    expected = reference.gradients.conv_input((1, 2, 4, 5), w, g, padding=1)
    data.assert_identical(grad.conv2d_input((1, 2, 4, 5), w, g, padding=1), expected)


def test_memory_order_follows_the_gradient():
    w, g = data.integers((4, 3, 3, 3), np.float32), data.integers((2, 4, 5, 6), np.float32)
    assert grad.conv2d_input((2, 3, 5, 6), w, g, padding=1).flags.c_contiguous
    last = grad.conv2d_input((2, 3, 5, 6), w, LAYOUTS["channels_last"](g, 1), padding=1)
    assert np.moveaxis(last, 1, -1).flags.c_contiguous
