"""Bad input of the gradients: rows to be taken into `test_bad_input.TABLES`. `bad_input_cases` has the classes."""

import numpy as np

from tests.bad_input_cases import Function, every
from tests.data import integers

SIZE = (6, 7, 8)
CONV_SIZES = ("stride", "dilation")
UNFIT = ("larger", "zeros", "of other channels")  # shapes that disagree with another argument, which may be named


def cases():
    for rank in (1, 2, 3):
        for rows in (grad_input, grad_weight, grad_bias, grad_max_pool, grad_avg_pool):
            yield from rows(rank)


def data(*shape):
    return integers(shape, np.float32)


def smaller(rank, by=2):
    return tuple(s - by for s in SIZE[:rank])


def grad_input(rank):
    """Classes 5, 7 and 8 of the gradient by input."""
    size, out = (2, 4, *SIZE[:rank]), (2, 6, *smaller(rank))
    valid = {"input_size": size, "weight": data(6, 2, 3, *(3,) * (rank - 1)), "grad_output": data(*out), "groups": 2}
    f = Function(f"grad.conv{rank}d_input", rank, valid, CONV_SIZES, ("padding",), ("groups",),
                 arrays=("weight", "grad_output"))  # fmt: skip
    yield from every(f)
    yield from wrong_gradients(f, out)
    yield from wrong_shapes(f, "input_size", size)
    yield from zero_weights(f)


def grad_weight(rank):
    """Classes 5, 7 and 8 of the gradient by weight."""
    size, out = (6, 2, *(3,) * rank), (2, 6, *smaller(rank))
    valid = {"input": data(2, 4, *SIZE[:rank]), "weight_size": size, "grad_output": data(*out), "groups": 2}
    f = Function(f"grad.conv{rank}d_weight", rank, valid, CONV_SIZES, ("padding",), ("groups",),
                 arrays=("input", "grad_output"))  # fmt: skip
    yield from every(f)
    yield from wrong_gradients(f, out)
    yield from wrong_shapes(f, "weight_size", size)
    no_batch = {"input": np.zeros((0, 4, *SIZE[:rank]), np.float32), "grad_output": np.zeros((0, *out[1:]), np.float32)}
    yield f.result(4, "no batch", np.zeros(size, np.float32), **no_batch)


def grad_bias(rank):
    """Classes 5 and 15 of the gradient by bias."""
    out = (2, 6, *smaller(rank))
    f = Function(f"grad.conv{rank}d_bias", rank, {"grad_output": data(*out)}, arrays=("grad_output",))
    yield from every(f)
    yield f.result(5, "no batch", np.zeros(6, np.float32), grad_output=np.zeros((0, *out[1:]), np.float32))
    yield f.result(5, "no channels", (0,), grad_output=np.zeros((2, 0, *out[2:]), np.float32))


def wrong_gradients(f, out):
    """Classes 5 and 7: a grad_output that is not of the shape that the forward call returns."""
    shapes = {
        "empty": (0,) * len(out), "of no pixels": (*out[:2], *(0,) * f.rank), "of no batch": (0, *out[1:]),
        "of no channels": (out[0], 0, *out[2:]),
        "longer": (*out[:-1], out[-1] + 1), "shorter": (*out[:-1], out[-1] - 1),
        "of one": (1,) * len(out), "of other channels": (out[0], out[1] + 2, *out[2:]), "flat": (1, 1, *out[2:]),
        "of a larger batch": (out[0] + 1, *out[1:]), "unbatched": out[1:],
    }  # fmt: skip
    for what, shape in shapes.items():
        number = 5 if 0 in shape else 7
        yield f.error(number, f"grad_output {what}", ValueError, grad_output=np.ones(shape, np.float32))
    huge = np.broadcast_to(np.float32(1), (*out[:2], *(2**18,) * f.rank))
    yield f.error(7, "grad_output huge", ValueError, "grad_output", grad_output=huge)


