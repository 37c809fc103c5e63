"""Arrays in memory that is kept between calls (`_memory.pyx`): they own it as any other array does."""

import contextlib
import copy
import pickle
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastconv
from fastconv import _memory
from fastconv._kernels import heap
from tests import data, own_handler
from tests.child import output

MIB = 1 << 20
HANDLER = np._core.multiarray.get_handler_name

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is kept without mmap")


@pytest.fixture(autouse=True)
def nothing_kept():
    """Start without free blocks, so that the next array lies where the last one lay."""
    heap.release()


def operands(images=4):
    """A layer of 4 MiB of result or more."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((images, 16, 64, 64)).astype(np.float32), np.ones((64, 16, 1, 1), np.float32)


def test_arrays_own_their_memory():
    x, w = operands()
    result = fastconv.conv2d(x, w)
    assert result.flags.owndata
    assert result.base is None
    assert HANDLER(result) == "fastconv"
    expected = np.array(result)
    assert HANDLER(expected) == HANDLER(fastconv.conv2d(x[:1, :1, :8, :8], w[:, :1])) == "default_allocator"
    for other in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result), result + 0):
        np.testing.assert_array_equal(other, expected)
    for size in (expected.size * 3, expected.size, 10, 0, 100 * MIB // 4, 1000):
        held = min(result.size, size)
        result.resize((size,), refcheck=False)
        np.testing.assert_array_equal(result[:held], expected.ravel()[:held][: result.size])
        expected = np.array(result)


def test_zeros_are_zeros_in_memory_that_held_something():
    array = _memory.empty((4, MIB), np.uint8)
    array[...] = 1
    address = array.ctypes.data
    del array
    zeros = _memory.made_by(np.zeros, (4, MIB), np.uint8)
    assert zeros.ctypes.data == address
    assert not zeros.any()


def test_a_view_keeps_its_memory():
    x, w = operands()
    view = fastconv.conv2d(x, w)[1:2, 3]
    expected = np.array(view)
    for _ in range(3):
        fastconv.conv2d(x, -w)
    np.testing.assert_array_equal(view, expected)


def test_out_is_left_where_it_is():
    x, w = operands()
    out = fastconv.conv2d(x, w)
    address = out.ctypes.data
    assert fastconv.conv2d(x, -w, out=out) is out
    assert out.ctypes.data == address
    np.testing.assert_array_equal(out, -fastconv.conv2d(x, w))


def test_a_handler_of_the_user_stays():
    x, w = operands()
    expected = fastconv.conv2d(x, w)
    with own_handler.installed() as used:
        for call in (lambda: fastconv.conv2d(x, w), lambda: fastconv.conv2d(x, w), lambda: fastconv.unfold(x, 2)):
            before = len(used)
            result = call()
            assert HANDLER(result) == own_handler.NAME
            assert len(used) > before
        result = fastconv.conv2d(x, w)
    np.testing.assert_array_equal(result, expected)
    assert HANDLER(fastconv.conv2d(x, w)) == "fastconv"
    assert HANDLER(np.empty(MIB)) == "default_allocator"
    del result


def test_an_error_leaves_the_handler_of_the_user():
    for error, arguments in ((ValueError, (np.pad, np.ones(3), -1)), (MemoryError, (np.empty, (1 << 59,), np.uint8))):
        with pytest.raises(error):
            _memory.made_by(*arguments)
        assert HANDLER(np.empty(MIB)) == "default_allocator"


def test_tracemalloc_sees_results():
    x, w = operands()
    fastconv.conv2d(x, w)
    tracemalloc.start()
    try:
        for _ in range(2):
            result = fastconv.conv2d(x, w)
            assert result.nbytes <= tracemalloc.get_traced_memory()[0] < result.nbytes + MIB
            del result
            assert tracemalloc.get_traced_memory()[0] < MIB
    finally:
        tracemalloc.stop()


def test_many_threads():
    """Arrays made in some threads die in others."""
    x, w = operands()
    expected, barrier, left = fastconv.conv2d(x, w), threading.Barrier(8), []

    def run(_):
        barrier.wait()
        for _ in range(10):
            left.append(fastconv.conv2d(x, w))
            data.assert_identical(left[-1], expected)
            with contextlib.suppress(IndexError):
                left.pop(0)
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(run, range(8)))


FORK = """
import os
import numpy as np
import fastconv
from fastconv._kernels import heap
x, w = np.ones((1, 64, 128, 128), np.float32), np.ones((64, 64, 1, 1), np.float32)
alive = fastconv.conv2d(x, w)
fastconv.conv2d(x, w)
assert heap.state()[0] > alive.nbytes * 2
child = os.fork()
mapped, in_use = heap.state()
assert mapped < in_use + 2**22, heap.state()
for _ in range(3):
    assert (fastconv.conv2d(x, w) == 64).all() and (alive == 64).all()
del alive
assert (fastconv.conv2d(x, w) == 64).all()
if child == 0:
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("both")
"""


def test_a_fork_inherits_nothing_kept():
    """Pages of free blocks would be copied in parent and child when they are written."""
    assert output(FORK, flags=("-W", "ignore")) == "both"


EXIT = """
import atexit, sys
import numpy as np
import fastconv
x, w = np.ones((1, 64, 128, 128), np.float32), np.ones((64, 64, 1, 1), np.float32)
sys.kept = fastconv.conv2d(x, w)
class Late:
    result = fastconv.conv2d(x, w)
    def __del__(self):
        print(int(self.result.sum()))
late = Late()
late.itself = late
atexit.register(lambda result: print(int(result.sum())), fastconv.conv2d(x, w))
for name in [name for name in sys.modules if name.startswith("fastconv")]:
    del sys.modules[name]
del fastconv
"""


def test_arrays_may_outlive_the_package():
    assert output(EXIT).split() == ["67108864", "67108864"]
