"""Which way a transposed convolution takes, and that each keeps its promises."""

import numpy as np
import pytest

import fastconv
from fastconv import _arrays, _cpu, _door, _phase_cost, _phase_plan, _phases, _transpose
from fastconv._arrays import FIRST, LAST
from fastconv._phases import Scratch
from tests import data
from tests.layouts import DENSE, LAYOUTS
from tests.together import together
from tests.transpose_cases import (
    CASES,
    CUT,
    DISJOINT,
    OVERLAPPED,
    SWAPPED,
    TRANSFORMED,
    Transpose,
    geometry_of,
    on_integers,
    operands,
    planned,
    replanned,
    run,
)

FEW_PIXELS = ((4, 512, 256, 3, True), (56, 512, 256, 4, False), (16, 128, 64, 4, False), (8, 24, 64, 9, False))
CORNERS = [case for case in TRANSFORMED if case.name.startswith("corners-")]
LANES_OF_RESULTS = (  # layers of a U-Net, channels last
    Transpose("unet", (1, 128, 56, 56), (128, 64, 2, 2), 2),
    Transpose("unet-deep", (1, 512, 28, 28), (512, 256, 2, 2), 2),
    Transpose("unet-groups", (1, 128, 28, 28), (128, 32, 2, 2), 2, groups=2),
    Transpose("unet3d", (1, 64, 16, 16, 16), (64, 32, 2, 2, 2), 2),
)
OWN_WAYS = [("disjoint", case) for case in DISJOINT] + [("overlap", case) for case in OVERLAPPED + CUT]


@pytest.mark.parametrize(("kernel", "case"), OWN_WAYS, ids=[case.name for _, case in OWN_WAYS])
def test_one_kernel_for_all_phases(kernel, case):
    assert planned(case).whole.run is _cpu.kernel(kernel).spread["float"]


@pytest.mark.parametrize("case", LANES_OF_RESULTS, ids=lambda case: case.name)
@together()
def test_channels_last_results_that_lie_apart_are_written_once(case, dtype, cpu_level):
    """By phases, or copied, 256 to 128 channels of 2x2 on 56x56 took 1.2 times as long as in PyTorch."""
    kind = "float" if dtype == "float32" else "double"
    assert planned(case, dtype, LAST).whole.run is _cpu.kernel("disjoint_last").spread[kind]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("layout", DENSE)
def test_every_way_gives_the_same(case, layout, threads, cpu_level, monkeypatch):
    """Whatever the prices say: ways that they take nowhere among these layers are as correct."""
    x, w, b = operands(case, data.integers, np.float32)
    x = LAYOUTS[layout](x, case.channel_axis)
    order = _arrays.layout(x, case.rank) if x.ndim > case.rank else FIRST
    monkeypatch.setattr("fastconv._plan.SERIAL_MACS", 0)
    monkeypatch.setattr("fastconv._winograd.goes_by_rows", lambda _: False)  # whose transforms round
    used, compute = [], _phases.compute
    monkeypatch.setattr(_phases, "compute", lambda *arguments: used.append(arguments[-1]) or compute(*arguments))
    for _, *way in list(_phase_plan.costs(geometry_of(case), np.dtype(np.float32), order)):
        monkeypatch.setattr(_phase_plan, "least_cost", lambda *_, way=way: way)
        _cpu._forget()
        out = LAYOUTS[layout](data.filled_with_nan(on_integers(case).shape, np.float32), case.channel_axis)
        with fastconv.num_threads(threads):
            run(case, x, w, b, out=out)
        _cpu._forget()
        data.assert_identical(out, on_integers(case).astype(np.float32))
    assert set(used) == ({threads} if out.size else set())


