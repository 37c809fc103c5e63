"""Memory that is kept between calls (`_kernels/heap.pyx`, `_memory.pyx`): reused, bounded, and never shared."""

import contextlib
import copy
import gc
import pickle
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
from fastconv import _door, _memory
from fastconv._kernels import heap
from tests import data, own_handler
from tests.child import output, script

MIB = 1 << 20
SLACK = 32 * MIB
MOST_KEPT = 1024 * MIB
HANDLER = np._core.multiarray.get_handler_name

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is kept without mmap")


@pytest.fixture(autouse=True)
def nothing_kept():
    """Start and end without kept memory and known calls; what other tests still hold stays in use."""
    gc.collect()
    for _ in range(2):
        heap.pass_period()
        _memory.empty((MIB,), np.uint8)
    heap.release()
    _door.cache_clear()
    yield
    heap.keep_at_most(MOST_KEPT)


def operands(images=4):
    """A layer of 4 MiB of result or more."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((images, 16, 64, 64)).astype(np.float32), np.ones((64, 16, 1, 1), np.float32)


def test_a_result_lies_where_the_last_one_lay():
    x, w = operands()
    for call in (fastconv.conv2d, fastconv.conv2d, lambda x, w: fastconv.max_pool2d(x, 1)):
        address = call(x, w).ctypes.data
        mapped, in_use = heap.state()
        assert call(x, w).ctypes.data == address
        assert heap.state() == (mapped, in_use)


def test_results_begin_on_cache_lines():
    assert _memory.empty((3, MIB), np.float32).ctypes.data % 64 == 0
    assert fastconv.conv2d(*operands()).ctypes.data % 64 == 0


FAULTS = """
import resource
import numpy as np
import fastconv
fastconv.set_num_threads(1)
def faults(call):
    for _ in range(3):
        call()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        call()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
x, w = np.ones((12, 64, 112, 112), np.float32), np.ones((64, 64, 3, 3), np.float32)
def layers():
    y = fastconv.conv2d(x, w, padding=1)
    y = fastconv.max_pool2d(y, 2)
    y = fastconv.conv2d(y, w, padding=1, stride=2, method="direct")
    y = fastconv.conv_transpose2d(y, w[:, :, :2, :2], stride=2)
    fastconv.grad.conv2d_weight(y, w.shape, y, padding=1)
    fastconv.grad.conv2d_input(y.shape, w, y, padding=1)
    fastconv.unfold(y, 3)
    fastconv.conv2d(y, w, padding=1, padding_mode="reflect")
