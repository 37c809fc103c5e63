"""Depthwise 3x3 layers whose rows are read in place: narrow ones, and those whose next rows are asked for."""

import numpy as np
import pytest

import fastconv
from fastconv import _depthwise
from tests import data
from tests.geometries import geometry
from tests.product_checks import on_integers
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
    "wide and strided": ((2, 21, 1100), 2),
}


@pytest.fixture(scope="module", params=LAYERS)
def layer(request):
    (channels, *size), stride = LAYERS[request.param]
    input, weight = (1, channels, *size), (channels, 1, 3, 3)
    assert _depthwise.kernel(geometry(input, weight, stride, 1, channels)) == "near_rows"
    return on_integers(input, weight, {"stride": stride, "padding": 1, "groups": channels})


@together(threads=(1, 3))
def test_rows_in_place_are_exact(layer, threads, dtype, cpu_level):
    """To the last bit, and nothing is written beside the output."""
    x, w, keywords, expected = layer
    memory = data.filled_with_nan(expected.size + 64, dtype)
    out = memory[32:-32].reshape(expected.shape)
    with fastconv.num_threads(threads):
        fastconv.conv2d(x.astype(dtype), w.astype(dtype), **keywords, activation="relu", out=out)
    data.assert_identical(out, np.maximum(expected, 0).astype(dtype))
    assert np.isnan(memory[:32]).all()
    assert np.isnan(memory[-32:]).all()