@pytest.mark.parametrize("case", SWAPPED, ids=lambda case: case.name)
@together(layout=DENSE)
def test_weights_transformed_as_they_lie(case, dtype, cpu_level, layout, monkeypatch):
    """Turning those of 512 to 512 channels of 3x3 beforehand took two fifths of the time on one image of 7x7."""
    monkeypatch.setattr("fastconv._winograd.goes_by_rows", lambda _: False)  # which has them turned
    _cpu._forget()
    x, w, b = operands(case, data.normal, dtype)
    x = LAYOUTS[layout](x, case.channel_axis)
    assert planned(case, dtype, _arrays.layout(x, case.rank)).whole.swapped
    turned = np.flip(w.swapaxes(0, 1), tuple(range(2, w.ndim)))
    conv = getattr(fastconv, f"conv{case.rank}d")
    expected = conv(x, turned, b, padding=w.shape[-1] - 1 - case.padding)
    for weight in (w, w, LAYOUTS["strided"](w, 1)):  # the second call is known
        np.testing.assert_array_equal(run(case, x, weight, b), expected)
    np.testing.assert_array_equal(run(case, x, 2 * w, 2 * b), 2 * expected)
    _cpu._forget()


def test_many_weights_of_few_pixels_are_read_once_at_short_vectors():
    """By AVX-512's costs 512 to 256 channels of 3x3 on 4x4 went by phases, which turn their weights in each call.

    Minimal filtering, which saves products, stays ahead on larger maps. Of few channels (24 to 64) adding products up
    is most of the work, which no batch shares: sixteen images took twice as long as by phases.
    """
    with _cpu.override("baseline"):  # whose costs are those of vectors of 32 bytes
        for size, inputs, outputs, kernel, one in FEW_PIXELS:
            case = Transpose("few pixels", (1, inputs, size, size), (inputs, outputs, kernel, kernel), 2, 1)
            assert (planned(case).whole is not None) == one, size


def test_padding_that_direct_sums_leave_out_costs_nothing():
    """128 to 16 channels of 3x3x3 six apart on 8x14x14 were products of all pixels, in 3.4 times the time."""
    case = Transpose("dilated", (1, 128, 8, 14, 14), (128, 16, 3, 3, 3), 1, 6, dilation=6)
    with _cpu.override("baseline"):  # whose costs are those of vectors of 32 bytes
        assert planned(case).whole.plan.method == "direct"


def test_channels_last_pixels_are_copied_where_one_product_is_faster(dtype, cpu_level):
    """By phases 4x4 maps of many channels took twice as long with channels last."""
    case = Transpose("dcgan", (2, 512, 4, 4), (512, 128, 4, 4), 2, 1)
    kind = "float" if dtype == "float32" else "double"
    assert planned(case, dtype, LAST).whole.run is _cpu.kernel("overlap").spread[kind]
    x, w, b = operands(case, data.normal, dtype)
    np.testing.assert_array_equal(run(case, LAYOUTS["channels_last"](x, 1), w, b), run(case, x, w, b))


def test_strides_over_single_pixels_do_not_matter(dtype, cpu_level):
    """Kernels had tables as long as the stride, which took seconds for 10**8 and did not end for 2**31."""
    shape, taps = (2, 3, 1, 2), (3, 4, 3, 5)
    x, w = data.integers(shape, dtype), data.integers(taps, dtype, "weight")
    expected = fastconv.conv_transpose2d(x, w, stride=(1, 2), padding=1)
    for stride in (3, 4, 10**8, 2**61):
        data.assert_identical(fastconv.conv_transpose2d(x, w, stride=(stride, 2), padding=1), expected)


def test_weights_that_one_pixel_does_not_meet_are_counted():
    """Of 9x9 taps one is seen, and phases turned all: 32 to 512 channels took 2.7 times as long as one product."""
    case = Transpose("one pixel", (1, 32, 1, 1), (32, 512, 9, 9), 3, 4)
    assert planned(case).whole.run is _cpu.kernel("overlap").spread["float"]


def test_weights_that_leave_the_cache_between_turning_and_use_are_counted():
    """At the price of small ones 1024 to 320 channels of 4x4 on 6x6 took 1.7 times as long by phases as by one product,
    1024 to 512 of 2x2 on 7x7 as long by the kernel of disjoint results."""
    for size, outputs, kernel, padding in ((6, 320, 4, 1), (7, 512, 2, 0)):
        case = Transpose("many weights", (1, 1024, size, size), (1024, outputs, kernel, kernel), 2, padding)
        assert planned(case).whole.run is _cpu.kernel("overlap").spread["float"]


