"""Arrays: any memory gives the same values, results keep the input's memory order, `out=` is filled and nothing else.

Data is small integers, so equal means equal to the last bit whichever way the kernel went.
"""

import ctypes
import mmap
import sys

import numpy as np
import pytest

import fastconv
import reference
from fastconv import _arrays
from tests import data
from tests.cases import CONV2D, POOL2D, row
from tests.conv_checks import assert_right, attempt, on_integers, run
from tests.layouts import LAYOUTS, WRITABLE, channels_last
from tests.pool_checks import any_values, largest, options
from tests.tolerance import SUMS_DIRECTLY

CONVS = [
    row(CONV2D, name)
    for name in (
        "3x3", "1x1", "7x7-stride-2", "groups-2", "depthwise", "dilation-2", "batch-3", "unbatched", "sum-of-260",
        "full", "reflect-pairs", "circular-depthwise", "relu", "one-pixel", "winograd-ragged", "winograd-5x5",
        "near-rows-8", "near-rows-stride-2-even", "near-rows-short",
    )
]  # fmt: skip
POOLS = [row(POOL2D, name) for name in ("2x2", "3x3-stride-2-padded", "3x3-stride-1-padded", "unbatched", "batch-3")]
over_convs = pytest.mark.parametrize("case", CONVS, ids=lambda case: case.name)
over_pools = pytest.mark.parametrize("case", POOLS, ids=lambda case: case.name)
over_layouts = pytest.mark.parametrize("layout", LAYOUTS)
POOLINGS = ("max_pool2d", "avg_pool2d")
over_poolings = pytest.mark.parametrize("pooling", POOLINGS)


def copies(arrays):
    return [None if a is None else a.copy() for a in arrays]


def assert_unmodified(arrays, before):
    for array, copy in zip(arrays, before, strict=True):
        if array is not None:
            np.testing.assert_array_equal(array, copy)


@over_convs
@over_layouts
def test_conv_of_input_in_any_memory(case, layout, dtype, method, cpu_level):
    x, w, b = data.operands(case, data.integers, dtype)
    x = LAYOUTS[layout](x, case.channel_axis)
    before = copies((x, w, b))
    assert_right(run(case, x, w, b, method), case, dtype, method)
    assert_unmodified((x, w, b), before)


@over_convs
@over_layouts
def test_conv_of_weight_and_bias_in_any_memory(case, layout, dtype, method):
    x, w, b = data.operands(case, data.integers, dtype)
    w = LAYOUTS[layout](w, 1)
    b = LAYOUTS[layout](b, 0) if b is not None and layout != "transposed" else b
    before = copies((x, w, b))
    assert_right(run(case, x, w, b, method), case, dtype, method)
    assert_unmodified((x, w, b), before)


@over_pools
@over_layouts
@over_poolings
def test_pool_in_any_memory(case, layout, pooling, dtype, cpu_level):
    x = LAYOUTS[layout](data.integers(case.input, dtype), case.channel_axis)
    before = x.copy()
    expected = getattr(reference, pooling[:-2])(before.astype(dtype), case.kernel, **options(case))
    data.assert_identical(getattr(fastconv, pooling)(x, case.kernel, **options(case)), expected)
    assert_unmodified([x], [before])


@over_pools
@over_layouts
@pytest.mark.parametrize("integer_type", ["uint8", "int64"])
def test_indices_in_any_memory(case, layout, integer_type):
    x = LAYOUTS[layout](any_values(case, integer_type), case.channel_axis)
    values, indices = fastconv.max_pool2d(x, case.kernel, **options(case), return_indices=True)
    expected = largest(case, integer_type)
    np.testing.assert_array_equal(values, expected[0], strict=True)
    np.testing.assert_array_equal(indices, expected[1], strict=True)


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


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (3,), (0, 1), (2, 3), (0, 1, 2, 3)], ids=str)
def test_broadcast_input(axes, dtype, method, cpu_level):
    """Strides of zero, as numpy.broadcast_to makes them; writing through one would change many elements."""
    shape = (2, 3, 6, 7)
    small = data.integers(tuple(1 if axis in axes else size for axis, size in enumerate(shape)), dtype)
    x = np.broadcast_to(small, shape)
    w = np.broadcast_to(data.integers((5, 1, 3, 3), dtype), (5, 3, 3, 3))
    b = np.broadcast_to(np.array(3, dtype), 5)
    expected = reference.conv(x, w, b, padding=1)
    result = attempt(fastconv.conv2d, x, w, b, padding=1, method=method)
    if method in SUMS_DIRECTLY:
        data.assert_identical(result, expected)
    data.assert_identical(fastconv.max_pool2d(x, 2), reference.max_pool(x, 2))
    data.assert_identical(fastconv.avg_pool2d(x, 2), reference.avg_pool(x, 2))


