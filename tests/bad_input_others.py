"""Bad input of the functions beyond convolution and pooling of windows: rows to be taken into `test_bad_input.TABLES`.

Transposed convolution, the other poolings, unpooling, unfold and fold, shapes, explain, prepare; `bad_input_grad` has
the gradients. `bad_input_cases` has the classes.
"""

import numpy as np

from tests.bad_input_cases import INF, NAN, Function, every
from tests.bad_input_grad import CONV_SIZES, SIZE, data, planes, wrong_indices


def cases():
    for rank in (1, 2, 3):
        for rows in (conv_transpose, lp_pool, adaptive_pools, max_unpool):
            yield from rows(rank)
    for rows in (global_pools, unfold, fold, shapes, explanations, prepare):
        yield from rows()


def conv_transpose(rank):
    """Classes 3, 4, 6, 11, 12 and 19, and output_padding below stride or dilation."""
    kernel = (3,) * rank
    valid = {"input": data(2, 4, *SIZE[:rank]), "weight": data(4, 3, *kernel), "bias": data(6), "groups": 2}
    f = Function(f"conv_transpose{rank}d", rank, valid, CONV_SIZES, ("padding", "output_padding"), ("groups",),
                 arrays=("input", "weight", "bias"), optional=("bias",))  # fmt: skip
    yield from every(f)
    out = tuple(s + 2 for s in SIZE[:rank])
    for axis in range(rank):
        shape = (4, 3, *kernel[:axis], 0, *kernel[axis + 1 :])
        yield f.error(3, f"no kernel, axis {axis}", ValueError, "weight", weight=np.zeros(shape, np.float32))
    yield f.error(3, "no inputs", ValueError, "weight", "input", weight=np.zeros((0, 3, *kernel), np.float32))
    empty = np.zeros((4, 0, *kernel), np.float32)
    yield f.result(3, "no outputs", (2, 0, *out), weight=empty, bias=None)
    yield f.result(4, "no batch", (0, 6, *out), input=np.zeros((0, 4, *SIZE[:rank]), np.float32))
    yield f.error(4, "no batch, stride 0", ValueError, "stride", input=np.zeros((0, 4, *SIZE[:rank])), stride=0)
    for groups in (3, 8, 2**31):
        yield f.error(6, f"groups={groups}", ValueError, "groups", groups=groups)
    for n in (1, 3, 5, 8):
        yield f.error(6, f"input of {n}", ValueError, "weight", "input", input=data(2, n, *SIZE[:rank]))
    for n in (0, 1, 3, 4, 7):
        yield f.error(6, f"bias of {n}", ValueError, "bias", bias=np.ones(n, np.float32))
    yield f.error(11, "nothing left", ValueError, "padding", padding=9)
    yield f.error(11, "output_padding of stride", ValueError, "output_padding", output_padding=1)
    yield f.error(11, "output_padding beyond", ValueError, "output_padding", stride=2, output_padding=9)
    for what, change in {
        "stride 2**61": {"stride": 2**61}, "dilation 2**61": {"dilation": 2**61}, "stride 2**50": {"stride": 2**50},
        "dilation and padding": {"dilation": 2**61, "padding": 2**61},
        "all": {"stride": 2**61, "dilation": 2**61, "padding": 2**61, "output_padding": 2**60},
    }.items():  # fmt: skip
        yield f.error(12, what, (ValueError, MemoryError), **change)
    wide = (1,) * (rank - 1)
    yield f.error(19, "result", MemoryError, stride=(*wide, 2**36))


