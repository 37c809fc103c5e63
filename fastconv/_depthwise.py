"""How a depthwise layer of channels-first memory is summed: along rows where they lie, or along channels.

Rows fill vectors but for what is left of a row, and cost nothing to read; planes turned to channels-last memory fill
all lanes of a vector, and cost the turning. `asv_bench/peers.py --family depthwise` times both.
"""

from math import ceil, gcd

from fastconv._tuned import kernel as kernel_in_use
from fastconv._tuned import tuned

CHAIN = 64  # taps that either may add one after the other: the CHUNK of `simd.h`

# Of a vector of AVX-512, where long rows that fill halves stay as they are: large planes are turned more slowly, those
# of 4 KiB by far (3x5 to 7x9 on 32x32 took 1.1 to 1.4 times as long, on 40 to 56 up to 1.26)
HALF = 8
SHARED = range(2, 10)  # taps of a row that share loads, two at stride 1 only, of as many pixels:
STRIP = 12
PLANE = 3136  # input pixels of a turned plane, which are to stay in the L2 cache,
TABLE = 4096  # and of the padded one, each with an entry in its table;
PICKED = 3  # columns from which a stride is one of rows picked element by element, and planes may be so much larger:
LARGE_PLANE = LARGE_TABLE = 16384

PAIRED = 4  # vectors of twice as many rows, however many there are: `near_pairs.h`
LEAST_ROW = 9  # outputs of a row, so that a vector reaches no further than the next row does
LEAST_TAPS_ROW = 12  # and no further with a vector more at stride 2 and NEAR columns beside the image
LEAST_DILATED_ROW = 16  # the longest vector: neighbours in memory are rows of different phases
WIDEST = 2**30  # columns, which lanes of 32 bits count
NEAR = 6  # columns beside the image that a row may see, still of its neighbours in memory
TALLEST = 7  # of kernels whose columns of taps unroll
MOST_DILATED = 8  # rows from one tap to the next, each of a phase of its own
LEAST_IN_PHASE = 3  # rows
LEAST_ROWS = 4  # that share the weights of a column of taps
BAND = 8  # rows of output that `near_taps.h` sums at a time,
TALL = 14  # and `tall_taps.h` at most
WAYS, WAY = 8, 4096  # of an L1 cache, and bytes of each: at so many bytes from row to row only eight rows stay in it


def is_flat(g):
    """Whether every channel is a plane by itself, and its only result one, not of padding before it."""
    return g.groups == g.ic == g.oc and g.id == g.kd == g.od == 1 and g.pd == 0


def sees_neighbours(g):
    """Whether a depthwise layer has 3x3 taps that see their neighbours, and at most one column beside the image."""
    near = g.kh == g.kw == 3 and g.dh == g.dw == 1 and g.sh == g.sw <= 2
    return is_flat(g) and near and g.pw <= 1 and (g.ow - 1) * g.sw + 2 - g.pw <= g.iw


def sees_near_rows(g):
    """Whether rows of such a layer are long enough for vectors."""
    return g.ow >= LEAST_ROW and sees_neighbours(g)


def sees_near_pairs(g):
    """Whether rows of such a layer are so short that two share a vector."""
    short = g.ow < LEAST_ROW and g.oh <= 2 * PAIRED and sees_neighbours(g)
    return short and g.ow <= kernel_in_use("near_rows").most_paired(g.itemsize, g.sw)


