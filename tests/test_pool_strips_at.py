"""Places of maxima in the windows that have a way of their own, on maps around the widths of vectors."""

import sys

import numpy as np
import pytest

import fastconv
from fastconv import _cpu
from tests import data, truth
from tests.pool_checks import way_of_places
from tests.test_memory import alone_in_memory
from tests.test_pool_strips import WIDTHS, WINDOWS
from tests.together import together

over_windows = pytest.mark.parametrize(("kernel", "stride", "padding"), [*WINDOWS, (2, 1, 0)])
SIDES = (((0, 2), (1, 0)), ((2, 0), (0, 1)), ((1, 1), (1, 1)))  # padding before and after, along both axes


def windows(x, kernel, stride, padding, blank):
    """Every window of the last two axes, flat, as one axis more."""
    padded = np.pad(x, (((0, 0),) * (x.ndim - 2) + padding), constant_values=blank)
    view = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (-2, -1))[..., ::stride, ::stride, :, :]
    return view.reshape(*view.shape[:-2], kernel**2)


def lowest(dtype):
    return -np.inf if np.dtype(dtype).kind == "f" else np.iinfo(dtype).min


def few_values(shape, dtype):
    values = np.array([lowest(dtype), 3, 5], dtype)
    return data.generator(shape).choice(values, shape, p=[0.8, 0.1, 0.1])


def assert_same(result, expected):
    np.testing.assert_array_equal(result, expected, strict=True)
    if expected.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(result), np.signbit(expected))


def assert_first_largest(x, kernel, stride, padding):
    """Values and places equal the definition's, to the sign of a zero; the padding is no element."""
    both = ((padding,) * 2,) * 2 if isinstance(padding, int) else padding
    v = windows(x, kernel, stride, both, lowest(x.dtype))
    inside = windows(np.ones(x.shape, bool), kernel, stride, both, False)
    first = (inside & ((v == v.max(-1, keepdims=True)) | (v != v))).argmax(-1)[..., None]
    index = np.broadcast_to(np.arange(x.shape[-2] * x.shape[-1]).reshape(x.shape[-2:]), x.shape)
    places = np.take_along_axis(windows(index, kernel, stride, both, -1), first, -1)[..., 0]
    out = np.full(places.shape, np.nan, x.dtype) if x.dtype.kind == "f" else np.zeros(places.shape, x.dtype)
    values, found = fastconv.max_pool2d(x, kernel, stride, padding, return_indices=True, out=out)
    np.testing.assert_array_equal(found, places, strict=True)
    assert_same(values, np.take_along_axis(v, first, -1)[..., 0])
    return values, found


@over_windows
@together(kind=("float32", "float64", "int32", "int64", "uint8"))
def test_every_width(kernel, stride, padding, kind, cpu_level):
    """Many equal elements, of which many are the lowest of all, as padding is."""
    for width in WIDTHS:
        assert_first_largest(few_values((2, 5, width), kind), kernel, stride, padding)


@pytest.mark.parametrize("sides", SIDES, ids=str)
@pytest.mark.parametrize("stride", [1, 2])
@together()
def test_padding_of_one_side(sides, stride, dtype, cpu_level):
    for width in (9, 17, 33, 36, 70):
        for height in (1, 2, 7):
            if height + sum(sides[0]) >= 3:
                assert_first_largest(few_values((3, height, width), dtype), 3, stride, sides)


