"""conv_transpose1d, 2d and 3d equal the scatter that defines them, and are the transpose of convolution."""

import functools

import numpy as np
import pytest

import fastconv
import reference
from fastconv import _cpu, _phase_plan
from fastconv._arrays import FIRST
from tests import data, truth
from tests.layouts import DENSE, LAYOUTS, WRITABLE
from tests.together import together
from tests.tolerance import assert_within
from tests.transpose_cases import (
    CASES,
    CUT,
    OVERLAPPED,
    TRANSFORMED,
    Transpose,
    on_integers,
    operands,
    planned,
    replanned,
    run,
)

over_cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
CONVOLVED = [case for case in CASES if case.name != "batch-0"]


@functools.cache
def on_reals(case, make, dtype):
    """The exact result and the sum of magnitudes, both in a type wider than `dtype`."""
    arrays = operands(case, make, dtype)
    sizes = [None if a is None else np.abs(a) for a in arrays]
    wide = reference.wide(dtype)
    return tuple(truth.conv_transpose(*some, **case.arguments(), dtype=wide) for some in (arrays, sizes))


@over_cases
@together(layout=DENSE)
def test_small_integers(case, dtype, cpu_level, layout):
    x, w, b = operands(case, data.integers, dtype)
    result = run(case, LAYOUTS[layout](x, case.channel_axis), w, b)
    data.assert_identical(result, on_integers(case).astype(dtype))


@pytest.mark.parametrize("case", CASES + TRANSFORMED, ids=lambda case: case.name)
@together(make=(data.normal, data.positive))
def test_error_bound(case, dtype, cpu_level, make):
    result = run(case, *operands(case, make, dtype))
    assert result.dtype == dtype
    assert_within(result, *on_reals(case, make, dtype), "auto")


