"""Bad input of max and average pooling in one to three dimensions. `bad_input_cases` has the classes."""

import itertools

import numpy as np

from tests.bad_input_cases import INF, NAN, Function, every
from tests.data import integers
from tests.layouts import WRITABLE

SIZE = (6, 7, 8)
INTEGER_TYPES = ("int8", "uint8", "int16", "uint16", "int32", "int64")


def pool(kind, rank):
    """Windows of two on a batch of two images of three channels."""
    valid = {"input": integers((2, 3, *SIZE[:rank]), np.float32), "kernel_size": 2}
    sizes = ("kernel_size", "stride", "dilation")
    if kind == "max":
        flags, arrays = ("ceil_mode", "return_indices"), ((), ("input",))
    else:
        flags, arrays = ("ceil_mode", "count_include_pad"), (("input",), ())
    return Function(f"{kind}_pool{rank}d", rank, valid, sizes, ("padding",), (), (), flags, *arrays, ("stride",))


def cases():
    for rank in (1, 2, 3):
        for kind in ("max", "avg"):
            f = pool(kind, rank)
            for rows in (every, empty_inputs, windows, large_kernels, large_sizes, outs, unallocatable):
                yield from rows(f)
        yield from not_a_number(pool("max", rank))
        yield from divisors(pool("avg", rank))


