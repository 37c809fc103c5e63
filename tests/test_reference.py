"""The reference against cases computed by hand, and against torch where it is installed.

Everything else is measured against the reference, so nothing here asks fastconv.
"""

import doctest
import itertools

import numpy as np
import pytest

import reference
from reference import _numbers, _padding, _windows, gradients

NAN = np.nan


def row(*values, dtype=np.float64):
    """One image of one channel with one spatial axis."""
    return np.array(values, dtype).reshape(1, 1, -1)


def plane(text, dtype=np.float64):
    """One image of one channel from rows of digits, ``"12 34"``."""
    return np.array([[list(map(int, line)) for line in text.split()]], dtype)[None]


BY_HAND = {
    # 1*1 + 2*10 = 21, 2*1 + 3*10 = 32, 3*1 + 4*10 = 43: the kernel is not flipped
    "conv": (reference.conv(row(1, 2, 3, 4), row(1, 10)), row(21, 32, 43)),
    "bias": (reference.conv(row(1, 2, 3, 4), row(1, 10), np.array([100.0])), row(121, 132, 143)),
    "stride": (reference.conv(row(1, 2, 3, 4), row(1, 10), stride=2), row(21, 43)),
    "dilation": (reference.conv(row(1, 2, 3, 4), row(1, 10), dilation=2), row(31, 42)),
    "padding": (reference.conv(row(1, 2, 3), row(1, 10), padding=1), row(10, 21, 32, 3)),
    "pairs": (reference.conv(row(1, 2, 3), row(1, 10), padding=((2, 0),)), row(0, 10, 21, 32)),
    "same": (reference.conv(row(1, 2, 3), row(1, 10), padding="same"), row(21, 32, 3)),
    "same_lower": (reference.conv(row(1, 2, 3), row(1, 10), padding="same_lower"), row(10, 21, 32)),
    "full": (reference.conv(row(1, 2), row(1, 10, 100), padding="full"), row(100, 210, 21, 2)),
    "reflect": (reference.conv(row(1, 2, 3), row(1, 10), padding=1, padding_mode="reflect"), row(12, 21, 32, 23)),
    "circular": (reference.conv(row(1, 2, 3), row(1, 10), padding=1, padding_mode="circular"), row(13, 21, 32, 13)),
    "replicate": (reference.conv(row(1, 2, 3), row(1, 10), padding=1, padding_mode="replicate"), row(11, 21, 32, 33)),
    "relu": (reference.conv(row(1, -2, 3), row(1), activation="relu"), row(1, 0, 3)),
    "relu6": (reference.conv(row(7, -2, NAN), row(1), activation="relu6"), row(6, 0, NAN)),
    # input channels 1 2 | 3 4, weights 1 10 | 1 10: groups do not see one another
    "groups": (
        reference.conv(np.array([[1.0], [2], [3], [4]])[None], np.array([[[1.0], [10]], [[1], [10]]]), groups=2),
        np.array([[[21.0], [43]]]),
    ),
    "two axes": (reference.conv(plane("123 456 789"), plane("10 01")), np.array([[[[6.0, 8], [12, 14]]]])),
    "unbatched": (reference.conv(row(1, 2, 3)[0], row(1, 1)), row(3, 5)[0]),
    "magnitude": (reference.magnitude(row(1, -2, 3), row(1, -1), np.array([-1.0])).astype(np.float64), row(4, 6)),
    # each element times the kernel, two apart: 1 10 . . + . . 2 20
    "transpose": (reference.conv_transpose(row(1, 2), row(1, 10), stride=2), row(1, 10, 2, 20)),
    "transpose overlapping": (reference.conv_transpose(row(1, 2), row(1, 10)), row(1, 12, 20)),
    "transpose cropped": (reference.conv_transpose(row(1, 2), row(1, 10), stride=2, padding=1), row(10, 2)),
    "transpose longer": (
        reference.conv_transpose(row(1, 2), row(1, 10), stride=2, output_padding=1), row(1, 10, 2, 20, 0),
    ),
    "max": (reference.max_pool(row(1, 3, 2, 5), 2), row(3, 5)),
    "max ceil": (reference.max_pool(row(1, 3, 2, 5, 4), 2, ceil_mode=True), row(3, 5, 4)),
    "max padded": (reference.max_pool(row(-1, -3, -2), 3, 1, 1), row(-1, -1, -2)),
    "max dilated": (reference.max_pool(row(1, 9, 2, 5), 2, 1, dilation=2), row(2, 9)),
    "max NaN": (reference.max_pool(row(1, NAN, 2, 5), 2, 1), row(NAN, NAN, 5)),
    "average": (reference.avg_pool(row(1, 3, 2, 6), 2), row(2, 4)),
    "average padded": (reference.avg_pool(row(3, 6, 9), 3, 1, 1), row(3, 6, 5)),
    "average without": (reference.avg_pool(row(3, 6, 9), 3, 1, 1, count_include_pad=False), row(4.5, 6, 7.5)),
    "average divisor": (reference.avg_pool(row(3, 6, 9), 3, 1, 1, divisor_override=1), row(9, 18, 15)),
    # the last window reads 5 and the padding after it (counted), and hangs over by one (not counted): 6 / 2
    "average ceil": (reference.avg_pool(row(1, 2, 3, 6), 3, 2, 1, ceil_mode=True), row(1, 11 / 3, 3)),
    "lp": (reference.lp_pool(row(3, -4, 0, 2), 2, 2), row(5, 2)),
    # ends of windows are rounded up: [0, 2) [1, 4) [3, 5)
    "adaptive average": (reference.adaptive_avg_pool(row(1, 3, 5, 7, 9), (3,)), row(2, 5, 8)),
    "adaptive max": (reference.adaptive_max_pool(row(1, 9, 5, 7, 3), (3,)), row(9, 9, 7)),
    "adaptive None": (reference.adaptive_max_pool(row(1, 9, 5), (None,)), row(1, 9, 5)),
    "global": (reference.global_avg_pool(plane("12 36")), np.full((1, 1, 1, 1), 3.0)),
    "unpool": (reference.max_unpool(row(3, 5), np.array([[[1, 3]]]), 2), row(0, 3, 0, 5)),
    "unfold": (reference.unfold(plane("12 34 56"), (2, 2)), np.array([[[1.0, 3], [2, 4], [3, 5], [4, 6]]])),
    "fold": (
        reference.fold(np.array([[[1.0, 3], [2, 4], [3, 5], [4, 6]]]), (3, 2), (2, 2)), plane("12 68 56"),
    ),
    "gradient of input": (gradients.conv_input((1, 1, 3), row(1, 10), row(1, 2)), row(1, 12, 20)),
    "gradient of weight": (gradients.conv_weight(row(1, 2, 3), (1, 1, 2), row(1, 10)), row(21, 32)),
    "gradient of bias": (gradients.conv_bias(row(1, 2, 3), rank=1), np.array([6.0])),
    "gradient of max": (
        gradients.max_pool(row(1, 2, 4), np.array([[[1, 1, 3]]]), (1, 1, 4), rank=1), row(0, 3, 0, 4),
    ),
    "gradient of average": (gradients.avg_pool(row(2, 4), (1, 1, 4), 2), row(1, 1, 2, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name):
    result, expected = BY_HAND[name]
    np.testing.assert_array_equal(result, expected, strict=True)


def test_indices_by_hand():
    """Flat within a plane, the first of equals, the first NaN."""
    values, indices = reference.max_pool(plane("1221 1221 0000 0000"), 2, return_indices=True)
    np.testing.assert_array_equal(values[0, 0], [[2, 2], [0, 0]])
    np.testing.assert_array_equal(indices[0, 0], [[1, 2], [8, 10]], strict=True)
    _, indices = reference.max_pool(row(1, NAN, NAN, 9), 4, return_indices=True)
    assert indices.tolist() == [[[1]]]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("zeros", [0, 0, 0, 1, 2, 3, 0, 0]),
        ("replicate", [1, 1, 1, 1, 2, 3, 3, 3]),
        ("circular", [1, 2, 3, 1, 2, 3, 1, 2]),
        ("symmetric", [3, 2, 1, 1, 2, 3, 3, 2]),
        ("reflect", [2, 3, 2, 1, 2, 3, 2, 1]),
    ],
)
def test_padding_modes_by_hand(mode, expected):
    np.testing.assert_array_equal(_padding.pad(np.array([1, 2, 3]), ((3, 2),), mode), expected)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "upper", "lower"),
    [
        (5, 3, 1, 1, (1, 1), (1, 1)),
        (5, 2, 1, 1, (0, 1), (1, 0)),
        (6, 3, 2, 1, (0, 1), (1, 0)),
        (7, 3, 2, 1, (1, 1), (1, 1)),
        (5, 3, 1, 2, (2, 2), (2, 2)),
        (7, 1, 3, 1, (0, 0), (0, 0)),
    ],
)
def test_same_by_hand(size, kernel, stride, dilation, upper, lower):
    axis = ((size,), (kernel,), (stride,), (dilation,))
    assert _padding.pairs("same", *axis) == (upper,)
    assert _padding.pairs("same_lower", *axis) == (lower,)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pair", "dilation", "floor", "ceil"),
    [
        (5, 2, 2, (0, 0), 1, 2, 3),
        (4, 2, 2, (0, 0), 1, 2, 2),
        (5, 2, 2, (1, 1), 1, 3, 3),  # 3.5 windows, the fourth would start in the padding after
        (3, 2, 3, (0, 0), 1, 1, 1),  # 1.33 windows, the second would start beyond the end
        (7, 2, 1, (0, 0), 3, 4, 4),
        (8, 3, 2, (0, 0), 1, 3, 4),
    ],
)
def test_number_of_windows_by_hand(size, kernel, stride, pair, dilation, floor, ceil):
    assert _windows.count(size, kernel, stride, pair, dilation) == floor
    assert _windows.count(size, kernel, stride, pair, dilation, ceil_mode=True) == ceil


