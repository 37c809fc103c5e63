"""Powers by vectors, `fastconv/_kernels/float_powers.h` and `double_powers.h`."""

import math
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import _cpu

HEADER = Path(fastconv.__file__).parent / "_kernels" / "float_powers.h"
LIMITS = np.finfo(np.float32)
POWERS = (3, 1.5, 1 / 3, -2.5, 0.01, -0.7, 10, 30, 64, 65, -3, 1e300, -1e300, 1e-300)
# units in the last place: what the header says; the C library's powf of the baseline is within 0.52 of the power that
# it is told, a float
LARGEST_ERROR = 0.501


def powers(x, p):
    """abs(x) ** p by the kernel itself."""
    out = np.empty_like(x)
    _cpu.kernel("powers").power(x, out, 1, x.size, x.itemsize, p, 1)
    return out


def nodes(terms, first, end):
    """The zeros of Chebyshev's polynomial on [first, end], where one that goes through `f` errs least."""
    cosines = (Decimal(math.cos((2 * i + 1) * math.pi / (2 * terms))) for i in range(terms))
    return [(first + end) / 2 + (end - first) / 2 * cosine for cosine in cosines]


def through(f, x):
    """Coefficients, lowest first, of the polynomial that is `f` at each of x, by Newton's divided differences."""
    differences = [f(node) for node in x]
    for order in range(1, len(x)):
        for i in reversed(range(order, len(x))):
            differences[i] = (differences[i] - differences[i - 1]) / (x[i] - x[i - order])
    c = [Decimal(0)] * len(x)
    for node, difference in zip(reversed(x), reversed(differences), strict=True):
        c = [below - node * same for below, same in zip([Decimal(0), *c[:-1]], c, strict=True)]
        c[0] += difference
    return c


def value(c, x):
    """Of the polynomial of these coefficients, lowest first, at x."""
    total = Decimal(0)
    for coefficient in reversed(c):
        total = total * x + coefficient
    return total


def log2_over_s(square):
    s = square.sqrt()
    return ((1 + s) / (1 - s)).ln() / Decimal(2).ln() / s


def exp2(x):
    return (x * Decimal(2).ln()).exp()


ROOT = Decimal(2).sqrt()
POLYNOMIALS = {  # function, arguments, 2 to which power the error is
    "LOG2": (log2_over_s, (Decimal(0), ((ROOT - 1) / (ROOT + 1)) ** 2), -45),
    "EXP2": (exp2, (Decimal("-0.5"), Decimal("0.5")), -34),
}


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_coefficients_are_derived(name):
    """To the last bit or two, in decimals, which no platform has fewer of."""
    f, (first, end), error = POLYNOMIALS[name]
    written = re.search(rf"{name}\[\] = \{{([^}}]*)\}}", HEADER.read_text(encoding="utf-8"))[1]
    coefficients = [float(number) for number in written.strip(" \n,").split(",")]
    derived = through(f, nodes(len(coefficients), first, end))
    np.testing.assert_allclose(coefficients, [float(c) for c in derived], rtol=4e-16)
    kept = [Decimal(c) for c in coefficients]
    x = [first + (end - first) * i / 500 for i in range(1, 501)]
    assert max(abs(value(kept, at) / f(at) - 1) for at in x) < 2**error


def arguments(p):
    """Floats of all exponents, those whose powers are neither 0 nor infinite, and some around 1."""
    rng = np.random.default_rng(int(abs(p) * 1000) % 2**32)
    every = rng.integers(0, 0x7F800000, 40_000).astype(np.uint32).view(np.float32)
    finite = np.exp2(rng.uniform(-1, 1, 40_000) * min(127, 150 / abs(p))).astype(np.float32)
    return np.concatenate([every, -finite, 1 + rng.uniform(-0.1, 0.1, 20_000).astype(np.float32)])


