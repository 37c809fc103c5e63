"""Choices that follow what was measured of the vectors in use: ways of rows, of planes, and of few outputs."""

import numpy as np
import pytest

import fastconv
from fastconv import _cpu, _depthwise, _gradients, _phases, _plan, _tuned, _weight_choice
from fastconv._methods import DIRECT, choose
from tests.geometries import LONG, MEASURED, geometry


def test_staged_planes_that_a_stride_splits_are_turned_only_where_that_is_faster(vectors):
    """By AVX-512's rule, all that can be: 10x10 at stride 2 of 24 planes of 56x56 takes 1.3 times as long so."""
    assert _depthwise.kernel(geometry((1, 24, 56, 56), (24, 1, 10, 10), 2, 4, 24)) is None
    assert _depthwise.kernel(geometry((1, 64, 20, 20), (64, 1, 2, 2), 2, 0, 64)) == "planes"


def test_rows_under_even_kernels_are_read_in_place(vectors):
    """As those under odd ones are: staged, 384 planes of 42x42 by 2x2 took 1.8 times as long."""
    assert _depthwise.kernel(geometry((1, 384, 42, 42), (384, 1, 2, 2), 1, 0, 384)) == "near_rows"
    assert _depthwise.kernel(geometry((1, 64, 112, 112), (64, 1, 2, 2), 2, 0, 64)) == "near_rows"


def test_large_planes_are_turned_where_a_stride_picks_single_elements(vectors):
    """As if rows of these were split by shuffles, 320 planes of 54x65 by 3x3 at stride 3 took 1.8 times as long."""
    assert _depthwise.kernel(geometry((1, 320, 54, 65), (320, 1, 3, 3), 3, 1, 320)) == "planes"
    assert _depthwise.kernel(geometry((1, 64, 112, 112), (64, 1, 8, 8), 2, 3, 64)) is None


def test_rows_of_vectors_are_whole_ones(vectors):
    """By AVX-512's costs 3x3 on 144 planes of 15x15 was turned, which took 1.27 times as long as rows in place."""
    assert _depthwise.kernel(geometry((1, 144, 15, 15), (144, 1, 3, 3), 1, 1, 144)) == "near_rows"


def test_rows_three_apart_share_nothing(vectors):
    """By thresholds for strided kernels 4x4 at stride 3 of 4 to 3 channels took 2.2 times the register tile's time."""
    assert DIRECT.kernel(geometry((1, 16, 40, 32), (12, 4, 4, 4), 3, 1, 4)) == "direct"
    assert DIRECT.kernel(geometry((1, 16, 40, 32), (12, 4, 4, 4), 1, 1, 4)) == "filter"


def test_rows_of_three_taps_at_stride_two_share_few_loads(vectors):
    """By products alone they were shared, which took 1.2 times the register tile's time; over five taps they repay."""
    assert DIRECT.kernel(geometry((1, 16, 64, 64), (4, 16, 3, 3), 2, 1)) == "direct"
    assert DIRECT.kernel(geometry((1, 16, 64, 64), (2, 16, 3, 3), 2, 1)) == "filter"
    assert DIRECT.kernel(geometry((1, 16, 64, 64), (4, 16, 5, 5), 2, 2)) == "filter"


@pytest.mark.parametrize("vectors", LONG, indirect=True)
def test_rows_of_long_vectors_share_loads_under_odd_columns_of_taps(vectors):
    """Tiles of 3, 5 and 7 taps share what they load; as if those of 4 did, 12 to 6 channels of 4x4 on 160x160 took 470
    us as rows and 282 by the register tile, 416 to 192 in 32 groups on 33x33 1.68 times as long (Zen 5, 2026-12-01).
    By 5x5 6 outputs take 454 as rows and 426 by the tile since it reads them in larger blocks, 4 take 310 and 317."""
    for taps, outputs, taken in (4, 6, "direct"), (4, 1, "filter"), (5, 4, "filter"):
        assert DIRECT.kernel(geometry((1, 12, 160, 160), (outputs, 12, taps, taps), 1, 1)) == taken
    assert DIRECT.kernel(geometry((2, 416, 33, 33), (192, 13, 4, 4), 1, 1, 32)) == "direct"


