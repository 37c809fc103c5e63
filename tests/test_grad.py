"""Gradients of convolution in every rank: equal to the definition, transposes of the forward functions, slopes of them.

Adjoint identities: for a map y = f(x) that is linear in x, <f(x), g> = <x, grad(g)> for every x and g; on small
integers both sides are exact, so they are equal and not nearly so. Finite differences ask the forward function alone.
"""

import math

import numpy as np
import pytest

import fastconv
import reference
from fastconv import _cpu, _gradients, grad
from tests import data
from tests.cases import CONV1D, CONV2D, CONV3D, row
from tests.grad_checks import inner, of, over, over_layouts
from tests.layouts import LAYOUTS
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


@over(CONVS)
@over_layouts
def test_conv_input(case, layout, dtype, cpu_level, sums_directly):
    _, w, _ = data.operands(case, data.integers, dtype)
    g = flowing(case, dtype)
    expected = reference.gradients.conv_input(case.input, w, g, **arguments(case))
    result = of("conv", case, "_input")(case.input, w, LAYOUTS[layout](g, case.channel_axis), **arguments(case))
    data.assert_identical(result, expected)


@over(CONVS)
@over_layouts
def test_conv_weight(case, layout, dtype, cpu_level, sums_directly):
    x, _, _ = data.operands(case, data.integers, dtype)
    g = flowing(case, dtype)
    expected = reference.gradients.conv_weight(x, case.weight, g, **arguments(case))
    laid = [LAYOUTS[layout](array, case.channel_axis) for array in (x, g)]
    result = of("conv", case, "_weight")(laid[0], case.weight, laid[1], **arguments(case))
    if case.input[0] == 0:
        np.testing.assert_array_equal(result, expected, strict=True)  # no images, no slope
    else:
        data.assert_identical(result, expected)


@over(CONVS)
def test_conv_bias(case, dtype):
    g = flowing(case, dtype)
    expected = reference.gradients.conv_bias(g, rank=case.rank)
    np.testing.assert_array_equal(of("conv", case, "_bias")(g), expected, strict=True)
    assert expected.any() or case.input[0] == 0


@over(CONVS)
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


# Enough channels and tiles for minimal filtering: ragged tiles and channels, groups, planes, more blocks than are
# summed at once, and taps along one axis only.
FILTERED = {
    "3x3": ((5, 18, 11, 13), (21, 18, 3, 3), {"padding": 1}),
    "3x3-full-groups": ((3, 32, 14, 9), (34, 16, 3, 3), {"padding": 2, "groups": 2}),
    "5x5": ((2, 16, 12, 13), (70, 16, 5, 5), {"padding": (2, 1)}),
    "1x3-dilated-alone": ((1, 17, 40, 17), (16, 17, 1, 3), {"dilation": (3, 1)}),
    "5x3": ((2, 16, 17, 19), (16, 16, 5, 3), {}),
    "k3": ((3, 70, 90), (18, 70, 3), {"padding": 1}),
    "3x3x3-stride-2": ((1, 16, 5, 15, 16), (17, 16, 3, 3, 3), {"padding": 1, "stride": (2, 1, 1)}),
    "many-tiles": ((8, 16, 58, 56), (16, 16, 3, 3), {"padding": 1}),
}


@pytest.mark.parametrize("make", [data.normal, data.positive], ids=["normal", "positive"])
@pytest.mark.parametrize("name", FILTERED)
@over_layouts
def test_conv_weight_by_minimal_filtering(name, make, layout, dtype, cpu_level, monkeypatch):
    """Within 8 eps of the direct sums in a wider type; and filtered indeed, which the last bits show."""
    shape, weight, sizes = FILTERED[name]
    rank = len(shape) - 2
    weight_grad, conv = getattr(grad, f"conv{rank}d_weight"), fastconv.conv_output_shape
    x, g = make(shape, dtype), make(conv(shape, weight, **sizes), dtype, "flowing")
    laid = [LAYOUTS[layout](array, 1) for array in (x, g)]
    result = weight_grad(laid[0], weight, laid[1], **sizes)
    exact, size = (taps_one_by_one(*pair, weight, **sizes) for pair in ((x, g), (abs(x), abs(g))))
    assert_within(result, exact, size, "auto")
    monkeypatch.setattr(_gradients, "LEAST_GAIN", math.inf)
    _cpu._forget()
    direct = weight_grad(laid[0], weight, laid[1], **sizes)
    _cpu._forget()
    assert_within(direct, exact, size, "direct")
    assert not np.array_equal(direct, result)


SUMMED = {
    "patches": ((2, 33, 40, 41), (35, 33, 3, 4), {"padding": 1, "stride": 2}),
    "pixels": ((3, 80, 12, 13), (300, 80, 1, 1), {}),
    "depthwise": ((2, 70, 23, 25), (70, 1, 3, 5), {"padding": 2, "groups": 70}),
    "depthwise-rows": ((3, 7, 85, 70), (7, 1, 3, 3), {"padding": 1, "groups": 7}),
    "groups": ((2, 24, 19, 18), (24, 8, 3, 3), {"padding": 1, "groups": 3}),
    "rows": ((2, 3, 50, 47), (2, 3, 5, 5), {"padding": 2}),
}


