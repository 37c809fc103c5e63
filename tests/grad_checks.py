"""What the tests of gradients share: cases as parameters, functions by rank, the inner product."""

import numpy as np
import pytest

from fastconv import grad
from tests.truth import kept


def over(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: f"{case.rank}d-{case.name}")


def of(kind, case, what=""):
    """grad.conv2d_input and its like."""
    return getattr(grad, f"{kind}{case.rank}d{what}")


def inner(a, b):
    return float(np.vdot(a.astype(np.float64), b.astype(np.float64)))


@kept
def taps_one_by_one(x, g, weight, stride=1, padding=0, dilation=1, groups=1):
    """The weight gradient in a wider type, a matrix product for each tap."""
    rank = x.ndim - 2
    stride, padding, dilation = ((s,) * rank if isinstance(s, int) else s for s in (stride, padding, dilation))
    wide = np.longdouble if x.dtype == np.float64 else np.float64
    x = np.pad(x.astype(wide), ((0, 0), (0, 0), *((p, p) for p in padding)))
    g = g.astype(wide).reshape(g.shape[0], groups, weight[0] // groups, *g.shape[2:])
    result = np.empty(weight, wide)
    for tap in np.ndindex(*weight[2:]):
        axes = zip(tap, g.shape[3:], stride, dilation, strict=True)
        seen = x[(..., *(slice(t * d, t * d + (o - 1) * s + 1, s) for t, o, s, d in axes))]
        seen = seen.reshape(g.shape[0], groups, weight[1], *g.shape[3:])
        pixels = tuple(range(3, g.ndim))
        for i in range(groups):
            part = np.tensordot(g[:, i], seen[:, i], ((0, *(p - 1 for p in pixels)),) * 2)
            result[(slice(i * part.shape[0], (i + 1) * part.shape[0]), slice(None), *tap)] = part
    return result


def input_tap_by_tap(size, w, g, stride=1, padding=0, dilation=1, groups=1):
    """The input gradient, a matrix product for each tap."""
    rank = w.ndim - 2
    stride, padding, dilation = ((s,) * rank if isinstance(s, int) else s for s in (stride, padding, dilation))
    wide = [i + 2 * p for i, p in zip(size[2:], padding, strict=True)]
    padded = np.zeros((size[0], groups, size[1] // groups, *wide))
    g, w = g.reshape(len(g), groups, -1, *g.shape[2:]), w.reshape(groups, -1, *w.shape[1:])
    for tap in np.ndindex(*w.shape[3:]):
        axes = zip(tap, g.shape[3:], stride, dilation, strict=True)
        reached = (..., *(slice(t * d, t * d + (o - 1) * s + 1, s) for t, o, s, d in axes))
        padded[reached] += np.einsum("ngo...,goc->ngc...", g, w[(..., *tap)])
    return padded.reshape(*size[:2], *padded.shape[3:])[
        (..., *(slice(p, p + i) for p, i in zip(padding, size[2:], strict=True)))
    ]
