"""Convolution through `scipy.fft`: what a kernel module does, in NumPy (`_fft.py` says in what blocks, and when).

Arrays of spectra have the axes (group, channel, number of the block along d h w, element of the block along d h w), or
(group, output, channel, 1, 1, 1, ...) for weights. Images are computed one by one, so that their number changes no
bits. A block's rounding errors spread over all of it, and so do NaN and infinity. Errors grow with what is transformed,
so most of the mean level of the input, padding included, is taken off before and what it adds to each output put back
after: in float64, of which what float32 cannot hold goes in at the lowest frequency.
"""

from functools import lru_cache
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from fastconv._arrays import five
from fastconv._fft import axes
from fastconv._geometry import ConvGeometry

SLAB = 2**22  # bytes of spectra of input and output at a time, where one block of one group allows it
LEVEL = 0.75  # of the mean; with all of it taken off, outputs in corners err more: asv_bench/accuracy.py --limits
WEIGHTS = 2**25  # bytes of spectra of weights at a time, where those of one output do


class Transform(NamedTuple):
    """The transforms of a geometry."""

    axes: tuple  # of `_fft.Axis`
    which: tuple  # axes are transformed: 0 d, 1 h, 2 w
    size: tuple  # of a block
    half: tuple  # shape of a kernel's spectrum
    lowest: tuple  # its index of the lowest frequency, as slices
    channels: int  # of a group's input, each phase of the stride being one
    groups: int  # at a time
    outputs: int  # of a group at a time
    blocks: tuple  # at a time


class Slab(NamedTuple):
    """Neighbouring blocks that are transformed together."""

    blocks: tuple  # along each axis
    length: tuple  # of what they see
    seen: tuple  # (phases of the stride, (slices of what they see, slices of the input) or None) of each
    pieces: tuple  # (numbers of blocks, elements of a block, slices of the output, their shape apart) along each axis