@pytest.mark.parametrize("name", [*FILTERED, *SUMMED])
@over_layouts
def test_conv_weight_has_the_same_bits_for_any_number_of_threads(name, layout, dtype, monkeypatch):
    """Parts of the gradient differ with the threads, the blocks of pixels that are summed do not."""
    monkeypatch.setattr(_gradients, "SERIAL_MACS", 0)
    shape, weight, sizes = (FILTERED | SUMMED)[name]
    weight_grad = getattr(grad, f"conv{len(shape) - 2}d_weight")
    x, g = data.normal(shape, dtype), data.normal(fastconv.conv_output_shape(shape, weight, **sizes), dtype, "flowing")
    laid = [LAYOUTS[layout](array, 1) for array in (x, g)]
    with fastconv.num_threads(1):
        one = weight_grad(laid[0], weight, laid[1], **sizes)
    assert_within(one, *(taps_one_by_one(*p, weight, **sizes) for p in ((x, g), (abs(x), abs(g)))), "auto")
    for threads in (2, 3, 7):
        with fastconv.num_threads(threads):
            assert weight_grad(laid[0], weight, laid[1], **sizes).tobytes() == one.tobytes()


def taps_one_by_one(x, g, weight, stride=1, padding=0, dilation=1, groups=1):
    """The weight gradient in a wider type, a matrix product for each tap."""
    rank = x.ndim - 2
    stride, padding, dilation = ((s,) * rank if isinstance(s, int) else s for s in (stride, padding, dilation))
    wide = np.longdouble if x.dtype == np.float64 else np.float64
    x = np.pad(x.astype(wide), ((0, 0), (0, 0), *((p, p) for p in padding)))
    g = g.astype(wide).reshape(g.shape[0], groups, weight[0] // groups, *g.shape[2:])
    result = np.empty(weight, wide)
    for tap in np.ndindex(*weight[2:]):
        axes = zip(tap, g.shape[3:], stride, dilation, strict=True)
        seen = x[(..., *(slice(t * d, t * d + (o - 1) * s + 1, s) for t, o, s, d in axes))]
        seen = seen.reshape(g.shape[0], groups, weight[1], *g.shape[3:])
        pixels = tuple(range(3, g.ndim))
        for i in range(groups):
            part = np.tensordot(g[:, i], seen[:, i], ((0, *(p - 1 for p in pixels)),) * 2)
            result[(slice(i * part.shape[0], (i + 1) * part.shape[0]), slice(None), *tap)] = part
    return result


@pytest.mark.parametrize(
    "sizes",
    [{}, {"stride": (2, 3), "padding": (2, 0)}, {"dilation": (9, 600), "padding": (9, 600)}],
    ids=["plain", "strided", "dilated"],
)
@over_layouts
def test_conv_weight_of_blocks(sizes, layout, dtype, cpu_level, sums_directly):
    """More pixels in a row than a block has, more blocks than a level of sums takes, taps further apart than a block is
    wide: on small integers exact."""
    shape, weight = (2, 5, 61, 1100), (7, 5, 3, 3)
    x = data.integers(shape, dtype)
    g = data.integers(fastconv.conv_output_shape(shape, weight, **sizes), dtype, "flowing", limit=4)
    result = grad.conv2d_weight(LAYOUTS[layout](x, 1), weight, LAYOUTS[layout](g, 1), **sizes)
    data.assert_identical(result, taps_one_by_one(x, g, weight, **sizes).astype(dtype))


# Depthwise rows read in place: more than are taken at once, and more chains of sums than are added up at once; and
# those that are not: strides that differ, taps apart, planes of padding alone, rows shorter than a vector.
ROWS = {
    "plain": ((2, 3, 41, 150), {"padding": 1}),
    "stride-2": ((2, 3, 75, 91), {"padding": 1, "stride": 2}),
    "stride-2-3": ((3, 2, 31, 70), {"padding": (0, 2), "stride": (2, 3)}),
    "dilation": ((2, 4, 9, 40), {"padding": (1, 5), "dilation": (1, 5), "stride": (1, 2)}),
    "far-padding": ((1, 2, 3, 4), {"padding": 30}),
    "narrow": ((3, 5, 14, 12), {"padding": 1}),
    "one-row": ((2, 3, 3, 40), {}),
    "stride-2-padding-above": ((1, 66, 9, 33), {"padding": (4, 0), "stride": 2}),
    "many-chains": ((9, 2, 130, 131), {"padding": 1}),
}


@pytest.mark.parametrize("name", ROWS)
def test_conv_weight_of_depthwise_rows(name, dtype, cpu_level):
    """On small integers exact, and an infinite pixel reaches the taps that see it and no others."""
    shape, sizes = ROWS[name]
    weight, sizes = (shape[1], 1, 3, 3), sizes | {"groups": shape[1]}
    x = data.integers(shape, dtype)
    g = data.integers(fastconv.conv_output_shape(shape, weight, **sizes), dtype, "flowing")
    result = grad.conv2d_weight(x, weight, g, **sizes)
    data.assert_identical(result, taps_one_by_one(x, g, weight, **sizes).astype(dtype))
    for y, o in ((0, 0), (-1, -1), (shape[2] // 2, shape[3] // 2)):
        x[-1, -1, y, o] = np.inf
    g = abs(g) + 1
    with np.errstate(invalid="ignore"):
        expected = taps_one_by_one(x, g, weight, **sizes).astype(dtype)
    data.assert_identical(grad.conv2d_weight(x, weight, g, **sizes), expected)


def test_conv_weight_of_pixels_far_apart(dtype):
    """Padding and dilation of millions reach a few pixels only, and no scratch grows with them."""
    x, g = data.integers((1, 5, 3, 3), dtype), data.integers((1, 6, 3, 3), dtype, "flowing")
    far = 10**7
    result = grad.conv2d_weight(x, (6, 5, 3, 3), g, padding=far, dilation=far)
    expected = np.zeros((6, 5, 3, 3), dtype)
    expected[:, :, 1, 1] = np.einsum("noyx,ncyx->oc", g, x)
    data.assert_identical(result, expected)


@over(CONVS)
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
