"""Windows at any stride, over rows around the widths of vectors and of blocks, and pixels shorter than a vector."""

import sys
from functools import partial

import numpy as np
import pytest

import fastconv
import reference
from tests import data
from tests.layouts import LAYOUTS
from tests.test_memory import alone_in_memory
from tests.together import together
from tests.tolerance import assert_within

# kernel, stride and dilation along the row: windows that overlap, lie side by side, and leave gaps
ALONG = (
    (1, 1, 1),
    (3, 1, 2),
    (1, 2, 1),
    (2, 2, 1),
    (5, 2, 1),
    (3, 2, 2),
    (2, 3, 2),
    (4, 3, 3),
    (4, 4, 1),
    (7, 5, 1),
    (9, 8, 1),
    (2, 9, 1),
    (11, 10, 1),
    (7, 2, 1),
    (8, 4, 1),
    (7, 4, 3),
)
over_windows = pytest.mark.parametrize("along", ALONG, ids=str)
WIDTHS = (11, 15, 16, 17, 24, 33, 40, 63, 70, 130)
CHANNELS = (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 100)  # and rows that the first cache does not hold


def windows(x, kernel, stride, dilation, padding, blank):
    """Every window of the last two axes, as two axes more: kernel and stride of each axis, padding along the row."""
    padded = np.pad(x, ((0, 0),) * (x.ndim - 1) + ((padding, padding),), constant_values=blank)
    reach = [kernel[0], (kernel[1] - 1) * dilation + 1]
    view = np.lib.stride_tricks.sliding_window_view(padded, reach, (-2, -1))
    return view[..., :: stride[0], :: stride[1], :, ::dilation]


def check(x, along, layout, height=3, step=2):
    """Maxima and both means of integers against the definition; half a window of padding."""
    kernel, stride, dilation = along
    padding = kernel // 2
    shape, steps = (height, kernel), (step, stride)
    options = {"stride": steps, "padding": (0, padding), "dilation": (1, dilation)}
    blank = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    expected = windows(x, shape, steps, dilation, padding, blank).max((-2, -1))
    y = LAYOUTS[layout](x, 1)
    np.testing.assert_array_equal(fastconv.max_pool2d(y, shape, **options), expected, strict=True)
    if x.dtype.kind != "f":
        return
    sums = windows(x, shape, steps, dilation, padding, 0).sum((-2, -1))
    inside = windows(np.ones_like(x), shape, steps, dilation, padding, 0).sum((-2, -1))
    out = data.filled_with_nan(sums.shape, x.dtype)
    fastconv.avg_pool2d(y, shape, **options, out=out)
    np.testing.assert_array_equal(out, sums / x.dtype.type(height * kernel), strict=True)
    means = fastconv.avg_pool2d(y, shape, **options, count_include_pad=False)
    np.testing.assert_array_equal(means, sums / inside, strict=True)


@over_windows
@together(
    layout=("contiguous", "channels_last", "channels_of_many"),
    kind=("float32", "float64", "int8", "uint16", "int32", "int64"),
)
def test_every_width_and_pixel(along, layout, kind, cpu_level):
    kernel, _, dilation = along
    for width in WIDTHS:
        if width + kernel // 2 * 2 > (kernel - 1) * dilation:
            check(data.integers((2, 3, 7, width), kind), along, layout)
    for channels in CHANNELS:
        check(data.integers((1, channels, 7, 40), kind), along, layout)


@over_windows
@together(layout=("contiguous", "channels_last"))
def test_more_rows_than_are_taken_at_a_time(along, layout, dtype, cpu_level):
    check(data.integers((1, 3, 75, 40), dtype), along, layout, 2, 1)


@over_windows
@together(layout=("contiguous", "channels_last"))
def test_rows_of_several_blocks(along, layout, dtype, cpu_level):
    check(data.integers((1, 2, 4, 9001), dtype), along, layout)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("stride", [1, 2, 11])
