"""Products of small maps with lanes along the depth: sums of many products, rests of vectors, few pixels."""

import numpy as np
import pytest

from tests import data
from tests.layouts import DENSE, LAYOUTS
from tests.product_checks import ProductChecks, convolve, exact, on_integers, same_bits_for_any_split
from tests.together import together

# name -> (input, weight, keywords): rests of vectors, blocks of the depth, rows and columns of tiles that are not full
LAYERS = {
    "whole vectors": ((1, 704, 7, 7), (16, 704, 1, 1), {}),
    "two blocks": ((2, 705, 3, 5), (19, 705, 1, 1), {}),
    "blocks of rows": ((1, 709, 7, 9), (203, 709, 1, 1), {}),
    "blocks of rows, patches of the whole depth": ((2, 709, 5, 5), (203, 709, 1, 1), {}),
    "blocks of whole channels": ((1, 177, 7, 7), (21, 177, 3, 3), {"padding": 1, "stride": 2}),
    "one row of weights": ((1, 1300, 5, 5), (1, 1300, 1, 1), {}),
    "one pixel": ((3, 2049, 1, 1), (37, 2049, 1, 1), {}),
    "one pixel, few products": ((2, 49, 1, 1), (18, 49, 1, 1), {}),
    "a patch is the image": ((2, 31, 5, 7), (13, 31, 5, 7), {}),
    "columns in two parts": ((1, 410, 11, 11), (35, 410, 1, 1), {}),
    "strided": ((2, 333, 9, 9), (50, 333, 1, 1), {"stride": 2}),
    "groups": ((2, 510, 6, 7), (51, 170, 1, 1), {"groups": 3}),
    "far taps": ((1, 61, 7, 7), (9, 61, 3, 3), {"dilation": 5, "padding": 5}),
    "many taps": ((1, 5, 19, 30), (10, 5, 17, 29), {"padding": (1, 2)}),
    "whole vectors and one pixel": ((2, 160, 7, 7), (53, 160, 1, 1), {}),
    "whole vectors and one pixel, blocks of the depth": ((1, 530, 17, 17), (97, 530, 1, 1), {}),
    "whole vectors and one pixel, a rest of the depth": ((1, 177, 7, 7), (20, 177, 1, 1), {}),
    "whole vectors and four pixels": ((1, 261, 14, 14), (107, 261, 1, 1), {}),
    "whole vectors and two pixels": ((1, 163, 1, 18), (49, 163, 1, 1), {}),
    "whole vectors and one pixel, deep blocks": ((1, 1100, 7, 7), (70, 1100, 1, 1), {}),
    "whole vectors and one pixel, one row of weights": ((2, 333, 7, 7), (1, 333, 1, 1), {}),
    "whole vectors and two pixels, beside two of three tiles": ((1, 165, 1, 146), (45, 165, 1, 1), {}),
    "whole vectors and four pixels, deep blocks": ((2, 645, 14, 14), (39, 645, 1, 1), {}),
    "whole vectors and four pixels, a stage": ((1, 75, 28, 28), (35, 75, 3, 3), {"padding": 1, "stride": 2}),
    "whole vectors and four pixels, picked": ((1, 300, 27, 28), (65, 300, 1, 1), {"stride": 2}),
    "whole vectors and four pixels, few channels": ((1, 300, 14, 14), (13, 300, 1, 1), {}),
    "whole vectors and nine pixels": ((2, 170, 13, 13), (45, 170, 1, 1), {}),
    "whole vectors and nine pixels, blocks of the depth": ((1, 37, 7, 15), (64, 37, 3, 3), {"padding": 1}),
    "whole vectors and seven pixels": ((1, 161, 1, 23), (10, 161, 1, 1), {}),
    "whole vectors and one pixel, few channels": ((1, 165, 9, 9), (3, 165, 1, 1), {}),
    "whole vectors and one pixel, strided": ((1, 31, 14, 14), (50, 31, 3, 3), {"padding": 1, "stride": 2}),
    "whole vectors and one pixel, in groups": ((2, 805, 7, 7), (75, 161, 1, 1), {"groups": 5}),
    "volume": ((1, 70, 5, 5, 4), (17, 70, 2, 3, 3), {"padding": (0, 1, 0), "stride": (2, 1, 1)}),
    **{
        f"{k} taps of a row": ((2, 41, 17, 17), (13, 41, 3, k), {"stride": 3, "padding": (1, k // 2)})
        for k in (2, 4, 7, 9, 16, 17)
    },
    "rows of taps without padding": ((2, 37, 19, 21), (13, 37, 4, 3), {"stride": (4, 5)}),
    "rows of taps of a volume": ((1, 20, 7, 13, 13), (9, 20, 3, 3, 5), {"stride": (2, 3, 4), "padding": (1, 0, 2)}),
    "single taps of a row, strided": ((1, 171, 16, 17), (11, 171, 2, 1), {"stride": 3}),
    "far taps of far pixels": ((2, 21, 17, 14, 12), (10, 21, 3, 3, 3), {"stride": 3, "dilation": 2}),
    "far taps of far pixels, padded": ((1, 30, 19, 11), (23, 30, 4, 5), {"stride": 4, "dilation": 3, "padding": 6}),
    "many outputs of few pixels": ((2, 45, 3, 3), (203, 45, 3, 3), {"padding": 1}),
    "few outputs": ((2, 37, 9, 8), (5, 37, 3, 4), {"padding": (1, 2), "stride": 2}),
    "few outputs of a volume": ((2, 70, 8, 5, 2), (3, 70, 3, 3, 3), {"padding": 1, "stride": 2}),
    "few outputs in groups": ((3, 75, 4, 3, 5), (12, 25, 2, 3, 3), {"padding": (1, 1, 2), "groups": 3}),
    "few outputs, dilated": ((1, 130, 7, 10, 3), (4, 130, 2, 4, 1), {"padding": (2, 3, 0), "dilation": (3, 2, 1)}),
    "few outputs, channels in uneven parts": ((1, 61, 9, 37, 31), (2, 61, 3, 3, 3), {"stride": (4, 9, 8)}),
    "rows of taps, too far apart to be staged": ((1, 2, 300, 300), (9, 2, 13, 13), {"stride": 90, "padding": 5}),
}


SPLIT = ["two blocks", "one pixel", "strided", "groups", "blocks of whole channels"]
FEW = [name for name in LAYERS if name.startswith("few outputs")]
RESTS = [name for name in LAYERS if name.startswith("whole vectors and")]


@pytest.fixture(scope="module", params=LAYERS)
def layer(request):
    return on_integers(*LAYERS[request.param])


class TestProducts(ProductChecks):
    """With lanes along the depth."""


@pytest.mark.parametrize("name", [*SPLIT, *FEW, *RESTS])
@together(layout=DENSE)
def test_same_bits_for_any_split(name, layout, dtype, cpu_level):
    same_bits_for_any_split(*LAYERS[name], layout, (1, 2, 3), dtype)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize("channel", [0, 255, 256, -1])
@together(layout=DENSE)
def test_non_finite_values_stay_where_they_touch(channel, value, layout, dtype, cpu_level):
    """In the rest of a vector, too: what fills it up is zero in both factors."""
    x, w = data.integers((1, 261, 3, 7), dtype), data.integers((23, 261, 1, 1), dtype, "weight")
    x[0, channel], w[::2, channel] = 0, 0
    expected = exact(x, w).astype(dtype)
    x[0, channel, 1, 2] = value
    with np.errstate(invalid="ignore"):
        expected[0, :, 1, 2] += w[:, channel, 0, 0] * x[0, channel, 1, 2]
    np.testing.assert_array_equal(convolve(LAYOUTS[layout](x, 1), w), expected)
    x[0, channel, 1, 2], w[5, channel] = 0, value
    result = convolve(LAYOUTS[layout](x, 1), w)
    assert np.isnan(result[0, 5]).all()
    assert np.isfinite(np.delete(result, 5, 1)).all()


@pytest.mark.parametrize("layout", DENSE)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
def test_non_finite_values_of_the_last_pixel(value, layout, dtype, cpu_level):
    """Which is summed along the depth, beside others that are not."""
    x, w = data.integers((1, 165, 7, 7), dtype), data.integers((23, 165, 1, 1), dtype, "weight")
    x[0, 3, 6, 6], w[:, 3] = 0, 1
    expected = exact(x, w).astype(dtype)
    x[0, 3, 6, 6] = expected[0, :, 6, 6] = value
    data.assert_identical(convolve(LAYOUTS[layout](x, 1), w), expected)
    x[0, 3, 6, 6], w[5, 3] = 0, value
    result = convolve(LAYOUTS[layout](x, 1), w)
    assert not np.isfinite(result[0, 5]).any()
    assert np.isfinite(np.delete(result, 5, 1)).all()


@together(layout=DENSE, make=(data.normal, data.positive))
def test_within_the_bound(make, layout, dtype, cpu_level):
    """Nothing cancels in sums of positive products, over blocks of the depth."""
    x, w = make((1, 512, 5, 5), dtype), make((33, 512, 3, 3), dtype, "weight")
    result = convolve(LAYOUTS[layout](x, 1), w, padding=1)
    wide = np.longdouble if dtype == "float64" else np.float64
    columns = np.pad(x[0].astype(wide), ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(columns, (3, 3), (1, 2)).transpose(1, 2, 0, 3, 4).reshape(25, -1)
    rows = w.reshape(33, -1).astype(wide)
    error = np.abs(result.reshape(33, 25) - rows @ windows.T)
    assert (error <= 6 * np.finfo(dtype).eps * (np.abs(rows) @ np.abs(windows).T)).all()
