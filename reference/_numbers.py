"""Wider types to sum in, and the single rounding at the end.

float16 and float32 products are exact in float64; float64 is summed in NumPy's longdouble, which has 64 bits of
mantissa or more on x86 and on 64-bit Arm Linux, and equals float64 where the platform has nothing wider.
"""

import numpy as np


def wide(dtype):
    """Return the type in which sums over data of `dtype` are formed.

    >>> wide(np.float32)
    dtype('float64')
    """
    return np.dtype(np.longdouble if np.dtype(dtype) == np.float64 else np.float64)


def narrow(array, dtype):
    """Round to `dtype`; float16 may overflow to infinity, as IEEE has it."""
    with np.errstate(over="ignore"):
        return np.asarray(array).astype(dtype)


def quiet():
    """Context in which 0 * inf and inf - inf are NaN without a warning: the definition follows IEEE."""
    return np.errstate(invalid="ignore", over="ignore")