@over_windows
@pytest.mark.parametrize("width", [9, 17, 35, 70])
@together()
def test_one_nan_anywhere(kernel, stride, padding, width, dtype, cpu_level):
    """One plane of the batch for each place; and many, of which the first counts."""
    x = np.broadcast_to(data.normal((3, width), dtype), (3 * width, 3, width)).copy()
    x[np.arange(3 * width), np.arange(3 * width) // width, np.arange(3 * width) % width] = np.nan
    assert_first_largest(x, kernel, stride, padding)
    x[data.generator(width).random(x.shape) < 0.3] = np.nan
    assert_first_largest(x, kernel, stride, padding)


@over_windows
def test_the_careful_pass_and_threads_agree(kernel, stride, padding, dtype, cpu_level):
    """0 equals -0, and the first of them is taken, wherever a NaN is and whoever takes the row."""
    x = data.generator("zeros").choice(np.array([0.0, -0.0], dtype), (1, 64, 37))
    quick = assert_first_largest(x, kernel, stride, padding)
    x[0, -1, -1] = np.nan
    for threads in (1, 3):
        with fastconv.num_threads(threads):
            careful = assert_first_largest(x, kernel, stride, padding)
            for a, b in zip(quick, careful, strict=True):
                assert_same(a[:, :-2, :-2], b[:, :-2, :-2])
    assert np.signbit(quick[0]).any()


@over_windows
@together()
def test_planes_that_are_fetched_ahead(kernel, stride, padding, dtype, cpu_level):
    """Planes larger than the first cache, dense and with gaps between their rows; nothing is fetched that matters."""
    x = data.integers((2, 90, 261), dtype)
    for view in (x, x[:, :, 3:200], x[:, ::2]):
        assert_first_largest(view, kernel, stride, padding)
        expected = windows(view, kernel, stride, ((padding,) * 2,) * 2, -np.inf).max(-1)
        data.assert_identical(fastconv.max_pool2d(view, kernel, stride, padding), expected)
        sums = windows(view, kernel, stride, ((padding,) * 2,) * 2, 0).sum(-1)
        data.assert_identical(fastconv.avg_pool2d(view, kernel, stride, padding, divisor_override=1), sums)


@over_windows
def test_depths(kernel, stride, padding, dtype, cpu_level):
    """Indices count the planes of a volume that no window is at."""
    x = data.integers((2, 3, 7, 9, 40), dtype)
    window = (1, kernel, kernel), (3, stride, stride), (0, padding, padding)
    values, places = fastconv.max_pool3d(x, *window, return_indices=True)
    for o in range(3):
        plane, found = fastconv.max_pool2d(x[:, :, 3 * o], kernel, stride, padding, return_indices=True)
        data.assert_identical(values[:, :, o], plane)
        np.testing.assert_array_equal(places[:, :, o], found + 3 * o * 9 * 40)


@over_windows
@pytest.mark.parametrize("width", [3, 5, 7, 9, 12, 14, 17, 28, 33])
@together()
def test_narrow_rows(kernel, stride, padding, width, dtype, cpu_level):
    """Rows of outputs that a vector holds and more of: what it writes behind a plane is the next one's, or another
    thread's, and what it reads there, a NaN too, is of no account."""
    x = data.generator(width).integers(-3, 9, (3, 11, 9, width)).astype(dtype)
    x[1, 4, 0] = x[2, 10, 8] = np.nan
    for threads in (1, 2, 5):
        with fastconv.num_threads(threads):
            for view in (x, x[:, :, :kernel], x[:1, :1], x[::-1], x[:, ::2], x[..., :-1], x[:, :, ::2]):
                if view.shape[-1] >= kernel and view.shape[-2] >= kernel:
                    assert_first_largest(view, kernel, stride, padding)


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages by mprotect")
@over_windows
@together(end=("first", "last"))
def test_nothing_beside_the_arrays_is_touched(kernel, stride, padding, end, dtype, cpu_level):
    """Neither of many planes nor of one, however low."""
    for width in (6, 8, 9, 14, 17, 28, 33):
        for shape in ((20, kernel, width), (5, 7, width), (1, 40, width)):
            x = data.normal(shape, dtype)
            values, places = assert_first_largest(x, kernel, stride, padding)
            for threads in (1, 3):
                out = alone_in_memory(np.full_like(values, np.nan), end)
                with fastconv.num_threads(threads):
                    _, found = fastconv.max_pool2d(
                        alone_in_memory(x, end), kernel, stride, padding, return_indices=True, out=out
                    )
                assert_same(out, values)
                np.testing.assert_array_equal(found, places)


# Windows whose outputs over rows of 9 fill no vector, so that volumes are turned. Two doubles make no strip.
SHORT = {
    ("avx512", "float32"): {*WINDOWS, (2, 1, 0)},
    ("avx512", "float64"): {(3, 1, 0)},
    ("avx2", "float32"): {(3, 1, 0), (3, 2, 1), (3, 2, 0), (2, 2, 0)},
    ("avx2", "float64"): set(),
    ("baseline", "float32"): set(),
}
DEPTHS = ((2, 2, 0, 1), (3, 1, 1, 1), (3, 2, 1, 2))  # taps, stride, padding, dilation


@over_windows
@pytest.mark.parametrize("depth", DEPTHS, ids=str)
@pytest.mark.parametrize("level_and_type", SHORT, ids="-".join)
def test_volumes_of_short_rows_are_turned(kernel, stride, padding, depth, level_and_type):
    """Sixteen and more: with strips 3x3x3 of 256 of 8x8x8 took 485 instead of 309 us. Those below are of both ways."""
    level, kind = level_and_type
    if level not in _cpu.available():
        pytest.skip("this machine does not run it")
    sizes = ((a, b, b) for a, b in zip(depth, (kernel, stride, padding, 1), strict=True))
    window = dict(zip(("kernel", "stride", "padding", "dilation"), sizes, strict=True))
    with _cpu.override(level):
        for count, width in ((2, 9), (2, 35), (18, 35)):
            assert way_of_places(np.zeros((count, 7, 4, width), kind), **window) == "strips"
        short = (kernel, stride, padding) in SHORT[level_and_type]
        assert way_of_places(np.zeros((18, 7, 4, 9), kind), **window) == ("blocks" if short else "strips")


@over_windows
@pytest.mark.parametrize("depth", DEPTHS, ids=str)
@pytest.mark.parametrize("width", [9, 35])
@together()
def test_volumes(kernel, stride, padding, depth, width, dtype, cpu_level):
    """Windows of several depths: the first of equals is the one of the lowest depth, and NaN wherever one is. Few
    volumes and many, which are turned where a row of outputs fills no vector."""
    window = {name: (a, b, b) for name, a, b in zip(
        ("kernel_size", "stride", "padding", "dilation"), depth, (kernel, stride, padding, 1), strict=True,
    )}  # fmt: skip
    for count in (2, 18):
        x = few_values((count, 7, 4, width), dtype)
        x[0] = data.generator(depth).choice(np.array([0.0, -0.0, -1.0], dtype), x[0].shape)
        x[1::2][data.generator(width).random(x[1::2].shape) < 0.02] = np.nan
        expected, indices = truth.max_pool(x, **window, return_indices=True)
        for threads in (1, 3):
            out = np.full(expected.shape, -7, dtype)
            with fastconv.num_threads(threads):
                values, places = fastconv.max_pool3d(x, **window, return_indices=True, out=out)
            np.testing.assert_array_equal(places, indices, strict=True)
            assert_same(values, expected)


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages by mprotect")
@over_windows
@together(end=("first", "last"))
def test_nothing_beside_volumes_is_touched(kernel, stride, padding, end, dtype, cpu_level):
    for width in (8, 17, 33):
        x = data.normal((1, 5, 4, width), dtype)
        window = (3, kernel, kernel), (2, stride, stride), (1, padding, padding)
        values, places = truth.max_pool(x, *window, return_indices=True)
        out = alone_in_memory(np.full_like(values, np.nan), end)
        _, found = fastconv.max_pool3d(alone_in_memory(x, end), *window, return_indices=True, out=out)
        assert_same(out, values)
        np.testing.assert_array_equal(found, places)
