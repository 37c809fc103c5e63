"""What was measured of the vectors of a CPU level: costs and thresholds by which methods and kernels are chosen.

`_cpu` says which vectors are in use; whoever keeps what follows from these numbers forgets it when the level changes,
as plans do. `asv_bench/fit_methods.py` times what they predict.
"""

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
    lanes: dict  # by itemsize: channels that fill a vector; two of these are a panel


class Fourier(NamedTuple):
    """What Fourier transforms take, in multiply-adds of the direct sum, by itemsize; units and kernels: spectra.pxd."""

    start: dict
    transform: dict  # for each point of a unit's transform and each factor of two in their number
    kernel: dict  # for each point of a kernel's
    product: dict  # for each point of a unit, each input channel and each kernel
    last: float  # times as much channels-last


class Rows(NamedTuple):
    """Output channels a group up to which rows that share what they load are faster than the register tile."""

    three: int  # under kernels three rows high
    strided: int  # the same at stride 2; at most, under other kernels that are not tall
    other: int
    tall: int  # under kernels of seven rows and more
    thin: int  # at most, where few taps share a loaded row


class Tuned(NamedTuple):
    winograd: Winograd
    fourier: Fourier
    rows: Rows
    narrow: dict  # up to so many output channels a direct sum takes how many times as long, channels-last
    outer: bool  # whether outer products of channels-last pixels, of twice the rows, are faster than turning these


# By bytes of a vector. Cores with vectors of 64 have 32 of them, which keep rows and weights in registers.
TUNED = {
    64: Tuned(  # Zen 4, 2026-11-28
        Winograd(1.1, 10, 45, 6, 1.9, 7.9, {4: 16, 8: 16}),
        Fourier({4: 250_000, 8: 140_000}, {4: 2.8, 8: 3}, {4: 7, 8: 5}, {4: 10, 8: 10.5}, 1),
        Rows(8, 8, 4, 4, 8),
        {},
        True,
    ),
    32: Tuned(  # Zen 3, 2026-11-28
        Winograd(1, 9, 23, 15, 1.6, 20, {4: 8, 8: 4}),
        Fourier({4: 100_000, 8: 80_000}, {4: 2.8, 8: 3}, {4: 6, 8: 5}, {4: 11, 8: 12}, 1.4),
        Rows(5, 3, 4, 6, 1),
        {2: 4, 4: 2},
        False,
    ),
}
_taken = TUNED[64]


def tuned():
    """What was measured of the vectors in use."""
    return _taken


def take(vector):
    """Let vectors of so many bytes be in use; of shorter ones than any measured, what is known of the shortest."""
    global _taken
    _taken = TUNED[max((known for known in TUNED if known <= vector), default=min(TUNED))]


def direct(g):
    """Multiply-adds of a full register tile in whose time the direct sum is computed."""
    if not g.last or g.groups == g.ic:  # lanes are not output channels
        return g.macs
    return g.macs * next((times for outputs, times in tuned().narrow.items() if g.oc // g.groups <= outputs), 1)
