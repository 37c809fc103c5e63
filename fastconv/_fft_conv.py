"""Convolution by Fourier transforms: from a geometry to what `_kernels/fourier.pyx` is told, with its roots.

It stands for a kernel module in the plans of convolutions, and splits those whose kernels' spectra would take too much
memory. `_fft.py` says in what blocks, and when.
"""

from functools import lru_cache, partial
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from fastconv import _cpu
from fastconv._arrays import FLOATS, KINDS, five
from fastconv._fft import MULTIPLE, best
from fastconv._geometry import ConvGeometry
from fastconv._tuned import tuned

LINE = 64  # bytes that scales take after the spectra of a kernel: a cache line of `scratch.pxd`
RADICES = 2, 3, 4, 6, 8, 12  # of passes, see `_kernels/fourier.h`
WEIGHTS = 2**25  # bytes of spectra of weights at a time, where those of one output do


class Plan(NamedTuple):
    """What the kernel is told, in its order."""

    icg: int  # channels of a group
    ocg: int
    groups: int
    line: bool  # whether one axis is transformed, and its blocks are laid out as rows of a plane
    two_outputs: bool  # whether the parts of a complex number are two outputs, not two blocks
    extents: tuple  # of a block's array
    axes: tuple  # (source, size, outputs, taps, stride, dilation, before, phases, span, block, step, blocks) of three
    transforms: tuple = ()  # (elements, radices, roots) along d, h and w
    twist: object = None  # what stands between columns and rows of a line


