"""Means are the number next to sum / divisor though kernels multiply by what the divisor leaves of 1."""

import numpy as np
import pytest

import fastconv
from tests import data

DIVISORS = (
    *range(1, 50), 63, 81, 121, 125, 255, 343, 1000, 3969, 65535, 262145, 524287, 524288, 524289, 10**7, 2**24 + 2,
    -1, -2, -3, -9, -49, -524287,
)  # fmt: skip

# kernel, stride, (channels, height, width), channels last: each of the ways that sums are taken
WAYS = (
    (3, 1, (2, 9, 70), False), (3, 1, (2, 9, 18), False), (3, 2, (2, 9, 70), False), (2, 2, (2, 10, 28), False),
    (3, 3, (4, 12, 50), False), (5, 1, (2, 9, 70), False), (7, 7, (3, 14, 260), False), (5, 5, (32, 10, 10), False),
    (3, 1, (70, 6, 7), True), (3, 2, (70, 6, 7), True), (2, 2, (16, 6, 20), True), (5, 1, (5, 7, 40), True),
)  # fmt: skip


@pytest.mark.parametrize(("kernel", "stride", "shape", "last"), WAYS)
def test_as_of_a_division(kernel, stride, shape, last, dtype, cpu_level):
    """Sums of integers are exact, so all that is rounded is the quotient; infinity and the sign of zero stay."""
    values = data.generator("quotients", shape).integers(-(2**12), 2**12, shape)
    x = (values * 2.0 ** data.generator("scales").integers(-40, 40, (shape[0], 1, 1))).astype(dtype)
    x[0, :kernel, :kernel] = -0.0
    x[1, 0, 0], x[1, -1, -1] = np.inf, -np.inf
    if last:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0)
    sums = fastconv.avg_pool2d(x, kernel, stride, divisor_override=1)
    assert len(np.unique(sums)) > 8
    for divisor in DIVISORS:
        found = fastconv.avg_pool2d(x, kernel, stride, divisor_override=divisor)
        data.assert_identical(found, sums / np.asarray(divisor, dtype))