def wrong_shapes(f, name, good):
    """Class 8: a size argument that is no shape, or not one of this call."""
    for what, value, raises in (
        ("empty", (), ValueError), ("too short", good[2:], ValueError), ("too long", (1, *good), ValueError),
        ("negative", (*good[:-1], -1), ValueError), ("all negative", tuple(-v for v in good), ValueError),
        ("of floats", tuple(float(v) for v in good), TypeError), ("of strings", tuple(map(str, good)), TypeError),
        ("of None", (None,) * len(good), TypeError), ("of bools", (True,) * len(good), TypeError),
        ("of 2**63", (*good[:-1], 2**63), ValueError), ("of 10**30", (10**30,) * len(good), ValueError),
        ("of 2**62", (2**62,) * len(good), ValueError), ("larger", (*good[:-1], good[-1] + 5), ValueError),
        ("zeros", (0,) * len(good), ValueError), ("of other channels", (good[0], good[1] + 1, *good[2:]), ValueError),
        ("None", None, TypeError), ("a number", 6, (TypeError, ValueError)), ("text", "678", (TypeError, ValueError)),
        ("a float", 1.5, TypeError), ("an array of floats", np.ones(len(good)), TypeError),
        ("of 10**9", range(1, 10**9), ValueError),
    ):  # fmt: skip
        says = () if what in UNFIT else (name,)
        yield f.error(8, f"{name} {what}", raises, *says, **{name: value})


def zero_weights(f):
    """Class 3."""
    shape = f.valid["weight"].shape
    for axis in range(len(shape)):
        zero = np.zeros((*shape[:axis], 0, *shape[axis + 1 :]), np.float32)
        yield f.error(3, f"no weight, axis {axis}", ValueError, "weight", weight=zero)


def planes(rank):
    """Indices of 2x2 windows: the first element of each."""
    size, half = SIZE[:rank], tuple(s // 2 for s in SIZE[:rank])
    at = np.ravel_multi_index(np.meshgrid(*(2 * np.arange(n) for n in half), indexing="ij"), size)
    return np.broadcast_to(at, (2, 3, *half)).copy()


def wrong_indices(f, pixels):
    """Class 9: indices are read by compiled code that writes where they say."""
    good = f.valid["indices"]
    for value in (-1, -(2**63), pixels, pixels + 1, 2**31, 2**62, 2**63 - 1):
        for where in (0, good.size // 2, good.size - 1):
            wrong = good.copy()
            wrong.flat[where] = value
            yield f.error(9, f"{value} at {where}", ValueError, "indices", indices=wrong)
    for kind in ("float32", "float64", "bool", "object", "complex64", "S1"):
        yield f.error(9, f"of {kind}", TypeError, "indices", indices=good.astype(kind))
    for shape in ((), (0,), (1, 3, *good.shape[2:]), good.shape[1:], (*good.shape, 1), (*good.shape[:-1], 1)):
        yield f.error(9, f"of shape {shape}", ValueError, "indices", indices=np.zeros(shape, np.int64))
    yield f.error(9, "None", (TypeError, ValueError), "indices", indices=None)
    unsigned = good.astype(np.uint64)
    unsigned.flat[0] = 2**64 - 1
    yield f.error(9, "2**64 - 1", (TypeError, ValueError), "indices", indices=unsigned)


def grad_max_pool(rank):
    half = tuple(s // 2 for s in SIZE[:rank])
    valid = {"grad_output": data(2, 3, *half), "indices": planes(rank), "input_size": (2, 3, *SIZE[:rank])}
    f = Function(f"grad.max_pool{rank}d", rank, valid, arrays=("grad_output",))
    yield from every(f)
    yield from wrong_indices(f, int(np.prod(SIZE[:rank])))
    yield from wrong_gradients(f, (2, 3, *half))
    for case in wrong_shapes(f, "input_size", valid["input_size"]):
        if not case.what.endswith("larger"):  # indices fit a larger image as well
            yield case


def grad_avg_pool(rank):
    half = tuple(s // 2 for s in SIZE[:rank])
    valid = {"grad_output": data(2, 3, *half), "input_size": (2, 3, *SIZE[:rank]), "kernel_size": 2}
    f = Function(f"grad.avg_pool{rank}d", rank, valid, ("kernel_size", "stride"), ("padding",),
                 flags=("ceil_mode", "count_include_pad"), arrays=("grad_output",), optional=("stride",))  # fmt: skip
    yield from every(f)
    yield from wrong_gradients(f, (2, 3, *half))
    yield from wrong_shapes(f, "input_size", valid["input_size"])
    yield f.error(10, "padding of the kernel", ValueError, "padding", padding=2)
    yield f.error(20, "divisor_override=0", ValueError, "divisor_override", divisor_override=0)
    yield f.error(20, "divisor_override=0.5", TypeError, "divisor_override", divisor_override=0.5)


CASES = tuple(cases())
