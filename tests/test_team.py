"""The team of threads: who computes which piece, and that no call waits for a thread that has not come.

Pieces here wait for gates that the test opens, so that each state of a call can be held and looked at.
"""

import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

from fastconv import _cpu
from fastconv._kernels import team
from tests.child import output

SECONDS = 60  # until something that should happen counts as missing


class Call:
    """A call on `threads` threads, from a Python thread of its own, whose pieces wait for their gates."""

    def __init__(self, pieces, threads, open=False):
        self.begun, self.gates = np.zeros(pieces, np.intp), np.full(pieces, int(open), np.intp)
        self.count = None
        self.thread = threading.Thread(target=self._run, args=(_cpu.kernel("probe").gated, threads), daemon=True)
        self.thread.start()

    def _run(self, gated, threads):
        self.count = gated(self.begun, self.gates, threads)

    def pieces(self):
        """Which pieces have begun, in their order."""
        return [int(piece) for piece in np.argsort(self.begun, kind="stable") if self.begun[piece]]

    def wait(self, count):
        """The same once so many have begun."""
        assert happens(lambda: len(self.pieces()) >= count), self.pieces()
        return self.pieces()

    def end(self):
        self.gates[:] = 1
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()
        assert self.count == len(self.begun), "two threads had the same scratch"
        assert sorted(self.begun) == list(range(1, len(self.begun) + 1)), "each piece once"


def happens(condition):
    stop = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > stop:
            return False
        time.sleep(1e-3)
    return True


@pytest.mark.parametrize("threads", [1, 2, 3, 5, 64, 65, 256])
@pytest.mark.parametrize("pieces", [1, 2, 7, 64, 1000])
def test_each_piece_once_and_scratch_of_its_own(pieces, threads):
    for _ in range(20):
        Call(pieces, threads, open=True).end()


def test_no_pieces():
    assert _cpu.kernel("probe").gated(np.zeros(1, np.intp)[:0], np.zeros(1, np.intp)[:0], 3) == 0


def test_a_thread_takes_its_share_and_then_what_others_have_left():
    """Equal shares had all threads wait for one whose core was slow or taken by another process."""
    call = Call(10, 2)
    assert sorted(call.wait(2)) == [0, 5]
    call.gates[5:] = 1
    assert call.wait(7)[2:] == [6, 7, 8, 9, 1]
    assert not call.gates[:5].any()
    call.gates[1:] = 1
    assert call.wait(10)[7:] == [2, 3, 4]
    assert call.thread.is_alive(), "the call has a piece of its own to end"
    call.end()


@pytest.mark.parametrize("threads", [2, 3, 9, 70])
def test_as_many_threads_as_a_call_may_take(threads):
    call = Call(threads + 1, threads)
    call.wait(threads)
    time.sleep(0.05)
    assert len(call.pieces()) == threads
    call.end()


def test_one_thread_takes_pieces_in_order():
    call = Call(5, 1)
    assert call.wait(1) == [0]
    call.gates[:4] = 1
    assert call.wait(5) == [0, 1, 2, 3, 4]
    call.end()


ALONE = """
from fastconv._kernels import team
from tests.test_team import Call
team.set_cores(1)  # and no call has more than two threads: there is one worker
first = Call(2, 2)
first.wait(2)
second = Call(10, 2)
assert second.wait(1) == [0]
"""


def test_no_call_waits_for_a_thread_that_does_not_come():
    """OpenMP's threads begin and end together: where another process had a core, 0.7 ms became 24."""
    code = """
second.end()
assert first.thread.is_alive()
first.end()
print("ended")
"""
    assert output(ALONE + code) == "ended"


def test_a_worker_looks_for_work_for_thirty_milliseconds():
    """A million pauses took 14 ms on Ice Lake and 30 on Zen 3; by the manual they take 50 on Skylake."""
    code = """
import time
from tests.test_team import Call
for _ in range(5):
    Call(2, 2, open=True).end()
    before = time.process_time()
    time.sleep(0.2)
    spent.append(time.process_time() - before)
print(max(spent) < 0.045)
"""
    assert output("spent = []" + code) == "True"


