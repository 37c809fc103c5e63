"""Workers without a core to themselves: how long they missed one, and that they leave their caller's."""

import os
import sys

import pytest

from fastconv import _cpu
from tests.child import output


@pytest.mark.parametrize(
    ("missed", "wall", "core", "expected"),
    [
        pytest.param(0, 0.008, 0.008, 0, id="had a core"),
        pytest.param(0, 0.008, 0.004, 0.003, id="missed half, of which an eighth of the time is forgotten"),
        pytest.param(0.003, 0.008, 0.008, 0.002, id="forgets"),
        pytest.param(0.003, 1, 1, 0, id="has forgotten"),
        pytest.param(0.02, 10, 1, 0.03, id="remembers no more than that"),
        pytest.param(0, 0, 0, 0, id="knows no time"),
    ],
)
def test_how_long_a_worker_missed_the_core(missed, wall, core, expected):
    """Who looks for work instead of sleeping where others want the core is stopped in the middle of a piece later."""
    assert _cpu.kernel("probe").missed_after(missed, wall, core) == pytest.approx(expected, abs=1e-12)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says where a thread is and may be")
def test_a_worker_leaves_the_core_of_its_caller():
    """Linux left a worker that it had woken on its caller's core for seconds, with another core free."""
    may, core_left = os.sched_getaffinity(0), _cpu.kernel("probe").core_left
    try:
        if len(may) > 1:
            assert any(before != after for before, after in (core_left(1) for _ in range(20)))
        assert os.sched_getaffinity(0) == may
        one = min(may)
        os.sched_setaffinity(0, {one})
        assert core_left(1) == (one, one)
        assert os.sched_getaffinity(0) == {one}
    finally:
        os.sched_setaffinity(0, may)


@pytest.mark.skipif(sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="needs a core to go to")
def test_a_worker_that_finds_a_call_on_its_core_goes_before_it_takes_a_piece():
    """Linux itself moved one of thirty such workers in time, left to it."""
    code = """
import os, time
from threading import Thread
import numpy as np
from fastconv import _cpu
gated, may = _cpu.kernel("probe").gated, os.sched_getaffinity(0)
core, before, others = min(may), set(os.listdir("/proc/self/task")), 0
awake = lambda: gated(np.zeros(100, np.intp), np.ones(100, np.intp), 2)
awake()
(worker,) = set(os.listdir("/proc/self/task")) - before

def open_gates():
    while not begun.all():
        time.sleep(1e-3)
    gates[:] = 1

for _ in range(20):
    time.sleep(0.02)  # who left a core a moment ago stays
    awake()
    os.sched_setaffinity(0, {core})
    for where in ({core}, may):  # it goes to the caller's, and may leave
        os.sched_setaffinity(int(worker), where)
    begun, gates, cores = np.zeros((3, 2), np.intp)
    thread = Thread(target=open_gates)
    thread.start()
    gated(begun, gates, 2, cores)
    thread.join()
    os.sched_setaffinity(0, may)
    others += cores[1] != core
print(others > 10)
"""
    assert output(code) == "True"
