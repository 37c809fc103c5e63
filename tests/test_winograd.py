"""Winograd convolution: what the tables of geometries do not ask of it."""

from functools import partial
from itertools import product

import numpy as np
import pytest
from scipy import signal

import fastconv
from fastconv import _cpu, _winograd
from fastconv._geometry import ConvGeometry
from fastconv.probe import WinogradStages
from tests import data
from tests.geometries import MEASURED
from tests.layouts import DENSE, LAYOUTS
from tests.tolerance import assert_within

KERNELS = ((3, 3), (5, 5), (1, 3), (5, 1))
over_kernels = pytest.mark.parametrize("kernel", KERNELS, ids=str)
over_layouts = pytest.mark.parametrize("layout", DENSE)


def operands(kernel, size=(13, 14), channels=(32, 18), make=data.normal, dtype="float32"):
    ic, oc = channels
    padding = tuple(k // 2 for k in kernel)
    return make((2, ic, *size), dtype), make((oc, ic, *kernel), dtype, "weight"), padding


@over_kernels
@over_layouts
def test_scipy(kernel, layout, dtype, cpu_level):
    """Each output is the sum of SciPy's correlations over the channels, within the bound."""
    x, w, padding = operands(kernel, dtype=dtype)

    same = partial(signal.correlate2d, mode="same")

    def expected(x, w):
        return np.array([[sum(map(same, image, one)) for one in w] for image in x])

    wide = np.longdouble if dtype == "float64" else np.float64
    exact, size = expected(x.astype(wide), w.astype(wide)), expected(np.abs(x).astype(wide), np.abs(w).astype(wide))
    result = fastconv.conv2d(LAYOUTS[layout](x, 1), w, padding=padding, method="winograd")
    assert_within(result, exact, size, "winograd")


def test_two_by_two_tiles_are_exact_on_integers(dtype, cpu_level):
    """Maps of two outputs take the transform with points 0, 1, -1, whose only fractions are halves and quarters."""
    x, w = data.integers((1, 32, 2, 2), dtype), data.integers((7, 32, 3, 3), dtype, "weight")
    exact = fastconv.conv2d(x, w, padding=1, method="direct")
    data.assert_identical(fastconv.conv2d(x, w, padding=1, method="winograd"), exact)


def test_corners_of_five_taps_on_positive_data(dtype, cpu_level):
    """Corners of 5x5 kernels padded by two see 9 of 25 taps: transformed with the others they reached 9.4 eps."""
    x, w = data.positive((1, 48, 35, 35), dtype), data.positive((64, 48, 5, 5), dtype, "weight")
    wide = np.longdouble if dtype == "float64" else np.float64
    result = fastconv.conv2d(x, w, padding=2, method="winograd")
    ends = {0: (slice(0, 3), slice(2, 5)), 34: (slice(32, 35), slice(0, 3))}  # output: pixels and taps
    for (y, (rows, kh)), (z, (cols, kw)) in product(ends.items(), repeat=2):
        exact = np.tensordot(w[:, :, kh, kw].astype(wide), x[0, :, rows, cols].astype(wide), 3)
        assert_within(result[0, :, y, z], exact, exact, "direct")


@over_layouts
@pytest.mark.parametrize("size", [(14, 13), (5, 6), (9, 2), (4, 33)], ids=str)
def test_tiles_cut_off_by_the_edge(size, layout, dtype, cpu_level):
    """The last tiles of a map that have one or two outputs take fewer products, in any mix along both axes."""
    x, w, padding = operands((3, 3), size, dtype=dtype)
    wide = np.longdouble if dtype == "float64" else np.float64
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))).astype(wide)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    exact, scale = (np.tensordot(a, b, ((1, 4, 5), (1, 2, 3))) for a, b in ((windows, w), (abs(windows), abs(w))))
    result = fastconv.conv2d(LAYOUTS[layout](x, 1), w, padding=padding, method="winograd")
    assert_within(result, *(np.moveaxis(a, -1, 1) for a in (exact, scale)), "winograd")


