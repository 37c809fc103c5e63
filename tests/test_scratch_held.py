"""What scratch held before costs no time: lanes beside those that count are no denormal numbers.

Tables of small integers, read as floats, are denormal, and a multiply-add of one takes a hundred cycles: 64 to 16
channels in 4 groups by 1x1 took 4.2 ms instead of 69 us, whenever their scratch had held such a table.
"""

import time

import numpy as np
import pytest

import fastconv
from fastconv import _memory
from tests.layouts import channels_last, contiguous

MOST = 3  # times as long; those below took 6 to 60 times
LARGEST = 22  # the power of two that the largest block has elements of


def filled(value):
    """Give back memory of all sizes that holds nothing else."""
    blocks = [_memory.lines(1 << power, np.dtype(np.float32)) for power in range(LARGEST, 12, -1)]
    for block in blocks:
        block[:] = value


def least_time(call, value):
    times = []
    for _ in range(7):
        filled(value)
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize(
    ("function", "image", "weight", "dtype", "layout", "settings"),
    [
        ("conv2d", (1, 64, 40, 40), (16, 16, 1, 1), np.float32, channels_last, {"groups": 4}),
        ("conv_transpose2d", (1, 8, 14, 14), (8, 7, 3, 3), np.float32, channels_last, {"groups": 2}),
        ("conv_transpose2d", (2, 20, 14, 14), (20, 4, 3, 3), np.float64, contiguous, {"stride": 2}),
        ("conv_transpose2d", (1, 40, 7, 7), (40, 7, 2, 2), np.float64, channels_last, {"groups": 8, "stride": 2}),
    ],
)
def test_lanes_beside_cost_nothing(function, image, weight, dtype, layout, settings):
    rng = np.random.default_rng(0)
    x, w = layout(rng.standard_normal(image).astype(dtype), 1), rng.standard_normal(weight).astype(dtype)

    def call():
        getattr(fastconv, function)(x, w, **settings)

    call()
    with fastconv.num_threads(1):
        assert least_time(call, 1e-41) < MOST * least_time(call, 0)