@over_cases
@together(layout=LAYOUTS)
def test_any_memory(case, layout, dtype):
    x, w, b = operands(case, data.integers, dtype)
    laid = LAYOUTS[layout](x, case.channel_axis), LAYOUTS[layout](w, 1)
    before = [array.copy() for array in laid]
    data.assert_identical(run(case, *laid, b), on_integers(case).astype(dtype))
    for array, copy in zip(laid, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@over_cases
@together(layout=WRITABLE)
def test_out(case, layout, dtype):
    x, w, b = operands(case, data.integers, dtype)
    expected = on_integers(case).astype(dtype)
    out = WRITABLE[layout](data.filled_with_nan(expected.shape, dtype), case.channel_axis)
    assert run(case, x, w, b, out=out) is out
    data.assert_identical(out, expected)


@over_cases
@together(layout=DENSE)
def test_small_boxes(case, layout, monkeypatch):
    """Boxes of a few windows, whose rows start and end in the middle of a period of phases, give the same result."""
    monkeypatch.setattr(_phase_plan, "BUFFER_BYTES", 256)
    monkeypatch.setattr(_phase_plan, "MOST_BYTES", 256)
    _cpu._forget()
    x, w, b = operands(case, data.integers, np.float32)
    result = run(case, LAYOUTS[layout](x, case.channel_axis), w, b)
    _cpu._forget()
    data.assert_identical(result, on_integers(case).astype(np.float32))


BUNCHES = (
    Transpose("pairs", (2, 12, 6, 7), (12, 6, 4, 4), 2, 1, groups=6),
    Transpose("corners", (3, 96, 13, 14), (96, 40, 4, 4), 2, 1, groups=2),
    Transpose("gaps", (2, 12, 6, 7), (12, 3, 2, 2), 3, groups=4),
    Transpose("signal", (2, 12, 50), (12, 8, 7), 3, 2, groups=3),
    Transpose("volume", (12, 3, 5, 4), (12, 6, 3, 3, 3), 2, 1, groups=2),
)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("case", BUNCHES, ids=lambda case: case.name)
@together(layout=DENSE)
def test_groups_in_bunches(case, layout, threads, monkeypatch):
    """Groups whose results are large are computed a few at a time."""
    monkeypatch.setattr("fastconv._plan.SERIAL_MACS", 0)
    x, w, b = operands(case, data.integers, np.float32)
    with replanned(BUNCH_BYTES=1024, least_cost=lambda *_: (FIRST, None)):
        assert planned(case).bunches == case.groups
        out = LAYOUTS[layout](data.filled_with_nan(on_integers(case).shape, np.float32), case.channel_axis)
        with fastconv.num_threads(threads):
            run(case, LAYOUTS[layout](x, case.channel_axis), w, b, out=out)
    data.assert_identical(out, on_integers(case).astype(np.float32))


LARGE = (
    Transpose("dcgan", (3, 64, 20, 17), (64, 32, 4, 4), 2, 1),
    Transpose("dcgan-batch", (16, 128, 10, 9), (128, 24, 4, 4), 2, 1),
    Transpose("images-share-a-tile", (27, 64, 4, 4), (64, 64, 2, 2), 3),
    Transpose("unet", (3, 64, 20, 17), (64, 32, 2, 2), 2),
    Transpose("unet-weights", (3, 160, 20, 17), (160, 110, 2, 2), 2),
    Transpose("fsrcnn", (3, 56, 20, 17), (56, 1, 9, 9), 3, 4),
    Transpose("vocoder", (3, 32, 400), (32, 32, 16), 8, 4),
    Transpose("depthwise", (3, 64, 40, 37), (64, 1, 4, 4), 2, 1, groups=64),
    Transpose("corners-of-groups", (9, 128, 13, 14), (128, 40, 4, 4), 2, 1, groups=2),
    Transpose("gradient", (3, 64, 20, 17), (64, 32, 3, 3), 2, 1, 1),
)


@pytest.mark.parametrize("case", LARGE, ids=lambda case: case.name)
@together(layout=DENSE)
def test_same_bits_for_any_threads_and_split(case, layout, dtype, cpu_level):
    x, w, b = operands(case, data.normal, dtype)
    x = LAYOUTS[layout](x, case.channel_axis)
    with fastconv.num_threads(1):
        whole = run(case, x, w, b)
        parts = [run(case, x[i : i + 1], w, b) for i in range(len(x))]
    np.testing.assert_array_equal(np.concatenate(parts), whole, strict=True)
    for threads in (2, 3):
        with fastconv.num_threads(threads):
            np.testing.assert_array_equal(run(case, x, w, b), whole, strict=True)


@together()
def test_a_pixel_has_the_bits_that_it_has_among_many(dtype, cpu_level):
    """How many pixels share a panel of weights is no matter to any of them."""
    x, w, b = operands(case := Transpose("pixels", (67, 150, 1, 1), (150, 37, 3, 3), 2), data.normal, dtype)
    whole = run(case, x, w, b)
    for first, count in ((0, 1), (1, 2), (5, 3), (30, 4), (60, 7)):
        np.testing.assert_array_equal(run(case, x[first : first + count], w, b), whole[first : first + count])


@pytest.mark.parametrize("case", CUT, ids=lambda case: case.name)
@together()
def test_boxes_of_one_product(case, dtype, cpu_level):
    data.assert_identical(run(case, *operands(case, data.integers, dtype)), on_integers(case).astype(dtype))


@pytest.mark.parametrize("case", OVERLAPPED, ids=lambda case: case.name)
@together()
def test_special_values_reach_only_what_meets_them(case, dtype, cpu_level):
    """Products of the zeros between rows are no part of an output, whatever the weights."""
    x, w, b = operands(case, data.integers, dtype)
    x[0, 1, ..., 0] = np.inf
    w[2, 0, ..., -1] = np.nan
    w[3, -1, ..., 0] = -np.inf
    with np.errstate(invalid="ignore"):
        expected = truth.conv_transpose(x, w, b, **case.arguments())
    assert np.isnan(expected).any()
    np.testing.assert_array_equal(run(case, x, w, b), expected)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [2, 3, 4, 8])
@pytest.mark.parametrize("width", [5, 9, 17, 18, 35])
@together()
def test_rows_of_which_some_phases_lack_an_output(width, stride, groups, dtype, cpu_level):
    """The last vectors of a row are woven and stored together, however many of their elements are the row's."""
    channels = {1: 6, 2: 2}[groups]  # which one output sums, or depthwise
    x, w = data.integers((1, channels, 2, width), dtype), data.integers((channels, 1, 2, stride + 1), dtype)
    for more in range(stride):
        options = {"stride": (1, stride), "padding": (0, 1), "output_padding": (0, more), "groups": groups}
        expected = truth.conv_transpose(x, w, **options)
        data.assert_identical(fastconv.conv_transpose2d(x, w, **options), expected)


@pytest.mark.parametrize("pixels", [3, 40])
@together()
def test_images_that_share_weights_sum_as_one_does(pixels, dtype, cpu_level):
    x, w = data.normal((9, 200, 7, pixels), dtype), data.normal((200, 2, 7, 7), dtype)
    whole = fastconv.conv_transpose2d(x, w, stride=3, padding=2)
    for image in range(len(x)):
        np.testing.assert_array_equal(fastconv.conv_transpose2d(x[image], w, stride=3, padding=2), whole[image])


