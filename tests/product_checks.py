"""What the ways of summing products are checked for, each over layers of its own: (input, weight, keywords)."""

import sys

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import fastconv
from fastconv import _cpu
from tests import data
from tests.layouts import DENSE, LAYOUTS
from tests.test_memory import alone_in_memory
from tests.together import together


def exact(x, w, stride=1, padding=0, dilation=1, groups=1):
    """The convolution by NumPy in float64, from all windows."""
    if groups > 1:
        parts = zip(np.split(x, groups, 1), np.split(w, groups), strict=True)
        return np.concatenate([exact(*part, stride, padding, dilation) for part in parts], 1)
    rank = w.ndim - 2
    stride, padding, dilation = (v if isinstance(v, tuple) else (v,) * rank for v in (stride, padding, dilation))
    axes = tuple(range(2, 2 + rank))
    padded = np.pad(x.astype(float), ((0, 0), (0, 0), *((p, p) for p in padding)))
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True)]
    windows = sliding_window_view(padded, spans, axes)
    every = (..., *(slice(None, None, step) for step in (*stride, *dilation)))
    return np.moveaxis(np.tensordot(windows[every], w.astype(float), ([1, *range(-rank, 0)], [1, *axes])), -1, 1)


def on_integers(input, weight, keywords):
    """Operands of small integers, keywords, and the exact result."""
    x, w = data.integers(input, key="input"), data.integers(weight, key="weight")
    return x, w, keywords, exact(x, w, **keywords)


def convolve(x, w, bias=None, **keywords):
    return getattr(fastconv, f"conv{w.ndim - 2}d")(x, w, bias, **keywords, method="direct")


def kernels_taken(monkeypatch, layout, input, weight, keywords):
    """The names of the kernels that a layer is planned to take."""
    x, w = LAYOUTS[layout](data.normal(input, "float32"), 1), data.normal(weight, "float32")
    kernel, names = _cpu.kernel, []
    monkeypatch.setattr(_cpu, "kernel", lambda name: names.append(name) or kernel(name))
    _cpu._forget()
    convolve(x, w, **keywords)
    return names


def beside_nan(array):
    """A copy between NaN, which would show in every sum that touched one."""
    memory = np.full(array.size + 128, np.nan, array.dtype)
    memory[64:-64] = array.reshape(-1)
    return memory[64:-64].reshape(array.shape)


class ProductChecks:
    """Tests of what the fixture `layer` of a test module gives, which is what `on_integers` does."""

    @together(layout=DENSE, threads=(1, 2, 3))
    def test_exact_and_nothing_beyond_is_read(self, layer, layout, threads, dtype, cpu_level):
        """To the last bit: bias and activation added, weights and bias between NaN."""
        x, w, keywords, expected = layer
        x = LAYOUTS[layout](x.astype(dtype), 1)
        bias = data.integers(w.shape[:1], dtype)
        out = np.full_like(x, np.nan, shape=expected.shape)
        expected = expected + bias.reshape(-1, *(1,) * (w.ndim - 2))
        with fastconv.num_threads(threads):
            convolve(x, beside_nan(w.astype(dtype)), beside_nan(bias), **keywords, activation="relu6", out=out)
        data.assert_identical(out, np.clip(expected, 0, 6).astype(dtype))

    @together(layout=DENSE)
    def test_without_bias(self, layer, layout, dtype, cpu_level):
        x, w, keywords, expected = layer
        x = LAYOUTS[layout](x.astype(dtype), 1)
        data.assert_identical(convolve(x, beside_nan(w.astype(dtype)), **keywords), expected.astype(dtype))

    @pytest.mark.skipif(sys.platform != "linux", reason="protects pages by mprotect")
    @together()
    def test_reads_stay_inside(self, layer, dtype, cpu_level):
        """Where there is no memory beyond the operands, a read there ends the process."""
        x, w, keywords, expected = layer
        for end in ("first", "last"):
            w_alone, x_alone = (alone_in_memory(a.astype(dtype), end) for a in (w, x))
            x_last = np.moveaxis(alone_in_memory(np.moveaxis(x.astype(dtype), 1, -1).copy(), end), -1, 1)
            for operand in (x_alone, x_last):
                data.assert_identical(convolve(operand, w_alone, **keywords), expected.astype(dtype))


def same_bits_for_any_split(input, weight, keywords, layout, threads, dtype):
    """Of threads, of the batch, and with prepared weights."""
    x = LAYOUTS[layout](data.normal((5, *input[1:]), dtype), 1)
    w = data.normal(weight, dtype, "weight")
    expected = convolve(x, w, **keywords)
    prepared = fastconv.prepare(w, **keywords, method="direct")
    for count in threads:
        with fastconv.num_threads(count):
            data.assert_identical(convolve(x, w, **keywords), expected)
            data.assert_identical(prepared(x), expected)
            data.assert_identical(convolve(x[2:3], w, **keywords), expected[2:3])
