"""The direct sum: which kernel computes it, what it takes, and whether memory is copied to the other order for it."""

from math import gcd, prod

from fastconv import _depthwise, _volumes
from fastconv._shared_rows import shares_rows, stages_little
from fastconv._sights import is_long, products, seen_along, turned_products, whole_along
from fastconv._tuned import kernel as kernel_in_use
from fastconv._tuned import tuned, vector_lanes


def turns_taps(g):
    """Whether the register tile's kernel turns weights for a small map, which shares less than it saves in patches."""
    return is_long(g) and kernel_in_use("direct").turns_taps(tuple(g), g.itemsize)


FULL_TILE = 16  # output channels a group that fill the register tile's columns at AVX2

# Layers whose lanes run along a group's output channels, rows of pixels sharing what they load (AVX-512, 2026-11-28):
GROUP_VECTOR = 32  # bytes of such a vector, at AVX-512 half of one, which groups of 8 share by twos
GROUP_WIDEST = 128  # bytes of a group's outputs: of 64 channels of float other ways took 0.8 to 1 times as long,
GROUP_WIDEST_OF_FEW = 256  # but 1.1 to 1.6 times where pixels are
FEWEST_PIXELS = range(16, 65)  # unless lanes run along the depth, as channels-last they do on all of 16
GROUP_INPUTS = range(6, 65)  # with four channels the stage takes half as long as the products
GROUP_STAGE = 2**17  # bytes of the stage of one row of output
FEW_PIXELS = 196  # which leave lanes along pixels idle
LEAST_USED = 0.8  # of the lanes: groups of 12 channels took 1.05 times as long on 28x28 as by lanes along pixels,
LEAST_USED_OF_FEW = 0.75  # but less time with few pixels and channels-last
RING_OUTPUTS = 64  # bytes of a group, whose own lanes take 0.7 of the time of rings, of twice as many 0.4 (AVX-512)


def suits_rows(g):
    """Whether rows of pixels, lanes along few output channels of a group, are computed sooner than pixel by pixel."""
    inputs, outputs = g.ic // g.groups, g.oc // g.groups
    if g.groups == 1 or outputs == 0 or g.kw != 3 or g.dw != 1 or g.sw > 2 or inputs not in GROUP_INPUTS:
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


def way_of_groups(g):
    """How groups of few channels are summed: by "rows" of pixels, lanes along outputs, by "rings", lanes along the
    inputs of several groups, whose sums go round, or by None of these, as other layers are.

    Rows come first where a group's outputs fill a `GROUP_VECTOR`, rings where they do not, below `RING_OUTPUTS`.
    Sums of few products are chosen as on large maps.
    """
    inputs, outputs, vector = g.ic // g.groups, g.oc // g.groups, vector_lanes(g.itemsize)
    rings = g.last and g.groups > 1 and 1 < inputs <= vector and 0 < outputs * g.itemsize < RING_OUTPUTS
    rings = rings and gcd(inputs, outputs) <= tuned().rings.most
    if suits_rows(g):
        return "rings" if rings and outputs * g.itemsize < GROUP_VECTOR else "rows"
    if not rings:
        return None
    others = min(cost_of_tile(g), cost_copied(g) if is_long(g) else cost_copied_large(g))
    return "rings" if cost_rings(g) < min(others, cost_few(g) if outputs <= MOST_FEW else others) else None


