"""Ground truth: the operations of fastconv, written as loops over their definitions.

Nothing here is fast and nothing here shares a formula with fastconv. NumPy arrays serve as containers, every loop over
images, channels, output positions and window elements is spelled out or is one sum over one window, and one text serves
any number of spatial axes. Sums run in a wider type than the data and are rounded once, at the end: small integers are
exact, real data is as good as exact. Pass ``dtype=reference.wide(x.dtype)`` to get the sum before that rounding.

    _numbers.py    wider types and the final rounding         convolution.py  conv, conv_transpose, magnitude
    _padding.py    forms and modes of padding                 pooling.py      every pooling, and max unpooling
    _windows.py    which coordinates a window reads           patches.py      unfold, fold
                                                              gradients.py    gradients of convolution and pooling
"""

from reference import gradients
from reference._numbers import wide
from reference.convolution import conv, conv_transpose, magnitude
from reference.patches import fold, unfold
from reference.pooling import (
    adaptive_avg_pool,
    adaptive_max_pool,
    avg_pool,
    global_avg_pool,
    global_max_pool,
    lp_pool,
    max_pool,
    max_unpool,
)

__all__ = [
    "adaptive_avg_pool",
    "adaptive_max_pool",
    "avg_pool",
    "conv",
    "conv_transpose",
    "fold",
    "global_avg_pool",
    "global_max_pool",
    "gradients",
    "lp_pool",
    "magnitude",
    "max_pool",
    "max_unpool",
    "unfold",
    "wide",
]
