"""The types of the fronts' arguments, for those who check or complete code by them: nothing is checked by these here.

Sizes may be integers of Python's or NumPy's, names are plain strings, and the fronts say which.
"""

from collections.abc import Sequence
from typing import Any, SupportsIndex

from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]
ArrayOrPair = Any  # an array, or with `return_indices` a pair of arrays
Int = SupportsIndex
Shape = Sequence[Int]
Size = Int | Sequence[Int]  # one for all axes, or one for each
Pairs = Int | Sequence[Int | Sequence[Int]]  # or a pair (before, after) for each
Padding = str | Pairs
Windows = Int | None | Sequence[Int | None]  # of adaptive pooling; None keeps an axis

__all__ = ["Array", "ArrayLike", "ArrayOrPair", "DTypeLike", "Int", "Padding", "Pairs", "Shape", "Size", "Windows"]
