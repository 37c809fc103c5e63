"""Poolings with something special, their gradients, and windows as columns: one operation is one entry of OPERATIONS.

    ours, theirs   the calls of fastconv and of torch, both of (layer, arrays): torch takes tensors of the same names
    exact          the result in float64, of (layer, arrays); an output that torch packs with others stands at `item`
    bound          of the error in eps of the same operation on absolute values, 0 for what only compares or copies

Every input of an operation is made by `arrays`, so that no call is timed on what another call has computed.
"""

from dataclasses import dataclass, replace
from itertools import product
from math import prod

import numpy as np

from . import oracle
from .common import data, in_layout

SPLITS = 5  # windows of an adaptive pooling along an axis


@dataclass(frozen=True)
class Operation:
    """One operation: how to call it, what is right, and which arrays it takes."""

    ours: tuple  # the function's name, and its arguments of (layer, arrays)
    theirs: callable  # of (torch, layer, tensors)
    exact: callable
    bound: int = 0
    takes: tuple = ("x",)
    item: int | None = None


def arrays(operation, layer, dtype, layout):
    """What an operation takes; columns have no memory layout."""
    x = data(layer.input, dtype, 1)
    made = {"x": lambda: x, "grad": lambda: data(layer.output, dtype, 3), "indices": lambda: largest_at(layer, x)}
    made["columns"] = lambda: data(columns_shape(layer), dtype, 4)
    taken = {name: made[name]() for name in OPERATIONS[operation].takes}
    return {name: a if name == "columns" else in_layout(a, layout) for name, a in taken.items()}


def taken(op):
    """How to read a result as an array: that of several which is checked."""
    item = OPERATIONS[op].item if op in OPERATIONS else None
    return np.asarray if item is None else lambda out: np.asarray(out[item])


def columns_shape(layer):
    n, c = layer.input[:2]
    return n, c * layer.kernel**2, prod(layer.output[2:])


def taps(layer):
    """Each tap of a window and the slices of the padded input that it reads."""
    for tap in product(range(layer.kernel), repeat=2):
        yield (
            tap,
            tuple(
                slice(t, t + (size - 1) * layer.stride + 1, layer.stride)
                for t, size in zip(tap, layer.output[2:], strict=True)
            ),
        )


def padded(layer, x, blank=0.0):
    spread = ((0, 0), (0, 0), *[(layer.padding, layer.padding)] * 2)
    return np.pad(np.asarray(x, np.float64), spread, constant_values=blank)


def cut(layer, x):
    """Without the padding."""
    p, (h, w) = layer.padding, layer.input[2:]
    return x[:, :, p : p + h, p : p + w]


def largest_at(layer, x):
    """The flat index of each window's maximum."""
    x = padded(layer, x, -np.inf)
    h, w = layer.input[2:]
    place = np.pad(np.arange(h * w).reshape(h, w), layer.padding)
    values = np.stack([x[:, :, *window] for _, window in taps(layer)])
    places = np.stack([place[window] for _, window in taps(layer)])
    return np.take_along_axis(places[:, None, None], values.argmax(axis=0)[None], axis=0)[0]


def scattered(layer, a):
    """Each gradient, added where its maximum was."""
    n, c, h, w = layer.input
    at = np.arange(n * c)[:, None] * (h * w) + a["indices"].reshape(n * c, -1)
    return np.bincount(at.ravel(), a["grad"].ravel().astype(np.float64), n * c * h * w).reshape(layer.input)


def put(layer, a):
    """Each value, where its maximum was."""
    out = np.zeros((prod(layer.input[:2]), prod(layer.input[2:])))
    at, values = (a[name].reshape(len(out), -1) for name in ("indices", "grad"))
    np.put_along_axis(out, at, np.asarray(values, np.float64), axis=1)
    return out.reshape(layer.input)


def spread(layer, a):
    """Each gradient over its whole window, divided by the elements of a window."""
    out = padded(layer, np.zeros(layer.input))
    for _, window in taps(layer):
        out[:, :, *window] += a["grad"] / np.float64(layer.kernel**2)
    return cut(layer, out)


def columns(layer, a):
    x = padded(layer, a["x"])
    return np.stack([x[:, :, *window] for _, window in taps(layer)], axis=2).reshape(columns_shape(layer))


def images(layer, a):
    out = padded(layer, np.zeros(layer.input))
    parts = a["columns"].reshape(*layer.input[:2], layer.kernel**2, *layer.output[2:])
    for i, (_, window) in enumerate(taps(layer)):
        out[:, :, *window] += parts[:, :, i]
    return cut(layer, out)


