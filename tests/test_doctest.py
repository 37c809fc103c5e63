"""The examples in the docstrings run, and every public function has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import fastconv
import reference

MODULES = [
    f"{package.__name__}.{module.name}"
    for package in (fastconv, reference)
    for module in pkgutil.iter_modules(package.__path__)
    if module.name != "__main__" and not module.ispkg
]


OWNERS = [fastconv, *(m for name, m in vars(fastconv).items() if inspect.ismodule(m) and not name.startswith("_"))]
PUBLIC = {
    f"{owner.__name__}.{name}": getattr(owner, name)
    for owner in OWNERS
    for name in getattr(owner, "__all__", ())
    if inspect.isfunction(getattr(owner, name))
}


@pytest.mark.parametrize("name", [fastconv.__name__, *MODULES])
def test_examples_run(name):
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


@pytest.mark.parametrize("name", PUBLIC)
def test_public_functions_show_an_example(name):
    assert ">>> " in (PUBLIC[name].__doc__ or ""), f"{name} has no example"


def test_there_is_something_public():
    assert "fastconv.conv2d" in PUBLIC
