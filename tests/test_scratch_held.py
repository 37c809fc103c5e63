"""What scratch held before is not computed with: lanes beside those that count are zeros.

Tables of small integers, read as floats, are denormal, and a multiply-add of one takes a hundred cycles: 64 to 16
channels in 4 groups by 1x1 took 4.2 ms instead of 69 us, whenever their scratch had held such a table. A signalling
NaN in their place leaves a flag behind, wherever it is computed with.
"""

import ctypes

import numpy as np
import pytest

import fastconv
from fastconv import _memory
from fastconv._kernels import heap
from tests.layouts import channels_last, contiguous

LARGEST = 22  # the power of two that the largest block has elements of
SIGNALLING = {4: 0x7FA00000, 8: 0x7FF4000000000000}  # by itemsize
INVALID = 1  # FE_INVALID, of x86 and ARM
try:
    LIBRARY = ctypes.CDLL(None)
except TypeError:  # Windows
    LIBRARY = None


@pytest.fixture
def held_memory():
    """Scratch is as it was given back: other tests have it filled anew."""
    before = heap.fill(False)
    yield
    heap.fill(before)


def give_back(dtype):
    """Give back memory of all sizes that holds nothing but signalling NaN."""
    blocks = [_memory.lines(1 << power, dtype) for power in range(LARGEST, 12, -1)]
    for block in blocks:
        block.view(f"u{dtype.itemsize}")[:] = SIGNALLING[dtype.itemsize]


@pytest.mark.skipif(not hasattr(LIBRARY, "fetestexcept"), reason="no flags of floating-point arithmetic to be read")
@pytest.mark.parametrize(
    ("function", "image", "weight", "dtype", "layout", "settings"),
    [
        ("conv2d", (1, 64, 40, 40), (16, 16, 1, 1), np.float32, channels_last, {"groups": 4}),
        ("conv2d", (1, 64, 9, 22), (32, 64, 1, 1), np.float32, contiguous, {}),
        ("conv2d", (1, 40, 25, 25), (7, 40, 3, 3), np.float32, contiguous, {"stride": 2, "padding": 1}),
        ("conv_transpose2d", (1, 8, 14, 14), (8, 7, 3, 3), np.float32, channels_last, {"groups": 2}),
        ("conv_transpose2d", (2, 20, 14, 14), (20, 4, 3, 3), np.float64, contiguous, {"stride": 2}),
        ("conv_transpose2d", (1, 40, 7, 7), (40, 7, 2, 2), np.float64, channels_last, {"groups": 8, "stride": 2}),
        ("conv2d", (1, 8, 24, 37), (22, 8, 1, 5), np.float32, contiguous, {"stride": (4, 1)}),
        (
            "conv2d",
            (1, 21, 14, 15),
            (132, 7, 3, 2),
            np.float32,
            contiguous,
            {"groups": 3, "stride": (1, 4), "padding": (3, 1)},
        ),
        (
            "conv_transpose2d",
            (1, 32, 8, 2),
            (32, 40, 3, 4),
            np.float32,
            contiguous,
            {"stride": 4, "padding": 1, "dilation": 2},
        ),
    ],
)
def test_lanes_beside_are_zeros(function, image, weight, dtype, layout, settings, cpu_level, held_memory):
    rng = np.random.default_rng(0)
    x, w = layout(rng.standard_normal(image).astype(dtype), 1), rng.standard_normal(weight).astype(dtype)
    with fastconv.num_threads(1):
        getattr(fastconv, function)(x, w, **settings)
        give_back(np.dtype(dtype))
        LIBRARY.feclearexcept(INVALID)
        getattr(fastconv, function)(x, w, **settings)
        assert not LIBRARY.fetestexcept(INVALID)
