"""What is made of weights beforehand: what a kernel packs, and the taps that are seen, which it may pack besides."""

from collections import Counter
from functools import partial
from math import prod
from typing import NamedTuple

from fastconv import _cpu, _memory


class Packing(NamedTuple):
    """How a kernel packs or transforms weights beforehand."""

    layout: object  # what the packed weights depend on besides the weights, the kernel's name first
    size: object  # size(geometry, element of the dtype) -> elements
    pack: object  # pack(geometry, weight, packed, threads)

    def of_swapped(self, swapped):
        """That of weights which lie so: see `conv` of `winograd.pyx`."""
        return Packing(self.layout, partial(self.size, swapped=swapped), partial(self.pack, swapped=swapped))


class SeenWeights(NamedTuple):
    """A packing: what the kernel makes of the taps that some output sees, these, and what the others give."""

    channels: tuple  # (oc, ic // groups)
    taps: tuple  # (first, end) along d, h, w
    packing: Packing | None  # the kernel's
    kind: str

    def sizes(self, itemsize):
        """Elements of the weights that are left, of what the others give, and of both in whole cache lines."""
        weights = prod(self.channels) * prod(end - first for first, end in self.taps)
        return weights, self.channels[0], _memory.whole_lines(weights + self.channels[0], itemsize)

    def size(self, geometry, like):
        return self.sizes(like.itemsize)[-1] + (self.packing.size(geometry, like) if self.packing else 0)

    def pack(self, geometry, weight, packed, threads):
        seen, lost, rest = self.parts(packed)
        _cpu.kernel("seen_taps").cut[self.kind](weight, self.taps, seen.ravel(), lost, threads)
        if self.packing:
            self.packing.pack(geometry, seen, rest, threads)

    def parts(self, packed):
        """Weights, what the taps that are left out give, what the kernel made of the weights."""
        size, outputs, both = self.sizes(packed.itemsize)
        shape = *self.channels, *(end - first for first, end in self.taps)
        return packed[:size].reshape(shape), packed[size : size + outputs], packed[both:]

    def cut(self, weight, bias, packed, threads):
        """What the kernel takes for weight, bias and packed weights, from what `pack` made of them, if anything."""
        packing = self.packing if packed else None
        if not packed:
            packed = (_memory.lines(self.sizes(weight.itemsize)[-1], weight.dtype),)
            self._replace(packing=None).pack(None, weight, *packed, threads)
        weight, lost, rest = self.parts(*packed)
        return weight, lost if bias is None else bias + lost, (rest,) if packing else ()


def packing_of(kernel, geometry, kind):
    """How `kernel` may pack weights beforehand; None if it takes them as they are."""
    layout = kernel.packed_layout(tuple(geometry)) if hasattr(kernel, "packed_layout") else None
    return None if layout is None else Packing((kernel.__name__, layout), kernel.packed_size[kind], kernel.pack[kind])


class Packed(NamedTuple):
    """Weights that parts of a transposed convolution have packed beforehand."""

    part: object  # one of these, a `Part` of `_phase_parts`
    size: int  # elements
    boxes: int  # that they serve


def packed_beforehand(parts, like):
    """`Packed` by (weights, layout) of all parts."""
    boxes = Counter((p.weight, p.packing.layout) for p in parts)
    of = {(p.weight, p.packing.layout): p for p in parts}
    return {key: Packed(p, p.packing.size(p.geometry, like), boxes[key]) for key, p in of.items()}
