"""Arguments that are sizes (kernel, stride, padding, dilation, groups) as plain Python integers, or a clear refusal.

`freeze` and `shape` take whatever a caller passed; `per_axis` and `resolve_padding` what `freeze` made of it. Python's
integers do not overflow, so that all is compared before compiled code sees it.
"""

import operator
from reprlib import Repr

LIMIT = 2**62  # every extent, padded or not, and element count stays below: sums of two fit 64 bits
MOST_AXES = 8  # longer sequences are no sizes; nothing of theirs is copied
LONG = 1000  # bits of an integer that is not written out; Python refuses to convert thousands of digits


class _Shown(Repr):
    def repr_int(self, x, level):
        return super().repr_int(x, level) if x.bit_length() < LONG else f"an integer of {x.bit_length()} bits"


shown = _Shown().repr  # of whatever a caller passed: short, however long or self-containing it is


def index(function, name, value):
    """`value` as a plain int of any size; bool, float, str and None are refused."""
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise TypeError(f"{function}: {name} must be an integer, got {shown(value)}")


def integer(function, name, value, least=0):
    """`value` as a plain int from `least` up."""
    value = index(function, name, value)
    if value < least:
        raise ValueError(f"{function}: {name} must be at least {least}, got {shown(value)}")
    if value >= LIMIT:
        raise ValueError(f"{function}: {name} must be below 2**62, got {shown(value)}")
    return value


def is_integer(value):
    """Whether `value` is a single number-like thing, to be judged by `integer`, and not a sequence."""
    return type(value) is int or not hasattr(value, "__len__") or getattr(value, "shape", None) == ()


def sequence(function, name, value):
    """`value`, a sequence of no more items than there are axes."""
    if is_integer(value) or isinstance(value, (str, bytes, dict, set, frozenset)):
        raise TypeError(f"{function}: {name} must be a sequence of integers, got {shown(value)}")
    if len(value) > MOST_AXES:
        raise ValueError(f"{function}: {name} has {len(value)} items, more than there are axes: {shown(value)}")
    return value


def freeze(function, name, value, depth=2):
    """A size argument as what keys a cache: plain integers, names and None as they are, sequences as tuples of those.

    Wrong types are refused here, before the cache: to it 1, 1.0 and True are the same key.
    """
    if type(value) is int or value is None:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if is_integer(value):
        return index(function, name, value)
    if depth == 0:
        raise TypeError(f"{function}: {name} is nested too deeply: {shown(value)}")
    return tuple(freeze(function, name, v, depth - 1) for v in sequence(function, name, value))


def frozen(function, **sizes):
    """Size arguments as what keys a cache, in the order given."""
    return tuple(freeze(function, name, value) for name, value in sizes.items())


def shape(function, name, value):
    """An argument that is a shape as a tuple of plain integers from 0 up."""
    return tuple(
        size if type(size) is int and 0 <= size < LIMIT else integer(function, f"{name}[{i}]", size)  # named if wrong
        for i, size in enumerate(sequence(function, name, value))
    )


def of_length(function, name, value, length, what="an integer or one for each axis, {} in all"):
    """The tuple `value`, if it has `length` items; else `what` tells what it must be, with their number for {}."""
    if len(value) != length:
        raise ValueError(f"{function}: {name} must be {what.format(length)}, got {len(value)}: {shown(value)}")
    return value


def per_axis(function, name, value, rank, least=1):
    """One integer per spatial axis, from one integer for all or a tuple of `rank`."""
    if not isinstance(value, tuple):
        return (integer(function, name, value, least),) * rank
    return tuple(integer(function, name, v, least) for v in of_length(function, name, value, rank))


def pairs(function, padding, rank, names=""):
    """Explicit padding as one (before, after) pair per axis.

    An integer, one integer per axis, or one pair per axis, as `numpy.pad` takes them; `names` is what a message says
    before these where there are names besides.
    """
    if isinstance(padding, str):
        raise TypeError(f"{function}: padding must be integers or pairs of them, no name, got {shown(padding)}")
    if not isinstance(padding, tuple):
        padding = (padding,) * rank
    result = []
    forms = f"{names}an integer, or an integer or a (before, after) pair for each axis, {{}} in all"
    for item in of_length(function, "padding", padding, rank, forms):
        pair = item if isinstance(item, tuple) else (item, item)
        of_length(function, "padding", pair, 2, "pairs of {} integers")
        result.append(tuple(integer(function, "padding", p) for p in pair))
    return tuple(result)


def _same(size, kernel, stride, dilation):
    """Padding of an axis, both sides together, for ceil(size / stride) outputs."""
    return max((-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)


def _same_upper(size, kernel, stride, dilation):
    total = _same(size, kernel, stride, dilation)
    return total // 2, total - total // 2


def _same_lower(size, kernel, stride, dilation):
    total = _same(size, kernel, stride, dilation)
    return total - total // 2, total // 2


NAMED_PADDING = {
    "valid": lambda size, kernel, stride, dilation: (0, 0),
    "same": _same_upper,
    "same_lower": _same_lower,
    "full": lambda size, kernel, stride, dilation: (dilation * (kernel - 1),) * 2,
}


def resolve_padding(function, padding, size, kernel, stride, dilation):
    """Padding of any form as one (before, after) pair per axis.

    The named forms depend on the sizes: "same" gives ceil(size / stride) outputs, the odd element after (ONNX's
    SAME_UPPER, TensorFlow's SAME), "same_lower" the odd one before, "full" dilation * (kernel - 1) on both sides.
    """
    rank = len(size)
    if not isinstance(padding, str):
        return pairs(function, padding, rank, "a name, ")
    rule = NAMED_PADDING[one_of(function, "padding", padding, NAMED_PADDING, ", or integers")]
    return tuple(rule(*axis) for axis in zip(size, kernel, stride, dilation, strict=True))


def flag(function, argument, value):
    """`value` as a bool; only Python's own and NumPy's are."""
    if value is True or value is False:
        return value
    if getattr(getattr(value, "dtype", None), "kind", None) == "b" and value.shape == ():
        return bool(value)
    raise TypeError(f"{function}: {argument} must be True or False, got {shown(value)}")


def one_of(function, argument, value, names, others=""):
    """`value`, if it is one of the names."""
    if value not in names:
        known = ", ".join(map(str, names))
        raise ValueError(f"{function}: {argument} must be one of {known}{others}, got {shown(value)}")
    return value


def name(function, argument, value):
    """`value` as a plain string, if it is one."""
    if not isinstance(value, str):
        raise TypeError(f"{function}: {argument} must be a string, got {shown(value)}")
    return str.__str__(value)
