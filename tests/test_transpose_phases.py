"""Weights of phases that Winograd's method reads where they lie, and the ends of their tiles."""

from unittest import mock

import numpy as np
import pytest

import fastconv
from fastconv import _arrays, _cpu, _phase_cost
from fastconv._arrays import FIRST, KINDS
from fastconv._geometry import conv_geometry
from fastconv._methods import choose
from tests import data
from tests.layouts import DENSE, LAYOUTS
from tests.together import together
from tests.tolerance import assert_within
from tests.transpose_cases import ENDS, Transpose, on_integers, operands, planned, replanned, run

CHOICES = (
    (Transpose("dcgan", (8, 256, 8, 8), (256, 128, 4, 4), 2, 1), True),
    (Transpose("nine-taps", (1, 128, 10, 10), (128, 128, 6, 6), 2, 2), True),
    (Transpose("eight-phases", (1, 128, 1000), (128, 64, 16), 8, 4), False),
    (Transpose("nine-phases", (1, 96, 20, 20), (96, 48, 6, 6), 3, 1), False),
    (Transpose("many-pixels", (1, 64, 56, 56), (64, 64, 4, 4), 2, 1), False),
    (Transpose("few-channels", (1, 256, 8, 8), (256, 8, 4, 4), 2, 1), False),
)
VOLUME = Transpose("last-box-direct", (1, 96, 9, 11, 8), (96, 32, 3, 4, 4), (2, 3, 2), (1, 0, 1), (1, 0, 1), groups=6)
SHORT = Transpose("last-box-short", (1, 64, 11, 42), (64, 64, 2, 4), (2, 1), 1, groups=2)
SEVERAL = ((VOLUME, "channels_last"), (SHORT, "contiguous"))


@pytest.mark.parametrize("case", ENDS, ids=lambda case: case.name)
@together(layout=DENSE)
def test_weights_of_phases_transformed_as_they_lie(case, layout, dtype, cpu_level):
    """Turning those of 256 to 128 channels of 4x4 beforehand took a fifth of the time of an image of 8x8, its corners a
    twentieth. Tiles of two taps are exact on integers, and those at an end have rules of their own."""
    x, w, b = operands(case, data.integers, dtype)
    x = LAYOUTS[layout](x, case.channel_axis)
    with (
        replanned(own_kernels=lambda *_: (), method_of=by_winograd, reads_phases=lambda g, *_: g.groups == 1),
        mock.patch.object(_phase_cost, "method_of", by_winograd),
    ):
        plan = planned(case, dtype, _arrays.layout(x, case.rank))
        assert not plan.corners
        assert {shape == () for _, shape in plan.weights} == {case.groups == 1}
        out = LAYOUTS[layout](data.filled_with_nan(on_integers(case).shape, dtype), case.channel_axis)
        run(case, x, w, b, out=out)
    data.assert_identical(out, on_integers(case).astype(dtype))


def by_winograd(convolution, _phases):
    return choose(convolution, "winograd")[0]


@pytest.mark.skipif("avx512" not in _cpu.available(), reason="of panels of four vectors of 64 bytes")
@pytest.mark.parametrize(("case", "lie"), CHOICES, ids=str)
def test_weights_are_read_in_place_where_a_panel_has_all_phases(case, lie):
    """Of more phases, and of few channels with many pixels, that took 1.02 to 1.06 times as long (Zen 5)."""
    with _cpu.override("avx512", 64):
        assert [shape for _, shape in planned(case).weights].count(()) == lie


def test_weights_of_one_phase_among_others(cpu_level):
    """Four tiles of it were multiplied by taps of the phase beside it, as if there were no others."""
    rng, kind = np.random.default_rng(0), KINDS[np.dtype(np.float32)]
    x = rng.random((1, 64, 8, 8), np.float32)
    w = rng.random((64, 32, 3, 6), np.float32)
    conv = conv_geometry("conv2d", 2, x.shape, (32, 64, 3, 3), 1, 1, 1, 1, "zeros", 4, FIRST)
    for first in 0, 1:
        out = data.filled_with_nan((1, *conv.output), np.float32)
        lie = np.array([18, 18, 6, 2, first], np.intp)
        _cpu.kernel("winograd").conv[kind](tuple(conv.geometry), x, w, None, out, -np.inf, np.inf, 1, swapped=lie)
        weight = w[:, :, ::-1, ::-1][..., first::2].swapaxes(0, 1)
        exact = fastconv.conv2d(x.astype(np.float64), weight.astype(np.float64), padding=1, method="direct")
        inner = (..., slice(1, -1), slice(1, -1))
        assert_within(out[inner], exact[inner], exact[inner], "winograd")


@pytest.mark.parametrize(("case", "layout"), SEVERAL, ids=str)
def test_boxes_by_several_kernels_have_weights_packed_for_each(case, layout, dtype, cpu_level):
    """Kernels that describe unlike layouts alike took each other's weights, where a last box has few rows."""
    x, w, b = operands(case, data.integers, dtype)
    x = LAYOUTS[layout](x, case.channel_axis)
    with replanned(BUFFER_BYTES=1 << 40, MOST_BYTES=1 << 40):
        packed = planned(case, dtype, _arrays.layout(x, case.rank)).packed.values()
        assert all(some.boxes == 1 for some in packed)
        whole = run(case, x, w, b)
        magnitude = run(case, *(abs(a).astype(np.float64) for a in (x, w, b)))
    assert_within(run(case, x, w, b), whole.astype(np.float64), magnitude, "winograd")


@pytest.mark.parametrize("size", [4, 6, 7, 8])
@pytest.mark.parametrize("channels", [48, 128])
def test_ends_of_two_taps_are_as_exact_as_direct_sums(size, channels, cpu_level):
    """Corners see a quarter of the taps, too few to share the rounding errors of a tile."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x = np.maximum(rng.standard_normal((8, channels, size, size), np.float32), 0)
        w = rng.random((64, channels, 2, 2), np.float32)
        exact = fastconv.conv2d(*(a.astype(np.float64) for a in (x, w)), padding=1, method="direct")
        result = fastconv.conv2d(x, w, padding=1, method="winograd")
        assert_within(result, exact, exact, "winograd")
        assert_within(result[..., ::size, ::size], exact[..., ::size, ::size], exact[..., ::size, ::size], "direct")
