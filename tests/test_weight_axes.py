"""Gradients of weights over fewer axes and taps: those of taps that see nothing, of planes and of rows of one pixel."""

import numpy as np
import pytest

import fastconv
from fastconv import _gradients, grad
from fastconv._geometry import conv_geometry
from fastconv._weight_axes import lesser
from tests import data
from tests.grad_checks import input_tap_by_tap, taps_one_by_one
from tests.layouts import LAYOUTS
from tests.together import together

# name -> (input, weight, keywords, axes (size, outputs, taps) along d, h, w of what is summed, whether taps are cut)
LESSER = {
    "one tap is seen": (
        (9, 33, 5, 6), (20, 33, 3, 3), {"padding": 8, "dilation": 8}, ((1, 1, 1), (5, 5, 1), (6, 6, 1)), True,
    ),
    "a column of taps is seen": (
        (9, 24, 5, 4), (20, 24, 3, 5), {"padding": (4, 8), "dilation": 4}, ((1, 1, 1), (5, 5, 3), (4, 4, 1)), True,
    ),
    "taps at one end": (
        (7, 17, 4, 9), (35, 17, 3, 7), {"padding": (1, 18), "stride": (1, 2)}, ((1, 1, 1), (4, 4, 3), (9, 20, 7)),
        False,
    ),
    "strided": ((9, 33, 7, 7), (20, 33, 5, 5), {"padding": 14, "stride": 3, "dilation": 7},
                ((1, 1, 1), (7, 3, 1), (7, 3, 1)), True),
    "groups": (
        (30, 24, 2, 3), (36, 8, 5, 5), {"padding": 2, "groups": 3}, ((1, 1, 1), (2, 2, 3), (3, 3, 5)), True,
    ),
    "depthwise": (
        (90, 7, 7, 7), (7, 1, 7, 7), {"padding": 9, "dilation": 3, "groups": 7}, ((1, 1, 1), (7, 7, 5), (7, 7, 5)),
        True,
    ),
    "signal": ((30, 33, 9), (19, 33, 5), {"padding": 20, "dilation": 10}, ((1, 1, 1), (1, 1, 1), (9, 9, 1)), True),
    "pixels": ((90, 40, 1, 1), (36, 40, 3, 3), {"padding": 1}, ((1, 1, 1), (1, 1, 1), (1, 1, 1)), True),
    "planes": ((2, 33, 6, 7, 8), (35, 33, 3, 1, 1), {"padding": (1, 0, 0)}, ((1, 1, 1), (6, 6, 3), (56, 56, 1)), False),
    "few planes": (
        (6, 40, 2, 9, 10), (35, 40, 3, 1, 1), {"padding": (1, 0, 0)}, ((2, 2, 3), (1, 1, 1), (90, 90, 1)), False,
    ),
    "strided planes": (
        (2, 40, 9, 17, 16), (35, 40, 3, 1, 1), {"padding": (1, 0, 0), "stride": 2}, ((17, 9, 1), (9, 5, 3), (15, 8, 1)),
        False,
    ),
    "planes of rows": (
        (2, 33, 6, 5, 9), (35, 33, 3, 1, 3), {"padding": (1, 0, 1)}, ((5, 5, 1), (6, 6, 3), (9, 9, 3)), False,
    ),
    "planes of pixels": (
        (40, 17, 11, 1, 1), (18, 17, 3, 3, 3), {"padding": 1}, ((1, 1, 1), (1, 1, 1), (11, 11, 3)), True,
    ),
    "depthwise planes": (
        (40, 38, 6, 8, 8), (38, 1, 3, 1, 1), {"padding": (1, 0, 0), "groups": 38}, ((1, 1, 1), (6, 6, 3), (64, 64, 1)),
        False,
    ),
    "rows without planes": (
        (8, 40, 4, 5, 9), (35, 40, 1, 1, 3), {"padding": (0, 0, 1)}, ((1, 1, 1), (20, 20, 1), (9, 9, 3)), False,
    ),
    "column": ((90, 40, 9, 1), (35, 40, 3, 1), {"padding": (1, 0)}, ((1, 1, 1), (1, 1, 1), (9, 9, 3)), False),
}  # fmt: skip


