"""The same values in other memory: each function returns an array equal to its argument, laid out in its own way.

`axis` is the channel axis. The table is what tests run over; "contiguous" is the plain copy.
"""

import numpy as np


def contiguous(array, axis):
    return array.copy(order="C")


def channels_last(array, axis):
    """What ``np.moveaxis(image, -1, axis)`` of an image (n, h, w, c) is."""
    return np.moveaxis(np.moveaxis(array, axis, -1).copy(order="C"), -1, axis)


def channels_last_cropped(array, axis):
    """A crop of a larger channels-last image."""
    last = np.moveaxis(array, axis, -1)
    frame = _frame([*(size + 3 for size in last.shape[:-1]), last.shape[-1]], array.dtype)
    crop = frame[tuple(slice(1, 1 + size) for size in last.shape[:-1])]
    crop[...] = last
    return np.moveaxis(crop, -1, axis)


def channels_of_many(array, axis):
    """Some channels of a channels-last image that has more, as RGB is of RGBA."""
    last = np.moveaxis(array, axis, -1)
    frame = _frame((*last.shape[:-1], last.shape[-1] + 1), array.dtype)
    frame[..., :-1] = last
    return np.moveaxis(frame[..., :-1], -1, axis)


def channels_reversed(array, axis):
    """A channels-last image read backwards, as RGB is of BGR."""
    return np.flip(channels_last(np.flip(array, axis), axis), axis)


def cropped(array, axis):
    """A crop of a larger image: rows are contiguous, the image is not."""
    frame = _frame([size + 3 for size in array.shape], array.dtype)
    crop = frame[tuple(slice(2, 2 + size) for size in array.shape)]
    crop[...] = array
    return crop


def strided(array, axis):
    """Every second element of a larger array, on every axis."""
    frame = _frame([2 * size for size in array.shape], array.dtype)
    view = frame[(slice(None, None, 2),) * array.ndim]
    view[...] = array
    return view


def negative(array, axis):
    """Backwards on every axis."""
    return np.flip(np.flip(array).copy(order="C"))


def transposed(array, axis):
    """The last two axes swapped in memory: an image stored column by column."""
    return array.swapaxes(-1, -2).copy(order="C").swapaxes(-1, -2)


def fortran(array, axis):
    return np.asfortranarray(array)


def misaligned(array, axis):
    """One byte after an aligned address."""
    buffer = bytearray(array.nbytes + 1)
    view = np.ndarray(array.shape, array.dtype, buffer, offset=1)
    view[...] = array
    return view


def read_only(array, axis):
    array = array.copy()
    array.flags.writeable = False
    return array


def byte_swapped(array, axis):
    """The other byte order, as files of another machine have it."""
    return array.astype(array.dtype.newbyteorder())


def _frame(shape, dtype):
    """Memory around a view, which nobody should read: NaN where the type has it."""
    return np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 99, dtype)


LAYOUTS = {
    function.__name__: function
    for function in (
        contiguous, channels_last, channels_last_cropped, channels_of_many, channels_reversed, cropped, strided,
        negative, transposed, fortran, misaligned, read_only, byte_swapped,
    )
}  # fmt: skip

DENSE = ("contiguous", "channels_last")

WRITABLE = {name: layout for name, layout in LAYOUTS.items() if name not in ("read_only", "byte_swapped")}
