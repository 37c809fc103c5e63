"""What PyTorch makes of rows of `cases`, in float64: convolution, its gradients by autograd, pooling.

Padding, in pairs, is put around the data first, since PyTorch's own is the same before and after.
"""

import numpy as np
import torch
from torch.nn import functional


def tensor(array):
    return torch.from_numpy(array.astype(np.float64)).requires_grad_()


def padded(x, case, value):
    return functional.pad(x, [amount for pair in reversed(case.padding) for amount in pair], value=value)


def slid(case, x, w, b=None, groups=1):
    """The convolution with the windows of a row, of pooling too."""
    convolve = getattr(functional, f"conv{case.rank}d")
    return convolve(padded(x, case, 0.0), w, b, case.stride, 0, case.dilation, groups)


def convolution(case, x, w, b):
    return slid(case, tensor(x), tensor(w), None if b is None else tensor(b), case.groups).detach().numpy()


def gradients(case, x, w, g):
    """Of the input and of the weight."""
    x, w = tensor(x), tensor(w)
    slid(case, x, w, None, case.groups).backward(torch.from_numpy(g.astype(np.float64)))
    return x.grad.numpy(), w.grad.numpy()


def largest(case, x):
    """Maxima, and where each is in its plane."""
    around = padded(x, case, -np.inf)
    pool = getattr(functional, f"max_pool{case.rank}d")
    maxima, where = pool(around, case.kernel, case.stride, 0, case.dilation, return_indices=True)
    places = np.unravel_index(where.numpy(), around.shape[2:])
    places = tuple(place - before for place, (before, _) in zip(places, case.padding, strict=True))
    return maxima, np.ravel_multi_index(places, x.shape[2:])


def summed(case, x):
    """The sum of each window."""
    ones = torch.ones((1, 1, *case.kernel), dtype=torch.float64)
    sums = slid(case, x.reshape(-1, 1, *x.shape[2:]), ones)
    return sums.reshape(*x.shape[:2], *sums.shape[2:])


def pooling(case, x):
    """Maxima, where each is in its plane, and sums of windows."""
    maxima, where = largest(case, tensor(x))
    return maxima.detach().numpy(), where, summed(case, tensor(x)).detach().numpy()


def pooling_gradients(case, x, where, g):
    """Of maxima, which are at `where`, and of sums."""
    slopes = []
    for pooled in (lambda x: largest(case, x)[0], lambda x: summed(case, x)):
        leaf = tensor(x)
        pooled(leaf).backward(torch.from_numpy(g.astype(np.float64)))
        slopes.append(leaf.grad.numpy())
    return slopes
