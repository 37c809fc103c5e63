"""How far a result may lie from the exact one.

    |result - exact| <= c * eps * (|input| conv |weight| + |bias|)

eps is that of the type which forms the sum (float32 for float16 data). c is 6 for the methods that sum products as they
are, 8 for everything else; both are the contract's, not what a machine happened to show. float16 results are rounded
once more, by at most half a unit in the last place.

Fourier transforms, where they are asked for, spread the errors of a channel over all of it: there the largest
|input| conv |weight| of each image and output channel stands for all of them. What "auto" picks has no such excuse.
"""

import numpy as np

SUMS_DIRECTLY = ("direct", "im2col")
SPREADS_ERRORS = ("fft",)
FACTOR = dict.fromkeys(SUMS_DIRECTLY, 6)
FACTOR_OF_OTHERS = 8


def bound(exact, magnitude, dtype, method, rank=None):
    """Largest error allowed at each output; `rank` is the number of spatial axes."""
    dtype = np.dtype(dtype)
    if method in SPREADS_ERRORS and magnitude.size:
        magnitude = magnitude.max(axis=tuple(range(-rank, 0)), keepdims=True)
    summed = np.float32 if dtype == np.float16 else dtype
    error = FACTOR.get(method, FACTOR_OF_OTHERS) * np.finfo(summed).eps * magnitude
    if dtype == np.float16:
        half = np.finfo(np.float16)
        error = error + half.eps / 2 * (np.abs(exact) + error) + half.smallest_subnormal / 2
    return error


def assert_within(result, exact, magnitude, method, rank=None):
    """Check a result against the exact sum and the sum of magnitudes, both in a wider type."""
    assert result.shape == exact.shape
    assert exact.size == 0 or np.any(exact != 0), "an expectation of zeros proves nothing"
    error = np.abs(result.astype(exact.dtype) - exact)
    limit = bound(exact, magnitude, result.dtype, method, rank)
    assert np.all(error <= limit), (
        f"{method}: error of {np.max(error / (np.finfo(result.dtype).eps * magnitude)):.2f} eps * (|x| conv |w|)"
    )