@over_layouts
@pytest.mark.parametrize(("channels", "kernel"), [(16, (3, 3)), (27, (1, 3)), (31, (3, 1)), (42, (3, 3))], ids=str)
def test_few_channels_take_tiles_of_two_rows(channels, kernel, layout, dtype, cpu_level):
    """Odd sizes, where tiles of two rows by four columns are cut off, every output written."""
    x, w, padding = operands(kernel, (15, 10), (channels, 35), dtype=dtype)
    wide = [a.astype(np.float64) for a in (x, w)]
    exact, scale = (
        fastconv.conv2d(*some, padding=padding, method="direct") for some in (wide, [np.abs(a) for a in wide])
    )
    out = LAYOUTS[layout](np.full_like(exact, np.nan, dtype), 1)
    fastconv.conv2d(LAYOUTS[layout](x, 1), w, padding=padding, method="winograd", out=out)
    assert_within(out, exact, scale, "winograd")


@over_kernels
@over_layouts
def test_more_threads_than_work(kernel, layout, dtype):
    """Both orders of the work, by blocks of tiles and by panels of channels, give the same bits; 200 threads share what
    few transform each for themselves."""
    for size, channels in (((33, 34), (32, 17)), ((5, 6), (150, 40))):
        x, w, padding = operands(kernel, size, channels, dtype=dtype)
        x = LAYOUTS[layout](x, 1)
        results = []
        for threads in (1, 2, 7, 16, 200):
            with fastconv.num_threads(threads):
                results.append(fastconv.conv2d(x, w, padding=padding, method="winograd"))
        single = np.concatenate([fastconv.conv2d(image[None], w, padding=padding, method="winograd") for image in x])
        for other in (*results[1:], single):
            data.assert_identical(other, results[0])


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
def test_non_finite_values_spread_over_their_tiles(value, dtype):
    """What the documentation says: not beyond the tiles that see the value, and "auto" names the method."""
    x, w, padding = operands((3, 3), (24, 24), (32, 32), dtype=dtype)
    clean = fastconv.conv2d(x, w, padding=padding, method="winograd")
    x[0, 3, 9, 9] = value
    result = fastconv.conv2d(x, w, padding=padding, method="winograd")
    touched = ~np.isfinite(result)
    assert touched[0, :, 8:11, 8:11].all()
    assert not touched[1].any()
    touched[0, :, 8:12, 8:12] = False
    assert not touched.any()
    data.assert_identical(result[0, :, 12:, 12:], clean[0, :, 12:, 12:])
    assert fastconv.explain(x.shape, w.shape, padding=padding).method == "winograd"


@pytest.mark.parametrize(
    ("input", "weight", "arguments", "reason"),
    [
        ((1, 64, 40, 40), (8, 64, 33, 33), {}, "no transform"),
        ((1, 64, 14, 14), (8, 64, 3, 3), {"padding": 1, "stride": 3}, "share"),
        ((1, 64, 64, 64), (8, 64, 3, 3), {"dilation": 17}, "dilation"),
        ((1, 128, 14, 14), (8, 128, 3, 3), {"padding": 10}, "padding leaves 0%"),
        ((1, 64, 14, 14), (64, 1, 3, 3), {"padding": 1, "groups": 64}, "channels"),
        ((1, 16, 1, 14), (8, 16, 3, 3), {"padding": 1}, "padding leaves 33%"),  # longer sums leave out what it lacks
    ],
    ids=["kernel", "stride", "dilation", "padding", "channels", "one row"],
)
def test_says_why_not(input, weight, arguments, reason):
    with pytest.raises(ValueError, match=rf"conv2d: method='winograd' cannot compute .*{reason}"):
        fastconv.conv2d(np.ones(input, np.float32), np.ones(weight, np.float32), **arguments, method="winograd")
    assert reason in fastconv.explain(input, weight, **arguments).reasons["winograd"]


PARTS = {  # input, weight, arguments
    "stride": ((2, 40, 27, 30), (35, 40, 3, 3), {"stride": 2, "padding": 1}),
    "few channels": ((2, 3, 45, 38), (35, 3, 7, 7), {"stride": 2, "padding": 3}),
    "fewer outputs": ((2, 3, 61, 62), (7, 3, 11, 11), {"stride": 4, "padding": 2}),
    "dilation": ((2, 33, 26, 31), (35, 33, 3, 3), {"dilation": (2, 3), "padding": 2}),
    "both": ((2, 20, 33, 31), (9, 20, 5, 3), {"dilation": 2, "stride": 3, "padding": 2}),
    "long": ((2, 16, 23, 35), (35, 16, 7, 9), {"padding": (3, 4)}),
    "depth": ((2, 17, 6, 13, 12), (5, 17, 3, 3, 3), {"stride": 2, "padding": 1}),
    "pairs alone": ((2, 40, 25, 28), (35, 40, 4, 4), {"stride": 2, "padding": 1}),
    "pairs along one axis": ((2, 64, 19, 31), (35, 64, 3, 4), {"stride": 2, "padding": 1}),
    "single taps of two phases": ((2, 33, 25, 34), (18, 33, 4, 5), {"stride": 3, "padding": 1}),
    "many weights": ((2, 150, 13, 12), (70, 150, 3, 3), {"stride": 2, "padding": 1}),
}
over_parts = pytest.mark.parametrize("case", PARTS)


