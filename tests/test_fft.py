"""Convolution by Fourier transforms: blocks, slabs and phases, SciPy's own transforms, and what "auto" makes of it."""

from math import prod

import numpy as np
import pytest
from scipy import signal

import fastconv
from fastconv import _fft, _fft_conv
from fastconv._geometry import conv_geometry
from fastconv.probe import FourierStages
from tests import data
from tests.cases import CONV1D, CONV2D, CONV3D
from tests.cases import names as ids
from tests.conv_checks import check_integers, check_reals
from tests.layouts import LAYOUTS
from tests.together import together
from tests.tolerance import assert_within

CASES = CONV1D + CONV2D + CONV3D
CACHES = _fft.best, _fft_conv.plan_of, _fft_conv.parts


@pytest.fixture(params=[0, 1], ids=["shortest", "next"])
def small_blocks(request, monkeypatch):
    """Cut even small inputs into the shortest blocks, or the next longer, with a part of the weights at a time."""
    cuts, which = _fft.cuts, request.param
    monkeypatch.setattr(_fft_conv, "WEIGHTS", 512)
    yield from cut_by(monkeypatch, lambda *a: cuts(*a)[which : which + 1] or cuts(*a)[:1])


@pytest.fixture
def one_block(monkeypatch):
    """Cut nothing, at stride 1 without padding."""
    yield from cut_by(
        monkeypatch,
        lambda multiple, size, outputs, taps, *_: [_fft.Axis(1, taps, _fft.lengths(multiple, size)[0], outputs, 1)],
    )


def cut_by(monkeypatch, cuts):
    monkeypatch.setattr(_fft, "cuts", cuts)
    for cached in CACHES:
        cached.cache_clear()
    yield
    for cached in CACHES:
        cached.cache_clear()


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
@together()
def test_small_blocks(case, dtype, small_blocks):
    check_integers(case, dtype, "fft")
    check_reals(case, dtype, "fft", data.normal)


def test_several_blocks_are_several(small_blocks):
    """Guards the test below."""
    for input, weight, arguments in SEVERAL:
        assert sum(a.blocks > 1 and a.span > 1 for a in _fft.best(geometry(input, weight, **arguments)).axes) >= 1


def test_blocks_are_not_cut_for_the_sake_of_few_kernels():
    """One kernel is transformed once: 3 x 3 blocks of 32x32 took 1.3 times as long as 3 of 32x64."""
    _, h, w = _fft.best(geometry((1, 1, 64, 64), (1, 1, 15, 15))).axes
    assert sorted((a.size, a.blocks) for a in (h, w)) == [(32, 3), (64, 1)]
    assert not _fft.best(geometry((2, 2, 100, 100), (2, 2, 25, 25))).two_outputs


def geometry(input, weight, stride=1, padding=0, dilation=1, groups=1):
    rank = len(weight) - 2
    return conv_geometry("", rank, input, weight, stride, padding, dilation, groups, "zeros", 4, 0).geometry


SEVERAL = (  # blocks along every axis: (input, weight, arguments)
    ((2, 3, 50, 61), (4, 3, 7, 5), {"padding": (3, 1)}),
    ((1, 4, 90, 101), (6, 2, 9, 7), {"stride": (2, 3), "groups": 2, "padding": 4}),
    ((1, 2, 70, 64), (2, 2, 4, 5), {"dilation": (3, 2), "padding": 5}),
    ((2, 2, 2000), (3, 2, 99), {"padding": 40}),
    ((1, 1, 4001), (2, 1, 61), {"stride": 3, "dilation": 2, "padding": ((7, 100),)}),
    ((1, 2, 3, 1, 900), (2, 2, 1, 1, 50), {}),
    ((1, 2, 900, 3), (2, 2, 50, 1), {}),
    ((1, 2, 30, 40, 37), (3, 2, 3, 5, 4), {"padding": (1, 2, 0)}),
    ((1, 1, 25, 50, 60), (2, 1, 5, 4, 5), {"stride": (1, 2, 1), "dilation": (2, 1, 3), "padding": 3}),
    ((2, 2, 33, 41, 5), (2, 2, 4, 6, 1), {"padding": (2, 1, 0)}),
)


