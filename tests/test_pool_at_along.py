"""Places of maxima by vectors along rows: strides and dilations of any windows, and pixels shorter than a vector."""

import numpy as np
import pytest

import fastconv
from tests import data, truth
from tests.layouts import LAYOUTS
from tests.test_pool_along import ALONG, CHANNELS, WIDTHS, windows
from tests.test_pool_strips_at import assert_same, few_values, lowest
from tests.together import together

over_windows = pytest.mark.parametrize("along", ALONG, ids=str)


def check(x, along, layout, height=2, step=1):
    """Values and places equal the definition's, to the sign of a zero; half a window of padding along the row."""
    kernel, stride, dilation = along
    padding = kernel // 2
    index = np.broadcast_to(np.arange(x[0, 0].size).reshape(x.shape[2:]), x.shape)
    views = [
        windows(a, (height, kernel), (step, stride), dilation, padding, blank)
        for a, blank in ((x, lowest(x.dtype)), (np.ones_like(x), 0), (index, -1))
    ]
    v, inside, index = (view.reshape(*view.shape[:-2], -1) for view in views)
    first = ((inside == 1) & ((v == v.max(-1, keepdims=True)) | (v != v))).argmax(-1)[..., None]
    found, places = fastconv.max_pool2d(
        LAYOUTS[layout](x, 1), (height, kernel), (step, stride), (0, padding), (1, dilation), return_indices=True
    )
    np.testing.assert_array_equal(places, np.take_along_axis(index, first, -1)[..., 0], strict=True)
    assert_same(found, np.take_along_axis(v, first, -1)[..., 0])


@over_windows
@together(
    layout=("contiguous", "channels_last", "channels_of_many"), kind=("float32", "float64", "int16", "int32", "int64")
)
def test_every_width_and_pixel(along, layout, kind, cpu_level):
    """Many equal elements, of which many are the lowest of all, as padding is."""
    kernel, _, dilation = along
    for width in WIDTHS:
        if width + kernel // 2 * 2 > (kernel - 1) * dilation:
            check(few_values((2, 3, 5, width), kind), along, layout)
    for channels in CHANNELS:
        check(few_values((1, channels, 5, 40), kind), along, layout)


@over_windows
@together(layout=("contiguous", "channels_last"))
def test_nan_anywhere(along, layout, dtype, cpu_level):
    """The first NaN of a window counts, and only where a window touches one."""
    for channels in (1, 3, 12):
        x = data.normal((1, channels, 6, 70), dtype)
        for share in (0.01, 0.3):
            x[data.generator(channels, share).random(x.shape) < share] = np.nan
            check(x, along, layout, 3, 2)


@pytest.mark.parametrize("channels", [2, 3, 17])
@pytest.mark.parametrize("stride", [1, 2, 3])
@together(layout=("contiguous", "channels_last"))
def test_volumes(layout, channels, stride, dtype, cpu_level):
    """Rows of windows are no equal distance apart where they are of several depths."""
    x = few_values((1, channels, 4, 5, 7), dtype)
    for padding in (0, 1):
        expected = truth.max_pool(x, 3, stride, padding, return_indices=True)
        found = fastconv.max_pool3d(LAYOUTS[layout](x, 1), 3, stride, padding, return_indices=True)
        for result, right in zip(found, expected, strict=True):
            np.testing.assert_array_equal(result, right, strict=True)