def narrow(array, axis):
    """A view that leaves gaps between pixels, rows and planes."""
    wide = np.full([*array.shape[:2], *(2 * size + 3 for size in array.shape[2:])], np.nan, array.dtype)
    view = wide[(..., *(slice(1, 1 + 2 * size, 2) for size in array.shape[2:]))]
    view[...] = array
    return view


def operands(name, make, dtype):
    shape, weight, sizes, *_ = LESSER[name]
    return make(shape, dtype), make(fastconv.conv_output_shape(shape, weight, **sizes), dtype, "flowing")


@pytest.mark.parametrize("name", LESSER)
def test_what_is_summed(name):
    shape, weight, sizes, expected, is_cut = LESSER[name]
    rank = len(shape) - 2
    keywords = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | sizes
    g = conv_geometry("f", rank, shape, weight, *keywords.values(), "zeros", 4, 0).geometry
    axes = lesser(g, shape[0])
    left = axes.geometry if axes else g
    assert tuple(axis[:3] for axis in left.axes) == expected
    assert bool(axes and axes.is_cut) == is_cut


@pytest.mark.parametrize("name", LESSER)
@together(layout=("contiguous", "channels_last", "channels_last_cropped", "narrow"))
def test_lesser_gradients(name, layout, dtype, cpu_level, sums_directly):
    """On small integers exact, wherever operands lie, and zero where a tap sees nothing."""
    _, weight, sizes, *_ = LESSER[name]
    x, g = operands(name, data.integers, dtype)
    lay = narrow if layout == "narrow" else LAYOUTS[layout]
    weight_grad = getattr(grad, f"conv{x.ndim - 2}d_weight")
    expected = taps_one_by_one(x, g, weight, **sizes).astype(dtype)
    data.assert_identical(weight_grad(lay(x, 1), weight, lay(g, 1), **sizes), expected)


def test_which_taps_of_weights_are_taken():
    """Of 3x3 twelve apart on 7x7 all but one see nothing; where few products are saved, all are taken as they lie."""
    for shape, sizes, slices in (
        ((1, 8, 7, 7), {"padding": 12, "dilation": 12}, ((0, 1), (1, 2), (1, 2))),
        ((1, 8, 7, 7), {"padding": 1, "dilation": 1}, ((0, 1), (0, 3), (0, 3))),
        ((1, 8, 1, 1), {"padding": 1, "dilation": 1}, ((0, 1), (0, 3), (0, 3))),
    ):
        g = conv_geometry("f", 2, shape, (8, 8, 3, 3), 1, *sizes.values(), 1, "zeros", 4, 0).geometry
        assert _gradients.taps_of_input(g) == tuple(slice(*taps) for taps in slices)


@pytest.mark.parametrize("name", LESSER)
@together(layout=("contiguous", "channels_last"))
def test_gradients_of_inputs_by_the_taps_that_are_seen(name, layout, dtype, cpu_level, sums_directly):
    """On small integers exact."""
    shape, weight, sizes, *_ = LESSER[name]
    w, g = data.integers(weight, dtype), operands(name, data.integers, dtype)[1]
    result = getattr(grad, f"conv{len(shape) - 2}d_input")(shape, w, LAYOUTS[layout](g, 1), **sizes)
    data.assert_identical(result, input_tap_by_tap(shape, w, g, **sizes).astype(dtype))


@pytest.mark.parametrize("name", LESSER)
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_lesser_gradients_have_the_same_bits_for_any_number_of_threads(name, layout, dtype, gradients_are_shared):
    _, weight, sizes, *_ = LESSER[name]
    x, g = (LAYOUTS[layout](a, 1) for a in operands(name, data.normal, dtype))
    weight_grad = getattr(grad, f"conv{x.ndim - 2}d_weight")
    results = []
    for threads in (1, 2, 3, 7):
        with fastconv.num_threads(threads):
            results.append(weight_grad(x, weight, g, **sizes).tobytes())
    assert len(set(results)) == 1