@lru_cache(maxsize=1024)
def plan_of(g):
    """The kernel's plan without tables: axes that are transformed come last."""
    cut, two_outputs = best(g)
    order = sorted(range(3), key=lambda i: cut[i].span > 1)
    blocks = [cut[i].size if cut[i].span > 1 else 1 for i in order]
    line = blocks[1] == 1
    extents = (1, *halves(blocks[2])) if line else tuple(blocks)
    described = []
    for i, block in zip(order, blocks, strict=True):
        a, (size, outputs, taps, stride, dilation, before) = cut[i], g.axes[i]
        shape = (block, a.outputs, a.blocks) if a.span > 1 else (1, 1, outputs)
        described.append((2 + i, size, outputs, taps, stride, dilation, before, a.phases, a.span, *shape))
    return Plan(g.ic // g.groups, g.oc // g.groups, g.groups, line, two_outputs, extents, tuple(described))


def with_tables(g):
    """The plan with its roots of unity."""
    plan, dtype, most = plan_of(g), np.dtype(f"f{g.itemsize}"), tuned().fourier.radix
    transforms = tuple(passes(n, dtype, most) for n in plan.extents)
    return plan._replace(transforms=transforms, twist=twisted(*plan.extents[1:], dtype, most) if plan.line else None)


def halves(n):
    """(h, w) with h * w = n, both multiples of 16 and as near to each other as factors of 2 and 3 allow."""
    height, rest = MULTIPLE, n // MULTIPLE**2
    for factor in (3, 2):
        while rest % factor == 0:
            rest //= factor
            height *= factor if (height * factor) ** 2 <= n else 1
    return height, n // height


@lru_cache(maxsize=256)
def radices(n, most):
    """Rows that passes over n = 2^a 3^b elements combine, `most` at most: as few passes as may be, of few rows then.

    Of two passes the one of fewer rows comes first, since the last needs no roots; of three and more, this takes 1.1
    times as long.
    """
    found = fewest(n, most)
    return tuple(sorted(found, reverse=len(found) > 2))


def fewest(n, most):
    """The same in any order."""
    ways = [(radix, *fewest(n // radix, radix)) for radix in RADICES if radix <= most and n % radix == 0]
    return min((way for way in ways if prod(way) == n), key=lambda way: (len(way), sum(way)), default=())


def roots_of_unity(k, n):
    """exp(-2 pi i k / n) of integers `k`, (..., [real, imaginary]): angles of at most an eighth are exact enough."""
    quarter = (8 * k + n) // (2 * n)
    angle = (4 * k - quarter * n) * (np.pi / (2 * n))
    c, s = np.cos(angle), np.sin(angle)
    real, imaginary = np.stack([c, -s, -c, s]), np.stack([-s, -c, s, c])
    return np.stack([np.choose(quarter % 4, real), np.choose(quarter % 4, imaginary)], axis=-1)


@lru_cache(maxsize=256)
def passes(n, dtype, most):
    """(n, radices, roots) of transforms of `n` elements: of each pass exp(-2 pi i j q / len), row j, 0 < q < radix."""
    roots, length = [np.empty(0)], n
    for radix in radices(n, most):
        roots.append(roots_of_unity(np.outer(np.arange(length // radix), np.arange(1, radix)), length).ravel())
        length //= radix
    return n, radices(n, most), np.concatenate(roots).astype(dtype)


@lru_cache(maxsize=64)
def twisted(h, w, dtype, most):
    """exp(-2 pi i k j / (h * w)) of column j and of frequency k, in the order of digits that passes leave it in."""
    frequencies, length = np.zeros(1, np.int64), 1
    for radix in radices(h, most):
        frequencies = (frequencies[:, None] + length * np.arange(radix)).ravel()
        length *= radix
    roots = roots_of_unity(np.outer(frequencies, np.arange(w)) % (h * w), h * w)
    return np.ascontiguousarray(np.moveaxis(roots, -1, 0), dtype)


def packed_layout(geometry):
    """What the spectra of weights depend on besides the weights: the size of a block."""
    plan = plan_of(ConvGeometry(*geometry))
    return plan.line, plan.two_outputs, plan.extents


def spectra_size(geometry, like):
    """Elements of the type of `like` that the spectra of weights take."""
    g = ConvGeometry(*geometry)
    plan = plan_of(g)
    return plan.groups * kernels(plan) * of_kernel(g, plan)


def kernels(plan):
    """Spectra of a group's weights: of one output each, or of two."""
    return -(-plan.ocg // 2) if plan.two_outputs else plan.ocg


def of_kernel(g, plan):
    """Elements of one of them, with its scales in a cache line."""
    return 2 * plan.icg * prod(a[7] for a in plan.axes) * prod(plan.extents) + LINE // g.itemsize


def transform_weights(kind, geometry, weight, packed, threads):
    """Transform the weights once, for calls of `convolve` with inputs of the same `packed_layout`."""
    _cpu.kernel("fourier").transform[kind](tuple(with_tables(ConvGeometry(*geometry))), weight, packed, threads)


@_cpu.remembers_kernels
@lru_cache(maxsize=256)
def parts(g):
    """Neighbouring outputs whose spectra fit WEIGHTS: (plan, input channels, outputs, spectra) of each, as slices.

    Whole groups at a time, or some kernels of one.
    """
    plan = with_tables(g)
    most = max(1, WEIGHTS // (of_kernel(g, plan) * g.itemsize))
    some, groups = min(most, kernels(plan)), max(1, min(most // kernels(plan), plan.groups))
    outputs, result, end = some * (1 + plan.two_outputs), [], 0
    for first, o in product(range(0, plan.groups, groups), range(0, plan.ocg, outputs)):
        part = plan._replace(groups=min(groups, plan.groups - first), ocg=min(outputs, plan.ocg - o))
        start, end = end, end + part.groups * kernels(part) * of_kernel(g, plan)
        result.append((
            tuple(part),
            slice(first * plan.icg, (first + part.groups) * plan.icg),
            slice(first * plan.ocg + o, first * plan.ocg + o + part.groups * part.ocg),
            slice(start, end),
        ))  # fmt: skip
    return result


def convolve(kind, geometry, x, weight, bias, out, lo, hi, threads, packed=None):
    """As the `conv` of every kernel module, see `_kernels/direct.pyx`; `packed` is what `pack` made."""
    rank = weight.ndim - 2
    x, out = five(x, rank), five(out, rank)
    kernel = _cpu.kernel("fourier").convolve[kind]
    for plan, channels, outputs, elements in parts(ConvGeometry(*geometry)):
        spectra = None if packed is None else packed[elements]
        offset = None if bias is None else bias[outputs]
        kernel(plan, x[:, channels], weight[outputs], spectra, offset, out[:, outputs], lo, hi, threads)


# The names that plans look for, by the fused types of compiled kernels
FLOAT_KINDS = tuple(KINDS[dtype] for dtype in FLOATS if dtype in KINDS)
conv = {kind: partial(convolve, kind) for kind in FLOAT_KINDS}
packed_size = dict.fromkeys(FLOAT_KINDS, spectra_size)
pack = {kind: partial(transform_weights, kind) for kind in FLOAT_KINDS}
