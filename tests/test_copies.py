"""Layers that are computed in copies of the other memory order: which are, and that no bit changes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv
from fastconv import _cpu, _direct, _plan, _tuned
from fastconv._methods import DIRECT, choose
from tests import data
from tests.geometries import LONG, MEASURED, geometry, is_copied
from tests.layouts import channels_last
from tests.product_checks import on_integers

FEW = (1, 12, 80, 80), (1, 12, 5, 5)


@pytest.mark.parametrize("vectors", MEASURED, indirect=True)
def test_few_outputs_of_channels_last_memory_are_copied_where_that_repays(vectors):
    """12 to 1 channels of 5x5 on 80x80 took 3.2 times as long by the register tile as they lie, by vectors of 64 bytes,
    which had not been measured, 4.8 times; on 10x10 the call takes longer than that."""
    assert is_copied(geometry(*FEW, padding=2, last=1))
    assert not is_copied(geometry(*FEW, padding=2, last=0))
    assert not is_copied(geometry((1, 12, 10, 10), FEW[1], last=1))
    assert not is_copied(geometry(FEW[0], (8, 12, 5, 5), last=1))
    assert not is_copied(geometry(*FEW, padding=2, last=1), "im2col")


SHORT_ROWS = {
    "few outputs": ((2, 24, 20, 28, 7), (2, 24, 3, 3, 3), 2, 1),
    "a vector of outputs": ((2, 8, 32, 28, 3), (16, 8, 3, 3, 3), 1, (1, 0, 1)),
}


@pytest.mark.parametrize("vectors", MEASURED, indirect=True)
def test_short_rows_of_channels_first_memory_are_copied_where_that_repays(vectors):
    """32 to 1 channels of 3x3x3 at stride 3 on 56x56x5 took 0.57 ms as they lay, most of it for patches that are copied
    a row at a time, and take 0.1 in copies; long rows, many outputs and few pixels stay."""
    assert is_copied(geometry(*SHORT_ROWS["few outputs"]))
    assert not is_copied(geometry((1, 8, 64, 7, 40), (16, 8, 3, 3, 3), 1, 1))
    assert not is_copied(geometry((1, 8, 64, 56, 5), (128, 8, 3, 3, 3), 1, 1))
    assert not is_copied(geometry((1, 24, 4, 7, 7), (2, 24, 3, 3, 3), 2, 1))
    assert not is_copied(geometry((1, 4, 64, 28, 5), (2, 4, 3, 3, 3), 1, 1)), "short sums have one order on any map"


@pytest.mark.parametrize("vectors", LONG, indirect=True)
def test_short_rows_of_a_vector_of_outputs_are_copied_where_patches_are_dear(vectors):
    """By vectors of 64 bytes, whose products take less time beside the copies."""
    assert is_copied(geometry(*SHORT_ROWS["a vector of outputs"]))


@pytest.mark.parametrize("name", SHORT_ROWS)
@pytest.mark.parametrize("threads", [1, 3])
def test_short_rows_that_are_copied_have_the_bits_of_channels_last_memory(name, threads, dtype, cpu_level):
    input, weight, stride, padding = SHORT_ROWS[name]
    x, w, bias = data.normal(input, dtype), data.normal(weight, dtype), data.normal(weight[:1], dtype)
    same = {"stride": stride, "padding": padding, "method": "direct"}
    with fastconv.num_threads(threads):
        first, last = (fastconv.conv3d(a, w, bias, **same) for a in (x, channels_last(x, 1)))
        out = data.filled_with_nan(first.shape, dtype)
        prepared = fastconv.prepare(w, bias, **same)(x, out=out)
    assert prepared is out
    assert first.flags.c_contiguous
    if is_copied(geometry(input, weight, stride, padding, itemsize=np.dtype(dtype).itemsize), "direct"):
        data.assert_identical(first, last)
    data.assert_identical(prepared, first)
    x, w, _, expected = on_integers(input, weight, {"stride": stride, "padding": padding})
    data.assert_identical(fastconv.conv3d(x.astype(dtype), w.astype(dtype), **same), expected.astype(dtype))


GROUPED = (1, 96, 56, 56), (64, 3, 5, 5), 1, 2, 32


MULTIPLIED = (1, 3, 112, 112), (6, 1, 5, 5), 1, 2, 3
MULTIPLIED_MORE = (1, 6, 14, 17), (96, 1, 4, 4), 1, 2, 6


@pytest.mark.parametrize("vectors", MEASURED, indirect=True)
def test_groups_and_depthwise_layers_are_copied_where_that_repays(vectors):
    """All groups of few outputs were, and 512 to 2 channels of 1x1 at stride 3 took 17 times as long as they lie; no
    depthwise layers were, and 3 channels of 2 kernels of 5x5 each took 1.8 times as long as copies."""
    assert is_copied(geometry(*GROUPED, last=1))
    assert is_copied(geometry(*MULTIPLIED, last=1))
    assert not is_copied(geometry((1, 512, 20, 20), (2, 256, 1, 1), 3, 0, 2, last=1))
    assert not is_copied(geometry((1, 64, 56, 56), (64, 1, 3, 3), 1, 1, 64, last=1))
    assert not is_copied(geometry((1, 256, 28, 28), (256, 8, 3, 3), 1, 1, 32, last=1))


@pytest.mark.parametrize("vectors", MEASURED, indirect=True)
def test_few_channels_by_themselves_of_many_outputs_are_left_to_the_register_tile(vectors):
    """6 channels of 16 kernels of 4x4 each took 2.5 times as long by lanes along channels, 1.7 times by copies."""
    g = geometry(*MULTIPLIED_MORE, last=1)
    assert DIRECT.kernel(g) == "direct_last"
    assert not is_copied(g)
    assert DIRECT.kernel(geometry((1, 6, 14, 17), (6, 1, 4, 4), 1, 2, 6, last=1)) == "depthwise_last"
    assert DIRECT.kernel(geometry((1, 96, 14, 17), (192, 1, 4, 4), 1, 2, 96, last=1)) == "depthwise_last"


def test_few_channels_by_themselves_have_the_bits_of_channels_first_memory(dtype, cpu_level):
    """Short sums have one order."""
    input, weight, stride, padding, groups = MULTIPLIED_MORE
    x, w, bias = data.normal((2, *input[1:]), dtype), data.normal(weight, dtype), data.normal(weight[:1], dtype)
    first, last = (
        fastconv.conv2d(a, w, bias, stride, padding, groups=groups, method="direct") for a in (x, channels_last(x, 1))
    )
    assert last.tobytes() == first.tobytes()


@pytest.mark.parametrize(("input", "weight", "stride", "padding", "groups"), [GROUPED, MULTIPLIED])
def test_groups_that_are_copied_have_the_bits_of_channels_first_memory(input, weight, stride, padding, groups, dtype):
    g = geometry(input, weight, stride, padding, groups, np.dtype(dtype).itemsize, last=1)
    x, w = data.normal((2, *input[1:]), dtype), data.normal(weight, dtype)
    first, last = (
        fastconv.conv2d(a, w, None, stride, padding, groups=groups, method="direct") for a in (x, channels_last(x, 1))
    )
    assert is_copied(g, "direct")
    assert last.tobytes() == first.tobytes()


def test_choice_of_a_copy_weighs_transforms_of_what_lies_there(vectors):
    """Transforms of many outputs are as fast in both memory orders: those are not copied."""
    g = geometry((1, 3, 56, 56), (64, 3, 11, 11), 1, 5, last=1)
    assert choose(g)[0].name == "fft"
    assert not is_copied(g)


@pytest.mark.parametrize("method", ["auto", "direct"])
@pytest.mark.parametrize("threads", [1, 2])
def test_few_outputs_that_are_copied_have_the_bits_of_channels_first_memory(method, threads, dtype, cpu_level):
    input, weight = (3, *FEW[0][1:]), FEW[1]
    copied = is_copied(geometry(input, weight, 1, 2, itemsize=np.dtype(dtype).itemsize, last=1), method)
    for make in (data.integers, data.normal) if copied else (data.integers,):
        x, w = make(input, dtype), make(weight, dtype)
        with fastconv.num_threads(threads):
            last = fastconv.conv2d(channels_last(x, 1), w, padding=2, method=method)
            assert last.tobytes() == fastconv.conv2d(x, w, padding=2, method=method).tobytes()
        assert last.strides[1] == last.itemsize


def test_few_outputs_that_are_copied_are_known_to_the_door(dtype, cpu_level, monkeypatch):
    """Copies went the long way each time: with 12 to 1 channels of 5x5 on 20x20 that took 18 us a call."""
    x, w = channels_last(data.normal((1, *FEW[0][1:]), dtype), 1), data.normal(FEW[1], dtype)
    first = fastconv.conv2d(x, w, padding=2)
    monkeypatch.setattr("fastconv._conv.by_plan", None)
    again = fastconv.conv2d(x, w, padding=2)
    assert again.tobytes() == first.tobytes()
    assert again.strides == first.strides


def test_transposed_convolution_of_few_outputs_follows_the_memory_order_of_its_product(dtype, cpu_level):
    """Of stride 1 it is one convolution: where that is copied to channels-first memory, the whole of it is."""
    x, w = data.integers((2, 12, 80, 80), dtype), data.integers((12, 2, 5, 5), dtype)
    last = fastconv.conv_transpose2d(channels_last(x, 1), w, padding=2)
    data.assert_identical(last, fastconv.conv_transpose2d(x, w, padding=2))
    assert last.strides[1] == last.itemsize


@pytest.mark.parametrize("vectors", LONG, indirect=True)
def test_outputs_of_several_groups_cost_more_in_place(vectors):
    """24 channels in 4 groups of 1x1 on 56x56 took 1.7 times as long in a batch of eight as by copies, but where cores
    compute whole vectors 0.87 times."""
    copied = _tuned.measured() == (64, 32)
    assert is_copied(geometry((1, 24, 56, 56), (24, 6, 1, 1), groups=4, last=1)) == copied


@pytest.mark.parametrize("copied", [1, 5000])
def test_batches_are_copied_a_few_images_at_a_time(copied, monkeypatch, dtype, cpu_level):
    """As many as stay in cache: eight images of 16 channels on 224x224 took 1.4 times as long copied at once."""
    x, w = channels_last(data.normal((5, 4, 9, 17), dtype), 1), data.normal((2, 4, 3, 3), dtype)
    monkeypatch.setattr(_plan, "COPIED", copied)
    whole = fastconv.conv2d(np.ascontiguousarray(x), w, padding=1)
    result = np.full((5, 2, 9, 17), np.nan, dtype)
    plan = _plan.plan_conv("conv2d", 2, x.shape, w.shape, np.dtype(dtype), 0, 1, 1, 1, 1, "zeros", None, "auto")
    _plan.by_copies(plan.run, 0)(plan.geometry, x, w, None, result, *plan.clamp, 1)
    data.assert_identical(result, whole)


CONTRADICTIONS = {  # that were copied to either memory order for what lay in the other one
    "few outputs, long steps": ((1, 3, 40, 14, 9), (1, 3, 2, 5, 7), (1, 4, 3), (0, 2, 2)),
}


@pytest.mark.parametrize("vectors", LONG, indirect=True)
@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_short_rows_are_as_dear_in_copies_as_where_they_lie(name, vectors):
    """Channels-last, 3 to 1 channels took 198 us in copies and take 70 in place."""
    assert is_copied(geometry(*CONTRADICTIONS[name]))
    assert not is_copied(geometry(*CONTRADICTIONS[name], last=1))


AXIS = st.tuples(*map(st.sampled_from, ((3, 5, 9, 14, 28, 56), (1, 2, 3, 4, 5, 7), (1, 1, 2, 3, 4), (0, 0, 1, 3))))


@pytest.mark.parametrize("level", _cpu.available())
@settings(max_examples=300)
@given(axes=st.lists(AXIS, min_size=2, max_size=3), data=st.data())
def test_no_layer_is_copied_to_both_memory_orders(level, axes, data):
    size, kernel, stride, padding = zip(*axes, strict=True)
    draw = data.draw
    groups, inputs = draw(st.sampled_from(((1, 2), (1, 3), (1, 8), (1, 64), (1, 256), (8, 4), (16, 1), (96, 1))))
    outputs = draw(st.sampled_from((1, 1, 2, 4, 8, 16, 64)))
    size = [max(s, k) for s, k in zip(size, kernel, strict=True)]
    shapes = (1, groups * inputs, *size), (groups * outputs, inputs, *kernel)
    itemsize = draw(st.sampled_from((4, 8)))
    with _cpu.override(level):
        first, last = (geometry(*shapes, stride, padding, groups, itemsize, order) for order in (0, 1))
        assert not (_direct.is_copied(first) and _direct.is_copied(last))


VOLUMES = {  # channels-first and depthwise
    "long strides": ((1, 960, 8, 8, 8), (960, 1, 4, 4, 4), (4, 4, 2), 0, 960),
    "three columns": ((1, 512, 9, 10, 3), (512, 1, 3, 3, 3), (1, 1, 2), 0, 512),
    "two results each": ((1, 192, 7, 6, 5), (384, 1, 3, 3, 3), 2, 1, 192),
    "long sums": ((1, 96, 7, 9, 7), (96, 1, 7, 5, 5), 2, (3, 2, 2), 96),
}


@pytest.mark.parametrize("vectors", MEASURED, indirect=True)
@pytest.mark.parametrize("name", VOLUMES)
def test_depthwise_volumes_are_copied_where_that_repays(name, vectors):
    """960 channels of 4x4x4 on 8x8x8, eight of them, took 1384 us by rows that leave most lanes idle."""
    assert is_copied(geometry(*VOLUMES[name]))
    assert not is_copied(geometry(*VOLUMES[name], last=1)), "to and fro"


@pytest.mark.parametrize("vectors", MEASURED, indirect=True)
def test_short_sums_of_depthwise_volumes_are_chosen_without_the_map(vectors):
    """Both ways add up taps in orders of their own, so that pieces of a volume would have other bits than the whole."""
    for size in (4, 9, 30, 70):
        assert is_copied(geometry((1, 256, size, size, size), (256, 1, 3, 3, 3), 2, 1, 256))
        assert not is_copied(geometry((1, 32, size, size, size), (32, 1, 1, 3, 3), 1, (0, 1, 1), 32))
    for width in (7, 64):  # long sums look at the map
        assert is_copied(geometry((1, 96, 7, 9, width), (96, 1, 7, 5, 5), 2, (3, 2, 2), 96)) == (width == 7)


@pytest.mark.parametrize("name", VOLUMES)
@pytest.mark.parametrize("threads", [1, 3])
def test_depthwise_volumes_that_are_copied_have_the_bits_of_channels_last_memory(name, threads, dtype, cpu_level):
    input, weight, stride, padding, groups = VOLUMES[name]
    input = 3, *input[1:]
    x, w, bias = data.normal(input, dtype), data.normal(weight, dtype), data.normal(weight[:1], dtype)
    same = {"stride": stride, "padding": padding, "groups": groups}
    with fastconv.num_threads(threads):
        first, last = (fastconv.conv3d(a, w, bias, **same) for a in (x, channels_last(x, 1)))
        out = data.filled_with_nan(first.shape, dtype)
        prepared = fastconv.prepare(w, bias, **same)(x, out=out)
        alone = fastconv.conv3d(x[1:2], w, bias, **same)
    assert first.flags.c_contiguous
    data.assert_identical(prepared, first)
    data.assert_identical(first[1:2], alone)
    if is_copied(geometry(input, weight, stride, padding, groups, np.dtype(dtype).itemsize)):
        data.assert_identical(first, last)
    x, w, _, expected = on_integers(input, weight, same)
    data.assert_identical(fastconv.conv3d(x.astype(dtype), w.astype(dtype), **same), expected.astype(dtype))
