"""prepare(): the same bits as convNd from a callable that is immutable and can be pickled."""

import pickle

import numpy as np
import pytest

import fastconv
from fastconv import _memory
from tests import data
from tests.cases import CONV1D, CONV2D, CONV3D
from tests.conv_checks import run
from tests.layouts import DENSE, LAYOUTS
from tests.together import together

CASES = CONV1D + CONV2D + CONV3D
over_cases = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rank}d-{case.name}")


@over_cases
@together(layout=DENSE)
def test_same_bits_as_the_function(case, layout, dtype, method, cpu_level):
    x, w, b = data.operands(case, data.normal, dtype)
    x = LAYOUTS[layout](x, case.channel_axis)
    expected = run(case, x, w, b, method)
    if expected is None:
        return
    conv = fastconv.prepare(w, b, **case.arguments(), method=method)
    data.assert_identical(conv(x), expected)
    out = data.filled_with_nan(expected.shape, dtype)
    assert conv(x, out=out) is out
    data.assert_identical(out, expected)


def test_weights_start_on_a_line(dtype, cpu_level):
    """NumPy's memory starts 16 bytes behind one, so that all vectors of transformed weights crossed into the next:
    512 -> 512 channels on 14x14 took longer prepared than not."""
    for elements in (1, 1000, 10**6):
        memory = _memory.lines(elements, np.dtype(dtype))
        assert memory.size == elements
        assert memory.ctypes.data % 64 == 0
        memory[:] = 1
    conv = fastconv.prepare(data.normal((48, 48, 3, 3), dtype), padding=1, method="winograd")
    conv(data.normal((1, 48, 14, 14), dtype))
    assert [packed.ctypes.data % 64 for packed in conv._packed.values()] == [0]


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3])
@together()
def test_small_maps_of_many_channels(kernel, groups, dtype, cpu_level):
    """Their weights are used as they are, in lanes along the depth; those of larger maps in between otherwise."""
    w, b = data.normal((134, 300, kernel, kernel), dtype), data.normal((134,), dtype)
    conv = fastconv.prepare(w, b, padding=kernel // 2, groups=groups, method="direct")
    for size in ((7, 7), (5, 5), (30, 17), (3, 3)):
        x = data.normal((2, 300 * groups, *size), dtype)
        expected = fastconv.conv2d(x, w, b, padding=kernel // 2, groups=groups, method="direct")
        for threads in (1, 3):
            with fastconv.num_threads(threads):
                data.assert_identical(conv(x), expected)


def test_large_images_channels_last(dtype, cpu_level):
    """The taps of all their channels are summed in another order than those of smaller ones in between, of which
    weights are turned to both."""
    w, b = data.normal((33, 44, 3, 4), dtype), data.normal((33,), dtype)
    conv = fastconv.prepare(w, b, stride=4, method="direct")
    for size in ((80, 79), (53, 51), (91, 95), (39, 61)):
        x = LAYOUTS["channels_last"](data.normal((2, 44, *size), dtype), 1)
        expected = fastconv.conv2d(x, w, b, stride=4, method="direct")
        for threads in (1, 3):
            with fastconv.num_threads(threads):
                data.assert_identical(conv(x), expected)


@pytest.fixture
def prepared():
    w, b = data.normal((7, 3, 3, 3), np.float32), data.normal((7,), np.float32)
    return w, b, fastconv.prepare(w, b, padding=1, activation="relu")


def test_keeps_its_own_weights(prepared):
    """Writing to the weights afterwards changes nothing."""
    w, b, conv = prepared
    x = data.normal((2, 3, 8, 9), np.float32)
    expected = fastconv.conv2d(x, w, b, padding=1, activation="relu")
    w[...] = b[...] = np.nan
    data.assert_identical(conv(x), expected)


def test_takes_inputs_of_any_shape_and_memory(prepared):
    w, b, conv = prepared
    for shape in ((1, 3, 5, 6), (4, 3, 17, 3), (3, 9, 9), (0, 3, 4, 4)):
        x = data.normal(shape, np.float32)
        for layout in DENSE:
            laid = LAYOUTS[layout](x, len(shape) - 3)
            data.assert_identical(conv(laid), fastconv.conv2d(laid, w, b, padding=1, activation="relu"))


def test_pickled(prepared):
    *_, conv = prepared
    x = data.normal((2, 3, 8, 9), np.float32)
    data.assert_identical(pickle.loads(pickle.dumps(conv))(x), conv(x))


def test_weights_begin_with_a_line():
    """Kernels that read weights as they are load vectors; of those in two lines of the cache a core loads half as many,
    and NumPy's arrays begin anywhere: 2048 to 512 channels of 1x1 on 7x7 took 1.09 times as long."""
    for dtype in (np.float16, np.float32, np.float64):
        conv = fastconv.prepare(data.normal((64, 32, 3, 3), dtype)[::-1], data.normal((64,), dtype))
        for same in (conv, pickle.loads(pickle.dumps(conv))):
            assert same._weight.ctypes.data % 64 == 0
            assert same._weight.flags.c_contiguous
            assert not same._weight.flags.writeable
            assert not same._bias.flags.writeable  # which pickled arrays are


def test_immutable(prepared):
    *_, conv = prepared
    for name in (*type(conv).__slots__, "anything"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(conv, name, None)
        with pytest.raises(AttributeError, match="immutable"):
            delattr(conv, name)


def test_mixed_types(prepared):
    w, b, conv = prepared
    x = data.normal((1, 3, 8, 9))
    data.assert_identical(conv(x), fastconv.conv2d(x, w, b, padding=1, activation="relu"))


def test_other_channels_are_refused(prepared):
    *_, conv = prepared
    with pytest.raises(ValueError, match="channels"):
        conv(np.zeros((1, 4, 8, 8), np.float32))
