"""The fronts of lp pooling: powers, sums of them by the kernel of average pooling, and roots."""

from __future__ import annotations

import math
import numbers
from functools import lru_cache, partial

import numpy as np

from fastconv import _cpu, _memory
from fastconv._arrays import array, compute_dtype, dense_in, float_dtype, layout, names_memory_errors
from fastconv._door import again, settled
from fastconv._pool_plan import of_halves, plan_pool, pooled
from fastconv._sizes import flag, freeze, shown
from fastconv._types import Array, ArrayLike, Padding, Size

SUM = (0, 0, 1)  # the rule of `plan_pool` for a mean with divisor 1


@_cpu.remembers_kernels
@lru_cache(maxsize=1024)
def plan_norm(function, rank, shape, dtype, order, p, *windows):
    """The plan of sums, between powers and roots."""
    plan = plan_pool(function, rank, shape, compute_dtype(dtype), order, *windows, SUM, False)
    plan = plan._replace(run=partial(norms, plan.run, _cpu.kernel("powers").power, p, order))
    return of_halves(plan, dtype, order)


def norms(add, power, p, order, geometry, x, out, rank, blank, threads):
    """The kernel of a plan: the roots of what `add`, that of sums, makes of powers in memory order `order`."""
    x = dense_in(x, rank, x.dtype, order)
    powers = _memory.empty_like(x)
    power(x, powers, rank, x.size, x.itemsize, p, threads)
    add(geometry, powers, out, rank, blank, threads)
    if p != 1:
        power(out, out, rank, out.size, out.itemsize, 1 / p, threads)


def lp_pool(function, rank, input, norm_type, kernel_size, stride, ceil_mode, padding, dilation):
    """Lp pooling of any rank."""
    settings = function, rank, norm_type, kernel_size, stride, padding, dilation, ceil_mode
    result = again(None, input, None, None, settings)
    return by_plan(function, settings, input) if result is None else result


@names_memory_errors
def by_plan(function, settings, input):
    """The long way: arrays, plan, kernel, result."""
    settings = settled(settings)
    _, rank, norm_type, kernel_size, stride, padding, dilation, ceil_mode = settings
    x = array(function, "input", input)
    dtype = float_dtype(function, input=x)
    p = exponent(function, norm_type)
    order = layout(x, rank)
    windows = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    sizes = [freeze(function, name, value) for name, value in windows.items()]
    plan = plan_norm(function, rank, x.shape, dtype, order, p, *sizes, flag(function, "ceil_mode", ceil_mode))
    return pooled(plan, settings, input, x, dtype, order)


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


def lp_pool1d(
    input: ArrayLike, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False, *,
    padding: Padding = 0, dilation: Size = 1,
) -> Array:  # fmt: skip
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
    >>> import numpy as np, fastconv
    >>> fastconv.lp_pool1d(np.array([[3.0, -4.0, 0.0, 2.0]]), 2, 2)
    array([[5., 2.]])
    """
    return lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode, padding, dilation)


def lp_pool2d(
    input: ArrayLike, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False, *,
    padding: Padding = 0, dilation: Size = 1,
) -> Array:  # fmt: skip
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
    >>> import numpy as np, fastconv
    >>> fastconv.lp_pool2d(np.array([[[3.0, 0.0], [0.0, -4.0]]]), 2, 2)
    array([[[5.]]])
    """
    return lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode, padding, dilation)


def lp_pool3d(
    input: ArrayLike, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False, *,
    padding: Padding = 0, dilation: Size = 1,
) -> Array:  # fmt: skip
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
    >>> import numpy as np, fastconv
    >>> fastconv.lp_pool3d(np.ones((1, 2, 2, 2)), 1, 2)
    array([[[[8.]]]])
    """
    return lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode, padding, dilation)
