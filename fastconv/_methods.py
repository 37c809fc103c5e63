"""The methods of convolution as data, in the order in which `method="auto"` considers them.

A method says of a geometry why it cannot compute it (`rejects`), and why it is not the one to take when it could
(`declines`); None means that it does not object. The first that objects to nothing is taken; the last never objects.
"""

from collections.abc import Callable
from typing import NamedTuple

from fastconv import _direct, _fft, _winograd
from fastconv._geometry import ConvGeometry


class Method(NamedTuple):
    name: str
    kernel: Callable[[ConvGeometry], str]  # the module whose `conv` computes it: in `_kernels`, or one with underscore
    rejects: Callable[[ConvGeometry], str | None]
    declines: Callable[[ConvGeometry], str | None]
    summary: str
    corners: Callable[[ConvGeometry], tuple] = lambda g: ()  # `Corner`s to be summed directly afterwards


def _accepts(geometry):
    return None


METHODS = (
    Method(
        "winograd",
        _winograd.kernel,
        _winograd.rejects,
        _winograd.declines,
        "Winograd's minimal filtering: transforms of input and weights, fewer products",
        _winograd.corners,
    ),
    Method(
        "fft",
        lambda g: "_fft_conv",
        _fft.rejects,
        _fft.declines,
        "Fourier transforms of blocks that stay in cache (overlap-save)",
        _fft.corners,
    ),
    Method(
        "im2col",
        lambda g: "im2col",
        _accepts,
        lambda g: "the direct register tile runs at the rate of BLAS and packs less (asv_bench/peers.py)",
        "columns built in cache-sized panels, multiplied by SciPy's BLAS",
    ),
    Method("direct", _direct.kernel, _accepts, _accepts, "implicit matrix product on packed patches, no column matrix"),
)
DIRECT = METHODS[-1]
NAMES = tuple(method.name for method in METHODS)


def choose(geometry, method="auto"):
    """The method to take, and for each other one the reason why not: (Method, {name: reason}).

    ValueError, of the reason alone, where the method asked for cannot compute the geometry.
    """
    reasons, taken = {}, None
    for candidate in METHODS:
        reason = candidate.rejects(geometry)
        if method == "auto":
            reason = reason or candidate.declines(geometry)
            if reason is None and taken is not None:
                reason = f"{taken.name} comes first"
        elif candidate.name == method:
            if reason is not None:
                raise ValueError(reason)
        else:
            reason = reason or f"method={method!r} was asked for"
        if reason is None:
            taken = candidate
        else:
            reasons[candidate.name] = reason
    return taken, reasons


def lay_out(g, method="auto"):
    """In which memory order to compute a geometry, and how: (geometry, Method, {name: reason}).

    A direct sum is computed in copies of the other memory order where these take less. ValueError as of `choose`.
    """
    taken, reasons = choose(g, method)
    if taken is DIRECT and _direct.is_copied(g):
        g = g._replace(last=int(not g.last))
        taken, reasons = choose(g, method)
    return g, taken, reasons