def lp_pool(rank):
    valid = {"input": data(2, 3, *SIZE[:rank]), "norm_type": 2, "kernel_size": 2}
    f = Function(f"lp_pool{rank}d", rank, valid, ("kernel_size", "stride", "dilation"), ("padding",),
                 flags=("ceil_mode",), arrays=("input",), optional=("stride",))  # fmt: skip
    yield from every(f)
    for value in (0, 0.0, NAN):
        yield f.error(20, f"norm_type={value}", ValueError, "norm_type", norm_type=value)
    yield f.error(20, "norm_type 10**5000", ValueError, "norm_type", norm_type=10**5000)
    for what, value in {"text": "2" * 10**6, "None": None, "list": [2], "1j": 1j, "array": np.ones(2)}.items():
        yield f.error(20, f"norm_type {what}", TypeError, "norm_type", norm_type=value)
    yield f.error(10, "padding of the kernel", ValueError, "padding", padding=2)
    yield f.result(4, "no batch", (0, 3, *(s // 2 for s in SIZE[:rank])), input=np.zeros((0, 3, *SIZE[:rank]), "f4"))
    yield f.error(4, "no pixels", ValueError, "input", input=np.zeros((2, 3, *(0,) * rank), np.float32))


def adaptive_pools(rank):
    for kind in ("max", "avg"):
        valid = {"input": data(2, 3, *SIZE[:rank]), "output_size": 3}
        kinds = {"ordered": ("input",), "flags": ("return_indices",)} if kind == "max" else {"arrays": ("input",)}
        f = Function(f"adaptive_{kind}_pool{rank}d", rank, valid, ("output_size",), optional=("output_size",), **kinds)
        for case in every(f):
            if "output_size of nones" not in case.what:  # None keeps an axis
                yield case
        yield f.result(4, "no batch", (0, 3, *(3,) * rank), input=np.zeros((0, 3, *SIZE[:rank]), np.float32))
        yield f.error(4, "no pixels", ValueError, "input", input=np.zeros((2, 3, *(0,) * rank), np.float32))
        for value in (2**61, 2**40):
            yield f.error(19, f"output_size {value}", (MemoryError, ValueError), output_size=value)
        if rank == 2:
            yield from many_windows(f)


def many_windows(f):
    """Class 14: start and end of the windows, in floats, once lay outside the image at this very size."""
    height, width = 5877, 3697
    x = np.zeros((1, 1, height, width), np.float32)
    x[0, 0, :, -1] = np.arange(1, height + 1)
    last = -(-(np.arange(1, 2856) * height) // 2855)  # one past it, which is also its value
    expected = last.astype(np.float32).reshape(1, 1, -1, 1) if "max" in f.name else (1, 1, 2855, 1)
    yield f.result(14, "to 2855x1", expected, input=x, output_size=(2855, 1))


def max_unpool(rank):
    half, size = tuple(s // 2 for s in SIZE[:rank]), SIZE[:rank]
    valid = {"input": data(2, 3, *half), "indices": planes(rank), "kernel_size": 2, "output_size": (2, 3, *size)}
    f = Function(f"max_unpool{rank}d", rank, valid, ("kernel_size", "stride"), ("padding",), ordered=("input",),
                 optional=("stride",))  # fmt: skip
    yield from (case for case in every(f) if case.number != 12)  # with output_size given, other sizes may be anything
    yield from wrong_indices(f, int(np.prod(size)))
    for what, value, raises in (
        ("empty", (), ValueError), ("too long", (1, 1, 1, *size), ValueError), ("negative", (-1,) * rank, ValueError),
        ("of floats", tuple(map(float, size)), TypeError), ("of strings", tuple(map(str, size)), TypeError),
        ("of 10**30", (10**30,) * rank, ValueError), ("of 2**62", (2**62,) * rank, ValueError),
        ("1.5", 1.5, TypeError), ("text", "67", (TypeError, ValueError)), ("zeros", (0,) * rank, ValueError),
        ("0-d of floats", np.array(1.5), TypeError),
    ):  # fmt: skip
        yield f.error(8, f"output_size {what}", raises, "output_size", output_size=value)


def global_pools():
    for kind in ("max", "avg"):
        x = data(2, 3, *SIZE[:2])
        arrays = {"ordered": ("input",)} if kind == "max" else {"arrays": ("input",)}
        f = Function(f"global_{kind}_pool", 2, {"input": x}, **arrays)
        yield from (case for case in every(f) if "rank + 3" not in case.what)
        yield f.result(4, "no batch", (0, 3, 1, 1), input=np.zeros((0, 3, *SIZE[:2]), np.float32))
        yield f.error(4, "no pixels", ValueError, "input", input=np.zeros((2, 3, 0, 4), np.float32))
        for value in (NAN, -INF):
            full = np.full((2, 3, 1, 1), value, np.float32)
            yield f.result(10, f"all {value}", full, input=np.full_like(x, value))


def unfold():
    f = Function("unfold", 2, {"input": data(2, 3, *SIZE[:2]), "kernel_size": 2}, ("kernel_size", *CONV_SIZES),
                 ("padding",), arrays=("input",))  # fmt: skip
    yield from every(f)
    yield f.result(4, "no batch", (0, 12, 30), input=np.zeros((0, 3, *SIZE[:2]), np.float32))
    yield f.error(11, "kernel", ValueError, "kernel", kernel_size=9)
    yield f.error(12, "dilation 2**61", ValueError, dilation=2**61)
    yield f.error(19, "result", (MemoryError, ValueError), padding=2**28)


def fold():
    valid = {"input": data(2, 12, 30), "output_size": SIZE[:2], "kernel_size": 2}
    f = Function("fold", 2, valid, ("kernel_size", *CONV_SIZES), ("padding",), arrays=("input",))
    yield from every(f)
    for shape in ((2, 12, 29), (2, 12, 31), (2, 11, 30), (2, 13, 30), (2, 12, 0), (1, 2, 12, 30), (30,)):
        yield f.error(7, f"input of shape {shape}", ValueError, "input", input=np.ones(shape, np.float32))
    for value in ((6,), (6, 7, 8), (-6, 7), (2**62, 2**62), (10**30, 1)):
        yield f.error(8, f"output_size={value}", ValueError, "output_size", output_size=value)
    for value in ((6.0, 7.0), None, "67", (True, 7), 1.5):
        yield f.error(8, f"output_size={value}", (TypeError, ValueError), "output_size", output_size=value)
    yield f.error(12, "output_size 4.8e18", ValueError, output_size=(int(4.8e18), 1), kernel_size=1)


def shapes():
    conv = {"input_shape": (2, 4, 6, 7), "weight_shape": (6, 2, 3, 3), "groups": 2}
    pool = {"input_shape": (2, 3, 6, 7), "kernel_size": 2}
    for f in (
        Function("conv_output_shape", 2, conv, CONV_SIZES, ("padding",), ("groups",)),
        Function("pool_output_shape", 2, pool, ("kernel_size", "stride", "dilation"), ("padding",),
                 flags=("ceil_mode",), optional=("stride",)),
    ):  # fmt: skip
        for case in every(f):
            if "kernel_size of" not in case.what or "1000" in case.what:  # the kernel says how many axes there are
                yield case
        yield from no_shapes(f, "input_shape")


def no_shapes(f, name):
    """Class 8: neither a shape of this rank nor of any."""
    for value in ((), (2,), (2, 3, -6, 7), (2, 3, 6, 10**30), (1, 1, 1, 1, 1, 1, 1)):
        yield f.error(8, f"{name}={value}", ValueError, name.removesuffix("_shape"), **{name: value})
    for value in (None, 6, "2367", (2, 3, 6.0, 7), (2, 3, None, 7), (2, 3, True, 7), (2, 3, (6, 7), 7), (2, 3, "6", 7)):
        yield f.error(8, f"{name}={value}", (TypeError, ValueError), name, **{name: value})


def explanations():
    """Messages of NumPy and Python about shapes, dtypes and flags name nothing."""
    valid = {"input_shape": (2, 4, 6, 7), "weight_shape": (6, 2, 3, 3), "groups": 2}
    for name in ("explain", "choose_method"):
        f = Function(name, 2, valid, CONV_SIZES, ("padding",), ("groups",), ("padding_mode",), ("channels_last",))
        yield from (case for case in every(f) if case.number)
        yield from no_shapes(f, "input_shape")
        yield from no_shapes(f, "weight_shape")
        for value in ("int32", "bogus", 7, complex, np.ones(2), [1], {"a": 1}):
            yield f.error(15, f"dtype={value}", TypeError, "dtype", dtype=value)


def prepare():
    valid = {"weight": data(6, 2, 3, 3), "bias": data(6), "groups": 2}
    f = Function("prepare", 2, valid, CONV_SIZES, ("padding",), ("groups",), ("padding_mode", "activation", "method"),
                 arrays=("weight", "bias"), optional=("bias", "activation"))  # fmt: skip
    for case in every(f):
        if case.number and case.what != "weight rank + 3":
            yield case
    for axis in (2, 3):
        shape = tuple(0 if i == axis else s for i, s in enumerate((6, 2, 3, 3)))
        yield f.error(3, f"no kernel, axis {axis}", ValueError, "weight", weight=np.zeros(shape, np.float32))
    yield f.error(6, "outputs not divided", ValueError, "groups", weight=data(5, 2, 3, 3), bias=None)


CASES = tuple(cases())
