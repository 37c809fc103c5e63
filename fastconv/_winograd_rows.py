"""Minimal filtering along h alone, whose lanes are pixels of a row: where `_kernels/winograd_rows.pyx` is exact, and
what it costs.

Lanes of tiles' sums are output channels, of which few fill no vector; rows of pixels do, and along w nothing needs to
be transformed.
"""

from fastconv import _corners, _direct
from fastconv._tuned import tuned, vector_lanes
from fastconv._winograd_rules import RULES, ceil_div

TAPS = 3, 4  # along h, by tiles of
POINTS = RULES[3].points  # as many of RULES[4]
# Products of an output, the share of its rows of taps that it sees, and products that it sees in a corner: in eps of
# its own sum an output then errs by 6.9 of rectified inputs, 7.6 where all is positive (3x3 and 4x4, 2 * 10^6 outputs;
# with 144 products 8 and 9, and where a corner of 3x16 sees 12 of its products 51)
LEAST_PRODUCTS, LEAST_SHARE, LEAST_SEEN = 288, 0.5, 72
STAGE_BYTES = 1 << 21  # of the transformed input of a line of tiles: 512 channels of 80 pixels take 0.63 of the time


def fits(g):
    """Whether the geometry is computed so within the error bound, and fast: rows are two vectors and more."""
    plane = g.groups == g.kd == g.id == g.od == g.sh == g.sw == g.dh == g.dw == 1 and not g.last
    if not plane or g.kh not in TAPS or tuned().winograd.by_rows is None:
        return False
    lanes = vector_lanes(g.itemsize)
    filled = g.ow >= 2 * lanes and g.iw >= lanes >= g.kw
    staged = POINTS * g.ic * (g.ow + g.kw + lanes) * g.itemsize <= STAGE_BYTES
    return filled and staged and averages(g)


def averages(g):
    """Whether rounding errors average out over enough products, beside padding too."""
    products, high, wide = g.ic * g.kh * g.kw, *map(_corners.least_share, g.axes[1:])
    return products >= LEAST_PRODUCTS and high >= LEAST_SHARE and products * high * wide >= LEAST_SEEN


def cost(g):
    """Multiply-adds in whose time the geometry is computed; of weights half of what they take, as everywhere."""
    costs, lanes = tuned().winograd.by_rows, vector_lanes(g.itemsize)
    points = POINTS * ceil_div(g.oh, RULES[g.kh].outputs)
    row, seen = (ceil_div(n, lanes) * lanes for n in (g.ow, g.iw))
    sums = g.oc * row * (costs.product * g.ic * g.kw + costs.output)
    return points * (sums + costs.input * g.ic * seen + costs.row * g.oc) + costs.weight * POINTS * g.oc * g.ic * g.kw


def direct_cost(g):
    """The same of the direct sum, of whose tile few outputs are a part."""
    return _direct.cost(g) * (1 + tuned().winograd.by_rows.few / g.oc)
