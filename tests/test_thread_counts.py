"""How many threads: set, asked, given by the environment, and absurd numbers of them (class 17 of bad input)."""

import os

import numpy as np
import pytest

import fastconv
from fastconv._quota import quota
from tests.child import output, script

MOST = 256


@pytest.fixture(autouse=True)
def same_count_afterwards():
    before = fastconv.get_num_threads()
    yield
    fastconv.set_num_threads(before)


def test_set_and_get():
    for n in (1, 2, 7, np.int64(3)):
        fastconv.set_num_threads(n)
        assert fastconv.get_num_threads() == n
        assert type(fastconv.get_num_threads()) is int


def test_context_restores():
    fastconv.set_num_threads(2)
    with fastconv.num_threads(3):
        assert fastconv.get_num_threads() == 3
        with fastconv.num_threads(4):
            assert fastconv.get_num_threads() == 4
        assert fastconv.get_num_threads() == 3
        fastconv.set_num_threads(5)
    assert fastconv.get_num_threads() == 2


def test_context_restores_after_an_exception():
    fastconv.set_num_threads(2)
    with pytest.raises(ValueError, match="stride"), fastconv.num_threads(3):
        fastconv.conv1d(np.ones((1, 1, 4)), np.ones((1, 1, 2)), stride=0)
    assert fastconv.get_num_threads() == 2


def set_it(n):
    fastconv.set_num_threads(n)


def use_it(n):
    with fastconv.num_threads(n):
        raise AssertionError("not refused")


over_ways = pytest.mark.parametrize(("way", "name"), [(set_it, "set_num_threads"), (use_it, "num_threads")])


@over_ways
@pytest.mark.parametrize("n", [0, -1, -(10**30), np.int8(-128), pytest.param(-(10**5000), id="-10**5000")])
def test_counts_below_one(way, name, n):
    before = fastconv.get_num_threads()
    with pytest.raises(ValueError, match=rf"^{name}: n "):
        way(n)
    assert fastconv.get_num_threads() == before


@over_ways
@pytest.mark.parametrize("n", [1.5, 2.0, "2", None, True, np.True_, float("nan"), [2], (2,), np.ones(1, int), 2j, b"2"])
def test_counts_of_a_wrong_kind(way, name, n):
    before = fastconv.get_num_threads()
    with pytest.raises(TypeError, match=rf"^{name}: n "):
        way(n)
    assert fastconv.get_num_threads() == before


@pytest.mark.parametrize("n", [10**9, 2**31, 2**63, 10**30])
def test_absurd_counts_are_capped(n):
    """10**9 threads end a process that tries to begin them: the call after it must still work."""
    code = f"""
import numpy as np, fastconv
from tests.test_threads import operands
fastconv.set_num_threads({n})
assert fastconv.get_num_threads() == {MOST}
with fastconv.num_threads({n}):
    x, w, keywords = operands("3x3", "float32", "contiguous")
    many = fastconv.conv2d(x, w, **keywords)
with fastconv.num_threads(1):
    print(np.array_equal(many, fastconv.conv2d(x, w, **keywords)))
"""
    assert output(code) == "True"


GET = "import fastconv; print(fastconv.get_num_threads())"
CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
ALLOWED = min(CPUS, quota() or CPUS)


@pytest.mark.parametrize(
    ("own", "shared", "expected"),
    [
        ("3", None, 3), (None, "3", 3), ("3", "2", 3), ("1", "7", 1), (None, "5,2", 5), (None, None, ALLOWED),
        (None, "", ALLOWED), ("", "3", 3), (None, "many", ALLOWED), (None, "0", ALLOWED), (None, "-2", ALLOWED),
    ],
)  # fmt: skip
def test_environment(own, shared, expected):
    assert output(GET, environment={"FASTCONV_NUM_THREADS": own, "OMP_NUM_THREADS": shared}) == str(expected)


@pytest.mark.parametrize("value", ["1000000000", "9" * 30, "9" * 5000])
def test_absurd_environment_is_capped(value):
    """Python refuses to convert thousands of digits."""
    for own, shared in ((value, None), (None, value)):
        environment = {"FASTCONV_NUM_THREADS": own, "OMP_NUM_THREADS": shared}
        assert output(GET, environment=environment) == str(MOST)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "two", "1e3", "\u0663", "2,2", "0x2"])
def test_nonsense_in_our_own_variable_is_an_error(value):
    done = script(GET, environment={"FASTCONV_NUM_THREADS": value})
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("ValueError: FASTCONV_NUM_THREADS=")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity")
def test_start_value_counts_the_cpus_of_this_process():
    code = "import os; os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])\n" + GET
    assert output(code, environment={"FASTCONV_NUM_THREADS": None, "OMP_NUM_THREADS": None}) == "1"