@lru_cache(maxsize=1024)
def transform(g):
    """How the axes of `g` are transformed: sizes of factors 2, 3 and 5, as 7 and 11 take a quarter longer."""
    from scipy.fft import next_fast_len

    cut = axes(g)
    which = tuple(i for i in range(3) if cut[i].taps > 1)
    size = tuple(next_fast_len(a.size, real=True) if i in which else a.size for i, a in enumerate(cut))
    half = tuple(size[i] // 2 + 1 if i == which[-1] else size[i] if i in which else 1 for i in range(3))
    lowest = tuple(slice(1 if i in which else None) for i in range(3))
    channels = g.ic // g.groups * prod(a.phases for a in cut)
    spectrum = 2 * g.itemsize * prod(half)
    outputs = min(g.oc // g.groups, max(1, WEIGHTS // (channels * spectrum)))
    groups = min(g.groups, max(1, SLAB // (channels * outputs * spectrum)))
    blocks, room = [1, 1, 1], SLAB // (groups * (channels + outputs) * spectrum)
    for i in (2, 1, 0):
        blocks[i] = max(1, min(cut[i].blocks, room // prod(blocks)))
    return Transform(cut, which, size, half, lowest, channels, groups, outputs, tuple(blocks))


def taps_by_phase(g, t, weight):
    """Weights of (groups, outputs, channels, 1, 1, 1, *taps of a phase), dilation's zeros between them."""
    lead, strides, dilations = weight.shape[:3], (g.sd, g.sh, g.sw), (g.dd, g.dh, g.dw)
    if prod(strides) * prod(dilations) == 1:
        return weight.reshape(*lead, 1, 1, 1, *weight.shape[3:])
    spread = np.zeros((*lead, *(a.taps * s for a, s in zip(t.axes, strides, strict=True))), weight.dtype)
    ends = ((k - 1) * d + 1 for k, d in zip(weight.shape[3:], dilations, strict=True))
    spread[:, :, :, *(slice(0, end, d) for end, d in zip(ends, dilations, strict=True))] = weight
    apart = spread.reshape(*lead, *(n for a, s in zip(t.axes, strides, strict=True) for n in (a.taps, s)))
    phases = apart.transpose(0, 1, 2, 4, 6, 8, 3, 5, 7)[:, :, :, *(slice(a.phases) for a in t.axes)]
    return phases.reshape(*lead[:2], t.channels, 1, 1, 1, *phases.shape[-3:])


def spectra_of_weights(g, t, weight, threads):
    """Spectra of (groups, outputs, ic // groups, kd, kh, kw) weights, conjugate."""
    from scipy.fft import ifft, ihfft

    taps = taps_by_phase(g, t, weight)
    spectra = taps
    for i in reversed(t.which):  # inverse without its factor: conjugate
        inverse = ihfft if i == t.which[-1] else ifft
        spectra = inverse(spectra, t.size[i], axis=i - 3, norm="forward", workers=threads)
    spectra[..., 0, 0, 0] = taps.sum(axis=(-3, -2, -1), dtype=np.float64)  # exact: it puts back the level
    return spectra


@lru_cache(maxsize=64)
def slabs(g):
    """Blocks to be transformed together, one after the other."""
    t, outputs = transform(g), (g.od, g.oh, g.ow)
    found = []
    for first in product(*(range(0, a.blocks, n) for a, n in zip(t.axes, t.blocks, strict=True))):
        blocks = tuple(min(n, a.blocks - f) for a, n, f in zip(t.axes, t.blocks, first, strict=True))
        length = tuple((n - 1) * a.outputs + m for n, a, m in zip(blocks, t.axes, t.size, strict=True))
        seen = []
        for phases in product(*(range(a.phases) for a in t.axes)):
            parts = [part(*p) for p in zip(phases, t.axes, g.axes, first, length, strict=True)]
            seen.append((phases, None if None in parts else tuple(zip(*parts, strict=True))))
        pieces = (tuple(zip(*p, strict=True)) for p in product(*map(whole_and_rest, first, blocks, t.axes, outputs)))
        found.append(Slab(blocks, length, tuple(seen), tuple(pieces)))
    return tuple(found)


def stage(t, slab, x):
    """What blocks see, between zeros, less its level, and the level: (groups, channels, *elements).

    `x` is (groups, ic // groups, *spatial), of one image.
    """
    staged = np.empty((*x.shape[:2], *(a.phases for a in t.axes), *slab.length), x.dtype)
    level = np.zeros((*staged.shape[:5], 1, 1, 1), x.dtype)
    for phases, parts in slab.seen:
        to, mean = staged[:, :, *phases], level[:, :, *phases]
        if parts is None:
            to[...] = 0
            continue
        place, of = parts
        seen = x[:, :, *of]
        np.multiply(np.add.reduce(seen, axis=(2, 3, 4), keepdims=True), LEVEL / prod(slab.length), out=mean)
        if seen.shape != to.shape:
            to[...] = -mean
        np.subtract(seen, mean, out=to[:, :, *place])
    return staged.reshape(len(x), t.channels, *slab.length), level.reshape(len(x), 1, t.channels)


def part(phase, a, extents, first, length):
    """Which elements of a staged axis are which elements of the input's; None if none are.

    Element j of the staged axis is element phase + stride * (j + start) - before of the input, where windows reach it.
    """
    size, outputs, _, stride, _, before = extents
    start = first * a.outputs
    offset = phase + stride * start - before
    begin = max(0, -(offset // stride))
    end = min(length, outputs + a.taps - 1 - start, -((offset - size) // stride))
    if begin >= end:
        return None
    source = offset + stride * begin
    return slice(begin, end), slice(source, source + stride * (end - begin - 1) + 1, stride)


def forward(t, staged, blocks, threads):
    """Spectra of overlapping blocks. What blocks share along an axis still to come is transformed once."""
    from scipy.fft import fft, rfft

    x = staged[:, :, None, None, None]
    for i in reversed(t.which):
        if blocks[i] > 1:
            shape, strides = list(x.shape), list(x.strides)
            shape[2 + i], shape[5 + i] = blocks[i], t.size[i]
            strides[2 + i] = strides[5 + i] * t.axes[i].outputs
            x = np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)
        if i == t.which[-1]:
            x = rfft(x, axis=i - 3, workers=threads)
        else:
            x = fft(x, axis=i - 3, overwrite_x=blocks[i] == 1, workers=threads)
    return x


def multiply(x, weight):
    """The sum over channels of products of spectra: (groups, outputs, *blocks, *half). Overwrites `x` if it can."""
    alone = weight.shape[1] == 1
    total = np.multiply(x[:, :1], weight[:, :, 0], out=x[:, :1] if alone else None)
    term = None if alone or x.shape[1] == 1 else np.empty_like(total)
    for c in range(1, x.shape[1]):
        one = x[:, c : c + 1]
        total += np.multiply(one, weight[:, :, c], out=one if alone else term)
    return total


def backward(t, spectra, threads):
    """Blocks of outputs from their spectra, without what wrapped around."""
    from scipy.fft import ifft, irfft

    for i in t.which:
        if i == t.which[-1]:
            spectra = irfft(spectra, t.size[i], axis=i - 3, workers=threads)
        else:
            spectra = ifft(spectra, axis=i - 3, overwrite_x=True, workers=threads)
        spectra = spectra[(..., slice(t.axes[i].outputs), *(slice(None),) * (2 - i))]
    return spectra


def store(blocks, lift, pieces, result):
    """Put (groups, outputs, *blocks, *outputs of a block), and `lift`, in their place."""
    for numbers, elements, places, (d, h, w) in pieces:
        place = result[:, :, *places].reshape(*result.shape[:2], *d, *h, *w).transpose(0, 1, 2, 4, 6, 3, 5, 7)
        np.add(blocks[:, :, *numbers, *elements], lift, out=place)


def whole_and_rest(first, number, a, outputs):
    """Blocks of an axis that are wanted whole, and the one that is not: as `Slab.pieces`."""
    start = first * a.outputs
    whole, rest = divmod(min(outputs - start, number * a.outputs), a.outputs)
    end = start + whole * a.outputs
    if whole:
        yield slice(whole), slice(a.outputs), slice(start, end), (whole, a.outputs)
    if rest:
        yield slice(whole, whole + 1), slice(rest), slice(end, end + rest), (1, rest)


def packed_layout(geometry):
    """What the spectra of weights depend on besides the weights: the size of a block."""
    return transform(ConvGeometry(*geometry)).size


def spectra_size(geometry, like):
    """Elements of the type of `like` that the spectra of weights take."""
    g = ConvGeometry(*geometry)
    t = transform(g)
    return 2 * g.oc * t.channels * prod(t.half)


def unpacked(g, t, packed):
    """The spectra in a flat array of real numbers."""
    shape = (g.groups, g.oc // g.groups, t.channels, 1, 1, 1, *t.half)
    return packed.view(np.result_type(packed, np.complex64)).reshape(shape)


def transform_weights(geometry, weight, packed, threads):
    """Transform the weights once, for calls of `convolve` with inputs of the same `packed_layout`."""
    g = ConvGeometry(*geometry)
    t = transform(g)
    spectra = unpacked(g, t, packed)
    weight = five(weight, weight.ndim - 2)
    weight = weight.reshape(g.groups, -1, *weight.shape[1:])
    for part in parts_of_weights(g, t):
        spectra[part] = spectra_of_weights(g, t, weight[part], threads)


def parts_of_weights(g, t):
    """Groups and outputs at a time, as indices."""
    for first, o in product(range(0, g.groups, t.groups), range(0, g.oc // g.groups, t.outputs)):
        yield slice(first, first + t.groups), slice(o, o + t.outputs)


@np.errstate(over="ignore", invalid="ignore")  # what NaN and infinity become is documented, not warned about
def convolve(geometry, x, weight, bias, out, lo, hi, threads, packed=None):
    """As the `conv` of every kernel module, see `_kernels/direct.pyx`; `packed` is what `pack` made."""
    g = ConvGeometry(*geometry)
    t = transform(g)
    rank = weight.ndim - 2
    x, weight, out = five(x, rank), five(weight, rank), five(out, rank)
    x, result = (a.reshape(len(a), g.groups, a.shape[1] // g.groups, *a.shape[2:]) for a in (x, out))
    weight = weight.reshape(g.groups, -1, *weight.shape[1:])
    for some, outputs in parts_of_weights(g, t):
        if packed is None:
            spectra = spectra_of_weights(g, t, weight[some, outputs], threads)
        else:
            spectra = unpacked(g, t, packed)[some, outputs]
        sums = spectra[..., 0, 0, 0, 0, 0, 0].real.astype(np.float64)
        for image, to in zip(x[:, some], result[:, some, outputs], strict=True):
            for slab in slabs(g):
                staged, level = stage(t, slab, image)
                products = multiply(forward(t, staged, slab.blocks, threads), spectra)
                lift = (sums * level).sum(axis=2)[(..., *(None,) * 6)]  # what the level adds to each output
                rounded = lift.astype(to.dtype)
                products[..., *t.lowest] += (lift - rounded) * prod(t.size[i] for i in t.which)
                store(backward(t, products, threads), rounded, slab.pieces, to)
    if bias is not None:
        out += bias[:, None, None, None]
    if lo > -np.inf or hi < np.inf:
        np.clip(out, lo, hi, out=out)


# As a kernel module has them, for each type


# The names that plans look for, by the fused types of compiled kernels
conv, packed_size, pack = (
    dict.fromkeys(("float", "double"), function) for function in (convolve, spectra_size, transform_weights)
)