def results_of(x, dtype):
    """Every function of this file on a batch or an image with 3 channels."""
    w = data.integers((5, 3, 3, 3), dtype)
    yield fastconv.conv2d(x, w, padding=1)
    yield fastconv.conv2d(x, w[:, :, :1, :1])
    yield fastconv.conv2d(x, data.integers((3, 1, 3, 3), dtype), groups=3)
    yield fastconv.conv2d(x, w, padding=1, padding_mode="reflect")
    yield from fastconv.max_pool2d(x, 2, return_indices=True)
    yield fastconv.avg_pool2d(x, 3, 1)


@pytest.mark.parametrize("shape", [(2, 3, 6, 7), (1, 3, 6, 7), (3, 6, 7)], ids=str)
@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_memory_order_follows_the_input(shape, kind):
    """Contiguous in, contiguous out; channels-last in, channels-last out."""
    x = data.integers(shape, kind)
    for result in results_of(x, kind):
        assert result.flags.c_contiguous
    axis = len(shape) - 3
    for result in results_of(channels_last(x, axis), kind):
        assert np.moveaxis(result, axis, -1).flags.c_contiguous


@over_convs
@pytest.mark.parametrize("layout", WRITABLE)
def test_out_of_conv(case, layout, dtype, method):
    """Filled with NaN before, right after, returned, whatever its strides; the memory between its elements is left."""
    x, w, b = data.operands(case, data.integers, dtype)
    expected = on_integers(case).astype(dtype)
    out = WRITABLE[layout](data.filled_with_nan(expected.shape, dtype), case.channel_axis)
    frame = _memory(out)
    untouched = frame.copy()
    result = run(case, x, w, b, method, out=out)
    assert result is out or result is None
    assert_right(result, case, dtype, method)
    out[...] = np.nan
    np.testing.assert_array_equal(frame, untouched)


@over_pools
@pytest.mark.parametrize("layout", WRITABLE)
@over_poolings
def test_out_of_pool(case, layout, pooling, dtype):
    x = data.integers(case.input, dtype)
    expected = getattr(reference, pooling[:-2])(x, case.kernel, **options(case))
    out = WRITABLE[layout](data.filled_with_nan(expected.shape, dtype), case.channel_axis)
    frame = _memory(out)
    untouched = frame.copy()
    assert getattr(fastconv, pooling)(x, case.kernel, **options(case), out=out) is out
    data.assert_identical(out, expected)
    out[...] = np.nan
    np.testing.assert_array_equal(frame, untouched)


def test_out_of_pool_with_indices(dtype):
    x = data.integers((1, 2, 6, 6), dtype)
    out = data.filled_with_nan((1, 2, 3, 3), dtype)
    values, indices = fastconv.max_pool2d(x, 2, return_indices=True, out=out)
    expected = reference.max_pool(x, 2, return_indices=True)
    assert values is out
    data.assert_identical(values, expected[0])
    data.assert_identical(indices, expected[1])


def _memory(view):
    """The bytes that a view was cut from, the view's own included."""
    base = view
    while isinstance(base.base, np.ndarray):
        base = base.base
    return np.frombuffer(base.base, np.uint8) if isinstance(base.base, bytearray) else base


OVERLAPS = {
    "the input itself": lambda memory, shape: (_view(memory, 0, shape), _view(memory, 0, shape)),
    "one element later": lambda memory, shape: (_view(memory, 0, shape), _view(memory, 1, shape)),
    "one element earlier": lambda memory, shape: (_view(memory, 1, shape), _view(memory, 0, shape)),
    "one row later": lambda memory, shape: (_view(memory, 0, shape), _view(memory, shape[-1], shape)),
    "backwards": lambda memory, shape: (_view(memory, 0, shape), np.flip(_view(memory, 0, shape))),
}


