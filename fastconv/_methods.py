"""The methods of convolution as data, in the order in which `method="auto"` considers them.

A method says of a geometry why it cannot compute it (`rejects`), and why it is not the one to take when it could
(`declines`); None means that it does not object. The first that objects to nothing is taken; the last never objects.
"""

from collections.abc import Callable
from typing import NamedTuple

from fastconv._geometry import ConvGeometry


class Method(NamedTuple):
    name: str
    kernel: str  # module in `_kernels`, and name of the function in it
    rejects: Callable[[ConvGeometry], str | None]
    declines: Callable[[ConvGeometry], str | None]
    summary: str


def _accepts(geometry):
    return None


def _not_filtering(g):
    """The row kernel vectorises along one plane: it has no way to share a loaded pixel among output channels."""
    if g.ic // g.groups * (g.oc // g.groups) > 1 and g.oc // g.groups > 4:
        return "more than four output channels a group: a register tile over channels reads each pixel less often"
    return None


METHODS = (
    Method(
        "im2col",
        "im2col",
        _accepts,
        lambda g: "the direct register tile runs at the rate of BLAS and packs less (asv_bench/peers.py --family dense)",
        "columns built in cache-sized panels, multiplied by SciPy's BLAS",
    ),
    Method("direct", "direct", _accepts, _accepts, "implicit matrix product on packed patches, no column matrix"),
)
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
