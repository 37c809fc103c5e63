"""Ways of one test, and truths that are kept: nothing is left out, taken for another, or hidden by what fails first."""

import functools
import inspect
import itertools

import numpy as np
import pytest

from fastconv import _cpu
from tests.together import WAYS, Failures, together
from tests.truth import KEPT, kept


@pytest.fixture(autouse=True)
def every_way(monkeypatch):
    """Whatever pytest was asked for."""
    monkeypatch.setattr(Failures, "only", "")


def failing(tried, wrong):
    """A test of which some ways are wrong, and a list of all that were tried."""

    @together(number=(1, 2))
    def check(case, cpu_level, dtype, number):
        assert _cpu.level() == cpu_level
        tried.append((cpu_level, dtype, number))
        assert not wrong(*tried[-1]), "what is wrong"

    return check


def test_every_way_is_tried_and_what_fails_is_named():
    check = failing(tried := [], lambda level, dtype, number: number == 2)
    with pytest.raises(pytest.fail.Exception, match="what is wrong") as caught:
        check(case="any")
    assert sorted(tried) == sorted(itertools.product(_cpu.available(), WAYS["dtype"], (1, 2)))
    wrong = [f"{level}, dtype {dtype}, number 2" for level in _cpu.available() for dtype in WAYS["dtype"]]
    first, *others = str(caught.value).splitlines()[: len(wrong)]
    assert [first, *others] == [f"{len(wrong)} of {2 * len(wrong)} checks failed: {wrong[0]}", *wrong[1:]]
    assert list(inspect.signature(check).parameters) == ["case"]  # which is all that pytest is asked for


@pytest.mark.parametrize("level", _cpu.available())
def test_a_failure_of_one_level_begins_with_its_name(level):
    check = failing([], lambda *way: way == (level, "float64", 1))
    with pytest.raises(pytest.fail.Exception, match=f"1 of .* checks failed: {level}, dtype float64, number 1\n"):
        check(case="any")


def test_ways_may_be_asked_for_by_name(monkeypatch):
    check = failing(tried := [], lambda *way: False)
    monkeypatch.setattr(Failures, "only", "dtype float64, number 1")
    check(case="any")
    assert tried == [(level, "float64", 1) for level in _cpu.available()]
    monkeypatch.setattr(Failures, "only", "number 3")
    with pytest.raises(pytest.skip.Exception, match="number 3"):
        check(case="any")


def test_no_way_has_the_plans_of_another(monkeypatch):
    plans = []
    kept = functools.cache(lambda: plans.append(None))
    monkeypatch.setattr(_cpu, "_caches", [kept.cache_clear])
    together(number=(1, 2))(lambda number: kept())()
    assert len(plans) == 2


def test_a_way_that_the_test_does_not_take_is_refused():
    with pytest.raises(AssertionError, match="does not take"):
        together(layout=("contiguous",))(lambda dtype: None)


def test_failures_of_pytest_are_failures_too():
    failures = Failures()
    failures.attempt("nothing", lambda: None)
    failures.attempt("something", lambda: pytest.fail("wrong"))
    failures.attempt("a way that is left out", lambda: pytest.skip("not here"))
    with pytest.raises(pytest.fail.Exception, match="2 of 3"):
        failures.show()


def test_a_skip_alone_is_a_failure():
    """pytest takes a group of skips for a test that is skipped, ways that were tried and all."""
    failures = Failures()
    failures.attempt("a way that is left out", lambda: pytest.skip("not here"))
    with pytest.raises(pytest.fail.Exception, match="not here"):
        failures.show()


def test_equal_arguments_are_computed_once():
    calls = []

    @kept
    def function(*args, **settings):
        calls.append(args)
        return np.zeros(3), np.zeros(3)

    x = np.arange(6.0)
    others = (x + 1, x.astype(np.float32), x.reshape(2, 3), x[:5], np.where(x == 0, -0.0, x))
    for result in (function(x, stride=1), function(x.copy(), stride=1)):
        with pytest.raises(ValueError, match="read-only"):
            result[1][0] = 1
    assert len(calls) == 1
    for other in others:
        function(other, stride=1)
    function(x, stride=2)
    assert len(calls) == 2 + len(others)


def test_only_the_last_results_are_kept():
    calls = []

    @kept
    def function(number):
        calls.append(number)
        return np.array(number)

    for number in (*range(KEPT + 1), KEPT, 0):
        assert function(number) == number
    assert calls == [*range(KEPT + 1), 0]
