"""Bad input of conv1d, conv2d and conv3d: what follows from being a convolution. `bad_input_cases` has the classes."""

import numpy as np

from tests.bad_input_cases import INF, NAN, Function, every
from tests.data import integers
from tests.layouts import WRITABLE

SIZE = (6, 7, 8)
MODES = ("reflect", "symmetric", "circular")


def conv(rank):
    """Two groups of two channels each, on a batch of two."""
    valid = {
        "input": integers((2, 4, *SIZE[:rank]), np.float32),
        "weight": integers((6, 2, *(3,) * rank), np.float32),
        "bias": integers((6,), np.float32),
        "groups": 2,
    }
    return Function(
        f"conv{rank}d", rank, valid, ("stride", "dilation"), ("padding",), ("groups",),
        ("padding_mode", "activation", "method"), (), ("input", "weight", "bias"), (), ("bias", "activation"),
    )  # fmt: skip


def cases():
    for rank in (1, 2, 3):
        f = conv(rank)
        for rows in (every, empty_weights, empty_inputs, channels, padded_windows, large_kernels, large_sizes,
                     paddings, outs, wide_mirrors, unallocatable):  # fmt: skip
            yield from rows(f)


def bias_everywhere(f, *spatial):
    """The result where no product is summed: the bias at each pixel."""
    bias = f.valid["bias"].reshape(-1, *(1,) * f.rank)
    return np.broadcast_to(bias, (2, 6, *spatial)).copy()


def empty_weights(f):
    """Class 3; no output channels are an empty result, no kernel is nothing that could be computed."""
    kernel = (3,) * f.rank
    for axis in range(f.rank):
        shape = (6, 2, *kernel[:axis], 0, *kernel[axis + 1 :])
        yield f.error(3, f"no kernel, axis {axis}", ValueError, "weight", weight=np.zeros(shape, np.float32))
    yield f.error(3, "nothing", ValueError, "weight", weight=np.zeros((0,) * (f.rank + 2), np.float32))
    no_inputs = np.zeros((6, 0, *kernel), np.float32)
    yield f.error(3, "no inputs", ValueError, "weight", "input", str(no_inputs.shape), weight=no_inputs)
    size = tuple(s - 2 for s in SIZE[: f.rank])
    none = np.zeros((0, 2, *kernel), np.float32)
    yield f.result(3, "no outputs", (2, 0, *size), weight=none, bias=np.zeros(0, np.float32))
    yield f.error(3, "no outputs but a bias", ValueError, "bias", weight=none)


def empty_inputs(f):
    """Class 4: an empty batch is an empty result, nothing to sum is the bias, nothing to slide over is an error."""
    size, out = SIZE[: f.rank], tuple(s - 2 for s in SIZE[: f.rank])

    def zeros(*shape):
        return np.zeros(shape, np.float32)

    yield f.result(4, "no batch", (0, 6, *out), input=zeros(0, 4, *size))
    yield f.error(4, "no batch, stride 0", ValueError, "stride", input=zeros(0, 4, *size), stride=0)
    yield f.error(4, "no batch, groups 3", ValueError, "groups", input=zeros(0, 4, *size), groups=3)
    yield f.error(4, "no batch, too small", ValueError, "kernel", input=zeros(0, 4, *(2,) * f.rank))
    for method in ("auto", "direct", "im2col"):
        nothing = {"weight": zeros(6, 0, *(3,) * f.rank), "method": method}
        yield f.result(4, f"no channels, {method}", bias_everywhere(f, *out), input=zeros(2, 0, *size), **nothing)
        last = np.moveaxis(zeros(2, *size, 0), -1, 1)
        yield f.result(4, f"no channels, last, {method}", bias_everywhere(f, *out), input=last, **nothing)
        thin = {"input": zeros(2, 4, *size[1:], 0), "weight": integers((6, 2, *(2,) * f.rank), np.float32)}
        wide = bias_everywhere(f, *(s + 1 for s in size[1:]), 1)
        yield f.result(4, f"no pixels, {method}", wide, **thin, padding=1, method=method)
        last = np.moveaxis(zeros(2, *size[1:], 0, 4), -1, 1)
        yield f.result(4, f"no pixels, last, {method}", wide, **{**thin, "input": last}, padding=1, method=method)
    yield f.error(4, "no channels", ValueError, "weight", "input", input=zeros(2, 0, *size))
    nothing = zeros(2, 4, *(0,) * f.rank)
    yield f.error(4, "no pixels", ValueError, "kernel", input=nothing)
    yield f.error(4, "no pixels, too little padding", ValueError, "kernel", input=nothing, padding=1)


