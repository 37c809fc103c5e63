"""Shape arithmetic and receptive fields: against counting, against hand-computed networks, and against the layers."""

import itertools

import numpy as np
import pytest

from fastconv._conv import conv1d, conv2d
from fastconv._pool import avg_pool1d, avg_pool2d, max_pool2d
from fastconv.shapes import ReceptiveField, conv_output_shape, pool_output_shape, receptive_field
from tests.data import assert_identical, integers, normal

# hand-computed: arguments, result
CONV_SHAPES = (
    (((1, 3, 224, 224), (64, 3, 7, 7), 2, 3), (1, 64, 112, 112)),
    (((3, 32, 33), (8, 3, 3, 3)), (8, 30, 31)),
    (((2, 4, 10), (6, 2, 3), 1, 0, 4, 2), (2, 6, 2)),
    (((1, 1, 5, 6, 7), (2, 1, 1, 2, 3), (1, 2, 3), ((0, 0), (1, 0), (0, 2))), (1, 2, 5, 3, 3)),
    (((1, 2, 7, 8), (3, 2, 4, 4), 3, "same"), (1, 3, 3, 3)),
    (((1, 2, 7, 8), (3, 2, 4, 4), 1, "full"), (1, 3, 10, 11)),
    (((0, 2, 7, 8), (3, 2, 4, 4), 1, "valid"), (0, 3, 4, 5)),
)
POOL_SHAPES = (
    (((1, 64, 112, 112), 3, 2, 1), (1, 64, 56, 56)),
    (((64, 113, 113), (2, 2)), (64, 56, 56)),
    (((64, 113, 113), (2, 2), None, 0, 1, True), (64, 57, 57)),
    (((1, 1, 4), 2, 3, 1, 1, True), (1, 1, 2)),  # a third window would start in the padding after
    (((2, 5, 9, 10, 11), (2, 3, 1), 2, ((1, 0), (0, 1), (0, 0)), (1, 2, 1)), (2, 5, 5, 4, 6)),
)

VGG16 = [layer for convs in (2, 2, 3, 3, 3) for layer in [(3, 1, 1)] * convs + [(2, 2)]]
ALEXNET = [(11, 4), (3, 2), (5, 1, 2), (3, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1), (3, 2)]
RESNET50 = [(7, 2, 3), (3, 2, ((0, 1),))]  # as TensorFlow's slim builds it: the last unit of a block has the stride
RESNET50 += [
    layer
    for units, stride in ((3, 2), (4, 2), (6, 2), (3, 1))
    for unit in range(1, units + 1)
    for layer in ((1,), (3, stride if unit == units else 1, 1), (1,))
]
# the last three as in the table of Araujo, Norris & Sim 2019
FIELDS = (
    ([], ReceptiveField((1,), (1,), (0,), ((0, 0),))),
    ([(3,)], ReceptiveField((3,), (1,), (0,), ((0, 2),))),
    ([(3, 1, 1)], ReceptiveField((3,), (1,), (-1,), ((1, 1),))),
    ([(1, 3)], ReceptiveField((1,), (3,), (0,), ((0, 0),))),
    ([{"kernel_size": 2, "stride": None}] * 2, ReceptiveField((4,), (4,), (0,), ((0, 0),))),
    ([{"kernel_size": 5, "padding": "same", "dilation": 2}], ReceptiveField((9,), (1,), (-4,), ((4, 4),))),
    ([(4, 1, "same"), (4, 1, "same_lower")], ReceptiveField((7,), (1,), (-3,), ((3, 3),))),
    ([(3, 1, ((2, 0),)), (2, 2, ((0, 1),))], ReceptiveField((4,), (2,), (-2,), ((2, 0),))),
    (
        [((3, 5), (1, 2), ((1, 0), (0, 2))), (3, 2, 1, (1, 3))],
        ReceptiveField((5, 17), (2, 4), (-2, -2), ((2, 1), (2, 11))),
    ),
    ([(7, 2, 3), (3, 2, 1)], ReceptiveField((11,), (4,), (-5,), ((5, 2),))),
    (ALEXNET, ReceptiveField((195,), (32,), (-64,), ((64, 99),))),
    (VGG16, ReceptiveField((212,), (32,), (-90,), ((90, 90),))),
    (RESNET50, ReceptiveField((483,), (32,), (-239,), ((239, 212),))),
)


