"""Groups of few channels, channels last, whose sums go round: rests of vectors, several rings, passes, long chains."""

from math import gcd

import numpy as np
import pytest

from fastconv import _cpu, _tuned
from tests import data
from tests.layouts import LAYOUTS
from tests.product_checks import ProductChecks, convolve, exact, kernels_taken, on_integers, same_bits_for_any_split
from tests.together import together

# name -> (input, weight, keywords): rings of 1 to 8 channels, vectors of whole groups and with lanes left
LAYERS = {
    "two channels": ((2, 48, 9, 11), (48, 2, 3, 3), {"groups": 24, "stride": 2, "padding": 1}),
    "three channels": ((1, 51, 8, 13), (51, 3, 5, 5), {"groups": 17, "stride": 2, "padding": 2}),
    "four channels": ((2, 68, 50, 58), (68, 4, 7, 7), {"groups": 17, "stride": 7, "padding": 1}),
    "a chain's end": ((1, 32, 19, 20), (32, 4, 9, 9), {"groups": 8, "stride": 3}),
    "chains": ((1, 32, 25, 23), (32, 2, 15, 17), {"groups": 16, "stride": 4, "padding": 3}),
    "rows of taps": ((1, 64, 40), (64, 4, 5), {"groups": 16, "padding": 2}),
    "dilated": ((1, 64, 17, 14), (64, 4, 3, 3), {"groups": 16, "dilation": 3, "padding": 2}),
    "single taps": ((1, 64, 9, 10), (64, 4, 1, 1), {"groups": 16, "stride": 2}),
    "passes": ((1, 48, 17, 19), (96, 2, 3, 3), {"groups": 24, "stride": 2, "padding": 1}),
    "parts": ((1, 96, 17, 19), (48, 4, 3, 3), {"groups": 24, "stride": 2, "padding": 1}),
    "parts in passes": ((1, 96, 17, 19), (144, 4, 3, 3), {"groups": 24, "stride": 2, "padding": 1}),
    "rings of one": ((1, 96, 17, 19), (64, 3, 2, 2), {"groups": 32, "stride": 2}),
    "no pixel inside": ((1, 64, 2, 3), (64, 4, 3, 3), {"groups": 16, "stride": 2, "padding": 4}),
    "volume": ((1, 64, 5, 6, 7), (64, 4, 3, 3, 3), {"groups": 16, "stride": (1, 2, 2), "padding": 1}),
    "fewer channels than lanes": ((2, 6, 15, 21), (6, 3, 3, 3), {"groups": 2, "stride": 3, "padding": 1}),
    "parts of fewer": ((2, 12, 15, 14), (6, 4, 3, 3), {"groups": 3, "stride": 2}),
    "one output": ((1, 96, 17, 19), (32, 3, 3, 3), {"groups": 32, "stride": 2}),
    "five channels": ((1, 40, 15, 14), (40, 5, 7, 7), {"groups": 8, "stride": 2, "padding": 1}),
    "six channels": ((1, 48, 15, 14), (48, 6, 7, 7), {"groups": 8, "stride": 2, "padding": 1}),
    "seven channels": ((1, 56, 15, 14), (56, 7, 7, 7), {"groups": 8, "stride": 2, "padding": 1}),
    "eight channels": ((1, 64, 15, 14), (64, 8, 7, 7), {"groups": 8, "stride": 2, "padding": 1}),
}
# Those that go another way at a level, of float32,
NOT_AT = {
    "baseline": {"rings of one", *(f"{ring} channels" for ring in ("five", "six", "seven", "eight"))},
    "avx2": {"parts in passes", "rings of one", "eight channels"},
    "avx512": set(),
}
RINGS = {
    "baseline": {1, 2, 3, 4},
    "avx2": {1, 2, 3, 4, 5, 6, 7},
    "avx512": {1, 2, 3, 4, 5, 6, 7, 8},
}  # which the rest has

# Channels-first, in copies of the other order; the first two where vectors have 64 bytes:
COPIED = {
    "copied": ((3, 48, 19, 20), (48, 8, 7, 7), {"groups": 6, "stride": 3, "padding": 3}),
    "copied volume": ((1, 64, 6, 9, 8), (64, 8, 4, 4, 4), {"groups": 8, "stride": 2, "padding": 1}),
    "copied, half as wide": ((3, 24, 19, 20), (24, 4, 7, 7), {"groups": 6, "stride": 3, "padding": 3}),
    "copied volume, half as wide": ((1, 32, 6, 9, 8), (32, 4, 4, 4, 4), {"groups": 8, "stride": 2, "padding": 1}),
}


@pytest.fixture(scope="module", params=LAYERS | COPIED)
def layer(request):
    return on_integers(*(LAYERS | COPIED)[request.param])


@pytest.mark.parametrize("name", LAYERS)
def test_layers_take_this_way(name, monkeypatch, cpu_level):
    """Else the tests below would test another one."""
    taken = kernels_taken(monkeypatch, "channels_last", *LAYERS[name])
    assert (taken == ["depthwise_last"]) == (name not in NOT_AT[cpu_level])


