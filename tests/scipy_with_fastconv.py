"""A pytest plugin: runs SciPy's tests with the four functions of `fastconv.signal` in place of SciPy's own.

They are replaced once the tests are collected, since SciPy's decorators look its own functions up in tables. What
happened is written to the file named by FASTCONV_REPORT; with FASTCONV_REPLACE=0 nothing is replaced, for comparison.
"""

import json
import os
from collections import Counter
from functools import wraps
from pathlib import Path

import scipy.signal
import scipy.signal._signaltools

from fastconv import _signal_rules, signal

calls, outcomes = Counter(), {}


def counted(function, name):
    """`function`, its calls counted."""

    @wraps(function)
    def call(*args, **kwargs):
        calls[name] += 1
        return function(*args, **kwargs)

    return call


def pytest_collection_finish(session):
    """Replace the functions wherever the tests could have taken them from."""
    if os.environ["FASTCONV_REPLACE"] == "0":
        return
    ours = {name: counted(getattr(signal, name), name) for name in signal.__all__}
    originals = {name: signal._scipy(name) for name in signal.__all__}
    for module in {item.module for item in session.items} | {scipy.signal, scipy.signal._signaltools}:
        for name in ours.keys() & vars(module).keys():
            setattr(module, name, ours[name])
    for item in session.items:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        for argument, value in params.items():
            for name, original in originals.items():
                if value is original:
                    params[argument] = ours[name]
    _signal_rules.correlation = counted(_signal_rules.correlation, "computed here")


def pytest_runtest_logreport(report):
    """Remember the outcome of each test; a failure in its setup or teardown is one of the test."""
    if report.when == "call" or report.outcome != "passed":
        outcomes[report.nodeid] = report.outcome


def pytest_sessionfinish():
    """Write the report."""
    Path(os.environ["FASTCONV_REPORT"]).write_text(json.dumps({"outcomes": outcomes, "calls": calls}))
