"""Fourier transforms by several threads: the same bits, whoever transforms kernels and units of input."""

import numpy as np
import pytest

import fastconv
from tests import data
from tests.layouts import DENSE, LAYOUTS
from tests.tolerance import assert_within


@pytest.mark.parametrize("layout", DENSE)
def test_threads_and_batches(layout, dtype):
    """The same bits for any number of threads, any split of the batch, and prepared weights."""
    x, w = LAYOUTS[layout](data.normal((3, 5, 70, 50), dtype), 1), data.normal((6, 5, 13, 9), dtype, "weight")
    results = []
    for threads in (1, 2, 3, 7):
        with fastconv.num_threads(threads):
            results.append(fastconv.conv2d(x, w, padding=5, method="fft"))
    results.append(np.concatenate([fastconv.conv2d(one[None], w, padding=5, method="fft") for one in x]))
    prepared = fastconv.prepare(w, padding=5, method="fft")
    results += [prepared(x), prepared(x)]
    for other in results[1:]:
        data.assert_identical(other, results[0])


def assert_near_direct(result, convolve, x, w, **sizes):
    """Within the bound of what float64 gives; that is what a result in float64 has to be compared with elsewhere."""
    if result.dtype == np.float32:
        wide, magnitudes = (tuple(f(a).astype(np.float64) for a in (x, w)) for f in (np.positive, np.abs))
        exact, size = (convolve(*operands, method="direct", **sizes) for operands in (wide, magnitudes))
        assert_within(result, exact, size, "fft", x.ndim - 2)


@pytest.mark.parametrize("shape", [(1, 1, 90, 100), (2, 2, 90, 100), (1, 1, 30_000), (1, 1, 20, 30, 40)], ids=str)
def test_threads_share_the_transforms_of_few_kernels(shape, dtype, cpu_level):
    """The zeros, columns and rows of one kernel's transform are split where there are more threads than transforms."""
    rank = len(shape) - 2
    taps = {1: (1, shape[1], 301), 2: (1, shape[1], 21, 17), 3: (1, shape[1], 7, 9, 8)}[rank]
    x, w = data.normal(shape, dtype), data.normal(taps, dtype, "weight")
    convolve = getattr(fastconv, f"conv{rank}d")
    results = []
    for threads in (1, 3, 8):
        with fastconv.num_threads(threads):
            results += [convolve(x, w, method="fft"), fastconv.prepare(w, method="fft")(x)]
    for other in results[1:]:
        data.assert_identical(other, results[0])
    assert_near_direct(results[0], convolve, x, w)


SHARED = {  # input, weight, stride, padding
    "one unit": ((1, 1, 64, 70), (1, 1, 21, 25), 1, 10),
    "units beside": ((3, 1, 90, 100), (1, 1, 21, 17), 1, (8, 3)),
    "two channels, two outputs": ((1, 2, 90, 100), (2, 2, 21, 17), 1, 0),
    "phases of a stride": ((1, 1, 120, 131), (1, 1, 25, 19), 2, 9),
    "a line": ((2, 1, 30_000), (1, 1, 301), 1, 150),
    "a volume": ((1, 1, 20, 30, 40), (1, 1, 7, 9, 8), 1, 2),
}


@pytest.mark.parametrize("case", SHARED)
def test_threads_share_units(case, dtype, cpu_level):
    """Units that are left where threads have as many each are transformed by all of them, to the same bits."""
    shape, taps, stride, padding = SHARED[case]
    x, w, b = data.normal(shape, dtype), data.normal(taps, dtype, "weight"), data.normal(taps[:1], dtype, "bias")
    convolve = getattr(fastconv, f"conv{len(shape) - 2}d")
    results = []
    for threads in (1, 2, 3, 8):
        with fastconv.num_threads(threads):
            like = convolve(x, w, b, stride, padding, activation="relu", method="fft")
            results += [like, np.full_like(like, np.nan)]
            convolve(x, w, b, stride, padding, activation="relu", method="fft", out=results[-1])
    for other in results[1:]:
        data.assert_identical(other, results[0])
    assert np.count_nonzero(results[0]) > results[0].size // 4


@pytest.mark.parametrize("images", [1, 3, 17])
def test_each_thread_transforms_the_kernels_of_its_groups(images, dtype, cpu_level):
    """Runs of a group, of all images, follow each other, and a thread has the spectra of the group of its last one."""
    x, w = data.normal((images, 6, 40, 50), dtype), data.normal((6, 2, 15, 13), dtype, "weight")
    results = []
    for threads in (1, 2, 3, 8):
        with fastconv.num_threads(threads):
            results.append(fastconv.conv2d(x, w, padding=6, groups=3, method="fft"))
    results.append(fastconv.prepare(w, padding=6, groups=3, method="fft")(x))
    for other in results[1:]:
        data.assert_identical(other, results[0])
    assert_near_direct(results[0], fastconv.conv2d, x, w, padding=6, groups=3)