def test_rings_of_every_size(cpu_level):
    """As many as the level's prices let in; each has a shuffle of its own."""
    sizes = {name: gcd(w[1], w[0] // k["groups"]) for name, (_, w, k) in LAYERS.items()}
    assert {sizes[name] for name in LAYERS.keys() - NOT_AT[cpu_level]} == RINGS[cpu_level]


def test_no_ring_is_longer_than_the_kernel_knows(cpu_level):
    """Nobody would write the outputs of a longer one: `ring.h` has a case for each size."""
    assert max(RINGS[cpu_level]) <= _tuned.tuned().rings.most <= _cpu.kernel("probe").constants()["RING_MOST"]


@pytest.mark.parametrize("name", COPIED)
def test_long_sums_are_copied(name, monkeypatch, cpu_level):
    """32 groups of 8 channels of 4x4x4 at stride 2 took 1.4 times as long by the register tile."""
    taken = kernels_taken(monkeypatch, "contiguous", *COPIED[name])[0]
    whole = cpu_level == "avx512" or (cpu_level == "avx2" and name.endswith("half as wide"))
    assert (taken == "depthwise_last") == whole


@pytest.mark.parametrize("name", COPIED)
def test_copies_have_the_same_bits(name, dtype, cpu_level, monkeypatch):
    """As channels-last memory, for any split of a batch that is copied in pieces."""
    input, weight, keywords = COPIED[name]
    monkeypatch.setattr("fastconv._plan.COPIED", 1)
    same_bits_for_any_split(input, weight, keywords, "contiguous", (1, 2), dtype)


class TestProducts(ProductChecks):
    """Of groups, by this way."""


@pytest.mark.parametrize("name", ["three channels", "chains", "parts in passes", "volume"])
@together()
def test_same_bits_for_any_split(name, dtype, cpu_level):
    same_bits_for_any_split(*LAYERS[name], "channels_last", (1, 2, 3, 5), dtype)


@pytest.mark.parametrize("channel", [0, 5, 6, -1])
@together(value=(np.nan, np.inf, -np.inf))
def test_non_finite_values_stay_where_they_touch(channel, value, dtype, cpu_level):
    """Not in lanes beside the group, which are read with it, nor in what comes behind the last one."""
    x, w = data.integers((1, 51, 8, 10), dtype), data.integers((51, 3, 3, 3), dtype, "weight")
    keywords = {"groups": 17, "stride": 2}
    expected = exact(x, w, **keywords)
    x[0, channel, 3, 5] = value
    result = convolve(LAYOUTS["channels_last"](x, 1), w, **keywords)
    first = channel % 51 // 3 * 3
    touched = np.zeros(result.shape, bool)
    touched[0, first : first + 3, 1, 2] = True
    np.testing.assert_array_equal(result[~touched], expected[~touched])
    assert not np.isfinite(result[touched]).any()


@together(layout=("channels_last_cropped", "channels_of_many", "channels_reversed"))
def test_views(layout, dtype, cpu_level):
    """Of which a last vector may not read what lies beyond."""
    x, w, keywords, expected = on_integers(*LAYERS["three channels"])
    result = convolve(LAYOUTS[layout](x.astype(dtype), 1), w.astype(dtype), **keywords)
    data.assert_identical(result, expected.astype(dtype))


def test_windows_that_share_pixels(dtype, cpu_level):
    """Pixels closer than they are long, of which several end where the image does."""
    flat = data.integers((6 * 30 + 51,), dtype)
    strides = (0, *(flat.itemsize * step for step in (1, 36, 6)))
    x = np.lib.stride_tricks.as_strided(flat, (1, 51, 5, 6), strides)
    w = data.integers((51, 3, 3, 3), dtype, "weight")
    keywords = {"groups": 17, "stride": 2}
    data.assert_identical(convolve(x, w, **keywords), exact(x, w, **keywords).astype(dtype))


@together(make=(data.normal, data.positive))
def test_within_the_bound(make, dtype, cpu_level):
    """Nothing cancels in sums of positive products, over chains of 64."""
    x, w = make((1, 32, 20, 20), dtype), make((32, 4, 16, 16), dtype, "weight")
    wide = np.longdouble if dtype == "float64" else np.float64
    result = convolve(LAYOUTS["channels_last"](x, 1), w, stride=4, groups=8)
    windows = np.lib.stride_tricks.sliding_window_view(x[0].astype(wide), (16, 16), (1, 2))[:, ::4, ::4]
    windows = windows.transpose(1, 2, 0, 3, 4).reshape(4, 8, 1024).transpose(1, 2, 0)
    rows = w.reshape(8, 4, 1024).astype(wide)
    error = np.abs(result.reshape(8, 4, 4) - rows @ windows)
    assert (error <= 6 * np.finfo(dtype).eps * (np.abs(rows) @ np.abs(windows))).all()
