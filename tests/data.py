"""Seeded test data: small integers, whose sums are exact in any order, and real numbers."""

import zlib

import numpy as np


def generator(*key):
    """A random generator that depends on nothing but `key`: the same data on every run and machine."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def integers(shape, dtype=np.float64, key="integers", limit=4):
    """Integers from -limit to limit, none of them zero: a product that is left out always shows."""
    rng = generator(key, tuple(shape))
    return (rng.integers(1, limit + 1, shape) * rng.choice([-1, 1], shape)).astype(dtype)


def normal(shape, dtype=np.float64, key="normal"):
    """Normal numbers."""
    return generator(key, tuple(shape)).standard_normal(shape).astype(dtype)


def positive(shape, dtype=np.float64, key="positive"):
    """Numbers from 0 to 1, as pixels are and what a relu leaves: rounding errors do not cancel, sums only grow."""
    return generator(key, tuple(shape)).random(shape).astype(dtype)


def few_bits(a):
    """`a` rounded to 2**-19: products of two, and thousands of them added up, are exact in float64."""
    return np.round(a * 2**19) / np.array(2**19, a.dtype)


def operands(case, make=integers, dtype=np.float64):
    """Input, weight and bias (or None) of a row of ``cases``."""
    bias = make(case.weight[:1], dtype, key="bias") if case.bias else None
    return make(case.input, dtype, key="input"), make(case.weight, dtype, key="weight"), bias


def filled_with_nan(shape, dtype):
    """An output to write to, in which an element that nobody wrote shows."""
    return np.full(shape, np.nan, dtype)


def assert_identical(result, expected):
    """Same shape, dtype and values; NaN equals NaN. Fails on data that could not tell right from wrong."""
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype
    assert expected.size == 0 or np.any(expected != 0), "an expectation of zeros proves nothing"
    np.testing.assert_array_equal(result, expected, strict=True)
