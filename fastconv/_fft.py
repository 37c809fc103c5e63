"""Which convolutions take fewer operations by Fourier transforms, and in blocks of what size.

    out[o] = irfft( sum over c of rfft(x[c]) * conj(rfft(w[o, c])) )        overlap-save, block by block

Each axis along which the kernel extends is cut into blocks of `size` elements that overlap by what the kernel spans; a
block gives the outputs whose windows lie in it. An axis that is one block need not hold the padding twice: windows that
leave it at its end come back in at its beginning, where as many zeros lie. A stride splits both operands into phases,
which are summed as channels are: only outputs that are wanted are transformed back. (Oppenheim & Schafer, Discrete-Time
Signal Processing, 8.7.)
All outputs of a block share its rounding errors: one is only as exact as sum |x w| over its own window is large beside
the others'.
"""

from functools import lru_cache
from math import log2, prod
from typing import NamedTuple

from fastconv import _corners

BLOCK = 2**18  # elements of a block beyond which the transforms leave the cache, unless a kernel needs more
BEYOND = 1.15  # what they then cost along each axis: asv_bench/peers.py --family large
MOST_BLOCKS = 16  # of an axis that are made equal; more are powers of two
PASSES = 4  # what staging, multiplying and storing cost beside a transform, in factors of two of its size
LANES = 4  # blocks of one axis that `scipy.fft` transforms as vectors; what is left over takes twice as long
# Costs in multiply-adds of the direct sum, by itemsize: asv_bench/fit_methods.py
START = {4: 5_000_000, 8: 3_500_000}
TRANSFORM = {4: 6.5, 8: 7}  # for each element and each factor of two in the size of a block
PRODUCT = {4: 38, 8: 36}  # for each element of a block and each pair of an input and an output channel
KERNEL = 2.5  # times as much for each element of a kernel, staged among zeros and used once
LEAST_PRODUCTS = 100  # of an output, so that sums of unlike neighbours come close enough: asv_bench/accuracy.py
# Of its taps that an output must see beside padding along an axis, and where two meet: asv_bench/accuracy.py
LEAST_SHARE = 0.35
CORNER_SHARE = 0.25  # or it is summed directly; half a kernel of padding along both axes leaves as much


class Axis(NamedTuple):
    """How one axis is computed."""

    phases: int  # of the stride, that hold taps
    taps: int  # that a phase spans, dilation's zeros among them
    size: int  # elements of a block, at least; not transformed if taps is 1
    outputs: int  # that a block gives
    blocks: int


def axis(taps, stride, dilation, outputs, limit, lanes, shared=0):
    """Cut an axis into blocks that take the fewest operations; one that is not cut may wrap `shared` zeros."""
    span = (taps - 1) * dilation + 1
    phases, taps = min(stride, span), -(-span // stride)
    if taps == 1:
        return Axis(phases, 1, outputs, outputs, 1)
    whole = outputs + taps - 1
    sizes = [2**j for j in range((2 * taps - 1).bit_length(), whole.bit_length())]
    sizes += [-(-outputs // blocks) + taps - 1 for blocks in range(2, MOST_BLOCKS + 1)]
    cuts = [Axis(phases, taps, whole - min(shared, taps - 1, outputs - 1), outputs, 1)]
    for size in sizes:
        fitting = min(size - taps + 1, outputs)
        cuts.append(Axis(phases, taps, size, fitting, -(-outputs // fitting)))

    def time(cut):
        beyond = BEYOND if cut.size > max(limit, 4 * taps) else 1
        return (cut.blocks + cut.blocks % lanes) * cut.size * (log2(cut.size) + PASSES) * beyond

    return min(cuts, key=time)


def shared(size, outputs, taps, stride, dilation, before):
    """Zeros that every phase of an axis has both before and after its elements."""
    length = outputs - 1 + -(-((taps - 1) * dilation + 1) // stride)
    return max(0, min(before // stride, length - -(-(size + before) // stride)))


@lru_cache(maxsize=1024)
def axes(g):
    """The three axes of a geometry."""
    extents = [(taps, stride, dilation, outputs) for _, outputs, taps, stride, dilation, _ in g.axes]
    transformed = sum(taps > 1 for taps, *_ in extents)
    limit = round(BLOCK ** (1 / max(transformed, 1)))
    lanes = LANES if transformed == 1 else 1
    return tuple(axis(*extent, limit, lanes, shared(*a)) for extent, a in zip(extents, g.axes, strict=True))


def rejects(g):
    """Why Fourier transforms cannot compute the geometry; None if they can."""
    if all(a.taps == 1 for a in axes(g)):
        return "windows that do not overlap have nothing in common to transform"
    if g.ic == 0:
        return "without input channels there is nothing to transform"
    return None


def declines(g):
    """Why the direct sum is faster, or exacter than the bound allows to give up; None if it is neither."""
    if g.macs < START[g.itemsize]:
        return f"the direct sum's {g.macs:,} multiply-adds take less time than to set up a transform"
    if slower(g):
        return f"transforms would take {cost(g) / g.macs:.1f} times as long as the direct sum"
    products = g.ic // g.groups * g.kd * g.kh * g.kw
    if products < LEAST_PRODUCTS:
        return f"sums of {products} products average out too little of the rounding"
    return _corners.too_little(g, LEAST_SHARE, (0, 1, 2))


def corners(g):
    """Outputs to be summed directly afterwards; none where they are so many that "auto" would not have come here."""
    return () if _corners.too_little(g, LEAST_SHARE, (0, 1, 2)) else _corners.corners(g, CORNER_SHARE, (0, 1, 2))


def operations(g):
    """Elements transformed, times factors of two in the size of a block; products of elements."""
    cut = axes(g)
    inputs, outputs = g.ic // g.groups * prod(a.phases for a in cut), g.oc // g.groups
    kernel = prod(a.size for a in cut if a.taps > 1)
    blocks = prod(a.size * a.blocks for a in cut)
    transformed = (inputs + outputs) * blocks + KERNEL * inputs * outputs * kernel
    return g.groups * transformed * log2(kernel), g.groups * inputs * outputs * blocks


def slower(g):
    """Whether transforms take more time than the direct sum."""
    return g.macs < START[g.itemsize] or cost(g) > g.macs


def cost(g):
    """What transforms take, in multiply-adds of the direct sum."""
    transforms, products = operations(g)
    return START[g.itemsize] + TRANSFORM[g.itemsize] * transforms + PRODUCT[g.itemsize] * products
