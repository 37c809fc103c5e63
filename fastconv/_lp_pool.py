"""The fronts of lp pooling: powers, sums of them by the kernel of average pooling, and roots."""

import math
import numbers
from functools import lru_cache

import numpy as np

from fastconv import _cpu
from fastconv._arrays import (
    KINDS,
    array,
    compute_dtype,
    dense_in,
    empty,
    finish,
    float_dtype,
    layout,
    names_memory_errors,
    readable,
)
from fastconv._pool_plan import pool, threads_for
from fastconv._sizes import shown

SUM = (0, 0, 1)  # the rule of `plan_pool` for a mean with divisor 1
FEW = 1 << 19  # elements below which NumPy's calls are shorter on one thread; of more its fresh memory takes longer


def lp_pool(function, rank, input, norm_type, kernel_size, stride, ceil_mode, padding, dilation):
    """Lp pooling of any rank."""
    x = array(function, "input", input)
    dtype = float_dtype(function, input=x)
    p = exponent(function, norm_type)
    few = x.size < FEW and threads_for(x.size) == 1
    with np.errstate(all="ignore"):
        x = (power if few else powers)(function, x, rank, dtype, p)
        result = pool(function, rank, x, kernel_size, stride, padding, dilation, ceil_mode, SUM, float_dtype)
        if few and p == 2:
            np.sqrt(result, out=result)
        elif p != 1:
            by_threads(result, result, 1 / p)
        return finish(result, None, dtype)


def exponent(function, norm_type):
    """`norm_type` as a float, neither zero nor infinite nor NaN."""
    if isinstance(norm_type, (bool, np.bool_)) or not isinstance(norm_type, numbers.Real):
        raise TypeError(f"{function}: norm_type must be a real number, got {shown(norm_type)}")
    try:
        p = float(norm_type)
    except OverflowError:
        p = math.inf
    if p == 0 or not math.isfinite(p):
        raise ValueError(f"{function}: norm_type must be finite and not zero, got {shown(norm_type)}")
    return p


@names_memory_errors
def power(_function, x, rank, dtype, p):
    """abs(x) ** p of few elements: what is rounded correctly is NumPy's, whose other powers have bits of their own."""
    x = readable(x, rank, compute_dtype(dtype), layout(x, rank))
    if p == 2:
        return np.square(x)
    x = np.abs(x)
    if p != 1:
        by_threads(x, x, p)
    return x


@names_memory_errors
def powers(_function, x, rank, dtype, p):
    """abs(x) ** p of many elements, in kept memory."""
    order = layout(x, rank)
    x = dense_in(x, rank, compute_dtype(dtype), order)
    result = empty(x.shape, rank, x.dtype, order)
    by_threads(x, result, p)
    return result


def by_threads(x, out, p):
    """abs(x) ** p to `out`, which may be `x`, both without gaps and in one order of memory."""
    if x.size:
        kernel_for(x.dtype)(x.ravel(order="K"), out.ravel(order="K"), x.size, p, threads_for(x.size))


@_cpu.remembers_kernels
@lru_cache  # to find it takes as long as powers of some hundred elements
def kernel_for(dtype):
    """The kernel of powers of a dtype."""
    return _cpu.kernel("powers").power[KINDS[dtype]]


def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False, *, padding=0, dilation=1):
    """The p-norm of each window of a signal: `lp_pool2d` with one spatial axis.

    Parameters
    ----------
    input : array_like, (n, c, w) or (c, w)
        float16, float32 or float64.
    norm_type, kernel_size, stride, ceil_mode, padding, dilation
        As in `lp_pool2d`, for one axis.

    Returns
    -------
    ndarray, (n, c, ow) or (c, ow)
        The norms.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `lp_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.lp_pool1d(np.array([[3.0, -4.0, 0.0, 2.0]]), 2, 2)
    array([[5., 2.]])
    """
    return lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode, padding, dilation)


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False, *, padding=0, dilation=1):
    """The p-norm of each window.

    ``out[n, c, y, x] = (sum over i, j of abs(v) ** p) ** (1 / p)``,
    ``v = input[n, c, y * sh - top + i * dh, x * sw - left + j * dw]``

    over the elements that exist.

    Parameters
    ----------
    input : array_like, (n, c, h, w) or (c, h, w)
        float16, float32 or float64, of any strides. The result has the memory order of the input.
    norm_type : float
        p, finite and not zero.
    kernel_size, stride, ceil_mode, padding, dilation
        As in `max_pool2d`.

    Returns
    -------
    ndarray, (n, c, oh, ow) or (c, oh, ow)
        The norms, of the input's dtype.

    Raises
    ------
    TypeError
        `input` has another dtype (cast it), or an argument is of the wrong kind.
    ValueError
        A size or `norm_type` is out of range, shapes do not fit, or a window would touch nothing but padding.
    MemoryError
        The result or the powers cannot be allocated.

    Notes
    -----
    Powers are taken of the whole input at once, in its precision (float16 in float32); they may overflow to infinity
    where the norm itself would not.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.lp_pool2d(np.array([[[3.0, 0.0], [0.0, -4.0]]]), 2, 2)
    array([[[5.]]])
    """
    return lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode, padding, dilation)


def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False, *, padding=0, dilation=1):
    """The p-norm of each window of a volume: `lp_pool2d` with three spatial axes.

    Parameters
    ----------
    input : array_like, (n, c, d, h, w) or (c, d, h, w)
        float16, float32 or float64.
    norm_type, kernel_size, stride, ceil_mode, padding, dilation
        As in `lp_pool2d`, for three axes.

    Returns
    -------
    ndarray, (n, c, od, oh, ow) or (c, od, oh, ow)
        The norms.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `lp_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.lp_pool3d(np.ones((1, 2, 2, 2)), 1, 2)
    array([[[[8.]]]])
    """
    return lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode, padding, dilation)
