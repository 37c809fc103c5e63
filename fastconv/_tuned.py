"""What was measured of the vectors of a CPU level: costs and thresholds by which methods and kernels are chosen.

`_cpu` says which vectors are in use; whoever keeps what follows from these numbers forgets it when the level changes,
as plans do. `asv_bench/fit_methods.py` times what they predict.
"""

from math import inf
from typing import NamedTuple


class Winograd(NamedTuple):
    """What minimal filtering takes, in multiply-adds of the direct sum.

    The weights' are half of what a single call spends on them: batches share them, and prepared weights save them.
    """

    product: float
    input: float  # of each channel, for each point
    packed_input: float  # where the channels of a group fill no vectors, and lanes are of several parts
    output: float
    weight_point: float  # of a weight, for each point
    weight_tap: float
    lanes: dict  # by itemsize: channels that fill a vector


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
    padded_tile: float  # and of those that see padding, at stride 1
    stage: float  # an input pixel to be staged
    store: float  # a sum to be begun and stored
    load: float  # a vector of a row that neighbours share
    alone: float  # a product of rows that share nothing: far apart, or under two taps of a column or
    tallest: float  # more than so many


class Planes(NamedTuple):
    """What depthwise planes take, in products of a vector, summed along rows or turned: see `_depthwise`.

    A pixel that neighbours share costs `turned_load`.
    """

    vector: int  # bytes
    row_end: float  # vectors of which a row takes a multiple
    row_load: float  # of a vector of a row, which eight rows of output share; also under taps that many columns share
    row_plane: float  # what is done once for a plane whose rows are read in place,
    staged_plane: float  # and for one whose rows are staged,
    split: float  # and for a vector of those, that are split by the phases of a stride
    turned_tap: float
    turned_load: float
    lone_tap: float  # with a load of its own
    turn: float  # a vector of pixels
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
    merged: float  # besides, where channels are fewer than lanes,
    row: float  # a row of such outputs,
    element: float  # a float that is copied
    call: float


class Few(NamedTuple):
    """What sums to few output channels, lanes along input channels, take in such multiply-adds: see `few_last.pyx`."""

    product: float  # of a lane,
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

    sums: dict  # `Sum` by kernel: of the convolutions of phases, or of all phases; "pixel", of images of one
    woven: float  # an output of several phases
    copied: float  # an element of channels-last memory, where it is,
    copied_back: float  # and one of the result
    whole_rows: float  # of the cost of "filter", in rows of whole vectors at stride 1: the share that they take
    swapped: float  # of the cost of weights of "winograd", where it turns them itself: the share that they take
    call: float  # of a kernel


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


