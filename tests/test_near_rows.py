"""Depthwise 3x3 layers whose rows are read in place: narrow ones, and those whose next rows are asked for."""

import numpy as np
import pytest

import fastconv
from fastconv import _depthwise, _tuned
from tests import data
from tests.geometries import geometry
from tests.product_checks import exact, on_integers
from tests.together import together

# (channels, height, width), stride
LAYERS = {
    "narrow": ((9, 30, 30), 1),
    "asked for": ((5, 41, 70), 1),
    "asked for, strided": ((5, 43, 69), 2),
    "of many bytes, which are asked for where they are written, too": ((33, 99, 101), 1),
    "of many bytes, strided": ((60, 149, 154), 2),
    "wide": ((2, 19, 1100), 1),
    "a page apart": ((2, 19, 1024), 1),
    "a page apart, strided": ((2, 21, 1024), 2),
    "several bands of unlike heights": ((3, 75, 37), 1),
    "several bands, strided": ((3, 75, 61), 2),
    "several bands of rows shorter than a vector": ((4, 19, 9), 1),
    "several parts of such rows, the last band of one row": ((3, 113, 10), 1),
    "several such planes, of more rows than are pointed to at once": ((3, 440, 17), 2),
    "wide and strided": ((2, 21, 1100), 2),
}


@pytest.fixture(scope="module", params=LAYERS)
def layer(request):
    (channels, *size), stride = LAYERS[request.param]
    input, weight = (1, channels, *size), (channels, 1, 3, 3)
    assert _depthwise.kernel(geometry(input, weight, stride, 1, channels)) == "near_rows"
    return on_integers(input, weight, {"stride": stride, "padding": 1, "groups": channels})


def check_inside(expected, dtype, *operands, **keywords):
    """The layer gives what is expected, and writes nothing beside its output."""
    memory = data.filled_with_nan(expected.size + 64, dtype)
    out = memory[32:-32].reshape(expected.shape)
    fastconv.conv2d(*(operand.astype(dtype, copy=False) for operand in operands), **keywords, out=out)
    data.assert_identical(out, expected.astype(dtype))
    assert np.isnan(memory[:32]).all()
    assert np.isnan(memory[-32:]).all()


@together(threads=(1, 3))
def test_rows_in_place_are_exact(layer, threads, dtype, cpu_level):
    """To the last bit, and nothing is written beside the output."""
    x, w, keywords, expected = layer
    with fastconv.num_threads(threads):
        check_inside(np.maximum(expected, 0), dtype, x, w, **keywords, activation="relu")


# (images, channels, height, width), stride
SMALL = {
    "two rows a vector": ((2, 37, 7, 7), 1),
    "as long as half a vector": ((1, 19, 8, 8), 1),
    "as long as half a vector of doubles": ((1, 19, 6, 4), 1),
    "strided": ((2, 35, 14, 14), 2),
    "strided, of odd sides": ((1, 17, 9, 13), 2),
    "strided, of few columns": ((2, 5, 5, 6), 2),
    "fewer rows than a half has": ((3, 5, 3, 8), 1),
    "a column": ((2, 6, 8, 1), 1),
    "one pixel": ((1, 5, 1, 1), 1),
    "a row a vector": ((2, 37, 14, 14), 1),
    "longer rows, a few planes a run": ((2, 11, 28, 27), 1),
    "longer rows, strided": ((2, 19, 31, 29), 2),
}


PADDED = [
    (name, padding) for name, ((*_, h, w), _) in SMALL.items() for padding in (0, 1) if min(h, w) + 2 * padding > 2
]


@pytest.mark.parametrize(("name", "padding"), PADDED)
@together(order=("as they lie", "backwards"), threads=(1, 3))
def test_small_planes_are_exact(name, padding, order, threads, dtype, cpu_level):
    """To the last bit, up to both ends of memory, and nothing is written beside the output."""
    (n, c, h, w), stride = SMALL[name]
    x = data.integers((n, c, h, w), dtype, key="input")
    x = x[:, ::-1, ::-1] if order == "backwards" else x
    weight, bias = data.integers((c, 1, 3, 3), dtype, key="weight"), data.integers((c,), dtype, key="bias")
    keywords = {"stride": stride, "padding": padding, "groups": c}
    expected = exact(x, weight, **keywords) + bias[:, None, None]
    with fastconv.num_threads(threads):
        check_inside(expected, dtype, x, weight, bias, **keywords, method="direct")