def test_types():
    """The result has the type of the data, rounded once; mixed types give the wider one."""
    x = np.full((1, 1, 1), 2**11 + 1, np.float32)
    assert reference.conv(x, x).dtype == np.float32
    assert reference.conv(x, x.astype(np.float64)).dtype == np.float64
    tiny = np.array([[[2048, 1, 1]]], np.float16)
    assert reference.conv(tiny, np.ones((1, 1, 3), np.float16))[0, 0, 0] == 2050  # 2048 if rounded at each step


def test_non_finite():
    """IEEE: zero times NaN is NaN, only where the window touches."""
    np.testing.assert_array_equal(reference.conv(row(1, NAN, 2, 3), row(0, 1)), row(NAN, NAN, 3))
    np.testing.assert_array_equal(reference.conv(row(np.inf, 1, 2), row(0, 1)), row(NAN, 2))


@pytest.mark.parametrize("module", [_numbers, _padding, _windows], ids=lambda module: module.__name__)
def test_examples(module):
    assert doctest.testmod(module).failed == 0


def drawn(rank, seed):
    """Shapes, arguments and small integers of one random case."""
    rng = np.random.default_rng((rank, seed))
    pick = lambda low, high: tuple(int(v) for v in rng.integers(low, high + 1, rank))  # noqa: E731
    groups = int(rng.integers(1, 4))
    kernel, sizes = pick(1, 3), pick(6, 8)
    numbers = lambda *shape: rng.integers(-4, 5, shape).astype(np.float64)  # noqa: E731
    return {
        "x": numbers(2, groups * 2, *sizes), "w": numbers(groups * 2, 2, *kernel), "b": numbers(groups * 2),
        "wt": numbers(groups * 2, 1, *kernel), "kernel": kernel, "stride": pick(1, 3), "dilation": pick(1, 2),
        "padding": tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel), "groups": groups,
        "ceil": bool(rng.integers(2)), "include": bool(rng.integers(2)), "out": pick(1, 9), "numbers": numbers,
    }  # fmt: skip


