"""Shapes and receptive fields of layers, without arrays: what the operations would compute, in exact integers.

A stack of layers looks at the input through windows, spaced evenly. Along one axis, output u of the stack depends on

    input[u * jump + start]  ...  input[u * jump + start + size - 1]

and on nothing else. A layer of kernel k, stride s, dilation d and `before` elements of padding, set on top of the
stack, makes

    size += d * (k - 1) * jump,    start -= before * jump,    then jump *= s

Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural networks", Distill,
doi:10.23915/distill.00021.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from fastconv._geometry import conv_geometry, spatial_rank
from fastconv._pool_geometry import pool_geometry
from fastconv._sizes import flag, freeze, frozen, per_axis, resolve_padding, shape, shown
from fastconv._types import Int, Padding, Shape, Size

__all__ = ["ReceptiveField", "conv_output_shape", "pool_output_shape", "receptive_field"]

LAYER = ("kernel_size", "stride", "padding", "dilation")  # what describes a layer, in order


class ReceptiveField(NamedTuple):
    """What one output of a stack of layers sees of the input: integers in elements of the input, one for each axis."""

    size: tuple[int, ...]
    jump: tuple[int, ...]
    start: tuple[int, ...]
    halo: tuple[tuple[int, int], ...]


def conv_output_shape(
    input_shape: Shape, weight_shape: Shape, stride: Size = 1, padding: Padding = 0, dilation: Size = 1,
    groups: Int = 1,
) -> tuple[int, ...]:  # fmt: skip
    """The shape of what `conv1d`, `conv2d` or `conv3d` returns for an input and a weight of these shapes.

    Along each axis ``floor((i + before + after - dilation * (k - 1) - 1) / stride) + 1``.

    Parameters
    ----------
    input_shape : sequence of int
        (n, ic, *spatial) or (ic, *spatial), with one to three spatial axes.
    weight_shape : sequence of int
        (oc, ic // groups, *kernel).
    stride, padding, dilation, groups
        As for `fastconv.conv2d`, names of paddings included.

    Returns
    -------
    tuple of int
        (n, oc, *out) or (oc, *out).

    Raises
    ------
    TypeError, ValueError
        Where the convolution itself would raise it.

    See Also
    --------
    pool_output_shape, receptive_field

    Examples
    --------
    >>> from fastconv import conv_output_shape
    >>> conv_output_shape((8, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3)
    (8, 64, 112, 112)
    >>> conv_output_shape((3, 10, 11), (4, 3, 2, 2), stride=3, padding="same")
    (4, 4, 4)
    """
    function = "conv_output_shape"
    size, weight = shape(function, "input_shape", input_shape), shape(function, "weight_shape", weight_shape)
    rank = spatial_rank(function, "weight_shape", weight, 2, "(oc, ic // groups, *kernel)")
    sizes = frozen(function, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return size[: -rank - 1] + conv_geometry(function, rank, size, weight, *sizes, "zeros", 4, 0).output


def pool_output_shape(
    input_shape: Shape, kernel_size: Size, stride: Size | None = None, padding: Padding = 0, dilation: Size = 1,
    ceil_mode: bool = False,
) -> tuple[int, ...]:  # fmt: skip
    """The shape of what a pooling function returns for an input of this shape.

    Along each axis ``floor((i + before + after - dilation * (k - 1) - 1) / stride) + 1``; ceil in place of floor with
    `ceil_mode`, without the last window where it would start beyond the input and its padding before.

    Parameters
    ----------
    input_shape : sequence of int
        (n, c, *spatial), or also (c, *spatial) where `kernel_size` is a sequence and so tells the number of spatial
        axes.
    kernel_size, stride, padding, dilation, ceil_mode
        As for `fastconv.max_pool2d`.

    Returns
    -------
    tuple of int
        The leading axes of `input_shape`, and the number of windows along each spatial axis.

    Raises
    ------
    TypeError, ValueError
        Where the pooling itself would raise it.

    See Also
    --------
    conv_output_shape, receptive_field

    Examples
    --------
    >>> from fastconv import pool_output_shape
    >>> pool_output_shape((8, 64, 112, 112), 3, stride=2, padding=1)
    (8, 64, 56, 56)
    >>> pool_output_shape((64, 113, 113), (2, 2), ceil_mode=True)
    (64, 57, 57)
    """
    function = "pool_output_shape"
    size, ceil_mode = shape(function, "input_shape", input_shape), flag(function, "ceil_mode", ceil_mode)
    sizes = frozen(function, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)
    if isinstance(sizes[0], tuple):
        rank = spatial_rank(function, "kernel_size", sizes[0], 0, "a size for each")
    else:
        rank = spatial_rank(function, "input_shape", size)
    return size[:-rank] + pool_geometry(function, rank, size, *sizes, ceil_mode).output


def receptive_field(layers: Iterable[dict[str, Any] | tuple[Any, ...]]) -> ReceptiveField:
    """What part of the input one output of a stack of layers depends on.

    Parameters
    ----------
    layers : iterable of dict or tuple
        Convolutions and poolings, from the input to the output: each a dict with `kernel_size` and, where they are
        not 1, 0 and 1, `stride`, `padding` and `dilation`, or a tuple of these in that order. The values are those of
        `fastconv.conv2d` and `fastconv.max_pool2d`: one integer or one for each axis, for the padding also pairs
        (before, after) or a name; a stride of None is the kernel's size. If all are single integers, the result has
        one axis, which stands for every axis.

    Returns
    -------
    ReceptiveField
        A named tuple of tuples with an entry for each axis, in elements of the input:

        size : elements that one output depends on, first to last
        jump : distance between the windows of two neighbouring outputs, the product of the strides
        start : index of the first element that output 0 depends on; negative in the padding
        halo : (before, after), elements beside a tile of the input that its outputs depend on

        Output u sees ``input[u * jump + start : u * jump + start + size]``; its centre lies at
        ``u * jump + start + (size - 1) / 2``.

    Raises
    ------
    TypeError
        A layer that is not a dict or tuple, has an unknown key, or holds values of a wrong kind.
    ValueError
        A size out of range, numbers of axes that disagree, a layer of more than four values or none, or padding
        "same" with a stride, which depends on the size of the input: give it as pairs.

    Notes
    -----
    With layers numbered 1 to L, strides s, dilated kernels ``d * (k - 1) + 1`` and paddings p before, the numbers are::

        jump  = product of all s
        size  = 1 + sum over l of d_l * (k_l - 1) * (s_1 * ... * s_(l-1))
        start = - sum over l of p_l * (s_1 * ... * s_(l-1))
        halo  = (-start, size + start - jump), where positive

    **Tiles.** Outputs [u, v) need the input [u * jump - before, v * jump + after), cut off at the edges of the image;
    that is the tile [u * jump, v * jump) with its halo. To compute them with the layers as they are, begin the piece
    at a multiple of `jump`, at most as far to the right, and let the last piece reach the edge, which ceil_mode looks
    at: the layers' padding then spoils, at every cut, only outputs that are dropped.

    References
    ----------
    Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural networks", Distill,
    https://distill.pub/2019/computing-receptive-fields/

    Examples
    --------
    The first two layers of a ResNet:

    >>> from fastconv import receptive_field
    >>> receptive_field([dict(kernel_size=7, stride=2, padding=3), dict(kernel_size=3, stride=2, padding=1)])
    ReceptiveField(size=(11,), jump=(4,), start=(-5,), halo=((5, 2),))
    """
    function = "receptive_field"
    layers = [_layer(f"{function}: layers[{i}]", layer) for i, layer in enumerate(_iterable(function, layers))]
    return _field(function, tuple(layers))


@lru_cache(maxsize=256)
def _field(function, layers):
    """The field of layers that `_layer` has read."""
    rank = next((len(v) for layer in layers for v in layer if isinstance(v, tuple)), 1)
    if rank == 0:
        raise ValueError(f"{function}: layers must have at least one axis, got an empty sequence of sizes")
    size, jump, start = [1] * rank, [1] * rank, [0] * rank
    for i, layer in enumerate(layers):
        for axis, (kernel, stride, before, dilation) in enumerate(_axes(f"{function}: layers[{i}]", layer, rank)):
            size[axis] += dilation * (kernel - 1) * jump[axis]
            start[axis] -= before * jump[axis]
            jump[axis] *= stride
    halo = tuple((max(-s, 0), max(z + s - j, 0)) for z, j, s in zip(size, jump, start, strict=True))
    return ReceptiveField(tuple(size), tuple(jump), tuple(start), halo)


def _iterable(function, layers):
    try:
        return iter(layers)
    except TypeError:
        raise TypeError(f"{function}: layers must be an iterable of layers, got {shown(layers)}") from None


def _layer(function, layer):
    """(kernel_size, stride, padding, dilation) of a layer, still as given: integers, names, and tuples of those."""
    if isinstance(layer, dict):
        unknown = [key for key in layer if key not in LAYER]
        if unknown:
            raise TypeError(f"{function} has no {shown(unknown[0])}, only {', '.join(LAYER)}")
        if "kernel_size" not in layer:
            raise ValueError(f"{function} has no kernel_size")
    elif isinstance(layer, tuple):
        if not 1 <= len(layer) <= len(LAYER):
            raise ValueError(f"{function} must have one to four values, {', '.join(LAYER)}, got {shown(layer)}")
        layer = dict(zip(LAYER, layer, strict=False))
    else:
        raise TypeError(f"{function} must be a dict or a tuple, got {shown(layer)}")
    values = {"stride": 1, "padding": 0, "dilation": 1} | layer
    return tuple([freeze(function, key, values[key]) for key in LAYER])


def _axes(function, layer, rank):
    """(kernel, stride, padding before, dilation) of a layer along each axis."""
    kernel, stride, padding, dilation = layer
    kernel = per_axis(function, "kernel_size", kernel, rank)
    stride = kernel if stride is None else per_axis(function, "stride", stride, rank)
    dilation = per_axis(function, "dilation", dilation, rank)
    if padding in ("same", "same_lower") and max(stride) > 1:
        raise ValueError(
            f"{function}: padding {padding!r} with stride {stride} depends on the size of the input: "
            "give (before, after) pairs"
        )
    # at stride 1 no named padding depends on the size: any will do
    padding = resolve_padding(function, padding, (1,) * rank, kernel, stride, dilation)
    return zip(kernel, stride, (before for before, _ in padding), dilation, strict=True)
