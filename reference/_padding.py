"""What padding means: how much goes on each side, and which element a padded coordinate shows.

Amounts. A window of k elements, d apart, spans d * (k - 1) + 1 elements.

    "valid"       nothing
    "full"        d * (k - 1) on both sides: every window that touches the image
    "same"        ceil(size / stride) outputs; the odd element goes after (TensorFlow, ONNX SAME_UPPER)
    "same_lower"  the same, the odd element goes before (ONNX SAME_LOWER)

Modes, for an axis that holds a b c d (names of torch.nn.functional.pad, "symmetric" of numpy.pad):

    zeros       0 0 0 | a b c d | 0 0 0
    replicate   a a a | a b c d | d d d
    circular    b c d | a b c d | a b c
    symmetric   c b a | a b c d | d c b
    reflect     d c b | a b c d | c b a
"""

import numpy as np


def per_axis(value, rank):
    """One integer for each of `rank` axes."""
    return (int(value),) * rank if isinstance(value, (int, np.integer)) else tuple(int(v) for v in value)


def pairs(padding, sizes, kernel, stride, dilation):
    """``(before, after)`` for each axis, from any form that padding may take."""
    if isinstance(padding, str):
        return tuple(_named(padding, *axis) for axis in zip(sizes, kernel, stride, dilation, strict=True))
    if isinstance(padding, (int, np.integer)):
        padding = (padding,) * len(sizes)
    return tuple((int(p), int(p)) if isinstance(p, (int, np.integer)) else (int(p[0]), int(p[1])) for p in padding)


def _named(name, size, kernel, stride, dilation):
    span = dilation * (kernel - 1) + 1
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + span - size, 0)
    half = total // 2
    return {
        "valid": (0, 0),
        "full": (span - 1, span - 1),
        "same": (half, total - half),
        "same_lower": (total - half, half),
    }[name]


def source(coordinate, size, mode):
    """Coordinate of the element that a padded `coordinate` shows, or None where it shows the fill value."""
    if 0 <= coordinate < size:
        return coordinate
    if mode == "zeros":
        return None
    if mode == "replicate":
        return min(max(coordinate, 0), size - 1)
    if mode == "circular":
        return coordinate % size
    if mode == "symmetric":  # a b c d d c b a, again and again
        phase = coordinate % (2 * size)
        return phase if phase < size else 2 * size - 1 - phase
    if mode == "reflect":  # a b c d c b, again and again
        if size == 1:
            return 0
        phase = coordinate % (2 * size - 2)
        return phase if phase < size else 2 * size - 2 - phase
    raise ValueError(f"unknown padding mode {mode!r}")


def pad(array, amounts, mode="zeros"):
    """Pad the last ``len(amounts)`` axes, one after the other."""
    for axis, (before, after) in enumerate(amounts, start=array.ndim - len(amounts)):
        array = _pad_axis(array, axis, before, after, mode)
    return array


def _pad_axis(array, axis, before, after, mode):
    size = array.shape[axis]
    shape = list(array.shape)
    shape[axis] = before + size + after
    padded = np.zeros(shape, array.dtype)
    to, taken = np.moveaxis(padded, axis, 0), np.moveaxis(array, axis, 0)
    for coordinate in range(-before, size + after):
        shown = source(coordinate, size, mode)
        if shown is not None:
            to[before + coordinate] = taken[shown]
    return padded
