"""Convolution by Fourier transforms: blocks, slabs and phases, SciPy's own transforms, and what "auto" makes of it."""

import numpy as np
import pytest
from scipy import signal

import fastconv
from fastconv import _fft, _fft_conv
from tests import data
from tests.cases import CONV1D, CONV2D, CONV3D
from tests.cases import names as ids
from tests.conv_checks import check_integers, check_reals
from tests.layouts import DENSE, LAYOUTS
from tests.tolerance import assert_within

CASES = CONV1D + CONV2D + CONV3D


@pytest.fixture(params=[2**3, 2**7], ids="blocks of {}".format)
def small_blocks(request, monkeypatch):
    """Cut even small inputs into blocks, several slabs of them, with a part of the weights at a time."""
    monkeypatch.setattr(_fft, "BLOCK", request.param)
    monkeypatch.setattr(_fft_conv, "SLAB", 512)
    monkeypatch.setattr(_fft_conv, "WEIGHTS", 512)
    for cached in (_fft.axes, _fft_conv.transform, _fft_conv.slabs):
        cached.cache_clear()
    yield
    for cached in (_fft.axes, _fft_conv.transform, _fft_conv.slabs):
        cached.cache_clear()


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_small_blocks(case, dtype, small_blocks):
    check_integers(case, dtype, "fft")
    check_reals(case, dtype, "fft", data.normal)


def test_small_blocks_are_several(small_blocks):
    """Guards the test above: many of its rows have several blocks along each axis."""
    several = 0
    for case in CONV2D:
        try:
            plan = fastconv.explain(case.input, case.weight, case.stride, case.padding, case.dilation, case.groups)
        except ValueError:
            continue
        several += "fft" in plan.reasons
    assert several > 50
    t = _fft.axis(3, 1, 1, 30, round(_fft.BLOCK**0.5), 1)
    assert t.blocks > 1


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


@pytest.mark.parametrize("layout", DENSE)
def test_threads_and_batches(layout, dtype):
    """The same bits for any number of threads, any split of the batch, and prepared weights."""
    x, w = LAYOUTS[layout](data.normal((3, 5, 70, 50), dtype), 1), data.normal((6, 5, 13, 9), dtype, "weight")
    results = []
    for threads in (1, 2, 3, 7):
        with fastconv.num_threads(threads):
            results.append(fastconv.conv2d(x, w, padding=5, method="fft"))
    results.append(np.concatenate([fastconv.conv2d(one[None], w, padding=5, method="fft") for one in x]))
    prepared = fastconv.prepare(w, padding=5, method="fft")
    results += [prepared(x), prepared(x)]
    for other in results[1:]:
        data.assert_identical(other, results[0])


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
            x, w = make(input, dtype), make(weight, dtype, "weight")
            wide = np.longdouble if dtype == "float64" else np.float64
            exact, size = (
                function(a.astype(np.float64), b.astype(np.float64), padding=padding, method="direct").astype(wide)
                for a, b in ((x, w), (np.abs(x), np.abs(w)))
            )
            assert_within(function(x, w, padding=padding), exact, size, "auto")


@pytest.mark.parametrize(
    ("size", "taps", "padding", "length"),
    [(256, 127, (63, 63), 319), (256, 127, (63, 40), 319), (20, 15, (17, 17), 40), (256, 127, (0, 0), 256)],
    ids=["same", "less after", "wider than windows", "none"],
)
def test_one_block_holds_the_padding_once(size, taps, padding, length):
    """Windows wrap around, so that zeros before the image serve after it: of the wider padding, the block holds all."""
    x, w = data.integers((1, 1, size), "float32"), data.integers((1, 1, taps), "float32", "weight")
    g = fastconv._geometry.conv_geometry("", 1, x.shape, w.shape, 1, (padding,), 1, 1, "zeros", 4, 0).geometry
    *_, axis = _fft.axes(g)
    assert (axis.size, axis.blocks) == (length, 1)
    direct, transformed = (fastconv.conv1d(x, w, padding=(padding,), method=m) for m in ("direct", "fft"))
    np.testing.assert_allclose(transformed, direct, atol=1e-3)


@pytest.mark.parametrize("rank", [2, 3])
def test_level_of_positive_data(rank, dtype):
    """Outputs in corners see a quarter or an eighth of their taps, and what was taken off the input is put back to all.

    With the whole mean taken off and put back in float32, 7x7x7 taps erred 8.5 eps there.
    """
    function, (size, taps) = getattr(fastconv, f"conv{rank}d"), {2: (150, 31), 3: (30, 7)}[rank]
    for name in "abc":
        x, w = (data.positive((1, 1, *[n] * rank), dtype, f"{name} {n}") for n in (size, taps))
        result = function(x, w, padding=taps // 2, method="fft")
        exact = function(*(a.astype(np.float64) for a in (x, w)), padding=taps // 2, method="direct")
        assert_within(result, exact, exact, "auto")


def test_strides_transform_phases(dtype):
    """A stride takes no more than the outputs that are wanted: each phase of it is a channel."""
    g = fastconv._geometry.conv_geometry("", 2, (1, 1, 90, 91), (1, 1, 15, 14), (2, 3), 7, 1, 1, "zeros", 4, 0).geometry
    _, h, w = _fft.axes(g)
    assert (h.phases, h.taps, w.phases, w.taps) == (2, 8, 3, 5)


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
def test_non_finite_values_spread_over_their_image(value, dtype):
    x, w = data.normal((2, 1, 40, 41), dtype), data.normal((2, 1, 9, 9), dtype, "weight")
    clean = fastconv.conv2d(x, w, padding=4, method="fft")
    x[1, 0, 3, 4] = value
    result = fastconv.conv2d(x, w, padding=4, method="fft")
    assert not np.isfinite(result[1, :, :8, :9]).any()
    data.assert_identical(result[0], clean[0])


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
        ((1, 64, 56, 56), (64, 64, 7, 7), {"padding": 3}, "times as long"),
        ((1, 1, 500, 500), (1, 1, 63, 63), {"padding": "full"}, "padding leaves 2%"),
    ],
    ids=["small", "many channels", "corner"],
)
def test_auto_says_why_not(input, weight, arguments, reason):
    assert reason in fastconv.explain(input, weight, **arguments).reasons["fft"]
