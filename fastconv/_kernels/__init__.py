"""Compiled kernels, one module per source and CPU level; `fastconv._cpu` picks among them."""
