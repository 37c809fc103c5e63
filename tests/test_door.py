"""Calls that are known from earlier ones (`fastconv/_door.pyx`): only time may tell them from first calls."""

from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum

import numpy as np
import pytest

import fastconv
from fastconv import (
    _adaptive,
    _avg_grad,
    _conv,
    _cpu,
    _door,
    _gradients,
    _lp_pool,
    _patches,
    _pool_grad,
    _pool_plan,
    _transpose,
    _unpool,
)
from tests import data
from tests.data import assert_identical
from tests.layouts import LAYOUTS, channels_last
from tests.together import together

CALLS = {
    "conv2d": lambda x, w, b: fastconv.conv2d(x, w, padding=1),
    "conv2d bias relu": lambda x, w, b: fastconv.conv2d(x, w, b, (2, 1), ((1, 0), (0, 1)), activation="relu"),
    "prepared": lambda x, w, b: fastconv.prepare(w, b, padding="same")(x),
    "max_pool2d": lambda x, w, b: fastconv.max_pool2d(x, 2),
    "adaptive_avg_pool2d": lambda x, w, b: fastconv.adaptive_avg_pool2d(x, (2, None)),
    "global_max_pool": lambda x, w, b: fastconv.global_max_pool(x),
    "avg_pool2d": lambda x, w, b: fastconv.avg_pool2d(x, (3, 2), 1),
    "conv_transpose2d": lambda x, w, b: fastconv.conv_transpose2d(x, w[:3], b[:3], (2, 1), 1),
    "conv_transpose2d stride 1": lambda x, w, b: fastconv.conv_transpose2d(x, w[:3]),
    "conv_transpose2d phases": lambda x, w, b: fastconv.conv_transpose2d(x, np.tile(w[:3], (1, 20, 1, 1)), None, 2),
    "grad.conv2d_input": lambda x, w, b: fastconv.grad.conv2d_input((2, 3, 11, 13), w[:3], x),
    "grad.conv2d_weight": lambda x, w, b: fastconv.grad.conv2d_weight(x, (3, 3, 1, 1), x),
    "grad.conv2d_weight groups": lambda x, w, b: fastconv.grad.conv2d_weight(x, (3, 1, 3, 1), x, 1, (1, 0), 1, 3),
    "grad.conv2d_weight axes": lambda x, w, b: fastconv.grad.conv2d_weight(x, (3, 3, 3, 3), x, 1, 9, 9),
    "grad.conv2d_input dilated": lambda x, w, b: fastconv.grad.conv2d_input((2, 3, 9, 11), w[:3], x, 1, 9, 9),
    "lp_pool2d": lambda x, w, b: fastconv.lp_pool2d(x, 1, (2, 3)),
}
over_calls = pytest.mark.parametrize("name", CALLS)


class Steps(IntEnum):
    ONE, TWO = 1, 2


class Shape(tuple):
    """As some libraries have their own."""


def operands(dtype=np.float32, key="first"):
    shapes = (2, 3, 9, 11), (4, 3, 3, 3), (4,)
    return tuple(data.integers(shape, dtype, key=(key, i)) for i, shape in enumerate(shapes))


def long_way(call, *arrays):
    """The result of a call of which nothing is known."""
    _door.cache_clear()
    return call(*arrays)


def is_known(x, *settings):
    return _door.again(None, x, None, None, settings) is not None


@over_calls
@together(layout=LAYOUTS, dtype=(np.float32, np.float64, np.float16))
def test_known_calls_give_what_first_ones_do(name, layout, dtype, cpu_level):
    """Values, type, memory order and a result of its own, for arrays that lie in any way."""
    call, (x, w, b) = CALLS[name], operands(dtype)
    x = LAYOUTS[layout](x, 1)
    first = long_way(call, x, w, b)
    other = LAYOUTS[layout](operands(dtype, "other")[0], 1)
    again, different = call(x, w, b), call(other, w, b)
    assert_identical(again, first)
    assert again.strides == first.strides
    assert again.flags.writeable
    assert not np.shares_memory(again, first)
    assert_identical(different, long_way(call, other, w, b))


@over_calls
def test_arrays_that_lie_otherwise_are_not_taken_for_known(name):
    """Same shape and type, but other strides, byte order or alignment, or a subclass, after a call is known."""
    call, (x, w, b) = CALLS[name], operands()
    expected = long_way(call, x, w, b)
    misaligned = np.frombuffer(b"." + x.tobytes(), x.dtype, offset=1).reshape(x.shape)
    others = [make(x, 1) for make in LAYOUTS.values()]
    for other in [*others, misaligned, x.astype(">f4"), x.view(np.recarray), np.ma.array(x), x.tolist()]:
        call(x, w, b)
        result = np.asarray(call(other, w, b))
        assert_identical(result.astype(np.float32), expected)