def test_a_thread_that_is_free_comes_to_a_call_that_has_begun():
    code = """
first.end()
assert second.wait(2) == [0, 5]
second.end()
print("ended")
"""
    assert output(ALONE + code) == "ended"


def test_calls_do_not_lose_their_threads_to_others():
    """A worker that was woken for one call and took a seat of another left the first one alone."""
    code = """
from fastconv._kernels import team
from tests.test_team import Call
team.set_cores(10)
for _ in range(50):
    calls = [Call(threads, threads) for threads in (4, 2, 3)]
    for call in calls:
        call.wait(len(call.begun))
    for call in calls:
        call.end()
print("ended")
"""
    assert output(code) == "ended"


def test_more_cores_than_workers():
    """One that was looked for beyond the last of them ended the process."""
    code = """
from fastconv._kernels import team
from tests.test_team import Call
team.set_cores(1000)
first = Call(256, 256)
first.wait(256)
second = Call(9, 9)
assert second.wait(1) == [0]
second.end()
first.end()
print("ended")
"""
    assert output(code) == "ended"


def test_more_calls_than_jobs():
    """Those that find no job stay on their own thread."""
    calls = [Call(4, 3) for _ in range(team.MOST_JOBS + 4)]
    for call in calls:
        call.wait(1)
    for call in calls:
        call.end()


def test_many_callers():
    """Calls of changing sizes on all numbers of threads at once, while more Python threads than cores make them."""

    def many(seed):
        generator = np.random.default_rng(seed)
        for _ in range(60):
            call = Call(int(generator.integers(1, 40)), int(generator.integers(1, 9)), open=True)
            call.end()
        done.append(seed)

    done = []
    callers = [threading.Thread(target=many, args=(seed,)) for seed in range(12)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(SECONDS)
    assert sorted(done) == list(range(12))


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory by RLIMIT_AS")
def test_a_system_that_has_no_more_threads():
    """OpenMP ended the process: here a call stays on the threads there are, and takes more as soon as it can."""
    code = """
import os, resource
import numpy as np
from fastconv import _cpu
from fastconv._kernels import team
gated = _cpu.kernel("probe").gated
others = len(os.listdir("/proc/self/task"))  # of BLAS

def threads_after(count):
    assert gated(np.zeros(1000, np.intp), np.ones(1000, np.intp), count) == 1000
    return len(os.listdir("/proc/self/task")) - others

def used():
    return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()

before = threads_after(1)
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used() + (1 << 20), hard))
limited = threads_after(4)
resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
print(before, limited, threads_after(2))
"""
    assert output(code) == "0 0 1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_stays_alone_whatever_it_asks():
    """It found the jobs of its parent's calls open, and ran their pieces on stacks that it does not have."""
    code = """
import os
import numpy as np
from fastconv import _cpu
from tests.test_team import Call
call = Call(6, 3)
call.wait(3)
child = os.fork()
if child == 0:
    before = call.begun.copy()
    count = _cpu.kernel("probe").gated(np.zeros(100, np.intp), np.ones(100, np.intp), 5)
    os._exit(0 if count == 100 and (call.begun == before).all() and len(os.listdir("/proc/self/task")) == 1 else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
call.end()
"""
    assert output("import warnings; warnings.simplefilter('ignore')" + code) == "0"


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs POSIX's signals")
def test_signals_are_not_for_the_team():
    """A signal that the program had blocked to wait for it went to a worker, and ended the process."""
    code = """
import os, signal
import numpy as np
from fastconv import _cpu
_cpu.kernel("probe").gated(np.zeros(100, np.intp), np.ones(100, np.intp), 5)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
os.kill(os.getpid(), signal.SIGUSR1)
print(signal.sigwait([signal.SIGUSR1]) == signal.SIGUSR1)
"""
    assert output(code, environment={"OPENBLAS_NUM_THREADS": "1"}) == "True"


def test_threads_do_not_keep_a_process_from_its_end():
    code = """
import numpy as np
from fastconv import _cpu
from fastconv._kernels import team
print(_cpu.kernel("probe").gated(np.zeros(100, np.intp), np.ones(100, np.intp), 5))
"""
    assert output(code, seconds=30) == "100"