def split(reduce):
    """`reduce` over SPLITS x SPLITS windows that cover the image."""

    def exact(layer, a):
        def bounds(size):
            return [slice(i * size // SPLITS, -(-(i + 1) * size // SPLITS)) for i in range(SPLITS)]

        x, (rows, columns) = np.asarray(a["x"], np.float64), map(bounds, layer.input[2:])
        return np.stack([np.stack([reduce(x[:, :, r, c], axis=(2, 3)) for c in columns], -1) for r in rows], -2)

    return exact


def whole(reduce):
    return lambda layer, a: reduce(np.asarray(a["x"], np.float64), axis=(2, 3), keepdims=True)


def norms(layer, a):
    x = np.asarray(a["x"], np.float64) ** 2
    bare = replace(layer, padding=0)
    return np.sqrt(sum(x[:, :, *window] for _, window in taps(bare)))


def pooled(layer):
    return layer.kernel, layer.stride, layer.padding


def unfolded(layer):
    return {"kernel_size": layer.kernel, "padding": layer.padding, "stride": layer.stride}


def fold_size(layer):
    return {"output_size": layer.input[2:]} | unfolded(layer)


SUMS = oracle.DIRECT_BOUND
OPERATIONS = {
    "global_avg_pool": Operation(
        ("global_avg_pool", lambda n, a: ((a["x"],), {})),
        lambda t, n, a: t.nn.functional.adaptive_avg_pool2d(a["x"], 1), whole(np.mean), SUMS,
    ),
    "global_max_pool": Operation(
        ("global_max_pool", lambda n, a: ((a["x"],), {})), lambda t, n, a: a["x"].amax((2, 3), keepdim=True),
        whole(np.max),
    ),
    "adaptive_avg_pool": Operation(
        ("adaptive_avg_pool2d", lambda n, a: ((a["x"], SPLITS), {})),
        lambda t, n, a: t.nn.functional.adaptive_avg_pool2d(a["x"], SPLITS), split(np.mean), SUMS,
    ),
    "adaptive_max_pool": Operation(
        ("adaptive_max_pool2d", lambda n, a: ((a["x"], SPLITS), {})),
        lambda t, n, a: t.nn.functional.adaptive_max_pool2d(a["x"], SPLITS), split(np.max),
    ),
    "lp_pool": Operation(
        ("lp_pool2d", lambda n, a: ((a["x"], 2, n.kernel, n.stride), {})),
        lambda t, n, a: t.nn.functional.lp_pool2d(a["x"], 2, n.kernel, n.stride), norms, SUMS,
    ),
    "max_indices": Operation(
        ("max_pool2d", lambda n, a: ((a["x"], *pooled(n)), {"return_indices": True})),
        lambda t, n, a: t.nn.functional.max_pool2d(a["x"], *pooled(n), return_indices=True),
        lambda n, a: largest_at(n, a["x"]), item=1,
    ),
    "max_unpool": Operation(
        ("max_unpool2d", lambda n, a: ((a["grad"], a["indices"], *pooled(n), n.input[2:]), {})),
        lambda t, n, a: t.nn.functional.max_unpool2d(a["grad"], a["indices"], *pooled(n), n.input[2:]),
        put, takes=("grad", "indices"),
    ),
    "max_grad": Operation(
        ("grad.max_pool2d", lambda n, a: ((a["grad"], a["indices"], n.input), {})),
        lambda t, n, a: t.ops.aten.max_pool2d_with_indices_backward(
            a["grad"], a["x"], *([size] * 2 for size in pooled(n)), [1, 1], False, a["indices"]
        ),
        scattered, SUMS, takes=("grad", "indices", "x"),
    ),
    "avg_grad": Operation(
        ("grad.avg_pool2d", lambda n, a: ((a["grad"], n.input, *pooled(n)), {})),
        lambda t, n, a: t.ops.aten.avg_pool2d_backward(
            a["grad"], a["x"], *([size] * 2 for size in pooled(n)), False, True, None
        ),
        spread, SUMS, takes=("grad", "x"),
    ),
    "unfold": Operation(
        ("unfold", lambda n, a: ((a["x"],), unfolded(n))),
        lambda t, n, a: t.nn.functional.unfold(a["x"], **unfolded(n)), columns,
    ),
    "fold": Operation(
        ("fold", lambda n, a: ((a["columns"],), fold_size(n))),
        lambda t, n, a: t.nn.functional.fold(a["columns"], **fold_size(n)), images, SUMS, takes=("columns",),
    ),
}  # fmt: skip