@pytest.mark.parametrize(
    "wrong", [True, 1.0, np.float32(1), np.timedelta64(1), "1", (1, True), [1, 1.0], [True, 1], None]
)
def test_settings_equal_to_known_ones_are_still_refused(wrong):
    """To a dictionary 1, 1.0 and True are one key: a call known with stride 1 must not let the others pass."""
    x, w, _ = operands()
    for fine in (1, (1, 1)):
        for _ in range(2):
            fastconv.conv2d(x, w, stride=fine)
        with pytest.raises((TypeError, ValueError), match="stride"):
            fastconv.conv2d(x, w, stride=wrong)


def test_settings_that_change_are_read_again():
    """A list is the same object after a change, but not the same setting."""
    x, w, _ = operands()
    stride = [1, 1]
    before = [fastconv.conv2d(x, w, stride=stride).shape for _ in range(2)]
    stride[0] = 2
    assert fastconv.conv2d(x, w, stride=stride).shape == (2, 4, 4, 9)
    assert before == [(2, 4, 7, 9)] * 2


SAME_STRIDE = {
    "list": [2, 1],
    "list of NumPy's": [np.int64(2), np.uint8(1)],
    "tuple of NumPy's": (np.int32(2), 1),
    "enumeration": (Steps.TWO, Steps.ONE),
    "shape": Shape((2, 1)),
}


@pytest.mark.parametrize("kind", SAME_STRIDE)
def test_lists_and_integers_of_other_kinds_are_known(kind):
    """Settings as `[2, 1]` took the long way at each call: 8 us instead of 1.5 for the smallest convolution."""
    x, w, _ = operands()
    _door.cache_clear()
    expected = fastconv.conv2d(x, w, stride=(2, 1))
    settings = "conv2d", 2, SAME_STRIDE[kind], 0, 1, 1, "zeros", None, "auto"
    assert_identical(_door.again(None, x, w, None, settings), expected)
    assert_identical(long_way(lambda x, w: fastconv.conv2d(x, w, stride=SAME_STRIDE[kind]), x, w), expected)
    settings = "conv2d", 2, (2, 1), 0, 1, 1, "zeros", None, "auto"
    assert_identical(_door.again(None, x, w, None, settings), expected)


LISTS = {
    "conv2d": lambda x, size: fastconv.conv2d(x, np.ones((1, 3, 2, 2), x.dtype), stride=size),
    "conv2d padding": lambda x, size: fastconv.conv2d(x, np.ones((1, 3, 2, 2), x.dtype), padding=[size, size]),
    "conv_transpose2d": lambda x, size: fastconv.conv_transpose2d(x, np.ones((3, 2, 2, 2), x.dtype), None, size),
    "grad.conv2d_input": lambda x, size: fastconv.grad.conv2d_input(
        [2, 3, *[n + 1 for n in x.shape[2:]]], np.ones((3, 3, 2, 2), x.dtype), x, [1, 1]
    ),
    "grad.conv2d_weight": lambda x, size: fastconv.grad.conv2d_weight(x, [3, 3, 3, 3], x, [1, 1], [1, 1]),
    # grad_output that lay as it should was looked at through two views, taken for a copy, and never known: 28 us, not 7
    "grad.conv2d_weight last": lambda x, size: fastconv.grad.conv2d_weight(
        *(channels_last(x, 1), [3, 3, 3, 3], channels_last(x, 1), [1, 1], [1, 1])
    ),
    "max_pool2d": lambda x, size: fastconv.max_pool2d(x, size),
    "max_pool2d indices": lambda x, size: fastconv.max_pool2d(x, size, return_indices=True)[1],
    "avg_pool2d": lambda x, size: fastconv.avg_pool2d(x, size),
    "lp_pool2d": lambda x, size: fastconv.lp_pool2d(x, 2.5, size),
    "adaptive_max_pool2d": lambda x, size: fastconv.adaptive_max_pool2d(x, size),
    "unfold": lambda x, size: fastconv.unfold(x, 2, stride=size),
    "fold": lambda x, size: fastconv.fold(np.ones((4, 6), x.dtype), [n + 1 for n in size], 2),
    "max_unpool2d": lambda x, size: fastconv.max_unpool2d(x, np.zeros(x.shape, np.int64), size, [1, 1]),
    "grad.max_pool2d": lambda x, size: fastconv.grad.max_pool2d(
        x, np.zeros(x.shape, np.int64), [2, 3, *[n + 1 for n in size]]
    ),
    "grad.avg_pool2d": lambda x, size: fastconv.grad.avg_pool2d(
        np.ones((1, 2, 3), x.dtype), [1, *[n + 1 for n in size]], [2, 2], 1
    ),
}
SIZES = {"fold": (2, 3), "grad.avg_pool2d": (2, 3)}


@pytest.mark.parametrize("name", LISTS)
def test_every_way_knows_its_lists(name, monkeypatch):
    """A second call with lists goes straight to the kernel: the ways that plan one are closed."""
    call, size = LISTS[name], list(SIZES.get(name, (3, 2)))
    x, _, _ = operands()
    first = long_way(call, x, size)
    ways = (_conv, _pool_plan, _adaptive, _patches, _unpool, _avg_grad, _pool_grad, _lp_pool, _transpose, _gradients)
    for module in ways:
        monkeypatch.setattr(module, "settled", None)
    assert_identical(call(x, size), first)
    assert_identical(call(x, tuple(size)), first)