@pytest.mark.parametrize("vectors", MEASURED, indirect=True)
def test_rows_with_a_common_factor_of_stride_and_dilation_share_nothing(vectors):
    """32 to 5 channels of 5x5 on 160x160 took 2.6 times the register tile's time as rows at stride and dilation 2."""
    assert DIRECT.kernel(geometry((1, 32, 160, 160), (5, 32, 5, 5), 2, 4, dilation=2)) == "direct"
    assert DIRECT.kernel(geometry((1, 32, 160, 160), (3, 32, 5, 5), 1, 4, dilation=2)) == "filter"
    assert DIRECT.kernel(geometry((1, 32, 160, 160), (2, 32, 5, 5), 2, 6, dilation=3)) == "filter"


@pytest.mark.parametrize("vectors", LONG, indirect=True)
def test_rows_of_long_vectors_serve_more_than_four_outputs(vectors):
    """By thresholds 12 to 5 channels of 7x7 on 28x28 were left to the register tile: 2.5 times as long in float64."""
    assert DIRECT.kernel(geometry((1, 12, 28, 28), (5, 12, 7, 7), 1, 3, itemsize=8)) == "filter"
    assert DIRECT.kernel(geometry((1, 12, 28, 28), (5, 12, 7, 7), 1, 3)) == "filter"
    assert DIRECT.kernel(geometry((1, 12, 28, 28), (16, 12, 7, 7), 1, 3)) == "direct"
    assert DIRECT.kernel(geometry((1, 24, 112, 112), (4, 24, 1, 5), 1, 0)) == "direct"


@pytest.mark.parametrize("vectors", MEASURED, indirect=True)
def test_two_kernels_a_channel_share_rows_at_stride_two(vectors):
    """The register tile, whose groups cost more than their products, took twice as long."""
    assert DIRECT.kernel(geometry((1, 64, 28, 28), (128, 1, 3, 3), 2, 1, 64)) == "filter"


@pytest.mark.parametrize("vectors", LONG, indirect=True)
def test_idle_lanes_of_long_sums_count(vectors):
    """Volumes of four columns took up to seven times the register tile's time; short sums have one order on any map."""
    for size, taken in (8, "direct"), (58, "filter"):
        assert DIRECT.kernel(geometry((1, 16, size, size), (3, 16, 5, 5), 1, 0)) == taken
    for size in (8, 58):
        assert DIRECT.kernel(geometry((1, 4, size, size), (3, 4, 5, 5), 1, 0)) == "filter"


def test_small_maps_of_few_outputs_turn_weights_where_their_kernel_says_so(cpu_level):
    """Rows were taken wherever they take less than the register tile, which is not what sums these: 512 to 1 channels
    of 4x4 on 6x6 took 54 us instead of 12. Short sums have one order on any map."""
    for channels, size, taken in (512, 6, "direct"), (512, 28, "filter"), (8, 6, "filter"):
        assert DIRECT.kernel(geometry((1, channels, size, size), (1, channels, 4, 4))) == taken


def test_long_sums_by_rows_stay_in_the_cache(cpu_level):
    """What rows of output see was staged up to 2^21 elements: 1024 to 4 channels of 4x4 at stride 2 on 40x40 took 14 ms
    instead of 3.2."""
    for channels, taken in (512, "filter"), (1024, "direct"):
        assert DIRECT.kernel(geometry((1, channels, 40, 40), (1, channels, 4, 4), 2, 2)) == taken