print(faults(layers))
"""


def test_repeated_calls_find_their_pages():
    """Fresh pages would be thousands of faults; a few may come from elsewhere."""
    assert int(output(FAULTS)) < 200
    if sys.platform == "linux":
        assert int(output(FAULTS, environment={"FASTCONV_KEPT_MEMORY": "0"})) > 2000


SIZES = st.integers(1, 6 * MIB)
STEPS = st.lists(st.tuples(st.sampled_from(("take", "give", "resize", "period", "keep")), SIZES, st.integers(0, 99)))


@given(STEPS)
def test_nothing_is_shared_between_arrays_that_live(steps):
    """Any sequence of new, dead and resized arrays against what each of them was filled with."""
    before, alive, others = heap.large_from(4096), [], heap.state()[1]
    try:
        for tag, (step, size, which) in enumerate(steps):
            if step == "take":
                alive.append([_memory.made_by(np.empty, (size,), np.uint8), tag % 251])
                alive[-1][0][...] = tag % 251
            elif step == "period":
                heap.pass_period()
            elif step == "keep":
                heap.keep_at_most(size)
            elif alive and step == "give":
                alive.pop(which % len(alive))
            elif alive:
                array, was = alive[which % len(alive)]
                held = min(size, array.size)
                array.resize((size,), refcheck=False)
                assert (array[:held] == was).all()
                array[...] = was
            mapped, in_use = heap.state()
            assert in_use - others >= sum(a.size for a, _ in alive if a.size >= 4096)
            assert in_use <= mapped
            assert all(a[0] == was and a[-1] == was and a[a.size // 2] == was for a, was in alive)
        assert all((a == was).all() for a, was in alive)
    finally:
        heap.large_from(before)
        heap.keep_at_most(MOST_KEPT)


def test_kept_memory_is_bounded_by_what_was_in_use():
    """Results of ever new sizes do not pile up; after two periods of small calls little is left of large ones."""
    others = heap.state()[1]
    for size in range(20, 60):
        array = _memory.empty((size, MIB), np.uint8)
        assert heap.state()[0] <= 1.25 * (others + (size + 2) * MIB) + SLACK
        del array
    large = [_memory.empty((40, MIB), np.uint8) for _ in range(5)]
    assert heap.state()[1] >= others + 200 * MIB
    del large
    assert heap.state()[0] >= 200 * MIB
    for _ in range(2):
        heap.pass_period()
        _memory.empty((MIB,), np.uint8)
    assert heap.state()[0] <= 1.25 * (others + 2 * MIB) + SLACK


def test_no_more_is_kept_than_is_allowed():
    heap.keep_at_most(10 * MIB)
    in_use = heap.state()[1]
    for size in (4, 9, 30, 12):
        arrays = [_memory.empty((size, MIB), np.uint8) for _ in range(3)]
        assert heap.state()[0] - heap.state()[1] <= 12 * MIB  # to the end of a huge page
        arrays.clear()
        assert heap.state()[0] <= in_use + 10 * MIB
    array = _memory.empty((5, MIB), np.uint8)
    heap.keep_at_most(0)
    assert HANDLER(_memory.empty((5, MIB), np.uint8)) == "default_allocator"
    array.resize((9, MIB), refcheck=False)
    del array
    assert heap.state() == (in_use, in_use)


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


LACK = """
import resource
import numpy as np
import fastconv
from fastconv import _memory
from fastconv._kernels import heap
MIB = 1 << 20
x, w = np.ones((1, 1, 1024, 1024), np.float32), np.ones((50, 1, 1, 1), np.float32)
fastconv.conv2d(x, w)
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 150 * MIB,) * 2)
held = heap.state()
pieces = [_memory.empty((30, MIB), np.uint8) for _ in range(8)]     # takes what was kept and some more
del pieces[::2]
whole = _memory.empty((130, MIB), np.uint8)                         # nothing of this size is free or to be had
whole[...] = 1
del whole, pieces
for _ in range(3):
    try:
        fastconv.conv2d(x, np.ones((500, 1, 1, 1), np.float32))
    except MemoryError as error:
        print(str(error)[:7], end=" ")
print(int(fastconv.conv2d(x, w).sum()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits address space")
def test_kept_memory_goes_before_memory_lacks():
    assert output(LACK) == "conv2d: conv2d: conv2d: 52428800"


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


@pytest.mark.parametrize(("value", "kept"), [("0", False), ("1", True), ("", True), (None, True), ("9" * 40, True)])
def test_the_environment_says_how_much(value, kept):
    code = """
import numpy as np, fastconv
from fastconv._kernels import heap
def result():
    return fastconv.conv2d(np.ones((1, 16, 256, 256), np.float32), np.ones((16, 16, 1, 1), np.float32))
print(np._core.multiarray.get_handler_name(result()), heap.state()[0] <= 2**20, heap.state()[1])
"""
    handler, little, in_use = output(code, environment={"FASTCONV_KEPT_MEMORY": value}).split()
    assert handler == ("fastconv" if kept else "default_allocator")
    assert little == str(value in ("0", "1"))
    assert in_use == "0"


@pytest.mark.parametrize("value", ["-1", "1.5", "all", " 1", "1e3"])
def test_an_unreadable_amount_is_an_error(value):
    done = script("import fastconv", environment={"FASTCONV_KEPT_MEMORY": value})
    assert done.returncode == 1
    message = done.stderr.strip().splitlines()[-1]
    assert message.startswith("ValueError: FASTCONV_KEPT_MEMORY=")
    assert repr(value) in message