def test_weights_of_one_box_are_transformed_by_their_convolution(dtype, cpu_level):
    """Beforehand, to memory that leaves the cache, 256 channels of 5x5 on 7x7 took twice as long."""
    case = Transpose("four phases", (1, 64, 20, 20), (64, 32, 5, 5), 2, 2)
    plan = planned(case, dtype)
    many = plan.images + 1
    assert not Scratch(plan, 1).packed
    assert Scratch(plan, many).packed
    x, w, b = operands(case._replace(input=(many, 64, 20, 20)), data.normal, dtype)
    np.testing.assert_array_equal(run(case, x, w, b), [run(case, image, w, b) for image in x])


def test_pixels_that_no_output_sees(dtype, cpu_level):
    """A box whose outputs lie beyond all pixels' reach divided by no pixels, which ended the process."""
    ones = {size: np.ones(size, dtype) for size in ((1, 32, 1), (32, 16, 2))}
    x, w = ones.values()
    data.assert_identical(
        fastconv.conv_transpose1d(x, w, np.arange(16, dtype=dtype), stride=8, padding=2, output_padding=6),
        np.broadcast_to(np.arange(16, dtype=dtype)[:, None], (1, 16, 4)),
    )
    gradient = fastconv.grad.conv1d_input((1, 16, 1), w, x, stride=8, padding=2)
    np.testing.assert_array_equal(gradient, np.zeros((1, 16, 1), dtype), strict=True)


@pytest.mark.parametrize("case", CORNERS, ids=lambda case: case.name)
@together(layout=DENSE)
def test_corners_are_summed_exactly(case, layout, dtype, cpu_level, monkeypatch):
    """One convolution for each phase in each of four corners took a third of the time of 64 to 32 channels on 14x14."""
    monkeypatch.setattr("fastconv._winograd.goes_by_rows", lambda _: False)  # which needs no corners
    x, w, b = operands(case, data.integers, dtype)
    x = LAYOUTS[layout](x, case.channel_axis)
    with replanned(own_kernels=lambda *_: ()):  # phases, whatever one kernel would cost
        assert planned(case, dtype, _arrays.layout(x, case.rank)).corners
        result = run(case, x, w, b)
    outermost = (..., slice(None, None, case.input[-2] * 9), slice(None, None, case.input[-1] * 9))
    for flip in ((), (-1,), (-2,), (-2, -1)):
        exact = np.flip(on_integers(case), flip)[outermost].astype(dtype)
        data.assert_identical(np.flip(result, flip)[outermost], exact)


@pytest.mark.parametrize("vectors", [(64, 64)], indirect=True)
def test_edges_of_one_convolution_cost_what_direct_sums_of_them_do(vectors):
    """By the price of corners of phases 32 to 64 channels of 5x2x5 in two groups on 22x5x7 were added up from products
    of all pixels, which took 4.5 times as long (Emerald Rapids, 2026-12-01)."""
    case = Transpose("edges", (1, 32, 22, 5, 7), (32, 32, 5, 2, 5), 1, (0, 0, 2), groups=2)
    assert _phase_plan.least_cost(geometry_of(case), np.dtype("float32"), FIRST) == (FIRST, None)


def test_weights_that_minimal_filtering_turns_cost_less_than_those_turned_before_it():
    """Charged alike at vectors of 32 bytes, 128 to 320 channels of 3x3 on 7x7 took 2.9 times as long in eights."""
    with _cpu.override("baseline"):
        for inputs, outputs in ((128, 320), (512, 512)):
            case = Transpose("stride 1", (8, inputs, 7, 7), (inputs, outputs, 3, 3), 1, 1)
            assert planned(case).whole.swapped


@pytest.mark.parametrize("vectors", [(64, 64)], indirect=True)
@pytest.mark.parametrize(
    ("size", "inputs", "outputs", "kernel", "padding", "order"),
    [(8, 512, 128, 4, 2, FIRST), (8, 512, 48, 5, 2, FIRST), (4, 128, 1, 4, 0, LAST)],
)
def test_weights_turned_and_taps_copied_beforehand_are_paid_for(vectors, size, inputs, outputs, kernel, padding, order):
    """By prices without them these took twice as long as by overlapping products, the last in sixteens 5.5 times
    (Sapphire Rapids, 2026-12-01)."""
    case = Transpose("before", (1, inputs, size, size), (inputs, outputs, kernel, kernel), 1, padding)
    assert _phase_plan.least_cost(geometry_of(case), np.dtype("float32"), order) == (FIRST, "overlap")


