"""`fastconv.signal` beside `scipy.signal`: the names, and whether a call behaves alike in both."""

import warnings

import numpy as np
import scipy.signal

from fastconv import signal

MODES = ("full", "same", "valid")
ANY_RANK = ("convolve", "correlate")


def outcome(module, name, *args, **kwargs):
    """What a call gives: its result, or the type and text of its error; and the categories of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = getattr(module, name)(*args, **kwargs)
        except Exception as error:  # whatever SciPy raises is what we must raise
            result = (type(error), str(error))
    return result, [warning.category for warning in caught]


def assert_same_outcome(name, *args, **kwargs):
    """Our function and SciPy's behave alike; the result."""
    (result, warned), (expected, warned_there) = (outcome(m, name, *args, **kwargs) for m in (signal, scipy.signal))
    assert warned == warned_there
    assert type(result) is type(expected)
    if isinstance(expected, tuple):
        assert result == expected
    else:
        np.testing.assert_array_equal(result, expected, strict=True)
    return result
