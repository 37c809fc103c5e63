"""Minimal filtering along h alone, lanes along rows of pixels: `_kernels/winograd_rows.pyx`."""

import numpy as np
import pytest

import fastconv
from fastconv import _cpu, _winograd, _winograd_rows
from fastconv._geometry import ConvGeometry
from fastconv._kernels import heap
from fastconv._phase_cost import method_of
from tests import data
from tests.tolerance import assert_within

# ic, oc, size, kernel, padding of each end
CASES = {
    "whole-vectors": (32, 9, (12, 64), (3, 3), ((1, 1), (1, 1))),
    "last-tile-of-one": (40, 3, (13, 37), (3, 3), ((1, 1), (1, 1))),
    "no-padding": (33, 1, (9, 50), (3, 3), ((0, 0), (0, 0))),
    "uneven-padding": (35, 5, (11, 41), (3, 3), ((1, 0), (0, 2))),
    "four-taps": (24, 7, (10, 40), (4, 4), ((2, 1), (2, 1))),
    "one-column": (100, 6, (8, 33), (3, 1), ((1, 1), (0, 0))),
    "stripes": (40, 13, (5, 300), (3, 3), ((1, 1), (1, 1))),
    "some-outputs-at-once": (32, 100, (5, 300), (3, 3), ((1, 1), (1, 1))),
    "few-rows": (40, 4, (3, 36), (3, 3), ((1, 1), (1, 1))),
}
over_cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.fixture(autouse=True)
def by_rows(monkeypatch):
    """Whatever the prices say, and at any level."""
    monkeypatch.setattr(_winograd, "goes_by_rows", _winograd_rows.fits)
    _cpu._forget()
    yield
    _cpu._forget()


def operands(case, make=data.normal, dtype="float32", n=2):
    ic, oc, size, kernel, _ = case
    return make((n, ic, *size), dtype), make((oc, ic, *kernel), dtype, "weight"), make((oc,), dtype, "bias")


def takes_rows(case, dtype):
    ic, oc, size, kernel, padding = case
    itemsize = np.dtype(dtype).itemsize
    outputs = [n + sum(p) - k + 1 for n, k, p in zip(size, kernel, padding, strict=True)]
    before = [p for p, _ in padding]
    g = ConvGeometry(ic, oc, 1, 1, *size, 1, *outputs, 1, *kernel, 1, 1, 1, 1, 1, 1, 0, *before, itemsize, 0)
    return _winograd.kernel(g) == "winograd_rows"


def exact(case, x, w, b):
    """The result, and the sum of magnitudes, in a wider type."""
    wide = np.longdouble if x.dtype == np.float64 else np.float64
    padded = np.pad(x, ((0, 0), (0, 0), *case[4])).astype(wide)
    windows = np.lib.stride_tricks.sliding_window_view(padded, case[3], axis=(2, 3))
    sums = (np.tensordot(a, v.astype(wide), ((1, 4, 5), (1, 2, 3))) for a, v in ((windows, w), (abs(windows), abs(w))))
    return [np.moveaxis(a, -1, 1) + v[:, None, None] for a, v in zip(sums, (b, abs(b)), strict=True)]


@over_cases
@pytest.mark.parametrize("make", [data.normal, data.positive], ids=["normal", "positive"])
def test_within_the_bound(case, make, dtype, cpu_level):
    if not takes_rows(case, dtype):
        pytest.skip("rows are shorter than two vectors, or the kernel wider than one")
    x, w, b = operands(case, make, dtype)
    result, size = exact(case, x, w, b)
    out = data.filled_with_nan(result.shape, dtype)
    fastconv.conv2d(x, w, b, padding=case[4], method="winograd", out=out)
    assert_within(out, result, size, "winograd")


@pytest.mark.parametrize(
    "case", [(24, 12, (14, 33), (4, 3), ((1, 1), (1, 1))), (32, 8, (4, 35), (3, 3), ((1, 1), (1, 1)))]
)
def test_chains_of_positive_data_are_short(case, cpu_level):
    """Rounding errors of one sign add up along a chain, and the transform back makes them larger."""
    x, w, b = operands(case, data.positive, n=400)
    result, size = exact(case, x, w, b)
    assert_within(fastconv.conv2d(x, w, b, padding=case[4], method="winograd"), result, size, "winograd")