def channels(f):
    """Class 6: both shapes are in the message."""
    x, w = f.valid["input"], f.valid["weight"]
    for groups in (1, 4, 3, 6, 2**31, 2**61):
        yield f.error(6, f"groups={groups}", ValueError, "weight", "groups", str(x.shape), str(w.shape), groups=groups)
    odd = integers((5, 2, *(3,) * f.rank), np.float32)
    yield f.error(6, "outputs not divided", ValueError, "groups", weight=odd, bias=None)
    for n in (1, 2, 3, 5, 8):
        other = integers((2, n, *SIZE[: f.rank]), np.float32)
        yield f.error(6, f"input of {n}", ValueError, "weight", "input", str(other.shape), str(w.shape), input=other)
    for n in (0, 1, 5, 7, 12):
        yield f.error(6, f"bias of {n}", ValueError, "bias", bias=np.ones(n, np.float32))
    yield f.error(6, "bias of a column", ValueError, "bias", bias=np.ones((6, 1), np.float32))


def padded_windows(f):
    """Class 10: windows in padding see zeros; NaN and infinity come out as arithmetic has them."""
    x = f.valid["input"]
    positive = np.abs(f.valid["weight"])
    for method in ("direct", "im2col"):
        far = {"padding": 9, "stride": 50, "method": method}
        yield f.result(10, f"wholly in padding, {method}", bias_everywhere(f, *(1,) * f.rank), **far)
        for value in (NAN, INF, -INF):
            full = np.full((2, 6, *(s - 2 for s in SIZE[: f.rank])), value, np.float32)
            call = {"input": np.full_like(x, value), "weight": positive, "method": method}
            yield f.result(10, f"all {value}, {method}", full, **call)
        mixed = np.full_like(x, INF)
        mixed[..., 1] = -INF
        yield f.result(
            10, f"inf - inf, {method}", np.full((2, 6, *(1,) * f.rank), NAN, np.float32),
            input=mixed[(..., *(slice(0, 3),) * f.rank)], weight=positive, method=method,
        )  # fmt: skip


def large_kernels(f):
    """Class 11."""
    size = SIZE[: f.rank]
    for what, change in {
        "kernel": {"weight": np.ones((6, 2, *(s + 1 for s in size)), np.float32)},
        "one axis": {"weight": np.ones((6, 2, *(1,) * (f.rank - 1), size[-1] + 1), np.float32)},
        "dilated": {"dilation": 4},
        "dilated and padded": {"dilation": 20, "padding": 1},
        "one-sided padding": {"dilation": 8, "padding": ((0, 1),) * f.rank},
    }.items():
        yield f.error(11, what, ValueError, "kernel", **change)


def large_sizes(f):
    """Class 12: large numbers are right answers where they fit, and never wrap around."""
    ones = (1,) * f.rank
    x, w = f.valid["input"], f.valid["weight"]
    for method in ("direct", "im2col"):
        yield f.result(12, f"stride 2**61, {method}", (2, 6, *ones), stride=2**61, method=method)
        yield f.result(
            12, f"padding 2**60, {method}", bias_everywhere(f, *ones), padding=2**60, stride=2**62 - 1, method=method
        )
        groups = [x[:, :2]] * 3 + [x[:, 2:]] * 3
        sums = np.stack([np.tensordot(w[o, ..., *ones], group, (0, 1)) for o, group in enumerate(groups)], 1)
        sums += f.valid["bias"].reshape(-1, *ones)
        yield f.result(
            12, f"dilation 2**60, {method}", sums.astype(np.float32), dilation=2**60, padding=2**60, method=method
        )
    for what, change in {
        "padding 2**61": {"padding": 2**61},
        "padding 2**61 one side": {"padding": ((2**61, 0),) * f.rank},
        "padding 2**62 - 1": {"padding": 2**62 - 1},
        "dilation 2**61": {"dilation": 2**61},
        "dilation 2**61 same": {"dilation": 2**61, "padding": "same"},
        "dilation 2**61 full": {"dilation": 2**61, "padding": "full"},
        "dilation and padding 2**61": {"dilation": 2**61, "padding": 2**61},
        "replicate 2**60": {"padding": 2**60, "stride": 2**61, "padding_mode": "replicate"},
    }.items():
        yield f.error(12, what, ValueError, **change)


def paddings(f):
    """Class 2 for the forms that only padding has."""
    for what, value, raises in (
        ("of triples", ((1, 2, 3),) * f.rank, ValueError),
        ("of singles", ((1,),) * f.rank, ValueError),
        ("of empty pairs", ((),) * f.rank, ValueError),
        ("of too many pairs", ((1, 1),) * (f.rank + 1), ValueError),
        ("of pairs of floats", ((1.0, 1.0),) * f.rank, TypeError),
        ("of pairs of None", ((None, 1),) * f.rank, TypeError),
        ("of a negative pair", ((1, -1),) * f.rank, ValueError),
        ("of names", ("same",) * f.rank, TypeError),
        ("named upside down", "SAME", ValueError),
        ("named same_upper", "same_upper", ValueError),
    ):
        yield f.error(2, f"padding {what}", raises, "padding", padding=value)


