"""No hang in a forked child after threads ran in the parent, whichever way it is forked."""

import os

import pytest

from tests.child import output

FORK = """
import os, sys, warnings
import numpy as np
import fastconv
from tests.test_threads import operands
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of every fork of a process with threads

def results(methods=("direct", "im2col", "auto")):
    for layer in ("one pixel", "few outputs", "depthwise"):
        for layout in ("contiguous", "channels_last"):
            x, w, keywords = operands(layer, "float32", layout)
            for method in methods:
                yield fastconv.conv2d(x, w, **keywords, method=method)

def right(_=None):
    same = all(np.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(results(), expected, strict=True))
    fastconv.set_num_threads(4)
    return same and fastconv.get_num_threads() == 1 and all(r.size for r in results())

fastconv.set_num_threads(3)
expected = list(results())
"""

FORKS = {
    "os.fork": """
child = os.fork()
if child == 0:
    os._exit(0 if right() else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
""",
    "child of a child": """
child = os.fork()
if child == 0:
    grandchild = os.fork()
    if grandchild == 0:
        os._exit(0 if right() else 1)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
""",
    "multiprocessing": """
import multiprocessing
with multiprocessing.get_context("fork").Pool(3) as pool:
    assert pool.map(right, range(4), chunksize=1) == [True] * 4
""",
    "while a thread computes": """
import threading
other = threading.Thread(target=lambda: [list(results(("direct", "auto"))) for _ in range(8)])
other.start()
for _ in range(4):
    child = os.fork()
    if child == 0:
        os._exit(0 if right() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
other.join()
""",
    "inside num_threads": """
with fastconv.num_threads(2):
    child = os.fork()
    if child == 0:
        with fastconv.num_threads(2):
            os._exit(0 if right() else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
""",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("way", FORKS)
def test_no_hang_in_a_forked_child(way):
    """The team's threads do not outlive a fork: calls in the child run on one thread.

    What computes at the moment of the fork are this package's kernels. A fork while another thread is inside BLAS may
    leave a mutex of OpenBLAS locked in the child for ever, as "im2col" did here once: no business of ours.
    """
    parent = "assert fastconv.get_num_threads() == 3 and all(r.size for r in results())\nprint('parent goes on')\n"
    code = FORK + FORKS[way] + parent
    assert output(code, seconds=120).endswith("parent goes on")
