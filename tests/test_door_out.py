"""Calls with `out=` that are known from earlier ones: `tests/test_door.py` has those without."""

import numpy as np
import pytest

import fastconv
from fastconv import _conv, _door, _pool_plan, _transpose
from tests import data
from tests.data import assert_identical
from tests.layouts import DENSE, LAYOUTS, WRITABLE

CALLS = {  # results have the shape of x
    "conv2d": lambda x, w, out: fastconv.conv2d(x, w, padding=1, out=out),
    "prepared": lambda x, w, out: fastconv.prepare(w, padding=1)(x, out),
    "max_pool2d": lambda x, w, out: fastconv.max_pool2d(x, 3, 1, 1, out=out),
    "max_pool2d indices": lambda x, w, out: fastconv.max_pool2d(x, 3, 1, 1, return_indices=True, out=out)[0],
    "avg_pool2d": lambda x, w, out: fastconv.avg_pool2d(x, 3, 1, 1, out=out),
    "conv_transpose2d": lambda x, w, out: fastconv.conv_transpose2d(x, w, padding=1, out=out),
}
over_calls = pytest.mark.parametrize("name", CALLS)


@pytest.fixture
def operands():
    """x and w; nothing is known."""
    _door.cache_clear()
    return data.integers((2, 3, 9, 11), np.float32, "x"), data.integers((3, 3, 3, 3), np.float32, "w")


@over_calls
@pytest.mark.parametrize("layout", WRITABLE)
def test_known_calls_write_to_out(name, layout, operands, monkeypatch):
    """Each call with `out=` took the long way: 6.2 us instead of 1.5 for the smallest convolution."""
    call, (x, w) = CALLS[name], operands
    expected = call(x, w, None)
    x = LAYOUTS[layout](x, 1)
    for known in (False, False, layout in DENSE):  # others are copied
        out = WRITABLE[layout](data.filled_with_nan(expected.shape, np.float32), 1)
        if known:
            for module in (_conv, _pool_plan, _transpose):
                monkeypatch.setattr(module, "settled", None)
        assert call(x, w, out) is out
        assert_identical(out, expected)


@over_calls
def test_known_calls_leave_alone_what_is_read_only(name, operands):
    call, (x, w) = CALLS[name], operands
    out = np.zeros_like(x)
    call(x, w, np.empty_like(x))
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        call(x, w, out)
    assert not out.any()


@over_calls
@pytest.mark.parametrize("offset", [0, 1, 300, 593, -1, -300, -593])
def test_known_calls_do_not_read_what_they_write(name, offset, operands):
    """Known for an `out` of its own, then called with one that lies likewise but holds an operand, or a part of one."""
    call, (x, w) = CALLS[name], operands
    expected = call(x, w, np.empty_like(x))
    memory = np.zeros(3 * x.size, x.dtype)
    own, out = (memory[first : first + x.size].reshape(x.shape) for first in (x.size, x.size + offset))
    own[...] = x
    assert_identical(call(own, w, out), expected)
    memory = np.zeros(x.size, x.dtype)
    weights = memory[abs(offset) % 500 :][: w.size].reshape(w.shape)
    weights[...] = w
    assert_identical(call(x, weights, memory.reshape(x.shape)), expected)
