"""From shapes and size arguments to the numbers that describe the pooling of one image.

Everything is computed here once, in Python's integers, for any rank: one- and two-dimensional geometries are
three-dimensional ones with leading ones. This is the only place for shape formulas of pooling and for the errors about
its shapes; the kernels trust what leaves it.
"""

from functools import lru_cache
from typing import NamedTuple

from fastconv._geometry import check_rank, check_size, image_forms
from fastconv._sizes import LIMIT, index, integer, of_length, pairs, per_axis, resolve_padding, shape, shown

LEAST_ALIKE = 5  # windows of a row from which, and
MOST_ALIKE = 8  # elements of them up to which, adaptive pooling is better done as any other


class PoolGeometry(NamedTuple):
    """The pooling of one image: plain integers, in the order of `PoolShape` in `_kernels/window.pxd`.

    Letters are oneDNN's: i input, o output, k window, s stride, d dilation; p padding before, q padding after; d h w
    the axes.
    """

    id: int
    ih: int
    iw: int
    od: int
    oh: int
    ow: int
    kd: int
    kh: int
    kw: int
    sd: int
    sh: int
    sw: int
    dd: int
    dh: int
    dw: int
    pd: int
    ph: int
    pw: int
    qd: int
    qh: int
    qw: int
    maximum: int  # 1 the largest element, 0 the sum or mean
    count_pad: int  # 1 padding counts towards the number of elements of a mean
    divisor: int  # of the mean; 0 the number of elements
    adaptive: int  # 1 windows follow from the extents alone; kd kh kw bound them from above


