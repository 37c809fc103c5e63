"""Tests of fastconv: one file per promise, all against ``reference``, SciPy or cases computed by hand.

Where pytest-xdist runs them in several processes, which share the CPUs, threads that wait for others do not spin.
"""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when the first module with OpenMP is loaded
