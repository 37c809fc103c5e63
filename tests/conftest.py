"""Fixtures: every CPU level of this machine, every method of the table, and hypothesis without chance or deadlines."""

from math import inf

import hypothesis
import pytest

from fastconv import _cpu, _fft, _plan, _signal_rules, _tuned, _weight_choice, _winograd
from fastconv._kernels import heap
from tests.together import WAYS, Failures

hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, max_examples=60, database=None, print_blob=True
)
hypothesis.settings.load_profile("repeatable")


def pytest_addoption(parser):
    parser.addoption(
        "--datapath", type=int, choices=(32, 64), help="bytes that a core computes at once, by whose costs to choose"
    )
    parser.addoption("--way", default="", help="try ways alone whose names contain this, as failures print them")


def pytest_configure(config):
    Failures.only = config.getoption("--way")


@pytest.fixture(scope="session", autouse=True)
def costs_of_datapath(request):
    """Choices are those of the core that `--datapath` names, or of this one."""
    with _cpu.override(_cpu.level(), request.config.getoption("--datapath")):
        yield


@pytest.fixture(scope="session", autouse=True)
def filled_memory():
    """Scratch and large results begin as NaN, so that what is read before it is written shows."""
    before = heap.fill(True)
    yield
    heap.fill(before)


@pytest.fixture(params=WAYS["cpu_level"])
def cpu_level(request):
    """Run the test with the kernels of each CPU level that this machine has."""
    with _cpu.override(request.param):
        yield request.param


@pytest.fixture(params=WAYS["method"])
def method(request):
    """Run the test with each method of the table; a new one needs no new test."""
    return request.param


@pytest.fixture(params=WAYS["exact_method"])
def exact_method(request):
    """Run the test with each method that adds products up as they are: exact on small integers."""
    return request.param


@pytest.fixture(params=WAYS["dtype"])
def dtype(request):
    """Run the test in each type that kernels compute in."""
    return request.param


@pytest.fixture
def sums_directly(monkeypatch):
    """Let "auto" and gradients choose only what adds products up as they are: exact on small integers."""
    monkeypatch.setattr(_winograd, "LEAST_GAIN", inf)
    monkeypatch.setattr(_weight_choice, "LEAST_GAIN", inf)
    monkeypatch.setattr(_fft, "slower", lambda g: True)
    _cpu._forget()
    yield
    _cpu._forget()


@pytest.fixture
def gradients_are_shared(monkeypatch):
    """Gradients of weights of any size are worth several threads."""
    monkeypatch.setattr(_plan, "SERIAL_MACS", 0)
    _cpu._forget()
    yield
    _cpu._forget()


@pytest.fixture
def summed_here(monkeypatch):
    """The methods of the calls that fastconv computed."""
    methods = []

    def counted(convolve):
        def call(*args, method, **kwargs):
            methods.append(method)
            return convolve(*args, method=method, **kwargs)

        return call

    monkeypatch.setattr(_signal_rules, "CONV", {rank: counted(conv) for rank, conv in _signal_rules.CONV.items()})
    return methods


@pytest.fixture
def vectors(request):
    """What was measured of vectors, by a key of `TUNED`, of 32 bytes unless the test says otherwise, until its end."""
    _tuned.take(*getattr(request, "param", (32,)))
    _cpu._forget()
    yield
    with _cpu.override(_cpu.level()):
        pass
