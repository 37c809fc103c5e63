"""Memory that is kept between calls (`_kernels/heap.pyx`, `_memory.pyx`): reused, bounded, and never shared."""

import gc
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
from fastconv import _door, _memory
from fastconv._kernels import heap
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
KINDS = st.sampled_from(("take", "take beside", "give", "resize", "period", "keep"))


@given(st.lists(st.tuples(KINDS, SIZES, st.integers(0, 99))))
def test_nothing_is_shared_between_arrays_that_live(steps):
    """Any sequence of new, dead and resized arrays against what each of them was filled with."""
    before, alive, others, page = heap.large_from(4096), [], heap.state()[1], np.empty(8192, np.uint8)
    try:
        for tag, (step, size, which) in enumerate(steps):
            if step == "take":
                alive.append([_memory.made_by(np.empty, (size,), np.uint8), tag % 251])
                alive[-1][0][...] = tag % 251
            elif step == "take beside":
                alive.append([_memory.empty((size + 8 * 4096,), np.uint8, page[which * 41 :]), tag % 251])
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


SCARCE = """
import resource
import numpy as np
import fastconv
from fastconv._kernels import heap
MIB = 1 << 20
fastconv.set_num_threads(1)
x, w = np.ones((1, 64, 28, 28), np.float32), np.ones((64, 64, 3, 3), np.float32)
expected = fastconv.conv2d(x, w, method="direct")
heap.release()
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 2 * MIB,) * 2)
print((fastconv.conv2d(x, w, method="direct") == expected).all(), heap.state())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits address space")
def test_scratch_does_not_need_a_huge_page():
    """Half a MiB of scratch where two are left, too few for a mapping that starts on a huge page."""
    assert output(SCARCE) == "True (0, 0)"


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


def lazily_free():
    """Bytes that the system may take away."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("LazyFree:")), 0)


asks_linux = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="asks Linux")


@asks_linux
def test_free_memory_is_left_to_the_system():
    """Pages of a free block may be taken away; written to again, they are not."""
    array = _memory.empty((40, MIB), np.uint8)
    array[...] = 1
    assert lazily_free() < 8 * MIB
    del array
    assert lazily_free() >= 36 * MIB
    array = _memory.empty((40, MIB), np.uint8)
    array[...] = 1
    assert (array == 1).all()


def write(times):
    """40 MiB, given back each time."""
    for _ in range(times):
        array = _memory.empty((40, MIB), np.uint8)
        array[...] = 1
        del array


@asks_linux
def test_memory_that_is_used_again_is_left_to_the_system_after_a_while():
    """To mark what each call writes again took a tenth of it on one thread, and a fifth on two."""
    write(3)
    assert lazily_free() < 8 * MIB
    heap.pass_period()
    _memory.empty((MIB,), np.uint8)
    assert lazily_free() >= 36 * MIB


@asks_linux
def test_as_much_is_left_to_the_system_at_once_as_was_not_used_again():
    small, large = (_memory.empty((count, MIB), np.uint8) for count in (8, 40))
    for array in (small, large):
        array[...] = 1
    del small, array
    small = _memory.empty((8, MIB), np.uint8)
    small[...] = 1
    before = lazily_free()
    del large
    assert lazily_free() >= before + 36 * MIB
    before = lazily_free()
    del small
    assert lazily_free() < before + 4 * MIB


@asks_linux
def test_memory_that_went_counts_no_more_as_kept_for_the_next_call():
    write(2)
    heap.release()
    write(1)
    assert lazily_free() < 8 * MIB
