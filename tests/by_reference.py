"""What the definitions make of rows of `cases`: the same functions as in `by_torch`."""

import numpy as np

import reference


def sizes(case):
    return {name: getattr(case, name) for name in ("stride", "padding", "dilation", "groups")}


def convolution(case, x, w, b):
    return reference.conv(x, w, b, **sizes(case))


def gradients(case, x, w, g):
    """Of the input and of the weight."""
    slopes = reference.gradients
    return slopes.conv_input(x.shape, w, g, **sizes(case)), slopes.conv_weight(x, w.shape, g, **sizes(case))


def pooling(case, x):
    """Maxima, where each is in its plane, and sums of windows."""
    windows = case.kernel, case.stride, case.padding
    sums = reference.avg_pool(x, *windows, divisor_override=1, dilation=case.dilation)
    return *reference.max_pool(x, *windows, case.dilation, return_indices=True), sums


def pooling_gradients(case, x, where, g):
    """Of maxima, which are at `where`, and of sums."""
    ones = np.ones((x.shape[1], 1, *case.kernel))
    windows = case.stride, case.padding, case.dilation
    of_sums = reference.gradients.conv_input(x.shape, ones, g, *windows, groups=x.shape[1])
    return reference.gradients.max_pool(g, where, x.shape, rank=case.rank), of_sums