@pytest.mark.parametrize(("arguments", "expected"), CONV_SHAPES)
def test_conv_output_shape(arguments, expected):
    assert conv_output_shape(*arguments) == expected


@pytest.mark.parametrize(("arguments", "expected"), POOL_SHAPES)
def test_pool_output_shape(arguments, expected):
    assert pool_output_shape(*arguments) == expected


AXES = tuple(itertools.product((1, 4, 7, 10), (1, 2, 3), (1, 2, 3), (0, 1, 2), (0, 1), (1, 2)))


def test_shapes_count_windows():
    """Windows counted one by one: those inside the padded input; with ceil_mode also one that leaves it half-way."""
    counted = 0
    for size, k, s, before, after, d in AXES:
        span, padding = d * (k - 1) + 1, ((before, after),)
        starts = [p for p in range(-before, size + after, s) if p + span <= size + after]
        if not starts:
            continue
        assert conv_output_shape((1, size), (1, 1, k), s, padding, d) == (1, len(starts))
        if max(before, after) < span and d == 1:
            further = starts[-1] + s
            leaves = starts[-1] + span < size + after and further < size
            assert pool_output_shape((1, size), (k,), s, padding, d) == (1, len(starts))
            assert pool_output_shape((1, size), (k,), s, padding, d, True) == (1, len(starts) + leaves)
            counted += leaves
    assert counted > 10


@pytest.mark.parametrize(("layers", "expected"), FIELDS)
def test_receptive_field_by_hand(layers, expected):
    assert receptive_field(layers) == expected
    assert receptive_field(iter(layers)) == expected


def test_receptive_field_is_exact_beyond_int64():
    field = receptive_field([(2**40, 2**40, 2**40)] * 3)
    assert field.jump == (2**120,)
    assert field.size == (1 + (2**40 - 1) * (1 + 2**40 + 2**80),)
    assert field.start == (-(2**40) * (1 + 2**40 + 2**80),)


def conv(name, oc, kernel, **arguments):
    """A layer: how to run it, and its description. The weights depend on `name`, and on the channels that come in."""

    def run(x):
        ic = x.shape[-len(kernel) - 1]
        make = normal if x.dtype == np.float32 else integers
        weight = make((oc, ic, *kernel), x.dtype, name) if name else np.ones((oc, ic, *kernel), x.dtype)
        return (conv1d, conv2d)[len(kernel) - 1](x, weight, **arguments)

    return run, {"kernel_size": kernel} | arguments


def pool(function, kernel, ceil_mode=False, **arguments):
    """A layer of pooling."""
    description = {"kernel_size": kernel, "stride": None} | arguments
    return lambda x: function(x, kernel, ceil_mode=ceil_mode, **arguments), description


STACKS = {
    "vgg": [
        conv("a", 6, (3, 3), padding=1),
        conv("b", 6, (3, 3), padding=1),
        pool(max_pool2d, (2, 2)),
        conv("c", 8, (3, 3), padding=1),
        pool(max_pool2d, (2, 2)),
    ],
    "resnet stem": [conv("a", 7, (7, 7), stride=2, padding=3), pool(max_pool2d, (3, 3), stride=2, padding=1)],
    "filters": [conv("a", 1, (3, 5), padding="same"), conv("b", 2, (5, 3), padding="same"), conv("c", 1, (3, 3))],
    "asymmetric": [
        conv("a", 5, (3, 4), padding=((2, 0), (0, 1)), stride=(1, 2)),
        conv("b", 3, (2, 3), padding=((0, 1), (2, 1)), dilation=(2, 1)),
        pool(avg_pool2d, (2, 2), padding=1, stride=2),
    ],
    "dilated, ceil_mode": [
        conv("a", 4, (3, 3), padding=2, dilation=2),
        pool(max_pool2d, (3, 3), stride=2, ceil_mode=True),
        conv("b", 6, (3, 3), padding="same_lower"),
    ],
    "without padding": [conv("a", 6, (5, 5)), conv("b", 5, (4, 4), stride=3), conv("c", 5, (1, 1), stride=2)],
}