@pytest.mark.parametrize("p", POWERS)
def test_float_powers_are_nearly_rounded(p, cpu_level):
    if cpu_level == "baseline":
        pytest.skip("is the C library's powf")
    x = arguments(p)
    with np.errstate(all="ignore"):
        exact = np.abs(x.astype(np.longdouble)) ** p
        rounded = exact.astype(np.float32)
    result = powers(x, p)
    normal = (exact >= LIMITS.tiny) & np.isfinite(rounded) & np.isfinite(result)
    unit = np.exp2(np.frexp(exact[normal])[1] - 24)
    assert np.abs((result[normal] - exact[normal]) / unit).max(initial=0) <= LARGEST_ERROR
    np.testing.assert_allclose(result[~normal], rounded[~normal], rtol=0, atol=LIMITS.smallest_subnormal)


def units_off(result, x, p):
    """By how many units in the last place of the power each result is off, in whole numbers: no sum is rounded."""
    bits = np.finfo(np.float64).nmant + 1
    (mantissas, exponents), (parts, scales) = np.frexp(x), np.frexp(result)
    for mantissa, exponent, part, scale in zip(mantissas, exponents, parts, scales, strict=True):
        power = int(np.ldexp(mantissa, bits)) ** p  # times 2 ** (p * (exponent - bits))
        taken = int(np.ldexp(part, bits)) << int(scale - bits - p * (exponent - bits))
        yield abs(taken - power) / 2 ** (power.bit_length() - bits)


@pytest.mark.parametrize("p", [3, 4, 7, 13, 64])
def test_whole_powers_of_doubles_are_nearly_rounded(p, cpu_level):
    """To a bit more than half a unit in the last place, where products rounded one by one err by p halves."""
    x = np.exp2(np.random.default_rng(p).uniform(-1, 1, 40_000) * (960 / p))  # below 2^-968 rests are subnormal
    assert max(units_off(powers(-x, p), x, p)) <= 0.51


@pytest.mark.parametrize("root", [3, 4, 5, 13, 63, 64])
def test_whole_roots_of_doubles_are_nearly_rounded(root, cpu_level):
    """Of numbers of all exponents: those as far from the root as the largest error lie on either side of it."""
    if cpu_level == "baseline":
        pytest.skip("is the C library's pow, of the double next to 1 / root")
    limits = np.finfo(np.float64)
    rng = np.random.default_rng(root)
    ends = [limits.smallest_subnormal, limits.tiny, limits.max, 1, 2.0**root, 2.0**-900, 2.0**900]
    x = np.concatenate([np.exp2(rng.uniform(-1074, 1024, 2000)), rng.uniform(0.1, 10, 2000), ends])
    for number, result in zip(x, powers(-x, 1 / root), strict=True):
        error = Fraction(51, 100) * Fraction(np.spacing(result))
        assert (Fraction(result) - error) ** root <= Fraction(number) <= (Fraction(result) + error) ** root


@pytest.mark.parametrize("p", POWERS)
def test_powers_of_special_numbers(p, dtype, cpu_level):
    """0, infinities, NaN and 1, in any place of vectors and of what is left after them."""
    if cpu_level == "baseline" and np.dtype(dtype) == np.float32 and abs(p) in (1e300, 1e-300):
        pytest.skip("the C library's powf is told a float")
    x = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1, -1], dtype)
    with np.errstate(all="ignore"):
        expected = np.abs(x.astype(np.float64)) ** p
    for n in range(1, 100):
        np.testing.assert_array_equal(powers(np.resize(x, n), p), np.resize(expected, n).astype(dtype))


@pytest.mark.parametrize("p", [3, 1 / 3])
def test_no_bit_depends_on_the_place_of_an_element(p, dtype, cpu_level):
    x = np.random.default_rng(0).standard_normal(200).astype(dtype)
    whole = powers(x, p)
    for n in range(1, 100):
        np.testing.assert_array_equal(powers(x[100 - n :], p), whole[100 - n :])


def test_the_root_of_the_least_exponent(dtype, cpu_level):
    """Its reciprocal is infinite, and so often the logarithm of 1, 0, was NaN."""
    np.testing.assert_array_equal(fastconv.lp_pool1d(np.array([[1, -2]], dtype), 5e-324, 1), [[1, 1]])
