"""Many ways to compute a case as one test, for as one each they cost pytest more time than their kernels take.

Every way is tried, from plans made anew, whatever became of those before it: at the end the test fails and names each
that did. `pytest --way "avx2, dtype float32"` tries those alone whose names contain this, in a debugger perhaps.
"""

import functools
import inspect
import itertools
import traceback

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
SHOWN = 8  # failures of a test whose tracebacks are printed


class Failures:
    """What failed of the checks that are one test."""

    only = ""  # checks that have this in their names

    def __init__(self):
        self.failed, self.checks = [], 0

    def attempt(self, what, check):
        if self.only not in str(what):
            return
        self.checks += 1
        try:
            check()
        except (Exception, pytest.fail.Exception, pytest.skip.Exception):  # a skip would end them all unseen
            self.failed.append((str(what), traceback.format_exc()))

    def show(self):
        """All that failed by its name, the first one's in the first line, which is all of it in pytest's summary."""
        if not self.checks:
            pytest.skip(f"nothing is {self.only!r}")
        if self.failed:
            lines = [f"{len(self.failed)} of {self.checks} checks failed: {self.failed[0][0]}"]
            lines += [what for what, _ in self.failed[1:]]
            lines += [f"\n{what}\n{text}" for what, text in self.failed[:SHOWN]]
            pytest.fail("\n".join(lines), pytrace=False)


def together(**ways):
    """Decorator: the test runs for each of `ways`, name=values, and of those of `WAYS` that it takes as arguments."""

    def decorate(test):
        signature = inspect.signature(test)
        taken = {name: values for name, values in (WAYS | ways).items() if name in signature.parameters}
        assert taken.keys() >= ways.keys(), "a way that the test does not take"

        @functools.wraps(test)
        def whole(*args, **fixtures):
            failures = Failures()
            for values in itertools.product(*taken.values()):
                way = dict(zip(taken, values, strict=True))
                level = way.get("cpu_level", _cpu.level())
                with _cpu.override(level):  # which forgets all plans: no way has those of another
                    failures.attempt(described(level, way), functools.partial(test, *args, **fixtures, **way))
            failures.show()

        fixtures = [parameter for name, parameter in signature.parameters.items() if name not in taken]
        whole.__signature__ = signature.replace(parameters=fixtures)
        return whole

    return decorate


def described(level, way):
    """A way in words, the level first."""
    others = (f"{name} {getattr(value, '__name__', value)}" for name, value in way.items() if name != "cpu_level")
    return ", ".join([level, *others])
