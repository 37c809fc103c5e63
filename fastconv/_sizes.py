"""Arguments that are sizes (kernel, stride, padding, dilation, groups) as plain Python integers, or a clear refusal.

Python's integers do not overflow, so whatever a caller passes is compared before compiled code sees it.
"""

import operator
from reprlib import repr as shown  # of whatever a caller passed: short, however long or self-containing it is

LIMIT = 2**62  # every extent, padded or not, and element count stays below: sums of two fit 64 bits


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
        raise ValueError(f"{function}: {name} must be at least {least}, got {value}")
    if value >= LIMIT:
        raise ValueError(f"{function}: {name} must be below 2**62, got {value}")
    return value


def sequence(function, name, value, rank, what="an integer or"):
    """`value` as a tuple of `rank` items, not looked into."""
    if isinstance(value, (str, bytes, dict, set, frozenset)) or not hasattr(value, "__len__"):
        raise TypeError(f"{function}: {name} must be {what} {rank} integers, got {shown(value)}")
    try:
        length = len(value)
    except TypeError:  # a 0-d array has a length method and refuses to answer
        raise TypeError(f"{function}: {name} must be {what} {rank} integers, got {shown(value)}") from None
    if length != rank:  # asked before anything is copied
        raise ValueError(f"{function}: {name} must be {what} {rank} integers, got {length}: {shown(value)}")
    return tuple(value)


def per_axis(function, name, value, rank, least=1):
    """One integer per spatial axis, from one integer for all or a sequence of `rank`."""
    if is_integer(value):
        return (integer(function, name, value, least),) * rank
    return tuple(integer(function, name, v, least) for v in sequence(function, name, value, rank))


def is_integer(value):
    """Whether `value` is a single number-like thing, to be judged by `integer`, and not a sequence."""
    return type(value) is int or not hasattr(value, "__len__") or getattr(value, "shape", None) == ()


def pairs(function, padding, rank):
    """Explicit padding as one (before, after) pair per axis.

    An integer, one integer per axis, or one pair per axis, as `numpy.pad` takes them.
    """
    if is_integer(padding):
        p = integer(function, "padding", padding)
        return ((p, p),) * rank
    result = []
    for item in sequence(function, "padding", padding, rank, "a name, an integer, or one integer or pair per axis,"):
        if is_integer(item):
            p = integer(function, "padding", item)
            result.append((p, p))
        else:
            before, after = sequence(function, "padding", item, 2, "a pair of")
            result.append((integer(function, "padding", before), integer(function, "padding", after)))
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
        return pairs(function, padding, rank)
    if padding not in NAMED_PADDING:
        names = ", ".join(NAMED_PADDING)
        raise ValueError(f"{function}: padding must be one of {names} or integers, got {shown(padding)}")
    rule = NAMED_PADDING[padding]
    return tuple(rule(*axis) for axis in zip(size, kernel, stride, dilation, strict=True))


MOST_AXES = 8  # longer sequences are no sizes; nothing of theirs is copied


def freeze(function, name, value, depth=2):
    """A size argument as what keys a cache: plain integers, names and None as they are, sequences as tuples of those.

    Wrong types are refused here, before the cache: to it 1, 1.0 and True are the same key.
    """
    if type(value) is int or type(value) is str or value is None:
        return value
    if is_integer(value):
        return index(function, name, value)
    if depth == 0:
        raise TypeError(f"{function}: {name} is nested too deeply: {shown(value)}")
    if len(value) > MOST_AXES:
        raise ValueError(f"{function}: {name} has {len(value)} items, more than there are axes: {shown(value)}")
    return tuple(freeze(function, name, v, depth - 1) for v in sequence(function, name, value, len(value)))


def frozen(function, **sizes):
    """Size arguments as what keys a cache, in the order given."""
    return tuple(freeze(function, name, value) for name, value in sizes.items())


def flag(function, argument, value):
    """`value` as a bool; only Python's own and NumPy's are."""
    if value is True or value is False:
        return value
    if getattr(getattr(value, "dtype", None), "kind", None) == "b" and value.shape == ():
        return bool(value)
    raise TypeError(f"{function}: {argument} must be True or False, got {shown(value)}")


def name(function, argument, value):
    """`value` as it is, if it is a string."""
    if type(value) is not str:
        raise TypeError(f"{function}: {argument} must be a string, got {shown(value)}")
    return value
