"""What the tests of gradients share: cases and layouts as parameters, functions by rank, the inner product."""

import numpy as np
import pytest

from fastconv import grad
from tests.layouts import DENSE


def over(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: f"{case.rank}d-{case.name}")


over_layouts = pytest.mark.parametrize("layout", DENSE)


def of(kind, case, what=""):
    """grad.conv2d_input and its like."""
    return getattr(grad, f"{kind}{case.rank}d{what}")


def inner(a, b):
    return float(np.vdot(a.astype(np.float64), b.astype(np.float64)))