# By bytes of a vector. Cores with vectors of 64 have 32 of them, which keep rows and weights in registers.
TUNED = {
    64: Tuned(  # Zen 4, 2026-11-28 and 29; points of gradients of weights Ice Lake, 2026-11-30,
        # `row_plane` Emerald Rapids, 2026-11-30
        Winograd(
            product=1.1, input=10, packed_input=45, output=6, weight_point=1.9, weight_tap=7.9, lanes={4: 16, 8: 16},
        ),
        Fourier(
            start={4: 250_000, 8: 140_000}, transform={4: 2.8, 8: 3}, kernel={4: 7, 8: 5}, product={4: 10, 8: 10.5},
            last=1.5, radix=12,
        ),
        Rows(tile=12, group=60, long_tile=9.5, padded_tile=13, stage=8, store=16, load=0.5, alone=3, tallest=7),
        Planes(
            vector=64, row_end=0.5, row_load=2, row_plane=100, staged_plane=690, split=inf, turned_tap=0.6,
            turned_load=2.3, lone_tap=2.2, turn=7.5, long=32,
        ),
        Transposed(
            sums={
                # product seen input weight output row group
                "direct": Sum(1.2, 6.8, 0, 11, 0, 230, 5200),
                "direct_last": Sum(1.1, 3.9, 13, 9.5, 5.2, 2300, 0),
                "few_last": Sum(1.4, 0, 0, 10, 80, 500, 0),
                "depthwise_last": Sum(2.1, 0, 0, 25, 15, 0, 0),
                "filter": Sum(1.3, 0.31, 21, 150, 0, 550, 1700),
                "near_rows": Sum(1.7, 0, 9, 41, 0, 160, 270),
                "planes": Sum(1.7, 0, 9, 41, 0, 160, 270),
                "grouped": Sum(1.2, 0, 25, 11, 2.7, 130, 6100),
                "winograd": Sum(1.3, 19, 0, 5.5, 17, 750, 0),
                "gather": Sum(2.2, 0, 4.6, 33, 1.5, 520, 3400),
                "gather_last": Sum(1.7, 0, 0, 5, 7.2, 25, 0),
                "disjoint": Sum(0.91, 6.1, 9.5, 5.6, 4, 230, 0),
                "disjoint_last": Sum(0.89, 0, 3.2, 7.7, 4.8, 41, 0),
                "overlap": Sum(1.2, 14, 7.5, 2, 0, 920, 4400),
                "pixel": Sum(0, 0, 0, 4.2, 5, 20, 4400),
            },
            woven=9.5, copied=13, copied_back=24, whole_rows=0.5, swapped=1, call=70_000,
        ),
        Last(lanes={4: 6, 8: 5}, pixel=100, group=20, store=8, row=2000, element={4: 8, 8: 14}, call=200_000),
        First(outputs=6, row=38, element=5.2, line=240),
        Volumes(store=5.9, plane=190, stage=5.9, product=1.6, merged=2.7, row=67, element=0.51, call=52_000),
        Few(product=0.75, run=10, output=50, seen=70, weight=6),
        Rings(product=0.3, load=2, sum=8, group=4, entry=2.3, weight=2, most=8),
        WeightGrad(vector=64, rows=12, band=22, row=7, tile=3.3, lanes=0.55, pixel=3.1, points=0.3, in_place=inf),
    ),
    32: Tuned(  # Zen 3, 2026-11-28 and 29; transposed convolution and gradients of weights Zen 4, 2026-11-29
        Winograd(
            product=1, input=9, packed_input=23, output=15, weight_point=1.6, weight_tap=20, lanes={4: 8, 8: 4},
        ),
        Fourier(
            start={4: 100_000, 8: 80_000}, transform={4: 2.8, 8: 3}, kernel={4: 6, 8: 5}, product={4: 11, 8: 12},
            last=1.8, radix=8,
        ),
        Rows(tile=8.2, group=40, long_tile=9, padded_tile=13, stage=6.5, store=4, load=1, alone=3.5, tallest=inf),
        Planes(
            vector=32, row_end=1, row_load=1.9, row_plane=160, staged_plane=660, split=6, turned_tap=1.35,
            turned_load=0, lone_tap=2.4, turn=6.6, long=inf,
        ),
        Transposed(
            sums={
                # product seen input weight output row group
                "direct": Sum(1.1, 7.7, 0, 13, 4, 160, 10_000),
                "direct_last": Sum(0.91, 9, 6.1, 12, 12, 1600, 0),
                "few_last": Sum(1.4, 0, 0, 10, 150, 500, 0),
                "depthwise_last": Sum(1.3, 0, 0, 210, 23, 0, 0),
                "filter": Sum(1.6, 0.42, 16, 110, 0, 360, 730),
                "near_rows": Sum(1.1, 0, 0, 350, 16, 52, 53),
                "planes": Sum(1.1, 0, 0, 350, 16, 52, 53),
                "grouped": Sum(1.3, 0, 0, 3.8, 7.1, 190, 7500),
                "winograd": Sum(1.3, 16, 0, 13, 46, 35, 0),
                "gather": Sum(2.2, 0, 5.9, 42, 5.3, 390, 790),
                "gather_last": Sum(1.3, 0, 0, 25, 11, 0, 0),
                "disjoint": Sum(0.92, 13, 8.6, 7.1, 2.4, 100, 0),
                "disjoint_last": Sum(0.86, 0, 4.5, 3, 7.2, 28, 0),
                "overlap": Sum(1.1, 28, 9.8, 2.5, 3.1, 700, 3500),
                "pixel": Sum(0, 0, 0, 4.2, 5, 20, 3500),
            },
            woven=9.6, copied=14, copied_back=14, whole_rows=1, swapped=0.45, call=59_000,
        ),
        Last(lanes={4: 8, 8: 4}, pixel=160, group=0, store=12, row=4000, element={4: 10, 8: 10}, call=600_000),
        First(outputs=6, row=16, element=5.3, line=165),
        Volumes(store=4.3, plane=380, stage=8.6, product=2, merged=4.1, row=78, element=1, call=99_000),
        Few(product=1.05, run=10, output=50, seen=70, weight=8),
        Rings(product=0.5, load=1.8, sum=8, group=8, entry=2.2, weight=2, most=7),
        WeightGrad(vector=32, rows=6, band=30, row=21, tile=5.3, lanes=0.6, pixel=5.1, points=0.6, in_place=24),
    ),
}  # fmt: skip
_taken, _bytes, _kernels = TUNED[64], 64, None


def tuned():
    """What was measured of the vectors in use."""
    return _taken


def vector_lanes(itemsize):
    """Elements of a vector in use, which may be shorter than any measured."""
    return _bytes // itemsize


def kernel(name):
    """The module of a kernel in use, to be asked what it does with shapes."""
    return _kernels(name)


def take(vector, kernels=None):
    """Let vectors of so many bytes be in use; of shorter ones than any measured, what is known of the shortest.

    kernels : by whose names kernels are found, if not as before
    """
    global _taken, _bytes, _kernels
    _bytes = vector
    _taken = TUNED[max((known for known in TUNED if known <= vector), default=min(TUNED))]
    _kernels = kernels or _kernels
