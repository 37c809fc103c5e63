"""Benchmarks of fastconv for asv: `layers` is the table of work, `oracle` the check, the rest short classes.

Everything runs on one thread unless the environment already says otherwise. The variables are set here because BLAS
libraries read them when they are loaded, and this file is imported before any of them.
"""

import os

THREAD_VARIABLES = ("FASTCONV_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

for variable in THREAD_VARIABLES:
    os.environ.setdefault(variable, "1")