def _view(memory, start, shape):
    return memory[start : start + np.prod(shape)].reshape(shape)


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("last", [False, True], ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("operation", ["conv2d", "1x1", "depthwise", *POOLINGS])
def test_out_overlapping_the_input(overlap, last, operation, dtype):
    """The same answer as without overlap."""
    shape = (2, 6, 7, 3) if last else (2, 3, 6, 7)
    x, out = OVERLAPS[overlap](data.integers((np.prod(shape) + 8,), dtype), shape)
    if last:
        x, out = np.moveaxis(x, -1, 1), np.moveaxis(out, -1, 1)
    call = {
        "conv2d": lambda x, **k: fastconv.conv2d(x, data.integers((3, 3, 3, 3), dtype), padding=1, **k),
        "1x1": lambda x, **k: fastconv.conv2d(x, data.integers((3, 3, 1, 1), dtype), **k),
        "depthwise": lambda x, **k: fastconv.conv2d(x, data.integers((3, 1, 3, 3), dtype), groups=3, padding=1, **k),
        "max_pool2d": lambda x, **k: fastconv.max_pool2d(x, 3, 1, 1, **k),
        "avg_pool2d": lambda x, **k: fastconv.avg_pool2d(x, 3, 1, 1, **k),
    }[operation]
    expected = call(x.copy())
    assert call(x, out=out) is out
    data.assert_identical(out, expected)


def test_out_overlapping_weight_and_bias(dtype):
    x = data.integers((1, 3, 3, 3), dtype)
    w = data.integers((3, 3, 1, 1), dtype)
    memory = np.zeros(27, dtype)
    memory[:9] = w.ravel()
    memory[12:15] = bias = data.integers((3,), dtype)
    expected = fastconv.conv2d(x, w, bias)
    out = memory.reshape(1, 3, 3, 3)
    fastconv.conv2d(x, memory[:9].reshape(w.shape), memory[12:15], out=out)
    data.assert_identical(out, expected)


@pytest.mark.parametrize("name", ["3x3", "sum-of-585", "depthwise", "relu6", "7x7-stride-2", "reflect-1", "batch-0",
                                  "winograd-ragged"])
def test_float16_is_computed_in_float32(name, method):
    """Rounded once, at the end: equal to the exact sum of integers in float16, sums above 2048 included."""
    case = row(CONV2D, name)
    x, w, b = data.operands(case, data.integers, np.float16)
    result = run(case, x, w, b, method)
    assert_right(result, case, np.float16, method)
    out = data.filled_with_nan(on_integers(case).shape, np.float16)
    if result is not None:
        assert run(case, x, w, b, method, out=out) is out
        data.assert_identical(out, result)


def test_float16_overflows_to_infinity():
    x = np.full((1, 1, 2, 2), 300, np.float16)
    np.testing.assert_array_equal(fastconv.conv2d(x, x), np.full((1, 1, 1, 1), np.inf, np.float16), strict=True)


def test_float16_pooling():
    x = data.normal((2, 3, 7, 8), np.float16)
    data.assert_identical(fastconv.max_pool2d(x, 3, 2, 1), reference.max_pool(x, 3, 2, 1))
    # float32 sums of nine float16 numbers, rounded once more than the exact one: at most one unit apart
    exact = reference.avg_pool(x, 3, 2, 1, dtype=np.float64)
    result = fastconv.avg_pool2d(x, 3, 2, 1)
    assert result.dtype == np.float16
    np.testing.assert_allclose(result, exact, rtol=2.0**-10, atol=1e-6)


@pytest.mark.parametrize("kinds", [("float32", "float64"), ("float64", "float32"), ("float16", "float64")], ids=str)
def test_mixed_types_go_to_float64(kinds):
    """Nothing is rounded to the narrower type on the way."""
    x, w = data.positive((1, 3, 6, 6), kinds[0]), data.positive((5, 3, 3, 3), kinds[1])
    result = fastconv.conv2d(x, w)
    data.assert_identical(result, fastconv.conv2d(x.astype(np.float64), w.astype(np.float64)))
    with_bias = fastconv.conv2d(x.astype(np.float32), w.astype(np.float32), data.positive((5,), np.float64))
    assert with_bias.dtype == np.float64


def test_lists_are_arrays():
    """Nested lists of floats are taken as NumPy takes them: float64."""
    result = fastconv.conv2d([[[1.0, 2.0], [3.0, 4.0]]], [[[[1.0, -1.0]]]])
    data.assert_identical(result, np.array([[[-1.0], [-1.0]]]))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("shape", [(0, 3, 6, 7), (2, 0, 6, 7), (0, 6, 7), (0, 0, 6, 7)], ids=str)
def test_pooling_of_nothing_is_nothing(pooling, shape, dtype):
    assert getattr(fastconv, pooling)(np.zeros(shape, dtype), 2).shape == (*shape[:-2], 3, 3)


def test_pooling_indices_of_nothing():
    values, indices = fastconv.max_pool2d(np.zeros((0, 3, 6, 7), np.uint8), 2, return_indices=True)
    assert (values.shape, values.dtype) == ((0, 3, 3, 3), np.uint8)
    assert (indices.shape, indices.dtype) == ((0, 3, 3, 3), np.int64)


def test_no_input_channels_leave_the_bias(dtype, method):
    """A sum of no products is zero: the result is the bias, and not what the memory held."""
    bias = data.integers((4,), dtype)
    out = data.filled_with_nan((2, 4, 5, 5), dtype)
    x, w = np.zeros((2, 0, 5, 5), dtype), np.zeros((4, 0, 3, 3), dtype)
    if attempt(fastconv.conv2d, x, w, bias, padding=1, method=method, out=out) is not None:
        data.assert_identical(out, np.broadcast_to(bias[:, None, None], (2, 4, 5, 5)))


def test_no_output_channels(dtype):
    assert fastconv.conv2d(np.ones((2, 3, 5, 5), dtype), np.ones((0, 3, 3, 3), dtype)).shape == (2, 0, 3, 3)


def test_image_of_padding_alone(dtype, method):
    """A spatial size of zero, padded: all products are zero, the result is the bias."""
    bias = data.integers((4,), dtype)
    x, w = np.zeros((1, 2, 0, 3), dtype), np.ones((4, 2, 2, 2), dtype)
    result = attempt(fastconv.conv2d, x, w, bias, padding=1, method=method)
    if result is not None:
        data.assert_identical(result, np.broadcast_to(bias[:, None, None], (1, 4, 1, 4)))
