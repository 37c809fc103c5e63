"""ONNX's convolution and pooling operators in terms of fastconv: what each attribute means, in a few lines each.

https://onnx.ai/onnx/operators/ . ONNX writes padding as all begins and then all ends, counts indices of maxima through
the whole tensor and not within a plane, and lets ConvTranspose ask for an output size instead of a padding.
"""

import math

import numpy as np
from onnx import helper, numpy_helper

import fastconv

AUTO_PAD = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}


def evaluate(model, inputs):
    """Outputs of a model for its inputs, node by node."""
    graph = model.graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    values |= zip([i.name for i in graph.input if i.name not in values], inputs, strict=True)
    for node in graph.node:
        arguments = [values[name] if name else None for name in node.input]
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        results = OPERATORS[node.op_type](*arguments, **attributes)
        values |= zip(node.output, results, strict=False)
    return [values[output.name] for output in graph.output]


def named(name, rank):
    return getattr(fastconv, f"{name}{rank}d")


def padding(auto_pad, pads):
    """auto_pad and pads as the padding of fastconv: a name, or pairs."""
    name = auto_pad.decode()
    if name != "NOTSET":
        return AUTO_PAD[name]
    half = len(pads) // 2
    return tuple(zip(pads[:half], pads[half:], strict=True)) if pads else 0


def conv(x, w, b=None, *, auto_pad=b"NOTSET", dilations=1, group=1, kernel_shape=None, pads=(), strides=1):
    rank = w.ndim - 2
    return (named("conv", rank)(x, w, b, strides, padding(auto_pad, pads), dilations, group),)


def conv_transpose(
    x, w, b=None, *, auto_pad=b"NOTSET", dilations=None, group=1, kernel_shape=None, output_padding=None,
    output_shape=None, pads=(), strides=None,
):  # fmt: skip
    rank = w.ndim - 2
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    extra = output_padding or [0] * rank
    crops = padding(b"NOTSET", pads) or ((0, 0),) * rank
    if auto_pad.startswith(b"SAME"):
        output_shape = [size * stride for size, stride in zip(x.shape[2:], strides, strict=True)]
    if output_shape:
        crops, extra = _crops_for(output_shape, x.shape[2:], w.shape[2:], strides, dilations, extra, auto_pad)
    return (named("conv_transpose", rank)(x, w, b, strides, crops, extra, group, dilations),)


def _crops_for(output_shape, sizes, kernel, strides, dilations, extra, auto_pad):
    """The padding that makes ConvTranspose's output as large as asked for; what is missing is output padding."""
    crops, longer = [], []
    for wanted, size, k, s, d, e in zip(output_shape, sizes, kernel, strides, dilations, extra, strict=True):
        total = (size - 1) * s + d * (k - 1) + 1 + e - wanted
        longer.append(e + max(-total, 0))
        half = max(total, 0) // 2
        rest = max(total, 0) - half
        crops.append((half, rest) if auto_pad == b"SAME_UPPER" else (rest, half))
    return crops, longer


def max_pool(
    x, *, auto_pad=b"NOTSET", ceil_mode=0, dilations=1, kernel_shape, pads=(), storage_order=0, strides=1
):  # fmt: skip
    values, indices = named("max_pool", len(kernel_shape))(
        x, kernel_shape, strides, padding(auto_pad, pads), dilations, bool(ceil_mode), return_indices=True
    )
    spatial = x.shape[2:]
    if storage_order == 1:  # within each plane, first axis fastest
        indices = np.ravel_multi_index(np.unravel_index(indices, spatial), spatial, order="F")
    return values, indices + _plane_offsets(x.shape)


def _plane_offsets(shape):
    """Flat index of the first element of each plane of a tensor (n, c, *spatial)."""
    offsets = np.arange(math.prod(shape[:2])) * math.prod(shape[2:])
    return offsets.reshape(*shape[:2], *(1,) * (len(shape) - 2))


def max_unpool(x, indices, output_shape=None, *, kernel_shape, pads=(), strides=1):
    """Indices count through the tensor that was pooled; `output_shape` adds zeros after it."""
    rank = len(kernel_shape)
    strides = [strides] * rank if isinstance(strides, int) else strides
    crops = padding(b"NOTSET", pads) or ((0, 0),) * rank
    axes = zip(x.shape[2:], kernel_shape, strides, crops, strict=True)
    pooled = tuple((size - 1) * s + k - before - after for size, k, s, (before, after) in axes)
    within = indices - _plane_offsets((*x.shape[:2], *pooled))
    result = named("max_unpool", rank)(x, within, kernel_shape, strides, output_size=pooled)
    if output_shape is not None:
        missing = zip(output_shape, result.shape, strict=True)
        result = np.pad(result, [(0, int(wanted) - size) for wanted, size in missing])
    return (result,)


def average_pool(
    x, *, auto_pad=b"NOTSET", ceil_mode=0, count_include_pad=0, dilations=1, kernel_shape, pads=(), strides=1
):  # fmt: skip
    function = named("avg_pool", len(kernel_shape))
    window = (kernel_shape, strides, padding(auto_pad, pads))
    return (function(x, *window, bool(ceil_mode), bool(count_include_pad), dilation=dilations),)


def lp_pool(x, *, auto_pad=b"NOTSET", ceil_mode=0, dilations=1, kernel_shape, p=2, pads=(), strides=1):
    function = named("lp_pool", len(kernel_shape))
    options = {"padding": padding(auto_pad, pads), "dilation": dilations}
    return (function(x, p, kernel_shape, strides, bool(ceil_mode), **options),)


OPERATORS = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "MaxUnpool": max_unpool,
    "AveragePool": average_pool,
    "LpPool": lp_pool,
    "GlobalAveragePool": lambda x: (fastconv.global_avg_pool(x),),
    "GlobalMaxPool": lambda x: (fastconv.global_max_pool(x),),
    # what PyTorch's exporter put around its one-dimensional average pooling
    "Unsqueeze": lambda x, axes: (np.expand_dims(x, tuple(axes)),),
    "Squeeze": lambda x, axes: (np.squeeze(x, tuple(axes)),),
}
