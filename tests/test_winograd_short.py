"""Winograd convolution whose lanes are tiles: every kind of tile, ends of rows and bands, and the same bits any way."""

import numpy as np
import pytest

import fastconv
from fastconv import _cpu, _winograd
from tests import data
from tests.geometries import geometry
from tests.tolerance import assert_within

# channels, kernel, stride, dilation: F(3,4), F(2,5), F(4,3), F(2,3) beside F(4,3), F(3,2) beside F(3,4), one line, runs
# of long kernels, two planes of depth
KINDS = (
    ((3, 11), (7, 7), 2, 1), ((8, 6), (5, 5), 1, 1), ((32, 3), (3, 3), 1, 1), ((16, 9), (3, 3), 1, 1),
    ((8, 5), (3, 7), 2, 1), ((32, 4), (1, 5), 1, 1), ((3, 4), (11, 11), 4, 1), ((4, 5), (9, 9), 1, 1),
    ((6, 7), (2, 5, 5), 1, 1), ((4, 5), (7, 7), 2, 2), ((6, 2), (8, 8), 2, 1),
)  # fmt: skip
over_kinds = pytest.mark.parametrize(("channels", "kernel", "stride", "dilation"), KINDS, ids=str)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Wherever it fits; what is planned otherwise is forgotten before and after."""
    monkeypatch.setattr(_winograd, "is_short", _winograd.fits_short)
    monkeypatch.setattr(_winograd, "goes_by_rows", lambda _: False)
    _cpu._forget()
    yield
    monkeypatch.undo()
    _cpu._forget()


def operands(channels, kernel, size, dtype, images=1):
    ic, oc = channels
    size = (4, *size) if len(kernel) == 3 else size
    return data.normal((images, ic, *size), dtype), data.normal((oc, ic, *kernel), dtype, "weight")


def convolve(x, w, **arguments):
    return getattr(fastconv, f"conv{x.ndim - 2}d")(x, w, **arguments)


def check(x, w, **arguments):
    """Against direct sums of long doubles or doubles; every output is written."""
    wide = np.longdouble if x.dtype == np.float64 else np.float64
    exact, scale = (reference(*(f(a.astype(wide)) for a in (x, w)), **arguments) for f in (np.asarray, np.abs))
    out = data.filled_with_nan(exact.shape, x.dtype)
    assert_within(convolve(x, w, **arguments, method="winograd", out=out), exact, scale, "winograd")
    return out


def reference(x, w, stride, padding, dilation):
    """Sums over windows."""
    rank = w.ndim - 2
    stride, padding, dilation = (v if isinstance(v, tuple) else (v,) * rank for v in (stride, padding, dilation))
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    axes = tuple(range(2, 2 + rank))
    extents = tuple(d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(x, extents, axis=axes)
    steps = *(slice(None, None, s) for s in stride), *(slice(None, None, d) for d in dilation)
    windows = windows[(slice(None), slice(None), *steps)]
    inner = tuple(range(2 + rank, 2 + 2 * rank))
    return np.moveaxis(np.tensordot(windows, w, ((1, *inner), (1, *axes))), -1, 1)


@over_kinds
def test_is_taken(channels, kernel, stride, dilation, cpu_level):
    """The kinds are those of this kernel, and none goes another way unseen."""
    ic, oc = channels
    g = geometry((1, ic, *(4,) * (len(kernel) - 2), 40, 60), (oc, ic, *kernel), stride, 0, dilation=dilation)
    assert _winograd.kernel(g) == "winograd_short"
    assert _winograd.rejects(g) is None


@over_kinds
@pytest.mark.parametrize("size", [(40, 60), (31, 137), (29, 25)], ids=str)
def test_ends_of_rows_and_maps(channels, kernel, stride, dilation, size, dtype, cpu_level):
    """Vectors of tiles that lie in several rows, and tiles that the ends of rows and of the map cut off."""
    x, w = operands(channels, kernel, size, dtype)
    padding = tuple(k * dilation // 2 for k in kernel)
    check(x, w, stride=stride, padding=padding, dilation=dilation)
    check(x, w, stride=stride, padding=0, dilation=dilation)


def test_rows_longer_than_a_stage(dtype, cpu_level):
    """They are cut, and each piece sees beyond its end."""
    x, w = operands((24, 3), (5, 5), (12, 1600), dtype)
    check(x, w, stride=1, padding=2, dilation=1)


@over_kinds
def test_same_bits_by_any_threads_images_and_weights(channels, kernel, stride, dilation, dtype, cpu_level):
    """Threads change where bands end; prepared weights are those of the call."""
    x, w = operands(channels, kernel, (45, 52), dtype, images=3)
    arguments = {"stride": stride, "dilation": dilation, "padding": tuple(k // 2 for k in kernel), "method": "winograd"}
    expected, conv = convolve(x, w, **arguments), fastconv.prepare(w, **arguments)
    for threads in (1, 2, 3, 7, 100):
        with fastconv.num_threads(threads):
            for images in (x, x[1:2]):
                some = expected if len(images) == 3 else expected[1:2]
                data.assert_identical(convolve(images, w, **arguments), some)
                data.assert_identical(conv(images), some)


def test_bias_activation_and_groups(dtype, cpu_level):
    """Groups of outputs that fill no pass, each with its own inputs, weights and bias."""
    x, w = data.normal((2, 32, 30, 31), dtype), data.normal((14, 16, 3, 3), dtype, "weight")
    b = data.normal((14,), dtype, "bias")
    arguments = {"padding": 1, "method": "winograd"}
    for activation in (None, "relu"):
        result = fastconv.conv2d(x, w, b, groups=2, activation=activation, **arguments)
        for i in range(2):
            part, some = slice(16 * i, 16 * i + 16), slice(7 * i, 7 * i + 7)
            alone = fastconv.conv2d(x[:, part], w[some], b[some], activation=activation, **arguments)
            data.assert_identical(result[:, some], alone)
        bare = fastconv.conv2d(x, w, groups=2, **arguments) + b[:, None, None]
        data.assert_identical(result, bare if activation is None else np.maximum(bare, 0))


def test_rows_of_another_image(dtype, cpu_level):
    """Rows that lie apart in memory, as those of a cut."""
    x, w = operands((3, 8), (7, 7), (50, 90), dtype)
    whole = np.full((1, 3, 70, 120), np.nan, dtype)
    cut = whole[:, :, 10:60, 15:105]
    cut[...] = x
    arguments = {"stride": 2, "padding": 3, "method": "winograd"}
    data.assert_identical(fastconv.conv2d(cut, w, **arguments), fastconv.conv2d(x, w, **arguments))


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
def test_non_finite_values_spread_over_their_tiles_alone(value, dtype, cpu_level):
    """Tiles beside each other are lanes of one vector: none sees what another one does."""
    x, w = operands((16, 5), (3, 3), (24, 80), dtype)
    clean = fastconv.conv2d(x, w, padding=1, method="winograd")
    x[0, 3, 9, 41] = value
    result = fastconv.conv2d(x, w, padding=1, method="winograd")
    touched = ~np.isfinite(result)
    assert touched[0, :, 8:11, 40:43].all()
    assert not np.delete(touched, np.s_[40:44], 3).any()
    assert not np.delete(touched, np.s_[8:12], 2).any()
    data.assert_identical(result[~touched], clean[~touched])


def test_corners_are_those_of_the_kernel_that_is_taken(monkeypatch):
    """They were remembered by shape alone, and outlived a change of the level, by whose prices lanes are chosen."""
    g = geometry((1, 8, 35, 36), (16, 8, 5, 5), 2, 2)
    found = []
    for short in True, False:
        monkeypatch.setattr(_winograd, "is_short", lambda _, short=short: short)
        found.append(_winograd.corners(g))
    assert found[0] != found[1]
