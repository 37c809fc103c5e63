"""What methods and kernels may cost: the names of what is measured of the vectors of a CPU, and its units.

`_tuned` has the numbers.
"""

from typing import NamedTuple


class ByRows(NamedTuple):
    """What minimal filtering along h alone takes, in such multiply-adds, for each point: see `_winograd_rows`."""

    product: float  # of whole vectors of a row
    input: float  # of a pixel,
    output: float  # and of an output,
    row: float  # and a row of outputs
    weight: float
    few: float  # outputs in whose time direct sums do what any number shares, or leave lanes of a tile idle


class Short(NamedTuple):
    """What minimal filtering takes with lanes along tiles, in the same units as along channels, `Winograd`."""

    product: float  # of whole passes of outputs
    input: float  # a point of a channel and part,
    stage: float  # a pixel that a tile begins with,
    output: float
    weight: float  # and a point of one, by whole vectors of outputs
    few: float  # times as long as by their prices, those of deeper sums, lanes along channels take of one vector of
    packed: float  # outputs, or where lanes are of several parts


class Winograd(NamedTuple):
    """What minimal filtering takes, in multiply-adds of the direct sum.

    The weights' are half of what a single call spends on them: batches share them, and prepared weights save them.
    """

    product: float
    input: float  # of each channel, for each point,
    strided_input: float  # of those that a stride picks,
    packed_input: float  # or where the channels of a group fill no vectors, and lanes are of several parts
    output: float
    weight_point: float  # of a weight, for each point,
    part_point: float  # where a kernel is split into parts,
    pair_point: float  # or into pairs of taps and single ones, which have fewer matrices,
    few_point: float  # or where few tiles are multiplied by weights as these are transformed
    weight_tap: float
    lanes: dict  # by itemsize: channels that fill a vector
    short: Short
    by_rows: ByRows | None = None  # where it was measured
    alone: float = 1  # times as much for a product of one vector of outputs, for which as much is loaded as multiplied


class Fourier(NamedTuple):
    """What Fourier transforms take, in multiply-adds of the direct sum, by itemsize; units and kernels: spectra.pxd."""

    start: dict
    transform: dict  # for each point of a unit's transform and each factor of two in their number
    kernel: dict  # for each point of a kernel's
    product: dict  # for each point of a unit, each input channel and each kernel
    last: float  # times as much for a unit's transform, channels-last
    radix: int  # rows that a pass combines at most: twelve take 24 registers, eight stay near the limit of 16


class Rows(NamedTuple):
    """What a pixel takes where few output channels share it, in products of rows that share what they load."""

    tile: float  # a tap of the register tile, however few outputs it has,
    group: float  # and one of several groups, besides;
    long_tile: float  # a tap of long sums, in groups or not,
    padded_tile: float  # of those that see padding, at stride 1,
    copied_tile: float  # and of those whose rows are too short to be read in place, so that patches are copied
    stage: float  # an input pixel to be staged
    store: float  # a sum to be begun and stored
    load: float  # a vector of a row that neighbours share
    alone: float  # a product of rows that share nothing: far apart, or under columns of other than
    heights: range  # so many taps, which `filter.h` has tiles for


class Planes(NamedTuple):
    """What depthwise planes take, in products of a vector, summed along rows or turned: see `_depthwise`.

    A pixel that neighbours share costs `turned_load`.
    """

    vector: int  # bytes
    row_end: float  # vectors of which a row takes a multiple
    row_load: float  # of a vector of a row, which eight rows of output share; also under taps that many columns share
    tall_tap: float  # of a vector that `tall_taps.h` sums,
    tall_load: float  # of a row of one,
    tall_row: float  # and of each, besides
    row_plane: float  # what is done once for a plane whose rows are read in place,
    staged_plane: float  # and for one whose rows are staged,
    split: float  # and for a vector of those, that are split by the phases of a stride of 2,
    pick: float  # or of elements that a wider one picks one by one
    turned_tap: float
    turned_load: float
    lone_tap: float  # with a load of its own
    turn: float  # a vector of pixels,
    entry: float  # and one of the table of pixels, which all planes share
    long: float  # columns of rows of whole `HALF`s that at stride 1 stay where they are, whatever these say