@pytest.mark.parametrize(("ic", "taps"), [(6, 16), (7, 14), (12, 8)])
def test_corners_that_see_little_beside_wide_padding(ic, taps, cpu_level):
    """Columns that see a tap or two have too few products for their errors to average out."""
    case = (ic, 8, (5, 64), (3, taps), ((1, 1), (taps - 1, taps - 1)))
    x, w, _ = operands(case, n=60)
    x = np.maximum(x, 0)
    result, size = exact(case, x, w, np.zeros(8))
    assert not takes_rows(case, x.dtype)
    assert_within(fastconv.conv2d(x, w, padding=case[4]), result, size, "winograd")


@over_cases
def test_the_same_bits(case, dtype, cpu_level, monkeypatch):
    """For any number of threads, any split of the batch, weights transformed beforehand or not, and strides of rows."""
    monkeypatch.setattr("fastconv._plan.SERIAL_MACS", 0)
    x, w, b = operands(case, dtype=dtype, n=3)
    arguments = {"padding": case[4], "method": "winograd"}
    expected = fastconv.conv2d(x, w, b, **arguments)
    prepared = fastconv.prepare(w, b, **arguments)
    apart = np.zeros((3, 2 * x.shape[1], x.shape[2] + 1, x.shape[3] + 3), dtype)[:, ::2, 1:, 2:-1]
    apart[...] = x
    for threads in (1, 2, 5):
        with fastconv.num_threads(threads):
            some = fastconv.conv2d(x, w, b, **arguments), prepared(x), fastconv.conv2d(apart, w, b, **arguments)
        for result in some:
            data.assert_identical(result, expected)
    alone = np.concatenate([fastconv.conv2d(image[None], w, b, **arguments) for image in x])
    data.assert_identical(alone, expected)


def test_scratch_does_not_grow_with_outputs(cpu_level):
    """Points of the sums of 600 channels of a line of tiles would be 4 MiB, in the memory of each thread."""
    x, w = data.normal((1, 32, 4, 300), "float32"), data.normal((600, 32, 3, 3), "float32", "weight")
    conv, out = fastconv.prepare(w, padding=1, method="winograd"), data.filled_with_nan((1, 600, 4, 300), "float32")
    expected = conv(x)
    before = heap.refuse_beyond(1 << 20)
    try:
        with fastconv.num_threads(1):
            conv(x, out=out)
    finally:
        heap.refuse_beyond(before)
    data.assert_identical(out, expected)


def test_clamped(dtype, cpu_level):
    case = CASES["whole-vectors"]
    x, w, b = operands(case, dtype=dtype)
    plain = fastconv.conv2d(x, w, b, padding=1, method="winograd")
    for activation, high in (("relu", np.inf), ("relu6", 6)):
        result = fastconv.conv2d(x, w, b, padding=1, method="winograd", activation=activation)
        data.assert_identical(result, np.clip(plain, 0, high).astype(dtype))


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
def test_non_finite_values_spread_along_h_alone(value):
    x, w, _ = operands((32, 9, (24, 40), (3, 3), None))
    x[0, 3, 9, 20] = value
    touched = ~np.isfinite(fastconv.conv2d(x, w, padding=1, method="winograd"))
    assert touched[0, :, 8:11, 19:22].all()
    touched[0, :, 8:12, 19:22] = False
    assert not touched.any()


def test_few_outputs_take_it(monkeypatch, cpu_level):
    """By the prices: phases of 9x9 at stride 3 to one channel, and last layers of images; not many outputs."""
    monkeypatch.undo()
    _cpu._forget()
    if cpu_level == "baseline":
        pytest.skip("vectors of half the width have no prices of their own")

    def kernel(ic, oc, size, phases=1):
        g = ConvGeometry(ic, oc, 1, 1, size, size, 1, size, size, 1, 3, 3, 1, 1, 1, 1, 1, 1, 0, 1, 1, 4, 0)
        return method_of(g, phases).kernel(g)

    assert kernel(56, 9, 80, 9) == "winograd_rows"
    assert kernel(64, 3, 96) == "winograd_rows"
    assert kernel(64, 64, 96) == "winograd"
    assert kernel(8, 3, 96) not in ("winograd_rows", "winograd")