def of_parts(case, make, dtype):
    """The function, its operands and its arguments."""
    input, weight, arguments = PARTS[case]
    return getattr(fastconv, f"conv{len(input) - 2}d"), make(input, dtype), make(weight, dtype, "weight"), arguments


@over_parts
@over_layouts
@pytest.mark.parametrize("make", [data.normal, data.positive])
def test_kernels_in_parts_are_within_the_bound(case, layout, make, dtype, cpu_level):
    """Strides, dilation and long kernels, every output written, beside the direct sum in a wider type."""
    conv, x, w, arguments = of_parts(case, make, dtype)
    wide = [a.astype(np.float64) for a in (x, w)]
    exact, scale = (conv(*some, **arguments, method="direct") for some in (wide, [np.abs(a) for a in wide]))
    out = LAYOUTS[layout](np.full_like(exact, np.nan, dtype), 1)
    result = conv(LAYOUTS[layout](x, 1), w, **arguments, method="winograd", out=out)
    assert result is out
    assert_within(result, exact, scale, "winograd")


@pytest.mark.parametrize(("channels", "kernel"), [(16, 3), (32, 4), (21, 3)])
def test_strided_kernels_of_few_taps_are_exact_on_integers(channels, kernel, dtype, cpu_level):
    """Two taps of each phase take tiles of three outputs from the points 0, 1, -1 and infinity."""
    x, w = data.integers((2, channels, 13, 16), dtype), data.integers((7, channels, kernel, kernel), dtype, "weight")
    exact = fastconv.conv2d(x, w, stride=2, padding=1, method="direct")
    data.assert_identical(fastconv.conv2d(x, w, stride=2, padding=1, method="winograd"), exact)


@over_parts
@over_layouts
def test_kernels_in_parts_have_the_same_bits_on_any_threads(case, layout, dtype):
    conv, x, w, arguments = of_parts(case, data.normal, dtype)
    x = LAYOUTS[layout](x, 1)
    results = []
    for threads in (1, 2, 5):
        with fastconv.num_threads(threads):
            results.append(conv(x, w, **arguments, method="winograd"))
            results.append(fastconv.prepare(w, **arguments, method="winograd")(x))
    single = np.concatenate([conv(image[None], w, **arguments, method="winograd") for image in x])
    for other in (*results[1:], single):
        data.assert_identical(other, results[0])


def test_infinity_at_short_runs_touches_its_tiles_alone(dtype, cpu_level):
    """What lies where a part has no tap is transformed with it, but never multiplied."""
    x, w = data.normal((1, 16, 40, 40), dtype), data.normal((4, 16, 3, 3), dtype, "weight")
    clean = fastconv.conv2d(x, w, stride=2, method="winograd")
    x[0, 3, 20, 20] = np.inf
    result = fastconv.conv2d(x, w, stride=2, method="winograd")
    touched = ~np.isfinite(result)
    assert touched[0, :, 9:11, 9:11].all()
    touched[0, :, 9:12, 9:12] = False
    touched[0, :, 6:12, 6:12] = False
    assert not touched.any()
    data.assert_identical(result[0, :, 12:, 12:], clean[0, :, 12:, 12:])


@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "padding"), [(5, (8, 8), 2, 4), (32, (8, 8), 2, 4), (64, (4, 4), (1, 2), (1, 2))]
)
def test_outputs_of_three_eighths_of_the_taps(channels, kernel, stride, padding):
    """Strided kernels leave 3/4 of the taps along one axis and half along the other: positive data reached 11 eps."""
    rng = np.random.default_rng(1000)
    for _ in range(6):
        x, w = rng.random((1, channels, 32, 32), np.float32), rng.random((96, channels, *kernel), np.float32)
        wide = [a.astype(np.float64) for a in (x, w)]
        exact = fastconv.conv2d(*wide, stride=stride, padding=padding, method="direct")
        result = fastconv.conv2d(x, w, stride=stride, padding=padding, method="winograd")
        assert_within(result, exact, exact, "winograd")


