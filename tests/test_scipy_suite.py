"""SciPy's own tests of `scipy.signal` pass with fastconv's four functions in place of SciPy's.

The installed scipy/signal/tests/test_signaltools.py runs in a child process, and with it what other functions of SciPy
make of the four (`wiener`, `deconvolve`, `choose_conv_method`). Only TestOAConvolve is left out, eleven thousand tests
that compare `oaconvolve` with `fftconvolve`, which call none of the four.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastconv
from fastconv import signal

SUITE = "scipy.signal.tests.test_signaltools"
CLASSES = (
    "TestConvolve",
    "TestConvolve2d",
    "TestCorrelateReal",
    "TestCorrelate",
    "TestCorrelateComplex",
    "TestCorrelate2d",
)

# SCIPY_ARRAY_API=1 makes SciPy respect the kind of its arrays, and its tests run on each kind that is installed
# (array_api_strict, torch), which must be handed to SciPy: there, the tests of the four functions are enough.
RUNS = {
    "numpy": ({}, ["-k", "not TestOAConvolve"]),
    "array API": ({"SCIPY_ARRAY_API": "1"}, ["-k", " or ".join(CLASSES)]),
}


def run_suite(folder, run, replace):
    """Run SciPy's tests in a child process: what the plugin reports, and what pytest printed."""
    (folder / "pytest.ini").write_text("[pytest]\n")  # and not the configuration of a project around the environment
    report = folder / "report.json"
    settings, selection = RUNS[run]
    environment = {key: value for key, value in os.environ.items() if key != "SCIPY_ARRAY_API"} | settings
    environment |= {
        "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), str(Path(fastconv.__file__).parents[1]))),
        "FASTCONV_REPLACE": replace,
        "FASTCONV_REPORT": str(report),
    }
    command = [sys.executable, "-m", "pytest", "-c", folder / "pytest.ini", "--rootdir", folder, "-q", "--tb=short"]
    command += ["-p", "no:cacheprovider", "-p", "scipy_with_fastconv", "--pyargs", SUITE, *selection]
    child = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    output = child.stdout + child.stderr
    assert child.returncode in (0, 1), output
    return json.loads(report.read_text()), output


def failures(report):
    """The tests that failed."""
    return {name for name, outcome in report["outcomes"].items() if outcome == "failed"}


@pytest.mark.parametrize("run", RUNS)
def test_scipy_suite_passes_with_our_functions(tmp_path, run):
    """Where a test fails, all run again with SciPy's own functions: it may fail only if it fails there as well."""
    report, output = run_suite(tmp_path, run, replace="1")
    for tested in CLASSES:
        passed = [n for n, outcome in report["outcomes"].items() if f"::{tested}::" in n and outcome == "passed"]
        assert passed, f"{tested} did not run"
    assert set(report["calls"]) == {*signal.__all__, "computed here"}
    assert report["calls"]["computed here"] >= 50, "hardly anything was computed by fastconv"
    if failures(report):
        blamed = failures(report) - failures(run_suite(tmp_path, run, replace="0")[0])
        assert not blamed, f"these fail with fastconv's functions only: {sorted(blamed)}\n{output}"