def run(stack, x):
    """The output of a stack of layers."""
    for layer, _ in stack:
        x = layer(x)
    return x


def describe(stack):
    """What `receptive_field` takes."""
    return [description for _, description in stack]


def tiles(outputs, tile, size, jump, halo):
    """For each tile along an axis: its outputs, the piece of input to give the layers, where the outputs lie in theirs.

    As the documentation of `receptive_field` says: the tile with its halo, cut off at the edges of the image, from a
    multiple of `jump`.
    """
    for first in range(0, outputs, tile):
        last = min(first + tile, outputs)
        begin = max((first * jump - halo[0]) // jump * jump, 0)
        end = size if last == outputs else min(last * jump + halo[1], size)
        yield slice(first, last), slice(begin, end), slice(first - begin // jump, last - begin // jump)


@pytest.mark.parametrize("make", [integers, normal])
@pytest.mark.parametrize("tile", [(3, 5), (4, 4)])
@pytest.mark.parametrize("name", STACKS)
def test_tiles_with_their_halo_equal_the_whole(name, tile, make, cpu_level):
    """An image computed piece by piece is bit for bit the image computed at once: integers exactly, and floats too."""
    stack = STACKS[name]
    field = receptive_field(describe(stack))
    image = make((2, 3, 93, 118), np.float64 if make is integers else np.float32, "image")
    whole = run(stack, image)
    result = np.full_like(whole, np.nan)
    axes = [
        tuple(tiles(*axis)) for axis in zip(whole.shape[2:], tile, image.shape[2:], field.jump, field.halo, strict=True)
    ]
    for (outs_h, ins_h, own_h), (outs_w, ins_w, own_w) in itertools.product(*axes):
        piece = image[:, :, ins_h, ins_w]
        assert piece.size < image.size / 3
        result[:, :, outs_h, outs_w] = run(stack, piece)[:, :, own_h, own_w]
    assert_identical(result, whole)


def ones(kernel, **arguments):
    return conv("", 1, (kernel,), **arguments)


LINES = (
    [ones(3)],
    [ones(3, padding=1), ones(5, stride=2, padding=((3, 0),))],
    [ones(2, stride=3, padding=1), ones(3, dilation=2, padding=2), pool(avg_pool1d, (2,))],
    [ones(4, padding="same"), ones(4, padding="same_lower", dilation=3), ones(1, stride=4)],
)


@pytest.mark.parametrize("stack", LINES)
def test_no_element_of_the_window_is_spare(stack):
    """The first and last element that move an output, with all weights positive, are the ends of its window."""
    (size,), (jump,), (start,), _ = receptive_field(describe(stack))
    pixels = 60
    moved = run(stack, np.eye(pixels)[:, None])[:, 0] != 0  # (input element, output)
    inside = 0
    for u in range(moved.shape[1]):
        first, last = np.flatnonzero(moved[:, u])[[0, -1]]
        if u * jump + start >= 0 and u * jump + start + size <= pixels:
            assert (first, last) == (u * jump + start, u * jump + start + size - 1)
            inside += 1
    assert inside > 5


CONV_ERRORS = (
    (((5, 5), (3, 3)), ValueError, "weight_shape must have one to three spatial axes"),
    (((1,) * 6, (1,) * 6), ValueError, "weight_shape must have one to three spatial axes"),
    (((3, 5), (4, 3, 3, 3)), ValueError, "input must have shape"),
    (((3, 5, 5), (4, 2, 3, 3)), ValueError, "needs input with 2 channels"),
    (((3, 5, 5), (4, 1, 3, 3), 1, 0, 1, 3), ValueError, "groups=3 does not divide"),
    (((3, 5, 5), (4, 3, 6, 3)), ValueError, "larger than the padded input"),
    (((3, 5, 5), (4, 3, 0, 3)), ValueError, "empty kernel"),
    (((3, -5, 5), (4, 3, 3, 3)), ValueError, r"input_shape\[1\] must be at least 0"),
    (((3, 10**30, 5), (4, 3, 3, 3)), ValueError, r"input_shape\[1\] must be below 2\*\*62"),
    (((3, 5, 5), (4, 3, 3, 3), 0), ValueError, "stride must be at least 1"),
    (((3, 5, 5), (4, 3, 3, 3), 1, -1), ValueError, "padding must be at least 0"),
    (((3, 5, 5), (4, 3, 3, 3), 1, "half"), ValueError, "padding must be one of"),
    (((3, 5, 5), (4, 3, 3, 3), 1, 0, 0), ValueError, "dilation must be at least 1"),
    ((5, (4, 3, 3, 3)), TypeError, "input_shape must be a sequence"),
    (("abc", (4, 3, 3, 3)), TypeError, "input_shape must be a sequence"),
    ((None, (4, 3, 3, 3)), TypeError, "input_shape must be a sequence"),
    (((3, 5, 5.0), (4, 3, 3, 3)), TypeError, r"input_shape\[2\] must be an integer"),
    (((3, 5, (5,)), (4, 3, 3, 3)), TypeError, r"input_shape\[2\] must be an integer"),
    (({3, 5}, (4, 3, 3)), TypeError, "input_shape must be"),
    (((3, 5, 5), (4, 3, 3, 3), 1.0), TypeError, "stride must be an integer"),
)
POOL_ERRORS = (
    (((5,), 2), ValueError, "input_shape must have one to three spatial axes"),
    (((1, 2, 8, 8), ()), ValueError, "kernel_size must have one to three spatial axes"),
    (((1, 2, 8, 8), (2, 2, 2, 2)), ValueError, "kernel_size must have one to three spatial axes"),
    (((8, 8), (2, 2)), ValueError, "input must have shape"),
    (((1, 2, 8, 8), 2, 0), ValueError, "stride must be at least 1"),
    (((1, 2, 8, 8), 2, 2, 2), ValueError, "padding must be smaller than the dilated kernel"),
    (((1, 2, 8, 8), 9), ValueError, "larger than the padded input"),
    (((1, 2, 0, 8), 1), ValueError, "no elements along an axis"),
    (((1, 2, 8, 8), None), TypeError, "kernel_size must be an integer"),
    (((1, 2, 8, 8), "ab"), TypeError, "kernel_size must be"),
    (((1, 2, 8, 8), 2.5), TypeError, "kernel_size must be an integer"),
)
FIELD_ERRORS = (
    ((3,), TypeError, "layers must be an iterable"),
    (([3],), TypeError, r"layers\[0\] must be a dict or a tuple"),
    (([(3,), [3, 1]],), TypeError, r"layers\[1\] must be a dict or a tuple"),
    (([()],), ValueError, r"layers\[0\] must have one to four values"),
    (([(3, 1, 1, 1, 1)],), ValueError, r"layers\[0\] must have one to four values"),
    (([{"stride": 3}],), ValueError, r"layers\[0\] has no kernel_size"),
    (([{"kernel_size": 3, "groups": 3}],), TypeError, r"layers\[0\] has no 'groups'"),
    (([(3,), (0,)],), ValueError, r"layers\[1\]: kernel_size must be at least 1"),
    (([(3, 0)],), ValueError, r"layers\[0\]: stride must be at least 1"),
    (([(3, 1, -1)],), ValueError, r"layers\[0\]: padding must be at least 0"),
    (([(3, 1, "half")],), ValueError, r"layers\[0\]: padding must be one of"),
    (([(3, 2, "same")],), ValueError, "depends on the size of the input"),
    (([((3, 3),), (3, (1, 1, 1))],), ValueError, r"layers\[1\]: stride must be an integer or one for each axis, 2"),
    (([((),)],), ValueError, "at least one axis"),
    (([(3.0,)],), TypeError, r"layers\[0\]: kernel_size must be an integer"),
    (([(True,)],), TypeError, r"layers\[0\]: kernel_size must be an integer"),
    (([(None,)],), TypeError, r"layers\[0\]: kernel_size must be an integer"),
)
TABLES = {conv_output_shape: CONV_ERRORS, pool_output_shape: POOL_ERRORS, receptive_field: FIELD_ERRORS}
ERRORS = [(function, *row) for function, rows in TABLES.items() for row in rows]


@pytest.mark.parametrize(("function", "arguments", "error", "text"), ERRORS)
def test_errors_name_the_argument(function, arguments, error, text):
    with pytest.raises(error, match=f"^{function.__name__}: .*{text}"):
        function(*arguments)