@pytest.mark.parametrize(("input", "weight", "arguments"), SEVERAL, ids=str)
@together(layout=LAYOUTS)
def test_several_blocks(input, weight, arguments, layout, dtype, small_blocks):
    function, rank = getattr(fastconv, f"conv{len(weight) - 2}d"), len(weight) - 2
    shapes = (input, "x"), (weight, "w"), (weight[:1], "b")
    x, w, bias = (data.integers(shape, dtype, name) for shape, name in shapes)
    exact, size = (  # to the last bit: integers
        function(*(a.astype(np.float64) for a in some), **arguments, method="direct").astype(np.longdouble)
        for some in ((x, w, bias), (np.abs(x), np.abs(w), np.abs(bias)))
    )
    assert_within(function(LAYOUTS[layout](x, 1), w, bias, **arguments, method="fft"), exact, size, "fft", rank)


@pytest.mark.parametrize("sizes", [((300,), (64,)), ((70, 61), (15, 16)), ((17, 20, 19), (5, 6, 7))], ids=str)
@pytest.mark.parametrize("mode", ["same", "valid"])
def test_scipys_transforms(sizes, mode, dtype):
    """`fftconvolve` and `oaconvolve` on one channel: both are within the same bound of the sum in a wider type."""
    image, kernel = (data.normal(size, dtype, name) for size, name in zip(sizes, "ab", strict=True))
    rank, wide = image.ndim, np.longdouble if dtype == "float64" else np.float64
    exact = signal.correlate(image.astype(wide), kernel.astype(wide), mode, "direct")
    size = signal.correlate(np.abs(image).astype(wide), np.abs(kernel).astype(wide), mode, "direct")
    padding = 0 if mode == "valid" else tuple((k // 2, k - 1 - k // 2) for k in kernel.shape)
    function = getattr(fastconv, f"conv{rank}d")
    result = function(image[None], kernel[None, None], padding=padding, method="fft")[0]
    assert result.dtype == dtype
    for one in (result, *(f(image, kernel[(slice(None, None, -1),) * rank], mode) for f in TRANSFORMS)):
        assert_within(one, exact, size, "fft", rank)


TRANSFORMS = (signal.fftconvolve, signal.oaconvolve)


def test_kernels_or_units_first(dtype):
    """One image has fewer units than there are kernels, which are then used up one by one; of twelve, units are."""
    x, w = data.normal((12, 3, 20, 20), dtype), data.normal((9, 3, 7, 7), dtype, "weight")
    whole = fastconv.conv2d(x, w, padding=3, method="fft")
    one_by_one = [fastconv.conv2d(image[None], w, padding=3, method="fft") for image in x]
    data.assert_identical(whole, np.concatenate(one_by_one))


def test_sums_of_many_channels(dtype):
    """Positive data leaves sums of one sign at the lowest frequency: in one chain of 256 they erred by 8 eps."""
    shapes = ((1, 256, 28, 28), "input"), ((4, 256, 7, 7), "weight")
    x, w = (data.few_bits(data.positive(shape, dtype, name)) for shape, name in shapes)
    exact = fastconv.conv2d(*(a.astype(np.float64) for a in (x, w)), padding=3, method="direct")
    assert_within(fastconv.conv2d(x, w, padding=3, method="fft"), exact, exact, "direct")


@pytest.mark.parametrize(
    ("input", "weight", "padding"), [((1, 3, 50, 61), (4, 3, 7, 5), 1), ((1, 2, 900), (3, 2, 99), 0)], ids=["2d", "1d"]
)
def test_stages_apart_give_the_whole(input, weight, padding, dtype, cpu_level):
    """What the benchmarks time stage by stage is what a convolution runs, to the last bit; nothing makes corners."""
    x, w = data.normal(input, dtype), data.normal(weight, dtype, "weight")
    stages = FourierStages(x, w, padding)
    stages.whole()
    whole = getattr(fastconv, f"conv{len(weight) - 2}d")(x, w, padding=padding, method="fft")
    data.assert_identical(stages.out, whole)


def test_passes_are_few():
    """Each pass reads and writes all elements: 288 took five passes of two to four rows, 1.7 times as long as three."""
    assert _fft_conv.radices(288, 8) == (8, 6, 6)
    assert _fft_conv.radices(144, 12) == (12, 12)
    assert _fft_conv.radices(32, 8) == (4, 8)
    for n in _fft.lengths(1, 1) + _fft.lengths(1, 1000):
        for most in (8, 12):
            assert prod(_fft_conv.radices(n, most)) == n
            assert max(_fft_conv.radices(n, most), default=1) <= most


@pytest.mark.parametrize("n", [2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 27, 32, 48, 54, 64, 72, 96, 128, 144, 192, 288])
@together()
def test_passes_of_every_size(n, dtype, cpu_level, one_block):
    """The first extent of a volume may be any product of twos and threes."""
    x, w = data.normal((1, 1, n, 5, 6), dtype), data.normal((1, 1, n // 2 + 1, 2, 3), dtype, "weight")
    assert _fft_conv.plan_of(geometry(x.shape, w.shape)).extents[0] == n
    exact, size = (
        fastconv.conv3d(*(a.astype(np.float64) for a in some), method="direct").astype(np.longdouble)
        for some in ((x, w), (np.abs(x), np.abs(w)))
    )
    assert_within(fastconv.conv3d(x, w, method="fft"), exact, size, "fft", 3)


def test_roots_of_unity():
    """Angles of nearly a whole turn, taken as they are, erred by three eps, and results in float64 by twice as much."""
    k, n = np.arange(4608), 4608
    real, imaginary = _fft_conv.roots_of_unity(k, n).T
    np.testing.assert_allclose(np.hypot(real, imaginary), 1, rtol=4e-16)
    np.testing.assert_array_equal(real[n // 4 :: n // 4], [0, -1, 0])
    if np.finfo(np.longdouble).eps < 1e-18:
        turn = 2 * np.arctan2(np.longdouble(0), np.longdouble(-1))
        np.testing.assert_allclose(real, np.cos(turn * k / n), rtol=0, atol=1.3e-16)
        np.testing.assert_allclose(imaginary, -np.sin(turn * k / n), rtol=0, atol=1.3e-16)


def test_auto_transforms_large_kernels(dtype):
    """What "auto" sends here is within the bound at every output: nothing is measured against the largest."""
    for input, weight, padding in (
        ((1, 1, 300, 300), (1, 1, 63, 63), 31),
        ((1, 4, 60, 50), (8, 4, 21, 21), 10),
        ((2, 30_000), (3, 2, 601), 300),
        ((1, 2, 34, 25, 26), (4, 2, 11, 11, 11), (0, 5, 5)),
    ):
        assert fastconv.choose_method(input, weight, padding=padding, dtype=dtype) == "fft"
        function = getattr(fastconv, f"conv{len(weight) - 2}d")
        for make in (data.normal, data.positive):
            x, w = data.few_bits(make(input, dtype)), data.few_bits(make(weight, dtype, "weight"))
            wide = np.longdouble if dtype == "float64" else np.float64
            exact, size = (
                function(a.astype(np.float64), b.astype(np.float64), padding=padding, method="direct").astype(wide)
                for a, b in ((x, w), (np.abs(x), np.abs(w)))
            )
            assert_within(function(x, w, padding=padding), exact, size, "auto")


@pytest.mark.parametrize(
    ("size", "taps", "padding", "length"),
    [(54, 21, (10, 10), 64), (54, 21, (10, 4), 64), (20, 15, (17, 17), 48), (64, 21, (0, 0), 64)],
    ids=["same", "less after", "wider than windows", "none"],
)
def test_one_block_holds_the_padding_once(size, taps, padding, length, monkeypatch):
    """Windows wrap around, so that zeros before the image serve after it: of the wider padding, the block holds all."""
    cuts = _fft.cuts
    monkeypatch.setattr(_fft, "cuts", lambda *a: cuts(*a)[-1:])
    for cached in CACHES:
        cached.cache_clear()
    x, w = data.integers((1, 1, size, size), "float32"), data.integers((1, 1, taps, taps), "float32", "weight")
    padding = (padding, padding)
    _, *cut = _fft.best(geometry(x.shape, w.shape, padding=padding)).axes
    assert [(axis.size, axis.blocks) for axis in cut] == [(length, 1)] * 2
    direct, transformed = (fastconv.conv2d(x, w, padding=padding, method=m) for m in ("direct", "fft"))
    for cached in CACHES:
        cached.cache_clear()
    np.testing.assert_allclose(transformed, direct, atol=1e-2)


@pytest.mark.parametrize("rank", [2, 3])
def test_level_of_positive_data(rank, dtype):
    """Outputs in corners see a quarter or an eighth of their taps, and what was taken off the input is put back to all.

    With the whole mean taken off and put back in float32, 7x7x7 taps erred 8.5 eps there.
    """
    function, (size, taps) = getattr(fastconv, f"conv{rank}d"), {2: (150, 31), 3: (30, 7)}[rank]
    for name in "abc":
        x, w = (data.positive((1, 1, *[n] * rank), dtype, f"{name} {n}") for n in (size, taps))
        x, w = data.few_bits(x), data.few_bits(w)
        result = function(x, w, padding=taps // 2, method="fft")
        exact = function(*(a.astype(np.float64) for a in (x, w)), padding=taps // 2, method="direct")
        assert_within(result, exact, exact, "auto")


def test_strides_transform_phases(dtype):
    """A stride takes no more than the outputs that are wanted: each phase of it is a channel."""
    _, h, w = _fft.best(geometry((1, 1, 90, 91), (1, 1, 15, 14), (2, 3), 7)).axes
    assert (h.phases, h.span, w.phases, w.span) == (2, 8, 3, 5)


@pytest.mark.parametrize(
    ("input", "weight", "arguments", "reason"),
    [
        ((1, 2, 9, 9), (3, 2, 1, 1), {}, "overlap"),
        ((1, 2, 9, 9), (3, 2, 2, 2), {"stride": 2}, "overlap"),
        ((1, 0, 9, 9), (3, 0, 3, 3), {}, "channels"),
    ],
    ids=["1x1", "stride", "no channels"],
)
def test_says_why_not(input, weight, arguments, reason):
    with pytest.raises(ValueError, match=rf"conv2d: method='fft' cannot compute .*{reason}"):
        fastconv.conv2d(np.ones(input, np.float32), np.ones(weight, np.float32), **arguments, method="fft")


@pytest.mark.parametrize(
    ("input", "weight", "arguments", "reason"),
    [
        ((1, 1, 28, 28), (1, 1, 5, 5), {}, "set up"),
        ((1, 64, 56, 56), (64, 64, 3, 3), {"padding": 1}, "times as long"),
        ((1, 1, 500, 500), (1, 1, 63, 63), {"padding": "full"}, "padding leaves 2%"),
        ((1, 1, 500, 500), (1, 1, 10, 10), {"padding": 5}, "25 to 100 products average out too little"),
    ],
    ids=["small", "many channels", "corner", "few products"],
)
def test_auto_says_why_not(input, weight, arguments, reason):
    assert reason in fastconv.explain(input, weight, **arguments).reasons["fft"]