@pytest.mark.parametrize(
    ("input", "weight", "arguments"),
    [
        ((1, 3, 224, 224), (64, 3, 7, 7), {"stride": 2, "padding": 3}),
        ((1, 3, 224, 224), (64, 3, 11, 11), {"stride": 4, "padding": 2}),
        ((1, 128, 112, 112), (128, 128, 3, 3), {"stride": 2, "padding": 1}),
        ((1, 192, 17, 17), (192, 192, 1, 7), {"padding": (0, 3)}),
        ((1, 256, 28, 28), (256, 256, 3, 3), {"padding": 2, "dilation": 2}),
        ((1, 64, 16000), (64, 64, 9), {"padding": 4}),
    ],
    ids=str,
)
@pytest.mark.parametrize("vectors", MEASURED, indirect=True)
def test_auto_takes_kernels_in_parts(input, weight, arguments, vectors):
    assert fastconv.choose_method(input, weight, **arguments) == "winograd"


def test_small_maps_are_left_to_others():
    """512 channels on 3x3 maps: the weights' transform costs more than it saves."""
    explained = fastconv.explain((1, 512, 3, 3), (512, 512, 3, 3), padding=1)
    assert explained.method == "direct"
    assert "transforms" in explained.reasons["winograd"]


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("dilation", [1, 2, 3, 4])
def test_the_plan_splits_axes_as_the_kernel_does(stride, dilation):
    """`_winograd.runs` counts what `winograd_runs.pxd` makes, for as many runs as that has room for."""
    split, seen = _cpu.kernel("winograd_stages").runs, 0
    for kh, kw in product(range(1, 25), (1, 3)):
        sizes = ((s - (k - 1) * dilation - 1) // stride + 1 for s, k in ((128, kh), (128, kw)))
        geometry = ConvGeometry(
            32, 16, 1, 1, 128, 128, 1, *sizes, 1, kh, kw, 1, stride, stride, 1, dilation, dilation, 0, 0, 0, 4, 0
        )
        planned = [tuple(_winograd.runs(axis)) for axis in geometry.axes[1:]]
        counts = [longs + shorts for _, _, longs, shorts in planned]
        if max(counts) <= _winograd.MOST_RUNS and counts[0] * counts[1] <= _winograd.MOST_PARTS:
            assert list(split(tuple(geometry))) == planned
            seen += 1
    assert seen > 20


@over_kernels
@pytest.mark.parametrize("size", [(9, 14), (30, 45)])
def test_stages_apart_give_the_whole(kernel, size, dtype, cpu_level):
    """What the benchmarks time stage by stage is what `conv2d` runs, to the last bit; no padding makes corners here."""
    x, w, padding = operands(kernel, size, channels=(100, 70), dtype=dtype)
    padding = tuple(min(p, 1) for p in padding)
    stages = WinogradStages(x[:1], w, padding)
    stages.whole()
    data.assert_identical(stages.out, fastconv.conv2d(x[:1], w, padding=padding, method="winograd"))


@over_layouts
@pytest.mark.parametrize(
    ("size", "channels", "ends"), [((9, 12), 48, np.s_[..., ::8, ::11]), ((66, 64), 32, np.s_[..., ::65, :])], ids=str
)
def test_edges_are_summed_directly(size, channels, ends, layout, dtype, cpu_level, monkeypatch):
    """Corners, and edges of large maps of few channels, of tiles along both axes: on small integers exact, which
    transforms are not."""
    monkeypatch.setattr(_winograd, "goes_by_rows", lambda _: False)
    _cpu._forget()
    x, w, padding = operands((3, 3), size, (channels, 18), make=data.integers, dtype=dtype)
    result = fastconv.conv2d(LAYOUTS[layout](x, 1), w, padding=padding, method="winograd")
    expected = fastconv.conv2d(x, w, padding=padding, method="direct")
    _cpu._forget()
    data.assert_identical(result[ends], expected[ends])