def sees_near_taps(g):
    """Whether a depthwise layer has taps whose rows can be read where they lie, one column of taps after another."""
    strided = g.sh == g.sw == 2 and g.dh == g.dw == 1
    dilated = g.sh == g.sw == 1 and g.dh <= min(MOST_DILATED, g.oh // LEAST_IN_PHASE)
    after = (g.ow - 1) * g.sw + (g.kw - 1) * g.dw + 1 - g.pw - g.iw
    least = LEAST_TAPS_ROW if g.dh == 1 else LEAST_DILATED_ROW
    near = max(g.pw, after) <= NEAR and least <= g.ow and g.iw < WIDEST
    apart = gcd(g.iw * g.itemsize * g.dh, WAY)
    stay = (BAND - 1) * g.sh + g.kh <= WAYS * (WAY // apart)
    fit = g.kh <= TALLEST and g.kh * g.kw <= CHAIN and (g.kh > 1 or g.oh >= LEAST_ROWS)
    return is_flat(g) and fit and (strided or dilated) and near and stay


def reads_rows(g):
    """Whether rows are summed where they lie."""
    return sees_near_rows(g) or sees_near_pairs(g) or sees_near_taps(g)


def padded(g):
    """Pixels of the plane that outputs see, padding included."""
    return ((g.oh - 1) * g.sh + (g.kh - 1) * g.dh + 1) * ((g.ow - 1) * g.sw + (g.kw - 1) * g.dw + 1)


def can_turn(g):
    """Whether there are enough planes to fill vectors, of a size that stays in cache."""
    plane, table = (LARGE_PLANE, LARGE_TABLE) if g.sw >= PICKED else (PLANE, TABLE)
    return is_flat(g) and g.ic >= 8 and g.ih * g.iw <= plane and padded(g) <= table


def sums_tall(g):
    """Whether `tall_taps.h` sums rows that can be read where they lie."""
    return tuned().planes.vector == 64 and g.sw == 1 and sees_near_taps(g) and not sees_near_rows(g)


def loads_of_rows(g):
    """Vectors of the input that are loaded for one of the output, where neighbouring rows share what they load."""
    return g.kw * ((BAND - 1) * g.sh + g.kh) / BAND


def vectors_of_row(g):
    """Vectors that a row of output takes, along which lanes may idle."""
    costs = tuned().planes
    return max(ceil(g.ow / (costs.vector // g.itemsize * costs.row_end)) * costs.row_end, 1)


def time_of_vector(g):
    """Of a vector of a row."""
    costs, taps = tuned().planes, g.kh * g.kw
    if sums_tall(g):
        band = g.oh / ceil(g.oh / TALL)
        return costs.tall_tap * taps + costs.tall_load * g.kw * (band - 1 + g.kh) / band + costs.tall_row
    return taps + costs.row_load * loads_of_rows(g)


def time_of_rows(g):
    """Of a plane that is summed along rows, where they lie or staged."""
    costs = tuned().planes
    lanes = costs.vector // g.itemsize
    each = time_of_vector(g)
    if sees_near_pairs(g):
        return PAIRED * each
    time = g.oh * vectors_of_row(g) * each
    if reads_rows(g):
        return time + costs.row_plane
    if g.sw >= PICKED:
        time += costs.pick * g.oh * min(g.kh, g.sh) * g.ow * min(g.kw, g.sw) / lanes
    elif g.sw > 1:
        time += costs.split * g.ih * g.iw / lanes
    return time + costs.staged_plane


def time_of_turned(g):
    """Of a plane among those that are turned, a vector of channels at a time."""
    costs = tuned().planes
    pixels, taps = g.oh * g.ow, g.kh * g.kw
    blocks = -(-g.ic // (costs.vector // g.itemsize))
    products = costs.lone_tap * taps
    if g.kw in SHARED and (g.kw > 2 or g.sw == 1):
        products = costs.turned_tap * taps + costs.turned_load * g.kh * (g.sw + g.kw / STRIP)
    block = pixels * products + costs.turn * (g.ih * g.iw + pixels)
    return (block * blocks + costs.entry * padded(g)) / g.ic


def kernel(g):
    """The kernel that takes a geometry of channels-first memory; None if it is none for these."""
    rows = "near_rows" if reads_rows(g) else None
    stays = rows and g.sw == 1 and g.ow >= tuned().planes.long and g.ow % HALF == 0
    return "planes" if can_turn(g) and not stays and time_of_turned(g) < time_of_rows(g) else rows
