"""Depthwise layers of volumes: whether channels-first memory is summed in channels-last copies.

Rows of pixels (`filter`) leave lanes idle where rows are short, as most of volumes are, and begin anew for each plane;
channels fill vectors on any map, and cost the copies. Both add up taps in orders of their own, bias and all.
"""

from math import ceil, prod

from fastconv._tuned import tuned

# Outputs along each axis of the map that short sums are chosen for, since they have one order on any: by 14 half of the
# gain on rows of less than 14 is lost, by 4 more layers of long rows are copied for nothing
USUAL = 7
# Times that costs must differ: of layers with rows of 14 to 70, 130 of 377 that 1.25 would have copied took a tenth
# longer and more, by 1.5 it is 77 of 280, at AVX2 84 of 216 and 41 of 113
REPAYS = 1.5


def is_volume(g):
    """Whether channels are volumes by themselves; those of one plane in all have kernels of their own."""
    return g.groups == g.ic > 1 and (g.kd > 1 or (g.id > 1 and g.oc == g.ic))


def usual(g):
    """The same layer on a map of usual size."""
    return g._replace(od=USUAL, oh=USUAL, ow=USUAL, id=USUAL * g.sd, ih=USUAL * g.sh, iw=USUAL * g.sw)


def repays_copies(g, size_counts):
    """Whether channels-last copies take less than rows: of this map, or where its size must not count, a usual one."""
    if not size_counts:
        g = usual(g)
    return cost_in_rows(g) > REPAYS * cost_in_copies(g)


def cost_in_rows(g):
    """What rows of pixels take, in products of a vector."""
    costs = tuned().volumes
    vectors = ceil(g.ow * g.itemsize / tuned().planes.vector)
    sums = g.oc * g.od * g.oh * vectors
    staged = g.ic * g.od * g.kd * g.oh * min(g.sh, g.kh) * min(g.sw, g.kw) * (1 + vectors)
    return sums * (g.kd * g.kh * g.kw + costs.store) + costs.plane * g.oc * g.od + costs.stage * staged


def cost_in_copies(g):
    """What vectors of channels take, and copies to and fro, in the same products."""
    costs, outputs, taps = tuned().volumes, g.oc // g.ic, g.kd * g.kh * g.kw
    lanes = tuned().planes.vector // g.itemsize
    rows = outputs * g.od * g.oh
    elements = g.ic * prod((g.id, g.ih, g.iw)) + g.oc * g.od * g.oh * g.ow
    sums = rows * ceil(g.ic / lanes) * (g.ow * taps * costs.product + costs.row)
    return sums + costs.element * elements * g.itemsize / 4 + costs.call
