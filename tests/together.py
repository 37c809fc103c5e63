"""Many ways to compute a case as one test, for as one each they cost pytest more time than their kernels take.

Every way is tried, whatever became of those before it: what failed is raised at the end, with the way as a note.
"""

import functools
import inspect
import itertools

import pytest

from fastconv import _cpu
from fastconv._methods import METHODS
from tests.tolerance import SUMS_DIRECTLY

# What tests take as arguments, and the values of each: a new method or level needs no new test
WAYS = {
    "cpu_level": _cpu.available(),
    "method": (*(method.name for method in METHODS), "auto"),
    "exact_method": (*SUMS_DIRECTLY, "auto"),
    "dtype": ("float32", "float64"),
}


class Failures:
    """What failed of the checks that are one test."""

    def __init__(self):
        self.errors, self.checks = [], 0

    def attempt(self, what, check):
        self.checks += 1
        try:
            check()
        except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:  # a skip would end them all unseen
            error.add_note(f"of {what}")
            self.errors.append(error)

    def show(self):
        if self.errors:
            raise BaseExceptionGroup(f"{len(self.errors)} of {self.checks} checks failed", self.errors)


def together(**ways):
    """Decorator: the test runs for each of `ways`, name=values, and of those of `WAYS` that it takes as arguments.

    CPU levels are the outer loop, for a change of level forgets all plans.
    """

    def decorate(test):
        signature = inspect.signature(test)
        taken = {name: values for name, values in (WAYS | ways).items() if name in signature.parameters}
        assert taken.keys() >= ways.keys(), "a way that the test does not take"
        rest = {name: values for name, values in taken.items() if name != "cpu_level"}

        @functools.wraps(test)
        def whole(*args, **fixtures):
            failures = Failures()
            for level in taken.get("cpu_level", (_cpu.level(),)):
                given = fixtures | ({"cpu_level": level} if "cpu_level" in taken else {})
                with _cpu.override(level):
                    for values in itertools.product(*rest.values()):
                        way = dict(zip(rest, values, strict=True))
                        failures.attempt(described(level, way), functools.partial(test, *args, **given, **way))
            failures.show()

        fixtures = [parameter for name, parameter in signature.parameters.items() if name not in taken]
        whole.__signature__ = signature.replace(parameters=fixtures)
        return whole

    return decorate


def described(level, way):
    """A way in words."""
    return ", ".join([level, *(f"{name} {getattr(value, '__name__', value)}" for name, value in way.items())])
