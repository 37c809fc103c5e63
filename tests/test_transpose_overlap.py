"""Transposed convolution as one product, whose overlapping results are added up (`overlap.pyx`)."""

import numpy as np
import pytest

import fastconv
from fastconv import _cpu, _phase_cost, _phase_plan
from fastconv._arrays import FIRST
from tests import data
from tests.transpose_cases import Transpose, geometry_of, on_integers, operands, planned, replanned, run


@pytest.mark.parametrize("size", [2, 3])
def test_weights_of_a_few_pixels_are_read_where_they_lie(size, dtype, cpu_level):
    """Once, without panels: with the bits that panels give, which batches of more pixels have."""
    case = Transpose("few pixels", (7, 131, size, size), (131, 35, 5, 3), 2, 1)
    kind = "float" if dtype == "float32" else "double"
    assert planned(case, dtype).whole.run is _cpu.kernel("overlap").spread[kind]
    x, w, b = operands(case, data.normal, dtype)
    np.testing.assert_array_equal(run(case, x, w, b), [run(case, image, w, b) for image in x])


@pytest.mark.parametrize("size", [3, 4, 6])
def test_results_added_up_along_channels_have_the_bits_of_others(size, dtype, cpu_level):
    """Pixels of batches are many enough for that, those of single images are few."""
    case = Transpose("few pixels", (9, 131, size, size), (131, 35, 5, 3), 2, 1)
    x, w, b = operands(case, data.normal, dtype)
    with replanned(least_cost=lambda *_: (FIRST, "overlap")):
        result = run(case, x, w, b)
        np.testing.assert_array_equal(result, [run(case, image, w, b) for image in x])
        data.assert_identical(run(case, *operands(case, data.integers, dtype)), on_integers(case).astype(dtype))


@pytest.mark.parametrize(("stride", "dilation"), [(1, 2), (2, 1)])
def test_batches_give_no_zero_its_sign(stride, dilation, dtype, cpu_level):
    """Products that underflow leave -0.0, which zeros between rows of products make 0.0 where these are added, too."""
    case = Transpose("underflow", (9, 64, 4, 4), (64, 32, 3, 4), stride, 1, dilation=dilation)
    tiny = np.finfo(dtype).tiny
    x, w = np.full(case.input, -tiny, dtype), np.full(case.weight, tiny, dtype)
    b = np.full(32, -0.0, dtype)
    with replanned(least_cost=lambda *_: (FIRST, "overlap")):
        result = run(case, x, w, b)
        assert not result.any()
        assert result.tobytes() == b"".join(run(case, image, w, b).tobytes() for image in x)


def test_products_of_one_pixel_are_its_outputs(dtype, cpu_level):
    """They are added up as the convolution of the image between zeros is, by panels."""
    case = Transpose("one pixel", (7, 131, 1, 1), (131, 35, 5, 3), 2, 1)
    x, w, b = operands(case, data.integers, dtype)
    turned = np.flip(w, (2, 3)).swapaxes(0, 1)
    expected = fastconv.conv2d(x, turned, b, padding=((3, 3), (1, 1)), method="direct")
    data.assert_identical(run(case, x, w, b), expected)


@pytest.mark.parametrize("vectors", [(64, 64)], indirect=True)
def test_products_added_up_along_channels_have_prices_of_their_own(vectors):
    """By those of lanes along pixels 91 to 302 channels of 6x6 on 10x10 took 2.6 times as long by phases, 4 to 16 of
    4x4 on 7x7 too (Emerald Rapids, 2026-12-01)."""
    for size, inputs, outputs, kernel, padding in ((10, 91, 302, 6, 0), (7, 4, 16, 4, 2)):
        case = Transpose("pixels", (1, inputs, size, size), (inputs, outputs, kernel, kernel), 2, padding)
        assert _phase_cost.way_of_overlap(geometry_of(case), 4) == "overlap_channels"
        assert _phase_plan.least_cost(geometry_of(case), np.dtype("float32"), FIRST) == (FIRST, "overlap")


def test_stride_1_is_not_left_to_convolution():
    """Convolutions that share rows take 8 times as long as one product here."""
    case = Transpose("stride 1", (1, 512, 3, 3), (512, 4, 4, 4), 1, 1, groups=32)
    assert planned(case).whole.run is _cpu.kernel("overlap").spread["float"]
