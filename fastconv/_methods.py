"""The methods of convolution as data, in the order in which `method="auto"` considers them.

A method says of a geometry why it cannot compute it (`rejects`), and why it is not the one to take when it could
(`declines`); None means that it does not object. The first that objects to nothing is taken; the last never objects.
"""

from collections.abc import Callable
from math import gcd
from typing import NamedTuple

from fastconv import _depthwise, _fft, _winograd
from fastconv._geometry import ConvGeometry
from fastconv._tuned import in_place, tuned, turned


class Method(NamedTuple):
    name: str
    kernel: Callable[[ConvGeometry], str]  # the module whose `conv` computes it: in `_kernels`, or one with underscore
    rejects: Callable[[ConvGeometry], str | None]
    declines: Callable[[ConvGeometry], str | None]
    summary: str
    corners: Callable[[ConvGeometry], tuple] = lambda g: ()  # `Corner`s to be summed directly afterwards


def _accepts(geometry):
    return None


FEW_OUTPUTS = 4  # output channels a group which fill little of the register tile


def _shares_rows(g):
    """Whether rows repay being shared: not for single taps, which are a product as they lie (5 times as fast).

    Maps do not matter, so that a sum has one order on any of them.
    """
    if g.kd * g.kh * g.kw == 1 < g.ic // g.groups:
        return False
    costs, taps = tuned().rows, g.kh * g.kw
    shared = g.sh <= 2 < g.kh <= costs.tallest and gcd(g.sh, g.dh) == 1
    products = taps + costs.load * _depthwise.loads_of_rows(g) if shared else costs.alone * taps
    each = products + costs.store / max(g.ic // g.groups * g.kd, 1)
    return g.oc // g.groups * each + costs.stage * g.sh * g.sw <= costs.tile * taps


STAGE = 2**21  # elements: the most that `filter.pyx` may stage for one block; far dilated taps would want more


def _stages_little(g):
    """Whether the input rows under one block of output stay small: as many as its tallest tile and its kernel span."""
    rows = 8 * g.sh + (g.kh - 1) * g.dh + 1
    row = min(g.kw, g.sw) * (min(g.ow, 2048) + (g.kw - 1) * g.dw // g.sw + 1)
    return (g.ic // g.groups) * g.kd * rows * row <= STAGE


FULL_TILE = 16  # output channels a group that fill the register tile's columns at AVX2

# Layers whose lanes run along a group's output channels, rows of pixels sharing what they load (AVX-512, 2026-11-28):
GROUP_VECTOR = 32  # bytes of such a vector
GROUP_WIDEST = 128  # bytes of a group's outputs: of 64 channels of float other ways took 0.8 to 1 times as long,
GROUP_WIDEST_OF_FEW = 256  # but 1.1 to 1.6 times where pixels are
FEWEST_PIXELS = range(16, 65)  # unless lanes run along the depth, as channels-last they do on all of 16
GROUP_INPUTS = range(6, 65)  # with four channels the stage takes half as long as the products
GROUP_STAGE = 2**17  # bytes of the stage of one row of output
FEW_PIXELS = 196  # which leave lanes along pixels idle
LEAST_USED = 0.8  # of the lanes: groups of 12 channels took 1.05 times as long on 28x28 as by lanes along pixels,
LEAST_USED_OF_FEW = 0.75  # but less time with few pixels and channels-last


def _fits_groups(g):
    """Whether rows of pixels, lanes along few output channels of a group, are computed sooner than in other ways."""
    inputs, outputs = g.ic // g.groups, g.oc // g.groups
    if g.groups == 1 or g.kw != 3 or g.dw != 1 or g.sw > 2 or inputs not in GROUP_INPUTS:
        return False
    pixels, lanes = g.od * g.oh * g.ow, GROUP_VECTOR // g.itemsize
    few = pixels <= FEW_PIXELS
    used = outputs / (-(-outputs // lanes) * lanes)
    staged = g.kd * ((g.kh - 1) * g.dh + 1) * ((g.ow - 1) * g.sw + g.kw) * -(-inputs // 8) * 8 * g.itemsize
    widest = GROUP_WIDEST_OF_FEW if pixels - bool(g.last) in FEWEST_PIXELS else GROUP_WIDEST
    if used < (LEAST_USED_OF_FEW if few or g.last else LEAST_USED) or staged > GROUP_STAGE:
        return False
    if g.last:  # the register tile is better where its columns are full, and turning where a vector is not
        better = outputs % FULL_TILE > 0 or (few and outputs > FULL_TILE)
        return better and (few or outputs >= lanes) and outputs * g.itemsize <= widest
    return outputs >= 8 and outputs * g.itemsize <= widest


def _direct_kernel(g):
    """Vectors along channels or along a row where few output channels share a pixel, else a register tile."""
    if _fits_groups(g):
        return "grouped"
    if g.last:
        return "depthwise_last" if g.groups == g.ic else "direct_last"
    rows = "filter" if _shares_rows(g) and _stages_little(g) else "direct"
    return _depthwise.kernel(g) or rows


METHODS = (
    Method(
        "winograd",
        lambda g: "winograd",
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
    Method("direct", _direct_kernel, _accepts, _accepts, "implicit matrix product on packed patches, no column matrix"),
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

    Few output channels leave the lanes of a vector idle in channels-last memory, which is better copied first then.
    ValueError as of `choose`.
    """
    first = g._replace(last=0)
    if 1 < g.groups < g.ic:
        g = first if g.oc // g.groups < FULL_TILE and not _fits_groups(g) else g
        return g, *choose(g, method)
    taken, reasons = choose(g, method)
    if g.last and taken is DIRECT and turned(g) < in_place(g):
        return first, *choose(first, method)
    return g, taken, reasons
