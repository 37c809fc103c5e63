"""The check: every operation in float64, by NumPy, next to the size of its sum of absolute products.

A convolution is a sum over kernel taps, and each tap is one matrix product of the weights at that tap with a strided
view of the padded input:

    out[n, g, :, :] = sum over taps t of  weight[g, :, :, t] @ padded[n, g, :, pixels shifted by t]

The same walk over taps gives the transposed convolution (write where the forward reads) and the weight gradient.
Rounding errors are counted in eps of |x| conv |w|: that is what a bound on a sum of products is proportional to
(Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), and what the documentation promises.
"""

from functools import partial
from itertools import product
from math import prod

import numpy as np

MANY_TAPS = 441  # one product for each would take minutes
AUTO_BOUND = 8  # in eps of |x| conv |w|: what the documentation promises for method="auto"
DIRECT_BOUND = 6  # and for the methods that sum directly


def pool_bound(reduce, kernel, rank=2):
    """A maximum is exact; a mean of m values rounds m - 1 additions and a division, each by half an eps at most."""
    return 0 if reduce == "max" else (kernel**rank + 1) / 2


def windows(layer, pixels):
    """For each kernel tap, its index and the slices of the padded input that its output `pixels` read."""
    for tap in product(*(range(k) for k in layer.weight[2:])):
        starts = [t * layer.dilation for t in tap]
        ends = [start + (size - 1) * layer.stride + 1 for start, size in zip(starts, pixels, strict=True)]
        yield tap, tuple(slice(start, end, layer.stride) for start, end in zip(starts, ends, strict=True))


def pad(x, pads):
    return np.pad(np.asarray(x, np.float64), ((0, 0), (0, 0), *((p, p) for p in pads)))


def grouped(x, groups):
    """View (n, c, *spatial) as (n, g, c // g, pixels)."""
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, -1)


def conv(layer, x, w):
    """The convolution in float64."""
    many = prod(layer.weight[2:]) >= MANY_TAPS
    if x.dtype == np.float32 and layer.groups == layer.stride == layer.dilation == 1 and many:
        return conv_of_many_taps(layer, x, w)
    padded, pixels = pad(x, layer.pads), layer.output[2:]
    weight = np.asarray(w, np.float64).reshape(layer.groups, -1, *layer.weight[1:])
    out = 0
    for tap, window in windows(layer, pixels):
        out = out + weight[:, :, :, *tap] @ grouped(padded[:, :, *window], layer.groups)
    return out.reshape(layer.output)


def conv_of_many_taps(layer, x, w):
    """The same by SciPy's transforms: in float64 exact enough to check float32 with. One group."""
    from scipy.signal import fftconvolve

    padded, flipped = pad(x, layer.pads), np.flip(np.asarray(w, np.float64), tuple(range(2, w.ndim)))
    sums = [[sum(map(partial(fftconvolve, mode="valid"), image, one)) for one in flipped] for image in padded]
    return np.array(sums)


def conv_transpose(layer, x, w):
    """The transposed convolution in float64: `w` is (ic, oc // groups, *kernel)."""
    return scattered(layer, x, w, x.shape[2:], (layer.weight[1] * layer.groups, *transposed_size(layer)))


def transposed_size(layer):
    """The extents of a transposed convolution's result."""
    axes = zip(layer.input[2:], layer.weight[2:], layer.pads, strict=True)
    return ((s - 1) * layer.stride - 2 * p + layer.dilation * (k - 1) + 1 for s, k, p in axes)


def grad_input(layer, grad, w):
    """The gradient of the input in float64."""
    return scattered(layer, grad, w, layer.output[2:], layer.input[1:])


def scattered(layer, x, w, pixels, shape):
    """Each of `pixels` of `x`, times the weights, added up where a window of them lies; `shape` is one image's."""
    out = np.zeros((x.shape[0], shape[0], *(s + 2 * p for s, p in zip(shape[1:], layer.pads, strict=True))))
    columns = grouped(np.asarray(x, np.float64), layer.groups)
    weight = np.asarray(w, np.float64).reshape(layer.groups, -1, *w.shape[1:])
    for tap, window in windows(layer, pixels):
        part = out[:, :, *window]
        part += (weight[:, :, :, *tap].swapaxes(1, 2) @ columns).reshape(part.shape)
    return out[:, :, *(slice(p, p + s) for s, p in zip(shape[1:], layer.pads, strict=True))]


def grad_weight(layer, grad, x):
    """The gradient of the weight in float64."""
    padded, out = pad(x, layer.pads), np.zeros(layer.weight)
    columns = grouped(np.asarray(grad, np.float64), layer.groups)
    for tap, window in windows(layer, grad.shape[2:]):
        patches = grouped(padded[:, :, *window], layer.groups)
        out[:, :, *tap] = (columns @ patches.swapaxes(2, 3)).sum(axis=0).reshape(out.shape[:2])
    return out


def pool(layer, x, reduce):
    """Maximum or mean (padding not counted) over the windows, in float64: tap by tap, as the convolution."""
    rank = x.ndim - 2
    spread = ((0, 0), (0, 0), *[(layer.padding, layer.padding)] * rank)
    padded = np.pad(np.asarray(x, np.float64), spread, constant_values=np.nan)
    result, counted = np.full(layer.output, np.nan), np.zeros(layer.output)
    for tap in product(range(layer.kernel), repeat=rank):
        ends = [t + (size - 1) * layer.stride + 1 for t, size in zip(tap, layer.output[2:], strict=True)]
        view = padded[:, :, *(slice(t, end, layer.stride) for t, end in zip(tap, ends, strict=True))]
        result = np.fmax(result, view) if reduce == "max" else np.nansum([result, view], axis=0)
        counted += ~np.isnan(view)
    return result if reduce == "max" else result / counted


def error_in_eps(result, exact, scale, dtype):
    """The largest |result - exact| in eps of `scale`; infinite if the shapes differ or anything is not a number."""
    result = np.asarray(result)
    if result.shape != exact.shape or not np.isfinite(result).all() or not exact.any():
        return np.inf
    error = np.abs(result - exact)
    covered = scale > 0
    if error[~covered].any():
        return np.inf
    return float((error[covered] / scale[covered]).max() / np.finfo(dtype).eps)


def require(result, exact, scale, dtype, bound):
    """Raise unless the result is within `bound` eps; what a benchmark's `setup` calls."""
    error = error_in_eps(result, exact, scale, dtype)
    if not error <= bound:
        raise AssertionError(f"error of {error:.3g} eps of |x| conv |w| exceeds {bound}")
