"""Which outputs the taps along an axis find inside the input; an axis is one of `ConvGeometry.axes`."""


def views(axis):
    """Of each tap along an axis, which outputs it finds inside the input: [first, end)."""
    size, outputs, taps, stride, dilation, before = axis
    for start in range(-before, taps * dilation - before, dilation):
        first, end = -(start // stride), -((start - size) // stride)
        yield min(max(first, 0), outputs), min(max(end, 0), outputs)


def seen_products(axis):
    """Of all taps of an axis with the outputs that find them inside the input."""
    return sum(max(end - first, 0) for first, end in views(axis))


def whole_along(axis):
    """How many outputs see all of their taps."""
    seen = tuple(views(axis))
    return max(seen[-1][1] - seen[0][0], 0)


def seen_along(axis):
    """The share of its taps that an output sees in the mean."""
    return seen_products(axis) / (axis[1] * axis[2])


def kinds_along(axis):
    """How many runs of outputs see the same taps."""
    return 1 + len({bound for view in views(axis) for bound in view} - {0, axis[1]})
