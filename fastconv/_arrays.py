"""Arrays at the door: kinds, dtypes, memory order and `out=`. The only module that looks at memory order.

Kernels see five axes (n, c, d, h, w), of native byte order and aligned, whose innermost axis in memory is w
("first", channels-first) or c ("last", channels-last); the other strides are free.
"""

from functools import wraps

import numpy as np

from fastconv import _cpu, _memory
from fastconv._threads import get_num_threads

FIRST, LAST = 0, 1
LEAST_TURNED = 4096  # elements from which on squares in registers beat NumPy's copy with its call
SERIAL_TURNED = 2**18  # elements below which a second thread costs more than it brings
SINGLE = np.dtype(np.float32)
HALVES = {(np.dtype(np.float16), SINGLE): True, (SINGLE, np.dtype(np.float16)): False}
LEAST_HALVES = 1024  # elements from which on their vectors beat NumPy's loop with its call

# How to index (n, c, *spatial) and (c, *spatial) to get (n, c, d, h, w), by the number of spatial axes.
_ALL, _NEW = slice(None), None
BATCHED = {rank: (_ALL, _ALL) + (_NEW,) * (3 - rank) for rank in (1, 2, 3)}
UNBATCHED = {rank: (_NEW, _ALL) + (_NEW,) * (3 - rank) for rank in (1, 2, 3)}


def names_memory_errors(way):
    """Decorator: a MemoryError of `way`, whose first argument is the public function's name, says that name."""

    @wraps(way)
    def named(function, *arguments, **keywords):
        try:
            return way(function, *arguments, **keywords)
        except MemoryError as error:
            raise MemoryError(f"{function}: {error}") from None

    return named


def array(function, name, value):
    """`value` as an ndarray of any dtype; TypeError where NumPy makes none of it, of ragged lists for example."""
    if type(value) is np.ndarray:
        return value
    try:
        value = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise TypeError(f"{function}: {name} cannot be made an array: {error}") from None
    return value


FLOATS = {np.dtype(t): np.dtype(t) for t in (np.float16, np.float32, np.float64)}
INTEGERS = {np.dtype(t): np.dtype(t) for t in ("int8", "uint8", "int16", "uint16", "int32", "int64")}  # of max pooling
# By what a kernel works in, Cython's name of it: the key of each of its functions
KINDS = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"} | {t: f"{t.name}_t" for t in INTEGERS}


def float_dtype(function, **arrays):
    """The dtype of a result: float16, float32 or float64, the widest among the operands; anything else is refused."""
    widest = None
    for name, a in arrays.items():
        if a is None:
            continue
        dtype = a.dtype
        if dtype not in FLOATS:
            dtype = dtype.newbyteorder("=")
            if dtype not in FLOATS:
                raise TypeError(
                    f"{function}: {name} has dtype {a.dtype}; cast it to float32 or float64 first, "
                    f"for example {name}.astype(numpy.float32)"
                )
        if widest is None or dtype.itemsize > widest.itemsize:
            widest = FLOATS[dtype]
    return widest


def compute_dtype(dtype):
    """The dtype that kernels work in: float16 is computed in float32."""
    return np.dtype(np.float32) if dtype.itemsize == 2 else dtype


def layout(x, rank):
    """FIRST or LAST: which axis of `x`, (n, c, *spatial) or (c, *spatial), is innermost in memory."""
    channels = x.ndim - rank - 1
    if x.flags.c_contiguous or channels < 0:
        return FIRST
    if x.shape[channels] == 1 or x.strides[channels] != x.itemsize or max(x.shape[channels + 1 :]) == 1:
        return FIRST  # a single pixel is that also alone, where nothing tells the order of its batch
    spatial = zip(x.shape[channels + 1 :], x.strides[channels + 1 :], strict=True)
    return LAST if all(size == 1 or abs(stride) > x.itemsize for size, stride in spatial) else FIRST


