"""SciPy's convolution and correlation on fastconv's kernels: a drop-in for four functions of `scipy.signal`.

Float32 and float64 NumPy arrays of one to three axes are computed here, as the convolution of one image with one
input and one output channel (`_signal_rules.py`). Everything else that SciPy accepts, and everything that it refuses,
is handed to SciPy unchanged, so that its results, warnings and errors are its own; it is imported when that first
happens.
"""

from functools import cache
from importlib import import_module

from fastconv._signal_rules import (
    BOUNDARIES,
    CONV,
    PADS,
    between_zeros,
    centre,
    centre_correlate2d,
    computable,
    faster,
    known,
    within_boundary,
)

__all__ = ["convolve", "convolve2d", "correlate", "correlate2d"]


@cache
def _scipy(name):
    """SciPy's own function: also where a program has put ours in its place, before the first call or after it."""
    original = getattr(import_module("scipy.signal"), name)
    return getattr(import_module("scipy.signal._signaltools"), name) if original is globals()[name] else original


def _any_rank(name, in1, in2, mode, method, flip):
    """`convolve` and `correlate`."""
    if known(mode, PADS) and known(method, ("auto", "direct")) and computable(in1, in2, CONV):
        if method == "auto":
            method = faster(in1.shape, in2.shape, mode, max(in1.itemsize, in2.itemsize))
        result = between_zeros(in1, in2, mode, flip, centre, method)
        if result is not None:
            return result
    return _scipy(name)(in1, in2, mode=mode, method=method)


def _plane(name, in1, in2, mode, boundary, fillvalue, flip, centre):
    """`convolve2d` and `correlate2d`."""
    usual = known(mode, PADS) and known(boundary, BOUNDARIES) and isinstance(fillvalue, (int, float))
    if usual and computable(in1, in2, (2,)):
        result = within_boundary(in1, in2, mode, boundary, fillvalue, flip, centre)
        if result is not None:
            return result
    return _scipy(name)(in1, in2, mode=mode, boundary=boundary, fillvalue=fillvalue)


def convolve(in1, in2, mode="full", method="auto"):
    """Convolve two N-dimensional arrays, as `scipy.signal.convolve` does.

    ``z[t] = sum over m of in1[t - m] * in2[m]`` along every axis, `in1` being zero outside its bounds.

    Parameters
    ----------
    in1, in2 : array_like
        Two arrays of the same number of dimensions. NumPy arrays of float32 and float64 with one to three dimensions
        are computed here; whatever else SciPy accepts is passed to SciPy.
    mode : {"full", "same", "valid"}, default "full"
        The part of z to return; along axes of n and k elements: all n + k - 1 of them; the n around their centre,
        from index (k - 1) // 2; those whose sum has all its terms, abs(n - k) + 1, where one of the arrays must be at
        least as large as the other along every axis.
    method : {"auto", "direct", "fft"}, default "auto"
        "direct" sums the products; "fft" is SciPy's `fftconvolve`; "auto" sums, or transforms block by block where
        that takes less time.

    Returns
    -------
    ndarray
        float32 if both arrays are, float64 if one or both are; of other operands, what SciPy returns.

    Raises
    ------
    ValueError
        Different numbers of dimensions, an unknown mode or method, no array that contains the other in mode "valid".

    Notes
    -----
    The direct sum errs by at most ``6 * eps * (abs(in1) conv abs(in2))``, element by element; the Fourier transform by
    a multiple of eps times the largest element. Infinity and NaN in the larger array touch only the outputs whose
    window contains them where the sum is direct, any of them where it is not. "auto" looks at shapes and dtypes only.
    The direct sum is several times as fast as SciPy's, so "auto" keeps to it for larger kernels than
    `scipy.signal.choose_conv_method` would, and transforms nothing that this function would sum.

    See Also
    --------
    scipy.signal.convolve : the original
    convolve2d : boundaries other than zeros
    fastconv.conv2d : channels, strides and dilation

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.convolve(np.array([1.0, 2, 3]), np.array([0, 1, 0.5]))
    array([0. , 1. , 2.5, 4. , 1.5])
    >>> signal.convolve(np.array([1.0, 2, 3]), np.array([0, 1, 0.5]), mode="same")
    array([1. , 2.5, 4. ])
    """
    return _any_rank("convolve", in1, in2, mode, method, True)


