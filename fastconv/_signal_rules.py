"""How `fastconv.signal` turns SciPy's two-operand sums into a convolution of one image with one kernel.

    correlate    z[t] = sum over m of in1[t + m - before] * in2[m]          convolve: the same with in2 reversed

The functions differ in how many elements lie before the first output in mode "same" when in2 has an even number k of
taps: `correlate`, `convolve` and `convolve2d` put k // 2 there, `correlate2d` (k - 1) // 2.

A sum comes back as None where it is not one for these kernels, and SciPy has to do it.
"""

from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np

from fastconv import _cpu, _fft
from fastconv._arrays import FIRST
from fastconv._conv import conv1d, conv2d, conv3d
from fastconv._geometry import conv_geometry

CONV = {1: conv1d, 2: conv2d, 3: conv3d}
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
ARRAYS = (np.ndarray, np.memmap)  # other subclasses and array types have rules of their own
PADS = {  # mode -> elements before and after in1 for k taps, where mode "same" puts `centre` before
    "full": lambda k, centre: (k - 1, k - 1),
    "same": lambda k, centre: (centre, k - 1 - centre),
    "valid": lambda k, centre: (0, 0),
}
BOUNDARIES = {  # SciPy's names, documented or not -> numpy.pad's
    "fill": "constant",
    "pad": "constant",
    "wrap": "wrap",
    "circular": "wrap",
    "symm": "symmetric",
    "symmetric": "symmetric",
}


def centre(k):
    """Taps before the centre: of `correlate`, `convolve` and `convolve2d`."""
    return k // 2


def centre_correlate2d(k):
    """Taps before the centre: of `correlate2d`."""
    return (k - 1) // 2


def computable(in1, in2, ranks):
    """Whether both operands are what the kernels compute: non-empty native float arrays of the same rank."""
    return (
        type(in1) in ARRAYS
        and type(in2) in ARRAYS
        and in1.ndim == in2.ndim
        and in1.ndim in ranks
        and in1.dtype in DTYPES
        and in2.dtype in DTYPES
        and in1.size > 0
        and in2.size > 0
    )


def known(argument, table):
    """Whether `argument` is one of the names that `table` explains."""
    return isinstance(argument, str) and argument in table


def reverse(a):
    """`a` backwards along every axis, a view."""
    return a[(slice(None, None, -1),) * a.ndim]


def kernel_of(a, flip):
    """`a`, with `flip` backwards: a copy then, since calls with arrays that kernels do not read are never known."""
    return np.ascontiguousarray(reverse(a)) if flip else a


class Window(NamedTuple):
    """A sum of two operands as a correlation of an image with a kernel."""

    swapped: bool  # in2 is the image, in1 the kernel
    part: tuple  # slices of the image: what windows touch
    pads: int | tuple  # zeros around it, for `conv1d` and its kind
    backwards: bool  # the result is reversed


@lru_cache(maxsize=1024)
def window(size1, size2, mode, flip, centre):
    """How to sum operands of these shapes, or None where neither fits into the other; the smaller one is the kernel."""
    axes = tuple(zip(size1, size2, strict=True))
    swapped = prod(size2) > prod(size1)
    pads = tuple(PADS[mode](k, centre(k)) for k in size2)
    if mode == "valid":
        swapped = any(n < k for n, k in axes)
        if swapped and any(n > k for n, k in axes):
            return None
    elif swapped:
        # The same outputs as windows that in1 cuts out of in2, where a negative pad leaves out elements of in2.
        pads = tuple((n - k + b, n - k + a) for (n, k), (b, a) in zip(axes, pads, strict=True))
    backwards = swapped and not flip
    if backwards:
        pads = tuple((a, b) for b, a in pads)
    image = size2 if swapped else size1
    part = tuple(slice(max(-b, 0), i - max(-a, 0)) for i, (b, a) in zip(image, pads, strict=True))
    pads = tuple((max(b, 0), max(a, 0)) for b, a in pads)
    alike = len({width for pair in pads for width in pair}) == 1
    return Window(swapped, part, pads[0][0] if alike else pads, backwards)


@_cpu.remembers_kernels
@lru_cache(maxsize=1024)
def faster(size1, size2, mode, itemsize):
    """The method that takes less time: transforms only where SciPy's do so too, so that nothing is less accurate."""
    how = window(size1, size2, mode, True, centre)
    if how is None:
        return "direct"
    image, kernel = (size2, size1) if how.swapped else (size1, size2)
    image = tuple(len(range(*part.indices(size))) for part, size in zip(how.part, image, strict=True))
    shapes = (1, *image), (1, 1, *kernel)
    g = conv_geometry("signal", len(image), *shapes, 1, how.pads, 1, 1, "zeros", itemsize, FIRST).geometry
    if _fft.rejects(g) or _fft.slower(g):
        return "direct"
    from scipy.signal import choose_conv_method

    return choose_conv_method(*(np.broadcast_to(np.float64(1), size) for size in (size1, size2)), mode)


def correlation(image, kernel, pads, method="direct"):
    """Correlation of an image between zeros with a kernel."""
    return CONV[image.ndim](image[None], kernel[None, None], padding=pads, method=method)[0]


def between_zeros(in1, in2, mode, flip, centre, method="direct"):
    """Correlation, or with `flip` convolution, of `in1` between zeros."""
    how = window(in1.shape, in2.shape, mode, flip, centre)
    if how is None:
        return None
    image, kernel = (in2, in1) if how.swapped else (in1, in2)
    # A zero beside the image times an infinite tap would be NaN, where SciPy leaves some of these products out.
    if not np.isfinite(kernel).all() or (how.swapped and not np.isfinite(image).all()):
        return None
    result = correlation(image[how.part], kernel_of(kernel, flip), how.pads, method)
    return reverse(result) if how.backwards else result


def within_boundary(in1, in2, mode, boundary, fillvalue, flip, centre):
    """Correlation, or with `flip` convolution, of the image `in1` continued beyond its edges as `boundary` says."""
    dtype = max(in1.dtype, in2.dtype)
    extend = BOUNDARIES[boundary]
    if mode == "valid" or (extend == "constant" and fillvalue == 0):
        return between_zeros(in1, in2, mode, flip, centre)
    values = {}
    if extend == "constant":
        if not abs(fillvalue) <= float(np.finfo(dtype).max):
            return None
        values["constant_values"] = fillvalue
    pads = tuple(PADS[mode](k, centre(k)) for k in in2.shape)
    padded = np.pad(in1.astype(dtype, copy=False), pads, extend, **values)
    return correlation(padded, kernel_of(in2, flip), 0)
