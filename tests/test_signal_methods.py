"""`method` of `fastconv.signal`: which sums it computes itself, by which method, and which are SciPy's."""

import itertools

import numpy as np
import pytest
import scipy.signal

from fastconv import _signal_rules, signal
from tests.data import normal
from tests.signal_checks import ANY_RANK, MODES, assert_same_outcome
from tests.tolerance import assert_within


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ANY_RANK)
def test_fft_is_scipys(name, mode, dtype, summed_here):
    assert_same_outcome(name, normal((40, 50), dtype, "a"), normal((12, 9), dtype, "b"), mode, "fft")
    image = normal((40, 50), dtype, "a")
    image[0, 0] = np.nan
    assert_same_outcome(name, image, normal((12, 9), dtype, "b"), mode, "fft")
    assert not summed_here


@pytest.mark.parametrize("sizes", [((8000,), (7000,)), ((150, 160), (140, 130)), ((30, 30, 30), (25, 24, 23))], ids=str)
@pytest.mark.parametrize("name", ANY_RANK)
def test_auto_transforms_large_kernels(name, sizes, dtype, summed_here):
    in1, in2 = (normal(size, dtype, key) for size, key in zip(sizes, "ab", strict=True))
    result = getattr(signal, name)(in1, in2)
    assert summed_here == ["fft"]
    exact, size = (
        getattr(signal, name)(a.astype(np.float64), b.astype(np.float64), method="direct")
        for a, b in ((in1, in2), (np.abs(in1), np.abs(in2)))
    )
    assert result.dtype == dtype
    assert_within(result, exact, size, "fft", in1.ndim)


def test_auto_transforms_only_what_scipy_transforms(dtype):
    """So no result is less accurate than SciPy's: over sizes from a few elements to millions, in one and two axes."""
    lengths = [round(4 * 1.7**i) for i in range(25)]
    pairs = [((n,), (k,)) for n, k in itertools.product(lengths, repeat=2)]
    pairs += [((n, n + 3), (k, k + 1)) for n, k in itertools.product(lengths[:14], repeat=2)]
    transformed = 0
    for mode, (size1, size2) in itertools.product(MODES, pairs):
        in1, in2 = (np.broadcast_to(np.ones((), dtype), size) for size in (size1, size2))
        if _signal_rules.faster(size1, size2, mode, in1.itemsize) == "fft":
            assert scipy.signal.choose_conv_method(in1, in2, mode) == "fft"
            transformed += 1
    assert transformed > 100


@pytest.mark.parametrize("sizes", [((100000,), (11,)), ((512, 512), (5, 5)), ((20, 30, 30), (3, 3, 3))], ids=str)
@pytest.mark.parametrize("name", ANY_RANK)
def test_auto_sums_small_kernels(name, sizes, dtype, summed_here):
    in1, in2 = (normal(size, dtype, key) for size, key in zip(sizes, "ab", strict=True))
    getattr(signal, name)(in1, in2)
    assert len(summed_here) == 1