@together()
def test_lanes_of_pixels_and_of_weights_sum_alike(dtype, cpu_level):
    """A large image has lanes along pixels where a part of it has them along weights."""
    x, w = data.normal((2, 200, 7, 100), dtype), data.normal((200, 2, 7, 7), dtype)
    whole = fastconv.conv_transpose2d(x, w, stride=3, padding=2)
    part = fastconv.conv_transpose2d(x[..., :50], w, stride=3, padding=2)
    seen = 3 * 50 - 2  # outputs before the first that sees more
    np.testing.assert_array_equal(part[..., :seen], whole[..., :seen])


@pytest.mark.parametrize("case", CONVOLVED, ids=lambda case: case.name)
@together()
def test_is_the_transpose_of_convolution(case, dtype):
    """<conv(a), b> = <a, conv_transpose(b)>, exactly on integers: the same weight array serves both."""
    if isinstance(case.padding, tuple) and isinstance(case.padding[0], tuple):
        case = case._replace(padding=tuple(before for before, _ in case.padding))
    b, w, _ = operands(case, data.integers, dtype)
    transposed = run(case, b, w, None)
    a = data.integers(transposed.shape, dtype, "a")
    shared = {name: getattr(case, name) for name in ("stride", "padding", "dilation", "groups")}
    forward = getattr(fastconv, f"conv{case.rank}d")(a, w, None, **shared)
    assert forward.shape == b.shape
    left, right = np.vdot(forward.astype(np.float64), b), np.vdot(a, transposed.astype(np.float64))
    assert left == right != 0


@together()
def test_products_below_the_least_number_have_one_sign_in_every_pixel(dtype, cpu_level):
    """Kernels no larger than the stride sum pixels of whole vectors, and the few that are left, in two ways."""
    tiny = np.finfo(dtype).tiny
    x, w = np.full((1, 64, 1, 17), -tiny, dtype), np.full((64, 8, 1, 2), tiny, dtype)
    assert len(np.unique(np.signbit(fastconv.conv_transpose2d(x, w, stride=(1, 2))))) == 1


def test_arguments_have_the_order_of_torch():
    """groups before dilation, unlike convolution."""
    x, w, b = data.integers((1, 4, 5, 5)), data.integers((4, 3, 3, 3)), data.integers((6,))
    data.assert_identical(
        fastconv.conv_transpose2d(x, w, b, 2, 1, 1, 2, 2),
        fastconv.conv_transpose2d(x, w, b, stride=2, padding=1, output_padding=1, groups=2, dilation=2),
    )


def test_memory_order_follows_the_input():
    x, w = data.integers((2, 3, 4, 5), np.float32), data.integers((3, 4, 4, 4), np.float32)
    assert fastconv.conv_transpose2d(x, w, stride=2).flags.c_contiguous
    last = fastconv.conv_transpose2d(LAYOUTS["channels_last"](x, 1), w, stride=2)
    assert np.moveaxis(last, 1, -1).flags.c_contiguous


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
def test_one_element_touches_its_windows_only(value, dtype):
    x, w = data.integers((1, 2, 4, 5), dtype), data.integers((2, 3, 3, 3), dtype)
    w *= data.integers(w.shape, dtype, "mask") > 0
    x[0, 1, 2, 3] = value
    result = fastconv.conv_transpose2d(x, w, stride=2, padding=1)
    np.testing.assert_array_equal(result, truth.conv_transpose(x, w, stride=2, padding=1), strict=True)


@pytest.mark.parametrize("layout", DENSE)
@pytest.mark.parametrize("groups", [1, 16])
def test_one_pixel_at_a_stride_beyond_memory(groups, layout):
    """The result is as large as the kernel: nothing may be laid out for each of so many phases."""
    x, w = data.integers((1, 16, 1, 2), np.float32), data.integers((16, 1, 3, 3), np.float32)
    result = fastconv.conv_transpose2d(LAYOUTS[layout](x, 1), w, stride=(2**40, 2), groups=groups)
    data.assert_identical(result, truth.conv_transpose(x, w, stride=(2**40, 2), groups=groups))


def test_float16_is_computed_in_float32():
    x, w = data.integers((1, 300, 2, 3), np.float16), data.integers((300, 4, 3, 3), np.float16)
    data.assert_identical(fastconv.conv_transpose2d(x, w, stride=2), truth.conv_transpose(x, w, stride=2))
