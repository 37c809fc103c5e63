"""`fastconv.signal`: where a Fourier transform overtakes the direct sum, and images with boundaries."""

import timeit

import numpy as np
import scipy.signal

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
    """The same sum by each method, and by what method="auto" makes of it."""

    timer = timeit.default_timer
    params = (tuple(SIZES), ("direct", "fft", "auto"), ("float32", "float64"))
    param_names = ("sizes", "method", "dtype")

    def setup(self, sizes, method, dtype):
        self.image, self.kernel = (data(size, dtype, seed) for seed, size in enumerate(SIZES[sizes]))
        self.time_correlate(sizes, method, dtype)

    def time_correlate(self, sizes, method, dtype):
        signal.correlate(self.image, self.kernel, "same", method)


class Boundaries:
    """`convolve2d` and `correlate2d`: one image of 512x512 and one kernel, checked against SciPy's."""

    timer = timeit.default_timer
    params = (("convolve2d", "correlate2d"), ("fill", "wrap", "symm"), (3, 11))
    param_names = ("function", "boundary", "kernel")

    def setup(self, function, boundary, kernel):
        self.image, self.kernel = data((512, 512), "float32"), data((kernel, kernel), "float32", 1)
        exact = getattr(scipy.signal, function)(*(a.astype(float) for a in (self.image, self.kernel)), "same", boundary)
        np.testing.assert_allclose(self.run(function, boundary), exact, rtol=0, atol=1e-4 * np.abs(exact).max())

    def run(self, function, boundary):
        return getattr(signal, function)(self.image, self.kernel, "same", boundary)

    def time_images(self, function, boundary, kernel):
        self.run(function, boundary)