class Last(NamedTuple):
    """What direct sums of channels-last memory take, in multiply-adds of a full register tile."""

    lanes: dict  # by itemsize: output channels of a group, fewer of which take as long
    pixel: float  # of a group's outputs,
    group: float  # and one of several groups, besides
    store: float  # a depthwise output,
    row: float  # and a row of them, for each kernel of a channel
    element: dict  # by itemsize: to copy one to the other memory order
    call: float  # that copies


class First(NamedTuple):
    """What direct sums of channels-first memory take where rows of output are short, in such multiply-adds."""

    outputs: int  # fewer of which take as long,
    row: float  # a row of output, for each product of a sum, of float,
    element: float  # and one that is staged by the register tile,
    line: float  # or a row of them by rows of pixels


class Volumes(NamedTuple):
    """What depthwise volumes take, in products of a vector by rows of pixels: see `_volumes`."""

    store: float  # a vector of a row,
    plane: float  # a plane of outputs,
    stage: float  # and a vector of a staged row, or to begin it
    product: float  # of a vector of channels, in channels-last copies,
    row: float  # a row of such outputs,
    element: float  # a float that is copied
    call: float


class Few(NamedTuple):
    """What sums to few output channels, lanes along input channels, take in such multiply-adds: see `few_last.pyx`."""

    product: dict  # by itemsize: of a lane,
    run: float  # of channels that lie side by side: those of a tap, or of a row of taps,
    output: float  # whose lanes are added up,
    seen: float  # a tap of a pixel that is copied, since others see padding,
    weight: float  # and one that is packed


class Rings(NamedTuple):
    """What rings of channels take, see `_kernels/ring.h`: a product in multiply-adds as above, the rest in products."""

    product: float
    load: float  # a vector of a pixel for a tap,
    sum: float  # one of its sums to be turned,
    group: float  # outputs that are written by themselves
    entry: float  # of a table of pixels,
    weight: float  # and one to be packed, where sums are long
    most: int  # channels of a ring whose sums stay in registers, beside what they are made of


class Sum(NamedTuple):
    """What a kernel takes for one of each of what there is to do, in multiply-adds: see `_phase_cost.Counts`.

    What is done to a weight is shared by a batch, which costs do not see: they are fitted to batches too.
    """

    product: float
    seen: float
    input: float
    weight: float
    output: float
    row: float
    group: float


class Transposed(NamedTuple):
    """What transposed convolution takes, in multiply-adds."""

    sums: dict  # `Sum` by kernel: of the convolutions of phases, or of all phases; and by ways of these
    woven: float  # an output of several phases
    copied: float  # an element of channels-last memory, where it is,
    copied_back: float  # and one of the result
    whole_rows: float  # of the cost of "filter", in rows of whole vectors at stride 1: the share that they take
    swapped: float  # of the cost of weights of "winograd", where it turns them itself: the share that they take
    call: float  # of a kernel
    minimal: float = 1  # of the cost of minimal filtering, of phases that fill vectors: the share that it takes


class WeightGrad(NamedTuple):
    """What gradients of weights take, in products of a vector of a row's pixels for one tap: see `_weight_choice`."""

    vector: int  # bytes
    rows: int  # of a tile of outer products of two vectors of columns, which costs were fitted to
    band: float  # to add up the lanes of a tap's sum, once for each band of rows,
    row: float  # and to copy a row of either operand
    tile: float  # a pixel's outer product of a tile,
    lanes: float  # or, depthwise, of a vector of channels for one tap,
    pixel: float  # and to copy a pixel of a tile's columns
    points: float  # times as long for 1x1 kernels, along pixels
    in_place: float  # channels of a group of which 1x1 kernels, channels last, take outer products of pixels in place


class Tuned(NamedTuple):
    winograd: Winograd
    fourier: Fourier
    rows: Rows
    planes: Planes
    transposed: Transposed
    last: Last
    first: First
    volumes: Volumes
    few: Few
    rings: Rings
    weight_grad: WeightGrad