def correlate(in1, in2, mode="full", method="auto"):
    """Cross-correlate two N-dimensional arrays, as `scipy.signal.correlate` does.

    ``z[t] = sum over m of in1[t + m - (k - 1)] * conj(in2[m])`` along every axis, where in2 has k elements and `in1`
    is zero outside its bounds.

    Parameters
    ----------
    in1, in2, mode, method
        As in `convolve`.

    Returns
    -------
    ndarray
        As `convolve`.

    Raises
    ------
    ValueError
        As `convolve`.

    Notes
    -----
    As for `convolve`. With an even number of taps, mode "same" lies one element later than that of `correlate2d`.

    See Also
    --------
    scipy.signal.correlate : the original
    scipy.signal.correlation_lags : the displacements of a one-dimensional result

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.correlate(np.array([1.0, 2, 3]), np.array([0, 1, 0.5]))
    array([0.5, 2. , 3.5, 3. , 0. ])
    >>> signal.correlate(np.array([1.0, 2, 3]), np.array([1.0, -1]), mode="valid")
    array([-1., -1.])
    """
    return _any_rank("correlate", in1, in2, mode, method, False)


def convolve2d(in1, in2, mode="full", boundary="fill", fillvalue=0):
    """Convolve two images, as `scipy.signal.convolve2d` does.

    ``z[y, x] = sum over i, j of in1[y - i, x - j] * in2[i, j]``, `in1` continued beyond its edges as `boundary` says.

    Parameters
    ----------
    in1, in2 : array_like
        Two-dimensional arrays. NumPy arrays of float32 and float64 are computed here; whatever else SciPy accepts is
        passed to SciPy.
    mode : {"full", "same", "valid"}, default "full"
        The part of z to return; along axes of n and k elements: all n + k - 1 of them; the n around their centre,
        from index (k - 1) // 2; those whose window lies in the image, abs(n - k) + 1, where one of the arrays must be
        at least as large as the other along both axes.
    boundary : {"fill", "wrap", "symm"}, default "fill"
        Beyond the edges lies `fillvalue`, the image repeated, or the image mirrored with its outermost elements
        doubled.
    fillvalue : scalar, default 0
        What lies beyond the edges with ``boundary="fill"``.

    Returns
    -------
    ndarray
        float32 if both arrays are, float64 if one or both are; of other operands, what SciPy returns.

    Raises
    ------
    ValueError
        Arrays that are not two-dimensional, an unknown mode or boundary, a fillvalue that is not a scalar, no array
        that contains the other in mode "valid".

    Notes
    -----
    Always summed directly, on as many threads as `fastconv.set_num_threads` allows; the error is at most
    ``6 * eps * (abs(in1) conv abs(in2))``, element by element.

    See Also
    --------
    scipy.signal.convolve2d : the original
    fastconv.conv2d : channels, strides and dilation

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> image = np.arange(9.0).reshape(3, 3)
    >>> signal.convolve2d(image, np.array([[1.0, -1]]), mode="same", boundary="symm")
    array([[0., 1., 1.],
           [0., 1., 1.],
           [0., 1., 1.]])
    """
    return _plane("convolve2d", in1, in2, mode, boundary, fillvalue, True, centre)


def correlate2d(in1, in2, mode="full", boundary="fill", fillvalue=0):
    """Cross-correlate two images, as `scipy.signal.correlate2d` does.

    ``z[y, x] = sum over i, j of in1[y + i - (kh - 1), x + j - (kw - 1)] * conj(in2[i, j])``, where in2 has shape (kh,
    kw) and `in1` continues beyond its edges as `boundary` says.

    Parameters
    ----------
    in1, in2, boundary, fillvalue
        As in `convolve2d`.
    mode : {"full", "same", "valid"}, default "full"
        As in `convolve2d`, but for "same": the n around the centre start at index k // 2.

    Returns
    -------
    ndarray
        As `convolve2d`.

    Raises
    ------
    ValueError
        As `convolve2d`.

    Notes
    -----
    As for `convolve2d`. With an even number of taps, mode "same" lies one element earlier than that of `correlate`.

    See Also
    --------
    scipy.signal.correlate2d : the original
    fastconv.conv2d : the same sum with channels, strides and dilation

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> image = np.arange(9.0).reshape(3, 3)
    >>> signal.correlate2d(image, np.ones((2, 2)), mode="valid")
    array([[ 8., 12.],
           [20., 24.]])
    """
    return _plane("correlate2d", in1, in2, mode, boundary, fillvalue, False, centre_correlate2d)