def outs(f):
    """Class 16: an `out` with any strides, and one that shares memory with the input."""
    ones = (1,) * f.rank
    x = integers((2, 6, *SIZE[: f.rank]), np.float32)
    valid = {"input": x, "weight": integers((6, 6, *(3,) * f.rank), np.float32), "groups": 1, "padding": 1}
    expected = f.find()(**{**f.valid, **valid})
    for name, layout in WRITABLE.items():
        yield f.result(16, f"out {name}", expected, **valid, out=layout(np.full_like(x, NAN), 1))
    zero_stride = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), x.shape, (0,) * x.ndim)
    yield f.result(16, "out of one element", x.shape, **valid, out=zero_stride)
    yield f.result(16, "input of one element", x.shape, **{**valid, "input": zero_stride})
    for what, view in {
        "is the input": lambda a: a,
        "is the input's other channels": lambda a: a[:, ::-1],
        "is the input mirrored": lambda a: a[..., ::-1],
        "is the input's other image": lambda a: a[::-1],
    }.items():
        shared = x.copy()
        yield f.result(16, f"out {what}", expected, **{**valid, "input": shared}, out=view(shared))
    frame = np.full((2, 6, *(s + 1 for s in SIZE[: f.rank])), 7, np.float32)
    inner = frame[(..., *(slice(1, None),) * f.rank)]
    inner[...] = x
    outer = frame[(..., *(slice(0, -1),) * f.rank)]
    yield f.result(16, "out is the input one pixel off", expected, **{**valid, "input": inner}, out=outer)
    pointwise = {"input": x, "weight": np.ones((6, 6, *ones), np.float32), "groups": 1, "bias": None}
    shared = np.ones((6, 6, *ones), np.float32)
    total = np.broadcast_to(np.float32(6), shared.shape).copy()
    same_memory = {**pointwise, "input": shared, "weight": shared, "out": shared}
    yield f.result(16, "out is input and weight", total, **same_memory)


def wide_mirrors(f):
    """Class 18: padding that takes its elements from the image, wider than the image."""
    widest = SIZE[f.rank - 1]
    for mode in MODES:
        one_side = ((0, 0),) * (f.rank - 1) + ((0, widest + 1),)
        for what, padding in {"both": widest + 1, "after": one_side, "huge": 2**40}.items():
            call = {"padding": padding, "padding_mode": mode, "stride": 2**45}
            yield f.error(18, f"{mode} {what}", ValueError, "padding", mode, **call)
    one_side = ((0, 0),) * (f.rank - 1) + ((widest, 0),)
    yield f.error(18, "reflect at the edge", ValueError, "padding", padding=one_side, padding_mode="reflect")
    for mode in (*MODES, "replicate"):
        nothing = np.zeros((2, 4, *SIZE[: f.rank - 1], 0), np.float32)
        call = {"input": nothing, "padding": 2, "padding_mode": mode}
        yield f.error(18, f"{mode} of nothing", ValueError, "padding", **call)


def unallocatable(f):
    """Class 19: no memory for the result, the padded input, or a copy of an operand."""
    wide = ((0, 0),) * (f.rank - 1)
    yield f.error(19, "result", MemoryError, padding=(*wide, (2**38, 2**38)))
    many, kernel = np.ones((1, 64, *SIZE[: f.rank]), np.float32), np.ones((4, 64, *(5,) * f.rank), np.float32)
    far = (*((2, 2),) * (f.rank - 1), (2**38, 2**38))  # outputs that see nothing were counted one by one
    for method in ("auto", "winograd", "fft"):
        call = {"input": many, "weight": kernel, "groups": 1, "bias": None, "padding": far, "method": method}
        yield f.error(19, f"result of long sums, {method}", (MemoryError, ValueError), **call)
    yield f.error(19, "result of 2**58 bytes", (MemoryError, ValueError), padding=(*wide, (0, 2**52)))
    ahead = {"padding": (*wide, (2**40, 2**40)), "stride": 2**50, "padding_mode": "replicate"}
    yield f.error(19, "padded input", (MemoryError, ValueError), **ahead)
    huge = np.broadcast_to(np.float32(1), (1, 4, *SIZE[: f.rank - 1], 2**40))
    yield f.error(19, "copy of the input", MemoryError, input=huge, stride=2**50)
    weight = np.broadcast_to(np.float32(1), (2**20, 2**12, *(1,) * f.rank))
    deep = {"weight": weight, "input": np.ones((2**12, *(1,) * f.rank), np.float32), "groups": 1, "bias": None}
    yield f.error(19, "copy of the weight", MemoryError, **deep)


CASES = tuple(cases())