@pytest.mark.parametrize("name", ["convolve", "correlate", "convolve2d", "correlate2d"])
def test_small_signals_are_known(name, monkeypatch):
    """Kernels read backwards were copied on the long way: 12 us for 3x3 over 8x8, where SciPy takes 5."""
    function, shape = getattr(fastconv.signal, name), (9, 8) if name.endswith("2d") else (9,)
    x, w = data.integers(shape, np.float64), data.integers((3,) * len(shape), np.float64, "taps")
    first = long_way(function, x, w)
    monkeypatch.setattr(_conv, "settled", None)
    assert_identical(function(x, w), first)


def test_a_list_that_another_thread_changes_in_between_is_read_once(monkeypatch):
    """What is remembered is what was computed, not what the list says by then."""
    x, w, _ = operands()
    stride, plan = [1, 1], _conv.plan_conv

    def changing(*arguments):
        stride[:] = [2, 2]
        return plan(*arguments)

    monkeypatch.setattr(_conv, "plan_conv", changing)
    computed = long_way(lambda x, w: fastconv.conv2d(x, w, stride=stride), x, w)
    monkeypatch.undo()
    assert computed.shape == (2, 4, 7, 9)
    assert fastconv.conv2d(x, w, stride=stride).shape == (2, 4, 4, 5)
    assert fastconv.conv2d(x, w, stride=[1, 1]).shape == (2, 4, 7, 9)


def test_lists_without_end_are_refused():
    """Of a list that holds itself, or a long one, nothing is copied."""
    x, w, _ = operands()
    endless = [1]
    endless[0] = endless
    for wrong in (endless, [[endless]], [1] * 1000, [[[[1]]]]):
        with pytest.raises((TypeError, ValueError), match="padding"):
            fastconv.conv2d(x, w, padding=wrong)


def test_functions_are_told_apart():
    """Same array, same numbers, another function."""
    x, _, _ = operands()
    for _ in range(2):
        largest, mean = fastconv.max_pool2d(x, 2), fastconv.avg_pool2d(x, 2)
    assert (largest >= mean).all()
    assert (largest > mean).any()


def test_more_calls_than_are_remembered():
    x = data.integers((1, 1, 40, 40), np.float32)
    settings = [(k, s) for k in range(1, 31) for s in range(1, 11)]
    first = [fastconv.max_pool2d(x, k, s) for k, s in settings]
    assert len(settings) > 256
    for result, (k, s) in zip(first, settings, strict=True):
        assert_identical(fastconv.max_pool2d(x, k, s), result)


def test_another_cpu_level_knows_nothing():
    """What is known holds a kernel of one level."""
    x, _, _ = operands()
    fastconv.max_pool2d(x, 2)
    settings = "max_pool2d", 2, 2, None, 0, 1, False, (1, 0, None), False
    assert is_known(x, *settings)
    with _cpu.override("baseline"):
        assert not is_known(x, *settings)
        fastconv.max_pool2d(x, 2)
        assert is_known(x, *settings)
    assert not is_known(x, *settings)


def test_empty_results_are_not_handed_to_kernels():
    w = operands()[1]
    for _ in range(2):
        assert fastconv.conv2d(np.empty((0, 3, 9, 11), np.float32), w).shape == (0, 4, 7, 9)
        assert fastconv.max_pool2d(np.empty((2, 0, 9, 11), np.float32), 2).shape == (2, 0, 4, 5)


def test_memory_error_of_a_known_call_is_left_to_the_long_way():
    """Which names the function; the door does not know how."""

    class Plan:
        geometry, packing = (), None

        @staticmethod
        def run(*arguments):
            raise MemoryError("no scratch")

    x, w, _ = operands()
    settings = "conv2d", 2, 3, 0, 1, 1, "zeros", None, "auto"
    _door.remember(np.empty(1, np.float32), Plan, (0.0, 0.0), 1, x, w, None, settings)
    assert _door.again(None, x, w, None, settings) is None


def test_sixteen_threads_at_once():
    """Each its own shapes and settings, over and over, while all read and replace what is known."""
    work = []
    for i in range(16):
        x, w = data.normal((1, 3, 8 + i, 9), np.float32, key=i), data.normal((4 + i, 3, 3, 3), np.float32, key=i)
        work.append((x, w, fastconv.conv2d(x, w, padding=1), fastconv.max_pool2d(x, 2, 1 + i % 3)))

    def repeat(i):
        for j in range(300):
            x, w, convolved, pooled = work[(i + j % 3) % 16]
            if j % 100 == 50:
                _door.cache_clear()
            if fastconv.conv2d(x, w, padding=1).tobytes() != convolved.tobytes():
                return f"conv2d {x.shape}"
            if fastconv.max_pool2d(x, 2, 1 + (x.shape[2] - 8) % 3).tobytes() != pooled.tobytes():
                return f"max_pool2d {x.shape}"
        return None

    with ThreadPoolExecutor(16) as threads:
        assert [wrong for wrong in threads.map(repeat, range(16)) if wrong] == []