@pytest.mark.parametrize("vectors", [(64, 64)], indirect=True)
def test_tall_bands_of_rows_stay_where_they_lie(vectors):
    """Priced as bands of eight rows, 240 planes of 28x28 by 5x5 and 192 by 7x7 were turned, which took 1.2 times as
    long; 18 columns are turned still, in 0.77 of the time (Zen 5, 2026-12-01)."""
    for side, taps, taken in (28, 5, "near_rows"), (28, 7, "near_rows"), (14, 7, "near_rows"), (18, 7, "planes"):
        g = geometry((1, 240, side, side), (240, 1, taps, taps), 1, taps // 2, 240)
        assert _depthwise.kernel(g) == taken


@pytest.mark.parametrize("vectors", LONG, indirect=True)
def test_direct_sums_cost_less_where_cores_compute_whole_vectors(vectors):
    """By costs of cores that halve them 96 channels of 3x3 at stride 2 on 20x20 take 1.05 times as long as summed
    directly (Zen 5, 2026-12-01); larger maps repay transforms everywhere, and so do four tiles, whose weights are
    transformed as they are multiplied (512 on 7x7 0.7 of the time)."""
    small = "direct" if _tuned.measured() == (64, 64) else "winograd"
    for channels, size, stride, taken in (512, 7, 1, "winograd"), (96, 20, 2, small), (128, 56, 2, "winograd"):
        g = geometry((1, channels, size, size), (channels, channels, 3, 3), stride, 1)
        assert choose(g)[0].name == taken


@pytest.mark.parametrize("vectors", [(64, 64)], indirect=True)
def test_outputs_of_minimal_filtering_need_fill_no_vectors(vectors):
    """With outputs for lanes 17 to 33 channels of 3x3 on 55x61 took 1.4 times as long as summed directly, 8 to 8 of 7x7
    on 112x112 2.9 times (Emerald Rapids, 2026-12-01). With tiles for lanes they take 0.8 and 0.9 of that time, 16 to 16
    of 3x3 on 112x112 0.6 of the time by outputs; 32 to 64 on 28x28 1.25, 48 to 80 on 57x61 1.15, whose points leave L1.
    By rows of points 36 to 36 on 80x80 take 0.73, 40 to 64 on 56x56, which fill vectors, 1.22 (Zen 5, 2026-12-01)."""
    for input, weight, taken in (
        ((1, 17, 55, 61), (33, 17, 3, 3), "winograd_short"),
        ((1, 8, 112, 112), (8, 8, 7, 7), "winograd_short"),
        ((1, 16, 112, 112), (16, 16, 3, 3), "winograd_short"),
        ((1, 32, 28, 28), (64, 32, 3, 3), "winograd"),
        ((1, 48, 57, 61), (80, 48, 3, 3), "winograd"),
        ((1, 40, 56, 56), (64, 40, 3, 3), "winograd"),
        ((1, 36, 80, 80), (36, 36, 3, 3), "winograd_rows"),
    ):
        g = geometry(input, weight, 1, weight[2] // 2)
        assert choose(g, "winograd")[0].kernel(g) == taken
    assert choose(geometry((1, 17, 55, 61), (33, 17, 3, 3), 1, 1))[0].name == "winograd"


@pytest.mark.parametrize("vectors", [(64, 64)], indirect=True)
def test_kernels_are_transformed_in_little_time(vectors):
    """16 to 16 channels of 11x11 on 56x56, which a price of Zen 4 left to minimal filtering, take 1.6 times as long by
    it, 12 to 12 of 9x9 on 28x28 1.7 times; 64 to 64 of 7x7 on 14x14 take 3.6 times as long (Zen 5, 2026-12-01)."""
    for input, weight, taken in (
        ((1, 16, 56, 56), (16, 16, 11, 11), "fft"),
        ((1, 12, 28, 28), (12, 12, 9, 9), "fft"),
        ((1, 64, 14, 14), (64, 64, 7, 7), "winograd"),
    ):
        assert choose(geometry(input, weight, 1, weight[2] // 2))[0].name == taken


@pytest.mark.skipif("avx512" not in _cpu.available(), reason="of vectors of 64 bytes")
@pytest.mark.parametrize(
    ("input", "weight", "stride"),
    [((1, 3, 224, 224), (768, 3, 16, 16), 16), ((1, 12, 112, 98), (305, 12, 8, 7), (8, 7))],
)
def test_patches_side_by_side_are_columns_of_pixels(input, weight, stride):
    """By lanes along channels, with weights to be turned, 16x16 on 224x224 took 1.05 times as long."""
    with _cpu.override("avx512", 64):
        assert _cpu.kernel("direct").packed_layout(tuple(geometry(input, weight, stride, 0, 1))) is None


@pytest.mark.skipif("avx512" not in _cpu.available(), reason="of vectors of 64 bytes")
def test_four_tiles_of_dilated_outputs_cost_as_little_as_of_others():
    """Of these the last outputs were looked for as if outputs were neighbours: 256 to 32 channels by 3x3 two apart on
    8x8 were summed directly in 109 us, not in 65."""
    with _cpu.override("avx512", 64):
        g = geometry((1, 256, 8, 8), (32, 256, 3, 3), 1, 1, dilation=2)
        assert _cpu.kernel("winograd").transforms_few(tuple(g))
        assert choose(g)[0].name == "winograd"


@pytest.mark.parametrize("vectors", [(64, 64)], indirect=True)
def test_parts_of_a_kernel_and_pixels_that_a_stride_picks_cost_more(vectors):
    """By prices of one part at stride 1, 130 to 271 channels of 5x5 at stride 2 on 19x19 took 2.4 times as long as
    summed directly, 24 to 208 on 15x15 2.1 times (Emerald Rapids, 2026-12-01); many pixels repay transforms."""
    for inputs, outputs, size, padding, last, taken in (
        (130, 271, 19, (2, 0), 1, "direct"), (24, 208, 15, 2, 0, "direct"), (256, 256, 56, 2, 0, "winograd"),
    ):  # fmt: skip
        g = geometry((1, inputs, size, size), (outputs, inputs, 5, 5), 2, padding, last=last)
        assert choose(g)[0].name == taken


FEW = (1, 12, 80, 80), (1, 12, 5, 5)


@pytest.mark.parametrize("vectors", LONG, indirect=True)
def test_rows_that_far_taps_see_are_staged(vectors):
    """More of padding than of the image, which the tile leaves out: rows of 96 to 3 channels by 7x3 six apart took 1.7
    times as long, of 384 to 2 by 4x4x4 on 2x5x5 seven times."""
    g = geometry((1, 96, 26, 26), (3, 96, 7, 3), 3, (18, 6), dilation=6)
    assert DIRECT.kernel(g) == "direct"
    assert DIRECT.kernel(geometry((1, 96, 26, 26), (3, 96, 7, 3), 1, (3, 1))) == "filter"


@pytest.mark.parametrize("vectors", LONG, indirect=True)
def test_pixels_that_see_padding_count_for_few_outputs(vectors):
    """They are copied, a tap at a time, which had no price: 12 to 1 channels of 5x5 on 80x80 took 93 us by lanes along
    them and by copies, with padding 126 and 74; weights of few pixels neither: 256 to 4 by 4x4 on 7x7 took twice as
    long as by the register tile. Short sums have one order on any map."""
    assert DIRECT.kernel(geometry(*FEW, last=1)) == "few_last"
    assert DIRECT.kernel(geometry(*FEW, padding=2, last=1)) == "direct_last"
    assert DIRECT.kernel(geometry((1, 256, 7, 7), (4, 256, 4, 4), 4, 2, last=1)) == "direct_last"
    assert DIRECT.kernel(geometry((1, 256, 28, 28), (4, 256, 4, 4), 4, 2, last=1)) == "few_last"
    for size, padding in (3, 1), (40, 0):
        assert DIRECT.kernel(geometry((1, 16, size, size), (1, 16, 3, 3), 1, padding, last=1)) == "few_last"


@pytest.mark.parametrize("vectors", MEASURED, indirect=True)
def test_gradients_of_few_outputs_run_along_long_rows_only(vectors):
    """Along short ones 28 to 3 channels of 5x5x5 on planes of 5x5 took 37 times as long as by outer products."""
    kernel = _weight_choice.kernel
    assert kernel(geometry((8, 28, 5, 5), (3, 28, 5, 5)), 8) == "weight_grad"
    assert kernel(geometry((1, 256, 5, 5), (128, 8, 3, 3), 1, 1, 32), 8) == "weight_grad"
    assert kernel(geometry((1, 32, 40, 200), (64, 1, 5, 5), 1, 2, 32), 1) == "tap_grad"
    assert kernel(geometry((1, 1, 100, 200), (2, 1, 3, 3), 1, 1), 1) == "tap_grad"
    assert kernel(geometry((1, 2, 1, 3000), (2, 1, 1, 7), 1, (0, 3), 2), 1) == "tap_grad"


@pytest.mark.parametrize("vectors", MEASURED, indirect=True)
@pytest.mark.parametrize("last", [0, 1])
def test_gradients_of_1x1_kernels_are_products_in_both_memory_orders(vectors, last):
    """Outer products take 1.1 to 1.3 times as long, rows for one output a group up to 4 times. In place, channels last,
    at AVX-512 it is 0.8 of the time, of few channels at AVX2 0.7."""
    for channels, outputs, groups in ((64, 64, 1), (256, 3, 1), (3, 256, 1), (128, 8, 8)):
        g = geometry((1, channels, 28, 28), (outputs, channels // groups, 1, 1), last=last, groups=groups)
        in_place = last and max(channels, outputs) <= groups * _tuned.tuned().weight_grad.in_place
        assert _weight_choice.kernel(g, 1) == ("pixel_grad" if in_place else "point_grad")
    g = geometry((1, 4, 60, 60), (12, 1, 1, 1), groups=4, last=last)
    assert _weight_choice.kernel(g, 1) == "tap_grad"


@pytest.mark.parametrize(
    ("shape", "weight", "stride", "several"),
    [
        ((1, 960, 7, 7), (960, 1, 3, 3), 1, True),
        ((1, 384, 14, 14), (384, 1, 3, 3), 1, True),
        ((1, 576, 14, 14), (576, 1, 3, 3), 2, True),
        ((1, 64, 14, 14), (96, 64, 1, 1), 1, True),
        ((1, 64, 7, 7), (64, 1, 3, 3), 1, False),
        ((1, 16, 14, 14), (16, 16, 1, 1), 1, False),
    ],
)
def test_elements_count_where_products_are_few(shape, weight, stride, several):
    """960 planes of 7x7 by 3x3 have 0.4 million products and take as long as a million of others: counted by products
    alone they stayed on one thread, which first had another's half of the input to fetch. Outputs alone are few at a
    stride."""
    groups, settings = shape[1] // weight[1], ("zeros", None, "auto")
    plan = _plan.plan_conv("conv2d", 2, shape, weight, np.dtype("float32"), 0, stride, 1, 1, groups, *settings)
    assert (plan.threads > 1) == several


@pytest.mark.parametrize(("shape", "weight"), [((1, 6, 28, 28), (16, 6, 5, 5)), ((1, 32, 12, 12), (32, 32, 3, 3))])
def test_minimal_filtering_is_shared_as_soon_as_direct_sums(shape, weight):
    """Its products are fewer, but what is beside them is shared too: counted as a quarter, such layers stayed on one
    thread and took 1.4 times as long."""
    plan = _plan.plan_conv("conv2d", 2, shape, weight, np.dtype("float32"), 0, 1, 0, 1, 1, "zeros", None, "winograd")
    assert plan.threads > 1


@pytest.mark.parametrize(("channels", "several"), [(64, False), (960, True)])
def test_elements_count_in_gradients_and_transposed_layers(channels, several, monkeypatch):
    """These counted products alone, so that depthwise layers which two threads share forward stayed on one."""
    shape, weight, sizes = (1, channels, 7, 7), (channels, 1, 3, 3), (1, 1, 1, channels)
    plan = _gradients.plan_weight("", 2, shape, weight, shape, sizes, np.dtype("float32"), 0)
    assert (plan.threads > 1) == several
    used = []
    monkeypatch.setattr(_phases, "compute", lambda *arguments: used.append(arguments[-1]))
    monkeypatch.setattr(_phases, "remember", lambda *arguments, **options: None)
    with fastconv.num_threads(2):
        fastconv.conv_transpose2d(np.ones(shape, np.float32), np.ones(weight, np.float32), padding=1, groups=channels)
    assert used == [2 if several else 1]


@pytest.mark.parametrize("vectors", MEASURED, indirect=True)
def test_dilated_rows_without_neighbours_are_left_to_the_register_tile(vectors):
    """Rows shorter than a vector, short phases and many of them share no loads, but had the price of those that do: 160
    to 4 channels by 5x5 six apart to 12x8 took 2.8 times as long. Short sums are not chosen by the size of the map."""
    assert DIRECT.kernel(geometry((1, 4, 80, 80), (3, 4, 3, 3), 1, 2, dilation=2)) == "filter"
    assert DIRECT.kernel(geometry((1, 4, 7, 7), (3, 4, 3, 3), 1, 2, dilation=2)) == "filter"
    assert DIRECT.kernel(geometry((1, 3, 80, 80), (5, 3, 5, 5), 1, 0, dilation=6)) == "direct"
    assert DIRECT.kernel(geometry((1, 160, 32, 32), (4, 160, 5, 5), 1, (2, 0), dilation=6)) == "direct"
