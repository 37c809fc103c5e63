"""Which geometries the tests of arrays run over: every kernel has one, and all are small."""

import pytest

from tests.cases import CONV2D, row
from tests.pool_cases import POOL2D

CONVS = [
    row(CONV2D, name)
    for name in (
        "3x3", "1x1", "7x7-stride-2", "groups-2", "depthwise", "dilation-2", "batch-3", "unbatched", "sum-of-260",
        "full", "reflect-pairs", "circular-depthwise", "relu", "one-pixel", "winograd-ragged", "winograd-5x5",
        "near-rows-8", "near-rows-stride-2-even", "near-rows-short",
    )
]  # fmt: skip
POOLS = [row(POOL2D, name) for name in ("2x2", "3x3-stride-2-padded", "3x3-stride-1-padded", "unbatched", "batch-3")]
over_convs = pytest.mark.parametrize("case", CONVS, ids=lambda case: case.name)
over_pools = pytest.mark.parametrize("case", POOLS, ids=lambda case: case.name)
POOLINGS = ("max_pool2d", "avg_pool2d")
over_poolings = pytest.mark.parametrize("pooling", POOLINGS)
