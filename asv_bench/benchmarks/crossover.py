"""Where a Fourier transform overtakes the direct sum of `fastconv.signal`, and what method="auto" makes of it."""

import timeit

from fastconv import signal

from .common import data

SIZES = {
    "100000 * 101": ((100_000,), (101,)),
    "100000 * 1001": ((100_000,), (1001,)),
    "512x512 * 15x15": ((512, 512), (15, 15)),
    "512x512 * 31x31": ((512, 512), (31, 31)),
    "64x64x64 * 7x7x7": ((64, 64, 64), (7, 7, 7)),
}


class Crossover:
    """The same sum by each method."""

    timer = timeit.default_timer
    params = (tuple(SIZES), ("direct", "fft", "auto"), ("float32", "float64"))
    param_names = ("sizes", "method", "dtype")

    def setup(self, sizes, method, dtype):
        self.image, self.kernel = (data(size, dtype, seed) for seed, size in enumerate(SIZES[sizes]))
        self.time_correlate(sizes, method, dtype)

    def time_correlate(self, sizes, method, dtype):
        signal.correlate(self.image, self.kernel, "same", method)
