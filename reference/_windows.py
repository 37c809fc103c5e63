"""Which coordinates of one axis the windows of convolution and pooling read, and channels in groups.

Output o reads the coordinates ``o * stride - before + j * dilation`` for j = 0 .. kernel - 1. There are as many outputs
as have their whole window inside the padded axis. With ``ceil_mode`` a last window may hang over the end by less than a
stride, if it starts on an element of the axis or in the padding before it.
"""


def count(size, kernel, stride, pair, dilation, ceil_mode=False):
    """Number of windows, found by moving a window along the axis."""
    before, after = pair
    span = dilation * (kernel - 1) + 1
    end = size + after + (stride - 1 if ceil_mode else 0)
    windows, start = 0, -before
    while start + span <= end and (start < size or not ceil_mode):
        windows += 1
        start += stride
    if not windows:
        raise ValueError(f"a window of {span} does not fit into {before} + {size} + {after} elements")
    return windows


def coordinates(size, kernel, stride, pair, dilation, ceil_mode=False):
    """For each window of an axis, the coordinates it reads inside the padded axis, ``-before <= i < size + after``."""
    before, after = pair
    starts = [o * stride - before for o in range(count(size, kernel, stride, pair, dilation, ceil_mode))]
    return [[i for i in range(s, s + dilation * (kernel - 1) + 1, dilation) if i < size + after] for s in starts]


def real(windows, size):
    """The same windows without the coordinates that lie in the padding."""
    return [[i for i in window if 0 <= i < size] for window in windows]


def slices(position, kernel, stride, dilation):
    """Slices of a padded array that cut out the window of the output at `position`."""
    return tuple(
        slice(o * s, o * s + d * (k - 1) + 1, d) for o, k, s, d in zip(position, kernel, stride, dilation, strict=True)
    )


def in_groups(array, axis, groups):
    """An axis of channels as two: the groups, and the channels of each."""
    return array.reshape(*array.shape[:axis], groups, array.shape[axis] // groups, *array.shape[axis + 1 :])


def one_after_another(array):
    """Groups and their channels (n, groups, channels, *spatial) as one axis."""
    return array.reshape(array.shape[0], array.shape[1] * array.shape[2], *array.shape[3:])