def windows(function, size, kernel, stride, padding, dilation, ceil_mode):
    """Windows along each axis: floor((in + before + after - dilation * (kernel - 1) - 1) / stride) + 1.

    With `ceil_mode`, ceil in place of floor, but no window that starts beyond the input and its padding before. Every
    window must touch at least one element of the input: empty inputs, padding as wide as the dilated kernel, and
    kernels whose dilation steps over the whole input are refused.
    """
    result = []
    for axis in zip(size, kernel, stride, padding, dilation, strict=True):
        i, k, s, (before, after), d = axis
        padded, span = i + before + after, d * (k - 1) + 1
        if max(padded, span) >= LIMIT:
            raise ValueError(f"{function}: padding {before, after} and dilation {d} reach beyond 2**62 elements")
        if i == 0:
            raise ValueError(f"{function}: input has no elements along an axis, its size is {tuple(size)}")
        if max(before, after) >= span:
            raise ValueError(
                f"{function}: padding must be smaller than the dilated kernel, got {before, after} "
                f"for kernel_size {k} and dilation {d}"
            )
        if padded < span and not ceil_mode:
            raise ValueError(
                f"{function}: kernel_size {tuple(kernel)} with dilation {tuple(dilation)} is larger than "
                f"the padded input, size {tuple(size)} with padding {padding}"
            )
        count = (padded - span) // s + 1
        if ceil_mode:
            count = -((span - padded) // s) + 1
            count -= (count - 1) * s >= i + before
        if count < 1:
            raise ValueError(f"{function}: no window of kernel_size {tuple(kernel)} fits input of size {tuple(size)}")
        if i < d and steps_over(i, s, before, d, count):
            raise ValueError(
                f"{function}: a window of kernel_size {tuple(kernel)} with dilation {tuple(dilation)} and padding "
                f"{padding} touches nothing but padding of the input of size {tuple(size)}"
            )
        result.append(count)
    return tuple(result)


def steps_over(size, stride, before, dilation, count):
    """Whether a window that starts in the padding before has no tap in the input, which is shorter than the dilation.

    Its taps lie at start + j * dilation, so the first one past the padding is at start modulo dilation.
    """
    starting_before = min(count, -(-before // stride))
    if starting_before == 0:
        return False
    if -before % dilation >= size:
        return True
    first = first_multiple(stride % dilation, dilation, (size + before) % dilation, (before - 1) % dilation)
    return first is not None and first < starting_before


def first_multiple(step, modulus, low, high):
    """The smallest o >= 0 with low <= o * step % modulus <= high, or None, by Euclid's algorithm."""
    if low == 0:
        return 0
    if step == 0:
        return None
    o = -(-low // step)
    if o * step <= high:
        return o
    turns = first_multiple(modulus % step, step, -high % step, -low % step)
    return None if turns is None else -(-(low + turns * modulus) // step)


LONGEST_ROW = 2**40  # elements that a kernel can lay out for one thread without overflow, whatever the threads


def check_row(g, pixel):
    """Refuse a padded row, of `pixel` elements at each place, that no memory holds: kernels lay one out."""
    row = max((g.ow - 1) * g.sw + g.kw * g.dw + 256, g.pw + g.iw) * pixel
    if row > LONGEST_ROW:
        raise MemoryError(f"a row with its padding would have {row} elements")


class Pool(NamedTuple):
    """What a front needs to know of a pooling besides its geometry."""

    geometry: PoolGeometry
    output: tuple  # the windows along each axis


@lru_cache(maxsize=1024)
def pool_geometry(
    function, rank, shape, kernel, stride, padding, dilation, ceil_mode, maximum=1, count_pad=0, divisor=None
):
    """Check every shape and size of a pooling and describe it. `shape` is (n, c, *spatial) or (c, *spatial)."""
    size = spatial(function, rank, shape)
    kernel = per_axis(function, "kernel_size", kernel, rank)
    stride = kernel if stride is None else per_axis(function, "stride", stride, rank)
    dilation = per_axis(function, "dilation", dilation, rank)
    padding = resolve_padding(function, padding, size, kernel, stride, dilation)
    out = windows(function, size, kernel, stride, padding, dilation, ceil_mode)
    check_size(function, (*shape[:-rank], *out))
    ones, zeros = (1,) * (3 - rank), (0,) * (3 - rank)
    geometry = PoolGeometry(
        *ones, *size, *ones, *out, *ones, *kernel, *ones, *stride, *ones, *dilation,
        *zeros, *(before for before, _ in padding), *zeros, *(after for _, after in padding),
        maximum, count_pad, checked_divisor(function, divisor), 0,
    )  # fmt: skip
    return Pool(geometry, out)


def adaptive_geometry(function, rank, shape, output_size, maximum):
    """Describe adaptive pooling, whose window o along an axis runs from floor(o * i / out) to ceil((o + 1) * i / out).

    `output_size` is one integer or None for all axes, or one for each; None keeps an axis.
    """
    size = spatial(function, rank, shape)
    if 0 in size:
        raise ValueError(f"{function}: input has no elements along an axis, its size is {size}")
    given = output_size if isinstance(output_size, tuple) else (output_size,) * rank
    of_length(function, "output_size", given, rank)
    out = tuple(i if o is None else integer(function, "output_size", o, 1) for i, o in zip(size, given, strict=True))
    if max(out) >= 2**31:  # so that the kernels' products of two numbers of windows fit 64 bits
        raise ValueError(f"{function}: output_size must be below 2**31, got {output_size}")
    check_size(function, (*shape[:-rank], *out))
    ones, alike = (1,) * (3 - rank), are_side_by_side(size, out)
    kernel = tuple(i // o if alike else min(i, -(-i // o) + 1) for i, o in zip(size, out, strict=True))
    stride = kernel if alike else (1,) * rank
    geometry = PoolGeometry(
        *ones, *size, *ones, *out, *ones, *kernel, *ones, *stride, *(1,) * 3, *(0,) * 6, maximum, 0, 0, int(not alike),
    )  # fmt: skip
    return Pool(geometry, out)


def are_side_by_side(size, out):
    """Whether windows of adaptive pooling are alike and share nothing, many and narrow: to be pooled as others are.

    Channels-first, 256 planes, AVX-512 on Ice Lake: 28 windows a row of 2 elements became 5 to 7 times as fast, 14 of 4
    3 to 4 times, 7 of 8 1.4 to 1.6; 3 of 14 would take 1.2 times as long.
    """
    alike = all(i % o == 0 for i, o in zip(size, out, strict=True))
    return alike and out[-1] >= LEAST_ALIKE and size[-1] <= MOST_ALIKE * out[-1]


def unpooled_size(function, rank, shape, kernel, stride, padding, output_size):
    """The spatial size of what `max_unpool` returns: (o - 1) * stride + kernel - before - after, or as told."""
    size = spatial(function, rank, shape)
    kernel = per_axis(function, "kernel_size", kernel, rank)
    stride = kernel if stride is None else per_axis(function, "stride", stride, rank)
    padding = pairs(function, padding, rank)
    out = tuple(
        (o - 1) * s + k - before - after for o, k, s, (before, after) in zip(size, kernel, stride, padding, strict=True)
    )
    if output_size is not None:
        out = told_size(function, rank, shape, output_size)
    elif min(out) < 1:
        raise ValueError(f"{function}: padding {padding} leaves nothing of the output, its size would be {out}")
    check_size(function, (*shape[:-rank], *out))
    return out


def told_size(function, rank, shape, output_size):
    """`output_size` as `rank` spatial sizes; the whole shape will do too."""
    if isinstance(output_size, tuple) and len(output_size) == len(shape):
        whole = per_axis(function, "output_size", output_size, len(shape), 0)
        if whole[:-rank] != shape[:-rank]:
            raise ValueError(f"{function}: output_size {whole} does not go with input of shape {shape}")
        output_size = whole[-rank:]
    return per_axis(function, "output_size", output_size, rank)


def spatial(function, rank, shape, name="input"):
    """The spatial sizes of (n, c, *spatial) or (c, *spatial)."""
    check_rank(function, name, shape, rank, image_forms(rank, "c"))
    return tuple(shape[-rank:])


def full_size(function, rank, input_size, grad_shape):
    """`input_size` as a whole shape that goes with grad_output: (n, c, *spatial) or (c, *spatial)."""
    size = shape(function, "input_size", input_size)
    spatial(function, rank, grad_shape, "grad_output")
    if size[:-rank] != grad_shape[:-rank]:
        raise ValueError(
            f"{function}: input_size {size} and grad_output of shape {grad_shape} differ in batch or channels"
        )
    if 0 in size[-rank:]:
        raise ValueError(f"{function}: input_size {size} has no elements along an axis")
    return size


def checked_divisor(function, value):
    """`divisor_override` as the kernels take it: 0 for None."""
    if value is None:
        return 0
    value = index(function, "divisor_override", value)
    if value == 0 or abs(value) >= LIMIT:
        raise ValueError(f"{function}: divisor_override must be below 2**62 and not 0, got {shown(value)}")
    return value
