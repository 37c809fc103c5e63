"""Scratch that cannot be had: a MemoryError that names function and kernel, and nothing is kept or written."""

import re
from functools import partial

import numpy as np
import pytest

import fastconv
from fastconv import _cpu, grad
from fastconv._kernels import heap
from tests import data
from tests.child import ROOT
from tests.layouts import channels_last, contiguous

CONV = {  # input, weight, method and arguments, by the kernel that one of both layouts takes
    "direct": ((1, 16, 14, 14), (16, 16, 3, 3), "direct", {}),
    "filter": ((1, 1, 40, 40), (1, 1, 9, 9), "direct", {}),
    "fft": ((1, 8, 40, 40), (8, 8, 9, 9), "fft", {}),
    "im2col": ((1, 16, 14, 14), (16, 16, 3, 3), "im2col", {}),
    "winograd": ((1, 64, 14, 14), (16, 64, 3, 3), "winograd", {}),
    "winograd_rows": ((1, 40, 12, 40), (3, 40, 3, 3), "winograd", {}),
    "winograd_short": ((1, 16, 28, 28), (6, 16, 3, 3), "winograd", {}),
    "grouped": ((1, 32, 14, 14), (32, 8, 3, 3), "direct", {"groups": 4}),
    "depthwise_last": ((1, 16, 9, 9), (16, 1, 3, 3), "direct", {"groups": 16, "padding": 1}),
    "few_last": ((1, 64, 9, 9), (1, 64, 1, 1), "direct", {}),
    "near_rows": ((1, 3, 40, 40), (3, 1, 3, 3), "direct", {"groups": 3, "padding": 1}),
}
WEIGHT = {  # gradients of weights: input, weight and arguments
    "point_grad": ((1, 32, 15, 15), (32, 32, 1, 1), {}),
    "row_grad": ((1, 3, 40, 40), (3, 1, 3, 3), {"groups": 3, "padding": 1}),
    "tap_grad": ((1, 2, 20, 20), (2, 2, 5, 5), {"padding": 2}),
    "weight_grad": ((1, 16, 9, 9), (16, 16, 3, 3), {"stride": 2}),
    "winograd_grad": ((2, 32, 28, 28), (32, 32, 3, 3), {"padding": 1}),
}
TRANSPOSED = {
    "phases": ((1, 64, 16, 16), (64, 32, 4, 4), {"stride": 2}),
    "gather": ((1, 16, 9, 9), (16, 1, 4, 4), {"stride": 2, "groups": 16}),
    "overlap": ((1, 64, 12, 13), (64, 1, 4, 4), {"stride": 2}),
    "disjoint": ((1, 130, 4, 9), (130, 130, 2, 2), {"stride": 2}),
}


def calls():
    """(name, layout, call of an optional `out`)."""
    for laid in (contiguous, channels_last):
        for name, (shape, kernel, method, arguments) in CONV.items():
            x, w = laid(data.integers(shape, np.float32), 1), data.integers(kernel, np.float32, "weight")
            yield f"{name}-{laid.__name__}", partial(fastconv.conv2d, x, w, method=method, **arguments)
        for name, (shape, kernel, arguments) in TRANSPOSED.items():
            x, w = laid(data.integers(shape, np.float32), 1), data.integers(kernel, np.float32, "weight")
            yield f"{name}-{laid.__name__}", partial(fastconv.conv_transpose2d, x, w, **arguments)
        for name, (shape, kernel, arguments) in WEIGHT.items():
            g = fastconv.conv_output_shape(shape, kernel, **arguments)
            x, g = (laid(data.integers(some, np.float32), 1) for some in (shape, g))
            yield f"{name}-{laid.__name__}", partial(weight_gradient, x, kernel, g, **arguments)
        x = laid(data.integers((1, 32, 15, 15), np.float32, limit=1000), 1)
        for kernel, stride in ((2, 2), (3, 2), (5, 1), (15, 15)):
            yield f"max-{kernel}-{laid.__name__}", partial(fastconv.max_pool2d, x, kernel, stride)
            yield f"avg-{kernel}-{laid.__name__}", partial(fastconv.avg_pool2d, x, kernel, stride)
            yield f"places-{kernel}-{laid.__name__}", partial(places, x, kernel, stride)
        yield f"gradient-{laid.__name__}", lambda x=x, out=None: grad.avg_pool2d(x, (1, 32, 30, 30), 2)
        yield f"fold-{laid.__name__}", lambda x=x, out=None: fastconv.fold(fastconv.unfold(x, 3), (15, 15), 3)


def weight_gradient(x, kernel, g, out=None, **arguments):
    return grad.conv2d_weight(x, kernel, g, **arguments)


def places(x, kernel, stride, out=None):
    return fastconv.max_pool2d(x, kernel, stride, return_indices=True, out=out)[0]


CALLS = dict(calls())


@pytest.fixture
def every_block_counted():
    """Small blocks too come from where the memory in use is counted."""
    before = heap.large_from(0)
    yield
    heap.large_from(before)


def lacking(bytes, call, out):
    """What `call` raises where no more than `bytes` are to be had at a time, or None."""
    before = heap.refuse_beyond(bytes)
    try:
        call(out=out)
    except MemoryError as error:
        return str(error)
    finally:
        heap.refuse_beyond(before)
    return None


def test_every_kernel_that_borrows_is_called(monkeypatch):
    """All but the probe, which measures the register tile."""
    kernel, called = _cpu.kernel, set()
    monkeypatch.setattr(_cpu, "kernel", lambda name: called.add(name) or kernel(name))
    _cpu._forget()
    for call in CALLS.values():
        call(out=None)
    sources = (ROOT / "fastconv" / "_kernels").glob("*.pyx")
    borrow = {path.stem for path in sources if "borrow(" in path.read_text(encoding="utf-8")}
    assert len(borrow) > 10
    assert borrow - called == {"probe"}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_kept_where_memory_lacks(name, threads, every_block_counted, cpu_level):
    """By turns the first piece of scratch is refused, and a later, larger one while the first is held."""
    with fastconv.num_threads(threads):
        expected = CALLS[name](out=None)
        out = np.empty_like(expected)
        for bytes in [0, *(2**n for n in range(6, 22))]:
            out[...] = 77
            held = heap.state()[1]
            error = lacking(bytes, CALLS[name], out)
            assert heap.state()[1] == held
            if error is None:
                continue
            assert re.match(r"(grad\.)?\w+: (\w+: no memory for|Unable to allocate) ", error), error
            if "phases" not in name:  # put together from several kernels' results
                assert (out == 77).all(), error
        data.assert_identical(CALLS[name](out=None), expected)