def is_one_axis(x, rank, order):
    """Whether the elements of a plane, or its pixels, lie at equal distances, so that they can be read as one row.

    That is their distance along the last axis: where it has one element, kernels see a distance that means nothing.
    """
    if x.ndim <= rank or x.shape[-1] == 1 or (order == FIRST and x.strides[-1] != x.itemsize):
        return False
    steps = zip(x.strides[-rank:-1], x.shape[-rank:][1:], x.strides[-rank:][1:], strict=True)
    return all(outer == size * inner for outer, size, inner in steps)


def five(x, rank):
    """`x` as a view with axes (n, c, d, h, w)."""
    return x[BATCHED[rank] if x.ndim == rank + 2 else UNBATCHED[rank]]


def readable(x, rank, dtype, order):
    """`x` as kernels read it: of `dtype`, aligned, unit stride along the innermost axis of `order`; else a copy.

    Along an axis of one element any stride will do.
    """
    if x.flags.c_contiguous and x.dtype == dtype and x.flags.aligned and order == FIRST:
        return x
    inner = x.ndim - 1 if order == FIRST else x.ndim - rank - 1
    whole = all(stride % dtype.itemsize == 0 for stride in x.strides)
    if x.dtype == dtype and x.flags.aligned and whole and (x.strides[inner] == x.itemsize or x.shape[inner] == 1):
        return x
    result = empty(x.shape, rank, dtype, order)
    copy(x, result)
    return result


def dense(x, dtype):
    """`x` C-contiguous, aligned and of `dtype`; copied if it is not."""
    if x.dtype == dtype and x.flags.c_contiguous and x.flags.aligned:
        return x
    result = _memory.empty(x.shape, dtype)
    copy(x, result)
    return result


def dense_in(x, rank, dtype, order):
    """`x` dense in the memory order of `order`, aligned and of `dtype`; itself or a copy."""
    if order == FIRST:
        return dense(x, dtype)
    last = channels_last(x, rank)
    same = dense(last, dtype)
    return x if same is last else channels_first(same, rank)


def channels_last(x, rank):
    """A view of `x`, (n, c, *spatial) or (c, *spatial), with its channels as the last axis."""
    split = x.ndim - rank - 1
    return x.transpose(*range(split), *range(split + 1, x.ndim), split)


def channels_first(x, rank):
    """The inverse of `channels_last`."""
    split = x.ndim - rank - 1
    return x.transpose(*range(split), x.ndim - 1, *range(split, x.ndim - 1))


def empty(shape, rank, dtype, order, source=None):
    """A new array of this logical shape whose memory has channels last or first, computed from `source` if that is
    named."""
    if order == FIRST:
        return _memory.empty(shape, dtype, source)
    split = len(shape) - rank - 1
    return channels_first(_memory.empty((*shape[:split], *shape[split + 1 :], shape[split]), dtype, source), rank)


def turned(x, out):
    """Copy `x` to `out`, apart from it, by squares in registers; False if they are not channels-first and channels-last
    or so small that NumPy is as fast."""
    whole = x.dtype == out.dtype and x.flags.aligned and not any(stride % x.itemsize for stride in x.strides)
    if x.size < LEAST_TURNED or not whole or x.itemsize not in (4, 8) or x.dtype.kind not in "fi":
        return False
    to_last = x.strides[-1] == x.itemsize
    strides = (out if to_last else x).strides
    rank = x.ndim - 1 - strides.index(x.itemsize) if x.itemsize in strides else 0
    if not 1 <= rank <= 3 or x.ndim - rank > 2:
        return False
    if not (channels_last(out, rank) if to_last else out).flags.carray:
        return False
    kernel = _cpu.kernel("turn").turn["float" if x.itemsize == 4 else "double"]
    kernel(x, out, rank, to_last, 0.0, threads_of_copy(x))
    return True


def threads_of_copy(x):
    """How many threads copy `x`."""
    return get_num_threads() if x.size >= SERIAL_TURNED else 1


