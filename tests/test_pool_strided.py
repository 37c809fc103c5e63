"""Windows two to four columns apart over channels-first planes, walked down in strips: around the widths of vectors and
of what is left of a row, wherever windows hang over the image."""

import numpy as np
import pytest

import fastconv
from tests import data
from tests.pool_checks import windows
from tests.together import together

WINDOWS = (  # kernel, stride, padding
    ((1, 1), (2, 2), (0, 0)),
    ((2, 2), (2, 2), (1, 1)),
    ((4, 3), (2, 2), (1, 1)),
    ((4, 4), (2, 2), (2, 2)),
    ((5, 6), (3, 2), (2, 3)),
    ((3, 3), (3, 3), (1, 1)),
    ((2, 7), (1, 3), (1, 3)),
    ((4, 4), (4, 4), (0, 0)),
    ((7, 8), (3, 4), (3, 4)),
)
over_windows = pytest.mark.parametrize(("kernel", "stride", "padding"), WINDOWS)
WIDTHS = (*range(8, 20), 23, 24, 25, 31, 32, 33, 35, 40, 47, 48, 49, 56, 64, 66, 97, 131, 513, 1025)


@over_windows
@together(kind=("float32", "float64", "int16", "int32", "int64"))
def test_every_width(kernel, stride, padding, kind, cpu_level):
    """Rows of outputs are written over by those before them, but not by anything else."""
    for width in WIDTHS:
        x = data.generator(width).integers(0, 99, (2, 2, 9, width)).astype(kind)
        x[..., 0] = np.iinfo(kind).min if x.dtype.kind == "i" else x[..., 0]
        blank = -np.inf if x.dtype.kind == "f" else np.iinfo(kind).min
        expected = windows(x, kernel, stride, padding, blank).max((-2, -1))
        out = data.filled_with_nan(expected.shape, kind) if x.dtype.kind == "f" else np.full(expected.shape, -1, kind)
        fastconv.max_pool2d(x, kernel, stride, padding, out=out)
        np.testing.assert_array_equal(out, expected, strict=True)
        if x.dtype.kind == "f":
            expected = windows(x, kernel, stride, padding, 0).sum((-2, -1))
            out = data.filled_with_nan(expected.shape, kind)
            fastconv.avg_pool2d(x, kernel, stride, padding, divisor_override=1, out=out)
            np.testing.assert_array_equal(out, expected, strict=True)


@over_windows
@together(include=(False, True))
def test_means_are_over_what_counts(kernel, stride, padding, include, dtype, cpu_level):
    """With `ceil_mode` also windows that hang over the padding."""
    for width in (16, 35, 66):
        x = data.integers((2, 2, 9, width), dtype)
        ones = fastconv.avg_pool2d(np.ones_like(x), kernel, stride, padding, True, False)
        np.testing.assert_array_equal(ones, np.ones_like(ones))
        expected = windows(x, kernel, stride, padding, 0).sum((-2, -1))
        inside = windows(np.ones_like(x), kernel, stride, padding, 1 if include else 0).sum((-2, -1))
        result = fastconv.avg_pool2d(x, kernel, stride, padding, count_include_pad=include)
        np.testing.assert_allclose(result, expected / inside, 4 * np.finfo(dtype).eps, strict=False)


@over_windows
@together(width=(16, 35, 70))
def test_one_nan_anywhere(kernel, stride, padding, width, dtype, cpu_level):
    """Maxima let it get lost and notice it by a sum: one plane of the batch for each place."""
    height = 2 * kernel[0] + 1
    x = np.broadcast_to(data.normal((height, width), dtype), (height * width, height, width)).copy()
    x.reshape(height * width, -1)[np.arange(height * width), np.arange(height * width)] = np.nan
    expected = windows(x, kernel, stride, padding, -np.inf).max((-2, -1))
    np.testing.assert_array_equal(fastconv.max_pool2d(x, kernel, stride, padding), expected)


@over_windows
@together()
def test_a_plane_is_the_same_in_any_company(kernel, stride, padding, dtype, cpu_level):
    """Rows that two windows share are summed once: where threads divide a plane sums begin anew, with the same bits."""
    x = data.normal((2, 3, 120, 300), dtype)
    with fastconv.num_threads(1):
        alone = np.stack([[fastconv.avg_pool2d(p[None], kernel, stride, padding)[0] for p in image] for image in x])
    for threads in (1, 2, 5):
        with fastconv.num_threads(threads):
            data.assert_identical(fastconv.avg_pool2d(x, kernel, stride, padding), alone)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("stride", [2, 3, 4])
@together()
def test_signals_and_volumes(kernel, stride, dtype, cpu_level):
    """Signals are rows of one plane, and rows of volumes have depths."""
    signals = data.integers((3, 20, 77), dtype)
    padding = kernel // 2
    expected = windows(signals[..., None, :], (1, kernel), (1, stride), (0, padding), -np.inf).max((-2, -1))
    np.testing.assert_array_equal(fastconv.max_pool1d(signals, kernel, stride, padding), expected[..., 0, :])
    volumes = data.integers((2, 3, 7, 9, 35), dtype)
    across = windows(volumes, (kernel, kernel), (stride, stride), (padding, padding), 0).sum((-2, -1))
    padded = np.pad(across, ((0, 0), (0, 0), (padding, padding), (0, 0), (0, 0)))
    view = np.lib.stride_tricks.sliding_window_view(padded, kernel, 2)[:, :, ::stride]
    result = fastconv.avg_pool3d(volumes, kernel, stride, padding, divisor_override=1)
    np.testing.assert_array_equal(result, view.sum(-1))


def test_a_stride_beyond_all_rows(dtype, cpu_level):
    """2**61 rows of eight floats have 2**66 bytes, which is 0 in 64 bits: division by it ended the process."""
    x = data.normal((1, 3, 9, 16), dtype)
    for width in (8, 16):
        expected = windows(x[..., :2, :width], 2, 2, 0, 0).max((-2, -1))
        data.assert_identical(fastconv.max_pool2d(x[..., :width].copy(), 2, (2**61, 2)), expected)