def cost_rings(g):
    """`cost_in_place` of rings of channels: what strips of pixels, vectors of groups and passes over these take."""
    costs, vector = tuned().rings, vector_lanes(g.itemsize)
    inputs, outputs, taps = g.ic // g.groups, g.oc // g.groups, g.kd * g.kh * g.kw
    ring, groups = gcd(inputs, outputs), vector // inputs
    strip = taps * (ring + costs.load) + costs.sum * ring
    if inputs != outputs:
        strip += costs.group * groups + costs.sum * (inputs // ring - 1)
    pixel = -(-g.groups // groups) * (outputs // ring) * strip + costs.entry * g.kd * g.kh * min(g.sw, g.kw)
    weights = costs.weight * g.oc * inputs * taps if is_long(g) else 0
    return costs.product * vector * (pixel * g.od * g.oh * g.ow + weights)


def kernel(g):
    """Vectors along channels or along a row where few output channels share a pixel, else a register tile."""
    way = way_of_groups(g)
    if way == "rows":
        return "grouped"
    if g.last:
        if way == "rings" or fits_depthwise(g):
            return "depthwise_last"
        return "few_last" if fits_few(g) else "direct_last"
    rows = "filter" if shares_rows(g) and stages_little(g) and not turns_taps(g) else "direct"
    return _depthwise.kernel(g) or rows


def cost(g):
    """Multiply-adds of a full register tile in whose time the sum is computed."""
    return min(cost_in_place(g), cost_copied(g)) if g.last else products(g)


def cost_in_place(g):
    """The same of channels-last memory as it lies: lanes are output channels, of depthwise layers input channels."""
    way = way_of_groups(g)
    if way:
        return cost_rings(g) if way == "rings" else g.macs
    if fits_depthwise(g):
        return cost_depthwise(g) + tuned().last.row * g.oc // g.ic * g.od * g.oh
    if fits_few(g):
        return cost_few(g)
    return cost_of_tile(g)


def cost_depthwise(g):
    """`cost_in_place` with lanes along channels that are by themselves, but for what is done once a row."""
    lanes = tuned().planes.vector // g.itemsize
    taps = g.kd * g.kh * g.kw * max(g.ic, lanes)
    return g.oc // g.ic * g.od * g.oh * g.ow * (taps + tuned().last.store * g.ic)


def fits_depthwise(g):
    """Whether channels are by themselves, and not so few, with so many outputs, that the register tile takes less."""
    return g.groups == g.ic and (g.oc <= g.ic or cost_depthwise(g) <= cost_of_tile(g))


def cost_of_tile(g):
    """`cost_in_place` by the register tile, of any number of outputs."""
    costs, outputs = tuned().last, g.oc // g.groups
    pixel = costs.pixel + (costs.group if g.groups > 1 else 0)
    return g.macs * max(costs.lanes[g.itemsize] / max(outputs, 1), 1) + pixel * g.groups * g.od * g.oh * g.ow


def cost_few(g):
    """`cost_in_place` with lanes along input channels: of a tap, or of a row of taps where these lie side by side.

    Of long sums, which may have another order on another map, taps copied where pixels see padding count, and weights.
    """
    costs, lanes, outputs = tuned().few, tuned().planes.vector // g.itemsize, g.oc // g.groups
    together, taps, pixels = g.kw if g.groups == g.dw == 1 else 1, g.kd * g.kh * g.kw, g.od * g.oh * g.ow
    runs = taps // together
    products = runs * -(-g.ic // g.groups * together // lanes) * lanes
    cost = (outputs * (costs.product[g.itemsize] * products + costs.output) + costs.run * runs) * pixels
    if is_long(g):
        copied = pixels - prod(map(whole_along, g.axes))
        cost += costs.seen * taps * copied + costs.weight * outputs * products
    return g.groups * cost


MOST_FEW = 16  # outputs of a group, up to which lanes along input channels were measured
# Outputs from which on, and rows of taps of which one is hidden, the tile leaves taps out: `_kernels/last_choice.pxd`
SHARING, UNSEEN_ROWS = 12, 12


def share_of_tile(g):
    """The share of its products that the register tile computes of channels-last memory; of short sums all."""
    rows = prod(map(seen_along, g.axes[:2]))
    skips = is_long(g) and g.oc // g.groups >= SHARING and UNSEEN_ROWS * rows < UNSEEN_ROWS - 1
    return rows * seen_along(g.axes[2]) if skips else 1


def fits_few(g):
    """Whether lanes along input channels take less than the register tile and than copies."""
    if not g.last or g.ic // g.groups <= 1 or not 0 < g.oc // g.groups <= MOST_FEW:
        return False
    return cost_few(g) < min(share_of_tile(g) * cost_of_tile(g), cost_copied(g) if is_long(g) else cost_copied_large(g))


def cost_copied_large(g):
    """`cost_copied` as on a large map: short sums have one order on any, so that the size must not decide."""
    elements = g.ic * g.sd * g.sh * g.sw + g.oc
    return g.macs + tuned().last.element[g.itemsize] * elements * g.od * g.oh * g.ow


def copied_elements(g):
    """What a copy of the input takes, and one of the result."""
    elements = g.ic * g.id * g.ih * g.iw + g.oc * g.od * g.oh * g.ow
    return tuned().last.element[g.itemsize] * elements


def cost_copied(g):
    """`cost` of a channels-first copy, by the same price of short rows as `is_copied_last` has."""
    first = g._replace(last=0)
    rows = cost_in_rows(first) if counts_rows(first) else 0
    return max(turned_products(g), rows) + copied_elements(g) + tuned().last.call


# Times the multiply-adds that copies to channels-last may take. It bounds what was tried, not what repays: beyond it 90
# random layers took 0.59 of the time of the register tile, 186 at AVX2 0.63, as those below (Zen 4, 2026-11-30)
COPIED_DEAR = 2.5


def fits_copied_rings(g):
    """Whether rings take less than the register tile of channels-first memory, and copies to channels-last.

    The tile has few columns, and copies what a stride picks of padded rows a few elements at a time: 50 random long
    sums that go this way took 0.71 of the time in the mean, 40 at AVX2 0.65. Rings would take others too, which took
    1.3 times as long without padding or a stride, and 1.5 times with groups of more channels than half a vector.
    """
    if g.groups == 1 or max(g.sd, g.sh, g.sw) == 1 or not (g.pd or g.ph or g.pw):
        return False
    dear = copied_elements(g) > COPIED_DEAR * g.macs
    few = 2 * max(g.ic, g.oc) // g.groups <= vector_lanes(g.itemsize)
    rings = is_long(g) and few and not dear and way_of_groups(g._replace(last=1)) == "rings"
    return rings and kernel(g) == "direct"


def cost_in_rows(g):
    """`cost` of channels-first memory as it lies, of several channels without groups: what idle lanes of short rows of
    output take, and to copy patches, or stage the input, a row at a time, once for each plane that sees it."""
    costs, sums = tuned().first, g.ic * g.kd * g.kh * g.kw * g.od * g.oh
    rows = -(-g.kd // g.sd) * g.ic * g.id * g.ih
    if kernel(g) == "filter":
        lanes = tuned().planes.vector // g.itemsize
        return g.oc * sums * -(-g.ow // lanes) * lanes + costs.line * rows
    sums *= turned_products(g) / max(g.macs, 1)  # sorted pixels leave padding out
    return max(g.oc, costs.outputs) * sums * g.ow + costs.row * 4 / g.itemsize * sums + costs.element * rows * g.iw


FEW_PATCHES = 128  # pixels up to which lanes run along the depth in either memory order: `_kernels/product.pxd`
REPAYS = 1.5  # times that costs, which are rough, must differ: by 1.2 as many layers more were slower as were faster


def counts_rows(g):
    """Whether channels-first memory costs what `cost_in_rows` says."""
    return g.groups == 1 < min(g.ic, g.kd * g.kh * g.kw) and g.od * g.oh * g.ow > FEW_PATCHES and is_long(g)


def is_copied_last(g):
    """Whether the sum of channels-first memory is computed in channels-last copies."""
    if _volumes.is_volume(g):
        return kernel(g) == "filter" and _volumes.repays_copies(g, is_long(g))
    if not counts_rows(g):
        return False
    copied = cost_in_place(g._replace(last=1)) + copied_elements(g) + tuned().last.call
    return cost_in_rows(g) > REPAYS * copied


def is_copied(g):
    """Whether a direct sum is computed in copies of the other memory order."""
    if not g.last:
        return fits_copied_rings(g) or is_copied_last(g)
    if way_of_groups(g) == "rings" or fits_few(g) or cost_copied(g) >= cost_in_place(g):
        return False
    return not is_copied_last(g._replace(last=0))  # to and fro