@pytest.mark.parametrize(("size", "taps"), [(8, 4), (7, 3), (20, 2)])
def test_planes_that_go_down_their_columns_have_a_price_of_their_own(size, taps, cpu_level):
    """By that of gathering rows phases or disjoint results took 3 to 3.7 times as long (Zen 5, 2026-12-01)."""
    case = Transpose("planes", (1, 384, size, size), (384, 1, taps, taps), 2, (taps - 1) // 2, groups=384)
    assert planned(case).whole.run is _cpu.kernel("gather").spread["float"]


@pytest.mark.parametrize(("rows", "taps", "way"), [(1, 3, "gather"), (1, 4, "gather"), (2, 4, "gather_down")])
def test_planes_of_which_much_is_cut_go_row_by_row(rows, taps, way, cpu_level):
    """Down their columns 64 of one row of 400 columns took 1.31 times as long, most in vain (Zen 5, 2026-12-01)."""
    case = Transpose("cut", (1, 64, rows, 200), (64, 1, taps, 4), 2, 1, groups=64)
    assert _phase_cost.way_of_gather(geometry_of(case), 4) == way


def test_few_columns_of_a_wide_plane_are_written_beside_the_others(cpu_level):
    """What is left of so many bands is less than a vector: a whole one would reach into the first band's columns."""
    columns = 1049 * 1024 + 3
    case = Transpose("wide", (1, 1, 1, columns), (1, 1, 2, 3), 2, (0, 1), bias=False)
    with replanned(least_cost=lambda *_: (FIRST, "gather")):
        out = run(case, *operands(case, data.integers, np.float32))
    data.assert_identical(out, on_integers(case).astype(np.float32))


@pytest.mark.parametrize("given", [False, True], ids=["", "out"])
@pytest.mark.parametrize("images", [1, 2, 5])
def test_batches_are_copied_a_few_images_at_a_time(images, given, monkeypatch):
    """By the one kernel of channels-first memory, for channels-last: the same bits as image by image."""
    rng = np.random.default_rng(0)
    x = np.moveaxis(rng.standard_normal((images, 6, 7, 8), dtype=np.float32), -1, 1)
    weight, bias = rng.standard_normal((8, 3, 3, 3), dtype=np.float32), np.arange(3, dtype=np.float32)
    monkeypatch.setattr("fastconv._phases.COPIED", 2 * 4 * (8 * 6 * 7 + 3 * 13 * 15))
    monkeypatch.setattr("fastconv._plan.SERIAL_MACS", 0)
    out = np.moveaxis(np.empty((images, 13, 15, 3), np.float32), -1, 1) if given else None
    with replanned(copies_cost=lambda g: -1e12):  # as if copies took no time
        result = fastconv.conv_transpose2d(x, weight, bias, 2, out=out)
        alone = [fastconv.conv_transpose2d(image, weight, bias, 2) for image in x]
    np.testing.assert_array_equal(result, alone)
    assert result is out or not given
    assert result.strides[1] == result.itemsize


def test_channels_last_results_that_fill_no_vector_go_by_phases(cpu_level):
    """Of all phases together, 64 to 3 channels of 2x2 on 64x64 fill one; taken a row of taps at a time 1.4 times as
    long."""
    case = Transpose("few outputs", (1, 64, 64, 64), (64, 1, 2, 2), 2)
    assert planned(case, order=LAST).whole is None


@pytest.mark.parametrize("way", ["overlap", None])
def test_pixels_that_are_copied_are_known_to_the_door(way, monkeypatch):
    """Channels-last ones, by the ways of channels-first memory: 8 channels of 3x3 on 4x4 took 25 us, now 13."""
    case = Transpose("copied", (2, 3, 9, 11), (3, 4, 3, 3), 2)
    x, w, b = operands(case, data.integers, np.float32)
    x = LAYOUTS["channels_last"](x, 1)
    _door.cache_clear()
    with replanned(least_cost=lambda *_: (FIRST, way)):
        first = run(case, x, w, b)
        monkeypatch.setattr(_transpose, "settled", None)  # the long way is closed
        again = run(case, x, w, b)
    data.assert_identical(first, on_integers(case).astype(np.float32))
    data.assert_identical(again, first)
    assert again.strides == first.strides
    assert again.strides[1] == again.itemsize
