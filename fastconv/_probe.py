"""The core's multiply-add limit and the register tile's rate, measured in turn in one program."""

from statistics import median
from time import perf_counter

from fastconv import _cpu

ROUNDS = 9  # of each, alternating, so that a drift of the clock meets both
DEPTH = 256  # products a tile adds up, as in a panel of `direct.pyx`


def register_tile():
    """{dtype: (limit, tile)} in GFLOP/s: medians over alternating rounds of some milliseconds each."""
    probe, rates = _cpu.kernel("probe"), {}
    for dtype, kind in (("float32", "float"), ("float64", "double")):
        limit, tile = probe.limit[kind], probe.tiles[kind]
        pairs = [(_rate(limit, 0.0, 2_000_000), _rate(tile, 0.0, 8_000, DEPTH)) for _ in range(ROUNDS)]
        rates[dtype] = tuple(median(column) for column in zip(*pairs, strict=True))
    return rates


def _rate(function, *arguments):
    start = perf_counter()
    operations = function(*arguments)
    return operations / (perf_counter() - start) * 1e-9
