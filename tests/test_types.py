"""Types of what the fronts take and return, which `py.typed` promises to those who check code by it."""

import inspect
import typing

import pytest

import fastconv
from tests.test_architecture import public

FRONTS = {name: function for name, function in public().items() if not name.startswith("signal.")}


@pytest.mark.parametrize("function", FRONTS.values(), ids=FRONTS)
def test_every_argument_and_result_has_a_type(function):
    """Each is said, of names that the module knows; `signal` has SciPy's signatures, which say nothing.

    The package had the marker, so that editors trusted signatures without types.
    """
    typed = typing.get_type_hints(inspect.unwrap(function))
    assert set(typed) == {*inspect.signature(function).parameters, "return"}


def test_prepared_convolutions_have_types():
    call = type(fastconv.prepare([[[1.0]]])).__call__
    assert set(typing.get_type_hints(call)) == {"input", "out", "return"}
