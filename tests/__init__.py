"""Tests of fastconv: one file per promise, all against ``reference``, SciPy or cases computed by hand."""