def empty_inputs(f):
    """Class 4."""
    size, half = SIZE[: f.rank], tuple(s // 2 for s in SIZE[: f.rank])
    yield f.result(4, "no batch", (0, 3, *half), input=np.zeros((0, 3, *size), np.float32))
    yield f.result(4, "no channels", (2, 0, *half), input=np.zeros((2, 0, *size), np.float32))
    last = np.moveaxis(np.zeros((2, *size, 0), np.float32), -1, 1)
    yield f.result(4, "no channels, last", (2, 0, *half), input=last)
    yield f.error(4, "no batch, stride 0", ValueError, "stride", input=np.zeros((0, 3, *size)), stride=0)
    yield f.error(4, "no batch, too small", ValueError, "kernel_size", input=np.zeros((0, 3, *(1,) * f.rank)))
    for change in ({}, {"padding": 1}, {"ceil_mode": True}, {"padding": 1, "ceil_mode": True}, {"padding": "same"}):
        for shape in ((2, 3, *size[1:], 0), (2, 3, *(0,) * f.rank)):
            what = f"no pixels {shape}, {change}"
            yield f.error(4, what, ValueError, "input", input=np.zeros(shape, np.float32), **change)


def windows(f):
    """Class 10: padding must be smaller than the dilated kernel, so that a window has something to see."""
    for what, change in {
        "padding 2": {"padding": 2},
        "padding 3 of 2": {"padding": 3},
        "padding after": {"padding": ((0, 2),) * f.rank},
        "padding before": {"padding": ((2, 0),) * f.rank},
        "padding of 1": {"padding": 1, "kernel_size": 1},
        "full": {"padding": "full", "kernel_size": 9, "stride": 1, "dilation": 9},
    }.items():
        yield f.error(10, what, ValueError, "padding", **change)
    between = {"kernel_size": 2, "dilation": 40, "padding": 20, "stride": 1}
    yield f.error(10, "taps on both sides of the image", ValueError, "dilation", **between)


def not_a_number(f):
    """Class 10: NaN and -inf are values; their index is the first one of the window inside the image."""
    size = SIZE[: f.rank]
    starts = [[max(2 * o - 1, 0) for o in range(s // 2 + 1)] for s in size]
    shape = tuple(len(s) for s in starts)
    first = [np.ravel_multi_index(at, size) for at in itertools.product(*starts)]
    indices = np.broadcast_to(np.reshape(first, shape), (2, 3, *shape)).astype(np.int64)
    call = {"padding": 1, "return_indices": True}
    for kind, value in [("float16", NAN), ("float32", NAN), ("float64", NAN), ("float32", -INF), ("float64", -INF),
                        *((kind, np.iinfo(kind).min) for kind in INTEGER_TYPES)]:  # fmt: skip
        for order in ("first", "last"):
            x = np.full((2, 3, *size), value, kind)
            if order == "last":
                x = np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
            expected = [np.full((2, 3, *shape), value, kind), indices]
            yield f.result(10, f"all {value} of {kind}, {order}", expected, input=x, **call)


def large_kernels(f):
    """Class 11."""
    for what, change in {
        "kernel": {"kernel_size": 9},
        "one axis": {"kernel_size": (1,) * (f.rank - 1) + (9,)},
        "dilated": {"dilation": 8},
        "dilated and padded": {"dilation": 30, "kernel_size": 3, "padding": 1},
        "huge": {"kernel_size": 2**40},
    }.items():
        yield f.error(11, what, ValueError, "kernel_size", **change)


def large_sizes(f):
    """Class 12: large numbers are right answers or refused, and neither wrap around nor take for ever."""
    ones = (1,) * f.rank
    for ceil_mode in (False, True):
        change = {"stride": 2**61, "ceil_mode": ceil_mode}
        yield f.result(12, f"stride 2**61, ceil_mode={ceil_mode}", (2, 3, *ones), **change)
    for what, change in {
        "kernel_size and padding 2**61": {"kernel_size": 2**61, "padding": 2**60, "dilation": 2},
        "dilation 2**61": {"dilation": 2**61},
        "dilation 2**61, padded": {"dilation": 2**61, "padding": 2**60},
        "dilation 2**61, ceil": {"dilation": 2**61, "kernel_size": 3, "ceil_mode": True, "padding": 2**61},
        "stride and dilation 2**31": {
            "input": np.broadcast_to(np.float32(1), (1, 1, *ones[1:], 2**30)),
            "kernel_size": (*ones[1:], 2**30), "stride": (*ones[1:], 2**31 + 1), "dilation": (*ones[1:], 2**31),
            "padding": (*ones[1:], 2**60),
        },
        "as many windows": {
            "input": np.broadcast_to(np.float32(1), (1, 1, *ones[1:], 2**33)),
            "kernel_size": (*ones[1:], 2**27), "stride": (*ones[1:], 2**34 + 1), "dilation": (*ones[1:], 2**34),
            "padding": ((0, 0),) * (f.rank - 1) + ((2**34 * (2**27 - 1),) * 2,),
        },
    }.items():  # fmt: skip
        yield f.error(12, what, (ValueError, MemoryError), **change)
    allowed = (MemoryError, ValueError)
    first = integers((2, 5, *SIZE[: f.rank]), np.float64)
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(first, 1, -1)), -1, 1)
    for exponent, (order, x) in itertools.product((20, 33, 40, 55, 58, 59, 60, 61), (("first", first), ("last", last))):
        what = f"2**{exponent}, {order}"
        wide = {"kernel_size": 2**exponent, "padding": 2 ** (exponent - 1), "stride": min(2 ** (exponent + 1), 2**61)}
        yield f.either(12, f"kernel_size {what}", allowed, (2, 5, *ones), input=x, **wide)
        far = {"kernel_size": 3, "dilation": 2**exponent, "padding": 2**exponent, "stride": 1}
        yield f.either(12, f"dilation {what}", allowed, x.shape, input=x, **far)


def outs(f):
    """Class 16: an `out` with any strides, and one that shares memory with the input."""
    x = f.valid["input"]
    same = {"kernel_size": 3, "stride": 1, "padding": 1}
    expected = f.find()(x, **same)
    for name, layout in WRITABLE.items():
        yield f.result(16, f"out {name}", expected, **same, out=layout(np.full_like(x, NAN), 1))
    zero_stride = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), x.shape, (0,) * x.ndim)
    yield f.result(16, "out of one element", x.shape, **same, out=zero_stride)
    for what, view in {
        "is the input": lambda a: a,
        "is the input's other channels": lambda a: a[:, ::-1],
        "is the input mirrored": lambda a: a[..., ::-1],
    }.items():
        shared = x.copy()
        yield f.result(16, f"out {what}", expected, **same, input=shared, out=view(shared))
    for kind in ("float16", "float64", "int32", "uint8"):
        yield f.error(16, f"out of {kind}", TypeError, "out", **same, out=np.full(x.shape, 77, kind))


def unallocatable(f):
    """Class 19: no memory for the result or for a copy of the input."""
    huge = np.broadcast_to(np.float32(1), (1, 3, *SIZE[: f.rank - 1], 2**40))
    yield f.error(19, "result", MemoryError, input=huge)
    yield f.error(19, "copy of the input", MemoryError, input=huge, stride=2**50)
    largest = np.broadcast_to(np.float32(1), (2**20, 2**10, *(1,) * (f.rank - 1), 2**30))
    yield f.error(19, "result of 2**62 bytes", (MemoryError, ValueError), input=largest, kernel_size=1)


def divisors(f):
    """Class 20, and the divisor's share of classes 2 and 12."""
    name = "divisor_override"
    for value in (0, np.int64(0), 2**62, -(2**63), 10**30):
        yield f.error(20, f"{name}={value}", ValueError, name, **{name: value})
    for what, value in {"0.0": 0.0, "2.0": 2.0, "nan": NAN, "text": "2", "True": True, "False": False, "list": [2],
                        "array": np.ones(2, int), "of 10**9": range(10**9)}.items():  # fmt: skip
        yield f.error(20, f"{name} {what}", TypeError, name, **{name: value})


CASES = tuple(cases())
