"""Questions about the machine and the chooser: `choose_method`, `explain`, `show_config`."""

from __future__ import annotations

import platform
from typing import Any, NamedTuple

import numpy as np

from fastconv import _cpu, _tuned
from fastconv._arrays import FIRST, FLOATS, LAST
from fastconv._geometry import spatial_rank
from fastconv._plan import plan_conv
from fastconv._sizes import flag, frozen, name, shape, shown
from fastconv._threads import get_num_threads
from fastconv._types import DTypeLike, Int, Padding, Shape, Size


class Explanation(NamedTuple):
    """What "auto" takes for a geometry, and why not the others; `str()` of it is the same as text."""

    method: str
    reasons: dict[str, str]  # of each other method: why it is not taken
    output_shape: tuple[int, ...]
    macs: int  # multiply-adds of the whole batch

    def __str__(self):
        lines = [f"{self.method}: taken, for an output of shape {self.output_shape}, {self.macs:,} multiply-adds"]
        return "\n".join(lines + [f"{method}: {reason}" for method, reason in self.reasons.items()])


def explained(
    function, input_shape, weight_shape, stride, padding, dilation, groups, padding_mode, dtype, channels_last
):
    """The way of both questions: a plan without arrays."""
    size, weight = shape(function, "input_shape", input_shape), shape(function, "weight_shape", weight_shape)
    rank = spatial_rank(function, "weight_shape", weight, 2, "(oc, ic // groups, *kernel)")
    plan = plan_conv(
        function,
        rank,
        size,
        weight,
        floating(function, dtype),
        LAST if flag(function, "channels_last", channels_last) else FIRST,
        *frozen(function, stride=stride, padding=padding, dilation=dilation, groups=groups),
        name(function, "padding_mode", padding_mode),
        None,
        "auto",
    )
    batch = size[: len(size) - rank - 1]
    return Explanation(plan.method, dict(plan.reasons), batch + plan.output, plan.macs * (batch[0] if batch else 1))


def floating(function, dtype):
    """The argument `dtype`, if it is one that convolutions have."""
    try:
        known = FLOATS.get(np.dtype(dtype).newbyteorder("="))
    except (TypeError, ValueError):
        known = None
    if known is None:
        raise TypeError(f"{function}: dtype must be float16, float32 or float64, got {shown(dtype)}")
    return known


def explain(
    input_shape: Shape,
    weight_shape: Shape,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: Int = 1,
    *,
    padding_mode: str = "zeros",
    dtype: DTypeLike = np.float32,
    channels_last: bool = False,
) -> Explanation:
    """Say which method of convolution ``method="auto"`` takes for these shapes, and why each other one is not taken.

    Parameters
    ----------
    input_shape, weight_shape : tuple of int
        (n, ic, *spatial) or (ic, *spatial), and (oc, ic // groups, *kernel): the rank is that of the weight.
    stride, padding, dilation, groups, padding_mode
        As in `conv2d`.
    dtype : dtype
        Of the operands: float16, float32 or float64.
    channels_last : bool
        Whether the input has its channels last in memory.

    Returns
    -------
    Explanation
        Named fields `method`, `reasons` ({method: reason}), `output_shape`, `macs`; printed, the same as text.

    Raises
    ------
    TypeError, ValueError
        As `conv2d` for these shapes.

    Notes
    -----
    The choice depends on the shapes of one image, on the CPU level and on whether the core computes its vectors whole
    (`show_config`, "costs"): neither on the size of the batch nor on the number of threads.

    Examples
    --------
    >>> import fastconv
    >>> print(fastconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1).method)
    winograd
    """
    arguments = input_shape, weight_shape, stride, padding, dilation, groups, padding_mode, dtype, channels_last
    return explained("explain", *arguments)


def choose_method(
    input_shape: Shape,
    weight_shape: Shape,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: Int = 1,
    *,
    padding_mode: str = "zeros",
    dtype: DTypeLike = np.float32,
    channels_last: bool = False,
) -> str:
    """Name the method of convolution that ``method="auto"`` takes for these shapes.

    Parameters
    ----------
    input_shape, weight_shape, stride, padding, dilation, groups, padding_mode, dtype, channels_last
        As in `explain`, which also says why.

    Returns
    -------
    str

    Raises
    ------
    TypeError, ValueError
        As `conv2d` for these shapes.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.choose_method((1, 64, 56, 56), (64, 64, 3, 3), padding=1)
    'winograd'
    """
    arguments = input_shape, weight_shape, stride, padding, dilation, groups, padding_mode, dtype, channels_last
    return explained("choose_method", *arguments).method


def show_config() -> dict[str, Any]:
    """Return what this process computes with, as a dict of names and plain values.

    Returns
    -------
    dict
        "fastconv", "python", "numpy", "scipy": versions; "machine"; "cpu_level" in use and "cpu_levels" available;
        "costs": with what vectors the costs were measured by which methods are chosen; "threads"; "blas": the one that
        SciPy links, for "im2col".

    Examples
    --------
    >>> import fastconv
    >>> fastconv.show_config()["cpu_level"] in fastconv.show_config()["cpu_levels"]
    True
    """
    import scipy

    from fastconv import __version__

    blas = scipy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "fastconv": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "machine": platform.machine(),
        "cpu_level": _cpu.level(),
        "cpu_levels": _cpu.available(),
        "costs": "measured with vectors of {} bytes, of which a core computes {} at once".format(*_tuned.measured()),
        "threads": get_num_threads(),
        "blas": f"{blas['name']} {blas['version']}",
    }