def tensor(array):
    import torch

    return torch.from_numpy(array).requires_grad_(array.dtype == np.float64)


def same(result, theirs):
    np.testing.assert_allclose(result, theirs.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.fixture
def of():
    """of(name, rank) is torch's function of that name and rank."""
    functions = pytest.importorskip("torch").nn.functional
    return lambda name, rank: getattr(functions, f"{name}{rank}d")


drawn_often = pytest.mark.parametrize(("rank", "seed"), [*itertools.product((1, 2, 3), range(20))])


@drawn_often
def test_torch_convolution(rank, seed, of):
    """Convolution, its gradients by torch's autograd, and the transposed one."""
    c = drawn(rank, seed)
    x, w, b = (tensor(c[name]) for name in "xwb")
    arguments = (c["stride"], c["padding"], c["dilation"], c["groups"])
    ours, theirs = reference.conv(c["x"], c["w"], c["b"], *arguments), of("conv", rank)(x, w, b, *arguments)
    same(ours, theirs)
    flowing = c["numbers"](*ours.shape)
    theirs.backward(tensor(flowing))
    same(gradients.conv_input(c["x"].shape, c["w"], flowing, *arguments), x.grad)
    same(gradients.conv_weight(c["x"], c["w"].shape, flowing, *arguments), w.grad)
    same(gradients.conv_bias(flowing, rank=rank), b.grad)

    extra = tuple(s - 1 for s in c["stride"])
    transposed = (c["stride"], c["padding"], extra, c["groups"], c["dilation"])
    same(reference.conv_transpose(c["x"], c["wt"], None, *transposed),
         of("conv_transpose", rank)(x, tensor(c["wt"]), None, *transposed))  # fmt: skip


@drawn_often
def test_torch_pooling(rank, seed, of):
    """Maxima with their places, means, and the gradients of both by torch's autograd."""
    c = drawn(rank, seed)
    pool = (c["kernel"], c["stride"], c["padding"])
    x = tensor(c["x"])
    values, indices = reference.max_pool(c["x"], *pool, 1, c["ceil"], return_indices=True)
    theirs = of("max_pool", rank)(x, *pool, 1, c["ceil"], True)
    same(values, theirs[0])
    same(indices, theirs[1])
    flowing = c["numbers"](*values.shape)
    theirs[0].backward(tensor(flowing))
    same(gradients.max_pool(flowing, indices, c["x"].shape, rank=rank), x.grad)

    x = tensor(c["x"])
    average = (*pool, c["ceil"], c["include"])
    ours, theirs = reference.avg_pool(c["x"], *average), of("avg_pool", rank)(x, *average)
    same(ours, theirs)
    flowing = c["numbers"](*ours.shape)
    theirs.backward(tensor(flowing))
    same(gradients.avg_pool(flowing, c["x"].shape, *average), x.grad)


@drawn_often
def test_torch_other_pooling(rank, seed, of):
    """Adaptive pooling and unpooling."""
    c = drawn(rank, seed)
    x = tensor(c["x"])
    same(reference.adaptive_avg_pool(c["x"], c["out"]), of("adaptive_avg_pool", rank)(x, c["out"]))
    values, indices = reference.adaptive_max_pool(c["x"], c["out"], return_indices=True)
    theirs = of("adaptive_max_pool", rank)(x, c["out"], return_indices=True)
    same(values, theirs[0])
    same(indices, theirs[1])
    values, indices = reference.max_pool(c["x"], c["kernel"], return_indices=True)
    sizes = c["x"].shape[2:]
    same(reference.max_unpool(values, indices, c["kernel"], output_size=sizes),
         of("max_unpool", rank)(tensor(values), tensor(indices), c["kernel"], output_size=sizes))  # fmt: skip


@pytest.mark.parametrize("seed", range(10))
def test_torch_patches(seed):
    """unfold and fold, which torch has for two axes."""
    torch = pytest.importorskip("torch")
    functions = torch.nn.functional
    c = drawn(2, seed)
    arguments = (c["kernel"], c["dilation"], c["padding"], c["stride"])
    ours, theirs = reference.unfold(c["x"], *arguments), functions.unfold(torch.from_numpy(c["x"]), *arguments)
    np.testing.assert_array_equal(ours, theirs)
    sizes = c["x"].shape[2:]
    np.testing.assert_array_equal(reference.fold(ours, sizes, *arguments), functions.fold(theirs, sizes, *arguments))
