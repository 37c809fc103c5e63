"""`out=` is filled, whatever its strides, and nothing else is; it may overlap the operands.

Data is small integers, so equal means equal to the last bit whichever way the kernel went.
"""

import numpy as np
import pytest

import fastconv
from tests import data, truth
from tests.array_checks import POOLINGS, over_convs, over_poolings, over_pools
from tests.conv_checks import assert_right, on_integers, run
from tests.layouts import WRITABLE
from tests.pool_checks import options
from tests.together import together


@over_convs
@together(layout=WRITABLE)
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
@over_poolings
@together(layout=WRITABLE)
def test_out_of_pool(case, layout, pooling, dtype):
    x = data.integers(case.input, dtype)
    expected = getattr(truth, pooling[:-2])(x, case.kernel, **options(case))
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
    expected = truth.max_pool(x, 2, return_indices=True)
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


@pytest.mark.parametrize("apart", [-64, -4, 0, 16, 92, 1024])
@pytest.mark.parametrize("bias", [None, 3.0])
def test_rows_a_page_apart(dtype, apart, bias):
    """At 4 KiB from row to row 3x3 filters took up to 2.5 times as long where input and output began `apart` bytes from
    each other modulo 4 KiB; sums of such rows are kept aside, a part of a row at a time, for every band of rows."""
    size, columns = np.dtype(dtype).itemsize, 4096 // np.dtype(dtype).itemsize
    x = data.integers((1, 2, 19, columns), dtype)
    w = data.integers((2, 1, 3, 3), dtype)
    space = data.filled_with_nan(x.size + 2 * columns, dtype)
    first = (x.ctypes.data - space.ctypes.data + apart // size * size) // size % columns
    out = space[first : first + x.size].reshape(x.shape)
    b = None if bias is None else np.full(2, bias, dtype)
    fastconv.conv2d(x, w, b, padding=1, groups=2, out=out)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    seen = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    expected = np.einsum("ncyxij,cij->ncyx", seen, w[:, 0])
    np.testing.assert_array_equal(out, expected + (bias or 0))
    assert np.isnan(space[:first]).all()
    assert np.isnan(space[first + x.size :]).all()