def test_long_windows(layout, stride, dtype, cpu_level):
    """Sums of more than a chunk are sums of halves; windows longer than a block are one."""
    for width, kernel in ((700, 300), (9000, 5000)):
        x = data.positive((1, 3, 2, width), dtype)
        wide = windows(x.astype(np.longdouble), (2, kernel), (1, stride), 1, 0, 0).mean((-2, -1))
        y = LAYOUTS[layout](x, 1)
        assert_within(fastconv.avg_pool2d(y, (2, kernel), (1, stride)), wide, wide, "direct")
        largest = windows(x, (2, kernel), (1, stride), 1, 0, 0).max((-2, -1))
        data.assert_identical(fastconv.max_pool2d(y, (2, kernel), (1, stride)), largest)


@over_windows
@pytest.mark.parametrize("channels", [1, 3, 17])
@together()
def test_one_nan_anywhere(along, channels, dtype, cpu_level):
    """A row without NaN is folded without care, which no place of one may pass by: one image for each."""
    kernel, stride, dilation = along
    for width in (17, 35):
        if width <= (kernel - 1) * dilation:
            continue
        x = np.broadcast_to(data.normal((channels, 2, width), dtype), (2 * width, channels, 2, width)).copy()
        places = np.arange(2 * width)
        x[places, places % channels, places // width, places % width] = np.nan
        expected = windows(x, (2, kernel), (1, stride), dilation, 0, -np.inf).max((-2, -1))
        for layout in ("contiguous", "channels_last"):
            found = fastconv.max_pool2d(LAYOUTS[layout](x, 1), (2, kernel), (1, stride), dilation=(1, dilation))
            np.testing.assert_array_equal(found, expected)


def test_one_nan_in_many_channels(dtype, cpu_level):
    """Windows of many pixels are folded by twice as many vectors side by side, which share the sums that see NaN."""
    channels = 149
    x = np.broadcast_to(data.integers((channels, 5, 7), dtype), (channels, channels, 5, 7)).copy()
    means = x.astype(np.longdouble).mean((2, 3)).astype(dtype)
    places = np.arange(channels)
    y = LAYOUTS["channels_last"](x, 1)
    assert_within(fastconv.global_avg_pool(y)[..., 0, 0], means, np.abs(x).mean((2, 3)), "direct")
    data.assert_identical(fastconv.global_max_pool(y)[..., 0, 0], x.max((2, 3)))
    x[places, places, places % 5, places % 7] = np.nan
    y = LAYOUTS["channels_last"](x, 1)
    np.testing.assert_array_equal(fastconv.global_max_pool(y)[..., 0, 0], x.max((2, 3)))


@over_windows
@together()
def test_signals_are_rows_of_one_image(along, dtype, cpu_level):
    kernel, stride, dilation = along
    x = data.integers((3, 5, 90), dtype)
    expected = windows(x[:, :, None], (1, kernel), (1, stride), dilation, 0, 0)[:, :, 0]
    for layout in ("contiguous", "channels_last", "cropped"):
        found = fastconv.max_pool1d(LAYOUTS[layout](x, 1), kernel, stride, dilation=dilation)
        data.assert_identical(found, expected.max((-2, -1)))
        one = fastconv.max_pool1d(LAYOUTS[layout](x, 1)[1], kernel, stride, dilation=dilation)
        data.assert_identical(one, expected[1].max((-2, -1)))


@over_windows
@together(layout=("contiguous", "channels_last"))
def test_threads_and_splits_change_no_bit(along, layout, dtype, cpu_level):
    kernel, stride, dilation = along
    x = LAYOUTS[layout](data.normal((3, 5, 160, 130), dtype), 1)
    for function in (fastconv.max_pool2d, fastconv.avg_pool2d):
        pool = partial(function, kernel_size=(3, kernel), stride=(2, stride), dilation=(1, dilation))
        with fastconv.num_threads(1):
            alone = np.concatenate([pool(x[i : i + 1]) for i in range(3)])
        with fastconv.num_threads(3):
            np.testing.assert_array_equal(pool(x), alone)


def test_pixels_of_few_channels_in_wide_windows(dtype, cpu_level):
    """Adaptive windows, and whole images, of pixels shorter than a vector: many are folded as one."""
    for channels in CHANNELS:
        for height, width in ((1, 16), (1, 517), (20, 67), (40, 40)):
            x = data.normal((2, channels, height, width), dtype)
            y = LAYOUTS["channels_last"](x, 1)
            wide = x.astype(np.longdouble)
            data.assert_identical(fastconv.global_max_pool(y)[..., 0, 0], x.max((2, 3)))
            means, sizes = wide.mean((2, 3)), np.abs(wide).mean((2, 3))
            assert_within(fastconv.global_avg_pool(y)[..., 0, 0], means, sizes, "direct")
            halves = wide[..., : -(-width // 2)], wide[..., width // 2 :]
            means, sizes = (np.stack([f(half).mean((2, 3)) for half in halves], -1) for f in (np.array, np.abs))
            assert_within(fastconv.adaptive_avg_pool2d(y, (1, 2))[:, :, 0], means, sizes, "direct")
            x[1, channels - 1, height // 2, width - 1] = np.nan
            data.assert_identical(fastconv.global_max_pool(LAYOUTS["channels_last"](x, 1))[..., 0, 0], x.max((2, 3)))


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages by mprotect")
@over_windows
@together(end=("first", "last"))
def test_nothing_beside_the_array_is_read(along, end, dtype, cpu_level):
    """The array ends where memory ends: an access beyond it would end the process."""
    kernel, stride, dilation = along
    for channels, width in ((1, 11), (1, 16), (1, 37), (3, 13), (5, 16), (15, 11)):
        if width <= (kernel - 1) * dilation:
            continue
        x = np.moveaxis(alone_in_memory(data.normal((1, 2, width, channels), dtype), end), -1, 1)
        expected = windows(x, (2, kernel), (1, stride), dilation, 0, -np.inf).max((-2, -1))
        found = fastconv.max_pool2d(x, (2, kernel), (1, stride), dilation=(1, dilation))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages by mprotect")
@pytest.mark.parametrize("end", ["first", "last"])
def test_rows_shorter_than_a_vector(end, dtype, cpu_level):
    """Rows of volumes of few channels, which are not turned: went element by element, three times as long as before."""
    for width in range(1, 17):
        x = data.integers((1, 2, 5, 6, width), dtype)
        x[0, 1, 2, 3, width // 2] = np.nan
        beside = alone_in_memory(x, end)
        for function in ("max_pool", "avg_pool"):
            expected = getattr(reference, function)(x, (3, 2, 1), (1, 2, 1), (1, 0, 0))
            found = getattr(fastconv, f"{function}3d")(beside, (3, 2, 1), (1, 2, 1), (1, 0, 0))
            np.testing.assert_array_equal(found, expected.astype(dtype))


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages by mprotect")
@over_windows
@pytest.mark.parametrize("channels", [1, 3])
@together(end=("first", "last"))
def test_windows_of_one_row_are_read_in_place(along, end, channels, dtype, cpu_level):
    """Rows were copied first, which took as long as the step itself; what is read in place ends where the row does."""
    kernel, stride, dilation = along
    for width in (*WIDTHS, 600):
        if width <= (kernel - 1) * dilation:
            continue
        x = data.integers((2, 5, width, channels), dtype)
        x[1, 3, width // 2] = np.nan
        beside = np.moveaxis(alone_in_memory(x, end), -1, 1)
        x = np.moveaxis(x, -1, 1)
        for padding in (0, kernel // 2):
            if padding and dilation > 1:
                continue
            steps, beyond = (1, stride), (0, padding)
            expected = windows(x, (1, kernel), steps, dilation, padding, -np.inf).max((-2, -1))
            found = fastconv.max_pool2d(beside, (1, kernel), steps, beyond, dilation=(1, dilation))
            data.assert_identical(found, expected)
            sums = windows(x, (1, kernel), steps, 1, padding, 0).sum((-2, -1))
            means = fastconv.avg_pool2d(beside, (1, kernel), steps, beyond)
            np.testing.assert_array_equal(means, sums / x.dtype.type(kernel))
