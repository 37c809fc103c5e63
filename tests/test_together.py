"""Ways of one test, and truths that are kept: nothing is left out, taken for another, or hidden by what fails first."""

import inspect
import itertools

import numpy as np
import pytest

from fastconv import _cpu
from tests.together import WAYS, Failures, together
from tests.truth import KEPT, kept


def test_every_way_is_tried_and_what_fails_is_named():
    tried = []

    @together(number=(1, 2))
    def check(case, cpu_level, dtype, number):
        assert _cpu.level() == cpu_level
        tried.append((cpu_level, dtype, number))
        assert number == 1

    with pytest.raises(ExceptionGroup, match=f"{2 * len(_cpu.available())} of {4 * len(_cpu.available())}") as caught:
        check(case="any")
    assert sorted(tried) == sorted(itertools.product(_cpu.available(), WAYS["dtype"], (1, 2)))
    wrong = [f"of {level}, dtype {dtype}, number 2" for level in _cpu.available() for dtype in WAYS["dtype"]]
    assert [note for error in caught.value.exceptions for note in error.__notes__] == wrong
    assert list(inspect.signature(check).parameters) == ["case"]  # which is all that pytest is asked for


def test_a_way_that_the_test_does_not_take_is_refused():
    with pytest.raises(AssertionError, match="does not take"):
        together(layout=("contiguous",))(lambda dtype: None)


def test_failures_of_pytest_are_failures_too():
    failures = Failures()
    failures.attempt("nothing", lambda: None)
    failures.attempt("something", lambda: pytest.fail("wrong"))
    failures.attempt("a way that is left out", lambda: pytest.skip("not here"))
    with pytest.raises(BaseExceptionGroup, match="2 of 3"):
        failures.show()


def test_equal_arguments_are_computed_once():
    calls = []

    @kept
    def function(*args, **settings):
        calls.append(args)
        return np.zeros(3), np.zeros(3)

    x = np.arange(6.0)
    others = (x + 1, x.astype(np.float32), x.reshape(2, 3), x[:5])
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
