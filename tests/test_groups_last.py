"""Groups of channels-last images, several staged at once: uneven bundles, parts of rows, what a stride passes over."""

import pytest

from tests.product_checks import ProductChecks, kernels_taken, on_integers, same_bits_for_any_split
from tests.together import together

# name -> (input, weight, keywords): padded images of few channels a group, and images of more than 2 MiB
LAYERS = {
    "rows": ((2, 16, 29, 31), (64, 4, 3, 3), {"padding": 1, "stride": 3, "groups": 4}),
    "columns passed over": ((1, 12, 40, 38), (64, 3, 2, 2), {"padding": 1, "stride": 4, "groups": 4}),
    "taps between which some are passed over": (
        (1, 12, 40, 38), (60, 4, 2, 2), {"padding": 3, "stride": 5, "dilation": 3, "groups": 3},
    ),
    "parts of rows": ((1, 240, 11, 61), (176, 30, 7, 7), {"padding": 3, "stride": 3, "groups": 8}),
    "bundles of six and five groups": ((1, 330, 12, 42), (264, 30, 7, 7), {"padding": 3, "stride": 3, "groups": 11}),
    "bundles of two groups and one": ((1, 93, 20, 83), (72, 31, 9, 9), {"padding": 2, "stride": 4, "groups": 3}),
    "taps too far apart for two groups, where a block had no pixels": (
        (1, 62, 40, 38), (48, 31, 6, 6), {"padding": 4, "dilation": 7, "groups": 2},
    ),
    "channels a power of two": ((1, 256, 25, 20), (288, 16, 4, 4), {"padding": 1, "stride": 2, "groups": 16}),
    "a large image": ((1, 96, 75, 74), (144, 32, 3, 3), {"stride": 3, "groups": 3}),
    "pixels": ((1, 192, 53, 53), (144, 64, 1, 1), {"groups": 3}),
    "strided pixels": ((1, 192, 53, 54), (144, 64, 1, 1), {"stride": 2, "groups": 3}),
    "a signal": ((2, 24, 911), (96, 6, 5), {"padding": 2, "stride": 2, "groups": 4}),
    "a volume": ((1, 32, 9, 11, 12), (80, 8, 2, 3, 2), {"padding": (0, 1, 1), "stride": (3, 2, 2), "groups": 4}),
}  # fmt: skip


@pytest.fixture(scope="module", params=LAYERS)
def layer(request):
    return on_integers(*LAYERS[request.param])


@pytest.mark.parametrize("name", LAYERS)
def test_layers_take_this_way(name, monkeypatch):
    """Else the tests below would test another one."""
    assert kernels_taken(monkeypatch, "channels_last", *LAYERS[name]) == ["direct_last"]


class TestProducts(ProductChecks):
    """Of groups, by this way where channels are last."""


@pytest.mark.parametrize("name", LAYERS)
@together()
def test_same_bits_for_any_split(name, dtype, cpu_level):
    same_bits_for_any_split(*LAYERS[name], "channels_last", (1, 2, 3, 5), dtype)
