"""What the convolutions of a transposed one cost, the method of each, and whether one product costs less than all.

`c` is one of them, of stride 1, and `phases` how many phases are its output channels: see `_phase_plan`.
"""

from functools import lru_cache
from math import prod

from fastconv import _cpu, _direct, _winograd
from fastconv._methods import choose
from fastconv._tuned import tuned

SHARE_ROWS = ("filter", "near_rows", "planes")  # kernels of few outputs, which cost less than `work` says
CORNER, CORNER_CALL = 8, 100_000  # products in whose time a corner is summed directly; multiply-adds, for each phase

# The kernels with one product (`disjoint.pyx`, `overlap.pyx`): input channels of a group in a panel, which has all of
# them, the most bytes that the products of a volume have, whose planes are seen twice if they do not fit a box, and
# zeros between rows that are not more than the pixels of those
MOST_DEPTH, MOST_VOLUME, MOST_GAP = 2048, 393216, 16


@_cpu.remembers_kernels
@lru_cache(maxsize=64)  # a plan asks several times of each of its convolutions
def method_of(c, phases):
    """How to compute the convolution `c`: as "auto", but that corners are summed with the taps alone that they see."""
    corner = CORNER + phases * CORNER_CALL / max(c.ic // c.groups * c.oc, 1)  # a call for each phase
    winograd = _winograd.rejects(c) is None and _winograd.declines(c, corner) is None
    return choose(c, "winograd" if winograd else "auto")[0]


def by_winograd(c, phases):
    return method_of(c, phases).name == "winograd"


def products(c, phases):
    """Of one input channel with one output channel of the convolution `c`."""
    return _winograd.products(c) if by_winograd(c, phases) else c.od * c.oh * c.ow * c.kd * c.kh * c.kw


def staged_products(c, phases):
    """Of an input channel, counting what it takes to bring it to where products are made."""
    return products(c, phases) * (c.oc // c.groups + tuned().transposed.staging)


def weight_bytes(c, phases):
    """Of the weights that the convolution `c` multiplies with."""
    taps = c.kd * _winograd.points(c) if by_winograd(c, phases) else c.kd * c.kh * c.kw
    return c.oc * c.ic // c.groups * taps * c.itemsize


def unit(c, phases):
    """Windows along each axis that boxes should be multiples of: tiles."""
    return _winograd.tile(c) if by_winograd(c, phases) else (1, 1, 1)


def work(c, phases):
    """Multiply-adds in whose time a group of the convolution `c` is computed."""
    inputs, outputs, count = c.ic // c.groups, c.oc // c.groups, staged_products(c, phases)
    costs, calls = tuned().transposed, 0
    if by_winograd(c, phases):
        weights = c.kd * _winograd.points(c) * outputs
        count += costs.transforms * outputs * products(c, phases) + weights * costs.transformed_weight
        calls = phases * len(_winograd.corners(c)) * CORNER_CALL
    else:
        count += c.kd * c.kh * c.kw * outputs * costs.turned_weight
    return inputs * count + (calls + costs.call) / c.groups


def overlaps(g, itemsize, convolutions, last):
    """Whether one product of all pixels with all weights, whose results overlap, takes less time than `convolutions`.

    g : Transposed
    last : whether pixels and outputs, which it has channels-first, are copied
    """
    inputs, outputs, taps = g.ic // g.groups, g.oc // g.groups, prod(g.kernel)
    count = prod(g.size) * taps
    if not 0 < inputs <= MOST_DEPTH or (g.size[0] > 1 and count * itemsize > MOST_VOLUME):
        return False
    if (g.kernel[2] - 1) * g.dilation[2] // g.stride[2] > max(g.size[2], MOST_GAP):
        return False
    if max(g.stride) == 1 and any(_direct.kernel(c) in SHARE_ROWS for c, _ in convolutions):
        return False
    costs = tuned().transposed
    adding = count * costs.adding + prod(g.output[:2]) * costs.row
    product = outputs * (count * inputs + adding + taps * inputs * costs.read_weight)
    elements = inputs * prod(g.size) + outputs * prod(g.output)
    copied = costs.copying * elements + 2 * costs.call / g.groups if last else 0
    others = sum(work(*c) for c in convolutions)
    if taps == max(g.stride) == 1:  # pixels are only packed, but weights and scratch take calls of their own
        others += 3 * costs.call / g.groups - inputs * count * (costs.staging - costs.packing)
    return others > costs.less * product + copied
