"""Where in a page results begin (`_memory.pyx`): where loads of the kernel that writes them meet few of its stores."""

import sys

import numpy as np
import pytest

import fastconv
from fastconv._kernels import heap

MIB = 1 << 20

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is kept without mmap")


def apart(input, result):
    """How far the result is behind the input, modulo a page."""
    return (result.ctypes.data - input.ctypes.data) % 4096


@pytest.mark.parametrize("columns", [28, 56, 112, 128, 1024])
def test_results_lie_where_loads_meet_no_stores(columns):
    """At one distance from the input wherever that begins, known call or not, and not up to two lines behind a row."""
    rows = MIB // 4 // 16 // columns
    memory, w = np.ones(MIB // 4 + 1024, np.float32), np.ones((16, 1, 3, 3), np.float32)
    inputs = [memory[i : i + 16 * rows * columns].reshape(16, rows, columns) for i in range(0, 1024, 80)]
    found = [apart(x, fastconv.conv2d(x, w, padding=1, groups=16)) for x in inputs for _ in range(2)]
    assert max(found) - min(found) < 64
    assert min(found) % (columns * 4) >= 128 or columns * 4 < 256
    assert all(apart(x, fastconv.max_pool2d(x, 3, 1, 1)) in range(min(found), min(found) + 64) for x in inputs)


def test_a_result_fits_where_one_of_another_place_was():
    memory, w = np.ones(MIB + 1024, np.float32), np.ones((1, 1, 3, 3), np.float32)
    fastconv.conv2d(memory[:MIB].reshape(1, 1024, 1024), w, padding=1)
    before, addresses = heap.state(), set()
    for i in range(0, 1024, 16):
        addresses.add(fastconv.conv2d(memory[i : i + MIB].reshape(1, 1024, 1024), w, padding=1).ctypes.data)
        assert heap.state() == before
    assert len(addresses) == 64
    assert max(addresses) - min(addresses) < 4096
