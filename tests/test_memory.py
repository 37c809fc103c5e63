"""Memory that kernels go through in their own way: copies between both orders, and the edges of what may be read."""

import ctypes
import mmap
import sys

import numpy as np
import pytest

import fastconv
import reference
from fastconv import _arrays
from tests import data
from tests.layouts import LAYOUTS, channels_last


@pytest.mark.parametrize("shape", [(2, 24, 14, 15), (24, 9, 30), (1, 12, 500), (3, 40, 4, 5, 9), (5, 900, 1, 1)])
def test_images_are_turned(shape, dtype, cpu_level):
    """Between channels-first and channels-last memory, cropped or whole, on any number of threads; a window that slides
    has unit stride along both axes."""
    x = data.integers(shape, dtype, limit=1000)
    for axis in {0, 1} & set(range(len(shape) - 3, len(shape) - 1)):
        laid = {name: LAYOUTS[name](x, axis) for name in ("contiguous", "cropped", "channels_last_cropped")}
        laid["sliding"] = np.lib.stride_tricks.as_strided(x, shape, (x.itemsize,) * x.ndim)
        for source in (*laid.values(), channels_last(x, axis)):
            for out in (np.full(shape, np.nan, dtype), channels_last(np.full(shape, np.nan, dtype), axis)):
                if _arrays.turned(source, out):
                    data.assert_identical(out, source)
        if min(shape[axis], shape[-1]) > 1:
            assert _arrays.turned(channels_last(x, axis), np.empty(shape, dtype))
            assert _arrays.turned(laid["cropped"], channels_last(x, axis))


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages by mprotect")
@pytest.mark.parametrize(("stride", "columns"), [(1, 64), (2, 64), (1, 10), (2, 20)])
def test_nothing_beside_the_input_is_read(stride, columns, dtype, cpu_level):
    """Rows read in place have a column of padding at either side, which before the first row and after the last may be
    no memory at all, as may be what a vector has beyond a short row: a read there ends the process. Rows that overlap,
    as those of a sliding window, end near the last one."""
    shape, size = (2, 7, 16, columns), np.dtype(dtype).itemsize
    w = data.integers((7, 1, 3, 3), dtype, "weight")
    sizes = {"stride": stride, "padding": 1, "groups": 7}
    first = alone_in_memory(data.integers(shape, dtype), "first")
    window = alone_in_memory(data.integers((columns + 15,), dtype), "last")
    window = np.lib.stride_tricks.as_strided(window, shape, (0, 0, size, size))
    for x in (first, alone_in_memory(data.integers(shape, dtype), "last"), window):
        data.assert_identical(fastconv.conv2d(x, w, **sizes), reference.conv(x, w, **sizes))
        g = data.integers(fastconv.conv_output_shape(shape, w.shape, **sizes), dtype, "flowing")
        expected = reference.gradients.conv_weight(x, w.shape, g, **sizes)
        result = fastconv.grad.conv2d_weight(x, w.shape, alone_in_memory(g, "last"), **sizes)
        data.assert_identical(result, expected)


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages by mprotect")
@pytest.mark.parametrize(
    ("kernel", "padding", "stride", "dilation", "columns"),
    [(5, 2, 1, 1, 33), (7, 3, 1, 1, 12), (7, 6, 1, 1, 20), (7, 3, 2, 1, 24), (7, 6, 2, 1, 29), (5, 6, 1, 3, 28)],
)
def test_nothing_beside_rows_of_larger_kernels_is_read(kernel, padding, stride, dilation, columns, dtype, cpu_level):
    """The same for columns of taps, six of them beside the image; rows that overlap begin near the first one, too."""
    shape, size = (2, 7, 16, columns), np.dtype(dtype).itemsize
    w = data.integers((7, 1, kernel, kernel), dtype, "weight")
    sizes = {"stride": stride, "padding": padding, "dilation": dilation, "groups": 7}
    for end in ("first", "last"):
        window = alone_in_memory(data.integers((columns + 21,), dtype), end)
        window = np.lib.stride_tricks.as_strided(window, shape, (0, size, size, size))
        for x in (alone_in_memory(data.integers(shape, dtype), end), window):
            data.assert_identical(fastconv.conv2d(x, w, **sizes), reference.conv(x, w, **sizes))


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages by mprotect")
@pytest.mark.parametrize(("oc", "kernel"), [(1, (2, 2)), (4, (2, 2)), (5, (1, 2)), (7, (2, 3)), (3, (4, 4))])
def test_nothing_beside_the_operands_of_a_transposed_layer_is_read(oc, kernel, dtype, cpu_level):
    """The last pixels take lanes along the weights of a channel, whose last vector once reached beyond all of them."""
    for rows, columns in ((7, 7), (3, 11), (1, 1), (4, 16)):
        x, w = data.integers((2, 5, rows, columns), dtype), data.integers((5, oc, *kernel), dtype, "weight")
        expected = reference.conv_transpose(x, w, stride=kernel)
        for end in ("first", "last"):
            result = fastconv.conv_transpose2d(alone_in_memory(x, end), alone_in_memory(w, end), stride=kernel)
            data.assert_identical(result, expected)


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages by mprotect")
def test_pixels_that_overlap(dtype, cpu_level):
    """Channels-last pixels as far apart as there are channels in a stage, of which the last one has fewer."""
    channels, step, size = 61, 31, np.dtype(dtype).itemsize
    memory = alone_in_memory(data.integers((287 * step + channels,), dtype), "last")
    x = np.lib.stride_tricks.as_strided(memory, (1, channels, 16, 18), (0, size, 18 * step * size, step * size))
    w = data.integers((40, channels, 3, 3), dtype, "weight")
    result = fastconv.conv2d(x, w, padding=1, method="direct")
    data.assert_identical(result, fastconv.conv2d(x.copy("C"), w, padding=1, method="direct"))


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages by mprotect")
@pytest.mark.parametrize("end", ["first", "last"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_rows_shorter_than_a_vector(end, mirrored, dtype, cpu_level):
    """A few pixels of few channels: whole vectors of the last but one row reached beyond the image, too."""
    memory = alone_in_memory(data.integers((1, 15, 2, 7), dtype), end)
    x = np.moveaxis(memory[:, ::-1] if mirrored else memory, -1, 1)
    for kernel, stride in (((2, 1), (3, 1)), ((1, 1), 1), ((3, 2), 2)):
        w = data.integers((1, 7, *kernel), dtype, "weight")
        result = fastconv.conv2d(x, w, stride=stride, method="direct")
        data.assert_identical(result, fastconv.conv2d(x.copy("C"), w, stride=stride, method="direct"))


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages by mprotect")
@pytest.mark.parametrize("end", ["first", "last"])
@pytest.mark.parametrize(("ic", "oc", "pixels"), [(300, 5, 131), (40, 11, 133), (40, 24, 192), (40, 5, 3)])
def test_pixels_read_in_place(ic, oc, pixels, end, dtype, cpu_level):
    """Of the last channel, too: less than a vector after whole tiles belongs to a last one of two vectors."""
    x, w = data.integers((2, ic, 1, pixels), dtype), data.integers((oc, ic, 1, 1), dtype, "weight")
    expected = reference.conv(x, w)
    data.assert_identical(fastconv.conv2d(alone_in_memory(x, end), w, method="direct"), expected)


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages by mprotect")
@pytest.mark.parametrize("end", ["first", "last"])
@pytest.mark.parametrize(("ic", "oc", "stride"), [(3, 5, 1), (24, 6, 1), (70, 4, 1), (2, 9, 2), (4, 100, 1)])
def test_pixels_of_a_gradient_read_in_place(ic, oc, stride, end, dtype, cpu_level):
    """Vectors of neighbouring channels reach beyond a pixel, of the last ones beyond all memory."""
    memory, sums = data.integers((3, 9, 11, ic), dtype), (oc, ic, 1, 1)
    g = data.integers((3, -(-9 // stride), -(-11 // stride), oc), dtype, "flowing")
    first = [np.moveaxis(a, -1, 1).copy("C") for a in (memory, g)]
    x, g = (np.moveaxis(alone_in_memory(a, end), -1, 1) for a in (memory, g))
    expected = reference.gradients.conv_weight(first[0], sums, first[1], stride=stride)
    data.assert_identical(fastconv.grad.conv2d_weight(x, sums, g, stride), expected)


def alone_in_memory(array, end):
    """A copy at the start or the end of pages with nothing readable around them."""
    page = mmap.PAGESIZE
    pages = -(-array.nbytes // page)
    outer = np.frombuffer(mmap.mmap(-1, (pages + 2) * page), np.uint8)
    for at in (0, pages + 1):
        assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(outer.ctypes.data + at * page), page, 0) == 0
    start = page if end == "first" else (pages + 1) * page - array.nbytes
    copy = outer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