def converted(x, out):
    """Copy `x` to `out`, apart from it, by vectors; False if not one of them is float16 and the other float32, without
    gaps and in the same order, or if they are so small that NumPy is as fast."""
    widen = HALVES.get((x.dtype, out.dtype))
    if widen is None or x.size < LEAST_HALVES:
        return False
    order = sorted(range(x.ndim), key=lambda axis: -x.strides[axis])
    x, out = x.transpose(order), out.transpose(order)
    if not (x.flags.c_contiguous and x.flags.aligned and out.flags.carray):
        return False
    _cpu.kernel("halves").convert(x, out, min(x.ndim - 1, 3), x.size, widen, threads_of_copy(x))
    return True


def copy(x, out):
    """Copy `x` to `out`, apart from it and of a dtype of its kind, by vectors where that is faster."""
    if not turned(x, out) and not converted(x, out):
        with np.errstate(over="ignore", invalid="ignore"):  # float16 overflows to infinity, as arithmetic in it would
            np.copyto(out, x)


def in_copies(run, x, out, rank, order, most):
    """`run(source, result)` of copies of `x` and `out` in the memory order of `order`, as many images at a time as
    `most` bytes."""
    if x.ndim == rank + 1 or x.nbytes + out.nbytes <= most:  # the rest takes 3 us longer
        source, result = (
            a if order == FIRST and a.flags.c_contiguous else empty(a.shape, rank, a.dtype, order) for a in (x, out)
        )
        if source is not x:
            copy(x, source)
        run(source, result)
        if result is not out:
            copy(result, out)
        return
    some = max(most // (x[0].nbytes + out[0].nbytes), 1)
    sources, results = (empty((min(len(a), some), *a.shape[1:]), rank, a.dtype, order) for a in (x, out))
    for first in range(0, len(x), some):
        images, made = x[first : first + some], out[first : first + some]
        source, result = sources[: len(images)], results[: len(images)]
        copy(images, source)
        run(source, result)
        copy(result, made)


def in_singles(run, convert, order, geometry, x, out, *rest):
    """`run`, a kernel of float32, of `x` and `out` of float16 in the memory order of `order`; `out` is dense."""
    rank, _, threads = rest[-3:]
    source, result = _memory.empty_like(x, SINGLE), _memory.empty_like(out, SINGLE)
    if all(2 * stride == other for stride, other in zip(x.strides, source.strides, strict=True)):
        convert(x, source, rank, x.size, True, threads)
    else:
        source = empty(x.shape, rank, SINGLE, order)
        copy(x, source)
    run(geometry, source, result, *rest)
    convert(result, out, rank, out.size, False, threads)


def check_out(function, out, shape, dtype):
    """`out` can take a result of this shape and dtype."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{function}: out must be an array, got {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"{function}: out has shape {out.shape}, the result has shape {shape}")
    if out.dtype != dtype:
        raise TypeError(f"{function}: out has dtype {out.dtype}, the result has dtype {dtype}")
    if not out.flags.writeable:
        raise ValueError(f"{function}: out is read-only")


def check_shape_of_bias(function, bias, weight):
    """`bias`, if there is one, has an element for each output channel of `weight`."""
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(
            f"{function}: bias must have shape {weight.shape[:1]} for weight of shape {weight.shape}, got {bias.shape}"
        )


def target(out, shape, rank, dtype, order, inputs):
    """Where a kernel may write: `out` itself if it is dense in `order` and apart from the inputs, else a new array.

    inputs : what the kernel reads, first what the result is computed from at the same pace
    """
    if out is None:
        return empty(shape, rank, dtype, order, inputs[0])
    in_memory = out if order == FIRST else channels_last(out, rank)
    direct = out.dtype == dtype and in_memory.flags.carray
    if direct and not any(np.may_share_memory(out, x) for x in inputs if x is not None):
        return out
    return empty(shape, rank, dtype, order, inputs[0])


def finish(result, out, dtype):
    """The array to return: `out` filled with `result`, or `result` itself, of `dtype`."""
    if out is None:
        if result.dtype == dtype:
            return result
        out = _memory.empty_like(result, dtype)  # order "K" keeps channels-last memory
    if out is not result:
        copy(result, out)
    return out
