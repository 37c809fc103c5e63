"""`prepare`: a convolution with its weights packed or transformed once, for many inputs."""

from __future__ import annotations

from fastconv import _memory
from fastconv._arrays import FIRST, array, check_shape_of_bias, copy, float_dtype, names_memory_errors
from fastconv._conv import convolve
from fastconv._geometry import PADDING_MODES, spatial_rank
from fastconv._methods import NAMES
from fastconv._plan import plan_conv
from fastconv._sizes import freeze, name, one_of
from fastconv._threads import get_num_threads
from fastconv._types import Array, ArrayLike, Int, Padding, Size


class Prepared:
    """A convolution that keeps its weights; made by `prepare`, called with the input."""

    __slots__ = ("_arguments", "_bias", "_packed", "_rank", "_settings", "_weight")

    def __init__(self, rank, weight, bias, arguments):
        weight, bias = (None if a is None else _on_lines(a) for a in (weight, bias))
        settings = (f"conv{rank}d", rank, *arguments.values())  # in the order of `convolve`
        values = {"_rank": rank, "_weight": weight, "_bias": bias, "_arguments": arguments, "_settings": settings}
        values["_packed"] = {}
        for slot, value in values.items():
            object.__setattr__(self, slot, value)

    def __call__(self, input: ArrayLike, out: Array | None = None) -> Array:
        """Convolve `input`, (n, ic, *spatial) or (ic, *spatial): the bits and errors of `convNd`."""
        return convolve(self._settings, input, self._weight, self._bias, out, self._pack)

    def _pack(self, plan, weight):
        """What the kernel of `plan` makes of the weights: made once for each way in which it may lay them out."""
        packed = self._packed.get(plan.packing)
        if packed is None:
            packed = _memory.lines(plan.packing.size(plan.geometry, plan.dtype.type(0)), plan.dtype)
            plan.packing.pack(plan.geometry, weight, packed, get_num_threads())
            self._packed[plan.packing] = packed
        return packed

    def __setattr__(self, attribute, value):
        raise AttributeError(f"a prepared convolution is immutable: {attribute} cannot be set")

    def __delattr__(self, attribute):
        raise AttributeError(f"a prepared convolution is immutable: {attribute} cannot be deleted")

    def __reduce__(self):
        return Prepared, (self._rank, self._weight, self._bias, self._arguments)

    def __repr__(self):
        options = "".join(f", {key}={value!r}" for key, value in self._arguments.items())
        return f"<conv{self._rank}d prepared with a weight of shape {self._weight.shape}{options}>"


@names_memory_errors
def _prepared(function, weight, bias, sizes, names):
    """Check what can be checked without an input, and copy the arrays."""
    w = array(function, "weight", weight)
    b = None if bias is None else array(function, "bias", bias)
    dtype = float_dtype(function, weight=w, bias=b)
    rank = spatial_rank(function, "weight", w.shape, 2, "(oc, ic // groups, *kernel)")
    sizes = {key: freeze(function, key, value) for key, value in sizes.items()}
    if names["activation"] is not None:
        name(function, "activation", names["activation"])
    for key, known in (("padding_mode", tuple(PADDING_MODES)), ("method", ("auto", *NAMES))):
        one_of(function, key, name(function, key, names[key]), known)
    check_shape_of_bias(function, b, w)
    _plan_for_any_input(function, rank, w.shape, dtype, **sizes, activation=names["activation"])
    return Prepared(rank, w, b, {**sizes, **names})


def _on_lines(operand):
    """A copy for kernels that read weights as they are, by vectors: C-contiguous from a cache line on, read-only."""
    copied = _memory.lines(operand.size, operand.dtype).reshape(operand.shape)
    copy(operand, copied)
    copied.flags.writeable = False
    return copied


def _plan_for_any_input(function, rank, weight, dtype, stride, padding, dilation, groups, activation):
    """The errors of a plan for an input that every kernel fits into."""
    groups_of = groups if isinstance(groups, int) and groups > 0 else 1
    spans = dilation if isinstance(dilation, tuple) and len(dilation) == rank else (dilation,) * rank
    size = tuple(max(d, 1) * (k - 1) + 1 if isinstance(d, int) else k for d, k in zip(spans, weight[2:], strict=True))
    plan_conv(
        function, rank, (weight[1] * groups_of, *size), weight, dtype, FIRST, stride, padding, dilation, groups,
        "zeros", activation, "auto",
    )  # fmt: skip


def prepare(
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: Int = 1,
    padding_mode: str = "zeros",
    activation: str | None = None,
    method: str = "auto",
) -> Prepared:
    """Prepare a convolution (cross-correlation): its weights are packed or transformed once, for many inputs.

    Parameters
    ----------
    weight : array_like, (oc, ic // groups, *kernel)
        float16, float32 or float64. The number of kernel axes, 1 to 3, chooses between `conv1d`, `conv2d` and `conv3d`.
        Copied.
    bias : array_like, (oc,), optional
        Likewise. Copied.
    stride, padding, dilation, groups, padding_mode, activation, method
        As of `conv2d`.

    Returns
    -------
    callable
        ``conv(input, out=None)`` gives the same bits, dtypes and errors as ``convNd(input, weight, bias, ...)``, for
        inputs of any size and memory order. It is immutable, can be pickled, and may be called by several threads at
        once. What a kernel makes of the weights is made when an input first asks for it, and kept.

    Raises
    ------
    TypeError
        The weight or bias is not of a floating dtype, a size is not an integer, a name is not a string.
    ValueError
        Shapes, sizes or names that no input fits.
    MemoryError
        The weights cannot be copied.

    Notes
    -----
    Worth it where weights are many beside the outputs: by 3x3 kernels from 256 to 256 channels a call takes 0.67 of the
    time on maps of 14x14, from 64 to 64 on 56x56 0.96 (AVX-512, Zen 5). "winograd" keeps four times the memory of 3x3
    weights, at strides too; a direct sum whose lanes are output channels, on channels-last memory and for strided and
    dilated layers that are summed directly, about as much as the weights themselves. Others are used as they are, as
    are those of deep sums on small maps, from a copy that vectors fit.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> edges = fastconv.prepare(np.array([[[[-1, 0, 1]]]], np.float32), padding=(0, 1), padding_mode="replicate")
    >>> edges(np.array([[[1, 2, 4, 8]]], np.float32))
    array([[[1., 3., 6., 4.]]], dtype=float32)
    """
    sizes = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    names = {"padding_mode": padding_mode, "activation": activation, "method": method}
    return _prepared("prepare", weight, bias, sizes, names)