@together(stride=(1, 2))
def test_small_planes_are_activated(stride, dtype, cpu_level):
    """NaN stays."""
    columns = 32 // np.dtype(dtype).itemsize  # half a vector, where vectors have halves
    x, weight = data.integers((2, 21, 8, columns), dtype), data.integers((21, 1, 3, 3), dtype, key="weight")
    x[:, ::5, 3, 3] = np.nan
    keywords = {"stride": stride, "padding": 1, "groups": 21, "method": "direct"}
    sums = fastconv.conv2d(x, weight, **keywords)
    data.assert_identical(fastconv.conv2d(x, weight, **keywords, activation="relu6"), np.clip(sums, 0, 6))


@pytest.mark.parametrize(("side", "stride", "name"), [(7, 1, "near_rows"), (14, 2, "near_rows"), (4, 1, "planes")])
def test_small_planes_are_paired_or_turned(side, stride, name, cpu_level):
    """Two rows to a vector where vectors have halves, but for the smallest, which are turned sooner."""
    paired = _tuned.kernel("near_rows").most_paired(4, stride) > 0
    small = geometry((1, 64, side, side), (64, 1, 3, 3), stride, 1, 64)
    assert _depthwise.kernel(small) == (name if paired else "planes")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@together(side=(7, 14))
def test_small_planes_keep_to_themselves(value, side, dtype, cpu_level):
    """What lies beside a plane in memory and is read with it reaches no output."""
    x, weight = np.ones((1, 5, side, side), dtype), np.ones((5, 1, 3, 3), dtype)
    x[:, 1::2] = value
    out = fastconv.conv2d(x, weight, padding=1, groups=5)
    assert np.isfinite(out[:, ::2]).all()
    assert not np.isfinite(out[:, 1::2]).any()


@pytest.mark.parametrize("columns", [12, 17, 24, 26, 32, 36, 40, 52, 56])
@pytest.mark.parametrize("taps", [(5, 5), (7, 7), (1, 5), (3, 5)])
@pytest.mark.parametrize("stride", [1, 2])
@together(rows=(1, 5, 14, 22, 75))
def test_rows_of_any_length_are_exact(columns, taps, stride, rows, dtype, cpu_level):
    """Of whole vectors, two at a time, and half a vector, which two rows share; of unlike bands and several parts."""
    kh, kw = taps
    input, weight = (1, 3, rows * stride, columns * stride), (3, 1, kh, kw)
    x, w, keywords, expected = on_integers(
        input, weight, {"stride": stride, "padding": (kh // 2, kw // 2), "groups": 3}
    )
    check_inside(expected, dtype, x, w, **keywords, method="direct")


@pytest.mark.parametrize("columns", [300, 512, 1100])
def test_wide_rows_of_many_taps_are_exact(columns, dtype, cpu_level):
    """Of which a band and the next one are more than a first cache holds."""
    x, w, keywords, expected = on_integers((1, 2, 43, columns), (2, 1, 5, 5), {"padding": 2, "groups": 2})
    check_inside(np.maximum(expected, 0), dtype, x, w, **keywords, activation="relu", method="direct")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@together(columns=(24, 40))
def test_halves_of_rows_keep_to_their_own(value, columns, dtype, cpu_level):
    """What a row's neighbours in memory hold beside the image reaches no output of another row that sees none of it."""
    x, weight = np.ones((1, 2, 16, columns), dtype), np.ones((2, 1, 1, 5), dtype)
    x[:, :, ::2] = value
    out = fastconv.conv2d(x, weight, padding=(0, 2), groups=2, method="direct")
    assert np.isfinite(out[:, :, 1::2]).all()
    assert not np.isfinite(out[:, :, ::2]).any()
